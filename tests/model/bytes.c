#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

struct bytes_chunk {
	uint64_t index;
	uint8_t *data;
};

static void *
must(void *pointer)
{

	if (pointer == NULL) {
		fprintf(stderr, "oracle: out of memory\n");
		abort();
	}
	return pointer;
}

/* The first chunk at or behind index. */
static size_t
position(const struct bytes *bytes, uint64_t index)
{
	size_t low = 0, high = bytes->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (bytes->chunks[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint8_t *
find(const struct bytes *bytes, uint64_t index)
{
	size_t at = position(bytes, index);

	if (at < bytes->count && bytes->chunks[at].index == index)
		return bytes->chunks[at].data;
	return NULL;
}

static uint8_t *
make(struct bytes *bytes, uint64_t index)
{
	size_t at = position(bytes, index);

	if (at < bytes->count && bytes->chunks[at].index == index)
		return bytes->chunks[at].data;
	if (bytes->count == bytes->room) {
		bytes->room = bytes->room * 2 + 8;
		bytes->chunks = must(realloc(bytes->chunks, bytes->room * sizeof(*bytes->chunks)));
	}
	memmove(&bytes->chunks[at + 1], &bytes->chunks[at], (bytes->count - at) * sizeof(*bytes->chunks));
	bytes->count++;
	bytes->chunks[at].index = index;
	bytes->chunks[at].data = must(calloc(1, BYTES_CHUNK));
	return bytes->chunks[at].data;
}

/* Forget the chunks [first, last). */
static void
drop(struct bytes *bytes, uint64_t first, uint64_t last)
{
	size_t from = position(bytes, first), to = position(bytes, last), i;

	if (from == to)
		return;
	for (i = from; i < to; i++)
		free(bytes->chunks[i].data);
	memmove(&bytes->chunks[from], &bytes->chunks[to], (bytes->count - to) * sizeof(*bytes->chunks));
	bytes->count -= to - from;
}

void
bytes_free(struct bytes *bytes)
{

	drop(bytes, 0, UINT64_MAX);
	free(bytes->chunks);
	memset(bytes, 0, sizeof(*bytes));
}

size_t
bytes_read(const struct bytes *bytes, uint64_t offset, uint8_t *out, size_t len)
{
	size_t done = 0, part;
	const uint8_t *data;

	if (offset >= bytes->size)
		return 0;
	if (len > bytes->size - offset)
		len = (size_t)(bytes->size - offset);
	for (; done < len; done += part) {
		uint64_t at = offset + done;

		part = BYTES_CHUNK - (size_t)(at % BYTES_CHUNK);
		if (part > len - done)
			part = len - done;
		if ((data = find(bytes, at / BYTES_CHUNK)) != NULL)
			memcpy(out + done, data + at % BYTES_CHUNK, part);
		else
			memset(out + done, 0, part);
	}
	return len;
}

void
bytes_write(struct bytes *bytes, uint64_t offset, const uint8_t *data, size_t len)
{
	size_t done, part;

	for (done = 0; done < len; done += part) {
		uint64_t at = offset + done;

		part = BYTES_CHUNK - (size_t)(at % BYTES_CHUNK);
		if (part > len - done)
			part = len - done;
		memcpy(make(bytes, at / BYTES_CHUNK) + at % BYTES_CHUNK, data + done, part);
	}
	if (len > 0 && offset + len > bytes->size)
		bytes->size = offset + len;
}

void
bytes_resize(struct bytes *bytes, uint64_t size)
{

	if (size < bytes->size)
		bytes_zero(bytes, size, bytes->size - size);
	bytes->size = size;
}

void
bytes_zero(struct bytes *bytes, uint64_t offset, uint64_t len)
{
	uint64_t end, first, last;
	uint8_t *data;

	if (offset >= bytes->size || len == 0)
		return;
	end = len > bytes->size - offset ? bytes->size : offset + len;
	first = (offset + BYTES_CHUNK - 1) / BYTES_CHUNK;
	last = end == bytes->size ? (end + BYTES_CHUNK - 1) / BYTES_CHUNK : end / BYTES_CHUNK;
	if (first > last) {
		if ((data = find(bytes, offset / BYTES_CHUNK)) != NULL)
			memset(data + offset % BYTES_CHUNK, 0, (size_t)(end - offset));
		return;
	}
	if (offset % BYTES_CHUNK != 0 && (data = find(bytes, offset / BYTES_CHUNK)) != NULL)
		memset(data + offset % BYTES_CHUNK, 0, BYTES_CHUNK - (size_t)(offset % BYTES_CHUNK));
	if (last * BYTES_CHUNK < end && (data = find(bytes, last)) != NULL)
		memset(data, 0, (size_t)(end - last * BYTES_CHUNK));
	drop(bytes, first, last);
}

void
bytes_collapse(struct bytes *bytes, uint64_t offset, uint64_t len)
{
	uint64_t first = offset / BYTES_CHUNK, count = len / BYTES_CHUNK;
	size_t i;

	drop(bytes, first, first + count);
	for (i = position(bytes, first); i < bytes->count; i++)
		bytes->chunks[i].index -= count;
	bytes->size -= len;
}

void
bytes_insert(struct bytes *bytes, uint64_t offset, uint64_t len)
{
	size_t i;

	for (i = position(bytes, offset / BYTES_CHUNK); i < bytes->count; i++)
		bytes->chunks[i].index += len / BYTES_CHUNK;
	bytes->size += len;
}

uint64_t
bytes_data(const struct bytes *bytes, uint64_t offset)
{
	size_t i, at;

	for (i = position(bytes, offset / BYTES_CHUNK); i < bytes->count; i++) {
		at = bytes->chunks[i].index * BYTES_CHUNK < offset ? (size_t)(offset % BYTES_CHUNK) : 0;
		for (; at < BYTES_CHUNK; at++)
			if (bytes->chunks[i].data[at] != 0)
				return bytes->chunks[i].index * BYTES_CHUNK + at;
	}
	return UINT64_MAX;
}
