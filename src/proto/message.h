/*
 * proto/message -- requests to a replica on another machine, and the replies.
 *
 * The bytes are described in doc/PROTOCOL.md.  The operations are those of
 * struct replica_ops (replica/replica.h), one to one, and a few of the
 * session's own.  One table says what each is made of; encoder and decoder of
 * both sides read it.  Pure: memory in, memory out, no allocation.
 *
 * A frame of the link holds messages one after the other.  A message's data
 * (what is written or was read, a record, a list) is always its last part, so
 * that it need not be copied: an encoder writes the head, and the bytes that
 * follow on the wire are ${data} itself.  Names are zero-terminated on the
 * wire, so that a decoder's pointers into the frame are C strings.
 */

#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "hash/digest.h"
#include "util/buf.h"

#define PROTO_VERSION 1
#define PROTO_ROOT 0u			/* the handle of the top directory */
#define PROTO_NONE UINT32_MAX		/* CREATE's opened: no handle is wanted */
#define PROTO_INSTANCE_SIZE 16
#define PROTO_HEAD_MAX 5120		/* bytes of any message without its data */
#define PROTO_DATA_MAX (1u << 20)	/* of file data in one message */
#define PROTO_XATTR_MAX 65536		/* bytes of a value, of a list of names; the kernel's own bound */
#define PROTO_TARGET_MAX 4096		/* of a symbolic link's target, with its zero byte */
#define PROTO_DIGEST_BLOCKS_MAX 4096	/* blocks whose tags one request asks for */
#define PROTO_LIST_MAX 65536		/* bytes of entries in one reply; a long list takes several */
#define PROTO_REQUEST_HEAD 12		/* length, id, op, flags */
#define PROTO_REPLY_HEAD 12		/* length, id, result */

/* Numbers on the wire: never used again for something else. */
enum proto_op {
	PROTO_HELLO = 1,
	PROTO_PING = 2,
	PROTO_BYE = 3,
	PROTO_DIGEST = 4,
	PROTO_SUM = 5,
	PROTO_STATFS = 16,
	PROTO_SYNC = 17,
	PROTO_DIR_OPEN = 18,
	PROTO_DIR_CLOSE = 19,
	PROTO_PIN = 20,
	PROTO_DIR_SYNC = 21,
	PROTO_LIST = 22,
	PROTO_LOAD = 23,
	PROTO_STAT = 24,
	PROTO_STORE = 25,
	PROTO_CREATE = 26,
	PROTO_TMPFILE = 27,
	PROTO_LINK = 28,
	PROTO_UNLINK = 29,
	PROTO_RENAME = 30,
	PROTO_READLINK = 31,
	PROTO_CHMOD = 32,
	PROTO_CHOWN = 33,
	PROTO_XATTR_GET = 34,
	PROTO_XATTR_SET = 35,
	PROTO_XATTR_REMOVE = 36,
	PROTO_XATTR_LIST = 37,
	PROTO_OPEN = 38,
	PROTO_OPEN_DIRECT = 39,
	PROTO_CLOSE = 40,
	PROTO_PREAD = 41,
	PROTO_PREAD_CACHED = 42,
	PROTO_PWRITE = 43,
	PROTO_TRUNCATE = 44,
	PROTO_FALLOCATE = 45,
	PROTO_SEEK = 46,
	PROTO_FSYNC = 47,
	PROTO_DROP_CACHE = 48,
	PROTO_LOCK = 49,
	PROTO_CHECK = 50,
	PROTO_OP_END
};

/* Bits of ${flags}, by operation; a decoder refuses others. */
enum {
	PROTO_HELLO_READ_ONLY = 1,
	PROTO_LOAD_SKIP_XATTRS = 1,
	PROTO_CREATE_INHERIT = 1, PROTO_CREATE_OWNED = 2,	/* also TMPFILE: replica_new */
	PROTO_UNLINK_DIR = 1,
	PROTO_RENAME_NOREPLACE = 1, PROTO_RENAME_EXCHANGE = 2,	/* as Linux has them */
	PROTO_XATTR_CREATE = 1, PROTO_XATTR_REPLACE = 2,	/* as Linux has them */
	PROTO_OPEN_WRITABLE = 1,
	PROTO_FALLOCATE_ALL = 0x7b,	/* Linux's FALLOC_FL_*, but those that the kernel keeps to itself */
	PROTO_SEEK_HOLE = 1,		/* else SEEK_DATA */
	PROTO_FSYNC_DATA = 1,
	PROTO_LOCK_EXCLUSIVE = 1
};

