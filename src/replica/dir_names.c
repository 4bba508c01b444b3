/* Names: making, linking, removing and moving them. */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "replica/dir_private.h"

#define SET_ID_BITS (S_ISUID | S_ISGID)

/* Make the name.  A regular file that is wanted open is opened, else ${fd} is -1. */
static int
make_name(const struct dir_replica *d, int dir, const char *name,
    const struct replica_new *new, bool open_it, int *fd)
{
	const mode_t bits = new->mode & 07777;
	int rc;

	*fd = -1;
	switch (new->mode & S_IFMT) {
	case S_IFREG:
		if (open_it) {
			*fd = openat(dir, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW |
			    O_CLOEXEC | O_NOCTTY | d->noatime, bits);
			rc = *fd < 0 ? -1 : 0;
		} else {
			rc = mknodat(dir, name, S_IFREG | bits, 0);
		}
		break;
	case S_IFDIR:
		rc = mkdirat(dir, name, bits);
		break;
	case S_IFLNK:
		rc = symlinkat(new->target, dir, name);
		break;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		rc = mknodat(dir, name, new->mode, new->rdev);
		break;
	default:
		return -EINVAL;
	}
	return rc != 0 ? dir_replica_error() : 0;
}

/*
 * Did the making leave other mode bits than asked for?  A change of owner
 * clears the set-id bits; mkdir(2) does not take them, and copies the
 * set-group-id bit from the parent.
 */
static bool
mode_is_unsettled(const struct replica_new *new)
{
	const bool wants_set_id = (new->mode & SET_ID_BITS) != 0;

	if (S_ISLNK(new->mode))
		return false;
	if (S_ISDIR(new->mode))
		return wants_set_id || !new->owned;
	return wants_set_id && !new->owned;
}

static int
settle_mode(struct dir_replica *d, struct replica_at at, const struct replica_new *new)
{
	struct stat st;
	mode_t mode = new->mode & 07777;
	int rc;

	/* The other bits come from the default ACL. */
	if (new->inherit) {
		if ((rc = dir_replica_stat(&d->base, at, &st)) != 0)
			return rc;
		mode = (mode & 07000) | (st.st_mode & 0777);
		if (mode == (st.st_mode & 07777))
			return 0;
	}
	return dir_replica_chmod_unlocked(d, at, mode);
}

static int
settle(struct dir_replica *d, struct replica_at at, const struct replica_new *new)
{
	int rc;

	if (!new->owned && (rc = dir_replica_chown(&d->base, at, new->uid, new->gid)) != 0)
		return rc;
	if (mode_is_unsettled(new))
		return settle_mode(d, at, new);
	return 0;
}

int
dir_replica_create(struct replica *r, replica_handle dir, const char *name,
    const struct replica_new *new, replica_handle *handle)
{
	struct dir_replica *d = dir_replica_self(r);
	struct replica_at at = { .handle = dir, .name = name };
	int dir_fd, fd, rc;

	if (d->read_only)
		return -EROFS;
	if (!replica_name_valid(name))
		return -EINVAL;
	dir_fd = dir_replica_fd(d, dir);
	if ((rc = make_name(d, dir_fd, name, new, handle != NULL, &fd)) != 0)
		return rc;

	if (fd >= 0) {
		at.handle = fd;
		at.name = NULL;
	}
	if ((rc = settle(d, at, new)) != 0) {
		if (fd >= 0)
			close(fd);
		(void)unlinkat(dir_fd, name, S_ISDIR(new->mode) ? AT_REMOVEDIR : 0);
		return rc;
	}
	if (fd >= 0)
		*handle = fd;
	return 0;
}

