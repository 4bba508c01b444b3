/*
 * lend/replies -- replies on their way to the client.
 *
 * What is short waits in a buffer for others, until the thread that gathers
 * them has nothing else to do; what is long goes at once, with all before it.
 * Each thread that replies has its own; the link puts their frames in a row.
 */

#ifndef LEND_REPLIES_H
#define LEND_REPLIES_H

#include "link/link.h"
#include "proto/message.h"

#define REPLIES_SIZE ((size_t)16 * 1024)

struct replies { struct link *link; size_t len; uint8_t bytes[REPLIES_SIZE]; };

/*
 * replies_add(replies, op, reply):
 * The reply to an ${op}; its data is not looked at after the return.  A reply
 * that contradicts itself goes as EIO.  -EPIPE: the link is broken.
 */
int replies_add(struct replies *replies, unsigned op, const struct proto_reply *reply);
/* replies_flush(replies): send what waits. */
int replies_flush(struct replies *replies);

#endif
