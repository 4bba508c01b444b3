/*
 * replica/replica -- one copy of the tree, behind one table of operations.
 *
 * Everything above this table speaks to a replica through it alone, be it a
 * local directory (replica/dir), a directory that fails on purpose
 * (replica/fault), or another machine.  An operation is as large as it can be
 * (load, store, create), so that a remote replica needs one message for it.
 *
 * Addressing.  A directory is a handle from dir_open; REPLICA_ROOT is the top
 * one.  A file is a handle from open or create.  An inode is named by a struct
 * replica_at: a name in a directory, or an open handle (name == NULL), so that
 * what was unlinked while open stays within reach.  A name is one component,
 * never "", ".", ".." and never holds a slash; implementations refuse such
 * with -EINVAL.  No symbolic link below the root is ever followed, and no
 * device or FIFO is ever opened.
 *
 * Errors: 0 or more on success, else a negative errno value; on error nothing
 * has changed unless said.  replica_error_is_own() tells errors that belong to
 * the request from those that speak against the replica.
 *
 * Concurrency: every operation may be called from any thread at any time.
 * Handles are not to be closed while in use elsewhere.
 */

#ifndef REPLICA_REPLICA_H
#define REPLICA_REPLICA_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>

#define REPLICA_NONE (-1)		/* no handle; never a valid one */
#define REPLICA_ROOT (-2)		/* the top directory, as a directory handle */
#define REPLICA_DIRECT_ALIGN 4096	/* bytes: what each store's file system and disk can do */
#define REPLICA_DIGEST_MAX 4096		/* blocks at a time */
#define REPLICA_META ".mendfs"		/* our own corner of the top directory */

typedef int64_t replica_handle;

struct replica_at {
	replica_handle handle;		/* directory if name != NULL, else the inode itself */
	const char *name;
};

/* What load gathers about one inode. */
struct replica_info {
	bool skip_xattrs;		/* in: don't look for them (a system call less) */
	struct stat st;
	int record_len;			/* bytes in record, or -errno (-ENODATA: none, also for symlinks) */
	bool xattrs;			/* has user-visible (mirrored) xattrs */
	uint8_t *record;		/* the caller's buffer of RECORD_SIZE_MAX bytes */
};

/* What create makes. */
struct replica_new {
	mode_t mode;			/* type and permission bits, exactly (no umask) */
	uid_t uid;
	gid_t gid;
	dev_t rdev;			/* S_IFCHR, S_IFBLK */
	const char *target;		/* S_IFLNK */
	bool inherit;			/* directory has a default ACL: the file system applies it to mode */
	bool owned;			/* uid and gid are what the file system gives by itself (the
					 * process's own, parent not set-group-id): spares a chown */
};

struct replica_times {
	struct timespec atime, mtime;	/* tv_nsec may be UTIME_OMIT */
};

struct replica;

/* Called for each entry but "." and ".."; a return other than 0 ends the listing with that result. */
typedef int replica_list_call(void *arg, const char *name, unsigned char d_type, ino_t ino);

/* When an operation that was begun counts as done before its answer is there. */
enum replica_lateness { REPLICA_NOT_LATE, REPLICA_LATE_IF_ASKED, REPLICA_LATE };

struct replica_ops {
	/* Give back the lock and free ${r}, whose handles have all been closed before. */
	void (*free)(struct replica *r);
	/* As statvfs(3). */
	int (*statfs)(struct replica *r, struct statvfs *st);
	/* Make everything written before this call durable (syncfs). */
	int (*sync)(struct replica *r);

