/* What does not stand where it belongs: put away, found again, kept or removed. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/gather.h"
#include "meta/meta.h"
#include "meta/quarantine.h"
#include "volume/handles.h"
#include "volume/members.h"
#include "volume/missed.h"
#include "volume/resync_private.h"

#define STAGING "resync"
#define STAGING_PATH REPLICA_META "/" STAGING

/* Where a parked thing is by now, malloc'd; NULL: nowhere. */
static char *
parked_path(const struct parked *p)
{
	char *dir, *path;

	if (p->dir == NULL)
		return p->path == NULL ? NULL : strdup(p->path);
	if ((dir = parked_path(p->dir)) == NULL)
		return NULL;
	path = resync_join(dir, p->name);
	free(dir);
	return path;
}

static struct parked *
parked_find(const struct resync *r, uint64_t id)
{
	struct hashmap_link *link = hashmap_find(&r->parked, id);

	return link == NULL ? NULL : hashmap_entry(link, struct parked, by_id);
}

/* Note where ${id} is; 0: something without an id, of which only what is below counts. */
static struct parked *
parked_add(struct resync *r, uint64_t id, struct parked *dir, const char *name, const char *path, bool is_dir)
{
	struct parked *p = id != 0 ? parked_find(r, id) : NULL;
	char *copy_name = name != NULL ? strdup(name) : NULL, *copy_path = path != NULL ? strdup(path) : NULL;

	if ((name != NULL && copy_name == NULL) || (path != NULL && copy_path == NULL))
		goto fail;
	if (p == NULL) {
		if ((p = calloc(1, sizeof(*p))) == NULL)
			goto fail;
		p->next = r->all;
		r->all = p;
		if (id != 0)
			hashmap_insert(&r->parked, &p->by_id, id);
	}
	free(p->name);
	free(p->path);
	p->dir = dir;
	p->name = copy_name;
	p->path = copy_path;
	p->is_dir = is_dir;
	return p;

fail:
	free(copy_name);
	free(copy_path);
	return NULL;
}

/* What is in a parked directory may belong elsewhere: learn where it is. */
static int
index_below(struct resync *r, struct parked *dir)
{
	struct replica *mine = r->m->r;
	struct listing listing = { 0 };
	replica_handle handle;
	struct parked *p;
	char *path;
	size_t i;
	int rc;

	dir->indexed = true;
	if ((path = parked_path(dir)) == NULL)
		return 0;
	rc = listing_open_path(mine, path, &handle);
	free(path);
	if (rc != 0)
		return rc == -ENOENT || rc == -ENOTDIR ? 0 : rc;
	rc = listing_read(mine, handle, &listing);
	for (i = 0; rc == 0 && i < listing.count; i++) {
		bool is_dir = false;
		uint64_t id = resync_record_id(r, mine, (struct replica_at){ handle, listing.names[i] }, &is_dir);

		if (id == 0 || parked_find(r, id) != NULL)
			continue;
		if ((p = parked_add(r, id, dir, listing.names[i], NULL, is_dir)) == NULL)
			rc = -ENOMEM;
		else if (is_dir)
			rc = index_below(r, p);
	}
	listing_free(&listing);
	listing_close(mine, handle);
	return rc;
}

/* Where on the member is ${id}, of what does not stand where it belongs? */
static int
parked_seek(struct resync *r, uint64_t id, struct parked **found)
{
	struct parked *p;
	int rc;

	if ((*found = parked_find(r, id)) != NULL)
		return 0;
	/* What this adds stands before, and is gone into as it is added. */
	for (p = r->all; p != NULL && *found == NULL; p = p->next) {
		if (!p->is_dir || p->indexed)
			continue;
		if ((rc = index_below(r, p)) != 0)
			return rc;
		*found = parked_find(r, id);
	}
	return 0;
}

/* Nothing says that this is a version which the volume knew: it is kept. */
static bool
worth_keeping(struct resync *r, const struct judge_fact *fact)
{
	if (resync_is_draft(fact))
		return false;
	/* What has a record is parked, for it may be wanted elsewhere; and is kept when it is not. */
	if (r->keep)
		return !S_ISDIR(fact->st.st_mode) && fact->record_error != 0;
	if (!S_ISREG(fact->st.st_mode) || fact->st.st_size == 0 || !resync_foreign(r, &fact->st))
		return false;
	if (fact->record_error != 0)
		return true;
	if (fact->st.st_mtim.tv_sec == fact->record.mtime.tv_sec && fact->st.st_mtim.tv_nsec == fact->record.mtime.tv_nsec)
		return false;
	return !missed_suspect_id(r->v, r->m, fact->record.id);
}

