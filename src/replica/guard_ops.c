/*
 * The operations.  Each fills in a call, has it made, by its own thread or
 * aside, and takes out what came of it; the functions NAME_run make it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/record.h"
#include "replica/guard_private.h"

static int64_t
statfs_run(struct replica *inner, struct call *c)
{
	return inner->ops->statfs(inner, &c->vfs);
}

static int
guard_statfs(struct replica *r, struct statvfs *st)
{
	struct call own, *c = call_begin(r, &own, statfs_run, GUARD_READS);
	int rc = (int)call_perform(c);

	if (rc == 0)
		*st = c->vfs;
	call_end(c);
	return rc;
}

static int64_t
sync_run(struct replica *inner, struct call *c)
{
	(void)c;
	return inner->ops->sync(inner);
}

static int
guard_sync(struct replica *r)
{
	struct call own, *c = call_begin(r, &own, sync_run, GUARD_SYNCS);
	int rc = (int)call_perform(c);

	call_end(c);
	return rc;
}

/* Handles: what comes too late for its caller is closed at once. */

static void
dir_late(struct replica *inner, struct call *c)
{
	if (c->rc == 0 && c->got != REPLICA_NONE)
		inner->ops->dir_close(inner, c->got);
}

static void
file_late(struct replica *inner, struct call *c)
{
	if (c->rc == 0 && c->got != REPLICA_NONE)
		inner->ops->close(inner, c->got);
}

/* Perform a call that gives a handle. */
static int
handle_get(struct call *c, void (*late)(struct replica *inner, struct call *call), replica_handle *handle)
{
	int rc;

	c->late = late;
	if ((rc = (int)call_perform(c)) == 0 && handle != NULL && c->got != REPLICA_NONE)
		*handle = c->got;
	return rc;
}

static int64_t
dir_open_run(struct replica *inner, struct call *c)
{
	return inner->ops->dir_open(inner, c->dir, c->name, &c->got);
}

static int
guard_dir_open(struct replica *r, replica_handle dir, const char *name, replica_handle *handle)
{
	struct call own, *c = call_begin(r, &own, dir_open_run, GUARD_READS);
	int rc;

	call_name(c, dir, name);
	rc = handle_get(c, dir_late, handle);
	call_end(c);
	return rc;
}

static int64_t
pin_run(struct replica *inner, struct call *c)
{
	return inner->ops->pin(inner, c->dir, c->name, &c->got);
}

static int
guard_pin(struct replica *r, replica_handle dir, const char *name, replica_handle *handle)
{
	struct call own, *c = call_begin(r, &own, pin_run, GUARD_READS);
	int rc;

	call_name(c, dir, name);
	rc = handle_get(c, dir_late, handle);
	call_end(c);
	return rc;
}

/* Closing may wait for a server, or for room in a journal; on a dead replica it comes later. */

static void
part(struct replica *r, int64_t (*run)(struct replica *inner, struct call *call),
    void (*later)(struct replica *inner, replica_handle handle), replica_handle handle)
{
	struct call own, *c = call_begin(r, &own, run, GUARD_CHANGES);

	c->dir = handle;
	/* Not begun: else it is under way, whatever comes of it. */
	if (call_perform(c) == -ETIMEDOUT && c->slot == GUARD_NO_SLOT)
		guard_part(c->guard, later, handle);
	call_end(c);
}

static int64_t
dir_close_run(struct replica *inner, struct call *c)
{
	inner->ops->dir_close(inner, c->dir);
	return 0;
}

static void
guard_dir_close(struct replica *r, replica_handle dir)
{
	part(r, dir_close_run, guard_self(r)->inner->ops->dir_close, dir);
}

static int64_t
close_run(struct replica *inner, struct call *c)
{
	inner->ops->close(inner, c->dir);
	return 0;
}

static void
guard_close(struct replica *r, replica_handle file)
{
	part(r, close_run, guard_self(r)->inner->ops->close, file);
}

static void
retire_later(struct replica *inner, replica_handle none)
{
	(void)none;
	inner->ops->retire(inner, true);
}

static void
guard_retire(struct replica *r, bool idle)
{
	(void)idle;
	guard_refuse(guard_self(r));
	guard_part(guard_self(r), retire_later, REPLICA_NONE);
}

static int64_t
dir_sync_run(struct replica *inner, struct call *c)
{
	return inner->ops->dir_sync(inner, c->dir);
}

