/*
 * link/noise -- the handshake Noise_IK_25519_ChaChaPoly_BLAKE2b.
 *
 * After the Noise Protocol Framework, revision 34 (noiseprotocol.org/noise.html);
 * the names are its own.  Pure: bytes in, bytes out; random only in making the
 * ephemeral key.
 *
 *	<- s
 *	-> e, es, s, ss      the first message,  NOISE_FIRST_OVERHEAD + payload
 *	<- e, ee, se         the second,         NOISE_SECOND_OVERHEAD + payload
 *
 * The initiator knows the responder's key beforehand; the responder learns the
 * initiator's from the first message, proved but perhaps replayed.  After the
 * second message both are proved and fresh, and what follows is secret even
 * from who gets both static keys later.
 *
 * Errors: -EPROTO: the message is not what the other side made for us, or a
 * key in it is one of those with which everybody has the same secret.  The
 * handshake is of no use after an error.
 */

#ifndef LINK_NOISE_H
#define LINK_NOISE_H

#include "link/cipher.h"
#include "link/key.h"

#define NOISE_HASH_SIZE 64
#define NOISE_FIRST_OVERHEAD (LINK_KEY_SIZE + LINK_KEY_SIZE + CIPHER_TAG_SIZE + CIPHER_TAG_SIZE)
#define NOISE_SECOND_OVERHEAD (LINK_KEY_SIZE + CIPHER_TAG_SIZE)

struct noise {
	/* SymmetricState */
	uint8_t ck[NOISE_HASH_SIZE];
	uint8_t h[NOISE_HASH_SIZE];	/* after the second message: the handshake's hash */
	struct cipher cipher;
	/* HandshakeState */
	const struct key_pair *s;	/* ours, static */
	struct key_pair e;		/* ours, for this time only */
	uint8_t rs[LINK_KEY_SIZE];	/* theirs, static: given, or from the first message */
	uint8_t re[LINK_KEY_SIZE];	/* theirs, for this time only */
	bool initiator;
};

/* noise_start(n, s, rs, prologue, len): ${rs}: the responder's key if we are the initiator, NULL if we are the responder. */
void noise_start(struct noise *n, const struct key_pair *s, const uint8_t *rs, const uint8_t *prologue, size_t len);
/* noise_clear(n): no secret is in memory any more. */
void noise_clear(struct noise *n);

/* The initiator's: ${out} has room for ${len} + NOISE_FIRST_OVERHEAD bytes; ${payload} of noise_read_second for ${len} - NOISE_SECOND_OVERHEAD. */
int noise_write_first(struct noise *n, const uint8_t *payload, size_t len, uint8_t *out);
int noise_read_second(struct noise *n, const uint8_t *message, size_t len, uint8_t *payload);
/* The responder's. */
int noise_read_first(struct noise *n, const uint8_t *message, size_t len, uint8_t *payload);
int noise_write_second(struct noise *n, const uint8_t *payload, size_t len, uint8_t *out);

/* noise_split(n, ours, theirs): after the second message, the keys for what we send and what we receive. */
void noise_split(struct noise *n, struct cipher *ours, struct cipher *theirs);

/* noise_fix_ephemeral(secret): for published test vectors: all ephemeral keys of this thread are ${secret}; NULL: random again. */
void noise_fix_ephemeral(const uint8_t *secret);

#endif
