/*
 * util/buf -- bounded reading and writing of little-endian integers.
 *
 * All bytes that come from a disk or a peer are taken apart through these;
 * no struct is ever cast to bytes.  Once an access runs past the end, the
 * cursor is marked failed, all later reads give zeros, and all later writes
 * are dropped: a decoder may check ${failed} once, at its end.
 *
 * A varint is LEB128: 7 bits a byte, least significant first, at most 10
 * bytes, no padding with needless 0x80 bytes (a reader refuses those).  A
 * signed varint is a zigzag-coded one.
 */

#ifndef UTIL_BUF_H
#define UTIL_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf_reader { const uint8_t *at; size_t left; bool failed; };
struct buf_writer { uint8_t *at; size_t left; bool failed; };

void buf_reader_init(struct buf_reader *r, const void *data, size_t len);
uint8_t buf_get_u8(struct buf_reader *r);
uint16_t buf_get_u16(struct buf_reader *r);
uint32_t buf_get_u32(struct buf_reader *r);
uint64_t buf_get_u64(struct buf_reader *r);
uint64_t buf_get_varint(struct buf_reader *r);
int64_t buf_get_signed(struct buf_reader *r);
void buf_get_bytes(struct buf_reader *r, void *out, size_t len);
/* buf_get_ref(r, len): a pointer to the next ${len} bytes in place, or NULL. */
const uint8_t *buf_get_ref(struct buf_reader *r, size_t len);

void buf_writer_init(struct buf_writer *w, void *data, size_t len);
void buf_put_u8(struct buf_writer *w, uint8_t v);
void buf_put_u16(struct buf_writer *w, uint16_t v);
void buf_put_u32(struct buf_writer *w, uint32_t v);
void buf_put_u64(struct buf_writer *w, uint64_t v);
void buf_put_varint(struct buf_writer *w, uint64_t v);
void buf_put_signed(struct buf_writer *w, int64_t v);
void buf_put_bytes(struct buf_writer *w, const void *data, size_t len);

#endif
