#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/adopt.h"
#include "meta/copy.h"
#include "meta/listing.h"
#include "meta/meta.h"
#include "util/hashmap.h"

#define MARKER "adopting"

/* A file with several names: where its first copy stands. */
struct first { struct hashmap_link by_ino; char *path; };

struct copying {
	struct copy copy;
	struct hashmap firsts;		/* by the source's inode number */
	char *where;			/* of ADOPT_PATH_MAX bytes, or NULL */
};

static int
at_place(char *where, const char *path, int rc)
{
	if (rc != 0 && where != NULL && where[0] == '\0')
		snprintf(where, ADOPT_PATH_MAX, "/%s", path);
	return rc;
}

/* Has the copy the source's record already?  It is stored last, so then it is done. */
static bool
is_done(const struct copy *c, struct replica_at from, struct replica_at to, mode_t type)
{
	uint8_t theirs[RECORD_SIZE_MAX] = { 0 }, ours[RECORD_SIZE_MAX] = { 0 };
	struct replica_info a = { .record = theirs }, b = { .record = ours };

	if (c->src->ops->load(c->src, from, &a) != 0 || c->dst->ops->load(c->dst, to, &b) != 0)
		return false;
	return (b.st.st_mode & S_IFMT) == type && a.record_len > 0 &&
	    a.record_len == b.record_len && memcmp(theirs, ours, (size_t)a.record_len) == 0;
}

/* A further name of what was copied before. */
static int
copy_link(struct copying *k, const char *first, replica_handle dir, const char *name)
{
	struct replica *dst = k->copy.dst;
	const char *slash = strrchr(first, '/');
	replica_handle first_dir;
	char *first_path;
	int rc;

	if ((first_path = strndup(first, slash == NULL ? 0 : (size_t)(slash - first))) == NULL)
		return -ENOMEM;
	if ((rc = listing_open_path(dst, first_path, &first_dir)) == 0) {
		rc = dst->ops->link(dst, (struct replica_at){ first_dir,
		    slash == NULL ? first : slash + 1 }, dir, name);
		listing_close(dst, first_dir);
	}
	free(first_path);
	return rc;
}

static int
note_first(struct copying *k, ino_t ino, const char *path)
{
	struct first *first;

	if ((first = malloc(sizeof(*first))) == NULL)
		return -ENOMEM;
	if ((first->path = strdup(path)) == NULL) {
		free(first);
		return -ENOMEM;
	}
	hashmap_insert(&k->firsts, &first->by_ino, ino);
	return 0;
}

static int
copy_leaf(struct copying *k, struct replica_at from, replica_handle dir, const struct stat *st, const char *path)
{
	const struct copy *c = &k->copy;
	struct replica_at to = { dir, from.name };
	struct hashmap_link *link = NULL;
	struct stat old;
	int rc;

	if (st->st_nlink > 1)
		link = hashmap_find(&k->firsts, st->st_ino);
	if (link == NULL && S_ISREG(st->st_mode) && is_done(c, from, to, S_IFREG))
		return st->st_nlink > 1 ? note_first(k, st->st_ino, path) : 0;

	/* An interrupted attempt's, for nothing else can be here. */
	rc = c->dst->ops->stat(c->dst, to, &old);
	if (rc == 0)
		rc = c->dst->ops->unlink(c->dst, dir, to.name, S_ISDIR(old.st_mode));
	if (rc != 0 && rc != -ENOENT)
		return rc;
	if (link != NULL)
		return copy_link(k, hashmap_entry(link, struct first, by_ino)->path, dir, to.name);
	if ((rc = copy_node(c, from, dir, to.name)) != 0)
		return rc;
	return st->st_nlink > 1 ? note_first(k, st->st_ino, path) : 0;
}

static int copy_directory(struct copying *k, replica_handle from, replica_handle to, const char *path);

static int
copy_below(struct copying *k, struct replica_at from, replica_handle dir, const char *path)
{
	const struct copy *c = &k->copy;
	replica_handle below_from = REPLICA_NONE, below_to = REPLICA_NONE;
	int rc;

	rc = copy_make(c, from, dir, from.name);
	if (rc != 0 && rc != -EEXIST)
		return rc;
	if ((rc = c->src->ops->dir_open(c->src, from.handle, from.name, &below_from)) == 0 &&
	    (rc = c->dst->ops->dir_open(c->dst, dir, from.name, &below_to)) == 0)
		rc = copy_directory(k, below_from, below_to, path);
	listing_close(c->dst, below_to);
	listing_close(c->src, below_from);
	return rc;
}

