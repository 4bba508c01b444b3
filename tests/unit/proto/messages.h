/*
 * Requests and replies of each kind, as the table has them: every member that
 * an operation has gets a value that is allowed, chosen by ${random}.
 */

#ifndef TESTS_UNIT_PROTO_MESSAGES_H
#define TESTS_UNIT_PROTO_MESSAGES_H

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "proto/table.h"

#include "../random.h"

/* What the pointers of one message lead to. */
struct message_memory {
	char text[3][PROTO_TARGET_MAX];
	unsigned texts;
	uint8_t data[PROTO_DATA_MAX];
};

static inline const char *
message_text(struct random *random, struct message_memory *m, size_t min, size_t max)
{
	char *text = m->text[m->texts++];
	const size_t len = min + (size_t)random_below(random, max - min + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + random_below(random, 26));
	text[len] = '\0';
	return text;
}

static inline struct timespec
message_time(struct random *random)
{
	struct timespec ts = { .tv_sec = (time_t)random_u64(random), .tv_nsec = (long)random_below(random, 1000000000) };

	if (random_below(random, 4) == 0)
		ts.tv_nsec = UTIME_OMIT;
	return ts;
}

static inline uint64_t
message_rdev(struct random *random)
{
	return makedev((unsigned)random_below(random, 4096), (unsigned)random_below(random, 1 << 20));
}

static inline void
message_stat(struct random *random, struct stat *st)
{
	st->st_dev = random_u64(random);
	st->st_ino = random_u64(random);
	st->st_mode = (mode_t)random_u64(random);
	st->st_uid = (uid_t)random_u64(random);
	st->st_gid = (gid_t)random_u64(random);
	st->st_nlink = (nlink_t)random_u64(random);
	st->st_rdev = message_rdev(random);
	st->st_size = (off_t)(random_u64(random) >> 1);
	st->st_blocks = (blkcnt_t)(random_u64(random) >> 1);
	st->st_blksize = (blksize_t)random_below(random, UINT32_MAX);
	st->st_atim = message_time(random);
	st->st_mtim = message_time(random);
	st->st_ctim = message_time(random);
}

static inline void
message_vfs(struct random *random, struct statvfs *vfs)
{
	vfs->f_bsize = random_u64(random);
	vfs->f_frsize = random_u64(random);
	vfs->f_blocks = random_u64(random);
	vfs->f_bfree = random_u64(random);
	vfs->f_bavail = random_u64(random);
	vfs->f_files = random_u64(random);
	vfs->f_ffree = random_u64(random);
	vfs->f_favail = random_u64(random);
	vfs->f_flag = random_below(random, 4);
	vfs->f_namemax = random_below(random, UINT32_MAX);
}

static inline void
message_data(struct random *random, struct message_memory *m, void *member, size_t len)
{
	const struct { const uint8_t *data; size_t len; } bytes = { m->data, len };

	/* All of it once; the rest of the megabyte need not be new each time. */
	random_bytes(random, m->data, len < 64 ? len : 64);
	memcpy(member, &bytes, sizeof(bytes));
}

static inline void
message_field(struct random *random, struct message_memory *m, const struct proto_field *f, void *message, size_t data_len)
{
	void *member = (char *)message + f->at;
	const struct timespec ts = message_time(random);
	const uint64_t number = random_u64(random), rdev = message_rdev(random);
	const int32_t result = (int32_t)random_below(random, INT32_MAX);
	const struct proto_limits limits = { 2 + (uint32_t)random_below(random, 1000), 1 + (uint32_t)random_below(random, 1000), 4 << 20 };
	const char *text;

	switch (f->coding) {
	case PROTO_U32:
		memcpy(member, &number, sizeof(uint32_t));
		break;
	case PROTO_U64:
		memcpy(member, &number, sizeof(number));
		break;
	case PROTO_ID:
		random_bytes(random, member, PROTO_INSTANCE_SIZE);
		break;
	case PROTO_COMPONENT:
	case PROTO_AT:
	case PROTO_TEXT:
		text = f->coding == PROTO_AT && random_below(random, 3) == 0 ? NULL : message_text(random, m, 1, f->max);
		memcpy(member, &text, sizeof(text));
		break;
	case PROTO_TIME:
		memcpy(member, &ts, sizeof(ts));
		break;
	case PROTO_RDEV:
		memcpy(member, &rdev, sizeof(rdev));
		break;
	case PROTO_RESULT:
		memcpy(member, &result, sizeof(result));
		break;
	case PROTO_STAT_ALL:
		message_stat(random, member);
		break;
	case PROTO_VFS_ALL:
		message_vfs(random, member);
		break;
	case PROTO_LIMITS:
		memcpy(member, &limits, sizeof(limits));
		break;
	case PROTO_BYTES:
		message_data(random, m, member, data_len);
		break;
	}
}

/* A request with ${data_len} bytes of data, where it has such. */
static inline void
message_request(struct random *random, struct message_memory *m, unsigned op, size_t data_len, struct proto_request *q)
{
	const struct proto_layout *layout = proto_layout(op);

	memset(q, 0, sizeof(*q));
	m->texts = 0;
	q->op = (uint16_t)op;
	q->id = (uint32_t)random_u64(random);
	for (const struct proto_field *const *f = layout->request; *f != NULL; f++)
		message_field(random, m, *f, q, data_len);
	q->flags &= layout->flags;
	q->size %= PROTO_DATA_MAX + 1;
	q->count %= PROTO_DIGEST_BLOCKS_MAX + 1;
	if ((layout->traits & PROTO_OPENS) != 0 && q->opened == PROTO_ROOT)
		q->opened = 1;
}

/* A reply that says yes. */
static inline void
message_reply(struct random *random, struct message_memory *m, unsigned op, size_t data_len, struct proto_reply *p)
{
	const struct proto_layout *layout = proto_layout(op);

	memset(p, 0, sizeof(*p));
	m->texts = 0;
	p->id = (uint32_t)random_u64(random);
	for (const struct proto_field *const *f = layout->reply; *f != NULL; f++)
		message_field(random, m, *f, p, data_len);
	p->flags &= layout->reply_flags;
	switch (op) {
	case PROTO_LOAD:
		p->record = data_len == 0 ? -ENODATA : (int32_t)data_len;
		break;
	case PROTO_READLINK:
		memset(m->data, 'x', data_len);
		break;
	case PROTO_XATTR_GET:
	case PROTO_XATTR_LIST:
	case PROTO_PREAD:
	case PROTO_PREAD_CACHED:
		p->result = (int32_t)data_len;
		break;
	case PROTO_PWRITE:
		p->result = (int32_t)random_below(random, PROTO_DATA_MAX + 1);
		break;
	case PROTO_DIGEST:
		p->data_len = data_len / DIGEST_SIZE * DIGEST_SIZE;
		p->offset = p->data_len / DIGEST_SIZE * DIGEST_BLOCK_SIZE;
		break;
	case PROTO_SUM:
		p->data_len = DIGEST_SIZE;
		p->offset = (uint64_t)random_below(random, 4096) * DIGEST_BLOCK_SIZE;
		break;
	case PROTO_LIST:
		p->result = (int32_t)random_below(random, 2);
		break;
	default:
		break;
	}
}

#endif