	/*
	 * Get a handle on directory ${name} in ${dir}.  -ENOTDIR for anything
	 * else, a symbolic link included.
	 */
	int (*dir_open)(struct replica *r, replica_handle dir, const char *name, replica_handle *handle);
	void (*dir_close)(struct replica *r, replica_handle dir);
	/*
	 * Get a handle that keeps an inode of any type within reach (as at.handle)
	 * when its name goes.  Not for I/O.  Close with dir_close.
	 */
	int (*pin)(struct replica *r, replica_handle dir, const char *name, replica_handle *handle);
	/* Make the names in ${dir}, its attributes and its record durable. */
	int (*dir_sync)(struct replica *r, replica_handle dir);
	/* Call ${call} for each entry; the top directory's REPLICA_META included. */
	int (*list)(struct replica *r, replica_handle dir, replica_list_call *call, void *arg);

	/* Fill in ${info}.  A missing or unreadable record is no error of load's. */
	int (*load)(struct replica *r, struct replica_at at, struct replica_info *info);
	/* Only the stat(2) part of load. */
	int (*stat)(struct replica *r, struct replica_at at, struct stat *st);
	/*
	 * Set access and modification time and, if ${len} > 0, the record, in
	 * this order.  Works on files without write permission also for an
	 * unprivileged owner.  -ENOSPC: the record finds no room (times may be
	 * changed, the old record is untouched).
	 */
	int (*store)(struct replica *r, struct replica_at at, const struct replica_times *times,
	    const void *record, size_t len);

	/*
	 * Make a new name; -EEXIST if there is one.  A regular file is opened
	 * for reading and writing if ${handle} is not NULL (other types ignore
	 * it).  Owner and mode are as asked when this returns; on error no name is left.
	 */
	int (*create)(struct replica *r, replica_handle dir, const char *name,
	    const struct replica_new *new, replica_handle *handle);
	/*
	 * Make a regular file without a name, open for reading and writing,
	 * for link to give it one (O_TMPFILE); it lies on the file system of
	 * ${dir} and takes its default ACL.  -EOPNOTSUPP where there is no such thing.
	 */
	int (*tmpfile)(struct replica *r, replica_handle dir, const struct replica_new *new, replica_handle *handle);
	/*
	 * A further name for ${at}.  An open handle will do where the file has
	 * a name left or comes from tmpfile; else -ENOENT.
	 */
	int (*link)(struct replica *r, struct replica_at at, replica_handle dir, const char *name);
	/* Remove a name: of a directory (rmdir) if ${is_dir}. */
	int (*unlink)(struct replica *r, replica_handle dir, const char *name, bool is_dir);
	/* ${flags} as renameat2(2). */
	int (*rename)(struct replica *r, replica_handle dir, const char *name,
	    replica_handle new_dir, const char *new_name, unsigned flags);
	/* The link's target, NUL-terminated, into ${buf}; -ENAMETOOLONG if it needs more than ${size}. */
	int (*readlink)(struct replica *r, struct replica_at at, char *buf, size_t size);

	/* Change permission bits of anything but a symbolic link (there: -EOPNOTSUPP). */
	int (*chmod)(struct replica *r, struct replica_at at, mode_t mode);
	/* (uid_t)-1, (gid_t)-1: keep.  May clear set-id bits, as chown(2) does. */
	int (*chown)(struct replica *r, struct replica_at at, uid_t uid, gid_t gid);

	/* As the l*xattr(2) calls; sizes as there (size 0 asks for the length). */
	ssize_t (*xattr_get)(struct replica *r, struct replica_at at, const char *name, void *value, size_t size);
	int (*xattr_set)(struct replica *r, struct replica_at at, const char *name, const void *value, size_t len, int flags);
	int (*xattr_remove)(struct replica *r, struct replica_at at, const char *name);
	ssize_t (*xattr_list)(struct replica *r, struct replica_at at, char *list, size_t size);

