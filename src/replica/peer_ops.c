/* The operations: each is one message. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/record.h"
#include "replica/peer_private.h"

#define LIST_ROOM 4096u		/* bytes, at first, of what a directory holds */

/* ---- what an operation is about */

static uint32_t
number(replica_handle handle)
{
	/* What is no handle is none there, either. */
	return handle == REPLICA_ROOT ? PROTO_ROOT : handle > 0 && handle < PROTO_NONE ? (uint32_t)handle : PROTO_NONE;
}

void
peer_call_at(struct peer_call *call, struct peer *p, enum proto_op op, struct replica_at at)
{
	peer_call_init(call, p, op);
	call->request.handle = number(at.handle);
	call->request.name = at.name;
}

void
peer_call_on(struct peer_call *call, struct peer *p, enum proto_op op, replica_handle handle)
{
	peer_call_at(call, p, op, (struct replica_at){ .handle = handle });
}

/* One that gives a handle: its number is there before it is. */
int
peer_call_handle(struct peer_call *call, replica_handle *handle)
{
	int rc;

	if ((rc = peer_handle_new(call->peer, &call->number)) != 0) {
		peer_not_begun(call->peer);
		pthread_cond_destroy(&call->ended);
		return rc;
	}
	call->handle = handle;
	call->request.opened = (uint32_t)call->number;
	return 0;
}

int
peer_refuse_change(struct peer *p)
{
	peer_not_begun(p);
	return -EROFS;
}

/* ---- what an answer has */

void
peer_take_stat(struct peer_call *call, const struct proto_reply *reply)
{
	*(struct stat *)call->arg = reply->st;
}

static void
take_statfs(struct peer_call *call, const struct proto_reply *reply)
{
	*(struct statvfs *)call->arg = reply->vfs;
}

void
peer_take_bytes(struct peer_call *call, const struct proto_reply *reply)
{
	/* More than was asked for is no answer to it. */
	if (reply->data_len > call->size)
		call->error = -EPROTO;
	else if (reply->data_len > 0)
		memcpy(call->room, reply->data, reply->data_len);
}

void
peer_take_data(struct peer_call *call, const struct proto_reply *reply)
{
	peer_take_bytes(call, reply);
	call->result = (int64_t)reply->data_len;
}

/* ---- the replica, and directories */

static int
peer_statfs(struct replica *r, struct statvfs *st)
{
	struct peer_call call;

	peer_call_on(&call, peer_self(r), PROTO_STATFS, REPLICA_ROOT);
	call.take = take_statfs;
	call.arg = st;
	return (int)peer_call(&call, PEER_WAIT);
}

static int
peer_sync(struct replica *r)
{
	struct peer_call call;

	peer_call_on(&call, peer_self(r), PROTO_SYNC, REPLICA_ROOT);
	return (int)peer_call(&call, PEER_SETTLE);
}

static int
open_name(struct replica *r, enum proto_op op, replica_handle dir, const char *name, replica_handle *handle)
{
	struct peer_call call;
	int rc;

	peer_call_at(&call, peer_self(r), op, (struct replica_at){ dir, name });
	if ((rc = peer_call_handle(&call, handle)) != 0)
		return rc;
	return (int)peer_call(&call, PEER_WAIT);
}

static int
peer_dir_open(struct replica *r, replica_handle dir, const char *name, replica_handle *handle)
{
	return open_name(r, PROTO_DIR_OPEN, dir, name, handle);
}

static int
peer_pin(struct replica *r, replica_handle dir, const char *name, replica_handle *handle)
{
	return open_name(r, PROTO_PIN, dir, name, handle);
}

void
peer_close_handle(struct replica *r, enum proto_op op, replica_handle handle)
{
	struct peer *p = peer_self(r);
	struct peer_call call;

	if (handle < 0)
		return;
	peer_call_on(&call, p, op, handle);
	(void)peer_call(&call, PEER_FORGET);
	peer_handle_free(p, handle);
}

static void
peer_dir_close(struct replica *r, replica_handle dir)
{
	peer_close_handle(r, PROTO_DIR_CLOSE, dir);
}

static int
peer_dir_sync(struct replica *r, replica_handle dir)
{
	struct peer_call call;

	peer_call_on(&call, peer_self(r), PROTO_DIR_SYNC, dir);
	return (int)peer_call(&call, PEER_SETTLE);
}