int
dir_replica_tmpfile(struct replica *r, replica_handle dir, const struct replica_new *new, replica_handle *handle)
{
	struct dir_replica *d = dir_replica_self(r);
	struct replica_at at = { .handle = REPLICA_NONE, .name = NULL };
	int fd, rc;

	if (d->read_only)
		return -EROFS;
	if (!S_ISREG(new->mode))
		return -EINVAL;
	fd = openat(dir_replica_fd(d, dir), ".", O_TMPFILE | O_RDWR | O_CLOEXEC | d->noatime, new->mode & 07777);
	if (fd < 0)
		return errno == EISDIR ? -EOPNOTSUPP : dir_replica_error();
	at.handle = fd;
	if ((rc = settle(d, at, new)) != 0) {
		close(fd);
		return rc;
	}
	*handle = fd;
	return 0;
}

int
dir_replica_link(struct replica *r, struct replica_at at, replica_handle dir, const char *name)
{
	struct dir_replica *d = dir_replica_self(r);
	char path[PROC_PATH_SIZE];
	int rc;

	if (d->read_only)
		return -EROFS;
	if (!replica_name_valid(name))
		return -EINVAL;
	if (at.name != NULL) {
		if (!replica_name_valid(at.name))
			return -EINVAL;
		rc = linkat(dir_replica_fd(d, at.handle), at.name, dir_replica_fd(d, dir), name, 0);
	} else {
		/* AT_EMPTY_PATH would ask for CAP_DAC_READ_SEARCH. */
		if ((rc = dir_replica_proc_path(d, at, path)) != 0)
			return rc;
		rc = linkat(AT_FDCWD, path, dir_replica_fd(d, dir), name, AT_SYMLINK_FOLLOW);
	}
	return rc != 0 ? dir_replica_error() : 0;
}

int
dir_replica_unlink(struct replica *r, replica_handle dir, const char *name, bool is_dir)
{
	struct dir_replica *d = dir_replica_self(r);

	if (d->read_only)
		return -EROFS;
	if (!replica_name_valid(name))
		return -EINVAL;
	if (unlinkat(dir_replica_fd(d, dir), name, is_dir ? AT_REMOVEDIR : 0) != 0)
		return dir_replica_error();
	return 0;
}

/* Not every file system has the flag.  Nobody else makes names here, so that looking first is as good. */
static int
rename_to_free(struct dir_replica *d, replica_handle dir, const char *name, replica_handle new_dir, const char *new_name)
{
	const struct replica_at to = { .handle = new_dir, .name = new_name };
	struct stat st;
	int rc;

	if ((rc = dir_replica_stat(&d->base, to, &st)) != -ENOENT)
		return rc == 0 ? -EEXIST : rc;
	if (renameat(dir_replica_fd(d, dir), name, dir_replica_fd(d, new_dir), new_name) != 0)
		return dir_replica_error();
	return 0;
}

int
dir_replica_rename(struct replica *r, replica_handle dir, const char *name,
    replica_handle new_dir, const char *new_name, unsigned flags)
{
	struct dir_replica *d = dir_replica_self(r);

	if (d->read_only)
		return -EROFS;
	if (!replica_name_valid(name) || !replica_name_valid(new_name))
		return -EINVAL;
	/* With no flags the C library calls renameat, which every kernel has. */
	if (renameat2(dir_replica_fd(d, dir), name, dir_replica_fd(d, new_dir), new_name, flags) == 0)
		return 0;
	if (errno == EINVAL && flags == RENAME_NOREPLACE)
		return rename_to_free(d, dir, name, new_dir, new_name);
	return dir_replica_error();
}

int
dir_replica_readlink(struct replica *r, struct replica_at at, char *buf, size_t size)
{
	struct dir_replica *d = dir_replica_self(r);
	ssize_t len;

	/* No handle is ever one of a link. */
	if (at.name == NULL || !replica_name_valid(at.name))
		return -EINVAL;
	if (size == 0)
		return -ENAMETOOLONG;
	if ((len = readlinkat(dir_replica_fd(d, at.handle), at.name, buf, size)) < 0)
		return dir_replica_error();
	if ((size_t)len == size)
		return -ENAMETOOLONG;
	buf[len] = '\0';
	return 0;
}
