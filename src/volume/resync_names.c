/* Directories: which names stand for what. */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/gather.h"
#include "meta/meta.h"
#include "meta/quarantine.h"
#include "util/log.h"
#include "volume/handles.h"
#include "volume/load.h"
#include "volume/members.h"
#include "volume/missed.h"
#include "volume/nodes.h"
#include "volume/resync_private.h"
#include "volume/store.h"

#define STAGING "resync"
#define STAGING_PATH REPLICA_META "/" STAGING

char *
resync_path(struct volume *v, const struct node *node)
{
	const struct node *up;
	char *path = NULL, *at;
	size_t len = 0, part;

	pthread_mutex_lock(&v->nodes_lock);
	for (up = node; up != v->root && up->links != NULL; up = up->links->dir)
		len += strlen(up->links->name) + 1;
	if (up == v->root && (path = malloc(len + 1)) != NULL) {
		at = path + len;
		*at = '\0';
		for (up = node; up != v->root; up = up->links->dir) {
			part = strlen(up->links->name);
			at -= part;
			memcpy(at, up->links->name, part);
			if (up != node)
				at[part] = '/';
			if (up->links->dir != v->root)
				at--;
		}
		/* One slash fewer than names. */
		memmove(path, at, strlen(at) + 1);
	}
	pthread_mutex_unlock(&v->nodes_lock);
	return path;
}

