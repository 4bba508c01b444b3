/* Regular files: opening them, and their data. */

#include <fcntl.h>
#include <unistd.h>

#include "replica/dir_private.h"
#include "util/io.h"

/* It cannot be opened any more: what is open already serves, if it was opened for as much. */
static int
share_open(const struct dir_replica *d, struct replica_at at, int flags, int error)
{
	const int open_fd = dir_replica_fd(d, at.handle), open_for = fcntl(open_fd, F_GETFL);
	int fd;

	if (open_for < 0 || ((open_for & O_ACCMODE) != O_RDWR && (open_for & O_ACCMODE) != (flags & O_ACCMODE)))
		return error;
	fd = fcntl(open_fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? dir_replica_error() : fd;
}

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
	if (fd >= 0)
		return fd;
	rc = dir_replica_error();
	return dir_replica_nameless(d, at, rc) ? share_open(d, at, flags, rc) : rc;
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
	/* There is no second time after the last name has gone; and who only reads may write later. */
	rc = d->forgets && !d->read_only ? open_regular(d, at, true) : -EACCES;
	if (rc < 0 && (writable || rc != -ESTALE))
		rc = open_regular(d, at, writable);
	if (rc < 0)
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

/* May this file be read past the cache?  Some are not, on file systems that say so of most: inline, encrypted, journalled data. */
static bool
takes_direct(int fd)
{
#ifdef STATX_DIOALIGN
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 && (st.stx_mask & STATX_DIOALIGN) != 0)
		return st.stx_dio_offset_align != 0 && st.stx_dio_offset_align <= REPLICA_DIRECT_ALIGN &&
		    st.stx_dio_mem_align <= REPLICA_DIRECT_ALIGN;
#endif
	return fd >= 0;
}

int
dir_replica_open_direct(struct replica *r, struct replica_at at, replica_handle *handle)
{
	int flags, rc;

	if ((rc = dir_replica_open_file(r, at, false, handle, NULL)) != 0)
		return rc;
	flags = fcntl((int)*handle, F_GETFL);
	if (flags >= 0 && takes_direct((int)*handle) && fcntl((int)*handle, F_SETFL, flags | O_DIRECT) == 0)
		*handle |= HANDLE_DIRECT;
	else
		*handle |= HANDLE_DROPS;
	return 0;
}

void
dir_replica_close(struct replica *r, replica_handle file)
{
	(void)r;
	if (file >= 0)
		close((int)(file & INT_MAX));
}

/* A short count ends it: what follows would not be aligned, and is behind the end of file. */
static ssize_t
pread_direct(int fd, void *buf, size_t len, uint64_t offset)
{
	uint8_t *at = buf;
	size_t done = 0;
	ssize_t n;

	do {
		n = pread(fd, at + done, len - done, (off_t)(offset + done));
		if (n < 0 && errno != EINTR)
			return dir_replica_error();
		if (n > 0)
			done += (size_t)n;
	} while (n < 0 || (n > 0 && done < len && done % REPLICA_DIRECT_ALIGN == 0));
	return (ssize_t)done;
}

/* The range's pages go first; dirty ones are written before. */
static void
drop_range(const struct dir_replica *d, int fd, size_t len, uint64_t offset)
{
	if (!d->read_only)
		(void)sync_file_range(fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WAIT_BEFORE |
		    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	(void)posix_fadvise(fd, (off_t)offset, (off_t)len, POSIX_FADV_DONTNEED);
}

ssize_t
dir_replica_pread(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset)
{
	struct dir_replica *d = dir_replica_self(r);
	const int fd = dir_replica_fd(d, file);
	ssize_t n;

	if (file >= 0 && (file & HANDLE_DIRECT) != 0) {
		if ((n = pread_direct(fd, buf, len, offset)) != -EINVAL)
			return n;
		/* It opens so, and does not read so: without, from here on. */
		(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_DIRECT);
	}
	if (file >= 0 && (file & (HANDLE_DIRECT | HANDLE_DROPS)) != 0)
		drop_range(d, fd, len, offset);
	n = io_pread(fd, buf, len, (off_t)offset);
	return n == -EBADMSG ? -EUCLEAN : n;
}

ssize_t
dir_replica_pread_cached(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset)
{
	struct dir_replica *d = dir_replica_self(r);
	ssize_t n;

	/* preadv2(2) would take -1 for the file's own position. */
	if (offset > INT64_MAX)
		return -EINVAL;
	/* What is cached is not asked for. */
	if (file >= 0 && (file & (HANDLE_DIRECT | HANDLE_DROPS)) != 0)
		return -EAGAIN;
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
