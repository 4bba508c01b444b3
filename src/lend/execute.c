#include "lend/execute.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "format/record.h"
#include "lend/digest.h"
#include "util/buf.h"

#define DIGEST_TAGS_SIZE ((size_t)PROTO_DIGEST_BLOCKS_MAX * DIGEST_SIZE)

/* The tags come first in the buffer, then the piece, which must be aligned as the buffer is. */
_Static_assert(DIGEST_TAGS_SIZE % REPLICA_DIRECT_ALIGN == 0, "the piece behind them is aligned");

typedef ssize_t execute_call(struct execution *x);

static struct replica_at
at_of(const struct execution *x)
{
	return (struct replica_at){ .handle = x->handle, .name = x->q->name };
}

/* ${len} bytes of the buffer are the reply's data. */
static void
give(struct execution *x, size_t len)
{
	x->reply->data = x->buffer;
	x->reply->data_len = len;
}

/* The replica. */

static ssize_t
do_statfs(struct execution *x)
{
	const int rc = x->r->ops->statfs(x->r, &x->reply->vfs);

	if (rc == 0 && x->quota != NULL)
		quota_statfs(x->quota, &x->reply->vfs);
	return rc;
}

static ssize_t
do_sync(struct execution *x)
{
	return x->r->ops->sync(x->r);
}

static ssize_t
do_check(struct execution *x)
{
	return x->r->ops->check(x->r);
}

/* Directories and names. */

static ssize_t
do_dir_open(struct execution *x)
{
	return x->r->ops->dir_open(x->r, x->handle, x->q->name, &x->made);
}

static ssize_t
do_pin(struct execution *x)
{
	return x->r->ops->pin(x->r, x->handle, x->q->name, &x->made);
}

static ssize_t
do_dir_sync(struct execution *x)
{
	return x->r->ops->dir_sync(x->r, x->handle);
}

struct listing { struct execution *x; struct buf_writer w; };

static void
listing_start(struct listing *l)
{
	buf_writer_init(&l->w, l->x->buffer, PROTO_LIST_MAX);
}

static int
list_entry(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	const struct proto_entry entry = { .name = name, .ino = ino, .type = d_type };
	struct listing *l = arg;
	int rc;

	proto_entry_put(&l->w, &entry);
	if (!l->w.failed)
		return 0;
	give(l->x, (size_t)(l->w.at - l->x->buffer));
	if ((rc = l->x->more(l->x)) != 0)
		return rc;
	listing_start(l);
	proto_entry_put(&l->w, &entry);
	return 0;
}

static ssize_t
do_list(struct execution *x)
{
	struct listing l = { .x = x };
	int rc;

	listing_start(&l);
	rc = x->r->ops->list(x->r, x->handle, list_entry, &l);
	give(x, (size_t)(l.w.at - x->buffer));
	return rc;
}

static struct replica_new
new_of(const struct proto_request *q)
{
	return (struct replica_new){ .mode = q->mode, .uid = q->uid, .gid = q->gid, .rdev = q->rdev, .target = q->text,
	    .inherit = (q->flags & PROTO_CREATE_INHERIT) != 0, .owned = (q->flags & PROTO_CREATE_OWNED) != 0 };
}

static ssize_t
do_create(struct execution *x)
{
	const struct replica_new new = new_of(x->q);

	return x->r->ops->create(x->r, x->handle, x->q->name, &new, x->q->opened != PROTO_NONE ? &x->made : NULL);
}

static ssize_t
do_tmpfile(struct execution *x)
{
	const struct replica_new new = new_of(x->q);

	return x->r->ops->tmpfile(x->r, x->handle, &new, &x->made);
}

static ssize_t
do_link(struct execution *x)
{
	return x->r->ops->link(x->r, at_of(x), x->to, x->q->to_name);
}

static ssize_t
do_unlink(struct execution *x)
{
	return x->r->ops->unlink(x->r, x->handle, x->q->name, (x->q->flags & PROTO_UNLINK_DIR) != 0);
}

static ssize_t
do_rename(struct execution *x)
{
	return x->r->ops->rename(x->r, x->handle, x->q->name, x->to, x->q->to_name, x->q->flags);
}

static ssize_t
do_readlink(struct execution *x)
{
	const int rc = x->r->ops->readlink(x->r, at_of(x), (char *)x->buffer, PROTO_TARGET_MAX);

	if (rc == 0)
		give(x, strlen((const char *)x->buffer));
	return rc;
}

/* Inodes. */

static ssize_t
do_load(struct execution *x)
{
	struct replica_info info = { .skip_xattrs = (x->q->flags & PROTO_LOAD_SKIP_XATTRS) != 0, .record = x->buffer };
	const int rc = x->r->ops->load(x->r, at_of(x), &info);

	if (rc != 0)
		return rc;
	x->reply->st = info.st;
	x->reply->flags = info.xattrs ? PROTO_LOAD_XATTRS : 0;
	x->reply->record = info.record_len;
	give(x, info.record_len > 0 ? (size_t)info.record_len : 0);
	return 0;
}

