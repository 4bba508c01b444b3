/* Inodes of any type: attributes, times, extended attributes, the record. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "format/record.h"
#include "replica/dir_private.h"

#define LIST_SIZE_SMALL 1024	/* bytes of xattr names that take no second call */
#define LIST_TRIES 8		/* of a list that grows while it is read */

/* One number on all architectures but Alpha; Debian 12's headers do not name it. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#endif

/* As the kernel's struct xattr_args; Linux 6.13. */
struct xattr_args_at { uint64_t value; uint32_t size, flags; };

static int
chmod_name(struct dir_replica *d, int fd, const char *name, mode_t mode)
{
	if (!atomic_load_explicit(&d->no_fchmodat2, memory_order_relaxed)) {
		if (syscall(SYS_fchmodat2, fd, name, mode, AT_SYMLINK_NOFOLLOW) == 0)
			return 0;
		if (errno != ENOSYS)
			return dir_replica_error();
		atomic_store_explicit(&d->no_fchmodat2, true, memory_order_relaxed);
	}
	/* The C library does the same in four calls. */
	return fchmodat(fd, name, mode, AT_SYMLINK_NOFOLLOW) != 0 ? dir_replica_error() : 0;
}

bool
dir_replica_nameless(const struct dir_replica *d, struct replica_at at, int error)
{
	struct stat st;

	if (!d->forgets || at.name != NULL || (error != -ESTALE && error != -ENOENT) || dir_replica_is_path(at.handle))
		return false;
	return fstat(dir_replica_fd(d, at.handle), &st) == 0 && st.st_nlink == 0;
}

/* What came of a change of a file's attributes. */
static int
changed(const struct dir_replica *d, struct replica_at at, int rc)
{
	return rc != 0 && dir_replica_nameless(d, at, rc) ? 0 : rc;
}

int
dir_replica_chmod_unlocked(struct dir_replica *d, struct replica_at at, mode_t mode)
{
	char path[PROC_PATH_SIZE];
	int fd, rc;

	fd = dir_replica_fd(d, at.handle);
	mode &= 07777;
	if (at.name != NULL)
		return replica_name_valid(at.name) ? chmod_name(d, fd, at.name, mode) : -EINVAL;
	if (!dir_replica_is_path(at.handle))
		return changed(d, at, fchmod(fd, mode) != 0 ? dir_replica_error() : 0);
	if ((rc = dir_replica_proc_path(d, at, path)) != 0)
		return rc;
	return chmod(path, mode) != 0 ? dir_replica_error() : 0;
}