int
resync_set_aside(struct resync *r, struct node *dir, replica_handle handle, const char *name)
{
	char *origin;
	int rc;

	if ((origin = resync_origin(r, dir, name)) == NULL)
		return -ENOMEM;
	rc = resync_put_aside(r, handle, name, origin);
	free(origin);
	return rc;
}

/* A name in staging that nothing has. */
static int
choose_slot(struct resync *r, uint64_t id, char *slot, size_t size)
{
	struct stat st;
	int rc = 0;

	if (id != 0)
		snprintf(slot, size, "%016" PRIx64, id);
	else
		snprintf(slot, size, "x%u", r->slot++);
	while ((rc = r->m->r->ops->stat(r->m->r, (struct replica_at){ r->staging, slot }, &st)) == 0)
		snprintf(slot, size, "x%u", r->slot++);
	return rc == -ENOENT ? 0 : rc;
}

/* Move it to staging; where it stood is known there before. */
static int
park_in(struct resync *r, uint64_t id, bool is_dir, struct node *dir, replica_handle handle, const char *name)
{
	char slot[32], path[64], *origin = NULL;
	struct parked *p;
	int rc;

	if ((rc = choose_slot(r, id, slot, sizeof(slot))) != 0)
		return rc;
	if (r->keep && (origin = resync_origin(r, dir, name)) == NULL)
		return -ENOMEM;
	if (origin != NULL && (rc = resync_origin_save(r, slot, origin)) != 0)
		goto done;
	if ((rc = r->m->r->ops->rename(r->m->r, handle, name, r->staging, slot, RENAME_NOREPLACE)) != 0)
		goto done;
	snprintf(path, sizeof(path), STAGING_PATH "/%s", slot);
	if ((p = parked_add(r, id, NULL, NULL, path, is_dir)) == NULL) {
		rc = -ENOMEM;
		goto done;
	}
	free(p->origin);
	p->origin = origin;
	origin = NULL;

done:
	free(origin);
	return rc;
}

int
resync_park(struct resync *r, struct node *dir, replica_handle handle, const char *name)
{
	uint8_t data[RECORD_SIZE_MAX];
	struct replica *mine = r->m->r;
	struct judge_fact fact;
	struct parked *p;
	uint64_t id;

	gather_fact(mine, (struct replica_at){ handle, name }, &r->v->digest, data, &fact);
	if (fact.error != 0)
		return fact.error == -ENOENT ? 0 : fact.error;
	r->changed++;
	if (worth_keeping(r, &fact))
		return resync_set_aside(r, dir, handle, name);
	id = fact.record_error == 0 ? fact.record.id : 0;
	if (!S_ISDIR(fact.st.st_mode) && id == 0)
		return mine->ops->unlink(mine, handle, name, false);
	if (id != 0 && (p = parked_find(r, id)) != NULL && p->path != NULL && !S_ISDIR(fact.st.st_mode)) {
		/* Another name of the same file; or, if it has but one, another file with its id. */
		if (!r->keep || fact.st.st_nlink > 1)
			return mine->ops->unlink(mine, handle, name, false);
		return resync_set_aside(r, dir, handle, name);
	}

	return park_in(r, id, S_ISDIR(fact.st.st_mode), dir, handle, name);
}

/*
 * Move what is parked to where it belongs; what has several names is linked,
 * for it may be where it was by right.  -ENOENT: it is not where it was thought to be.
 */
static int
unpark(struct resync *r, struct parked *p, const struct node *node, struct node *dir, replica_handle handle, const char *name)
{
	char *from = parked_path(p), *to = resync_path(r->v, dir), *whole = NULL;
	bool link = !S_ISDIR(node->mode) && node->nlink > 1;
	struct replica *mine = r->m->r;
	replica_handle parent;
	const char *last;
	int rc = -ENOENT;

	if (from != NULL && to != NULL && (whole = resync_join(to, name)) != NULL &&
	    (rc = resync_open_parent(mine, from, &parent, &last)) == 0) {
		rc = link ? mine->ops->link(mine, (struct replica_at){ parent, last }, handle, name) :
		    mine->ops->rename(mine, parent, last, handle, name, RENAME_NOREPLACE);
		listing_close(mine, parent);
	}
	r->renamed += rc == 0;
	if (rc == 0)
		rc = resync_moved(r, node_key(node), p);
	if (rc == 0 && !link) {
		free(p->path);
		p->path = whole;
		p->dir = NULL;
		whole = NULL;
		/* From here on it is one of the tree's; what is known to be in it is found by way of it. */
		hashmap_remove(&r->parked, &p->by_id);
		p->is_dir = p->is_dir && p->indexed;
	}
	free(whole);
	free(from);
	free(to);
	return rc == -ENOTDIR ? -ENOENT : rc;
}