static ssize_t
do_stat(struct execution *x)
{
	return x->r->ops->stat(x->r, at_of(x), &x->reply->st);
}

static ssize_t
do_store(struct execution *x)
{
	const struct replica_times times = { .atime = x->q->atime, .mtime = x->q->mtime };

	return x->r->ops->store(x->r, at_of(x), &times, x->q->data, x->q->data_len);
}

static ssize_t
do_chmod(struct execution *x)
{
	return x->r->ops->chmod(x->r, at_of(x), x->q->mode);
}

static ssize_t
do_chown(struct execution *x)
{
	return x->r->ops->chown(x->r, at_of(x), x->q->uid, x->q->gid);
}

/* More there never is. */
static size_t
xattr_size(const struct execution *x)
{
	return x->q->size < PROTO_XATTR_MAX ? x->q->size : PROTO_XATTR_MAX;
}

/* With no size the length alone is asked for. */
static ssize_t
give_xattr(struct execution *x, ssize_t len)
{
	if (len > 0 && x->q->size > 0)
		give(x, (size_t)len);
	return len;
}

static ssize_t
do_xattr_get(struct execution *x)
{
	return give_xattr(x, x->r->ops->xattr_get(x->r, at_of(x), x->q->text, x->buffer, xattr_size(x)));
}

static ssize_t
do_xattr_list(struct execution *x)
{
	return give_xattr(x, x->r->ops->xattr_list(x->r, at_of(x), (char *)x->buffer, xattr_size(x)));
}

static ssize_t
do_xattr_set(struct execution *x)
{
	return x->r->ops->xattr_set(x->r, at_of(x), x->q->text, x->q->data, x->q->data_len, (int)x->q->flags);
}

static ssize_t
do_xattr_remove(struct execution *x)
{
	return x->r->ops->xattr_remove(x->r, at_of(x), x->q->text);
}

/* Files. */

static ssize_t
do_open(struct execution *x)
{
	return x->r->ops->open(x->r, at_of(x), (x->q->flags & PROTO_OPEN_WRITABLE) != 0, &x->made, &x->reply->st);
}

static ssize_t
do_open_direct(struct execution *x)
{
	return x->r->ops->open_direct(x->r, at_of(x), &x->made);
}

static ssize_t
give_read(struct execution *x, ssize_t n)
{
	if (n > 0)
		give(x, (size_t)n);
	return n;
}

static ssize_t
do_pread(struct execution *x)
{
	return give_read(x, x->r->ops->pread(x->r, x->handle, x->buffer, x->q->size, x->q->offset));
}

static ssize_t
do_pread_cached(struct execution *x)
{
	return give_read(x, x->r->ops->pread_cached(x->r, x->handle, x->buffer, x->q->size, x->q->offset));
}

/* The tags that are asked for, into the buffer; their number of bytes. */
static ssize_t
tags_asked_for(struct execution *x)
{
	uint64_t bytes;
	int rc;

	/* With the volume's key a tag can only be made where the key is: at the mount. */
	if (x->q->codec != DIGEST_XXH3)
		return -EOPNOTSUPP;
	if (x->q->offset % DIGEST_BLOCK_SIZE != 0 || x->q->count == 0)
		return -EINVAL;
	if ((rc = lend_digest(x->r, x->handle, x->q->offset, x->q->count, x->buffer + DIGEST_TAGS_SIZE, x->buffer, &bytes)) != 0)
		return rc;
	x->reply->offset = bytes;
	return (ssize_t)((bytes + DIGEST_BLOCK_SIZE - 1) / DIGEST_BLOCK_SIZE * DIGEST_SIZE);
}

static ssize_t
do_digest(struct execution *x)
{
	ssize_t len = tags_asked_for(x);

	if (len < 0)
		return len;
	give(x, (size_t)len);
	return 0;
}

static ssize_t
do_sum(struct execution *x)
{
	static const struct digest digest = { .codec = DIGEST_XXH3 };
	uint8_t sum[DIGEST_SIZE];
	ssize_t len = tags_asked_for(x);

	if (len < 0)
		return len;
	digest_bytes(&digest, DIGEST_TAGS, x->buffer, (size_t)len, sum);
	memcpy(x->buffer, sum, DIGEST_SIZE);
	give(x, DIGEST_SIZE);
	return 0;
}

static ssize_t
do_pwrite(struct execution *x)
{
	return x->r->ops->pwrite(x->r, x->handle, x->q->data, x->q->data_len, x->q->offset);
}

static ssize_t
do_truncate(struct execution *x)
{
	return x->r->ops->truncate(x->r, x->handle, x->q->offset);
}

static ssize_t
do_fallocate(struct execution *x)
{
	return x->r->ops->fallocate(x->r, x->handle, (int)x->q->flags, x->q->offset, x->q->len);
}

static ssize_t
do_seek(struct execution *x)
{
	const int64_t found = x->r->ops->seek(x->r, x->handle, x->q->offset, (x->q->flags & PROTO_SEEK_HOLE) != 0 ? SEEK_HOLE : SEEK_DATA);

	if (found < 0)
		return (ssize_t)found;
	x->reply->offset = (uint64_t)found;
	return 0;
}