	/*
	 * Open a regular file.  Its type is checked before it is opened:
	 * -ESTALE for anything but a regular file.  If ${st} is not NULL it is
	 * filled in.  Falls back on no permission bits: the owner's mount can
	 * open what the owner may not (0444, 0000), for mending.
	 */
	int (*open)(struct replica *r, struct replica_at at, bool writable, replica_handle *handle, struct stat *st);
	/*
	 * Open a regular file to see what the disk holds, whatever pages of it
	 * are cached: pread then takes a buffer, length and offset that are
	 * multiples of REPLICA_DIRECT_ALIGN, and gives what lies before the end
	 * of file.  What was written before is seen.  -ESTALE, as open.
	 */
	int (*open_direct)(struct replica *r, struct replica_at at, replica_handle *handle);
	void (*close)(struct replica *r, replica_handle file);
	/* All of the data that is there: fewer than asked for means end of file. */
	ssize_t (*pread)(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset);
	/*
	 * The same, of what is in the kernel's cache.  -EAGAIN: not all of it is;
	 * -EOPNOTSUPP: this file system does not tell.
	 */
	ssize_t (*pread_cached)(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset);
	/* As io_pwrite: fewer than asked for means that an error stopped it. */
	ssize_t (*pwrite)(struct replica *r, replica_handle file, const void *buf, size_t len, uint64_t offset);
	int (*truncate)(struct replica *r, replica_handle file, uint64_t size);
	/* fallocate(2)'s modes; -EOPNOTSUPP where the disk's file system has not got them. */
	int (*fallocate)(struct replica *r, replica_handle file, int mode, uint64_t offset, uint64_t len);
	/* SEEK_DATA, SEEK_HOLE; -ENXIO as from lseek(2) says nothing against the replica here. */
	int64_t (*seek)(struct replica *r, replica_handle file, uint64_t offset, int whence);
	/* fsync(2), or fdatasync(2) if ${data_only}.  A record stored before is made durable by the former. */
	int (*fsync)(struct replica *r, replica_handle file, bool data_only);
	/*
	 * Drop the clean pages of the file from the cache, so that the next
	 * pread shows what the disk holds.  Best effort.
	 */
	void (*drop_cache)(struct replica *r, replica_handle file);
	/*
	 * One writer: take the lock, exclusive or shared; free gives it back.
	 * Does not wait.  -EWOULDBLOCK: another holds it.  -ENOLCK: what the file
	 * system calls a lock keeps nobody out.  Leaves nothing on a local disk; on
	 * one that other machines may use, .mendfs/lock, if there is a .mendfs.
	 * May be called again, as when there has come to be one.
	 */
	int (*lock)(struct replica *r, bool exclusive);
	/*
	 * Is this still what stands where it was opened?  -ESTALE: it was
	 * unmounted, or something else was put into its place.
	 */
	int (*check)(struct replica *r);
	/*
	 * Let go of what it lies on, the lock too, though somebody may still be
	 * in the midst of an operation: those that follow fail.  All handles
	 * have been closed; free is still to be called.  ${idle}: nobody is, and
	 * nobody will be; else the number of a descriptor stays taken until then.
	 */
	void (*retire)(struct replica *r, bool idle);

	/* The rest may be NULL: there is no such thing here. */

	/*
	 * The next operation of this thread's on ${r} may be begun only: if it
	 * returns -EINPROGRESS it is under way, what is written was copied, and
	 * where something is to be put (a handle, a struct stat) has to stay
	 * until finish returns its result.  Anything else is the result.  For
	 * what can be had at once on several replicas; see replica_begin and
	 * replica_begin_late.
	 */
	void (*begin)(struct replica *r, enum replica_lateness lateness);
	int64_t (*finish)(struct replica *r);
	/* Return when all that was counted as done before is so: nothing is made durable. */
	int (*settle)(struct replica *r);
	/*
	 * The XXH3 tags (hash/digest) of the ${count} blocks from ${offset} on,
	 * computed where the data are, as a pread of them would find them: of the
	 * disk's, if ${file} comes from open_direct.  ${tags} has DIGEST_SIZE bytes
	 * for each; those of blocks behind the end of file are left alone.  How
	 * many of the bytes lie before the end; fewer than ${count} blocks' else.
	 * At most REPLICA_DIGEST_MAX blocks.
	 */
	ssize_t (*digest)(struct replica *r, replica_handle file, uint8_t *tags, unsigned count, uint64_t offset);
	/* The same, but of all these tags only their digest (DIGEST_TAGS): enough to see whether any differs. */
	ssize_t (*digest_sum)(struct replica *r, replica_handle file, uint8_t *sum, unsigned count, uint64_t offset);
};

