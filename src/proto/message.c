#include "proto/message.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "proto/errors.h"
#include "proto/name.h"
#include "proto/table.h"

#define NSEC_END 1000000000u

/* One way through the table: what an encoder or decoder carries along. */
struct encoding {
	struct buf_writer w;
	uint32_t flags, data_max;	/* what is allowed */
	int error;
};

struct decoding {
	struct buf_reader r;
	uint32_t flags, data_max;
	bool bad;			/* well-formed, but what no encoder makes */
};

bool
proto_op_known(unsigned op)
{
	return proto_layout(op) != NULL;
}

const char *
proto_op_name(unsigned op)
{
	const struct proto_layout *layout = proto_layout(op);

	return layout != NULL ? layout->name : "?";
}

unsigned
proto_op_traits(unsigned op)
{
	const struct proto_layout *layout = proto_layout(op);

	return layout != NULL ? layout->traits : 0;
}

bool
proto_request_changes(const struct proto_request *request)
{
	if (request->op == PROTO_OPEN && (request->flags & PROTO_OPEN_WRITABLE) != 0)
		return true;
	return (proto_op_traits(request->op) & PROTO_CHANGES) != 0;
}

/* Numbers. */

static void
put_u32(struct buf_writer *w, const void *member)
{
	uint32_t v;

	memcpy(&v, member, sizeof(v));
	buf_put_u32(w, v);
}

static void
get_u32(struct buf_reader *r, void *member)
{
	const uint32_t v = buf_get_u32(r);

	memcpy(member, &v, sizeof(v));
}

static void
put_u64(struct buf_writer *w, const void *member)
{
	uint64_t v;

	memcpy(&v, member, sizeof(v));
	buf_put_u64(w, v);
}

static void
get_u64(struct buf_reader *r, void *member)
{
	const uint64_t v = buf_get_u64(r);

	memcpy(member, &v, sizeof(v));
}

static void
put_rdev(struct buf_writer *w, uint64_t rdev)
{
	buf_put_u32(w, major(rdev));
	buf_put_u32(w, minor(rdev));
}

static uint64_t
get_rdev(struct buf_reader *r)
{
	const uint32_t upper = buf_get_u32(r), lower = buf_get_u32(r);

	return makedev(upper, lower);
}

/* The error's own number, negative; 0 and more as they are. */
static void
put_result(struct buf_writer *w, int32_t result)
{
	buf_put_u32(w, result < 0 ? -proto_error_encode(result) : (uint32_t)result);
}

static int32_t
get_result(struct buf_reader *r)
{
	const uint32_t v = buf_get_u32(r);

	return v > INT32_MAX ? -proto_error_decode(-v) : (int32_t)v;
}

/* Texts. */

static void
put_text(struct encoding *e, const struct proto_field *field, const char *text)
{
	const size_t len = text != NULL ? strlen(text) : 0;

	if (field->coding == PROTO_COMPONENT || (field->coding == PROTO_AT && text != NULL)) {
		if (text == NULL || !proto_name_valid(text, len))
			e->error = -EINVAL;
	}
	if (len > field->max)
		e->error = -ENAMETOOLONG;
	if (e->error != 0)
		return;
	buf_put_u32(&e->w, (uint32_t)len);
	buf_put_bytes(&e->w, text != NULL ? text : "", len);
	buf_put_u8(&e->w, 0);
}

static const char *
get_text(struct decoding *d, const struct proto_field *field)
{
	const size_t len = buf_get_u32(&d->r);
	const char *text;

	if (len > field->max || (text = (const char *)buf_get_ref(&d->r, len + 1)) == NULL ||
	    memchr(text, '\0', len + 1) != text + len) {
		d->bad = true;
		return NULL;
	}
	if (field->coding == PROTO_AT && len == 0)
		return NULL;
	if (field->coding != PROTO_TEXT && !proto_name_valid(text, len))
		d->bad = true;
	return text;
}

