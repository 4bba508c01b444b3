/*
 * link/cipher -- one direction of an encrypted stream: Noise's CipherState.
 *
 * ChaCha20-Poly1305 with a 64-bit nonce that counts messages, as Noise
 * (revision 34, sections 5.1 and 12.3) has it.  A message that was dropped,
 * repeated, moved or changed meets another nonce or tag than its own, and
 * fails.  After every CIPHER_REKEY_EVERY messages both sides replace the key
 * (section 11.3), so that who learns a key cannot read what was before.
 */

#ifndef LINK_CIPHER_H
#define LINK_CIPHER_H

#include <stddef.h>
#include <stdint.h>

#define CIPHER_KEY_SIZE 32
#define CIPHER_TAG_SIZE 16
#define CIPHER_REKEY_EVERY 65536

struct cipher { uint8_t key[CIPHER_KEY_SIZE]; uint64_t nonce; };

void cipher_init(struct cipher *c, const uint8_t key[CIPHER_KEY_SIZE]);
/* cipher_clear(c): the key is in memory no more. */
void cipher_clear(struct cipher *c);

/*
 * cipher_seal_with(c, ad, ad_len, plain, len, out):
 * Encrypt ${len} bytes to ${len} + CIPHER_TAG_SIZE bytes at ${out}, which may
 * be ${plain}, and vouch for ${ad} as well.  -EOVERFLOW: no nonce is left.
 */
int cipher_seal_with(struct cipher *c, const uint8_t *ad, size_t ad_len, const uint8_t *plain, size_t len, uint8_t *out);
/*
 * cipher_open_with(c, ad, ad_len, sealed, len, out):
 * The reverse, ${len} with the tag; ${out} may be ${sealed}.  -EPROTO: it is
 * not what was sealed; ${out} is unspecified, and the nonce is not used up.
 */
int cipher_open_with(struct cipher *c, const uint8_t *ad, size_t ad_len, const uint8_t *sealed, size_t len, uint8_t *out);

/* cipher_seal, cipher_open: for a transport message; rekey when it is time. */
int cipher_seal(struct cipher *c, const uint8_t *plain, size_t len, uint8_t *out);
int cipher_open(struct cipher *c, const uint8_t *sealed, size_t len, uint8_t *out);

/* cipher_rekey(c): Noise's REKEY(k).  The nonce goes on. */
void cipher_rekey(struct cipher *c);

#endif
