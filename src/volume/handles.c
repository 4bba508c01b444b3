#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "volume/handles.h"
#include "volume/nodes.h"

/* Take the handles of the least recently used directory that nobody uses. Dirs lock. */
static bool
evict(struct volume *v, replica_handle closed[VOLUME_REPLICAS_MAX])
{
	struct list_link *at;
	struct directory *d;
	unsigned i;

	for (at = v->dirs.next; at != &v->dirs; at = at->next) {
		d = list_entry(at, struct directory, by_use);
		if (d->pins > 0)
			continue;
		for (i = 0; i < VOLUME_REPLICAS_MAX; i++) {
			closed[i] = d->handle[i];
			d->handle[i] = REPLICA_NONE;
		}
		list_remove(&d->by_use);
		d->open = false;
		v->dirs_open--;
		return true;
	}
	return false;
}

/* Note that ${handle} is ${dir}'s on ${m}; returns the one to use, for another thread may have been first. */
static replica_handle
remember(struct volume *v, struct member *m, struct directory *d, replica_handle handle)
{
	replica_handle closed[VOLUME_REPLICAS_MAX], extra = REPLICA_NONE;
	bool evicted = false;
	unsigned i;

	pthread_mutex_lock(&v->dirs_lock);
	if (d->handle[m->index] >= 0) {
		extra = handle;
		handle = d->handle[m->index];
	} else {
		d->handle[m->index] = handle;
	}
	if (!d->open) {
		d->open = true;
		list_append(&v->dirs, &d->by_use);
		v->dirs_open++;
		if (v->dirs_open > VOLUME_DIRS_MAX)
			evicted = evict(v, closed);
	}
	pthread_mutex_unlock(&v->dirs_lock);

	if (extra != REPLICA_NONE)
		m->r->ops->dir_close(m->r, extra);
	for (i = 0; evicted && i < v->member_count; i++) {
		if (closed[i] >= 0)
			v->members[i].r->ops->dir_close(v->members[i].r, closed[i]);
	}
	return handle;
}

static void
unpin(struct volume *v, struct directory *d)
{
	pthread_mutex_lock(&v->dirs_lock);
	d->pins--;
	pthread_mutex_unlock(&v->dirs_lock);
}

/* A name of ${node}, valid while the tree lock is held. */
static const struct link *
some_link(struct volume *v, const struct node *node)
{
	const struct link *link;

	pthread_mutex_lock(&v->nodes_lock);
	link = node->links;
	pthread_mutex_unlock(&v->nodes_lock);
	return link;
}

int
handles_dir(struct volume *v, struct member *m, struct node *dir, replica_handle *handle)
{
	struct directory *d = dir->directory;
	const struct link *link;
	replica_handle parent;
	int rc;

	if (dir == v->root) {
		*handle = REPLICA_ROOT;
		return 0;
	}

	pthread_mutex_lock(&v->dirs_lock);
	d->pins++;
	*handle = d->handle[m->index];
	if (d->open) {
		list_remove(&d->by_use);
		list_append(&v->dirs, &d->by_use);
	}
	pthread_mutex_unlock(&v->dirs_lock);
	if (*handle >= 0)
		return 0;

	if ((link = some_link(v, dir)) == NULL) {
		rc = -ENOENT;
		goto fail;
	}
	if ((rc = handles_dir(v, m, link->dir, &parent)) != 0)
		goto fail;
	rc = m->r->ops->dir_open(m->r, parent, link->name, handle);
	handles_done(v, link->dir);
	if (rc != 0)
		goto fail;
	*handle = remember(v, m, d, *handle);
	return 0;

fail:
	unpin(v, d);
	return rc;
}

void
handles_drop(struct volume *v, struct member *m, struct node *dir)
{
	struct directory *d = dir->directory;
	replica_handle handle = REPLICA_NONE;

	if (d == NULL)
		return;
	pthread_mutex_lock(&v->dirs_lock);
	/* In use by another thread: it fails there, and is dropped by whoever mends next. */
	if (d->pins == 0) {
		handle = d->handle[m->index];
		d->handle[m->index] = REPLICA_NONE;
	}
	pthread_mutex_unlock(&v->dirs_lock);
	if (handle != REPLICA_NONE)
		m->r->ops->dir_close(m->r, handle);
}

void
handles_done(struct volume *v, struct node *dir)
{
	if (dir != v->root)
		unpin(v, dir->directory);
}

int
handles_at(struct volume *v, struct member *m, struct node *node, struct handles_place *place)
{
	const struct link *link;
	int rc;

	place->pinned = NULL;
	place->at.name = NULL;
	if (node == v->root) {
		place->at.handle = REPLICA_ROOT;
		return 0;
	}
	if (node->file != NULL && node->file->handle[m->index] >= 0) {
		place->at.handle = node->file->handle[m->index];
		return 0;
	}
	if ((link = some_link(v, node)) == NULL) {
		if (node->pins == NULL || node->pins[m->index] == REPLICA_NONE)
			return -ENOENT;
		place->at.handle = node->pins[m->index];
		return 0;
	}
	if ((rc = handles_dir(v, m, link->dir, &place->at.handle)) != 0)
		return rc;
	place->at.name = link->name;
	place->pinned = link->dir;
	return 0;
}

int
handles_pin(struct volume *v, struct node *node, struct node *dir, const char *name)
{
	replica_handle handle;
	struct member *m;
	unsigned i;

	if (node->pins == NULL) {
		if ((node->pins = malloc(VOLUME_REPLICAS_MAX * sizeof(*node->pins))) == NULL)
			return -ENOMEM;
		for (i = 0; i < VOLUME_REPLICAS_MAX; i++)
			node->pins[i] = REPLICA_NONE;
	}
	for_each_member(v, m) {
		/* When it lost an earlier name; a member that was away since has none. */
		if (node->pins[m->index] != REPLICA_NONE)
			continue;
		/* Where it cannot be pinned it cannot be opened: no reason to refuse the change of names. */
		if (handles_dir(v, m, dir, &handle) != 0)
			continue;
		if (m->r->ops->pin(m->r, handle, name, &node->pins[m->index]) != 0)
			node->pins[m->index] = REPLICA_NONE;
		handles_done(v, dir);
	}
	return 0;
}

void
handles_at_done(struct volume *v, struct handles_place *place)
{
	if (place->pinned != NULL)
		handles_done(v, place->pinned);
	place->pinned = NULL;
}
