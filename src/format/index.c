#include "format/index.h"

#include <errno.h>

#include "util/buf.h"

#define INDEX_VERSION 1
#define ID_MAX ((uint64_t)INT64_MAX)

size_t
index_encode(const struct index_entry *entries, size_t count, uint8_t *out)
{
	struct index_entry last = { 0, 0 };
	struct buf_writer w;
	size_t i, len = 1;

	buf_writer_init(&w, out, INDEX_SIZE_MAX);
	buf_put_u8(&w, INDEX_VERSION);
	for (i = 0; i < count; i++) {
		buf_put_varint(&w, entries[i].ino - last.ino);
		buf_put_signed(&w, (int64_t)(entries[i].id - last.id));
		if (w.failed)
			break;
		last = entries[i];
		len = (size_t)(w.at - out);
	}
	return len;
}

int
index_decode(const uint8_t *data, size_t len, struct index_entry *entries)
{
	struct index_entry last = { 0, 0 };
	struct buf_reader r;
	uint64_t step;
	int count = 0;

	buf_reader_init(&r, data, len);
	if (len > INDEX_SIZE_MAX || buf_get_u8(&r) != INDEX_VERSION)
		return -EBADMSG;
	while (r.left > 0) {
		step = buf_get_varint(&r);
		entries[count].ino = last.ino + step;
		entries[count].id = last.id + (uint64_t)buf_get_signed(&r);
		if (r.failed || step == 0 || entries[count].ino < step)
			return -EBADMSG;
		if (entries[count].id == 0 || entries[count].id > ID_MAX)
			return -EBADMSG;
		last = entries[count++];
	}
	return count;
}

uint64_t
index_find(const struct index_entry *entries, size_t count, uint64_t ino)
{
	size_t low = 0, high = count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (entries[middle].ino < ino)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && entries[low].ino == ino ? entries[low].id : 0;
}
