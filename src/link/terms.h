/*
 * link/terms -- what the two messages of the handshake carry.
 *
 * Of fixed size, so that their length tells nothing:
 *
 *	request  u8 flags (bit 0: read-only)  16 bytes instance
 *	         u8 length of the name  the name  zeros       TERMS_REQUEST_SIZE
 *	answer   u8 status  u8 flags  u16 zero  u32 request_max
 *	         u32 handle_max  u32 zero  u64 byte_max  zeros  TERMS_ANSWER_SIZE
 *
 * Decoders give -EPROTO for everything else.
 */

#ifndef LINK_TERMS_H
#define LINK_TERMS_H

#include "link/link.h"

#define TERMS_REQUEST_SIZE 128
#define TERMS_ANSWER_SIZE 64

/* terms_request_encode(request, out): -EINVAL: a name that is empty or too long. */
int terms_request_encode(const struct link_request *request, uint8_t out[TERMS_REQUEST_SIZE]);
int terms_request_decode(const uint8_t in[TERMS_REQUEST_SIZE], struct link_request *request);
void terms_answer_encode(const struct link_answer *answer, uint8_t out[TERMS_ANSWER_SIZE]);
int terms_answer_decode(const uint8_t in[TERMS_ANSWER_SIZE], struct link_answer *answer);

#endif
