/*
 * model/bytes -- the contents of one file as the model remembers them.
 *
 * A sparse array of bytes in memory: chunks of BYTES_CHUNK bytes, the absent
 * ones being zeros.  Offsets, lengths and sizes are in bytes.  Out of memory
 * ends the program: a test has no better answer.
 */

#ifndef MODEL_BYTES_H
#define MODEL_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BYTES_CHUNK 4096

struct bytes {
	struct bytes_chunk *chunks;	/* by ascending index */
	size_t count;
	size_t room;
	uint64_t size;
};

void bytes_free(struct bytes *bytes);
/* bytes_read(bytes, offset, out, len): returns how many bytes the file has there, at most ${len}. */
size_t bytes_read(const struct bytes *bytes, uint64_t offset, uint8_t *out, size_t len);
/* bytes_write(bytes, offset, data, len): grows the file where needed. */
void bytes_write(struct bytes *bytes, uint64_t offset, const uint8_t *data, size_t len);
void bytes_resize(struct bytes *bytes, uint64_t size);
/* bytes_zero(bytes, offset, len): zeros from ${offset}, never beyond the size. */
void bytes_zero(struct bytes *bytes, uint64_t offset, uint64_t len);
/* bytes_collapse, bytes_insert: as fallocate(2); ${offset} and ${len} multiples of BYTES_CHUNK. */
void bytes_collapse(struct bytes *bytes, uint64_t offset, uint64_t len);
void bytes_insert(struct bytes *bytes, uint64_t offset, uint64_t len);
/* bytes_data(bytes, offset): the first byte that is not zero, from ${offset} on; UINT64_MAX if there is none. */
uint64_t bytes_data(const struct bytes *bytes, uint64_t offset);

#endif