static int
guard_dir_sync(struct replica *r, replica_handle dir)
{
	struct call own, *c = call_begin(r, &own, dir_sync_run, GUARD_SYNCS);
	int rc;

	c->dir = dir;
	rc = (int)call_perform(c);
	call_end(c);
	return rc;
}

/* What list tells of an entry; its name and a NUL follow. */
struct entry { ino_t ino; unsigned char type; };

static int
entry_keep(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	const struct entry entry = { .ino = ino, .type = d_type };
	size_t len = strlen(name) + 1, need;
	struct call *c = arg;
	char *data;

	need = (size_t)c->offset + sizeof(entry) + len;
	if (need > c->len) {
		if ((data = realloc(c->data, 2 * need)) == NULL)
			return -ENOMEM;
		c->data = data;
		c->len = 2 * need;
	}
	data = (char *)c->data + c->offset;
	memcpy(data, &entry, sizeof(entry));
	memcpy(data + sizeof(entry), name, len);
	c->offset = need;
	return 0;
}

static int
entries_tell(const struct call *c)
{
	const char *at = c->data, *end = at + c->offset;
	struct entry entry;
	int rc = 0;

	while (rc == 0 && at < end) {
		memcpy(&entry, at, sizeof(entry));
		at += sizeof(entry);
		rc = c->tell(c->arg, at, entry.type, entry.ino);
		at += strlen(at) + 1;
	}
	return rc;
}

/* What is done with an entry is none of this replica's time. */
static int
entry_tell(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	struct call *c = arg;
	int rc;

	call_pause(c);
	rc = c->tell(c->arg, name, d_type, ino);
	call_resume(c);
	return rc;
}

static int64_t
list_run(struct replica *inner, struct call *c)
{
	return inner->ops->list(inner, c->dir, c->direct ? entry_tell : entry_keep, c);
}

static int
guard_list(struct replica *r, replica_handle dir, replica_list_call *call, void *arg)
{
	struct call own, *c = call_begin(r, &own, list_run, GUARD_READS);
	int rc;

	c->dir = dir;
	c->offset = 0;
	c->tell = call;
	c->arg = arg;
	if ((rc = (int)call_perform(c)) == 0 && !c->direct)
		rc = entries_tell(c);
	call_end(c);
	return rc;
}

static int64_t
load_run(struct replica *inner, struct call *c)
{
	c->info.record = c->data;
	return inner->ops->load(inner, c->at, &c->info);
}

static int
guard_load(struct replica *r, struct replica_at at, struct replica_info *info)
{
	struct call own, *c = call_begin(r, &own, load_run, GUARD_READS);
	uint8_t *record = info->record;
	int rc;

	call_at(c, at);
	call_room(c, record, RECORD_SIZE_MAX);
	c->info.skip_xattrs = info->skip_xattrs;
	if ((rc = (int)call_perform(c)) == 0) {
		*info = c->info;
		info->record = record;
		call_take(c, record, info->record_len);
	}
	call_end(c);
	return rc;
}

static int64_t
stat_run(struct replica *inner, struct call *c)
{
	return inner->ops->stat(inner, c->at, &c->st);
}

static int
guard_stat(struct replica *r, struct replica_at at, struct stat *st)
{
	struct call own, *c = call_begin(r, &own, stat_run, GUARD_READS);
	int rc;

	call_at(c, at);
	if ((rc = (int)call_perform(c)) == 0)
		*st = c->st;
	call_end(c);
	return rc;
}

static int64_t
store_run(struct replica *inner, struct call *c)
{
	return inner->ops->store(inner, c->at, &c->times, c->data, c->len);
}

static int
guard_store(struct replica *r, struct replica_at at, const struct replica_times *times,
    const void *record, size_t len)
{
	struct call own, *c = call_begin(r, &own, store_run, GUARD_CHANGES);
	int rc;

	call_at(c, at);
	call_data(c, record, len);
	c->times = *times;
	rc = (int)call_perform(c);
	call_end(c);
	return rc;
}

/* Names. */

static int64_t
create_run(struct replica *inner, struct call *c)
{
	return inner->ops->create(inner, c->dir, c->name, &c->new, c->wanted ? &c->got : NULL);
}

static int
guard_create(struct replica *r, replica_handle dir, const char *name,
    const struct replica_new *new, replica_handle *handle)
{
	struct call own, *c = call_begin(r, &own, create_run, GUARD_CHANGES);
	int rc;

	call_name(c, dir, name);
	call_new(c, new);
	c->wanted = handle != NULL;
	rc = handle_get(c, file_late, handle);
	call_end(c);
	return rc;
}