int
dir_replica_loosen(struct dir_replica *d, struct replica_at at, mode_t bits, mode_t *mode)
{
	struct stat st;
	int rc = -EACCES;

	if (d->read_only)
		return -EACCES;

	pthread_mutex_lock(&d->modes);
	if (dir_replica_stat(&d->base, at, &st) != 0)
		goto fail;
	if (st.st_uid != geteuid() || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		goto fail;
	/* Of a group not ours, the set-group-id bit could not be given back. */
	if ((st.st_mode & S_ISGID) != 0 && st.st_gid != getegid())
		goto fail;
	if ((rc = dir_replica_chmod_unlocked(d, at, st.st_mode | bits)) != 0)
		goto fail;
	*mode = st.st_mode & 07777;
	return 0;

fail:
	pthread_mutex_unlock(&d->modes);
	return rc;
}

void
dir_replica_tighten(struct dir_replica *d, struct replica_at at, mode_t mode)
{
	/* It worked a moment ago; should it fail now, the record's digest tells. */
	(void)dir_replica_chmod_unlocked(d, at, mode);
	pthread_mutex_unlock(&d->modes);
}

int
dir_replica_chmod(struct replica *r, struct replica_at at, mode_t mode)
{
	struct dir_replica *d = dir_replica_self(r);
	int rc;

	if (d->read_only)
		return -EROFS;
	pthread_mutex_lock(&d->modes);
	rc = dir_replica_chmod_unlocked(d, at, mode);
	pthread_mutex_unlock(&d->modes);
	return rc;
}

int
dir_replica_chown(struct replica *r, struct replica_at at, uid_t uid, gid_t gid)
{
	struct dir_replica *d = dir_replica_self(r);
	int fd, rc;

	if (d->read_only)
		return -EROFS;
	fd = dir_replica_fd(d, at.handle);
	if (at.name == NULL)
		rc = fchownat(fd, "", uid, gid, AT_EMPTY_PATH);
	else if (!replica_name_valid(at.name))
		return -EINVAL;
	else
		rc = fchownat(fd, at.name, uid, gid, AT_SYMLINK_NOFOLLOW);
	return changed(d, at, rc != 0 ? dir_replica_error() : 0);
}

int
dir_replica_stat(struct replica *r, struct replica_at at, struct stat *st)
{
	struct dir_replica *d = dir_replica_self(r);
	int fd, rc;

	fd = dir_replica_fd(d, at.handle);
	if (at.name == NULL)
		rc = fstat(fd, st);
	else if (!replica_name_valid(at.name))
		return -EINVAL;
	else
		rc = fstatat(fd, at.name, st, AT_SYMLINK_NOFOLLOW);
	return rc != 0 ? dir_replica_error() : 0;
}

/* getxattrat(2) likewise; false: the kernel has it not. */
static bool
xattr_get_at(struct dir_replica *d, struct replica_at at, const char *name, void *value, size_t size, ssize_t *len)
{
	struct xattr_args_at args = { (uintptr_t)value, (uint32_t)size, 0 };

	if (atomic_load_explicit(&d->no_xattrat, memory_order_relaxed) || !replica_name_valid(at.name))
		return false;
	*len = syscall(SYS_getxattrat, dir_replica_fd(d, at.handle), at.name, AT_SYMLINK_NOFOLLOW, name, &args, sizeof(args));
	if (*len >= 0)
		return true;
	if (errno == ENOSYS) {
		atomic_store_explicit(&d->no_xattrat, true, memory_order_relaxed);
		return false;
	}
	*len = dir_replica_error();
	return true;
}

ssize_t
dir_replica_xattr_get(struct replica *r, struct replica_at at, const char *name, void *value, size_t size)
{
	struct dir_replica *d = dir_replica_self(r);
	char path[PROC_PATH_SIZE];
	ssize_t len;
	int rc;

	if (at.name != NULL && xattr_get_at(d, at, name, value, size, &len))
		return len;
	if (at.name == NULL && !dir_replica_is_path(at.handle)) {
		len = fgetxattr(dir_replica_fd(d, at.handle), name, value, size);
	} else {
		if ((rc = dir_replica_proc_path(d, at, path)) != 0)
			return rc;
		len = at.name != NULL ? lgetxattr(path, name, value, size) : getxattr(path, name, value, size);
	}
	return len < 0 ? dir_replica_error() : len;
}

/* setxattrat(2) by a name: half the time of the way through /proc. 1: the kernel has it not. */
static int
xattr_set_at(struct dir_replica *d, struct replica_at at, const char *name, const void *value, size_t len, int flags)
{
	const struct xattr_args_at args = { (uintptr_t)value, (uint32_t)len, (uint32_t)flags };

	if (atomic_load_explicit(&d->no_xattrat, memory_order_relaxed))
		return 1;
	if (!replica_name_valid(at.name))
		return -EINVAL;
	if (syscall(SYS_setxattrat, dir_replica_fd(d, at.handle), at.name, AT_SYMLINK_NOFOLLOW, name, &args, sizeof(args)) == 0)
		return 0;
	if (errno != ENOSYS)
		return dir_replica_error();
	atomic_store_explicit(&d->no_xattrat, true, memory_order_relaxed);
	return 1;
}

int
dir_replica_xattr_set(struct replica *r, struct replica_at at, const char *name,
    const void *value, size_t len, int flags)
{
	struct dir_replica *d = dir_replica_self(r);
	char path[PROC_PATH_SIZE];
	int rc;

	if (d->read_only)
		return -EROFS;
	if (at.name != NULL && (rc = xattr_set_at(d, at, name, value, len, flags)) <= 0)
		return rc;
	if (at.name == NULL && !dir_replica_is_path(at.handle)) {
		rc = fsetxattr(dir_replica_fd(d, at.handle), name, value, len, flags);
	} else {
		if ((rc = dir_replica_proc_path(d, at, path)) != 0)
			return rc;
		rc = at.name != NULL ? lsetxattr(path, name, value, len, flags) :
		    setxattr(path, name, value, len, flags);
	}
	return changed(d, at, rc != 0 ? dir_replica_error() : 0);
}

int
dir_replica_xattr_remove(struct replica *r, struct replica_at at, const char *name)
{
	struct dir_replica *d = dir_replica_self(r);
	char path[PROC_PATH_SIZE];
	int rc;

	if (d->read_only)
		return -EROFS;
	if (at.name == NULL && !dir_replica_is_path(at.handle)) {
		rc = fremovexattr(dir_replica_fd(d, at.handle), name);
	} else {
		if ((rc = dir_replica_proc_path(d, at, path)) != 0)
			return rc;
		rc = at.name != NULL ? lremovexattr(path, name) : removexattr(path, name);
	}
	return changed(d, at, rc != 0 ? dir_replica_error() : 0);
}

ssize_t
dir_replica_xattr_list(struct replica *r, struct replica_at at, char *list, size_t size)
{
	struct dir_replica *d = dir_replica_self(r);
	char path[PROC_PATH_SIZE];
	ssize_t len;
	int rc;

	if (at.name == NULL && !dir_replica_is_path(at.handle)) {
		len = flistxattr(dir_replica_fd(d, at.handle), list, size);
	} else {
		if ((rc = dir_replica_proc_path(d, at, path)) != 0)
			return rc;
		len = at.name != NULL ? llistxattr(path, list, size) : listxattr(path, list, size);
	}
	return len < 0 ? dir_replica_error() : len;
}

static bool
any_mirrored(const char *list, size_t len)
{
	const char *name;

	for (name = list; name < list + len; name += strlen(name) + 1)
		if (record_xattr_mirrored(name))
			return true;
	return false;
}

/* The list did not fit into a small buffer. */
static int
has_xattrs_large(struct replica *r, struct replica_at at, bool *xattrs)
{
	char *list;
	ssize_t len;
	unsigned tries;

	for (tries = 0; tries < LIST_TRIES; tries++) {
		if ((len = dir_replica_xattr_list(r, at, NULL, 0)) <= 0)
			return (int)len;
		if ((list = malloc((size_t)len)) == NULL)
			return -ENOMEM;
		if ((len = dir_replica_xattr_list(r, at, list, (size_t)len)) > 0)
			*xattrs = any_mirrored(list, (size_t)len);
		free(list);
		if (len != -ERANGE)
			return len < 0 ? (int)len : 0;
	}
	return -ERANGE;
}

static int
has_xattrs(struct replica *r, struct replica_at at, bool *xattrs)
{
	char list[LIST_SIZE_SMALL];
	ssize_t len;

	*xattrs = false;
	len = dir_replica_xattr_list(r, at, list, sizeof(list));
	if (len == -ERANGE)
		return has_xattrs_large(r, at, xattrs);
	if (len == -EOPNOTSUPP)
		return 0;
	if (len < 0)
		return (int)len;
	*xattrs = any_mirrored(list, (size_t)len);
	return 0;
}

static int
get_record(struct replica *r, struct replica_at at, uint8_t *record)
{
	struct dir_replica *d = dir_replica_self(r);
	ssize_t len;
	mode_t mode;

	len = dir_replica_xattr_get(r, at, RECORD_XATTR, record, RECORD_SIZE_MAX);
	if (len == -EACCES && dir_replica_loosen(d, at, S_IRUSR, &mode) == 0) {
		len = dir_replica_xattr_get(r, at, RECORD_XATTR, record, RECORD_SIZE_MAX);
		dir_replica_tighten(d, at, mode);
	}
	/* Longer than any record: not one. */
	return len == -ERANGE ? -EBADMSG : (int)len;
}

int
dir_replica_load(struct replica *r, struct replica_at at, struct replica_info *info)
{
	int rc;

	if ((rc = dir_replica_stat(r, at, &info->st)) != 0)
		return rc;
	info->record_len = -ENODATA;
	if (S_ISREG(info->st.st_mode) || S_ISDIR(info->st.st_mode))
		info->record_len = get_record(r, at, info->record);
	info->xattrs = false;
	return info->skip_xattrs ? 0 : has_xattrs(r, at, &info->xattrs);
}

static int
set_times(struct dir_replica *d, struct replica_at at, const struct timespec *times)
{
	char path[PROC_PATH_SIZE];
	int fd, rc;

	if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
		return 0;
	fd = dir_replica_fd(d, at.handle);
	if (at.name != NULL) {
		if (!replica_name_valid(at.name))
			return -EINVAL;
		rc = utimensat(fd, at.name, times, AT_SYMLINK_NOFOLLOW);
	} else if (!dir_replica_is_path(at.handle)) {
		rc = futimens(fd, times);
	} else {
		if ((rc = dir_replica_proc_path(d, at, path)) != 0)
			return rc;
		rc = utimensat(AT_FDCWD, path, times, 0);
	}
	return rc != 0 ? dir_replica_error() : 0;
}

int
dir_replica_store(struct replica *r, struct replica_at at, const struct replica_times *times,
    const void *record, size_t len)
{
	struct dir_replica *d = dir_replica_self(r);
	const struct timespec both[2] = { times->atime, times->mtime };
	mode_t mode;
	int rc;

	if (d->read_only)
		return -EROFS;
	if ((rc = changed(d, at, set_times(d, at, both))) != 0 || len == 0)
		return rc;

	rc = dir_replica_xattr_set(r, at, RECORD_XATTR, record, len, 0);
	if ((rc == -EACCES || rc == -EPERM) && dir_replica_loosen(d, at, S_IWUSR, &mode) == 0) {
		rc = dir_replica_xattr_set(r, at, RECORD_XATTR, record, len, 0);
		dir_replica_tighten(d, at, mode);
	}
	return rc == -E2BIG || rc == -ERANGE ? -ENOSPC : changed(d, at, rc);
}
