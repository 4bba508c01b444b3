/*
 * proto/table -- what each operation's request and reply are made of.
 *
 * A layout is a list of fields, in the order in which they stand on the wire;
 * a field is a kind of coding and a member of struct proto_request or struct
 * proto_reply.  Only proto/message reads this.
 */

#ifndef PROTO_TABLE_H
#define PROTO_TABLE_H

#include "proto/message.h"

enum proto_coding {
	PROTO_U32,
	PROTO_U64,
	PROTO_ID,	/* PROTO_INSTANCE_SIZE bytes */
	PROTO_COMPONENT, /* u32 length, bytes, 0: a single name, never empty */
	PROTO_AT,	/* the same or, empty, NULL: the handle's own inode */
	PROTO_TEXT,	/* u32 length, bytes without 0 among them, 0 */
	PROTO_TIME,	/* i64 seconds, u32 nanoseconds or PROTO_OMIT */
	PROTO_RDEV,	/* u32 major, u32 minor */
	PROTO_RESULT,	/* i32: 0 or more, or an error's number, negative */
	PROTO_STAT_ALL, /* struct stat */
	PROTO_VFS_ALL,	/* struct statvfs */
	PROTO_LIMITS,	/* struct proto_limits */
	PROTO_BYTES	/* u32 length, bytes: data and data_len; the last field */
};

#define PROTO_OMIT UINT32_MAX	/* nanoseconds: leave this time as it is */

struct proto_field {
	enum proto_coding coding;
	size_t at;		/* offset of the member */
	uint32_t max;		/* PROTO_TEXT: bytes without the zero */
};

#define PROTO_FIELDS_MAX 9

struct proto_layout {
	const char *name;	/* NULL: no such operation */
	unsigned traits;
	uint32_t flags;		/* those that a request may have */
	uint32_t data_max;	/* bytes of a request's data */
	uint32_t reply_flags, reply_max;
	const struct proto_field *request[PROTO_FIELDS_MAX + 1];	/* ends with NULL */
	const struct proto_field *reply[PROTO_FIELDS_MAX + 1];
};

/* proto_layout(op): NULL for no operation. */
const struct proto_layout *proto_layout(unsigned op);

#endif