static int64_t
tmpfile_run(struct replica *inner, struct call *c)
{
	return inner->ops->tmpfile(inner, c->dir, &c->new, &c->got);
}

static int
guard_tmpfile(struct replica *r, replica_handle dir, const struct replica_new *new, replica_handle *handle)
{
	struct call own, *c = call_begin(r, &own, tmpfile_run, GUARD_CHANGES);
	int rc;

	c->dir = dir;
	call_new(c, new);
	rc = handle_get(c, file_late, handle);
	call_end(c);
	return rc;
}

static int64_t
link_run(struct replica *inner, struct call *c)
{
	return inner->ops->link(inner, c->at, c->dir, c->name);
}

static int
guard_link(struct replica *r, struct replica_at at, replica_handle dir, const char *name)
{
	struct call own, *c = call_begin(r, &own, link_run, GUARD_CHANGES);
	int rc;

	call_at(c, at);
	call_name(c, dir, name);
	rc = (int)call_perform(c);
	call_end(c);
	return rc;
}

static int64_t
unlink_run(struct replica *inner, struct call *c)
{
	return inner->ops->unlink(inner, c->dir, c->name, c->flag);
}

static int
guard_unlink(struct replica *r, replica_handle dir, const char *name, bool is_dir)
{
	struct call own, *c = call_begin(r, &own, unlink_run, GUARD_CHANGES);
	int rc;

	call_name(c, dir, name);
	c->flag = is_dir;
	rc = (int)call_perform(c);
	call_end(c);
	return rc;
}

static int64_t
rename_run(struct replica *inner, struct call *c)
{
	return inner->ops->rename(inner, c->at.handle, c->at.name, c->dir, c->name, (unsigned)c->flags);
}

static int
guard_rename(struct replica *r, replica_handle dir, const char *name,
    replica_handle new_dir, const char *new_name, unsigned flags)
{
	const struct replica_at at = { .handle = dir, .name = name };
	struct call own, *c = call_begin(r, &own, rename_run, GUARD_CHANGES);
	int rc;

	call_at(c, at);
	call_name(c, new_dir, new_name);
	c->flags = (int)flags;
	rc = (int)call_perform(c);
	call_end(c);
	return rc;
}

static int64_t
readlink_run(struct replica *inner, struct call *c)
{
	return inner->ops->readlink(inner, c->at, c->data, c->len);
}

static int
guard_readlink(struct replica *r, struct replica_at at, char *buf, size_t size)
{
	struct call own, *c = call_begin(r, &own, readlink_run, GUARD_READS);
	int rc;

	call_at(c, at);
	call_room(c, buf, size);
	if ((rc = (int)call_perform(c)) >= 0)
		call_take(c, buf, (ssize_t)strlen(c->data) + 1);
	call_end(c);
	return rc;
}

/* Attributes. */

static int64_t
chmod_run(struct replica *inner, struct call *c)
{
	return inner->ops->chmod(inner, c->at, c->mode);
}

static int
guard_chmod(struct replica *r, struct replica_at at, mode_t mode)
{
	struct call own, *c = call_begin(r, &own, chmod_run, GUARD_CHANGES);
	int rc;

	call_at(c, at);
	c->mode = mode;
	rc = (int)call_perform(c);
	call_end(c);
	return rc;
}

static int64_t
chown_run(struct replica *inner, struct call *c)
{
	return inner->ops->chown(inner, c->at, c->uid, c->gid);
}

static int
guard_chown(struct replica *r, struct replica_at at, uid_t uid, gid_t gid)
{
	struct call own, *c = call_begin(r, &own, chown_run, GUARD_CHANGES);
	int rc;

	call_at(c, at);
	c->uid = uid;
	c->gid = gid;
	rc = (int)call_perform(c);
	call_end(c);
	return rc;
}

static int64_t
xattr_get_run(struct replica *inner, struct call *c)
{
	return inner->ops->xattr_get(inner, c->at, c->name, c->data, c->len);
}

static ssize_t
guard_xattr_get(struct replica *r, struct replica_at at, const char *name, void *value, size_t size)
{
	struct call own, *c = call_begin(r, &own, xattr_get_run, GUARD_READS);
	ssize_t rc;

	call_at(c, at);
	call_name(c, REPLICA_NONE, name);
	call_room(c, value, size);
	rc = (ssize_t)call_perform(c);
	if (size > 0)
		call_take(c, value, rc);
	call_end(c);
	return rc;
}