/* What is listed, as it came: the caller's own function is for the caller's thread. */
static void
take_entries(struct peer_call *call, const struct proto_reply *reply)
{
	struct buf_writer *all = call->arg;
	size_t room;
	uint8_t *more;

	if (call->error != 0)
		return;
	if (call->size - all->left + reply->data_len > call->size) {
		room = 2 * call->size + reply->data_len + LIST_ROOM;
		if ((more = realloc(call->room, room)) == NULL) {
			call->error = -ENOMEM;
			return;
		}
		all->at = more + (call->size - all->left);
		all->left += room - call->size;
		call->room = more;
		call->size = room;
	}
	buf_put_bytes(all, reply->data, reply->data_len);
}

static int
tell_entries(const uint8_t *data, size_t len, replica_list_call *call, void *arg)
{
	struct proto_entry entry;
	struct buf_reader r;
	int rc;

	buf_reader_init(&r, data, len);
	while ((rc = proto_entry_get(&r, &entry)) > 0) {
		if ((rc = call(arg, entry.name, entry.type, entry.ino)) != 0)
			return rc;
	}
	return rc;
}

static int
peer_list(struct replica *r, replica_handle dir, replica_list_call *tell, void *arg)
{
	struct buf_writer all = { .left = 0 };
	struct peer_call call;
	int rc;

	peer_call_on(&call, peer_self(r), PROTO_LIST, dir);
	call.take = take_entries;
	call.arg = &all;
	if ((rc = (int)peer_call(&call, PEER_WAIT)) >= 0)
		rc = tell_entries(call.room, call.size - all.left, tell, arg);
	free(call.room);
	return rc;
}

/* ---- inodes */

static void
take_load(struct peer_call *call, const struct proto_reply *reply)
{
	struct replica_info *info = call->arg;

	info->st = reply->st;
	info->record_len = reply->record;
	info->xattrs = (reply->flags & PROTO_LOAD_XATTRS) != 0;
	peer_take_bytes(call, reply);
	if (reply->record > 0 && (size_t)reply->record != reply->data_len)
		call->error = -EPROTO;
}

static int
peer_load(struct replica *r, struct replica_at at, struct replica_info *info)
{
	struct peer_call call;

	peer_call_at(&call, peer_self(r), PROTO_LOAD, at);
	call.request.flags = info->skip_xattrs ? PROTO_LOAD_SKIP_XATTRS : 0;
	call.take = take_load;
	call.arg = info;
	call.room = info->record;
	call.size = RECORD_SIZE_MAX;
	return (int)peer_call(&call, PEER_WAIT);
}

static int
peer_stat(struct replica *r, struct replica_at at, struct stat *st)
{
	struct peer_call call;

	peer_call_at(&call, peer_self(r), PROTO_STAT, at);
	call.take = peer_take_stat;
	call.arg = st;
	return (int)peer_call(&call, PEER_WAIT);
}

static int
peer_store(struct replica *r, struct replica_at at, const struct replica_times *times, const void *record, size_t len)
{
	struct peer *p = peer_self(r);
	struct peer_call call;

	if (p->read_only)
		return peer_refuse_change(p);
	/* More than any disk has room for. */
	if (len > RECORD_SIZE_MAX) {
		peer_not_begun(p);
		return -ENOSPC;
	}
	peer_call_at(&call, p, PROTO_STORE, at);
	call.request.atime = times->atime;
	call.request.mtime = times->mtime;
	call.request.data = record;
	call.request.data_len = len;
	return (int)peer_call_begun(&call, 0);
}

/* What is to be made; whose it is by itself is this machine's word, and may not hold there. */
static void
call_new(struct peer_call *call, const struct replica_new *new)
{
	struct peer *p = call->peer;

	call->request.mode = new->mode;
	call->request.uid = new->uid;
	call->request.gid = new->gid;
	call->request.rdev = new->rdev;
	call->request.text = new->target != NULL ? new->target : "";
	call->request.opened = PROTO_NONE;
	if (new->inherit)
		call->request.flags |= PROTO_CREATE_INHERIT;
	if (new->owned && new->uid == p->uid && new->gid == p->gid)
		call->request.flags |= PROTO_CREATE_OWNED;
}

