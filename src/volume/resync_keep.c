/* What a member has of its own: where it stood, and how it is kept. */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/gather.h"
#include "meta/meta.h"
#include "meta/quarantine.h"
#include "util/log.h"
#include "volume/resync_private.h"

#define SUFFIX ".from"
#define ORIGIN_MAX (64 * 1024)		/* bytes of a path; longer ones are not remembered */

struct origin { struct hashmap_link by_id; char *path; };

static struct origin *
origin_find(const struct resync *r, uint64_t id)
{
	struct hashmap_link *link = hashmap_find(&r->origins, id);

	return link == NULL ? NULL : hashmap_entry(link, struct origin, by_id);
}

static char *
join(char *dir, const char *name)
{
	char *path;

	if (dir == NULL || asprintf(&path, "%s/%s", dir, name) < 0)
		path = NULL;
	free(dir);
	return path;
}

/* Without the slash of the top.  Nodes lock. */
static char *
origin_locked(struct resync *r, const struct node *node)
{
	const struct origin *origin = origin_find(r, node_key(node));

	if (origin != NULL)
		return strdup(origin->path);
	if (node == r->v->root)
		return strdup("");
	return node->links == NULL ? NULL : join(origin_locked(r, node->links->dir), node->links->name);
}

char *
resync_origin(struct resync *r, const struct node *dir, const char *name)
{
	char *path;

	pthread_mutex_lock(&r->v->nodes_lock);
	path = origin_locked(r, dir);
	pthread_mutex_unlock(&r->v->nodes_lock);
	return name != NULL ? join(path, name) : path;
}

char *
resync_origin_of(const struct parked *p)
{
	if (p->dir != NULL)
		return join(resync_origin_of(p->dir), p->name);
	return p->origin != NULL ? strdup(p->origin) : NULL;
}

int
resync_moved(struct resync *r, uint64_t id, const struct parked *p)
{
	struct origin *origin;
	char *path;

	if (!r->keep || origin_find(r, id) != NULL || (path = resync_origin_of(p)) == NULL)
		return 0;
	if ((origin = malloc(sizeof(*origin))) == NULL) {
		free(path);
		return -ENOMEM;
	}
	origin->path = path;
	hashmap_insert(&r->origins, &origin->by_id, id);
	return 0;
}

bool
resync_is_origin(const char *name)
{
	/* Or is one that was being written.  Slots have no dot. */
	return strchr(name, '.') != NULL;
}

int
resync_origin_save(struct resync *r, const char *slot, const char *origin)
{
	char name[META_NAME_MAX];

	if (strlen(origin) >= ORIGIN_MAX)
		return 0;
	snprintf(name, sizeof(name), "%s" SUFFIX, slot);
	return meta_replace_file(r->m->r, r->staging, name, origin, strlen(origin));
}

char *
resync_origin_read(struct resync *r, const char *slot)
{
	char name[META_NAME_MAX], *origin;
	ssize_t len;

	if ((origin = malloc(ORIGIN_MAX)) == NULL)
		return NULL;
	snprintf(name, sizeof(name), "%s" SUFFIX, slot);
	if ((len = meta_read_file(r->m->r, r->staging, name, origin, ORIGIN_MAX - 1)) <= 0) {
		free(origin);
		return NULL;
	}
	origin[len] = '\0';
	return origin;
}

const char *
resync_reason(const struct resync *r)
{
	return r->keep ? "it lost when a fork was settled" : "it was made or changed while the replica was away";
}

int
resync_put_aside(struct resync *r, replica_handle handle, const char *name, const char *origin)
{
	if (r->keep)
		log_info("%s: lost when the fork was settled; it goes to the quarantine of %s", origin, r->m->r->path);
	else
		log_warning("%s: was made on replica %s by something else than mendfs; it goes to its quarantine", origin, r->m->r->path);
	return quarantine_move(r->m->r, handle, name, origin, resync_reason(r));
}

static bool
is_draft(struct resync *r, struct replica_at at)
{
	uint8_t data[RECORD_SIZE_MAX];
	struct judge_fact fact;

	gather_fact(r->m->r, at, &r->v->digest, data, &fact);
	return resync_is_draft(&fact);
}

/* 1: something but directories, and what we made ourselves; 0: nothing of that kind. */
static int
holds_anything(struct resync *r, replica_handle handle, const char *name)
{
	struct replica *replica = r->m->r;
	struct listing listing = { 0 };
	replica_handle below;
	struct stat st;
	size_t i;
	int rc;

	if ((rc = replica->ops->stat(replica, (struct replica_at){ handle, name }, &st)) != 0)
		return rc;
	if (!S_ISDIR(st.st_mode))
		return !S_ISREG(st.st_mode) || !is_draft(r, (struct replica_at){ handle, name });
	if ((rc = replica->ops->dir_open(replica, handle, name, &below)) != 0)
		return rc;
	rc = listing_read(replica, below, &listing);
	for (i = 0; rc == 0 && i < listing.count; i++)
		rc = holds_anything(r, below, listing.names[i]);
	listing_free(&listing);
	replica->ops->dir_close(replica, below);
	return rc;
}

int
resync_keep_slot(struct resync *r, const char *slot)
{
	char *origin;
	int rc;

	if ((rc = holds_anything(r, r->staging, slot)) <= 0)
		return rc;
	origin = resync_origin_read(r, slot);
	rc = resync_put_aside(r, r->staging, slot, origin != NULL ? origin : "");
	free(origin);
	r->removed += rc == 0;
	return rc;
}

static void
free_origin(struct hashmap_link *link, void *arg)
{
	struct origin *origin = hashmap_entry(link, struct origin, by_id);

	(void)arg;
	free(origin->path);
	free(origin);
}

void
resync_keep_free(struct resync *r)
{
	hashmap_each(&r->origins, free_origin, NULL);
	hashmap_free(&r->origins);
}