/* Which members count, proto/message.c's table says; the others are zero after decoding. */
struct proto_request {
	uint32_t id;			/* the client's, not one of those in flight */
	uint16_t op;			/* enum proto_op */
	uint32_t handle;		/* of a directory, a file, or the inode itself */
	const char *name;		/* in ${handle}; NULL where an inode is meant by its handle */
	uint32_t to;			/* LINK, RENAME: directory of ... */
	const char *to_name;		/* ... the new name */
	uint32_t opened;		/* number that the client gives to the new handle */
	uint32_t flags;
	uint32_t mode;			/* Linux's bits, with the type where something is made */
	uint32_t uid, gid;		/* UINT32_MAX: keep (CHOWN) */
	uint64_t rdev;			/* the client's makedev(3) */
	const char *text;		/* CREATE: target of a link, else ""; XATTR_*: name of the attribute */
	struct timespec atime, mtime;	/* STORE: tv_nsec may be UTIME_OMIT */
	uint64_t offset;		/* bytes; TRUNCATE: the new size */
	uint64_t len;			/* FALLOCATE */
	uint32_t size;			/* bytes that the reply's data may have */
	uint32_t codec, count;		/* DIGEST, SUM: enum digest_codec, blocks from ${offset} on */
	uint32_t version;		/* HELLO */
	uint64_t features;
	uint8_t instance[PROTO_INSTANCE_SIZE];
	const uint8_t *data;
	size_t data_len;
};

/* What the server allows, said in HELLO's reply. */
struct proto_limits {
	uint32_t handles;		/* a handle's number is below this */
	uint32_t requests;		/* in flight */
	uint32_t bytes;			/* of requests in flight, and what their replies may have */
};

struct proto_reply {
	uint32_t id;
	int32_t result;			/* 0 or more, or a negative errno value of this platform */
	struct stat st;
	struct statvfs vfs;
	uint32_t flags;			/* HELLO: as granted; LOAD: PROTO_LOAD_XATTRS */
	int32_t record;			/* LOAD: bytes of the record, which is ${data}, or negative errno */
	uint64_t offset;		/* SEEK */
	uint32_t version;		/* HELLO */
	uint64_t features;
	uint32_t uid, gid;		/* HELLO: what the server's own files belong to */
	struct proto_limits limits;
	const uint8_t *data;
	size_t data_len;
};

enum { PROTO_LOAD_XATTRS = 1 };
enum { PROTO_LIST_MORE = 1 };		/* LIST's result: further replies to it follow; 0: this was the last */

/* How an operation is to be treated. */
enum proto_traits {
	PROTO_CHANGES = 1,		/* refused where there is no right to write, or no lease */
	PROTO_WAITS = 2,		/* waits for a disk: not to be done where others wait behind it */
	PROTO_OPENS = 4,		/* gives a handle */
	PROTO_SESSION = 8		/* not one of the replica's operations */
};

/* proto_op_known(op), proto_op_name(op): "pwrite"; "?" for no operation. */
bool proto_op_known(unsigned op);
const char *proto_op_name(unsigned op);
/* proto_op_traits(op): bits of enum proto_traits; 0 for no operation. */
unsigned proto_op_traits(unsigned op);
/* proto_request_changes(request): PROTO_CHANGES by its flags, too (OPEN for writing). */
bool proto_request_changes(const struct proto_request *request);

/*
 * proto_request_encode(request, head, size):
 * Write all but the data into ${head} of ${size} bytes, PROTO_HEAD_MAX always
 * suffices; return the length, after which ${data_len} bytes of ${data} are to
 * follow.  -EINVAL: a name that is no component, a flag or value out of range,
 * no such operation; -ENAMETOOLONG; -E2BIG: too much data; -ENOSPC: ${size}.
 */
int proto_request_encode(const struct proto_request *request, uint8_t *head, size_t size);

/*
 * proto_request_decode(data, len, request):
 * Take apart the first message of the ${len} bytes at ${data}; pointers lead
 * into them.  Returns the number of bytes that it took, or -EPROTO: something
 * that no encoder makes, after which nothing more can be believed.  Names are
 * single components then.
 */
int proto_request_decode(const uint8_t *data, size_t len, struct proto_request *request);

/*
 * proto_reply_encode(op, reply, head, size):
 * The same for the reply to an ${op}.  Of a negative result nothing else is sent.
 */
int proto_reply_encode(unsigned op, const struct proto_reply *reply, uint8_t *head, size_t size);

/*
 * proto_reply_id(data, len, id):
 * Whose reply comes next?  Returns its whole length, for one that nobody
 * waits for, or -EPROTO.
 */
int proto_reply_id(const uint8_t *data, size_t len, uint32_t *id);

/* proto_reply_decode(op, data, len, reply): as proto_request_decode. */
int proto_reply_decode(unsigned op, const uint8_t *data, size_t len, struct proto_reply *reply);

/* One entry of a list's data; ${type} is a DT_* value. */
struct proto_entry { const char *name; uint64_t ino; uint8_t type; };

/* proto_entry_put(w, entry): append one; ${w}->failed if there is no room, and nothing is written. */
void proto_entry_put(struct buf_writer *w, const struct proto_entry *entry);
/* proto_entry_get(r, entry): the next one.  1, 0 at the end, -EPROTO. */
int proto_entry_get(struct buf_reader *r, struct proto_entry *entry);

#endif