/* Times. */

static void
put_time(struct encoding *e, const struct timespec *ts)
{
	if (ts->tv_nsec != UTIME_OMIT && (ts->tv_nsec < 0 || ts->tv_nsec >= NSEC_END))
		e->error = -EINVAL;
	buf_put_u64(&e->w, (uint64_t)ts->tv_sec);
	buf_put_u32(&e->w, ts->tv_nsec == UTIME_OMIT ? PROTO_OMIT : (uint32_t)ts->tv_nsec);
}

static struct timespec
get_time(struct decoding *d)
{
	struct timespec ts;
	uint32_t nsec;

	ts.tv_sec = (time_t)buf_get_u64(&d->r);
	nsec = buf_get_u32(&d->r);
	if (nsec != PROTO_OMIT && nsec >= NSEC_END)
		d->bad = true;
	ts.tv_nsec = nsec == PROTO_OMIT ? UTIME_OMIT : (long)nsec;
	return ts;
}

/* What stat(2) and statvfs(3) tell. */

static void
put_stat(struct encoding *e, const struct stat *st)
{
	struct buf_writer *w = &e->w;

	buf_put_u64(w, st->st_dev);
	buf_put_u64(w, st->st_ino);
	buf_put_u32(w, st->st_mode);
	buf_put_u32(w, st->st_uid);
	buf_put_u32(w, st->st_gid);
	buf_put_u64(w, st->st_nlink);
	put_rdev(w, st->st_rdev);
	buf_put_u64(w, (uint64_t)st->st_size);
	buf_put_u64(w, (uint64_t)st->st_blocks);
	buf_put_u32(w, (uint32_t)st->st_blksize);
	put_time(e, &st->st_atim);
	put_time(e, &st->st_mtim);
	put_time(e, &st->st_ctim);
}

static void
get_stat(struct decoding *d, struct stat *st)
{
	struct buf_reader *r = &d->r;

	st->st_dev = buf_get_u64(r);
	st->st_ino = buf_get_u64(r);
	st->st_mode = buf_get_u32(r);
	st->st_uid = buf_get_u32(r);
	st->st_gid = buf_get_u32(r);
	st->st_nlink = (nlink_t)buf_get_u64(r);
	st->st_rdev = get_rdev(r);
	st->st_size = (off_t)buf_get_u64(r);
	st->st_blocks = (blkcnt_t)buf_get_u64(r);
	st->st_blksize = (blksize_t)buf_get_u32(r);
	st->st_atim = get_time(d);
	st->st_mtim = get_time(d);
	st->st_ctim = get_time(d);
	if (st->st_size < 0 || st->st_blocks < 0)
		d->bad = true;
}

enum { VFS_READ_ONLY = 1, VFS_NOSUID = 2 };	/* of f_flag, as all systems have them */

static void
put_vfs(struct buf_writer *w, const struct statvfs *st)
{
	buf_put_u64(w, st->f_bsize);
	buf_put_u64(w, st->f_frsize);
	buf_put_u64(w, st->f_blocks);
	buf_put_u64(w, st->f_bfree);
	buf_put_u64(w, st->f_bavail);
	buf_put_u64(w, st->f_files);
	buf_put_u64(w, st->f_ffree);
	buf_put_u64(w, st->f_favail);
	buf_put_u32(w, ((st->f_flag & ST_RDONLY) != 0 ? VFS_READ_ONLY : 0) | ((st->f_flag & ST_NOSUID) != 0 ? VFS_NOSUID : 0));
	buf_put_u32(w, (uint32_t)st->f_namemax);
}

