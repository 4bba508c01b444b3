/* The replica as a whole, and its directories. */

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "format/record.h"
#include "replica/dir_private.h"

#define LIST_BUFFER_SIZE (32 * 1024)	/* as the C library's readdir uses */
#define PROBE_XATTR RECORD_XATTR ".probe"
#define PROBE_NSEC 123456789
#define TYPE_FUSE 0x65735546u

int
dir_replica_proc_path(const struct dir_replica *d, struct replica_at at, char *path)
{
	static const char prefix[] = "/proc/self/fd/";
	char digits[16];
	unsigned number;
	size_t len, count = 0;
	int fd;

	if ((fd = dir_replica_fd(d, at.handle)) < 0)
		return -EBADF;
	memcpy(path, prefix, sizeof(prefix) - 1);
	len = sizeof(prefix) - 1;
	number = (unsigned)fd;
	do {
		digits[count++] = (char)('0' + number % 10);
	} while ((number /= 10) != 0);
	while (count > 0)
		path[len++] = digits[--count];

	if (at.name != NULL) {
		if (!replica_name_valid(at.name))
			return -EINVAL;
		if ((count = strlen(at.name)) > NAME_MAX)
			return -ENAMETOOLONG;
		path[len++] = '/';
		memcpy(path + len, at.name, count);
		len += count;
	}
	path[len] = '\0';
	return 0;
}

static int
open_dot(const struct dir_replica *d, int dir)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int fd;

	fd = openat(dir, ".", flags | d->noatime);
	if (fd < 0 && errno == EPERM && d->noatime != 0)
		fd = openat(dir, ".", flags);
	return fd < 0 ? dir_replica_error() : fd;
}

int
dir_replica_open_dir(struct dir_replica *d, replica_handle dir, int *fd)
{
	const struct replica_at at = { .handle = dir, .name = NULL };
	mode_t mode;
	int rc;

	rc = open_dot(d, dir_replica_fd(d, dir));
	if (rc == -EACCES && dir_replica_loosen(d, at, S_IRUSR | S_IXUSR, &mode) == 0) {
		rc = open_dot(d, dir_replica_fd(d, dir));
		dir_replica_tighten(d, at, mode);
	}
	if (rc < 0)
		return rc;
	*fd = rc;
	return 0;
}

