/* What has several names is one thing on the member, too. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "volume/nodes.h"
#include "volume/resync_private.h"

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

	if ((*path = strdup(placed->path)) == NULL || resync_open_parent(r->m->r, *path, &at->handle, &at->name) != 0) {
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
		if ((paths[count] = resync_join(parent, link->name)) != NULL)
			count++;
		free(parent);
	}
	for (i = 0; i < count; i++) {
		if (rc != 0 && resync_open_parent(r->m->r, paths[i], &where, &at.name) == 0) {
			at.handle = where;
			if (resync_record_id(r, r->m->r, at, &is_dir) == node_key(node))
				rc = r->m->r->ops->link(r->m->r, at, handle, name);
			listing_close(r->m->r, where);
		}
		free(paths[i]);
	}
	return rc;
}

int
resync_link(struct resync *r, struct node *node, const struct node *dir, replica_handle handle, const char *name)
{
	struct placed *placed = placed_find(r, node_key(node));
	int rc;

	if (placed != NULL && (rc = link_placed(r, placed, handle, name)) != -ENOENT)
		return rc;
	return node_has_record(node) ? link_known(r, node, dir, handle, name) : -ENOENT;
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
	path = resync_join(parent, name);
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

int
resync_links(struct resync *r, struct node *node, struct node *dir, replica_handle handle, const char *name)
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
		rc = r->keep ? resync_set_aside(r, dir, handle, name) : mine->ops->unlink(mine, handle, name, false);
		if (rc == 0)
			rc = mine->ops->link(mine, at, handle, name);
	}
	listing_close(mine, at.handle);
	free(path);
	return rc == 0 ? 1 : rc;
}

bool
resync_links_has(const struct resync *r, uint64_t id, const struct stat *st)
{
	const struct placed *placed = placed_find(r, id);

	return placed != NULL && placed->st.st_ino == st->st_ino;
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

void
resync_links_verify(struct resync *r)
{
	r->unlinked = 0;
	hashmap_each(&r->placed, verify_links, r);
}

int
resync_links_new(struct resync *r)
{
	return hashmap_init(&r->placed);
}

static void
free_placed(struct hashmap_link *link, void *arg)
{
	struct placed *placed = hashmap_entry(link, struct placed, by_id);

	(void)arg;
	free(placed->path);
	free(placed);
}

void
resync_links_free(struct resync *r)
{
	hashmap_each(&r->placed, free_placed, NULL);
	hashmap_free(&r->placed);
}
