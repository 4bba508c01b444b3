/* One writer: the lock of a replica. */

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "replica/dir_private.h"

/* Take it, and see that it is one: nobody else, and not we once more, can have it then. */
static int
take(int fd, int second, bool exclusive)
{
	int rc;

	if (second < 0)
		return dir_replica_error();
	if (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0)
		rc = dir_replica_error();
	else if (flock(second, LOCK_EX | LOCK_NB) == 0)
		rc = -ENOLCK;
	else
		rc = errno == EWOULDBLOCK ? 0 : dir_replica_error();
	close(second);
	return rc == -ENOSYS || rc == -EOPNOTSUPP || rc == -EINVAL || rc == -EBADF ? -ENOLCK : rc;
}

/*
 * A directory's lock is known to this machine only, on NFS and whatever goes
 * through FUSE; that of a regular file is asked of the server.
 */
static int
take_file(struct dir_replica *d, bool exclusive)
{
	const int flags = (d->read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd, rc;

	if (d->lock_file < 0) {
		fd = openat(d->root, DIR_LOCK_FILE, flags);
		/* Without .mendfs there is no volume yet: it is locked again when there is. */
		if (fd < 0 && errno == ENOENT && !d->read_only)
			fd = openat(d->root, DIR_LOCK_FILE, flags | O_CREAT, S_IRUSR | S_IWUSR);
		if (fd < 0)
			return errno == ENOENT ? 0 : dir_replica_error();
		d->lock_file = fd;
	}
	if ((rc = take(d->lock_file, openat(d->root, DIR_LOCK_FILE, flags), exclusive)) != 0) {
		close(d->lock_file);
		d->lock_file = -1;
	}
	return rc;
}

/*
 * On the top directory itself: nothing is written, a shared one works on a
 * read-only disk, and it goes away with the process.  Where other machines may
 * have the same directory, a file's as well.
 */
int
dir_replica_lock(struct replica *r, bool exclusive)
{
	struct dir_replica *d = dir_replica_self(r);
	int rc;

	rc = take(d->root, openat(d->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), exclusive);
	if (rc == 0 && r->remote)
		rc = take_file(d, exclusive);
	return rc;
}