static int
copy_name(struct copying *k, struct replica_at from, replica_handle dir, const char *path)
{
	struct stat st;
	int rc;

	if ((rc = k->copy.src->ops->stat(k->copy.src, from, &st)) != 0)
		return rc;
	if (S_ISDIR(st.st_mode))
		return copy_below(k, from, dir, path);
	return copy_leaf(k, from, dir, &st, path);
}

static int
copy_directory(struct copying *k, replica_handle from, replica_handle to, const char *path)
{
	const struct copy *c = &k->copy;
	struct listing listing = { 0 };
	char *below;
	int rc;

	if ((rc = listing_read(c->src, from, &listing)) != 0)
		goto done;
	for (size_t i = 0; i < listing.count; i++) {
		if (asprintf(&below, "%s%s%s", path, path[0] != '\0' ? "/" : "", listing.names[i]) < 0) {
			rc = -ENOMEM;
			goto done;
		}
		rc = at_place(k->where, below,
		    copy_name(k, (struct replica_at){ from, listing.names[i] }, to, below));
		free(below);
		if (rc != 0)
			goto done;
	}
	/* Metadata once more: an interrupted attempt may have left the directory half made. */
	if ((rc = copy_meta(c, (struct replica_at){ from, NULL }, (struct replica_at){ to, NULL })) == 0)
		rc = copy_finish(c, (struct replica_at){ from, NULL }, (struct replica_at){ to, NULL });

done:
	listing_free(&listing);
	return at_place(k->where, path, rc);
}

/* May ${dst} be written to?  If so, mark it. */
static int
mark(struct replica *dst, replica_handle meta)
{
	struct listing listing;
	struct stat st;
	int rc;

	if (dst->ops->stat(dst, (struct replica_at){ meta, MARKER }, &st) == 0)
		return 0;
	if ((rc = listing_read(dst, REPLICA_ROOT, &listing)) != 0)
		return rc;
	rc = listing.count != 0 ? -ENOTEMPTY : meta_replace_file(dst, meta, MARKER, "", 0);
	listing_free(&listing);
	return rc;
}

static void
free_first(struct hashmap_link *link, void *arg)
{
	struct first *first = hashmap_entry(link, struct first, by_ino);

	(void)arg;
	free(first->path);
	free(first);
}

static int
open_tags(struct replica *r, bool create, replica_handle *meta, replica_handle *tags)
{
	int rc;

	*meta = *tags = REPLICA_NONE;
	if ((rc = meta_open(r, create, meta)) != 0)
		return rc;
	return meta_subdir(r, *meta, "tags", create, tags);
}

int
adopt_copy(struct replica *src, struct replica *dst, const struct digest *digest, char *where)
{
	struct copying k = { .copy = { .digest = digest, .src = src, .dst = dst }, .where = where };
	replica_handle src_meta, dst_meta = REPLICA_NONE;
	int rc;

	k.copy.dst_tags = REPLICA_NONE;
	if (where != NULL)
		where[0] = '\0';
	if ((rc = hashmap_init(&k.firsts)) != 0)
		return rc;
	if ((rc = open_tags(src, false, &src_meta, &k.copy.src_tags)) != 0 ||
	    (rc = open_tags(dst, true, &dst_meta, &k.copy.dst_tags)) != 0 ||
	    (rc = mark(dst, dst_meta)) != 0)
		goto done;
	if ((rc = copy_directory(&k, REPLICA_ROOT, REPLICA_ROOT, "")) != 0 ||
	    (rc = dst->ops->sync(dst)) != 0)
		goto done;
	rc = dst->ops->unlink(dst, dst_meta, MARKER, false);

done:
	listing_close(dst, k.copy.dst_tags);
	listing_close(dst, dst_meta);
	listing_close(src, k.copy.src_tags);
	listing_close(src, src_meta);
	hashmap_each(&k.firsts, free_first, NULL);
	hashmap_free(&k.firsts);
	return rc;
}
