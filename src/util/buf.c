#include "util/buf.h"

#include <string.h>

#define VARINT_BYTES_MAX 10

/* Mark the cursor failed, for good: nothing is left that could be moved. */
static void
reader_fail(struct buf_reader *r)
{
	r->failed = true;
	r->left = 0;
}

static void
writer_fail(struct buf_writer *w)
{
	w->failed = true;
	w->left = 0;
}

static uint64_t
get_little_endian(struct buf_reader *r, size_t len)
{
	const uint8_t *at;
	uint64_t v = 0;

	if ((at = buf_get_ref(r, len)) == NULL)
		return 0;
	for (size_t i = len; i > 0; i--)
		v = v << 8 | at[i - 1];
	return v;
}

static void
put_little_endian(struct buf_writer *w, uint64_t v, size_t len)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(v >> (8 * i));
	buf_put_bytes(w, bytes, len);
}

void
buf_reader_init(struct buf_reader *r, const void *data, size_t len)
{
	r->at = data;
	r->left = len;
	r->failed = false;
}

const uint8_t *
buf_get_ref(struct buf_reader *r, size_t len)
{
	const uint8_t *at = r->at;

	if (r->failed || len > r->left) {
		reader_fail(r);
		return NULL;
	}
	if (len > 0)
		r->at += len;
	r->left -= len;
	return at;
}

uint8_t
buf_get_u8(struct buf_reader *r)
{
	return (uint8_t)get_little_endian(r, 1);
}

uint16_t
buf_get_u16(struct buf_reader *r)
{
	return (uint16_t)get_little_endian(r, 2);
}

uint32_t
buf_get_u32(struct buf_reader *r)
{
	return (uint32_t)get_little_endian(r, 4);
}

uint64_t
buf_get_u64(struct buf_reader *r)
{
	return get_little_endian(r, 8);
}

uint64_t
buf_get_varint(struct buf_reader *r)
{
	const uint8_t *at;
	uint64_t v = 0;

	for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
		if ((at = buf_get_ref(r, 1)) == NULL)
			return 0;

		/* The tenth byte has room for one bit, and nothing after it. */
		if (i == VARINT_BYTES_MAX - 1 && *at > 1)
			break;
		v |= (uint64_t)(*at & 0x7f) << (7 * i);
		if ((*at & 0x80) == 0) {
			/* Each value has one encoding: no zero on top. */
			if (*at == 0 && i > 0)
				break;
			return v;
		}
	}
	reader_fail(r);
	return 0;
}

int64_t
buf_get_signed(struct buf_reader *r)
{
	uint64_t v = buf_get_varint(r);

	/* Zigzag: 0, -1, 1, -2, ... stand as 0, 1, 2, 3, ... */
	if (v & 1)
		return -(int64_t)(v >> 1) - 1;
	return (int64_t)(v >> 1);
}

void
buf_get_bytes(struct buf_reader *r, void *out, size_t len)
{
	const uint8_t *at;

	if (len == 0)
		return;
	if ((at = buf_get_ref(r, len)) == NULL)
		memset(out, 0, len);
	else
		memcpy(out, at, len);
}

void
buf_writer_init(struct buf_writer *w, void *data, size_t len)
{
	w->at = data;
	w->left = len;
	w->failed = false;
}

void
buf_put_bytes(struct buf_writer *w, const void *data, size_t len)
{
	if (w->failed || len > w->left) {
		writer_fail(w);
		return;
	}
	if (len == 0)
		return;
	memcpy(w->at, data, len);
	w->at += len;
	w->left -= len;
}

void
buf_put_u8(struct buf_writer *w, uint8_t v)
{
	put_little_endian(w, v, 1);
}

void
buf_put_u16(struct buf_writer *w, uint16_t v)
{
	put_little_endian(w, v, 2);
}

void
buf_put_u32(struct buf_writer *w, uint32_t v)
{
	put_little_endian(w, v, 4);
}

void
buf_put_u64(struct buf_writer *w, uint64_t v)
{
	put_little_endian(w, v, 8);
}

void
buf_put_varint(struct buf_writer *w, uint64_t v)
{
	uint8_t bytes[VARINT_BYTES_MAX];
	size_t len = 0;

	while (v > 0x7f) {
		bytes[len++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	bytes[len++] = (uint8_t)v;
	buf_put_bytes(w, bytes, len);
}

void
buf_put_signed(struct buf_writer *w, int64_t v)
{
	if (v < 0)
		buf_put_varint(w, (uint64_t)(-(v + 1)) << 1 | 1);
	else
		buf_put_varint(w, (uint64_t)v << 1);
}
