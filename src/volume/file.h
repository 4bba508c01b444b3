/*
 * volume/file -- the data of regular files.
 *
 * An open file has no state of its own: everything hangs on its node, and is
 * there when it is needed (volume/files).  So nothing is told of open(2), and any
 * of these may fail with -EIO where an open would have: no replica can prove
 * the file, or open it.  Offsets and sizes are in bytes.
 */

#ifndef VOLUME_FILE_H
#define VOLUME_FILE_H

#include "volume/node.h"

#define FILE_IO_MAX (1u << 20)		/* bytes of the largest read or write */

/*
 * file_read(volume, node, offset, len, data):
 * Read up to ${len} <= FILE_IO_MAX proved bytes.  ${data} is set to memory that
 * belongs to the calling thread and stays valid until its next file_* call.
 * Returns the number of bytes, less than ${len} only at the end of file.
 */
ssize_t file_read(struct volume *volume, struct node *node, uint64_t offset, size_t len, const void **data);
/*
 * file_write(volume, node, data, len, offset, how):
 * ${data} must not change during the call; ${how}: bits of enum file_how.
 * Returns the number of bytes written, or an error.
 */
enum file_how {
	FILE_KILL_PRIV = 1,	/* clear set-id bits and security.capability: the writer is not privileged */
	FILE_SYNC = 2		/* durable on return */
};
ssize_t file_write(struct volume *volume, struct node *node, const void *data, size_t len, uint64_t offset,
    unsigned how);
int file_fsync(struct volume *volume, struct node *node, bool data_only);
/*
 * file_flush(volume, node):
 * Return when every replica in sync has what was written, the lagging ones as
 * well (volume_lags); nothing is made durable.  -EIO: none is left.
 */
int file_flush(struct volume *volume, struct node *node);
/* file_fallocate: fallocate(2)'s modes. */
int file_fallocate(struct volume *volume, struct node *node, int mode, uint64_t offset, uint64_t len, bool kill_priv);
/* file_seek: SEEK_DATA and SEEK_HOLE; the offset or an error. */
int64_t file_seek(struct volume *volume, struct node *node, uint64_t offset, int whence);
/* file_copy: copy_file_range(2); bytes copied, at most len. */
ssize_t file_copy(struct volume *volume, struct node *in, uint64_t in_offset, struct node *out, uint64_t out_offset,
    size_t len, bool kill_priv);

#endif
