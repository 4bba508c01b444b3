#include <errno.h>
#include <fcntl.h>

#include "fuse/inodes.h"
#include "fuse/ops.h"
#include "volume/file.h"

#define COPY_MAX (64u << 20)		/* bytes of one copy_file_range, which may be short: bounds its time */

void
ops_reply_create(fuse_req_t req, struct node *node, const struct stat *st, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);
	struct fuse_entry_param entry;

	inodes_entry(front, node, st, &entry);
	fi->keep_cache = 1;
	if (fuse_reply_create(req, &entry, fi) != 0)
		inodes_forget(front, entry.ino, 1);
}

/*
 * Never asked again: the kernel then opens files by itself, keeps their pages,
 * and tells of no last close either.  What an open would need comes with the
 * first read or write (volume/files), and pages that the kernel has need nothing.
 */
void
ops_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	(void)fuse_reply_err(req, ENOSYS);
}

/* close(2): what replicas far away may lack still is waited for. */
void
ops_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);

	(void)fi;
	(void)fuse_reply_err(req, -file_flush(front->volume, inodes_node(front, ino)));
}

/* Only of files that were made without a name, or before the first open. */
void
ops_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	(void)fuse_reply_err(req, 0);
}

void
ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);
	const void *data = NULL;
	ssize_t len;

	(void)fi;
	if (size > FILE_IO_MAX)
		size = FILE_IO_MAX;
	len = file_read(front->volume, inodes_node(front, ino), (uint64_t)offset, size, &data);
	if (len < 0)
		(void)fuse_reply_err(req, (int)-len);
	else
		(void)fuse_reply_buf(req, data, (size_t)len);
}

void
ops_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);
	unsigned how = 0;
	ssize_t len;

	if (wire_request()->kill_priv)
		how |= FILE_KILL_PRIV;
	if (fi->flags & O_DSYNC)
		how |= FILE_SYNC;
	len = file_write(front->volume, inodes_node(front, ino), data, size, (uint64_t)offset, how);
	/*
	 * Stored through a mapping: the kernel drops the times it knows, but not
	 * those of a GETATTR under way, which this write has overtaken.
	 */
	if (len > 0 && fi->writepage)
		(void)fuse_lowlevel_notify_inval_inode(front->session, ino, -1, 0);
	if (len < 0)
		(void)fuse_reply_err(req, (int)-len);
	else
		(void)fuse_reply_write(req, (size_t)len);
}

void
ops_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);

	(void)fi;
	(void)fuse_reply_err(req, -file_fsync(front->volume, inodes_node(front, ino), data_only != 0));
}

/*
 * fallocate and copy_file_range have no flag for set-id bits: the kernel sends
 * a SETATTR of its own first (see ops_setattr).
 */
void
ops_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t len, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);

	(void)fi;
	(void)fuse_reply_err(req, -file_fallocate(front->volume, inodes_node(front, ino), mode,
	    (uint64_t)offset, (uint64_t)len, false));
}

void
ops_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);
	int64_t found;

	(void)fi;
	if (offset < 0)
		found = -ENXIO;
	else
		found = file_seek(front->volume, inodes_node(front, ino), (uint64_t)offset, whence);
	if (found < 0)
		(void)fuse_reply_err(req, (int)-found);
	else
		(void)fuse_reply_lseek(req, found);
}

void
ops_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t in_offset, struct fuse_file_info *in_fi,
    fuse_ino_t out, off_t out_offset, struct fuse_file_info *out_fi, size_t len, int flags)
{
	struct front *front = front_of(req);
	ssize_t copied;

	(void)in_fi;
	(void)out_fi;
	if (flags != 0) {
		(void)fuse_reply_err(req, EINVAL);
		return;
	}
	copied = file_copy(front->volume, inodes_node(front, in), (uint64_t)in_offset,
	    inodes_node(front, out), (uint64_t)out_offset, len < COPY_MAX ? len : COPY_MAX, false);
	if (copied < 0)
		(void)fuse_reply_err(req, (int)-copied);
	else
		(void)fuse_reply_write(req, (size_t)copied);
}