static void
get_vfs(struct buf_reader *r, struct statvfs *st)
{
	uint32_t flags;

	st->f_bsize = buf_get_u64(r);
	st->f_frsize = buf_get_u64(r);
	st->f_blocks = buf_get_u64(r);
	st->f_bfree = buf_get_u64(r);
	st->f_bavail = buf_get_u64(r);
	st->f_files = buf_get_u64(r);
	st->f_ffree = buf_get_u64(r);
	st->f_favail = buf_get_u64(r);
	flags = buf_get_u32(r);
	st->f_flag = ((flags & VFS_READ_ONLY) != 0 ? ST_RDONLY : 0) | ((flags & VFS_NOSUID) != 0 ? ST_NOSUID : 0);
	st->f_namemax = buf_get_u32(r);
}

static void
put_limits(struct buf_writer *w, const struct proto_limits *limits)
{
	buf_put_u32(w, limits->handles);
	buf_put_u32(w, limits->requests);
	buf_put_u32(w, limits->bytes);
}

static void
get_limits(struct decoding *d, struct proto_limits *limits)
{
	limits->handles = buf_get_u32(&d->r);
	limits->requests = buf_get_u32(&d->r);
	limits->bytes = buf_get_u32(&d->r);
	/* With less nobody could work. */
	if (limits->handles < 2 || limits->requests == 0 || limits->bytes < PROTO_DATA_MAX + PROTO_HEAD_MAX)
		d->bad = true;
}

/* The data: a pointer and a length, which stand one after the other in both structs. */

struct bytes { const uint8_t *data; size_t len; };

_Static_assert(offsetof(struct proto_request, data_len) == offsetof(struct proto_request, data) + offsetof(struct bytes, len) &&
    offsetof(struct proto_reply, data_len) == offsetof(struct proto_reply, data) + offsetof(struct bytes, len), "taken as struct bytes");

static void
put_bytes(struct encoding *e, const void *member)
{
	struct bytes bytes;

	memcpy(&bytes, member, sizeof(bytes));
	if (bytes.len > e->data_max)
		e->error = -E2BIG;
	else
		buf_put_u32(&e->w, (uint32_t)bytes.len);
}

static void
get_bytes(struct decoding *d, void *member)
{
	struct bytes bytes;

	bytes.len = buf_get_u32(&d->r);
	bytes.data = buf_get_ref(&d->r, bytes.len);
	if (bytes.len > d->data_max)
		d->bad = true;
	memcpy(member, &bytes, sizeof(bytes));
}

/* A field of any kind. */

static void
put_field(struct encoding *e, const struct proto_field *field, const void *message)
{
	const void *member = (const char *)message + field->at;

	switch (field->coding) {
	case PROTO_U32:
		put_u32(&e->w, member);
		break;
	case PROTO_U64:
		put_u64(&e->w, member);
		break;
	case PROTO_ID:
		buf_put_bytes(&e->w, member, PROTO_INSTANCE_SIZE);
		break;
	case PROTO_COMPONENT:
	case PROTO_AT:
	case PROTO_TEXT:
		put_text(e, field, *(const char *const *)member);
		break;
	case PROTO_TIME:
		put_time(e, member);
		break;
	case PROTO_RDEV:
		put_rdev(&e->w, *(const uint64_t *)member);
		break;
	case PROTO_RESULT:
		put_result(&e->w, *(const int32_t *)member);
		break;
	case PROTO_STAT_ALL:
		put_stat(e, member);
		break;
	case PROTO_VFS_ALL:
		put_vfs(&e->w, member);
		break;
	case PROTO_LIMITS:
		put_limits(&e->w, member);
		break;
	case PROTO_BYTES:
		put_bytes(e, member);
		break;
	}
}