static int
peer_create(struct replica *r, replica_handle dir, const char *name, const struct replica_new *new, replica_handle *handle)
{
	struct peer *p = peer_self(r);
	struct peer_call call;
	int rc;

	if (p->read_only)
		return peer_refuse_change(p);
	peer_call_at(&call, p, PROTO_CREATE, (struct replica_at){ dir, name });
	call_new(&call, new);
	if (handle != NULL && S_ISREG(new->mode) && (rc = peer_call_handle(&call, handle)) != 0)
		return rc;
	return (int)peer_call_begun(&call, 0);
}

static int
peer_tmpfile(struct replica *r, replica_handle dir, const struct replica_new *new, replica_handle *handle)
{
	struct peer *p = peer_self(r);
	struct peer_call call;
	int rc;

	if (p->read_only)
		return peer_refuse_change(p);
	peer_call_on(&call, p, PROTO_TMPFILE, dir);
	call_new(&call, new);
	if ((rc = peer_call_handle(&call, handle)) != 0)
		return rc;
	return (int)peer_call(&call, PEER_WAIT);
}

static int
peer_link(struct replica *r, struct replica_at at, replica_handle dir, const char *name)
{
	struct peer *p = peer_self(r);
	struct peer_call call;

	if (p->read_only)
		return peer_refuse_change(p);
	peer_call_at(&call, p, PROTO_LINK, at);
	call.request.to = number(dir);
	call.request.to_name = name;
	return (int)peer_call_begun(&call, 0);
}

static int
peer_unlink(struct replica *r, replica_handle dir, const char *name, bool is_dir)
{
	struct peer *p = peer_self(r);
	struct peer_call call;

	if (p->read_only)
		return peer_refuse_change(p);
	peer_call_at(&call, p, PROTO_UNLINK, (struct replica_at){ dir, name });
	call.request.flags = is_dir ? PROTO_UNLINK_DIR : 0;
	return (int)peer_call_begun(&call, 0);
}

static int
peer_rename(struct replica *r, replica_handle dir, const char *name, replica_handle new_dir, const char *new_name, unsigned flags)
{
	struct peer *p = peer_self(r);
	struct peer_call call;

	if (p->read_only)
		return peer_refuse_change(p);
	peer_call_at(&call, p, PROTO_RENAME, (struct replica_at){ dir, name });
	call.request.to = number(new_dir);
	call.request.to_name = new_name;
	call.request.flags = flags;
	return (int)peer_call_begun(&call, 0);
}

static void
take_target(struct peer_call *call, const struct proto_reply *reply)
{
	size_t len = strnlen((const char *)reply->data, reply->data_len);

	if (len >= call->size) {
		call->error = -ENAMETOOLONG;
		return;
	}
	memcpy(call->room, reply->data, len);
	((char *)call->room)[len] = '\0';
	call->result = 0;
}

static int
peer_readlink(struct replica *r, struct replica_at at, char *buf, size_t size)
{
	struct peer_call call;

	peer_call_at(&call, peer_self(r), PROTO_READLINK, at);
	call.take = take_target;
	call.room = buf;
	call.size = size;
	return (int)peer_call(&call, PEER_WAIT);
}

static int
peer_chmod(struct replica *r, struct replica_at at, mode_t mode)
{
	struct peer *p = peer_self(r);
	struct peer_call call;

	if (p->read_only)
		return peer_refuse_change(p);
	peer_call_at(&call, p, PROTO_CHMOD, at);
	call.request.mode = mode;
	return (int)peer_call_begun(&call, 0);
}

static int
peer_chown(struct replica *r, struct replica_at at, uid_t uid, gid_t gid)
{
	struct peer *p = peer_self(r);
	struct peer_call call;

	if (p->read_only)
		return peer_refuse_change(p);
	peer_call_at(&call, p, PROTO_CHOWN, at);
	call.request.uid = uid;
	call.request.gid = gid;
	return (int)peer_call_begun(&call, 0);
}

/* ---- extended attributes */

/* ${size} 0: only how long it is. */
static ssize_t
xattr_read(struct peer_call *call, void *room, size_t size)
{
	if (size > PROTO_XATTR_MAX)
		size = PROTO_XATTR_MAX;
	call->request.size = (uint32_t)size;
	call->take = peer_take_bytes;
	call->room = room;
	call->size = size;
	return (ssize_t)peer_call(call, PEER_WAIT);
}