/* Have both the same version of a file at these places, by its records? */
static bool
same_files(struct resync *r, struct replica_at mine, struct member *s, struct replica_at theirs)
{
	uint8_t data[RECORD_SIZE_MAX];
	struct judge_fact here, there;

	gather_fact(r->m->r, mine, &r->v->digest, data, &here);
	gather_fact(s->r, theirs, &r->v->digest, data, &there);
	return there.error == 0 && there.record_error == 0 && here.error == 0 && resync_same_version(&here, &there.record);
}

/* Have the two directories an entry in common, or could the member's become any? */
static bool
share_names(struct resync *r, replica_handle handle, struct member *s, struct node *node)
{
	struct replica_at mine = { .handle = handle }, theirs = { .handle = REPLICA_NONE };
	struct listing listing = { 0 };
	bool same, is_dir;
	uint64_t id;
	size_t i;

	same = listing_read(r->m->r, handle, &listing) != 0 || listing.count == 0;
	if (handles_dir(r->v, s, node, &theirs.handle) == 0) {
		for (i = 0; !same && i < listing.count; i++) {
			mine.name = theirs.name = listing.names[i];
			same = (id = resync_record_id(r, r->m->r, mine, &is_dir)) != 0 && id == resync_record_id(r, s->r, theirs, &is_dir);
		}
		handles_done(r->v, node);
	}
	listing_free(&listing);
	return same;
}

/*
 * Both sides of a fork gave the same ids: is what is parked what ${name} in
 * ${dir} stands for?  If in doubt it is not, and is kept as it is.
 */
static bool
akin(struct resync *r, const struct parked *parked, struct node *node, struct node *dir, const char *name)
{
	struct replica_at mine, theirs = { .name = name };
	struct member *s = members_first(r->v);
	char *path = parked_path(parked);
	bool same = false;

	if (s != NULL && path != NULL && resync_open_parent(r->m->r, path, &mine.handle, &mine.name) == 0) {
		if (S_ISDIR(node->mode)) {
			replica_handle below;

			if (r->m->r->ops->dir_open(r->m->r, mine.handle, mine.name, &below) == 0) {
				same = share_names(r, below, s, node);
				r->m->r->ops->dir_close(r->m->r, below);
			}
		} else if (handles_dir(r->v, s, dir, &theirs.handle) == 0) {
			same = same_files(r, mine, s, theirs);
			handles_done(r->v, dir);
		}
		listing_close(r->m->r, mine.handle);
	}
	free(path);
	return same;
}

int
resync_unpark(struct resync *r, struct node *node, struct node *dir, replica_handle handle, const char *name)
{
	struct parked *parked;
	int rc;

	if ((rc = parked_seek(r, node_key(node), &parked)) != 0)
		return rc;
	if (parked == NULL || parked->is_dir != S_ISDIR(node->mode) || (r->keep && !akin(r, parked, node, dir, name)))
		return -ENOENT;
	return unpark(r, parked, node, dir, handle, name);
}

/* A file that is not needed, or is nobody else's to throw away. */
static int
remove_file(struct resync *r, replica_handle handle, const char *name)
{
	uint8_t data[RECORD_SIZE_MAX];
	struct replica *mine = r->m->r;
	struct judge_fact fact;

	gather_fact(mine, (struct replica_at){ handle, name }, &r->v->digest, data, &fact);
	if (fact.error != 0)
		return fact.error;
	if (worth_keeping(r, &fact))
		return quarantine_move(mine, handle, name, "", resync_reason(r));
	/* Its tags file may be that of a newer copy in the tree: what is nobody's is found at the end. */
	return mine->ops->unlink(mine, handle, name, false);
}