static void
get_field(struct decoding *d, const struct proto_field *field, void *message)
{
	void *member = (char *)message + field->at;

	switch (field->coding) {
	case PROTO_U32:
		get_u32(&d->r, member);
		break;
	case PROTO_U64:
		get_u64(&d->r, member);
		break;
	case PROTO_ID:
		buf_get_bytes(&d->r, member, PROTO_INSTANCE_SIZE);
		break;
	case PROTO_COMPONENT:
	case PROTO_AT:
	case PROTO_TEXT:
		*(const char **)member = get_text(d, field);
		break;
	case PROTO_TIME:
		*(struct timespec *)member = get_time(d);
		break;
	case PROTO_RDEV:
		*(uint64_t *)member = get_rdev(&d->r);
		break;
	case PROTO_RESULT:
		*(int32_t *)member = get_result(&d->r);
		break;
	case PROTO_STAT_ALL:
		get_stat(d, member);
		break;
	case PROTO_VFS_ALL:
		get_vfs(&d->r, member);
		break;
	case PROTO_LIMITS:
		get_limits(d, member);
		break;
	case PROTO_BYTES:
		get_bytes(d, member);
		break;
	}
}

/* A whole message. */

static int
put_fields(struct encoding *e, const struct proto_field *const *fields, const void *message)
{
	for (; *fields != NULL; fields++)
		put_field(e, *fields, message);
	if (e->error == 0 && e->w.failed)
		e->error = -ENOSPC;
	return e->error;
}

/* The length, known only at the end, goes to the front. */
static int
finish(struct encoding *e, uint8_t *head, size_t data_len)
{
	const size_t len = (size_t)(e->w.at - head);
	struct buf_writer front;

	buf_writer_init(&front, head, sizeof(uint32_t));
	buf_put_u32(&front, (uint32_t)(len + data_len));
	return (int)len;
}

static int
get_fields(struct decoding *d, const struct proto_field *const *fields, void *message)
{
	for (; *fields != NULL; fields++)
		get_field(d, *fields, message);
	return d->bad || d->r.failed || d->r.left != 0 ? -EPROTO : 0;
}

/* A reader of just the first message, behind its length.  Returns the length, or -EPROTO. */
static int
first_message(struct buf_reader *r, const uint8_t *data, size_t len, size_t head)
{
	uint32_t size;

	buf_reader_init(r, data, len);
	size = buf_get_u32(r);
	if (r->failed || size < head || size > len || size > PROTO_HEAD_MAX + PROTO_DATA_MAX)
		return -EPROTO;
	r->left = size - sizeof(size);
	return (int)size;
}

/* What the coding of single fields cannot know. */
static bool
request_is_sane(const struct proto_request *q, const struct proto_layout *layout)
{
	if ((q->flags & ~layout->flags) != 0)
		return false;
	if ((layout->traits & PROTO_OPENS) != 0 && q->opened == PROTO_ROOT)
		return false;
	if (q->count > PROTO_DIGEST_BLOCKS_MAX || q->size > PROTO_DATA_MAX)
		return false;
	/* The attribute's name is not empty; CREATE's target may be. */
	return !(q->op >= PROTO_XATTR_GET && q->op <= PROTO_XATTR_REMOVE) || (q->text != NULL && q->text[0] != '\0');
}

/* Results that contradict each other: who asked need not look again. */
static bool
reply_is_sane(unsigned op, const struct proto_reply *p, const struct proto_layout *layout)
{
	if ((p->flags & ~layout->reply_flags) != 0)
		return false;
	switch (op) {
	case PROTO_LOAD:
		return p->data_len == (p->record > 0 ? (size_t)p->record : 0);
	case PROTO_READLINK:
		return p->data_len < PROTO_TARGET_MAX && memchr(p->data, '\0', p->data_len) == NULL;
	case PROTO_XATTR_GET:
	case PROTO_XATTR_LIST:
		/* Without data: who asked wanted the length alone. */
		return p->result <= PROTO_XATTR_MAX && (p->data_len == 0 || p->data_len == (size_t)p->result);
	case PROTO_PREAD:
	case PROTO_PREAD_CACHED:
		return p->data_len == (size_t)p->result;
	case PROTO_PWRITE:
		return p->result <= (int32_t)PROTO_DATA_MAX;
	case PROTO_DIGEST:
		return p->data_len % DIGEST_SIZE == 0 &&
		    p->data_len / DIGEST_SIZE == p->offset / DIGEST_BLOCK_SIZE + (p->offset % DIGEST_BLOCK_SIZE != 0);
	case PROTO_SUM:
		return p->data_len == DIGEST_SIZE;
	case PROTO_LIST:
		return p->result <= PROTO_LIST_MORE;
	default:
		return p->result == 0;
	}
}

