#include <errno.h>
#include <fcntl.h>

#include "fuse/caller.h"
#include "fuse/inodes.h"
#include "fuse/ops.h"
#include "volume/attrs.h"
#include "volume/file.h"

#define HANDLE_WRITABLE 1u		/* fi->fh: file_open was told so */
#define COPY_MAX (64u << 20)		/* bytes of one copy_file_range, which may be short: bounds its time */

/* Tell the kernel what it may do with an open file. */
static void
fill_handle(struct fuse_file_info *fi, bool writable)
{
	fi->fh = writable ? HANDLE_WRITABLE : 0;
	fi->keep_cache = 1;
	fi->noflush = (fi->flags & O_ACCMODE) == O_RDONLY;
}

static bool
is_writable(const struct fuse_file_info *fi)
{
	return (fi->fh & HANDLE_WRITABLE) != 0;
}

void
ops_reply_create(fuse_req_t req, struct node *node, const struct stat *st, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);
	struct fuse_entry_param entry;

	inodes_entry(front, node, st, &entry);
	fill_handle(fi, true);
	if (fuse_reply_create(req, &entry, fi) != 0) {
		file_release(front->volume, node, true);
		inodes_forget(front, entry.ino, 1);
	}
}

/*
 * open(2) with O_TRUNC by a caller who may not keep set-id bits.  The reply
 * carries no mode, so the kernel is told to ask again.
 */
static int
clear_set_id(fuse_req_t req, fuse_ino_t ino)
{
	struct front *front = front_of(req);
	struct node *node = inodes_node(front, ino);
	unsigned mask = ATTRS_KILL_PRIV;
	struct stat st;
	int rc;

	if ((rc = attrs_get(front->volume, node, &st)) != 0 || (st.st_mode & (S_ISUID | S_ISGID)) == 0)
		return rc;
	if (caller_outside(req, node))
		mask |= ATTRS_KILL_SGID;
	if ((rc = attrs_set(front->volume, node, &st, mask, &st)) == 0)
		(void)fuse_lowlevel_notify_inval_inode(front->session, ino, -1, 0);
	return rc;
}

void
ops_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);
	struct node *node = inodes_node(front, ino);
	bool truncate = (fi->flags & O_TRUNC) != 0;
	bool writable = truncate || (fi->flags & O_ACCMODE) != O_RDONLY;
	bool kill_priv = wire_request()->kill_priv;
	int rc;

	if ((rc = file_open(front->volume, node, writable, truncate)) != 0) {
		(void)fuse_reply_err(req, -rc);
		return;
	}
	if (kill_priv && (rc = clear_set_id(req, ino)) != 0) {
		file_release(front->volume, node, writable);
		(void)fuse_reply_err(req, -rc);
		return;
	}
	fill_handle(fi, writable);
	if (fuse_reply_open(req, fi) != 0)
		file_release(front->volume, node, writable);
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
	ssize_t len;

	len = file_write(front->volume, inodes_node(front, ino), data, size, (uint64_t)offset,
	    wire_request()->kill_priv, (fi->flags & O_DSYNC) != 0);
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
ops_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);
	int rc = 0;

	if (is_writable(fi))
		rc = file_flush(front->volume, inodes_node(front, ino));
	(void)fuse_reply_err(req, -rc);
}

void
ops_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);

	file_release(front->volume, inodes_node(front, ino), is_writable(fi));
	(void)fuse_reply_err(req, 0);
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