struct replica {
	const struct replica_ops *ops;
	char *path;			/* for messages: where the replica is, as the user said it */
	dev_t device;			/* of its file system; 0: not known */
	bool remote;			/* behind its file system stands another machine, or a program */
	bool far;			/* it is on another machine (replica/peer): each operation costs a message there and back */
};

/*
 * replica_begin(r, answered), replica_finish(r, rc):
 * Around an operation that is made on several replicas:
 *
 *	for each: replica_begin(r[i], answered); rc[i] = r[i]->ops->pwrite(r[i], ...);
 *	for each: rc[i] = replica_finish(r[i], rc[i]);
 *
 * Those that are far away are then waited for together.  In between this thread
 * makes no other operation on ${r}.  Nothing but changes and open may be begun.
 * ${answered}: another replica tells whether the operation is refused; then,
 * with peer_options.ack_fsync, the result may not be true (replica/peer).
 */
static inline void
replica_begin(struct replica *r, bool answered)
{
	if (r->ops->begin != NULL)
		r->ops->begin(r, answered ? REPLICA_LATE_IF_ASKED : REPLICA_NOT_LATE);
}

/*
 * replica_begin_late(r):
 * The next operation is a change of which nobody is told that it was made, a
 * record's, before an fsync of the same: on a replica that is far away it
 * counts as done when it is on its way, whatever ack_fsync says.
 */
static inline void
replica_begin_late(struct replica *r)
{
	if (r->ops->begin != NULL)
		r->ops->begin(r, REPLICA_LATE);
}

static inline int64_t
replica_finish(struct replica *r, int64_t rc)
{
	return rc == -EINPROGRESS && r->ops->finish != NULL ? r->ops->finish(r) : rc;
}

/*
 * replica_error_is_own(error):
 * Does the (positive or negative) errno value belong to the request (ENOSPC,
 * EDQUOT, EFBIG, EEXIST, ENOENT, ENAMETOOLONG, ENOTEMPTY, EPERM, ...)?  False
 * for what speaks against the replica: EIO, EROFS, ENXIO, ENODEV, ESTALE,
 * ENOTCONN, ETIMEDOUT, EUCLEAN, EBADF, EHOSTDOWN, ENOMEDIUM and the like.
 */
bool replica_error_is_own(int error);

/*
 * replica_privs_get(r, at, privs), replica_privs_put(r, at, privs):
 * Around a mending of data, which gives back what was there: the kernel takes
 * security.capability from a file that is written, whoever writes, and set-id
 * bits if the writer is not privileged.  The first never fails: what cannot be
 * read is not kept.
 */
struct replica_privs {
	mode_t mode;			/* 0: nothing to be kept */
	ssize_t len;			/* of security.capability; <= 0: it has none */
	uint8_t capability[64];
};
void replica_privs_get(struct replica *r, struct replica_at at, struct replica_privs *privs);
int replica_privs_put(struct replica *r, struct replica_at at, const struct replica_privs *privs);

/*
 * replica_lock_wait(r, exclusive):
 * Take the lock, waiting some seconds for it: umount(8) returns before the
 * daemon has stored everything and given up its locks, and a mount or check
 * that follows at once must not fail for that.  -EWOULDBLOCK: in use.
 */
int replica_lock_wait(struct replica *r, bool exclusive);

/* replica_name_valid(name): may ${name} be a component? */
bool replica_name_valid(const char *name);

#endif