static int
remove_tree(struct resync *r, replica_handle handle, const char *name)
{
	struct replica *mine = r->m->r;
	struct listing listing = { 0 };
	replica_handle below;
	struct stat st;
	size_t i;
	int rc;

	if ((rc = mine->ops->stat(mine, (struct replica_at){ handle, name }, &st)) != 0)
		return rc == -ENOENT ? 0 : rc;
	r->removed++;
	if (S_ISREG(st.st_mode))
		return remove_file(r, handle, name);
	if (!S_ISDIR(st.st_mode))
		return mine->ops->unlink(mine, handle, name, false);
	if ((rc = mine->ops->dir_open(mine, handle, name, &below)) != 0)
		return rc;
	rc = listing_read(mine, below, &listing);
	for (i = 0; rc == 0 && i < listing.count; i++)
		rc = remove_tree(r, below, listing.names[i]);
	listing_free(&listing);
	mine->ops->dir_close(mine, below);
	return rc != 0 ? rc : mine->ops->unlink(mine, handle, name, true);
}

int
resync_staging(struct resync *r)
{
	struct listing listing = { 0 };
	char path[NAME_MAX + 32];
	struct parked *p;
	bool is_dir;
	uint64_t id;
	size_t i;
	int rc;

	if ((rc = meta_subdir(r->m->r, r->m->meta, STAGING, true, &r->staging)) != 0)
		return rc;
	rc = listing_read(r->m->r, r->staging, &listing);
	for (i = 0; rc == 0 && i < listing.count; i++) {
		if (resync_is_origin(listing.names[i]))
			continue;
		is_dir = false;
		id = resync_record_id(r, r->m->r, (struct replica_at){ r->staging, listing.names[i] }, &is_dir);
		snprintf(path, sizeof(path), STAGING_PATH "/%s", listing.names[i]);
		if ((p = parked_add(r, id, NULL, NULL, path, is_dir)) == NULL)
			rc = -ENOMEM;
		else if (r->keep && p->origin == NULL)
			p->origin = resync_origin_read(r, listing.names[i]);
	}
	listing_free(&listing);
	return rc;
}

void
resync_staging_remove(struct resync *r)
{
	r->m->r->ops->dir_close(r->m->r, r->staging);
	r->staging = REPLICA_NONE;
	/* Empty, or left to the next time. */
	(void)r->m->r->ops->unlink(r->m->r, r->m->meta, STAGING, true);
}

int
resync_parked_new(struct resync *r)
{
	return hashmap_init(&r->parked);
}

void
resync_parked_free(struct resync *r)
{
	struct parked *p;

	while ((p = r->all) != NULL) {
		r->all = p->next;
		free(p->name);
		free(p->path);
		free(p->origin);
		free(p);
	}
	hashmap_free(&r->parked);
}

/* Not needed any more: kept, if it lost a fork and is not in the tree under another name; else removed. */
static int
purge_slot(struct resync *r, const char *slot)
{
	const struct replica_at at = { r->staging, slot };
	struct stat st;
	bool is_dir;
	int rc;

	if (resync_is_origin(slot))
		return 0;
	if (r->keep && r->m->r->ops->stat(r->m->r, at, &st) == 0) {
		if (!resync_links_has(r, resync_record_id(r, r->m->r, at, &is_dir), &st) && (rc = resync_keep_slot(r, slot)) < 0)
			return rc;
	}
	return remove_tree(r, r->staging, slot);
}

int
resync_purge(struct resync *r)
{
	struct listing listing = { 0 };
	size_t i;
	int rc;

	rc = listing_read(r->m->r, r->staging, &listing);
	for (i = 0; rc == 0 && i < listing.count; i++)
		rc = purge_slot(r, listing.names[i]);
	/* Whatever they told of is gone. */
	for (i = 0; rc == 0 && i < listing.count; i++) {
		if (resync_is_origin(listing.names[i]))
			rc = r->m->r->ops->unlink(r->m->r, r->staging, listing.names[i], false);
	}
	listing_free(&listing);
	if (rc == 0 && r->exclusive) {
		resync_links_verify(r);
		/* Names that were in no round: a walk finds them. */
		if (r->unlinked > 0)
			missed_walk(r->v, r->m, true);
	}
	resync_parked_free(r);
	resync_links_free(r);
	if (rc == 0 && (rc = resync_parked_new(r)) == 0)
		rc = resync_links_new(r);
	return rc;
}