static int
dir_open_dir(struct replica *r, replica_handle dir, const char *name, replica_handle *handle)
{
	struct dir_replica *d = dir_replica_self(r);
	int fd;

	if (!replica_name_valid(name))
		return -EINVAL;
	fd = openat(dir_replica_fd(d, dir), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return dir_replica_error();
	*handle = fd | HANDLE_PATH;
	return 0;
}

static int
dir_pin(struct replica *r, replica_handle dir, const char *name, replica_handle *handle)
{
	struct dir_replica *d = dir_replica_self(r);
	int fd;

	if (!replica_name_valid(name))
		return -EINVAL;
	/* There it is gone with its last name, but for who has it open, and for what he opened it for. */
	if (d->forgets && dir_replica_open_file(r, (struct replica_at){ dir, name }, !d->read_only, handle, NULL) == 0)
		return 0;
	if ((fd = openat(dir_replica_fd(d, dir), name, O_PATH | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return dir_replica_error();
	*handle = fd | HANDLE_PATH;
	return 0;
}

static void
dir_close_dir(struct replica *r, replica_handle dir)
{
	(void)r;
	if (dir >= 0)
		close((int)(dir & INT_MAX));
}

static int
dir_sync_dir(struct replica *r, replica_handle dir)
{
	struct dir_replica *d = dir_replica_self(r);
	int fd, rc;

	if (d->read_only)
		return 0;
	if (dir == REPLICA_ROOT)
		return fsync(d->root) != 0 ? dir_replica_error() : 0;
	if ((rc = dir_replica_open_dir(d, dir, &fd)) != 0)
		return rc;
	if (fsync(fd) != 0)
		rc = dir_replica_error();
	close(fd);
	return rc;
}

/* Some file systems do not say in the directory what a name stands for. */
static int
entry_type(int fd, const struct dirent64 *entry, unsigned char *type)
{
	struct stat st;

	*type = entry->d_type;
	if (*type != DT_UNKNOWN)
		return 0;
	if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		*type = IFTODT(st.st_mode);
	else if (errno != ENOENT)
		return dir_replica_error();
	return 0;
}

static int
list_buffer(int fd, const char *buffer, ssize_t len, replica_list_call *call, void *arg)
{
	const struct dirent64 *entry;
	unsigned char type;
	ssize_t at;
	int rc;

	for (at = 0; at < len; at += entry->d_reclen) {
		entry = (const void *)(buffer + at);
		if (!replica_name_valid(entry->d_name))
			continue;
		if ((rc = entry_type(fd, entry, &type)) != 0)
			return rc;
		if ((rc = call(arg, entry->d_name, type, entry->d_ino)) != 0)
			return rc;
	}
	return 0;
}

static int
dir_list(struct replica *r, replica_handle dir, replica_list_call *call, void *arg)
{
	struct dir_replica *d = dir_replica_self(r);
	char *buffer = NULL;
	ssize_t len;
	int fd = -1, rc;

	/* Aligned as struct dirent64 needs it, as all that malloc gives. */
	if ((buffer = malloc(LIST_BUFFER_SIZE)) == NULL) {
		rc = -ENOMEM;
		goto done;
	}
	if ((rc = dir_replica_open_dir(d, dir, &fd)) != 0)
		goto done;
	while ((len = getdents64(fd, buffer, LIST_BUFFER_SIZE)) > 0) {
		if ((rc = list_buffer(fd, buffer, len, call, arg)) != 0)
			goto done;
	}
	if (len < 0)
		rc = dir_replica_error();

done:
	if (fd >= 0)
		close(fd);
	free(buffer);
	return rc;
}

static int
dir_statfs(struct replica *r, struct statvfs *st)
{
	return fstatvfs(dir_replica_self(r)->root, st) != 0 ? dir_replica_error() : 0;
}

static int
dir_sync(struct replica *r)
{
	struct dir_replica *d = dir_replica_self(r);

	if (d->read_only)
		return 0;
	return syncfs(d->root) != 0 ? dir_replica_error() : 0;
}

static int
dir_check(struct replica *r)
{
	struct dir_replica *d = dir_replica_self(r);
	struct stat now, ours;

	if (fstat(d->root, &ours) != 0)
		return dir_replica_error();
	if (stat(r->path, &now) != 0)
		return errno == ENOENT || errno == ENOTDIR ? -ESTALE : errno == EACCES ? 0 : dir_replica_error();
	return now.st_dev == ours.st_dev && now.st_ino == ours.st_ino ? 0 : -ESTALE;
}

/*
 * The descriptor's number stays taken, so that whoever still uses it meets
 * neither the old directory nor what would be opened next.
 */
static void
dir_retire(struct replica *r, bool idle)
{
	struct dir_replica *d = dir_replica_self(r);
	int nothing;

	if (d->lock_file >= 0)
		close(d->lock_file);
	d->lock_file = -1;
	if (idle) {
		close(d->root);
		d->root = -1;
		return;
	}
	if ((nothing = memfd_create("retired", MFD_CLOEXEC)) < 0)
		return;
	(void)dup3(nothing, d->root, O_CLOEXEC);
	close(nothing);
}

static void
dir_free(struct replica *r)
{
	struct dir_replica *d;

	if (r == NULL)
		return;
	d = dir_replica_self(r);
	if (d->root >= 0)
		close(d->root);
	if (d->view >= 0)
		close(d->view);
	if (d->lock_file >= 0)
		close(d->lock_file);
	pthread_mutex_destroy(&d->modes);
	free(r->path);
	free(d);
}

static const struct replica_ops dir_ops = {
	.free = dir_free,
	.statfs = dir_statfs,
	.sync = dir_sync,
	.dir_open = dir_open_dir,
	.pin = dir_pin,
	.dir_close = dir_close_dir,
	.dir_sync = dir_sync_dir,
	.list = dir_list,
	.load = dir_replica_load,
	.stat = dir_replica_stat,
	.store = dir_replica_store,
	.create = dir_replica_create,
	.tmpfile = dir_replica_tmpfile,
	.link = dir_replica_link,
	.unlink = dir_replica_unlink,
	.rename = dir_replica_rename,
	.readlink = dir_replica_readlink,
	.chmod = dir_replica_chmod,
	.chown = dir_replica_chown,
	.xattr_get = dir_replica_xattr_get,
	.xattr_set = dir_replica_xattr_set,
	.xattr_remove = dir_replica_xattr_remove,
	.xattr_list = dir_replica_xattr_list,
	.open = dir_replica_open_file,
	.open_direct = dir_replica_open_direct,
	.close = dir_replica_close,
	.pread = dir_replica_pread,
	.pread_cached = dir_replica_pread_cached,
	.pwrite = dir_replica_pwrite,
	.truncate = dir_replica_truncate,
	.fallocate = dir_replica_fallocate,
	.seek = dir_replica_seek,
	.fsync = dir_replica_fsync,
	.drop_cache = dir_replica_drop_cache,
	.lock = dir_replica_lock,
	.check = dir_check,
	.retire = dir_retire,
};

/*
 * Reading a symbolic link sets its access time, and no flag prevents that; a
 * mount can.  So who only looks does it, where he may, through a mount of his
 * own that nobody else sees and that ends with him.  -1: there is none.
 */
static int
open_view(const char *path)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME,
		.attr_clr = MOUNT_ATTR__ATIME };
	int fd;

	fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int
open_root(struct dir_replica *d, const char *path)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int at = AT_FDCWD;

	if (d->read_only && (d->view = open_view(path)) >= 0) {
		at = d->view;
		path = ".";
	}
	d->noatime = O_NOATIME;
	d->root = openat(at, path, flags | O_NOATIME);
	if (d->root < 0 && errno == EPERM) {
		d->noatime = 0;
		d->root = openat(at, path, flags);
	}
	return d->root < 0 ? dir_replica_error() : 0;
}

static int
check_root(struct dir_replica *d)
{
	const int access = d->read_only ? R_OK | X_OK : R_OK | W_OK | X_OK;
	struct statvfs st;
	struct stat root;

	if (fstatvfs(d->root, &st) != 0 || fstat(d->root, &root) != 0)
		return dir_replica_error();
	d->base.device = root.st_dev;
	if (!d->read_only && (st.f_flag & ST_RDONLY) != 0)
		return -EROFS;
	if (faccessat(d->root, ".", access, AT_EACCESS) != 0)
		return dir_replica_error();
	return 0;
}

/* Calls to such a file system are answered by somebody who may stop doing so. */
static bool
is_remote(uint32_t type)
{
	switch (type) {
	case 0x00006969u:	/* NFS */
	case 0x0000517Bu:	/* SMB */
	case 0xFE534D42u:	/* SMB2 */
	case 0xFF534D42u:	/* CIFS */
	case 0x00C36400u:	/* Ceph */
	case 0x01021997u:	/* 9P */
	case 0x5346414Fu:	/* AFS */
	case 0x6B414653u:	/* kAFS */
	case 0x0BD00BD0u:	/* Lustre */
	case TYPE_FUSE:
		return true;
	default:
		return false;
	}
}

static void
set_remote(struct dir_replica *d)
{
	struct statfs st;

	if (fstatfs(d->root, &st) != 0)
		return;
	d->base.remote = is_remote((uint32_t)st.f_type);
	d->forgets = (uint32_t)st.f_type == TYPE_FUSE;
}

static int
probe_xattrs(const struct dir_replica *d)
{
	/* Asking changes nothing, so a mount that is refused later leaves no trace. */
	if (fgetxattr(d->root, PROBE_XATTR, NULL, 0) >= 0 || errno == ENODATA)
		return 0;
	if (fsetxattr(d->root, PROBE_XATTR, "1", 1, 0) == 0) {
		if (fremovexattr(d->root, PROBE_XATTR) != 0 && errno != ENODATA)
			return dir_replica_error();
		return 0;
	}
	/* A full disk can hold attributes, if only later. */
	if (errno == ENOSPC || errno == EDQUOT || errno == E2BIG)
		return 0;
	return errno == ENOSYS ? -EOPNOTSUPP : dir_replica_error();
}

/*
 * Something of this file system to set times on, and to forget again: a file
 * without a name, whose making does not touch the directory, so that a mount
 * that is refused later leaves no trace.  Where there is no such thing, or no
 * room for it, the directory itself, whose ctime then tells.
 */
static int
open_for_probe(const struct dir_replica *d)
{
	return openat(d->root, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
}

/* Does it keep times to the nanosecond?  The seal of a record needs it. */
static int
probe_times(const struct dir_replica *d)
{
	struct timespec times[2] = { { 0, UTIME_OMIT }, { 0, PROBE_NSEC } };
	struct stat st, probed;
	int own = -1, fd, rc = 0;

	if (fstat(d->root, &st) != 0)
		return dir_replica_error();
	if (st.st_mtim.tv_nsec % 100 != 0)
		return 0;
	own = open_for_probe(d);
	fd = own >= 0 ? own : d->root;
	times[1].tv_sec = st.st_mtim.tv_sec;
	if (futimens(fd, times) != 0) {
		rc = dir_replica_error();
		goto done;
	}
	if (fstat(fd, &probed) != 0)
		rc = dir_replica_error();
	else if (probed.st_mtim.tv_nsec != PROBE_NSEC)
		rc = -ERANGE;
	times[1] = st.st_mtim;
	if (own < 0 && futimens(fd, times) != 0 && rc == 0)
		rc = dir_replica_error();

done:
	if (own >= 0)
		close(own);
	return rc;
}

/* Can it hold what we keep there?  One with a record on it does so already. */
static int
check_features(const struct dir_replica *d)
{
	const struct replica_at root = { .handle = REPLICA_ROOT, .name = NULL };
	char path[PROC_PATH_SIZE];
	int rc;

	if ((rc = dir_replica_proc_path(d, root, path)) != 0)
		return rc;
	if (getxattr(path, RECORD_XATTR, NULL, 0) >= 0)
		return 0;
	if (errno == ENOENT || errno == ENOTDIR)
		return -ENOSYS;
	if (d->read_only)
		return 0;
	if ((rc = probe_xattrs(d)) != 0)
		return rc;
	/* What cannot sync a directory says so with EINVAL. */
	if (fsync(d->root) != 0)
		return errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ? -EMEDIUMTYPE : dir_replica_error();
	return probe_times(d);
}

int
dir_replica_open(const char *path, bool read_only, struct replica **replica)
{
	struct dir_replica *d;
	int rc;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return -ENOMEM;
	d->base.ops = &dir_ops;
	d->root = -1;
	d->view = -1;
	d->lock_file = -1;
	d->read_only = read_only;
	atomic_init(&d->no_fchmodat2, false);
	pthread_mutex_init(&d->modes, NULL);
	if ((d->base.path = strdup(path)) == NULL) {
		rc = -ENOMEM;
		goto fail;
	}
	if ((rc = open_root(d, path)) != 0 || (rc = check_root(d)) != 0 || (rc = check_features(d)) != 0)
		goto fail;

	umask(0);
	set_remote(d);
	*replica = &d->base;
	return 0;

fail:
	dir_free(&d->base);
	return rc;
}
