#include "hash/digest.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>

/* In line, so that a block is digested without calls between its stripes. */
#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(sizeof(XXH128_canonical_t) == DIGEST_SIZE, "XXH3-128 fills a digest");
_Static_assert(crypto_generichash_blake2b_BYTES_MIN <= DIGEST_SIZE, "BLAKE2b goes as short");
_Static_assert(crypto_generichash_blake2b_KEYBYTES_MAX >= DIGEST_KEY_SIZE, "BLAKE2b takes the key");

static const struct {
	enum digest_codec codec;
	const char *name;
} codecs[] = {
	{ DIGEST_XXH3, "xxh3" },
	{ DIGEST_BLAKE2B, "blake2b" },
};

static void
digest_xxh3(enum digest_purpose purpose, const void *data, size_t len, uint8_t *out)
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits_withSeed(data, len, (XXH64_hash_t)purpose));
	memcpy(out, canonical.digest, DIGEST_SIZE);
}

/*
 * Have libsodium look what the processor can do.  If that fails nothing is
 * lost but speed: it keeps to plain C.
 */
static void
prepare_sodium(void)
{
	if (sodium_init() < 0)
		return;
}

static void
digest_blake2b(const uint8_t *key, enum digest_purpose purpose, const void *data, size_t len,
    uint8_t *out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = "mendfs";
	int rc;

	pthread_once(&once, prepare_sodium);
	personal[6] = (uint8_t)purpose;
	rc = crypto_generichash_blake2b_salt_personal(out, DIGEST_SIZE, data, len,
	    key, DIGEST_KEY_SIZE, NULL, personal);

	/* It refuses sizes out of range only, and these are constants. */
	assert(rc == 0);
	(void)rc;
}

void
digest_bytes(const struct digest *digest, enum digest_purpose purpose,
    const void *data, size_t len, uint8_t *out)
{
	assert(digest->codec == DIGEST_XXH3 || digest->codec == DIGEST_BLAKE2B);

	if (digest->codec == DIGEST_XXH3)
		digest_xxh3(purpose, data, len, out);
	else
		digest_blake2b(digest->key, purpose, data, len, out);
}

void
digest_tag(const struct digest *digest, const void *data, size_t len, uint8_t *tag)
{
	uint8_t padded[DIGEST_BLOCK_SIZE];

	assert(len <= DIGEST_BLOCK_SIZE);

	if (digest_zeros(data, len)) {
		memset(tag, 0, DIGEST_SIZE);
		return;
	}
	if (len < DIGEST_BLOCK_SIZE) {
		memcpy(padded, data, len);
		memset(padded + len, 0, DIGEST_BLOCK_SIZE - len);
		data = padded;
	}
	digest_bytes(digest, DIGEST_TAG, data, DIGEST_BLOCK_SIZE, tag);

	/* Zero means zeros, always: never seen, but somebody's block might do it. */
	if (digest_is_zero(tag))
		tag[DIGEST_SIZE - 1] = 1;
}

void
digest_xor(uint8_t *sum, const uint8_t *other)
{
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		sum[i] ^= other[i];
}

bool
digest_is_zero(const uint8_t *sum)
{
	static const uint8_t zero[DIGEST_SIZE];

	return memcmp(sum, zero, DIGEST_SIZE) == 0;
}

bool
digest_equal(const uint8_t *a, const uint8_t *b)
{
	return sodium_memcmp(a, b, DIGEST_SIZE) == 0;
}

bool
digest_zeros(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	size_t head = len < 16 ? len : 16;

	/* Data that is not zeros nearly always shows it here. */
	for (size_t i = 0; i < head; i++) {
		if (bytes[i] != 0)
			return false;
	}

	/* Each byte equals the one 16 before it, so all equal the first zeros. */
	return len <= 16 || memcmp(bytes, bytes + 16, len - 16) == 0;
}

const char *
digest_codec_name(enum digest_codec codec)
{
	for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
		if (codecs[i].codec == codec)
			return codecs[i].name;
	}
	return NULL;
}

int
digest_codec_parse(const char *text, enum digest_codec *codec)
{
	for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
		if (strcmp(codecs[i].name, text) == 0) {
			*codec = codecs[i].codec;
			return 0;
		}
	}
	return -EINVAL;
}