static int64_t
xattr_set_run(struct replica *inner, struct call *c)
{
	return inner->ops->xattr_set(inner, c->at, c->name, c->data, c->len, c->flags);
}

static int
guard_xattr_set(struct replica *r, struct replica_at at, const char *name,
    const void *value, size_t len, int flags)
{
	struct call own, *c = call_begin(r, &own, xattr_set_run, GUARD_CHANGES);
	int rc;

	call_at(c, at);
	call_name(c, REPLICA_NONE, name);
	call_data(c, value, len);
	c->flags = flags;
	rc = (int)call_perform(c);
	call_end(c);
	return rc;
}

static int64_t
xattr_remove_run(struct replica *inner, struct call *c)
{
	return inner->ops->xattr_remove(inner, c->at, c->name);
}

static int
guard_xattr_remove(struct replica *r, struct replica_at at, const char *name)
{
	struct call own, *c = call_begin(r, &own, xattr_remove_run, GUARD_CHANGES);
	int rc;

	call_at(c, at);
	call_name(c, REPLICA_NONE, name);
	rc = (int)call_perform(c);
	call_end(c);
	return rc;
}

static int64_t
xattr_list_run(struct replica *inner, struct call *c)
{
	return inner->ops->xattr_list(inner, c->at, c->data, c->len);
}

static ssize_t
guard_xattr_list(struct replica *r, struct replica_at at, char *list, size_t size)
{
	struct call own, *c = call_begin(r, &own, xattr_list_run, GUARD_READS);
	ssize_t rc;

	call_at(c, at);
	call_room(c, list, size);
	rc = (ssize_t)call_perform(c);
	if (size > 0)
		call_take(c, list, rc);
	call_end(c);
	return rc;
}

/* Files. */

static int64_t
open_run(struct replica *inner, struct call *c)
{
	return inner->ops->open(inner, c->at, c->flag, &c->got, c->wanted ? &c->st : NULL);
}

static int
guard_open_file(struct replica *r, struct replica_at at, bool writable, replica_handle *handle, struct stat *st)
{
	struct call own, *c = call_begin(r, &own, open_run, GUARD_READS);
	int rc;

	call_at(c, at);
	c->flag = writable;
	c->wanted = st != NULL;
	if ((rc = handle_get(c, file_late, handle)) == 0 && st != NULL)
		*st = c->st;
	call_end(c);
	return rc;
}

static int64_t
open_direct_run(struct replica *inner, struct call *c)
{
	return inner->ops->open_direct(inner, c->at, &c->got);
}

static int
guard_open_direct(struct replica *r, struct replica_at at, replica_handle *handle)
{
	struct call own, *c = call_begin(r, &own, open_direct_run, GUARD_READS);
	int rc;

	call_at(c, at);
	rc = handle_get(c, file_late, handle);
	call_end(c);
	return rc;
}

static int64_t
pread_cached_run(struct replica *inner, struct call *c)
{
	return inner->ops->pread_cached(inner, c->dir, c->data, c->len, c->offset);
}

static ssize_t
guard_pread_cached(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset)
{
	struct call own, *c = call_begin(r, &own, pread_cached_run, GUARD_CACHED);
	ssize_t n = -EAGAIN;

	/* Of a replica from which calls do not come back, nobody knows. */
	if (c->direct) {
		c->dir = file;
		c->offset = offset;
		call_room(c, buf, len);
		n = (ssize_t)call_perform(c);
	}
	call_end(c);
	return n;
}

static int64_t
pread_run(struct replica *inner, struct call *c)
{
	return inner->ops->pread(inner, c->dir, c->data, c->len, c->offset);
}

/* If there is a reason to have it made aside: what the cache has comes at once all the same. */
static ssize_t
guard_pread(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset)
{
	struct call own, *c = call_begin(r, &own, pread_run, GUARD_READS);
	ssize_t n;

	if (!c->direct) {
		n = guard_pread_cached(r, file, buf, len, offset);
		if (n != -EAGAIN && n != -EOPNOTSUPP) {
			call_end(c);
			return n;
		}
	}
	c->dir = file;
	c->offset = offset;
	call_room(c, buf, len);
	n = (ssize_t)call_perform(c);
	call_take(c, buf, n);
	call_end(c);
	return n;
}

static int64_t
pwrite_run(struct replica *inner, struct call *c)
{
	return inner->ops->pwrite(inner, c->dir, c->data, c->len, c->offset);
}

