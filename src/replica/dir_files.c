/* Regular files: opening them, and their data. */

#include <fcntl.h>
#include <unistd.h>

#include "replica/dir_private.h"
#include "util/io.h"

static int
try_open(const struct dir_replica *d, struct replica_at at, int flags)
{
	char path[PROC_PATH_SIZE];
	int fd, rc;

	if (at.name != NULL) {
		fd = openat(dir_replica_fd(d, at.handle), at.name, flags | O_NOFOLLOW);
	} else {
		if ((rc = dir_replica_proc_path(d, at, path)) != 0)
			return rc;
		fd = open(path, flags);
	}
	return fd < 0 ? dir_replica_error() : fd;
}

/* Open what has been found to be a regular file; -ESTALE if it shows that it is none. */
static int
open_regular(struct dir_replica *d, struct replica_at at, bool writable)
{
	/* O_NONBLOCK, O_NOCTTY: should something else have taken the name meanwhile. */
	const int flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	mode_t mode;
	int rc;

	rc = try_open(d, at, flags | d->noatime);
	if (rc == -EPERM && d->noatime != 0)
		rc = try_open(d, at, flags);
	if (rc == -EACCES &&
	    dir_replica_loosen(d, at, writable ? S_IRUSR | S_IWUSR : S_IRUSR, &mode) == 0) {
		rc = try_open(d, at, flags | d->noatime);
		dir_replica_tighten(d, at, mode);
	}
	if (rc == -ELOOP || rc == -EISDIR || rc == -ENXIO)
		rc = -ESTALE;
	return rc;
}

int
dir_replica_open_file(struct replica *r, struct replica_at at, bool writable,
    replica_handle *handle, struct stat *st)
{
	struct dir_replica *d = dir_replica_self(r);
	const bool by_path = at.name != NULL || at.handle == REPLICA_ROOT || dir_replica_is_path(at.handle);
	struct stat before, now;
	int fd = -1, rc;

	if (d->read_only && writable)
		return -EROFS;
	if (by_path) {
		if ((rc = dir_replica_stat(r, at, &before)) != 0)
			return rc;
		if (!S_ISREG(before.st_mode))
			return -ESTALE;
	}
	if ((rc = open_regular(d, at, writable)) < 0)
		return rc;
	fd = rc;
	rc = 0;

	if (by_path || st != NULL) {
		if (fstat(fd, &now) != 0)
			rc = dir_replica_error();
		else if (by_path && (now.st_dev != before.st_dev || now.st_ino != before.st_ino))
			rc = -ESTALE;
	}
	if (rc != 0) {
		close(fd);
		return rc;
	}
	if (st != NULL)
		*st = now;
	*handle = fd;
	return 0;
}

void
dir_replica_close(struct replica *r, replica_handle file)
{
	(void)r;
	if (file >= 0)
		close((int)(file & INT_MAX));
}

ssize_t
dir_replica_pread(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset)
{
	const ssize_t n = io_pread(dir_replica_fd(dir_replica_self(r), file), buf, len, (off_t)offset);

	return n == -EBADMSG ? -EUCLEAN : n;
}

ssize_t
dir_replica_pread_cached(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset)
{
	struct dir_replica *d = dir_replica_self(r);
	ssize_t n;

	if (atomic_load_explicit(&d->no_nowait, memory_order_relaxed))
		return -EOPNOTSUPP;
	n = io_pread_cached(dir_replica_fd(d, file), buf, len, (off_t)offset);
	if (n == -EOPNOTSUPP)
		atomic_store_explicit(&d->no_nowait, true, memory_order_relaxed);
	return n == -EBADMSG ? -EUCLEAN : n;
}

ssize_t
dir_replica_pwrite(struct replica *r, replica_handle file, const void *buf, size_t len, uint64_t offset)
{
	const ssize_t n = io_pwrite(dir_replica_fd(dir_replica_self(r), file), buf, len, (off_t)offset);

	return n == -EBADMSG ? -EUCLEAN : n;
}

int
dir_replica_truncate(struct replica *r, replica_handle file, uint64_t size)
{
	struct dir_replica *d = dir_replica_self(r);

	if (d->read_only)
		return -EROFS;
	return ftruncate(dir_replica_fd(d, file), (off_t)size) != 0 ? dir_replica_error() : 0;
}

int
dir_replica_fallocate(struct replica *r, replica_handle file, int mode, uint64_t offset, uint64_t len)
{
	struct dir_replica *d = dir_replica_self(r);
	int rc;

	if (d->read_only)
		return -EROFS;
	do {
		rc = fallocate(dir_replica_fd(d, file), mode, (off_t)offset, (off_t)len);
	} while (rc != 0 && errno == EINTR);
	return rc != 0 ? dir_replica_error() : 0;
}

int64_t
dir_replica_seek(struct replica *r, replica_handle file, uint64_t offset, int whence)
{
	off_t found;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	found = lseek(dir_replica_fd(dir_replica_self(r), file), (off_t)offset, whence);
	return found < 0 ? dir_replica_error() : found;
}

int
dir_replica_fsync(struct replica *r, replica_handle file, bool data_only)
{
	struct dir_replica *d = dir_replica_self(r);
	int fd, rc;

	if (d->read_only)
		return 0;
	fd = dir_replica_fd(d, file);
	rc = data_only ? fdatasync(fd) : fsync(fd);
	return rc != 0 ? dir_replica_error() : 0;
}

void
dir_replica_drop_cache(struct replica *r, replica_handle file)
{
	struct dir_replica *d = dir_replica_self(r);
	const int fd = dir_replica_fd(d, file);

	/*
	 * Dirty pages stay, so they are written first.  Unlike fdatasync this
	 * flushes no disk cache, and costs a clean file next to nothing.
	 */
	if (!d->read_only)
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE |
		    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}
