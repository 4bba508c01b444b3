#include "lend/digest.h"

int
lend_digest(struct replica *r, replica_handle file, uint64_t offset, uint32_t count,
    uint8_t *piece, uint8_t *tags, uint64_t *bytes)
{
	const struct digest digest = { .codec = DIGEST_XXH3 };
	uint64_t left = (uint64_t)count * DIGEST_BLOCK_SIZE;
	size_t len, at;
	ssize_t n;

	*bytes = 0;
	do {
		len = left < LEND_DIGEST_PIECE ? (size_t)left : LEND_DIGEST_PIECE;
		if ((n = r->ops->pread(r, file, piece, len, offset + *bytes)) < 0)
			return (int)n;
		for (at = 0; at < (size_t)n; at += DIGEST_BLOCK_SIZE) {
			digest_tag(&digest, piece + at, (size_t)n - at < DIGEST_BLOCK_SIZE ? (size_t)n - at : DIGEST_BLOCK_SIZE, tags);
			tags += DIGEST_SIZE;
		}
		*bytes += (uint64_t)n;
		left -= len;
	} while (left > 0 && (size_t)n == len);
	return 0;
}
