#include <errno.h>
#include <stdio.h>

#include "fuse/inodes.h"
#include "fuse/ops.h"
#include "volume/names.h"

static struct volume_caller
caller_of(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct volume_caller){ .uid = ctx->uid, .gid = ctx->gid, .umask = ctx->umask };
}

/* Answer with a node that the kernel gets a reference on. */
static void
reply_node(fuse_req_t req, int rc, struct node *node, const struct stat *st)
{
	struct front *front = front_of(req);
	struct fuse_entry_param entry;

	if (rc != 0) {
		(void)fuse_reply_err(req, -rc);
		return;
	}
	inodes_entry(front, node, st, &entry);
	if (fuse_reply_entry(req, &entry) != 0)
		inodes_forget(front, entry.ino, 1);
}

void
ops_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct front *front = front_of(req);
	struct fuse_entry_param none = { .entry_timeout = FRONT_VALID_S };
	struct node *node = NULL;
	struct stat st;
	int rc;

	rc = names_lookup(front->volume, inodes_node(front, parent), name, &node, &st);
	/* Directories are looked up by whoever descends, wanting no more than names. */
	if (rc == 0 && !S_ISDIR(st.st_mode))
		ops_dir_looked_up(front, parent);
	if (rc == -ENOENT)
		(void)fuse_reply_entry(req, &none);	/* ino 0: that it is absent is cached too */
	else
		reply_node(req, rc, node, &st);
}

void
ops_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	inodes_forget(front_of(req), ino, count);
	fuse_reply_none(req);
}

void
ops_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	size_t i;

	for (i = 0; i < count; i++)
		inodes_forget(front_of(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

void
ops_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct front *front = front_of(req);
	struct volume_caller caller = caller_of(req);
	struct node *node = NULL;
	struct stat st;
	int rc;

	/* This is how open(2) makes files, too: most are written to next (see ops_create). */
	if (S_ISREG(mode) || (mode & S_IFMT) == 0)
		rc = names_create(front->volume, inodes_node(front, parent), name, mode, &caller, &node, &st);
	else
		rc = names_mknod(front->volume, inodes_node(front, parent), name, mode, rdev, &caller, &node, &st);
	reply_node(req, rc, node, &st);
}

void
ops_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct front *front = front_of(req);
	struct volume_caller caller = caller_of(req);
	struct node *node = NULL;
	struct stat st;
	int rc;

	rc = names_mkdir(front->volume, inodes_node(front, parent), name, mode, &caller, &node, &st);
	reply_node(req, rc, node, &st);
}

void
ops_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct front *front = front_of(req);
	struct volume_caller caller = caller_of(req);
	struct node *node = NULL;
	struct stat st;
	int rc;

	rc = names_symlink(front->volume, target, inodes_node(front, parent), name, &caller, &node, &st);
	reply_node(req, rc, node, &st);
}

void
ops_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	struct front *front = front_of(req);
	struct node *node = inodes_node(front, ino);
	struct stat st;
	int rc;

	rc = names_link(front->volume, node, inodes_node(front, parent), name, &st);
	reply_node(req, rc, node, &st);
}

void
ops_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct front *front = front_of(req);

	(void)fuse_reply_err(req, -names_unlink(front->volume, inodes_node(front, parent), name));
}

void
ops_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct front *front = front_of(req);

	(void)fuse_reply_err(req, -names_rmdir(front->volume, inodes_node(front, parent), name));
}

void
ops_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
    const char *new_name, unsigned flags)
{
	struct front *front = front_of(req);
	int rc;

	rc = names_rename(front->volume, inodes_node(front, parent), name, inodes_node(front, new_parent), new_name, flags);
	if (rc == 0 && parent != new_parent) {
		ops_dir_moved(front, new_parent, new_name);
		if (flags & RENAME_EXCHANGE)
			ops_dir_moved(front, parent, name);
	}
	(void)fuse_reply_err(req, -rc);
}

/*
 * Asked for a name but once: from then on the kernel has files made by MKNOD,
 * opens them by itself, as all others, and has no RELEASE to send.
 */
void
ops_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);
	struct volume_caller caller = caller_of(req);
	struct node *node = NULL;
	struct stat st;
	int rc = -ENOSYS;

	(void)name;
	if (wire_request()->tmpfile)
		rc = names_tmpfile(front->volume, inodes_node(front, parent), mode, &caller, &node, &st);
	if (rc != 0)
		(void)fuse_reply_err(req, -rc);
	else
		ops_reply_create(req, node, &st, fi);
}
