/*
 * replica/dir_private -- what the dir_*.c files share; nobody else's.
 *
 * A handle is a file descriptor.  Directories are O_PATH descriptors, marked
 * by HANDLE_PATH, for some system calls refuse those; files are open for I/O.
 * What such calls cannot do, and what has no *at form (the xattr calls), goes
 * by "/proc/self/fd/N" or "/proc/self/fd/N/NAME": still one system call, and
 * the only link followed is the kernel's own.
 *
 * Permission bits.  As root they do not matter.  The owner's own mount must
 * sometimes do what the bits refuse (store the record of a 0444 file), and
 * then changes them for a moment; a crash in that moment leaves the owner's
 * bits too wide, which the record's digest shows.  The mutex ${modes} is held
 * meanwhile, and by each chmod, so that no other's change is undone.
 */

#ifndef REPLICA_DIR_PRIVATE_H
#define REPLICA_DIR_PRIVATE_H

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "replica/dir.h"

#define HANDLE_PATH ((replica_handle)1 << 32)
#define HANDLE_DIRECT ((replica_handle)1 << 33)	/* O_DIRECT: past the page cache */
#define HANDLE_DROPS ((replica_handle)1 << 34)	/* there is no such thing here: cached pages are dropped instead */
#define DIR_LOCK_FILE REPLICA_META "/lock"
#define PROC_PATH_SIZE (sizeof("/proc/self/fd/2147483647/") + NAME_MAX)

struct dir_replica {
	struct replica base;
	int root;			/* open for reading: for flock, syncfs, fsync */
	int view;			/* the mount of our own that root is opened through, or -1 */
	int lock_file;			/* DIR_LOCK_FILE, or -1 */
	int noatime;			/* O_NOATIME, or 0 where the system refuses it */
	bool read_only;
	bool forgets;			/* FUSE: a file without a name may be known by open descriptors only */
	atomic_bool no_nowait;		/* its file system does not tell what is in the cache */
	atomic_bool no_xattrat;		/* before 6.13: no getxattrat(2), setxattrat(2) */
	atomic_bool no_fchmodat2;	/* the kernel (before 6.6) has no such call */
	pthread_mutex_t modes;		/* see above */
};

static inline struct dir_replica *
dir_replica_self(struct replica *r)
{
	return (struct dir_replica *)r;
}

static inline int
dir_replica_fd(const struct dir_replica *d, replica_handle handle)
{
	if (handle == REPLICA_ROOT)
		return d->root;
	return handle < 0 ? -1 : (int)(handle & INT_MAX);
}

/* Is it an O_PATH descriptor? */
static inline bool
dir_replica_is_path(replica_handle handle)
{
	return handle >= 0 && (handle & HANDLE_PATH) != 0;
}

/*
 * The result for the system call that has just failed.  EBADMSG is how ext4
 * and XFS report that their own metadata is spoiled; here it would say that
 * our checksum failed.
 */
static inline int
dir_replica_error(void)
{
	return errno == EBADMSG ? -EUCLEAN : -errno;
}

/*
 * dir_replica_proc_path(d, at, path):
 * Write the path of ${at} into ${path} of PROC_PATH_SIZE bytes.  With a name,
 * the last component is not to be followed; without one, it must be.
 */
int dir_replica_proc_path(const struct dir_replica *d, struct replica_at at, char *path);

/*
 * dir_replica_open_dir(d, dir, fd):
 * Open directory ${dir} itself for reading.
 */
int dir_replica_open_dir(struct dir_replica *d, replica_handle dir, int *fd);

/*
 * dir_replica_loosen(d, at, bits, mode):
 * Add permission ${bits} to a file or directory of our own, after -EACCES or
 * -EPERM; ${mode} is what it had.  On success ${modes} is held until
 * dir_replica_tighten; on error (-EACCES: not ours to change) it is not.
 */
int dir_replica_loosen(struct dir_replica *d, struct replica_at at, mode_t bits, mode_t *mode);
void dir_replica_tighten(struct dir_replica *d, struct replica_at at, mode_t mode);

/* chmod with the mutex held by the caller, or no need of it (a new file). */
int dir_replica_chmod_unlocked(struct dir_replica *d, struct replica_at at, mode_t mode);

/*
 * dir_replica_nameless(d, at, error):
 * Does ${error} of a call on ${at}, negative, say only that the file has lost
 * its last name?  GlusterFS serves such a file's data to who has it open, and
 * knows nothing else of it; nobody will ever see what was to be changed there.
 */
bool dir_replica_nameless(const struct dir_replica *d, struct replica_at at, int error);

/* The operations, as in replica.h. */
int dir_replica_lock(struct replica *r, bool exclusive);
int dir_replica_load(struct replica *r, struct replica_at at, struct replica_info *info);
int dir_replica_stat(struct replica *r, struct replica_at at, struct stat *st);
int dir_replica_store(struct replica *r, struct replica_at at, const struct replica_times *times,
    const void *record, size_t len);
int dir_replica_chmod(struct replica *r, struct replica_at at, mode_t mode);
int dir_replica_chown(struct replica *r, struct replica_at at, uid_t uid, gid_t gid);
ssize_t dir_replica_xattr_get(struct replica *r, struct replica_at at, const char *name, void *value, size_t size);
int dir_replica_xattr_set(struct replica *r, struct replica_at at, const char *name,
    const void *value, size_t len, int flags);
int dir_replica_xattr_remove(struct replica *r, struct replica_at at, const char *name);
ssize_t dir_replica_xattr_list(struct replica *r, struct replica_at at, char *list, size_t size);

int dir_replica_create(struct replica *r, replica_handle dir, const char *name,
    const struct replica_new *new, replica_handle *handle);
int dir_replica_tmpfile(struct replica *r, replica_handle dir, const struct replica_new *new, replica_handle *handle);
int dir_replica_link(struct replica *r, struct replica_at at, replica_handle dir, const char *name);
int dir_replica_unlink(struct replica *r, replica_handle dir, const char *name, bool is_dir);
int dir_replica_rename(struct replica *r, replica_handle dir, const char *name,
    replica_handle new_dir, const char *new_name, unsigned flags);
int dir_replica_readlink(struct replica *r, struct replica_at at, char *buf, size_t size);

int dir_replica_open_file(struct replica *r, struct replica_at at, bool writable,
    replica_handle *handle, struct stat *st);
int dir_replica_open_direct(struct replica *r, struct replica_at at, replica_handle *handle);
void dir_replica_close(struct replica *r, replica_handle file);
ssize_t dir_replica_pread(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset);
ssize_t dir_replica_pread_cached(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset);
ssize_t dir_replica_pwrite(struct replica *r, replica_handle file, const void *buf, size_t len, uint64_t offset);
int dir_replica_truncate(struct replica *r, replica_handle file, uint64_t size);
int dir_replica_fallocate(struct replica *r, replica_handle file, int mode, uint64_t offset, uint64_t len);
int64_t dir_replica_seek(struct replica *r, replica_handle file, uint64_t offset, int whence);
int dir_replica_fsync(struct replica *r, replica_handle file, bool data_only);
void dir_replica_drop_cache(struct replica *r, replica_handle file);

#endif
