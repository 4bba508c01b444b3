#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util/hashmap.h"

#include "power.h"

#define SECTOR 512

/* An inode, and the same one on the disk, if it is there. */
struct object { struct hashmap_link by_ino; int fd; };

enum kind { CREATE, LINK, UNLINK, RENAME, TIMES, SET_XATTR, REMOVE_XATTR, CHMOD, CHOWN, TRUNCATE, FALLOCATE, DATA };

/* Something that was done, and is not on the disk yet. */
struct op {
	struct op *next;
	enum kind kind;
	struct object *object, *dir, *new_dir;
	char *name, *new_name;		/* of an attribute, too */
	void *data;
	size_t len;
	uint64_t offset;
	int flags;
	struct replica_new new;		/* target: in new_name */
	struct timespec atime, mtime;	/* what the inode's is afterwards, or UTIME_OMIT */
	struct timespec dir_mtime, new_dir_mtime;
};

struct disk {
	int top;			/* the directory that is the disk */
	char path[PATH_MAX / 2];
	struct hashmap objects;
	struct object root;
	struct op *ops, **end;
	uint64_t random;
};

struct power { unsigned count; struct disk disk[RIG_MEMBERS_MAX]; };

struct layer { struct replica base; struct replica *inner; struct disk *disk; };

uint64_t
power_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void
must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "the disk of the test itself: %s: %s\n", what, strerror(errno));
	abort();
}

/* ---- on the disk */

static const char *
proc_path(const struct object *o)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", o->fd);
	return path;
}

static void
set_times(const struct object *o, struct timespec atime, struct timespec mtime)
{
	const struct timespec times[2] = { atime, mtime };

	if (o->fd >= 0 && (atime.tv_nsec != UTIME_OMIT || mtime.tv_nsec != UTIME_OMIT))
		must(utimensat(o->fd, "", times, AT_EMPTY_PATH) == 0, "utimensat");
}

static struct timespec
omit(void)
{
	return (struct timespec){ .tv_nsec = UTIME_OMIT };
}

