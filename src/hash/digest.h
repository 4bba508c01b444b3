/*
 * hash/digest -- the volume's checksum, plain or keyed.
 *
 * Codecs: XXH3-128 (xxhash.com; runs at memory speed, finds accidents) and
 * BLAKE2b with 128 bits of output, keyed with the volume's key (RFC 7693, by
 * libsodium; finds intentions too).  What is digested is told apart by a
 * purpose, XXH3's seed or BLAKE2b's personalisation, so that the digest of
 * one thing never vouches for another.
 *
 * All functions are pure and cannot fail.
 */

#ifndef HASH_DIGEST_H
#define HASH_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 16
#define DIGEST_KEY_SIZE 32
#define DIGEST_BLOCK_SIZE 4096

enum digest_codec { DIGEST_XXH3 = 1, DIGEST_BLAKE2B = 2 };

enum digest_purpose {
	DIGEST_TAG = 1,		/* a block of a file */
	DIGEST_RECORD = 2,	/* a record's check over itself */
	DIGEST_META = 3,	/* owner, group, mode and xattrs */
	DIGEST_XATTR = 4,	/* one xattr's name and value */
	DIGEST_NAME = 5,	/* one entry of a directory */
	DIGEST_PAGE = 6,	/* a page of the tags file */
	DIGEST_LABEL = 7,	/* the label's text */
	DIGEST_INTENT = 8,	/* a sector of the intent bitmap */
	DIGEST_KEY = 9,		/* the key's fingerprint in the label */
	DIGEST_PENDING = 10,	/* a log of what a replica missed */
	DIGEST_SCRUB = 11,	/* the text of a scrub's resume point */
	DIGEST_TAGS = 12	/* tags of many blocks, when they are compared over a wire; nowhere on disk */
};

struct digest { enum digest_codec codec; uint8_t key[DIGEST_KEY_SIZE]; };

/*
 * digest_bytes(digest, purpose, data, len, out):
 * Digest ${len} bytes into ${out}, DIGEST_SIZE bytes.
 */
void digest_bytes(const struct digest *digest, enum digest_purpose purpose,
    const void *data, size_t len, uint8_t *out);

/*
 * digest_tag(digest, data, len, tag):
 * The tag of one block: over ${len} <= DIGEST_BLOCK_SIZE bytes taken as padded
 * with zeros to DIGEST_BLOCK_SIZE.  A block of zeros has the all-zero tag.
 */
void digest_tag(const struct digest *digest, const void *data, size_t len, uint8_t *tag);

/* digest_xor(sum, other): ${sum} ^= ${other}, DIGEST_SIZE bytes each. */
void digest_xor(uint8_t *sum, const uint8_t *other);
/* digest_is_zero(sum): are all DIGEST_SIZE bytes zero? */
bool digest_is_zero(const uint8_t *sum);
/* digest_equal(a, b): compares in constant time. */
bool digest_equal(const uint8_t *a, const uint8_t *b);
/* digest_zeros(data, len): are all bytes zero? */
bool digest_zeros(const void *data, size_t len);

/* digest_codec_name(codec): "xxh3", "blake2b", or NULL for no codec. */
const char *digest_codec_name(enum digest_codec codec);
/* digest_codec_parse(text, codec): the reverse; -EINVAL. */
int digest_codec_parse(const char *text, enum digest_codec *codec);

#endif
