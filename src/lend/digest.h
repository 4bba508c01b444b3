/*
 * lend/digest -- the tags of a file's blocks, so that they travel and not the data.
 */

#ifndef LEND_DIGEST_H
#define LEND_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "hash/digest.h"
#include "replica/replica.h"

#define LEND_DIGEST_PIECE ((size_t)256 * 1024)	/* bytes that are read at a time */

/*
 * lend_digest(r, file, offset, count, piece, tags, bytes):
 * Read ${count} blocks from ${offset} on, through ${piece} of LEND_DIGEST_PIECE
 * bytes, and write the XXH3 tag of each to ${tags}.  ${bytes}: how many of
 * the bytes lie before the end of file; tags of blocks behind it are not
 * written.  Errors are pread's; then nothing is to be used.
 */
int lend_digest(struct replica *r, replica_handle file, uint64_t offset, uint32_t count,
    uint8_t *piece, uint8_t *tags, uint64_t *bytes);

#endif
