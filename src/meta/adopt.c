#include "meta/adopt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/listing.h"
#include "meta/meta.h"
#include "meta/stamp.h"
#include "util/hashmap.h"

/* A file with several names, by its inode number. */
struct several { struct hashmap_link by_ino; uint64_t id; };

struct adoption {
	struct replica *r;
	const struct digest *digest;
	replica_handle tags;
	uint64_t next_id;
	dev_t dev;
	struct hashmap several;
	char *where;			/* of ADOPT_PATH_MAX bytes, or NULL */
};

/* The innermost place is told: those further up find it filled in. */
static int
at_place(char *where, const char *path, int rc)
{
	if (rc != 0 && where != NULL && where[0] == '\0')
		snprintf(where, ADOPT_PATH_MAX, "/%s", path);
	return rc;
}

static char *
path_join(const char *dir, const char *name)
{
	char *path;

	if (asprintf(&path, "%s%s%s", dir, dir[0] != '\0' ? "/" : "", name) < 0)
		return NULL;
	return path;
}

static int
adopt_file(struct adoption *a, struct replica_at at, const struct stat *st, uint64_t *id)
{
	uint8_t tags[RECORD_TAGS_MAX * DIGEST_SIZE];
	struct record record = { .generation = 1 };
	struct hashmap_link *link;
	struct several *several;
	int rc;

	if (st->st_nlink > 1 && (link = hashmap_find(&a->several, st->st_ino)) != NULL) {
		*id = hashmap_entry(link, struct several, by_ino)->id;
		return 0;
	}
	*id = record.id = a->next_id++;
	if ((rc = stamp_file(a->r, a->tags, at, a->digest, &record, tags)) != 0)
		return rc;
	if (st->st_nlink > 1) {
		if ((several = malloc(sizeof(*several))) == NULL)
			return -ENOMEM;
		several->id = *id;
		hashmap_insert(&a->several, &several->by_ino, st->st_ino);
	}
	return 0;
}

static int adopt_directory(struct adoption *a, replica_handle dir, uint64_t id, const char *path);

static int
adopt_below(struct adoption *a, struct replica_at at, const char *path, uint64_t *id)
{
	replica_handle dir;
	int rc;

	*id = a->next_id++;
	if ((rc = a->r->ops->dir_open(a->r, at.handle, at.name, &dir)) != 0)
		return rc;
	rc = adopt_directory(a, dir, *id, path);
	a->r->ops->dir_close(a->r, dir);
	return rc;
}

/* One name: what it stands for, then its part of the names digest. */
static int
adopt_name(struct adoption *a, struct replica_at at, const char *path, uint8_t *sum)
{
	uint8_t one[DIGEST_SIZE];
	struct stat st;
	uint64_t id = 0;
	int rc;

	if ((rc = a->r->ops->stat(a->r, at, &st)) != 0)
		return rc;
	if (st.st_dev != a->dev)
		return -EXDEV;
	if (S_ISDIR(st.st_mode))
		rc = adopt_below(a, at, path, &id);
	else if (S_ISREG(st.st_mode))
		rc = adopt_file(a, at, &st, &id);
	if (rc == 0)
		rc = stamp_name(a->r, at.handle, at.name, &st, id, a->digest, one);
	if (rc == 0)
		digest_xor(sum, one);
	return rc;
}

static int
adopt_directory(struct adoption *a, replica_handle dir, uint64_t id, const char *path)
{
	struct record record = { .generation = 1, .id = id };
	struct listing listing = { 0 };
	char *below;
	int rc;

	if ((rc = listing_read(a->r, dir, &listing)) != 0)
		goto done;
	for (size_t i = 0; i < listing.count; i++) {
		if ((below = path_join(path, listing.names[i])) == NULL) {
			rc = -ENOMEM;
			goto done;
		}
		rc = at_place(a->where, below,
		    adopt_name(a, (struct replica_at){ dir, listing.names[i] }, below, record.sum));
		free(below);
		if (rc != 0)
			goto done;
	}
	rc = stamp_directory(a->r, (struct replica_at){ dir, NULL }, a->digest, &record);

done:
	listing_free(&listing);
	return at_place(a->where, path, rc);
}

static void
free_several(struct hashmap_link *link, void *arg)
{
	(void)arg;
	free(hashmap_entry(link, struct several, by_ino));
}

/* Remove all that is below tags: another attempt's, under other ids. */
static int
clear_tags(struct replica *r, replica_handle tags)
{
	struct listing fans = { 0 }, files = { 0 };
	replica_handle fan;
	int rc;

	if ((rc = listing_read(r, tags, &fans)) != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < fans.count; i++) {
		if ((rc = r->ops->dir_open(r, tags, fans.names[i], &fan)) != 0)
			break;
		rc = listing_read(r, fan, &files);
		for (size_t k = 0; rc == 0 && k < files.count; k++)
			rc = r->ops->unlink(r, fan, files.names[k], false);
		listing_free(&files);
		r->ops->dir_close(r, fan);
	}
	listing_free(&fans);
	return rc;
}

/* Handles on .mendfs and .mendfs/tags. */
static int
open_tags(struct replica *r, replica_handle *meta, replica_handle *tags)
{
	int rc;

	*meta = *tags = REPLICA_NONE;
	if ((rc = meta_open(r, true, meta)) != 0)
		return rc;
	return meta_subdir(r, *meta, "tags", true, tags);
}

int
adopt_tree(struct replica *r, const struct digest *digest, uint64_t first_id,
    uint64_t *next_id, char *where)
{
	struct adoption a = { .r = r, .digest = digest, .next_id = first_id, .where = where };
	replica_handle meta;
	struct stat st;
	int rc;

	if (where != NULL)
		where[0] = '\0';
	if ((rc = hashmap_init(&a.several)) != 0)
		return rc;
	if ((rc = open_tags(r, &meta, &a.tags)) != 0 || (rc = clear_tags(r, a.tags)) != 0)
		goto done;
	if ((rc = r->ops->stat(r, (struct replica_at){ REPLICA_ROOT, NULL }, &st)) != 0)
		goto done;
	a.dev = st.st_dev;
	if ((rc = adopt_directory(&a, REPLICA_ROOT, ADOPT_ROOT_ID, "")) != 0)
		goto done;
	rc = r->ops->sync(r);
	*next_id = a.next_id;

done:
	listing_close(r, a.tags);
	listing_close(r, meta);
	hashmap_each(&a.several, free_several, NULL);
	hashmap_free(&a.several);
	return rc;
}
