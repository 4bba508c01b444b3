#include "link/noise.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "util/buf.h"

#define BLOCK_SIZE 128		/* of BLAKE2b: BLOCKLEN */

static const char protocol_name[] = "Noise_IK_25519_ChaChaPoly_BLAKE2b";
_Static_assert(sizeof(protocol_name) - 1 <= NOISE_HASH_SIZE, "the name is padded, not hashed");
_Static_assert(LINK_KEY_SIZE == crypto_scalarmult_BYTES && LINK_KEY_SIZE == CIPHER_KEY_SIZE, "one size of keys");

static _Thread_local const uint8_t *fixed_ephemeral;

void
noise_fix_ephemeral(const uint8_t *secret)
{
	fixed_ephemeral = secret;
}

/* HASH(a || b). */
static void
hash(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len, uint8_t out[NOISE_HASH_SIZE])
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, NOISE_HASH_SIZE);
	crypto_generichash_update(&state, a, a_len);
	crypto_generichash_update(&state, b, b_len);
	crypto_generichash_final(&state, out, NOISE_HASH_SIZE);
	sodium_memzero(&state, sizeof(state));
}

/* HMAC-HASH(key, a || b), RFC 2104.  Keys are NOISE_HASH_SIZE bytes, less than a block. */
static void
hmac(const uint8_t key[NOISE_HASH_SIZE], const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len, uint8_t out[NOISE_HASH_SIZE])
{
	uint8_t pad[BLOCK_SIZE], inner[NOISE_HASH_SIZE];
	crypto_generichash_state state;

	memset(pad, 0x36, sizeof(pad));
	for (int i = 0; i < NOISE_HASH_SIZE; i++)
		pad[i] ^= key[i];
	crypto_generichash_init(&state, NULL, 0, NOISE_HASH_SIZE);
	crypto_generichash_update(&state, pad, sizeof(pad));
	crypto_generichash_update(&state, a, a_len);
	crypto_generichash_update(&state, b, b_len);
	crypto_generichash_final(&state, inner, sizeof(inner));
	for (int i = 0; i < BLOCK_SIZE; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	hash(pad, sizeof(pad), inner, sizeof(inner), out);
	sodium_memzero(&state, sizeof(state));
	sodium_memzero(pad, sizeof(pad));
	sodium_memzero(inner, sizeof(inner));
}

/* HKDF(ck, input, 2).  ${first} may be ${ck}. */
static void
hkdf(const uint8_t ck[NOISE_HASH_SIZE], const uint8_t *input, size_t len, uint8_t first[NOISE_HASH_SIZE], uint8_t second[NOISE_HASH_SIZE])
{
	static const uint8_t one = 1, two = 2;
	uint8_t temp[NOISE_HASH_SIZE];

	hmac(ck, input, len, NULL, 0, temp);
	hmac(temp, &one, 1, NULL, 0, first);
	hmac(temp, first, NOISE_HASH_SIZE, &two, 1, second);
	sodium_memzero(temp, sizeof(temp));
}

static void
mix_hash(struct noise *n, const uint8_t *data, size_t len)
{
	hash(n->h, sizeof(n->h), data, len, n->h);
}

/* MixKey(DH(ours, theirs)).  -EPROTO: a public key for which everybody gets zeros. */
static int
mix_dh(struct noise *n, const struct key_pair *ours, const uint8_t theirs[LINK_KEY_SIZE])
{
	uint8_t secret[LINK_KEY_SIZE], key[NOISE_HASH_SIZE];
	int rc = -EPROTO;

	if (crypto_scalarmult(secret, ours->secret, theirs) == 0) {
		hkdf(n->ck, secret, sizeof(secret), n->ck, key);
		cipher_init(&n->cipher, key);
		rc = 0;
	}
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(key, sizeof(key));
	return rc;
}

/* EncryptAndHash: the handshake's hash is vouched for, and takes in what was made. */
static int
seal_and_hash(struct noise *n, const uint8_t *plain, size_t len, uint8_t *out)
{
	int rc;

	if ((rc = cipher_seal_with(&n->cipher, n->h, sizeof(n->h), plain, len, out)) == 0)
		mix_hash(n, out, len + CIPHER_TAG_SIZE);
	return rc;
}

/* DecryptAndHash; ${len} with the tag, ${out} not ${sealed}. */
static int
open_and_hash(struct noise *n, const uint8_t *sealed, size_t len, uint8_t *out)
{
	int rc;

	if ((rc = cipher_open_with(&n->cipher, n->h, sizeof(n->h), sealed, len, out)) == 0)
		mix_hash(n, sealed, len);
	return rc;
}

/* The token "e", written: a new key pair, its public half at ${out}. */
static void
write_e(struct noise *n, uint8_t *out)
{
	if (fixed_ephemeral != NULL)
		key_pair_from(&n->e, fixed_ephemeral);
	else
		key_pair_new(&n->e);
	memcpy(out, n->e.public, LINK_KEY_SIZE);
	mix_hash(n, n->e.public, LINK_KEY_SIZE);
}

static void
read_e(struct noise *n, const uint8_t *in)
{
	memcpy(n->re, in, LINK_KEY_SIZE);
	mix_hash(n, n->re, LINK_KEY_SIZE);
}

void
noise_start(struct noise *n, const struct key_pair *s, const uint8_t *rs, const uint8_t *prologue, size_t len)
{
	memset(n, 0, sizeof(*n));
	memcpy(n->h, protocol_name, sizeof(protocol_name) - 1);
	memcpy(n->ck, n->h, sizeof(n->ck));
	n->s = s;
	n->initiator = rs != NULL;
	mix_hash(n, prologue, len);
	/* The pre-message "<- s". */
	if (rs != NULL)
		memcpy(n->rs, rs, LINK_KEY_SIZE);
	mix_hash(n, rs != NULL ? rs : s->public, LINK_KEY_SIZE);
}

void
noise_clear(struct noise *n)
{
	sodium_memzero(n, sizeof(*n));
}

int
noise_write_first(struct noise *n, const uint8_t *payload, size_t len, uint8_t *out)
{
	int rc;

	write_e(n, out);
	out += LINK_KEY_SIZE;
	if ((rc = mix_dh(n, &n->e, n->rs)) != 0)				/* es */
		return rc;
	if ((rc = seal_and_hash(n, n->s->public, LINK_KEY_SIZE, out)) != 0)	/* s */
		return rc;
	out += LINK_KEY_SIZE + CIPHER_TAG_SIZE;
	if ((rc = mix_dh(n, n->s, n->rs)) != 0)					/* ss */
		return rc;
	return seal_and_hash(n, payload, len, out);
}

int
noise_read_first(struct noise *n, const uint8_t *message, size_t len, uint8_t *payload)
{
	int rc;

	if (len < NOISE_FIRST_OVERHEAD)
		return -EPROTO;
	read_e(n, message);
	message += LINK_KEY_SIZE;
	if ((rc = mix_dh(n, n->s, n->re)) != 0)						/* es */
		return rc;
	if ((rc = open_and_hash(n, message, LINK_KEY_SIZE + CIPHER_TAG_SIZE, n->rs)) != 0)	/* s */
		return rc;
	message += LINK_KEY_SIZE + CIPHER_TAG_SIZE;
	if ((rc = mix_dh(n, n->s, n->rs)) != 0)						/* ss */
		return rc;
	return open_and_hash(n, message, len - NOISE_FIRST_OVERHEAD + CIPHER_TAG_SIZE, payload);
}

int
noise_write_second(struct noise *n, const uint8_t *payload, size_t len, uint8_t *out)
{
	int rc;

	write_e(n, out);
	if ((rc = mix_dh(n, &n->e, n->re)) != 0)	/* ee */
		return rc;
	if ((rc = mix_dh(n, &n->e, n->rs)) != 0)	/* se */
		return rc;
	return seal_and_hash(n, payload, len, out + LINK_KEY_SIZE);
}

int
noise_read_second(struct noise *n, const uint8_t *message, size_t len, uint8_t *payload)
{
	int rc;

	if (len < NOISE_SECOND_OVERHEAD)
		return -EPROTO;
	read_e(n, message);
	if ((rc = mix_dh(n, &n->e, n->re)) != 0)	/* ee */
		return rc;
	if ((rc = mix_dh(n, n->s, n->re)) != 0)		/* se */
		return rc;
	return open_and_hash(n, message + LINK_KEY_SIZE, len - LINK_KEY_SIZE, payload);
}

void
noise_split(struct noise *n, struct cipher *ours, struct cipher *theirs)
{
	uint8_t first[NOISE_HASH_SIZE], second[NOISE_HASH_SIZE];

	/* The first is for what the initiator sends. */
	hkdf(n->ck, NULL, 0, first, second);
	cipher_init(n->initiator ? ours : theirs, first);
	cipher_init(n->initiator ? theirs : ours, second);
	sodium_memzero(first, sizeof(first));
	sodium_memzero(second, sizeof(second));
}