static char *
join(const char *dir, const char *name)
{
	char *path;

	if (*dir == '\0')
		return strdup(name);
	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* Where a parked thing is by now, malloc'd; NULL: nowhere. */
static char *
parked_path(const struct parked *p)
{
	char *dir, *path;

	if (p->dir == NULL)
		return p->path == NULL ? NULL : strdup(p->path);
	if ((dir = parked_path(p->dir)) == NULL)
		return NULL;
	path = join(dir, p->name);
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

/* The id that the record at ${at} has; 0: none. */
static uint64_t
record_id(struct resync *r, struct replica *replica, struct replica_at at, bool *is_dir)
{
	uint8_t data[RECORD_SIZE_MAX];
	struct record record;
	ssize_t len;

	len = replica->ops->xattr_get(replica, at, RECORD_XATTR, data, sizeof(data));
	if (len <= 0 || record_decode(&r->v->digest, data, (size_t)len, &record) != 0)
		return 0;
	*is_dir = record.kind == RECORD_DIRECTORY;
	return record.id;
}

int
resync_open(struct resync *r, struct node *node, replica_handle *handle)
{
	bool is_dir = false;
	char *path;
	int rc;

	if ((path = resync_path(r->v, node)) == NULL)
		return -ENOENT;
	rc = listing_open_path(r->m->r, path, handle);
	free(path);
	if (rc != 0)
		return rc == -ENOTDIR ? -ENOENT : rc;
	if (*handle == REPLICA_ROOT || record_id(r, r->m->r, (struct replica_at){ *handle, NULL }, &is_dir) == node_key(node))
		return 0;
	listing_close(r->m->r, *handle);
	return -ENOENT;
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
		uint64_t id = record_id(r, mine, (struct replica_at){ handle, listing.names[i] }, &is_dir);

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

static int
set_aside(struct resync *r, struct node *dir, replica_handle handle, const char *name)
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

/* ${name} does not belong here.  What has an id may be wanted elsewhere. */
static int
park(struct resync *r, struct node *dir, replica_handle handle, const char *name)
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
		return set_aside(r, dir, handle, name);
	id = fact.record_error == 0 ? fact.record.id : 0;
	if (!S_ISDIR(fact.st.st_mode) && id == 0)
		return mine->ops->unlink(mine, handle, name, false);
	if (id != 0 && (p = parked_find(r, id)) != NULL && p->path != NULL && !S_ISDIR(fact.st.st_mode)) {
		/* Another name of the same file; or, if it has but one, another file with its id. */
		if (!r->keep || fact.st.st_nlink > 1)
			return mine->ops->unlink(mine, handle, name, false);
		return set_aside(r, dir, handle, name);
	}

	return park_in(r, id, S_ISDIR(fact.st.st_mode), dir, handle, name);
}

/* Open the directory of a path, and point to its last component. */
static int
open_parent(struct replica *replica, char *path, replica_handle *dir, const char **name)
{
	char *slash = strrchr(path, '/');

	*name = slash == NULL ? path : slash + 1;
	if (slash == NULL) {
		*dir = REPLICA_ROOT;
		return 0;
	}
	*slash = '\0';
	return listing_open_path(replica, path, dir);
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

	if (from != NULL && to != NULL && (whole = join(to, name)) != NULL &&
	    (rc = open_parent(mine, from, &parent, &last)) == 0) {
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

static struct placed *
placed_find(const struct resync *r, uint64_t id)
{
	struct hashmap_link *link = hashmap_find(&r->placed, id);

	return link == NULL ? NULL : hashmap_entry(link, struct placed, by_id);
}

/* Is what was placed still there?  Its directory, to be closed, and name. */
static bool
placed_open(struct resync *r, const struct placed *placed, char **path, struct replica_at *at)
{
	struct stat st;

	if ((*path = strdup(placed->path)) == NULL || open_parent(r->m->r, *path, &at->handle, &at->name) != 0) {
		free(*path);
		return false;
	}
	if (r->m->r->ops->stat(r->m->r, *at, &st) == 0 && st.st_ino == placed->st.st_ino && st.st_dev == placed->st.st_dev)
		return true;
	listing_close(r->m->r, at->handle);
	free(*path);
	return false;
}

/* Link what was placed under another name.  -ENOENT: it is not there any more. */
static int
link_placed(struct resync *r, const struct placed *placed, replica_handle handle, const char *name)
{
	struct replica_at at;
	char *path;
	int rc;

	if (!placed_open(r, placed, &path, &at))
		return -ENOENT;
	rc = r->m->r->ops->link(r->m->r, at, handle, name);
	listing_close(r->m->r, at.handle);
	free(path);
	return rc;
}

/* Other names that are known, of which the member may have one. */
static int
link_known(struct resync *r, struct node *node, const struct node *dir, replica_handle handle, const char *name)
{
	char *paths[8], *parent;
	replica_handle where;
	struct replica_at at;
	const struct link *link;
	unsigned count = 0, i;
	bool is_dir;
	int rc = -ENOENT;

	/* The tree lock keeps the links as they are; the nodes lock is resync_path's. */
	for (link = node->links; link != NULL && count < 8; link = link->next) {
		if ((link->dir == dir && strcmp(link->name, name) == 0) || (parent = resync_path(r->v, link->dir)) == NULL)
			continue;
		if ((paths[count] = join(parent, link->name)) != NULL)
			count++;
		free(parent);
	}
	for (i = 0; i < count; i++) {
		if (rc != 0 && open_parent(r->m->r, paths[i], &where, &at.name) == 0) {
			at.handle = where;
			if (record_id(r, r->m->r, at, &is_dir) == node_key(node))
				rc = r->m->r->ops->link(r->m->r, at, handle, name);
			listing_close(r->m->r, where);
		}
		free(paths[i]);
	}
	return rc;
}

/* A file says at once whose it is, or it would pass for somebody else's if we were cut off. */
static int
made_file(struct resync *r, struct node *node, replica_handle handle, const char *name)
{
	const struct replica_at at = { handle, name };
	struct stat st;
	int rc;

	if (r->m->r->ops->stat(r->m->r, at, &st) == 0)
		resync_ours(r, &st);
	if ((rc = resync_draft(r, node, at)) != 0)
		(void)r->m->r->ops->unlink(r->m->r, handle, name, false);
	return rc;
}

/* Make it anew: a file empty, a directory without names. */
static int
make(struct resync *r, struct node *node, replica_handle handle, const char *name)
{
	struct copy c = { .digest = &r->v->digest, .dst = r->m->r, .src_tags = REPLICA_NONE, .dst_tags = REPLICA_NONE };
	struct handles_place place;
	struct member *s;
	int rc = -EIO;

	pthread_rwlock_rdlock(&node->lock);
	for_each_member(r->v, s) {
		if ((rc = handles_at(r->v, s, node, &place)) != 0)
			continue;
		c.src = s->r;
		rc = copy_make(&c, place.at, handle, name);
		if (rc == 0 && !node_has_record(node))
			rc = copy_finish(&c, place.at, (struct replica_at){ handle, name });
		handles_at_done(r->v, &place);
		break;
	}
	if (rc == 0 && S_ISREG(node->mode))
		rc = made_file(r, node, handle, name);
	pthread_rwlock_unlock(&node->lock);
	r->changed++;
	return rc;
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
			same = (id = record_id(r, r->m->r, mine, &is_dir)) != 0 && id == record_id(r, s->r, theirs, &is_dir);
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

	if (s != NULL && path != NULL && open_parent(r->m->r, path, &mine.handle, &mine.name) == 0) {
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

/* The name is missing: take what was renamed, link what has further names, or make it. */
static int
place(struct resync *r, struct node *node, struct node *dir, replica_handle handle, const char *name, bool *fresh)
{
	struct placed *placed;
	struct parked *parked = NULL;
	int rc;

	if (node_has_record(node)) {
		if ((rc = parked_seek(r, node_key(node), &parked)) != 0)
			return rc;
		if (parked != NULL && (parked->is_dir != S_ISDIR(node->mode) || (r->keep && !akin(r, parked, node, dir, name))))
			parked = NULL;
		if (parked != NULL && (rc = unpark(r, parked, node, dir, handle, name)) != -ENOENT)
			return rc;
	}
	if (!S_ISDIR(node->mode) && node->nlink > 1) {
		if ((placed = placed_find(r, node_key(node))) != NULL && (rc = link_placed(r, placed, handle, name)) != -ENOENT)
			return rc;
		if (node_has_record(node) && (rc = link_known(r, node, dir, handle, name)) != -ENOENT)
			return rc;
		/* It may have a name that nobody has looked up: a walk finds all. */
		if (!r->walk)
			missed_walk(r->v, r->m, true);
	}
	*fresh = true;
	return make(r, node, handle, name);
}

/* Note the name under which what has several names is to be found. */
static int
placed_note(struct resync *r, struct placed *placed, const struct node *node, struct node *dir, replica_handle handle, const char *name)
{
	char *parent, *path;
	struct stat st;
	int rc;

	if ((rc = r->m->r->ops->stat(r->m->r, (struct replica_at){ handle, name }, &st)) != 0)
		return rc == -ENOENT ? 0 : rc;
	if ((parent = resync_path(r->v, dir)) == NULL)
		return 0;
	path = join(parent, name);
	free(parent);
	if (path == NULL || (placed == NULL && (placed = calloc(1, sizeof(*placed))) == NULL)) {
		free(path);
		return -ENOMEM;
	}
	if (placed->path == NULL)
		hashmap_insert(&r->placed, &placed->by_id, node_key(node));
	free(placed->path);
	placed->path = path;
	placed->st = st;
	return 0;
}

/* What has several names is one thing on the member too. 1: and was met before. */
static int
place_links(struct resync *r, struct node *node, struct node *dir, replica_handle handle, const char *name)
{
	struct placed *placed = placed_find(r, node_key(node));
	struct replica *mine = r->m->r;
	struct replica_at at;
	struct stat st;
	char *path;
	int rc;

	if (placed == NULL || !placed_open(r, placed, &path, &at))
		return placed_note(r, placed, node, dir, handle, name);
	if ((rc = mine->ops->stat(mine, (struct replica_at){ handle, name }, &st)) == 0 &&
	    (st.st_ino != placed->st.st_ino || st.st_dev != placed->st.st_dev)) {
		r->changed++;
		rc = r->keep ? set_aside(r, dir, handle, name) : mine->ops->unlink(mine, handle, name, false);
		if (rc == 0)
			rc = mine->ops->link(mine, at, handle, name);
	}
	listing_close(mine, at.handle);
	free(path);
	return rc == 0 ? 1 : rc;
}

/* Is what the member has at this name what the node stands for? */
static bool
same_thing(struct resync *r, const struct node *node, struct replica_at at, const struct judge_fact *fact)
{
	char target[PATH_MAX];

	if ((fact->st.st_mode & S_IFMT) != (node->mode & S_IFMT))
		return false;
	/* Without a record it is taken for what it should be, and compared to the byte; unless it has other names too. */
	if (node_has_record(node) && fact->record_error != 0)
		return S_ISDIR(node->mode) || fact->st.st_nlink == 1;
	if (node_has_record(node))
		return fact->record.id == node_key(node);
	if (S_ISLNK(node->mode))
		return node->target != NULL && r->m->r->ops->readlink(r->m->r, at, target, sizeof(target)) == 0 &&
		    strcmp(target, node->target) == 0;
	return !(S_ISCHR(node->mode) || S_ISBLK(node->mode)) || fact->st.st_rdev == node->rdev;
}

/* Links and special files: owner, mode, attributes, times, which the others hold. */
static int
match_bare(struct resync *r, struct node *node, struct replica_at to)
{
	struct copy c = { .digest = &r->v->digest, .dst = r->m->r, .src_tags = REPLICA_NONE, .dst_tags = REPLICA_NONE };
	struct handles_place place;
	struct stat st, now;
	struct member *s;
	int rc = 0;

	for_each_member(r->v, s) {
		if (handles_at(r->v, s, node, &place) != 0)
			continue;
		c.src = s->r;
		if ((rc = copy_meta(&c, place.at, to)) == 0 && (rc = s->r->ops->stat(s->r, place.at, &st)) == 0 &&
		    (rc = r->m->r->ops->stat(r->m->r, to, &now)) == 0 &&
		    (st.st_mtim.tv_sec != now.st_mtim.tv_sec || st.st_mtim.tv_nsec != now.st_mtim.tv_nsec))
			rc = copy_finish(&c, place.at, to);
		handles_at_done(r->v, &place);
		break;
	}
	return rc;
}

/* One name.  ${*out}: the node, with a reference, if it is to be gone into.  Tree lock. */
static int
match_name(struct resync *r, struct node *dir, replica_handle handle, const char *name, struct node **out, bool *fresh)
{
	const struct replica_at at = { handle, name };
	uint8_t data[RECORD_SIZE_MAX];
	struct judge_fact fact;
	struct node *node;
	int rc;

	*out = NULL;
	*fresh = false;
	if ((rc = load_name(r->v, dir, name, &node)) != 0) {
		if (rc != -EIO || members_in_sync(r->v) == 0)
			return rc == -ENOENT ? 0 : rc;
		/* Nobody can prove what it is: an old version must not take its place. */
		r->lost++;
		rc = set_aside(r, dir, handle, name);
		return rc == -ENOENT ? 0 : rc;
	}
	gather_fact(r->m->r, at, &r->v->digest, data, &fact);
	rc = fact.error;
	if (rc == 0 && !same_thing(r, node, at, &fact) && (rc = park(r, dir, handle, name)) == 0)
		rc = -ENOENT;
	if (rc == -ENOENT)
		rc = place(r, node, dir, handle, name, fresh);
	if (rc == 0 && !S_ISDIR(node->mode) && node->nlink > 1)
		rc = place_links(r, node, dir, handle, name);
	if (rc == 0 && !node_has_record(node) && !*fresh)
		rc = match_bare(r, node, at);
	if (rc == 0 && node_has_record(node) && (*fresh || r->deep))
		*out = node;
	else
		nodes_put(r->v, node);
	return rc > 0 ? 0 : rc;
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names that any member in sync has.  Tree lock. */
static int
source_names(struct resync *r, struct node *dir, struct listing *all)
{
	struct listing one;
	replica_handle handle;
	struct member *s;
	char **names;
	size_t i, kept = 0;
	int rc, asked = 0;

	memset(all, 0, sizeof(*all));
	for_each_member(r->v, s) {
		if (handles_dir(r->v, s, dir, &handle) != 0)
			continue;
		rc = listing_read(s->r, handle, &one);
		handles_done(r->v, dir);
		if (rc != 0)
			return rc;
		asked++;
		if (one.count > 0 && (names = realloc(all->names, (all->count + one.count) * sizeof(*names))) == NULL) {
			listing_free(&one);
			return -ENOMEM;
		}
		if (one.count > 0) {
			memcpy(names + all->count, one.names, one.count * sizeof(*names));
			all->names = names;
			all->count += one.count;
			one.count = 0;
		}
		listing_free(&one);
	}
	if (asked > 1 && all->count > 0) {
		qsort(all->names, all->count, sizeof(*all->names), by_bytes);
		for (i = 0; i < all->count; i++) {
			if (kept > 0 && strcmp(all->names[kept - 1], all->names[i]) == 0)
				free(all->names[i]);
			else
				all->names[kept++] = all->names[i];
		}
		all->count = kept;
	}
	return asked > 0 ? 0 : -EIO;
}

/* The names on either side; changes from here on are noted. 1: the directory is gone. */
static int
both_names(struct resync *r, struct node *dir, replica_handle handle, struct listing *source, struct listing *mine)
{
	int rc = 0;

	resync_lock(r);
	pthread_rwlock_wrlock(&dir->lock);
	if (dir->nlink == 0)
		rc = 1;
	else if ((rc = store_now(r->v, dir)) == 0)
		missed_done(r->v, r->m, dir);
	pthread_rwlock_unlock(&dir->lock);
	if (rc == 0)
		rc = source_names(r, dir, source);
	resync_unlock(r);
	return rc != 0 ? rc : listing_read(r->m->r, handle, mine);
}

/* Does the member have another file or directory at a name that it shares with the others? */
static bool
ids_differ(struct resync *r, struct node *dir, replica_handle handle, const char *name, bool *is_dir)
{
	struct replica_at at = { .name = name };
	uint64_t theirs = 0, mine;
	struct member *s;
	bool other = false;

	*is_dir = false;
	for_each_member(r->v, s) {
		if (handles_dir(r->v, s, dir, &at.handle) != 0)
			continue;
		theirs = record_id(r, s->r, at, is_dir);
		handles_done(r->v, dir);
		break;
	}
	if (theirs == 0)
		return false;
	mine = record_id(r, r->m->r, (struct replica_at){ handle, name }, &other);
	*is_dir = *is_dir && mine == theirs;
	return mine != 0 && mine != theirs;
}

/* Go into a directory that both have. */
static int
park_below(struct resync *r, struct node *dir, replica_handle handle, const char *name)
{
	replica_handle below;
	struct node *node;
	int rc;

	resync_lock(r);
	rc = load_name(r->v, dir, name, &node);
	resync_unlock(r);
	if (rc != 0)
		return 0;
	if (S_ISDIR(node->mode) && (rc = r->m->r->ops->dir_open(r->m->r, handle, name, &below)) == 0) {
		rc = resync_names(r, node, below, true);
		r->m->r->ops->dir_close(r->m->r, below);
	}
	nodes_put(r->v, node);
	return rc == -ENOENT || rc == -ENOTDIR ? 0 : rc;
}

static int
park_all(struct resync *r, struct node *dir, replica_handle handle, const struct listing *source, const struct listing *mine)
{
	size_t i, j = 0;
	bool is_dir;
	int rc = 0, order;

	for (i = 0; rc == 0 && i < mine->count && !resync_stopped(r); i++) {
		while (j < source->count && strcmp(source->names[j], mine->names[i]) < 0)
			j++;
		order = j < source->count ? strcmp(source->names[j], mine->names[i]) : 1;
		is_dir = false;
		resync_lock(r);
		if (order != 0 || ids_differ(r, dir, handle, mine->names[i], &is_dir))
			rc = park(r, dir, handle, mine->names[i]);
		resync_unlock(r);
		if (rc == 0 && is_dir && r->deep)
			rc = park_below(r, dir, handle, mine->names[i]);
	}
	return rc;
}

/* What a name stands for, if it is new, or in a walk. */
static int
go_into(struct resync *r, struct node *node, replica_handle handle, const char *name, bool fresh)
{
	bool deep = r->deep;
	replica_handle below;
	int rc;

	atomic_fetch_add(&r->m->resync_done, 1);
	if (S_ISREG(node->mode)) {
		rc = resync_file(r, node, handle, name, fresh);
		/* Renamed meanwhile: its directory is noted, and comes again. */
		return rc == -ESTALE ? 0 : rc;
	}
	if ((rc = r->m->r->ops->dir_open(r->m->r, handle, name, &below)) != 0)
		return rc;
	/* All that is in a new directory is new there, or is taken from where it was. */
	r->deep = true;
	rc = resync_names(r, node, below, false);
	r->deep = deep;
	r->m->r->ops->dir_close(r->m->r, below);
	return rc;
}

static int
match_all(struct resync *r, struct node *dir, replica_handle handle, const struct listing *source)
{
	struct node *node;
	size_t i;
	bool fresh;
	int rc = 0;

	for (i = 0; rc == 0 && i < source->count; i++) {
		if (resync_stopped(r))
			return -ECANCELED;
		resync_lock(r);
		rc = match_name(r, dir, handle, source->names[i], &node, &fresh);
		resync_unlock(r);
		if (node != NULL) {
			if (rc == 0)
				rc = go_into(r, node, handle, source->names[i], fresh);
			nodes_put(r->v, node);
		}
	}
	return rc;
}

/*
 * The directory's own metadata and record.  If it changed since it was listed it
 * comes again; but by its record it is known then, and what is below it with it:
 * in one that never rests nothing would be found otherwise.
 */
static int
finish(struct resync *r, struct node *dir, replica_handle handle)
{
	bool marked;
	int rc = 0;

	resync_lock(r);
	pthread_rwlock_wrlock(&dir->lock);
	marked = missed_is(r->m, dir);
	if (dir->nlink > 0 && (rc = store_now(r->v, dir)) == 0) {
		if (!marked)
			missed_done(r->v, r->m, dir);
		rc = resync_inode(r, dir, (struct replica_at){ handle, NULL });
	}
	pthread_rwlock_unlock(&dir->lock);
	resync_unlock(r);
	return rc;
}

int
resync_names(struct resync *r, struct node *dir, replica_handle handle, bool park_only)
{
	struct listing source = { 0 }, mine = { 0 };
	int rc;

	if ((rc = both_names(r, dir, handle, &source, &mine)) == 0 &&
	    (rc = park_all(r, dir, handle, &source, &mine)) == 0 && !park_only &&
	    (rc = match_all(r, dir, handle, &source)) == 0)
		rc = finish(r, dir, handle);
	listing_free(&source);
	listing_free(&mine);
	return rc > 0 ? 0 : rc;
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
		id = record_id(r, r->m->r, (struct replica_at){ r->staging, listing.names[i] }, &is_dir);
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

static void
free_placed(struct hashmap_link *link, void *arg)
{
	struct placed *placed = hashmap_entry(link, struct placed, by_id);

	(void)arg;
	free(placed->path);
	free(placed);
}

int
resync_names_new(struct resync *r)
{
	int rc;

	if ((rc = hashmap_init(&r->parked)) == 0)
		rc = hashmap_init(&r->placed);
	return rc;
}

void
resync_names_free(struct resync *r)
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
	hashmap_each(&r->placed, free_placed, NULL);
	hashmap_free(&r->placed);
}

/* Does the member have as many names for what has several as the others? */
static void
verify_links(struct hashmap_link *link, void *arg)
{
	struct placed *placed = hashmap_entry(link, struct placed, by_id);
	struct node *node;
	struct resync *r = arg;
	struct replica_at at;
	struct stat st;
	char *path;

	if ((node = nodes_get(r->v, link->key)) == NULL)
		return;
	if (node->nlink > 0 && placed_open(r, placed, &path, &at)) {
		if (r->m->r->ops->stat(r->m->r, at, &st) == 0 && st.st_nlink != node->nlink)
			r->unlinked++;
		listing_close(r->m->r, at.handle);
		free(path);
	}
	nodes_put(r->v, node);
}

/* Not needed any more: kept, if it lost a fork and is not in the tree under another name; else removed. */
static int
purge_slot(struct resync *r, const char *slot)
{
	const struct replica_at at = { r->staging, slot };
	const struct placed *placed;
	struct stat st;
	bool is_dir;
	int rc;

	if (resync_is_origin(slot))
		return 0;
	if (r->keep && r->m->r->ops->stat(r->m->r, at, &st) == 0) {
		placed = placed_find(r, record_id(r, r->m->r, at, &is_dir));
		if ((placed == NULL || placed->st.st_ino != st.st_ino) && (rc = resync_keep_slot(r, slot)) < 0)
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
		r->unlinked = 0;
		hashmap_each(&r->placed, verify_links, r);
		/* Names that were in no round: a walk finds them. */
		if (r->unlinked > 0)
			missed_walk(r->v, r->m, true);
	}
	resync_names_free(r);
	return rc != 0 ? rc : resync_names_new(r);
}
