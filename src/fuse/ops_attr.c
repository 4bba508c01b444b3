#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "fuse/caller.h"
#include "fuse/inodes.h"
#include "fuse/ops.h"
#include "volume/attrs.h"
#include "volume/xattrs.h"

/* FATTR_KILL_SUIDGID in libfuse's words: chown, or truncate by others than root. */
#define OPS_SET_ATTR_KILL (1 << 11)

void
ops_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);
	struct stat st;
	int rc;

	(void)fi;
	rc = attrs_get(front->volume, inodes_node(front, ino), &st);
	if (rc != 0)
		(void)fuse_reply_err(req, -rc);
	else
		(void)fuse_reply_attr(req, &st, FRONT_VALID_S);
}

static unsigned
attrs_mask(int to_set)
{
	unsigned mask = 0;

	if ((to_set & FUSE_SET_ATTR_MODE) != 0)
		mask |= ATTRS_MODE;
	if ((to_set & FUSE_SET_ATTR_UID) != 0)
		mask |= ATTRS_UID;
	if ((to_set & FUSE_SET_ATTR_GID) != 0)
		mask |= ATTRS_GID;
	if ((to_set & FUSE_SET_ATTR_SIZE) != 0)
		mask |= ATTRS_SIZE;
	if ((to_set & FUSE_SET_ATTR_ATIME_NOW) != 0)
		mask |= ATTRS_ATIME_NOW;
	else if ((to_set & FUSE_SET_ATTR_ATIME) != 0)
		mask |= ATTRS_ATIME;
	if ((to_set & FUSE_SET_ATTR_MTIME_NOW) != 0)
		mask |= ATTRS_MTIME_NOW;
	else if ((to_set & FUSE_SET_ATTR_MTIME) != 0)
		mask |= ATTRS_MTIME;
	if ((to_set & OPS_SET_ATTR_KILL) != 0)
		mask |= ATTRS_KILL_PRIV;
	return mask;
}

void
ops_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);
	struct node *node = inodes_node(front, ino);
	unsigned mask = attrs_mask(to_set);
	struct stat st;
	int rc;

	(void)fi;
	/*
	 * With HANDLE_KILLPRIV_V2 the kernel strips the set-id bits it wants
	 * gone before a write, and of a chown that names no owner, from its
	 * request: what is left is one that asks for nothing.  Answered with
	 * the bits cleared, the kernel's own copy of the mode is right at once,
	 * which the WRITE's flag alone would leave wrong until the next stat.
	 * And as on ext4, either counts as a change.
	 */
	if (mask == 0)
		mask = ATTRS_CTIME | ATTRS_KILL_PRIV | (caller_stranger(req, node) ? ATTRS_STRANGER : 0);
	if ((mask & ATTRS_KILL_PRIV) && caller_outside(req, node))
		mask |= ATTRS_KILL_SGID;
	rc = attrs_set(front->volume, node, attr, mask, &st);
	if (rc != 0)
		(void)fuse_reply_err(req, -rc);
	else
		(void)fuse_reply_attr(req, &st, FRONT_VALID_S);
}

void
ops_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct front *front = front_of(req);
	char target[PATH_MAX];
	int rc;

	rc = attrs_readlink(front->volume, inodes_node(front, ino), target, sizeof(target));
	if (rc < 0)
		(void)fuse_reply_err(req, -rc);
	else
		(void)fuse_reply_readlink(req, target);
}

void
ops_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct front *front = front_of(req);
	struct statvfs st;
	int rc;

	(void)ino;
	if ((rc = volume_statfs(front->volume, &st)) != 0)
		(void)fuse_reply_err(req, -rc);
	else
		(void)fuse_reply_statfs(req, &st);
}

/* Answer with the first ${len} bytes of ${value}, or with ${len} alone if the kernel asked for the length. */
static void
reply_xattr(fuse_req_t req, const void *value, ssize_t len, size_t size)
{
	if (len < 0)
		(void)fuse_reply_err(req, (int)-len);
	else if (size == 0)
		(void)fuse_reply_xattr(req, (size_t)len);
	else
		(void)fuse_reply_buf(req, value, (size_t)len);
}

void
ops_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct front *front = front_of(req);
	void *value = NULL;

	if (size > 0 && (value = malloc(size)) == NULL) {
		(void)fuse_reply_err(req, ENOMEM);
		return;
	}
	reply_xattr(req, value, xattrs_get(front->volume, inodes_node(front, ino), name, value, size), size);
	free(value);
}

void
ops_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	struct front *front = front_of(req);

	(void)fuse_reply_err(req, -xattrs_set(front->volume, inodes_node(front, ino), name, value, size, flags,
	    wire_request()->kill_sgid));
}

void
ops_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct front *front = front_of(req);
	char *list = NULL;

	if (size > 0 && (list = malloc(size)) == NULL) {
		(void)fuse_reply_err(req, ENOMEM);
		return;
	}
	reply_xattr(req, list, xattrs_list(front->volume, inodes_node(front, ino), list, size,
	    fuse_req_ctx(req)->uid == 0), size);
	free(list);
}

void
ops_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct front *front = front_of(req);

	(void)fuse_reply_err(req, -xattrs_remove(front->volume, inodes_node(front, ino), name));
}