int
proto_request_encode(const struct proto_request *request, uint8_t *head, size_t size)
{
	const struct proto_layout *layout = proto_layout(request->op);
	struct encoding e = { .error = 0 };
	int rc;

	if (layout == NULL || !request_is_sane(request, layout))
		return -EINVAL;
	e.data_max = layout->data_max;
	buf_writer_init(&e.w, head, size);
	buf_put_u32(&e.w, 0);
	buf_put_u32(&e.w, request->id);
	buf_put_u16(&e.w, request->op);
	buf_put_u16(&e.w, 0);
	if ((rc = put_fields(&e, layout->request, request)) != 0)
		return rc;
	return finish(&e, head, request->data_len);
}

int
proto_request_decode(const uint8_t *data, size_t len, struct proto_request *request)
{
	const struct proto_layout *layout;
	struct decoding d = { .bad = false };
	uint16_t reserved;
	int size;

	memset(request, 0, sizeof(*request));
	if ((size = first_message(&d.r, data, len, PROTO_REQUEST_HEAD)) < 0)
		return size;
	request->id = buf_get_u32(&d.r);
	request->op = buf_get_u16(&d.r);
	reserved = buf_get_u16(&d.r);
	if (reserved != 0 || (layout = proto_layout(request->op)) == NULL)
		return -EPROTO;
	d.data_max = layout->data_max;
	if (get_fields(&d, layout->request, request) != 0 || !request_is_sane(request, layout))
		return -EPROTO;
	return size;
}

int
proto_reply_encode(unsigned op, const struct proto_reply *reply, uint8_t *head, size_t size)
{
	static const struct proto_field *const nothing[] = { NULL };
	const struct proto_layout *layout = proto_layout(op);
	struct encoding e = { .error = 0 };
	int rc;

	if (layout == NULL || (reply->result >= 0 && !reply_is_sane(op, reply, layout)))
		return -EINVAL;
	e.data_max = layout->reply_max;
	buf_writer_init(&e.w, head, size);
	buf_put_u32(&e.w, 0);
	buf_put_u32(&e.w, reply->id);
	put_result(&e.w, reply->result);
	if ((rc = put_fields(&e, reply->result < 0 ? nothing : layout->reply, reply)) != 0)
		return rc;
	return finish(&e, head, reply->result < 0 ? 0 : reply->data_len);
}

int
proto_reply_id(const uint8_t *data, size_t len, uint32_t *id)
{
	struct buf_reader r;
	int size;

	if ((size = first_message(&r, data, len, PROTO_REPLY_HEAD)) < 0)
		return size;
	*id = buf_get_u32(&r);
	return size;
}

int
proto_reply_decode(unsigned op, const uint8_t *data, size_t len, struct proto_reply *reply)
{
	static const struct proto_field *const nothing[] = { NULL };
	const struct proto_layout *layout = proto_layout(op);
	struct decoding d = { .bad = false };
	int size;

	memset(reply, 0, sizeof(*reply));
	if (layout == NULL || (size = first_message(&d.r, data, len, PROTO_REPLY_HEAD)) < 0)
		return -EPROTO;
	reply->id = buf_get_u32(&d.r);
	reply->result = get_result(&d.r);
	d.data_max = layout->reply_max;
	if (get_fields(&d, reply->result < 0 ? nothing : layout->reply, reply) != 0)
		return -EPROTO;
	return reply->result >= 0 && !reply_is_sane(op, reply, layout) ? -EPROTO : size;
}