static ssize_t
peer_xattr_get(struct replica *r, struct replica_at at, const char *name, void *value, size_t size)
{
	struct peer_call call;

	peer_call_at(&call, peer_self(r), PROTO_XATTR_GET, at);
	call.request.text = name;
	return xattr_read(&call, value, size);
}

static ssize_t
peer_xattr_list(struct replica *r, struct replica_at at, char *list, size_t size)
{
	struct peer_call call;

	peer_call_at(&call, peer_self(r), PROTO_XATTR_LIST, at);
	return xattr_read(&call, list, size);
}

static int
peer_xattr_set(struct replica *r, struct replica_at at, const char *name, const void *value, size_t len, int flags)
{
	struct peer *p = peer_self(r);
	struct peer_call call;

	if (p->read_only)
		return peer_refuse_change(p);
	peer_call_at(&call, p, PROTO_XATTR_SET, at);
	call.request.text = name;
	call.request.data = value;
	call.request.data_len = len;
	call.request.flags = (uint32_t)flags;
	return (int)peer_call(&call, PEER_WAIT);
}

static int
peer_xattr_remove(struct replica *r, struct replica_at at, const char *name)
{
	struct peer *p = peer_self(r);
	struct peer_call call;

	if (p->read_only)
		return peer_refuse_change(p);
	peer_call_at(&call, p, PROTO_XATTR_REMOVE, at);
	call.request.text = name;
	return (int)peer_call(&call, PEER_WAIT);
}

/* ---- the whole */

static int
peer_lock(struct replica *r, bool exclusive)
{
	struct peer_call call;

	peer_call_on(&call, peer_self(r), PROTO_LOCK, REPLICA_ROOT);
	call.request.flags = exclusive ? PROTO_LOCK_EXCLUSIVE : 0;
	return (int)peer_call(&call, PEER_SETTLE);
}

/* Whether the link stands is known without asking.  What the server finds in its place is told when it has answered. */
static int
peer_check(struct replica *r)
{
	struct peer *p = peer_self(r);
	struct peer_call call;

	if (atomic_load(&p->dead) == 0 && !atomic_exchange(&p->checking, true)) {
		peer_call_on(&call, p, PROTO_CHECK, REPLICA_ROOT);
		(void)peer_call(&call, PEER_FORGET);
	}
	return atomic_load(&p->dead);
}

static void
peer_retire(struct replica *r, bool idle)
{
	struct peer *p = peer_self(r);

	(void)idle;
	atomic_store(&p->stop, true);
	peer_break(p, -ENOTCONN, ESHUTDOWN);
}

const struct replica_ops peer_ops = {
	.free = peer_free,
	.statfs = peer_statfs,
	.sync = peer_sync,
	.dir_open = peer_dir_open,
	.pin = peer_pin,
	.dir_close = peer_dir_close,
	.dir_sync = peer_dir_sync,
	.list = peer_list,
	.load = peer_load,
	.stat = peer_stat,
	.store = peer_store,
	.create = peer_create,
	.tmpfile = peer_tmpfile,
	.link = peer_link,
	.unlink = peer_unlink,
	.rename = peer_rename,
	.readlink = peer_readlink,
	.chmod = peer_chmod,
	.chown = peer_chown,
	.xattr_get = peer_xattr_get,
	.xattr_set = peer_xattr_set,
	.xattr_remove = peer_xattr_remove,
	.xattr_list = peer_xattr_list,
	.open = peer_open_file,
	.open_direct = peer_open_direct,
	.close = peer_close,
	.pread = peer_pread,
	.pread_cached = peer_pread_cached,
	.pwrite = peer_pwrite,
	.truncate = peer_truncate,
	.fallocate = peer_fallocate,
	.seek = peer_seek,
	.fsync = peer_fsync,
	.drop_cache = peer_drop_cache,
	.lock = peer_lock,
	.check = peer_check,
	.retire = peer_retire,
	.settle = peer_settle,
	.digest = peer_digest,
	.digest_sum = peer_digest_sum,
	.begin = peer_begin,
	.finish = peer_finish,
};