static void
apply_create(const struct op *op)
{
	const struct replica_new *new = &op->new;
	int dir = op->dir->fd;

	if (S_ISDIR(new->mode))
		must(mkdirat(dir, op->name, 0700) == 0, "mkdir");
	else if (S_ISLNK(new->mode))
		must(symlinkat(op->new_name, dir, op->name) == 0, "symlink");
	else
		must(mknodat(dir, op->name, (new->mode & S_IFMT) | 0600, new->rdev) == 0, "mknod");
	op->object->fd = openat(dir, op->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	must(op->object->fd >= 0, "open");
	if (new->uid != geteuid() || new->gid != getegid())
		must(fchownat(op->object->fd, "", new->uid, new->gid, AT_EMPTY_PATH) == 0, "chown");
	if (!S_ISLNK(new->mode))
		must(chmod(proc_path(op->object), new->mode & 07777) == 0, "chmod");
}

/* Some of the sectors, or all of them. */
static void
apply_data(const struct op *op, uint64_t *tear)
{
	const uint8_t *data = op->data;
	size_t at, len;
	struct stat st;
	int fd;

	must((fd = open(proc_path(op->object), O_WRONLY | O_CLOEXEC)) >= 0, "open");
	must(fstat(fd, &st) == 0, "fstat");
	for (at = 0; at < op->len; at += len) {
		len = SECTOR - (op->offset + at) % SECTOR;
		len = len < op->len - at ? len : op->len - at;
		if (tear == NULL || power_random(tear) % 2 == 0)
			must(pwrite(fd, data + at, len, (off_t)(op->offset + at)) == (ssize_t)len, "pwrite");
	}
	close(fd);
	set_times(op->object, omit(), st.st_mtim);
}

static void
apply(const struct op *op)
{
	const struct object *o = op->object;

	switch (op->kind) {
	case CREATE:
		apply_create(op);
		break;
	case LINK:
		must(linkat(AT_FDCWD, proc_path(o), op->dir->fd, op->name, AT_SYMLINK_FOLLOW) == 0, "link");
		break;
	case UNLINK:
		must(unlinkat(op->dir->fd, op->name, op->flags) == 0, "unlink");
		break;
	case RENAME:
		must(renameat2(op->dir->fd, op->name, op->new_dir->fd, op->new_name, (unsigned)op->flags) == 0, "rename");
		break;
	case SET_XATTR:
		must(setxattr(proc_path(o), op->name, op->data, op->len, 0) == 0, "setxattr");
		break;
	case REMOVE_XATTR:
		must(removexattr(proc_path(o), op->name) == 0, "removexattr");
		break;
	case CHMOD:
		must(chmod(proc_path(o), op->new.mode & 07777) == 0, "chmod");
		break;
	case CHOWN:
		must(fchownat(o->fd, "", op->new.uid, op->new.gid, AT_EMPTY_PATH) == 0, "chown");
		break;
	case TRUNCATE:
		must(truncate(proc_path(o), (off_t)op->offset) == 0, "truncate");
		break;
	case FALLOCATE: {
		int fd = open(proc_path(o), O_WRONLY | O_CLOEXEC);

		must(fd >= 0 && (fallocate(fd, op->flags, (off_t)op->offset, (off_t)op->len) == 0 || errno == EOPNOTSUPP), "fallocate");
		close(fd);
		break;
	}
	case TIMES:
	case DATA:
		break;
	}
	if (o != NULL)
		set_times(o, op->atime, op->mtime);
	if (op->dir != NULL)
		set_times(op->dir, omit(), op->dir_mtime);
	if (op->new_dir != NULL)
		set_times(op->new_dir, omit(), op->new_dir_mtime);
}

static void
op_free(struct op *op)
{
	free(op->name);
	free(op->new_name);
	free(op->data);
	free(op);
}

/*
 * Data that is still to be written when the file's length changes is written
 * before that.  (Lost it can only be with the power: a sync may come yet.)
 */
static void
settle_data(struct disk *d, const struct op *before)
{
	struct op **at = &d->ops, *op;

	while ((op = *at) != NULL && op != before) {
		if (op->kind != DATA || op->object != before->object) {
			at = &op->next;
			continue;
		}
		*at = op->next;
		apply_data(op, NULL);
		op_free(op);
	}
}

/* Everything but data, ${count} changes of it; and the data of ${object}, or of everything. */
static void
commit(struct disk *d, uint64_t count, const struct object *object, bool all_data)
{
	struct op **at = &d->ops, *op;

	while ((op = *at) != NULL) {
		if (op->kind == DATA && !all_data && op->object != object) {
			at = &op->next;
			continue;
		}
		if (op->kind != DATA) {
			if (count == 0)
				break;
			count--;
		}
		if (op->kind == TRUNCATE || op->kind == FALLOCATE) {
			settle_data(d, op);
			/* What was before it may be gone: look for it again. */
			for (at = &d->ops; *at != op; at = &(*at)->next)
				continue;
		}
		if (op->kind != DATA)
			apply(op);
		else if (op->object->fd >= 0)
			apply_data(op, NULL);
		*at = op->next;
		op_free(op);
	}
	for (d->end = &d->ops; *d->end != NULL; d->end = &(*d->end)->next)
		continue;
}

/* ---- above the directory */

static struct layer *
self(struct replica *r)
{
	return (struct layer *)(void *)r;
}

static struct object *
object_of(struct layer *l, struct replica_at at, struct timespec *mtime)
{
	struct hashmap_link *link;
	struct object *o;
	struct stat st;

	must(l->inner->ops->stat(l->inner, at, &st) == 0, "stat");
	if (mtime != NULL)
		*mtime = st.st_mtim;
	if (at.name == NULL && at.handle == REPLICA_ROOT)
		return &l->disk->root;
	if ((link = hashmap_find(&l->disk->objects, st.st_ino)) != NULL)
		return hashmap_entry(link, struct object, by_ino);
	must((o = calloc(1, sizeof(*o))) != NULL, "malloc");
	o->fd = -1;
	hashmap_insert(&l->disk->objects, &o->by_ino, st.st_ino);
	return o;
}

/* A new inode may have the number of one that is gone. */
static struct object *
object_new(struct layer *l, struct replica_at at, struct timespec *mtime)
{
	struct hashmap_link *link;
	struct stat st;

	must(l->inner->ops->stat(l->inner, at, &st) == 0, "stat");
	if ((link = hashmap_find(&l->disk->objects, st.st_ino)) != NULL) {
		hashmap_remove(&l->disk->objects, link);
		/* Ops that wait still lead to it: it is kept in a place that no inode has. */
		hashmap_insert(&l->disk->objects, link, UINT64_MAX - (uint64_t)(uintptr_t)link);
	}
	return object_of(l, at, mtime);
}

static struct op *
op_new(enum kind kind, const char *name, const char *new_name, const void *data, size_t len)
{
	struct op *op = calloc(1, sizeof(*op));

	must(op != NULL, "malloc");
	op->kind = kind;
	op->name = name == NULL ? NULL : strdup(name);
	op->new_name = new_name == NULL ? NULL : strdup(new_name);
	if (data != NULL) {
		must((op->data = malloc(len + 1)) != NULL, "malloc");
		memcpy(op->data, data, len);
	}
	op->len = len;
	op->atime = op->mtime = op->dir_mtime = op->new_dir_mtime = omit();
	return op;
}

static void
note(struct layer *l, struct op *op)
{
	*l->disk->end = op;
	l->disk->end = &op->next;
}

static struct replica_at
held(replica_handle handle)
{
	return (struct replica_at){ .handle = handle };
}

#define INNER(r) (self(r)->inner)

static int
layer_sync(struct replica *r)
{
	commit(self(r)->disk, UINT64_MAX, NULL, true);
	return 0;
}

static int
layer_dir_sync(struct replica *r, replica_handle dir)
{
	(void)dir;
	commit(self(r)->disk, UINT64_MAX, NULL, false);
	return 0;
}

static int
layer_fsync(struct replica *r, replica_handle file, bool data_only)
{
	(void)data_only;
	commit(self(r)->disk, UINT64_MAX, object_of(self(r), held(file), NULL), false);
	return 0;
}

static int
layer_store(struct replica *r, struct replica_at at, const struct replica_times *times, const void *record, size_t len)
{
	struct layer *l = self(r);
	struct op *op;
	int rc;

	if ((rc = l->inner->ops->store(l->inner, at, times, record, len)) != 0)
		return rc;
	op = op_new(TIMES, NULL, NULL, NULL, 0);
	op->object = object_of(l, at, &op->mtime);
	op->atime = times->atime;
	note(l, op);
	if (len > 0) {
		op = op_new(SET_XATTR, "user.mendfs", NULL, record, len);
		op->object = object_of(l, at, NULL);
		note(l, op);
	}
	return 0;
}

static int
layer_create(struct replica *r, replica_handle dir, const char *name, const struct replica_new *new, replica_handle *handle)
{
	const struct replica_at at = { dir, name };
	struct layer *l = self(r);
	struct stat st;
	struct op *op;
	int rc;

	if ((rc = l->inner->ops->create(l->inner, dir, name, new, handle)) != 0)
		return rc;
	must(l->inner->ops->stat(l->inner, at, &st) == 0, "stat");
	op = op_new(CREATE, name, new->target, NULL, 0);
	op->object = object_new(l, at, &op->mtime);
	op->dir = object_of(l, held(dir), &op->dir_mtime);
	op->new = (struct replica_new){ .mode = st.st_mode, .uid = st.st_uid, .gid = st.st_gid, .rdev = st.st_rdev };
	note(l, op);
	return 0;
}

/* O_TMPFILE leaves nothing behind on a disk; not used by the scenarios. */
static int
layer_tmpfile(struct replica *r, replica_handle dir, const struct replica_new *new, replica_handle *handle)
{
	(void)r;
	(void)dir;
	(void)new;
	(void)handle;
	return -EOPNOTSUPP;
}

static int
layer_link(struct replica *r, struct replica_at at, replica_handle dir, const char *name)
{
	struct layer *l = self(r);
	struct op *op;
	int rc;

	if ((rc = l->inner->ops->link(l->inner, at, dir, name)) != 0)
		return rc;
	op = op_new(LINK, name, NULL, NULL, 0);
	op->object = object_of(l, at, NULL);
	op->dir = object_of(l, held(dir), &op->dir_mtime);
	note(l, op);
	return 0;
}

static int
layer_unlink(struct replica *r, replica_handle dir, const char *name, bool is_dir)
{
	struct layer *l = self(r);
	struct op *op;
	int rc;

	if ((rc = l->inner->ops->unlink(l->inner, dir, name, is_dir)) != 0)
		return rc;
	op = op_new(UNLINK, name, NULL, NULL, 0);
	op->flags = is_dir ? AT_REMOVEDIR : 0;
	op->dir = object_of(l, held(dir), &op->dir_mtime);
	note(l, op);
	return 0;
}

static int
layer_rename(struct replica *r, replica_handle dir, const char *name, replica_handle new_dir, const char *new_name, unsigned flags)
{
	struct layer *l = self(r);
	struct op *op;
	int rc;

	if ((rc = l->inner->ops->rename(l->inner, dir, name, new_dir, new_name, flags)) != 0)
		return rc;
	op = op_new(RENAME, name, new_name, NULL, 0);
	op->flags = (int)flags;
	op->dir = object_of(l, held(dir), &op->dir_mtime);
	op->new_dir = object_of(l, held(new_dir), &op->new_dir_mtime);
	note(l, op);
	return 0;
}

static int
layer_chmod(struct replica *r, struct replica_at at, mode_t mode)
{
	struct layer *l = self(r);
	struct op *op;
	int rc;

	if ((rc = l->inner->ops->chmod(l->inner, at, mode)) != 0)
		return rc;
	op = op_new(CHMOD, NULL, NULL, NULL, 0);
	op->object = object_of(l, at, NULL);
	op->new.mode = mode;
	note(l, op);
	return 0;
}

static int
layer_chown(struct replica *r, struct replica_at at, uid_t uid, gid_t gid)
{
	struct layer *l = self(r);
	struct op *op;
	int rc;

	if ((rc = l->inner->ops->chown(l->inner, at, uid, gid)) != 0)
		return rc;
	op = op_new(CHOWN, NULL, NULL, NULL, 0);
	op->object = object_of(l, at, NULL);
	op->new.uid = uid;
	op->new.gid = gid;
	note(l, op);
	return 0;
}

static int
layer_xattr_set(struct replica *r, struct replica_at at, const char *name, const void *value, size_t len, int flags)
{
	struct layer *l = self(r);
	struct op *op;
	int rc;

	if ((rc = l->inner->ops->xattr_set(l->inner, at, name, value, len, flags)) != 0)
		return rc;
	op = op_new(SET_XATTR, name, NULL, value, len);
	op->object = object_of(l, at, NULL);
	note(l, op);
	return 0;
}

static int
layer_xattr_remove(struct replica *r, struct replica_at at, const char *name)
{
	struct layer *l = self(r);
	struct op *op;
	int rc;

	if ((rc = l->inner->ops->xattr_remove(l->inner, at, name)) != 0)
		return rc;
	op = op_new(REMOVE_XATTR, name, NULL, NULL, 0);
	op->object = object_of(l, at, NULL);
	note(l, op);
	return 0;
}

static ssize_t
layer_pwrite(struct replica *r, replica_handle file, const void *buf, size_t len, uint64_t offset)
{
	struct layer *l = self(r);
	struct object *o;
	struct op *op;
	ssize_t n;

	if ((n = l->inner->ops->pwrite(l->inner, file, buf, len, offset)) <= 0)
		return n;
	/* The time is the inode's, and is in the journal; the data is not. */
	op = op_new(TIMES, NULL, NULL, NULL, 0);
	op->object = o = object_of(l, held(file), &op->mtime);
	note(l, op);
	op = op_new(DATA, NULL, NULL, buf, (size_t)n);
	op->object = o;
	op->offset = offset;
	note(l, op);
	return n;
}

static int
layer_truncate(struct replica *r, replica_handle file, uint64_t size)
{
	struct layer *l = self(r);
	struct op *op;
	int rc;

	if ((rc = l->inner->ops->truncate(l->inner, file, size)) != 0)
		return rc;
	op = op_new(TRUNCATE, NULL, NULL, NULL, 0);
	op->object = object_of(l, held(file), &op->mtime);
	op->offset = size;
	note(l, op);
	return 0;
}

static int
layer_fallocate(struct replica *r, replica_handle file, int mode, uint64_t offset, uint64_t len)
{
	struct layer *l = self(r);
	struct op *op;
	int rc;

	if ((rc = l->inner->ops->fallocate(l->inner, file, mode, offset, len)) != 0)
		return rc;
	op = op_new(FALLOCATE, NULL, NULL, NULL, 0);
	op->object = object_of(l, held(file), &op->mtime);
	op->flags = mode;
	op->offset = offset;
	op->len = (size_t)len;
	note(l, op);
	return 0;
}

/* What changes nothing. */

static int
layer_statfs(struct replica *r, struct statvfs *st)
{
	return INNER(r)->ops->statfs(INNER(r), st);
}

static int
layer_dir_open(struct replica *r, replica_handle dir, const char *name, replica_handle *handle)
{
	return INNER(r)->ops->dir_open(INNER(r), dir, name, handle);
}

static void
layer_dir_close(struct replica *r, replica_handle dir)
{
	INNER(r)->ops->dir_close(INNER(r), dir);
}

static int
layer_pin(struct replica *r, replica_handle dir, const char *name, replica_handle *handle)
{
	return INNER(r)->ops->pin(INNER(r), dir, name, handle);
}

static int
layer_list(struct replica *r, replica_handle dir, replica_list_call *call, void *arg)
{
	return INNER(r)->ops->list(INNER(r), dir, call, arg);
}

static int
layer_load(struct replica *r, struct replica_at at, struct replica_info *info)
{
	return INNER(r)->ops->load(INNER(r), at, info);
}

static int
layer_stat(struct replica *r, struct replica_at at, struct stat *st)
{
	return INNER(r)->ops->stat(INNER(r), at, st);
}

static int
layer_readlink(struct replica *r, struct replica_at at, char *buf, size_t size)
{
	return INNER(r)->ops->readlink(INNER(r), at, buf, size);
}

static ssize_t
layer_xattr_get(struct replica *r, struct replica_at at, const char *name, void *value, size_t size)
{
	return INNER(r)->ops->xattr_get(INNER(r), at, name, value, size);
}

static ssize_t
layer_xattr_list(struct replica *r, struct replica_at at, char *list, size_t size)
{
	return INNER(r)->ops->xattr_list(INNER(r), at, list, size);
}

static int
layer_open(struct replica *r, struct replica_at at, bool writable, replica_handle *handle, struct stat *st)
{
	return INNER(r)->ops->open(INNER(r), at, writable, handle, st);
}

static int
layer_open_direct(struct replica *r, struct replica_at at, replica_handle *handle)
{
	return INNER(r)->ops->open_direct(INNER(r), at, handle);
}

static void
layer_close(struct replica *r, replica_handle file)
{
	INNER(r)->ops->close(INNER(r), file);
}

static ssize_t
layer_pread(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset)
{
	return INNER(r)->ops->pread(INNER(r), file, buf, len, offset);
}

static int64_t
layer_seek(struct replica *r, replica_handle file, uint64_t offset, int whence)
{
	return INNER(r)->ops->seek(INNER(r), file, offset, whence);
}

static void
layer_drop_cache(struct replica *r, replica_handle file)
{
	INNER(r)->ops->drop_cache(INNER(r), file);
}

static int
layer_lock(struct replica *r, bool exclusive)
{
	return INNER(r)->ops->lock(INNER(r), exclusive);
}

static void
layer_free(struct replica *r)
{
	INNER(r)->ops->free(INNER(r));
	free(r->path);
	free(r);
}

static void
layer_retire(struct replica *r, bool idle)
{
	struct layer *l = (struct layer *)r;

	l->inner->ops->retire(l->inner, idle);
}

static const struct replica_ops layer_ops = {
	.free = layer_free, .statfs = layer_statfs, .sync = layer_sync,
	.dir_open = layer_dir_open, .dir_close = layer_dir_close, .pin = layer_pin, .dir_sync = layer_dir_sync, .list = layer_list,
	.load = layer_load, .stat = layer_stat, .store = layer_store,
	.create = layer_create, .tmpfile = layer_tmpfile, .link = layer_link, .unlink = layer_unlink, .rename = layer_rename,
	.readlink = layer_readlink, .chmod = layer_chmod, .chown = layer_chown,
	.xattr_get = layer_xattr_get, .xattr_set = layer_xattr_set, .xattr_remove = layer_xattr_remove, .xattr_list = layer_xattr_list,
	.open = layer_open, .open_direct = layer_open_direct, .close = layer_close, .pread = layer_pread, .pwrite = layer_pwrite, .truncate = layer_truncate,
	.fallocate = layer_fallocate, .seek = layer_seek, .fsync = layer_fsync, .drop_cache = layer_drop_cache, .lock = layer_lock,
	.retire = layer_retire,
};

static int
wrap(void *arg, unsigned index, struct replica **r)
{
	struct power *power = arg;
	struct layer *l = calloc(1, sizeof(*l));

	must(l != NULL && (l->base.path = strdup((*r)->path)) != NULL, "malloc");
	l->base.ops = &layer_ops;
	l->inner = *r;
	l->disk = &power->disk[index];
	*r = &l->base;
	return 0;
}

struct power *
power_new(struct rig *rig)
{
	struct power *power = calloc(1, sizeof(*power));
	struct disk *d;
	unsigned i;

	must(power != NULL, "malloc");
	power->count = rig->members;
	for (i = 0; i < power->count; i++) {
		d = &power->disk[i];
		snprintf(d->path, sizeof(d->path), "%s/disk%u", rig->base, i);
		must(mkdir(d->path, 0755) == 0, d->path);
		must((d->top = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0, d->path);
		must(hashmap_init(&d->objects) == 0, "malloc");
		d->root.fd = d->top;
		d->end = &d->ops;
	}
	rig->wrap = wrap;
	rig->wrap_arg = power;
	return power;
}

void
power_sync(struct power *power)
{
	unsigned i;

	for (i = 0; i < power->count; i++)
		commit(&power->disk[i], UINT64_MAX, NULL, true);
}

static void
object_free(struct hashmap_link *link, void *arg)
{
	struct object *o = hashmap_entry(link, struct object, by_ino);

	(void)arg;
	if (o->fd >= 0)
		close(o->fd);
	free(o);
}

/* Keep, lose or tear each piece of data; all else up to some point. */
static void
cut(struct disk *d)
{
	uint64_t count = 0, what;
	struct op *op, **at;

	for (op = d->ops; op != NULL; op = op->next)
		count += op->kind != DATA;
	count = power_random(&d->random) % 4 == 0 ? count : power_random(&d->random) % (count + 1);
	for (at = &d->ops; (op = *at) != NULL;) {
		what = power_random(&d->random) % 4;
		if (op->kind != DATA) {
			if (count == 0)
				break;
			count--;
			apply(op);
		} else if (op->object->fd >= 0 && what < 3) {
			apply_data(op, what == 2 ? &d->random : NULL);
		}
		*at = op->next;
		op_free(op);
	}
	while ((op = d->ops) != NULL) {
		d->ops = op->next;
		op_free(op);
	}
	hashmap_each(&d->objects, object_free, NULL);
	hashmap_free(&d->objects);
	close(d->top);
}

void
power_cut(struct power *power, struct rig *rig, uint64_t seed)
{
	unsigned i;

	for (i = 0; i < power->count; i++) {
		power->disk[i].random = seed * 16 + i;
		cut(&power->disk[i]);
		snprintf(rig->path[i], sizeof(rig->path[i]), "%s", power->disk[i].path);
	}
	rig->wrap = NULL;
	rig->wrap_arg = NULL;
	free(power);
}