static ssize_t
do_fsync(struct execution *x)
{
	return x->r->ops->fsync(x->r, x->handle, (x->q->flags & PROTO_FSYNC_DATA) != 0);
}

static ssize_t
do_drop_cache(struct execution *x)
{
	x->r->ops->drop_cache(x->r, x->handle);
	return 0;
}

/* Those that are not here are the session's own. */
static const struct { execute_call *call; enum execute_handle handle; size_t room; } calls[PROTO_OP_END] = {
	[PROTO_DIGEST] = { do_digest, EXECUTE_FILE, DIGEST_TAGS_SIZE + LEND_DIGEST_PIECE },
	[PROTO_SUM] = { do_sum, EXECUTE_FILE, DIGEST_TAGS_SIZE + LEND_DIGEST_PIECE },
	[PROTO_STATFS] = { do_statfs, EXECUTE_NONE, 0 },
	[PROTO_SYNC] = { do_sync, EXECUTE_NONE, 0 },
	[PROTO_DIR_OPEN] = { do_dir_open, EXECUTE_DIR, 0 },
	[PROTO_PIN] = { do_pin, EXECUTE_DIR, 0 },
	[PROTO_DIR_SYNC] = { do_dir_sync, EXECUTE_DIR, 0 },
	[PROTO_LIST] = { do_list, EXECUTE_DIR, PROTO_LIST_MAX },
	[PROTO_LOAD] = { do_load, EXECUTE_ANY, RECORD_SIZE_MAX },
	[PROTO_STAT] = { do_stat, EXECUTE_ANY, 0 },
	[PROTO_STORE] = { do_store, EXECUTE_ANY, 0 },
	[PROTO_CREATE] = { do_create, EXECUTE_DIR, 0 },
	[PROTO_TMPFILE] = { do_tmpfile, EXECUTE_DIR, 0 },
	[PROTO_LINK] = { do_link, EXECUTE_ANY, 0 },
	[PROTO_UNLINK] = { do_unlink, EXECUTE_DIR, 0 },
	[PROTO_RENAME] = { do_rename, EXECUTE_DIR, 0 },
	[PROTO_READLINK] = { do_readlink, EXECUTE_ANY, PROTO_TARGET_MAX },
	[PROTO_CHMOD] = { do_chmod, EXECUTE_ANY, 0 },
	[PROTO_CHOWN] = { do_chown, EXECUTE_ANY, 0 },
	[PROTO_XATTR_GET] = { do_xattr_get, EXECUTE_ANY, PROTO_XATTR_MAX },
	[PROTO_XATTR_SET] = { do_xattr_set, EXECUTE_ANY, 0 },
	[PROTO_XATTR_REMOVE] = { do_xattr_remove, EXECUTE_ANY, 0 },
	[PROTO_XATTR_LIST] = { do_xattr_list, EXECUTE_ANY, PROTO_XATTR_MAX },
	[PROTO_OPEN] = { do_open, EXECUTE_ANY, 0 },
	[PROTO_OPEN_DIRECT] = { do_open_direct, EXECUTE_ANY, 0 },
	[PROTO_PREAD] = { do_pread, EXECUTE_FILE, PROTO_DATA_MAX },
	[PROTO_PREAD_CACHED] = { do_pread_cached, EXECUTE_FILE, PROTO_DATA_MAX },
	[PROTO_PWRITE] = { do_pwrite, EXECUTE_FILE, 0 },
	[PROTO_TRUNCATE] = { do_truncate, EXECUTE_FILE, 0 },
	[PROTO_FALLOCATE] = { do_fallocate, EXECUTE_FILE, 0 },
	[PROTO_SEEK] = { do_seek, EXECUTE_FILE, 0 },
	[PROTO_FSYNC] = { do_fsync, EXECUTE_FILE, 0 },
	[PROTO_DROP_CACHE] = { do_drop_cache, EXECUTE_FILE, 0 },
	[PROTO_CHECK] = { do_check, EXECUTE_NONE, 0 },
};

enum execute_handle
execute_handle(const struct proto_request *q)
{
	/* A name is one in a directory. */
	return calls[q->op].handle == EXECUTE_ANY && q->name != NULL ? EXECUTE_DIR : calls[q->op].handle;
}

size_t
execute_room(const struct proto_request *q)
{
	/* Nothing read is read into something all the same. */
	if (q->op == PROTO_PREAD || q->op == PROTO_PREAD_CACHED)
		return q->size > 0 ? q->size : 1;
	return calls[q->op].room;
}

int
execute(struct execution *x)
{
	const struct change_request what = { .q = x->q, .handle = x->handle, .to = x->to };
	const bool changes = proto_request_changes(x->q);
	struct change change;
	int rc = 0;

	x->made = REPLICA_NONE;
	x->reply->id = x->q->id;
	if (changes)
		rc = change_begin(&change, x->quota, x->r, &what);
	if (rc == 0) {
		rc = (int)calls[x->q->op].call(x);
		if (changes)
			change_end(&change, rc, x->made);
	}
	return x->reply->result = rc;
}
