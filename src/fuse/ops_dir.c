#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>

#include "fuse/inodes.h"
#include "fuse/ops.h"
#include "util/clock.h"
#include "volume/dir.h"
#include "volume/names.h"

/* Directories that are listed with attributes after one showed that they are wanted. */
#define FULL_LISTINGS 64

/* Listings that were begun and not read to their end; the one that was read from last is kept for as long as it is that. */
#define LISTINGS_MAX 16
#define LISTING_IDLE_MS 10000

/*
 * The names of a directory that is being read.  The kernel opens directories
 * by itself, as it does files, and a listing goes by its directory: offsets
 * depend on names alone, so whoever reads on finds his place in anybody's.
 */
struct listing {
	struct list_link link;	/* of front->listings, oldest first, while nobody reads from it */
	fuse_ino_t ino;
	struct dir *dir;
	uint64_t used_ms;
};

static void
listing_close(struct front *front, struct listing *listing)
{
	dir_close(front->volume, listing->dir);
	free(listing);
}

/* Take one of this directory, if there is one: then it is this thread's. */
static struct listing *
listing_take(struct front *front, fuse_ino_t ino)
{
	struct listing *found = NULL;
	struct list_link *at;

	pthread_mutex_lock(&front->listings_lock);
	for (at = front->listings.next; at != &front->listings && found == NULL; at = at->next) {
		if (list_entry(at, struct listing, link)->ino == ino)
			found = list_entry(at, struct listing, link);
	}
	if (found != NULL) {
		list_remove(&found->link);
		front->listings_count--;
	}
	pthread_mutex_unlock(&front->listings_lock);
	return found;
}

/* One that can go, off the list: there are too many, or it is not read from any more. */
static struct listing *
listing_old(struct front *front, uint64_t now_ms)
{
	struct listing *oldest = NULL;

	pthread_mutex_lock(&front->listings_lock);
	if (list_linked(&front->listings)) {
		oldest = list_entry(front->listings.next, struct listing, link);
		if (front->listings_count <= LISTINGS_MAX && oldest->used_ms + LISTING_IDLE_MS >= now_ms)
			oldest = NULL;
	}
	if (oldest != NULL) {
		list_remove(&oldest->link);
		front->listings_count--;
	}
	pthread_mutex_unlock(&front->listings_lock);
	return oldest;
}

/* It will be read on. */
static void
listing_keep(struct front *front, struct listing *listing)
{
	listing->used_ms = clock_monotonic_ms();
	pthread_mutex_lock(&front->listings_lock);
	list_append(&front->listings, &listing->link);
	front->listings_count++;
	pthread_mutex_unlock(&front->listings_lock);
}

static int
listing_get(struct front *front, fuse_ino_t ino, struct listing **out)
{
	struct listing *listing;
	int rc;

	if ((*out = listing_take(front, ino)) != NULL)
		return 0;
	if ((listing = calloc(1, sizeof(*listing))) == NULL)
		return -ENOMEM;
	listing->ino = ino;
	list_init(&listing->link);
	if ((rc = dir_open(front->volume, inodes_node(front, ino), &listing->dir)) != 0) {
		free(listing);
		return rc;
	}
	*out = listing;
	return 0;
}

void
ops_close_dirs(struct front *front)
{
	struct listing *listing;

	while ((listing = listing_old(front, UINT64_MAX)) != NULL)
		listing_close(front, listing);
}

/*
 * Never asked again, where the kernel knows what that means: it opens
 * directories by itself then, keeps their listings, and tells of no close.
 */
void
ops_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);

	if (front->no_opendir) {
		(void)fuse_reply_err(req, ENOSYS);
		return;
	}
	fi->keep_cache = dir_cacheable(inodes_node(front, ino));
	fi->cache_readdir = 1;
	(void)fuse_reply_open(req, fi);
}

void
ops_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	(void)fuse_reply_err(req, 0);
}

void
ops_dir_moved(struct front *front, fuse_ino_t parent, const char *name)
{
	struct node *node;
	struct stat st;

	if (!front->no_opendir || names_lookup(front->volume, inodes_node(front, parent), name, &node, &st) != 0)
		return;
	if (S_ISDIR(st.st_mode))
		(void)fuse_lowlevel_notify_inval_inode(front->session, (fuse_ino_t)(uintptr_t)node, 0, 0);
	node_forget(front->volume, node, 1);
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

/* The reply's entries from ${offset} on; how many bytes, 0 at the end. */
static int
fill(fuse_req_t req, fuse_ino_t ino, struct listing *listing, off_t offset, bool plus, char *buf, size_t size, size_t *len)
{
	struct front *front = front_of(req);
	struct node *dir = inodes_node(front, ino);
	bool full = plus && wants_attributes(front, ino, offset);
	struct dir_entry entry;
	int rc;

	*len = 0;
	while ((rc = dir_read(front->volume, listing->dir, (uint64_t)offset, &entry, !full)) > 0) {
		if (!(plus ? add_plus(req, dir, &entry, full, buf, size, len) : add_plain(req, &entry, buf, size, len)))
			return 0;
		offset = (off_t)entry.next;
	}
	/* What was gathered before an error goes out first; the next read meets it again. */
	return *len > 0 ? 0 : rc;
}

static void
read_entries(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
	struct front *front = front_of(req);
	struct listing *listing = NULL, *old;
	char *buf = NULL;
	size_t len = 0;
	int rc = -ENOMEM;

	if ((buf = malloc(size)) != NULL && (rc = listing_get(front, ino, &listing)) == 0)
		rc = fill(req, ino, listing, offset, plus, buf, size, &len);
	/* Nothing more comes of it, or it is for whoever asks next. */
	if (listing != NULL && len == 0)
		listing_close(front, listing);
	else if (listing != NULL)
		listing_keep(front, listing);
	if (rc < 0)
		(void)fuse_reply_err(req, -rc);
	else if (fuse_reply_buf(req, buf, len) != 0 && plus)
		forget_all(front, buf, len);
	free(buf);
	while ((old = listing_old(front, clock_monotonic_ms())) != NULL)
		listing_close(front, old);
}

void
ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	(void)fi;
	read_entries(req, ino, size, offset, false);
}

void
ops_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	(void)fi;
	read_entries(req, ino, size, offset, true);
}

void
ops_fsyncdir(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi)
{
	struct front *front = front_of(req);

	(void)data_only;
	(void)fi;
	(void)fuse_reply_err(req, -dir_fsync(front->volume, inodes_node(front, ino)));
}
