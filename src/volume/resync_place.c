/* Where things are: paths with the others, and what stands there on the member. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/resync_private.h"

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

char *
resync_join(const char *dir, const char *name)
{
	char *path;

	if (*dir == '\0')
		return strdup(name);
	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

int
resync_open_parent(struct replica *replica, char *path, replica_handle *dir, const char **name)
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

uint64_t
resync_record_id(struct resync *r, struct replica *replica, struct replica_at at, bool *is_dir)
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

struct member *
resync_source(struct resync *r, struct node *node, struct handles_place *place)
{
	struct member *nearest = members_nearest(r->v), *s;

	if (nearest != NULL && handles_at(r->v, nearest, node, place) == 0)
		return nearest;
	for_each_member(r->v, s) {
		if (s != nearest && handles_at(r->v, s, node, place) == 0)
			return s;
	}
	return NULL;
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
	if (*handle == REPLICA_ROOT || resync_record_id(r, r->m->r, (struct replica_at){ *handle, NULL }, &is_dir) == node_key(node))
		return 0;
	listing_close(r->m->r, *handle);
	return -ENOENT;
}
