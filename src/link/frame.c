#include "link/frame.h"

#include <errno.h>
#include <stdbool.h>

#include "link/link.h"
#include "util/buf.h"

#define LENGTH_BITS 24
_Static_assert(LINK_FRAME_MAX < 1 << LENGTH_BITS, "a frame's length fits its head");

void
frame_head_encode(const struct frame_head *head, uint8_t out[FRAME_HEAD_SIZE])
{
	struct buf_writer w;

	buf_writer_init(&w, out, FRAME_HEAD_SIZE);
	buf_put_u32(&w, (uint32_t)head->len | (uint32_t)head->flags << LENGTH_BITS);
}

int
frame_head_decode(const uint8_t in[FRAME_HEAD_SIZE], struct frame_head *head)
{
	struct buf_reader r;
	uint32_t word;
	bool bye;

	buf_reader_init(&r, in, FRAME_HEAD_SIZE);
	word = buf_get_u32(&r);
	head->len = word & ((1U << LENGTH_BITS) - 1);
	head->flags = (uint8_t)(word >> LENGTH_BITS);
	bye = head->flags == FRAME_LAST;
	if (head->len > LINK_FRAME_MAX || (head->flags & ~(FRAME_ZSTD | FRAME_LAST)) != 0)
		return -EPROTO;
	/* BYE alone is empty, and BYE has nothing else about it. */
	if ((head->len == 0) != bye || ((head->flags & FRAME_LAST) != 0) != bye)
		return -EPROTO;
	return 0;
}
