#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>

#include "fuse/inodes.h"
#include "fuse/ops.h"
#include "volume/dir.h"
#include "volume/names.h"

/* Directories that are listed with attributes after one showed that they are wanted. */
#define FULL_LISTINGS 64

/*
 * One opendir(2).  The names are taken in at the first read: as long as the
 * kernel has the directory cached, there is none.
 */
struct handle {
	struct list_link link;	/* of front->dirs */
	struct dir *dir;	/* NULL: not read yet */
};

static struct handle *
handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

/* The kernel knows ${handle} no longer, or was never told of it. */
static void
close_handle(struct front *front, struct handle *handle)
{
	pthread_mutex_lock(&front->dirs_lock);
	list_remove(&handle->link);
	pthread_mutex_unlock(&front->dirs_lock);
	if (handle->dir != NULL)
		dir_close(front->volume, handle->dir);
	free(handle);
}

void
ops_close_dirs(struct front *front)
{
	while (list_linked(&front->dirs))
		close_handle(front, list_entry(front->dirs.next, struct handle, link));
}

void
ops_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);
	struct handle *handle;

	if ((handle = calloc(1, sizeof(*handle))) == NULL) {
		(void)fuse_reply_err(req, ENOMEM);
		return;
	}
	pthread_mutex_lock(&front->dirs_lock);
	list_append(&front->dirs, &handle->link);
	pthread_mutex_unlock(&front->dirs_lock);
	fi->fh = (uintptr_t)handle;
	fi->keep_cache = dir_cacheable(inodes_node(front, ino));
	fi->cache_readdir = 1;
	if (fuse_reply_open(req, fi) != 0)
		close_handle(front, handle);
}

void
ops_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	close_handle(front_of(req), handle_of(fi));
	(void)fuse_reply_err(req, 0);
}

/*
 * Add one entry to a READDIRPLUS reply; false if it does not fit.  "." and
 * ".." give the kernel no reference.  A name that is gone by now is left out;
 * one that cannot be looked up, and all if not ${full}, go without attributes:
 * the kernel looks them up if they are asked for.
 */
static bool
add_plus(fuse_req_t req, struct node *dir, const struct dir_entry *entry, bool full, char *buf, size_t size, size_t *len)
{
	struct front *front = front_of(req);
	struct fuse_entry_param param = { .attr = { .st_ino = entry->id, .st_mode = entry->type } };
	bool dots = strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0;
	struct node *node = NULL;
	struct stat st;
	int rc;

	if (fuse_add_direntry_plus(req, NULL, 0, entry->name, NULL, 0) > size - *len)
		return false;
	if (full && !dots) {
		if ((rc = names_lookup(front->volume, dir, entry->name, &node, &st)) == -ENOENT)
			return true;
		if (rc == 0)
			inodes_entry(front, node, &st, &param);
	}
	*len += fuse_add_direntry_plus(req, buf + *len, size - *len, entry->name, &param, (off_t)entry->next);
	return true;
}

static bool
add_plain(fuse_req_t req, const struct dir_entry *entry, char *buf, size_t size, size_t *len)
{
	struct stat st = { .st_ino = entry->id, .st_mode = entry->type };
	size_t need;

	need = fuse_add_direntry(req, buf + *len, size - *len, entry->name, &st, (off_t)entry->next);
	if (need > size - *len)
		return false;
	*len += need;
	return true;
}

/* The kernel did not take a READDIRPLUS reply: give back its references. */
static void
forget_all(const struct front *front, const char *buf, size_t len)
{
	const struct fuse_direntplus *entry;
	size_t at;

	for (at = 0; at < len; at += FUSE_DIRENTPLUS_SIZE(entry)) {
		entry = (const void *)(buf + at);
		if (entry->entry_out.nodeid != 0)
			inodes_forget(front, entry->entry_out.nodeid, 1);
	}
}

/*
 * Are attributes wanted with the names?  The kernel asks for them at the
 * beginning of every listing, knowing nothing; later only if names of it were
 * looked up.  So the beginning goes by what became of the one before: whoever
 * looks into one directory after listing it (ls -l, rsync) does so in the next.
 */
static bool
wants_attributes(struct front *front, fuse_ino_t ino, off_t offset)
{
	if (offset != 0)
		return true;
	if (atomic_load(&front->full_listings) > 0) {
		atomic_fetch_sub(&front->full_listings, 1);
		return true;
	}
	atomic_store(&front->listed, ino);
	return false;
}

void
ops_dir_looked_up(struct front *front, fuse_ino_t parent)
{
	if (atomic_load_explicit(&front->listed, memory_order_relaxed) != parent)
		return;
	atomic_store(&front->listed, 0);
	atomic_store(&front->full_listings, FULL_LISTINGS);
}

static void
read_entries(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct handle *handle, bool plus)
{
	struct front *front = front_of(req);
	struct node *dir = inodes_node(front, ino);
	struct dir_entry entry;
	bool full = plus && wants_attributes(front, ino, offset);
	char *buf = NULL;
	size_t len = 0;
	int rc = 0;

	if ((buf = malloc(size)) == NULL)
		rc = -ENOMEM;
	else if (handle->dir == NULL)
		rc = dir_open(front->volume, dir, &handle->dir);

	while (rc == 0 && (rc = dir_read(front->volume, handle->dir, (uint64_t)offset, &entry, !full)) > 0) {
		if (!(plus ? add_plus(req, dir, &entry, full, buf, size, &len) : add_plain(req, &entry, buf, size, &len)))
			break;
		offset = (off_t)entry.next;
		rc = 0;
	}
	/* What was gathered before an error goes out first; the next read meets it again. */
	if (rc < 0 && len == 0)
		(void)fuse_reply_err(req, -rc);
	else if (fuse_reply_buf(req, buf, len) != 0 && plus)
		forget_all(front, buf, len);
	free(buf);
}

void
ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	read_entries(req, ino, size, offset, handle_of(fi), false);
}

void
ops_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	read_entries(req, ino, size, offset, handle_of(fi), true);
}

void
ops_fsyncdir(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);

	(void)data_only;
	(void)fi;
	(void)fuse_reply_err(req, -dir_fsync(front->volume, inodes_node(front, ino)));
}
