/*
 * link/frame -- the head of a frame: where it ends, and what it is.
 *
 *	u32 little-endian: bits 0 to 23 the length of the body, 24 to 31 flags
 *
 * Bodies of frames are opaque here.  BYE is a frame without a body.
 */

#ifndef LINK_FRAME_H
#define LINK_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEAD_SIZE 4
#define FRAME_ZSTD 0x01		/* the body is one zstd frame, which says its size */
#define FRAME_LAST 0x02		/* BYE: nothing comes after it */

struct frame_head { size_t len; uint8_t flags; };

void frame_head_encode(const struct frame_head *head, uint8_t out[FRAME_HEAD_SIZE]);
/* frame_head_decode(in, head): -EPROTO: too long, empty, flags that we don't know. */
int frame_head_decode(const uint8_t in[FRAME_HEAD_SIZE], struct frame_head *head);

#endif