static ssize_t
guard_pwrite(struct replica *r, replica_handle file, const void *buf, size_t len, uint64_t offset)
{
	struct call own, *c = call_begin(r, &own, pwrite_run, GUARD_CHANGES);
	ssize_t n;

	c->dir = file;
	c->offset = offset;
	call_data(c, buf, len);
	n = (ssize_t)call_perform(c);
	call_end(c);
	return n;
}

static int64_t
truncate_run(struct replica *inner, struct call *c)
{
	return inner->ops->truncate(inner, c->dir, c->size);
}

static int
guard_truncate(struct replica *r, replica_handle file, uint64_t size)
{
	struct call own, *c = call_begin(r, &own, truncate_run, GUARD_CHANGES);
	int rc;

	c->dir = file;
	c->size = size;
	rc = (int)call_perform(c);
	call_end(c);
	return rc;
}

static int64_t
fallocate_run(struct replica *inner, struct call *c)
{
	return inner->ops->fallocate(inner, c->dir, c->flags, c->offset, c->size);
}

static int
guard_fallocate(struct replica *r, replica_handle file, int mode, uint64_t offset, uint64_t len)
{
	struct call own, *c = call_begin(r, &own, fallocate_run, GUARD_CHANGES);
	int rc;

	c->dir = file;
	c->flags = mode;
	c->offset = offset;
	c->size = len;
	rc = (int)call_perform(c);
	call_end(c);
	return rc;
}

static int64_t
seek_run(struct replica *inner, struct call *c)
{
	return inner->ops->seek(inner, c->dir, c->offset, c->flags);
}

static int64_t
guard_seek(struct replica *r, replica_handle file, uint64_t offset, int whence)
{
	struct call own, *c = call_begin(r, &own, seek_run, GUARD_READS);
	int64_t rc;

	c->dir = file;
	c->offset = offset;
	c->flags = whence;
	rc = call_perform(c);
	call_end(c);
	return rc;
}

static int64_t
fsync_run(struct replica *inner, struct call *c)
{
	return inner->ops->fsync(inner, c->dir, c->flag);
}

static int
guard_fsync(struct replica *r, replica_handle file, bool data_only)
{
	struct call own, *c = call_begin(r, &own, fsync_run, GUARD_SYNCS);
	int rc;

	c->dir = file;
	c->flag = data_only;
	rc = (int)call_perform(c);
	call_end(c);
	return rc;
}

static int64_t
drop_cache_run(struct replica *inner, struct call *c)
{
	inner->ops->drop_cache(inner, c->dir);
	return 0;
}

static void
guard_drop_cache(struct replica *r, replica_handle file)
{
	struct call own, *c = call_begin(r, &own, drop_cache_run, GUARD_SYNCS);

	c->dir = file;
	(void)call_perform(c);
	call_end(c);
}

static int64_t
lock_run(struct replica *inner, struct call *c)
{
	return inner->ops->lock(inner, c->flag);
}

static int
guard_lock(struct replica *r, bool exclusive)
{
	struct call own, *c = call_begin(r, &own, lock_run, GUARD_CHANGES);
	int rc;

	c->flag = exclusive;
	rc = (int)call_perform(c);
	call_end(c);
	return rc;
}

const struct replica_ops guard_ops = {
	.free = guard_free,
	.statfs = guard_statfs,
	.sync = guard_sync,
	.dir_open = guard_dir_open,
	.pin = guard_pin,
	.dir_close = guard_dir_close,
	.dir_sync = guard_dir_sync,
	.list = guard_list,
	.load = guard_load,
	.stat = guard_stat,
	.store = guard_store,
	.create = guard_create,
	.tmpfile = guard_tmpfile,
	.link = guard_link,
	.unlink = guard_unlink,
	.rename = guard_rename,
	.readlink = guard_readlink,
	.chmod = guard_chmod,
	.chown = guard_chown,
	.xattr_get = guard_xattr_get,
	.xattr_set = guard_xattr_set,
	.xattr_remove = guard_xattr_remove,
	.xattr_list = guard_xattr_list,
	.open = guard_open_file,
	.open_direct = guard_open_direct,
	.close = guard_close,
	.pread = guard_pread,
	.pread_cached = guard_pread_cached,
	.pwrite = guard_pwrite,
	.truncate = guard_truncate,
	.fallocate = guard_fallocate,
	.seek = guard_seek,
	.fsync = guard_fsync,
	.drop_cache = guard_drop_cache,
	.lock = guard_lock,
	.check = guard_check,
	.retire = guard_retire,
};
