#include "link/cipher.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "util/buf.h"

_Static_assert(CIPHER_KEY_SIZE == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "a key's size");
_Static_assert(CIPHER_TAG_SIZE == crypto_aead_chacha20poly1305_ietf_ABYTES, "a tag's size");

#define NONCE_SIZE crypto_aead_chacha20poly1305_ietf_NPUBBYTES

/* Noise 12.3: 32 bits of zeros and the count, little-endian. */
static void
nonce_bytes(uint64_t count, uint8_t out[NONCE_SIZE])
{
	struct buf_writer w;

	buf_writer_init(&w, out, NONCE_SIZE);
	buf_put_u32(&w, 0);
	buf_put_u64(&w, count);
}

void
cipher_init(struct cipher *c, const uint8_t key[CIPHER_KEY_SIZE])
{
	memcpy(c->key, key, CIPHER_KEY_SIZE);
	c->nonce = 0;
}

void
cipher_clear(struct cipher *c)
{
	sodium_memzero(c, sizeof(*c));
}

int
cipher_seal_with(struct cipher *c, const uint8_t *ad, size_t ad_len, const uint8_t *plain, size_t len, uint8_t *out)
{
	uint8_t nonce[NONCE_SIZE];

	/* The last one is rekey's (Noise 5.1). */
	if (c->nonce == UINT64_MAX)
		return -EOVERFLOW;
	nonce_bytes(c->nonce++, nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain, len, ad, ad_len, NULL, nonce, c->key);
	return 0;
}

int
cipher_open_with(struct cipher *c, const uint8_t *ad, size_t ad_len, const uint8_t *sealed, size_t len, uint8_t *out)
{
	uint8_t nonce[NONCE_SIZE];

	if (c->nonce == UINT64_MAX)
		return -EOVERFLOW;
	nonce_bytes(c->nonce, nonce);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed, len, ad, ad_len, nonce, c->key) != 0)
		return -EPROTO;
	c->nonce++;
	return 0;
}

/* Both sides count the same messages, so that they do this at the same one. */
static void
rekey_in_time(struct cipher *c)
{
	if (c->nonce % CIPHER_REKEY_EVERY == 0)
		cipher_rekey(c);
}

int
cipher_seal(struct cipher *c, const uint8_t *plain, size_t len, uint8_t *out)
{
	int rc = cipher_seal_with(c, NULL, 0, plain, len, out);

	if (rc == 0)
		rekey_in_time(c);
	return rc;
}

int
cipher_open(struct cipher *c, const uint8_t *sealed, size_t len, uint8_t *out)
{
	int rc = cipher_open_with(c, NULL, 0, sealed, len, out);

	if (rc == 0)
		rekey_in_time(c);
	return rc;
}

void
cipher_rekey(struct cipher *c)
{
	static const uint8_t zeros[CIPHER_KEY_SIZE];
	uint8_t nonce[NONCE_SIZE], sealed[CIPHER_KEY_SIZE + CIPHER_TAG_SIZE];

	nonce_bytes(UINT64_MAX, nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, zeros, sizeof(zeros), NULL, 0, NULL, nonce, c->key);
	memcpy(c->key, sealed, CIPHER_KEY_SIZE);
	sodium_memzero(sealed, sizeof(sealed));
}
