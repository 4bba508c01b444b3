#include <stddef.h>

#include "fuse/ops.h"
#include "util/log.h"
#include "volume/file.h"

#define REQUESTS_MAX 64		/* read-aheads and writebacks under way at a time */

/* What this program is written for, and sets if the kernel has it. */
static const unsigned wanted[] = {
	FUSE_CAP_ASYNC_READ,
	FUSE_CAP_DONT_MASK,		/* a default ACL overrides the umask: the volume decides */
	FUSE_CAP_POSIX_ACL,
	FUSE_CAP_PARALLEL_DIROPS,
	FUSE_CAP_READDIRPLUS, FUSE_CAP_READDIRPLUS_AUTO,
	FUSE_CAP_CACHE_SYMLINKS,
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
	FUSE_CAP_HANDLE_KILLPRIV_V2,	/* older libraries: see fuse/wire */
#endif
};

/*
 * Off, also where it is libfuse's default: whatever drops the cache because a
 * file seems to have changed (only this mount changes it), splicing (requests
 * must be in private memory, and replies are), HANDLE_KILLPRIV's first version
 * (clears set-id bits also for root), export (see fuse/inodes), truncation by
 * an open that never comes, direct input and output in the background (Linux
 * makes EIO of a write that came back short then, for want of room).
 */
static const unsigned unwanted[] = {
	FUSE_CAP_AUTO_INVAL_DATA, FUSE_CAP_EXPLICIT_INVAL_DATA, FUSE_CAP_WRITEBACK_CACHE,
	FUSE_CAP_SPLICE_READ, FUSE_CAP_SPLICE_WRITE, FUSE_CAP_SPLICE_MOVE,
	FUSE_CAP_HANDLE_KILLPRIV, FUSE_CAP_ATOMIC_O_TRUNC, FUSE_CAP_EXPORT_SUPPORT, FUSE_CAP_IOCTL_DIR,
	FUSE_CAP_POSIX_LOCKS, FUSE_CAP_FLOCK_LOCKS, FUSE_CAP_ASYNC_DIO,
};

void
ops_init(void *userdata, struct fuse_conn_info *conn)
{
	struct front *front = userdata;
	size_t i;

	front->no_opendir = (conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT) != 0;
	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		conn->want |= conn->capable & wanted[i];
	for (i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]); i++)
		conn->want &= ~unwanted[i];
	if (conn->max_write > FILE_IO_MAX)
		conn->max_write = FILE_IO_MAX;
	conn->max_background = REQUESTS_MAX;
	conn->congestion_threshold = REQUESTS_MAX * 3 / 4;
	log_debug("kernel offers 0x%x, taken 0x%x, %u bytes a request", conn->capable, conn->want, conn->max_write);
}
