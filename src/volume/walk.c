#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "meta/listing.h"
#include "meta/tagfile.h"
#include "replica/guard.h"
#include "util/clock.h"
#include "util/hashmap.h"
#include "util/log.h"
#include "volume/dir.h"
#include "volume/events.h"
#include "volume/members.h"
#include "volume/names.h"
#include "volume/nodes.h"
#include "volume/settle.h"
#include "volume/torn.h"
#include "volume/walk.h"

#define REPORT_MS 10000			/* between two lines of progress */
#define MOVED_MAX 65536			/* that wait; beyond, the next mount goes on */

/* A file of a dirty region that is settled. */
struct seen { struct hashmap_link by_id; bool paged; };

struct walk {
	struct volume *v;
	struct hashmap seen;
	bool astray;			/* no marked ways lead to some of it: the whole tree is gone through */
	bool complete;			/* nothing was passed over so far */
	uint64_t names, files, reported_ms;
};

static bool
stopped(const struct walk *w)
{
	return atomic_load(&w->v->walker_stop);
}

static void
progress(struct walk *w)
{
	uint64_t now = clock_monotonic_ms();

	w->names++;
	atomic_store(&w->v->walked_names, w->names);
	if (now - w->reported_ms < REPORT_MS)
		return;
	w->reported_ms = now;
	log_info("reconciling after the unclean stop: %" PRIu64 " names looked at, %" PRIu64 " files of regions in use gone through, "
	    "%" PRIu64 " regions to be let go", w->names, w->files, intent_any(w->v->intent));
}

static struct seen *
seen_find(const struct walk *w, uint64_t id)
{
	struct hashmap_link *link = hashmap_find(&w->seen, id);

	return link == NULL ? NULL : hashmap_entry(link, struct seen, by_id);
}

static void
seen_free(struct hashmap_link *link, void *arg)
{
	(void)arg;
	free(hashmap_entry(link, struct seen, by_id));
}

/* A file: all its blocks, if it may be torn. */
static void
walk_file(struct walk *w, struct node *node)
{
	struct volume *v = w->v;
	struct seen *seen;
	bool torn, gone;
	int rc = 0;

	if (!intent_was_dirty(v->intent, node_key(node)) || seen_find(w, node_key(node)) != NULL)
		return;
	pthread_rwlock_rdlock(&node->lock);
	torn = node->torn != NULL;
	pthread_rwlock_unlock(&node->lock);
	w->files += torn;
	atomic_store(&v->walked_files, w->files);
	if (torn && (rc = torn_finish(v, node)) == -ESTALE) {
		pthread_rwlock_rdlock(&node->lock);
		gone = node->nlink == 0;
		pthread_rwlock_unlock(&node->lock);
		/* Removed since it was looked up. */
		if (gone)
			return;
	}
	if (rc != 0 || (seen = calloc(1, sizeof(*seen))) == NULL) {
		w->complete = false;
		return;
	}
	pthread_rwlock_rdlock(&node->lock);
	seen->paged = node->paged;
	pthread_rwlock_unlock(&node->lock);
	hashmap_insert(&w->seen, &seen->by_id, node_key(node));
}

static void
digest_names(struct walk *w, struct node *node)
{
	struct volume *v = w->v;

	if (!node->names_stale)
		return;
	pthread_rwlock_rdlock(&v->tree);
	if (node->nlink > 0 && settle_digest(v, node) != 0)
		w->complete = false;
	pthread_rwlock_unlock(&v->tree);
}

/* Could a directory be, or lead to, what was being changed? */
static bool
is_on_way(const struct volume *v, bool astray, uint64_t id)
{
	return astray || intent_was_dirty(v->intent, id) || intent_was_dirty(v->intent, INTENT_WAY | id);
}

/* Of a directory at rest: a name that stands for nothing that was being changed, and leads to none. */
static bool
is_at_rest(const struct walk *w, const struct dir_entry *entry)
{
	if (entry->type == 0 || entry->id == DIR_ID_UNKNOWN)
		return false;
	return S_ISDIR(entry->type) ? !is_on_way(w->v, w->astray, entry->id) :
	    !S_ISREG(entry->type) || !intent_was_dirty(w->v->intent, entry->id);
}

static void walk_directory(struct walk *w, struct node *node);

static void
walk_node(struct walk *w, struct node *node)
{
	if (S_ISREG(node->mode))
		walk_file(w, node);
	else if (S_ISDIR(node->mode) && is_on_way(w->v, w->astray, node_key(node)))
		walk_directory(w, node);
}

static void
walk_name(struct walk *w, struct node *dir, const char *name)
{
	struct node *node;
	struct stat st;
	int rc;

	if ((rc = names_lookup(w->v, dir, name, &node, &st)) == 0) {
		walk_node(w, node);
		nodes_put(w->v, node);
	} else if (rc != -ENOENT) {
		w->complete = false;
	}
}

/* All names in a directory that may have been in the midst of a change; of others, those that lead on. */
static void
walk_directory(struct walk *w, struct node *node)
{
	bool dirty = intent_was_dirty(w->v->intent, node_key(node));
	struct dir_entry entry;
	uint64_t offset = 2;
	struct dir *dir;

	if (dir_open(w->v, node, &dir) != 0) {
		w->complete = false;
		return;
	}
	while (!stopped(w) && dir_read(w->v, dir, offset, &entry, !dirty) > 0) {
		offset = entry.next;
		progress(w);
		if (dirty || !is_at_rest(w, &entry))
			walk_name(w, node, entry.name);
	}
	dir_close(w->v, dir);
	if (!stopped(w))
		digest_names(w, node);
}

/* Does a tags file of this name belong to nobody? */
static bool
is_orphan(struct walk *w, const char *name)
{
	uint64_t id;

	if (tagfile_parse(name, &id) != 0 || id >= w->v->first_id || !intent_was_dirty(w->v->intent, id))
		return false;
	/* One that needs no tags file may have come to need one since. */
	return seen_find(w, id) == NULL;
}

static void
orphans_below(struct walk *w, struct member *m, const char *fan)
{
	struct listing listing;
	replica_handle dir;
	uint64_t id;
	size_t i;

	if (m->r->ops->dir_open(m->r, m->tags, fan, &dir) != 0)
		return;
	if (listing_read(m->r, dir, &listing) == 0) {
		for (i = 0; i < listing.count; i++) {
			if (is_orphan(w, listing.names[i]) && tagfile_parse(listing.names[i], &id) == 0 &&
			    tagfile_remove(m->r, m->tags, id) == 0)
				log_debug("tags of file %" PRIu64 ", which was removed, are removed from replica %s", id, m->r->path);
		}
		listing_free(&listing);
	}
	m->r->ops->dir_close(m->r, dir);
}

/* Tags files of what was removed or emptied a moment before the stop. */
static void
remove_orphans(struct walk *w)
{
	struct listing fans;
	struct member *m;
	size_t i;

	for_each_member(w->v, m) {
		if (m->tags == REPLICA_NONE || listing_read(m->r, m->tags, &fans) != 0)
			continue;
		for (i = 0; i < fans.count && !stopped(w); i++)
			orphans_below(w, m, fans.names[i]);
		listing_free(&fans);
	}
}

void
walk_note(struct volume *v, struct node *node)
{
	struct node **grown;
	size_t room;

	if (!atomic_load(&v->reconciling) || !(S_ISREG(node->mode) ? intent_was_dirty(v->intent, node_key(node)) :
	    S_ISDIR(node->mode) && is_on_way(v, intent_astray(v->intent), node_key(node))))
		return;
	nodes_hold(v, node);
	pthread_mutex_lock(&v->walk_lock);
	if (v->walk_moved_count == v->walk_moved_room && v->walk_moved_room < MOVED_MAX) {
		room = v->walk_moved_room == 0 ? 64 : 2 * v->walk_moved_room;
		if ((grown = reallocarray(v->walk_moved, room, sizeof(struct node *))) != NULL) {
			v->walk_moved = grown;
			v->walk_moved_room = room;
		}
	}
	if (v->walk_moved_count < v->walk_moved_room) {
		v->walk_moved[v->walk_moved_count++] = node;
		node = NULL;
	} else {
		atomic_store(&v->walk_lost, true);
	}
	pthread_mutex_unlock(&v->walk_lock);
	if (node != NULL)
		nodes_put(v, node);
}

static struct node *
take_moved(struct volume *v)
{
	struct node *node;

	pthread_mutex_lock(&v->walk_lock);
	node = v->walk_moved_count == 0 ? NULL : v->walk_moved[--v->walk_moved_count];
	pthread_mutex_unlock(&v->walk_lock);
	return node;
}

/* From the top, and then what has moved meanwhile: it may have been passed over in both places. */
static void
walk_all(struct walk *w)
{
	struct volume *v = w->v;
	struct node *node;

	w->complete = true;
	walk_directory(w, v->root);
	while ((node = take_moved(v)) != NULL) {
		if (!stopped(w))
			walk_node(w, node);
		nodes_put(v, node);
	}
	w->complete = w->complete && !atomic_load(&v->walk_lost);
	/* Only who has seen all files can tell whose tags are nobody's: else fsck.mendfs removes them. */
	if (w->astray && w->complete && !atomic_load(&v->walk_gone) && !stopped(w))
		remove_orphans(w);
}

static void *
walk_run(void *arg)
{
	struct volume *v = arg;
	struct walk w = { .v = v, .astray = intent_astray(v->intent), .reported_ms = clock_monotonic_ms() };

	(void)guard_always(true);
	if (hashmap_init(&w.seen) != 0) {
		atomic_store(&v->reconciling, false);
		return NULL;
	}
	log_info("the volume was not unmounted cleanly: looking for what was being changed in %" PRIu64 " regions of 1024 files%s",
	    intent_any(v->intent), w.astray ? ", in the whole tree" : "");
	walk_all(&w);
	/* Durable first: then nothing tells any more where it might be torn. */
	if (stopped(&w)) {
		;
	} else if (w.complete && volume_sync(v) == 0) {
		intent_settle_all(v->intent);
		log_info("all that was being changed is reconciled: %" PRIu64 " names looked at, %" PRIu64 " files gone through",
		    w.names, w.files);
		events_emit(v, &(struct event){ .kind = EVENT_RECONCILED });
	} else {
		log_warning("some files could not be reconciled (see above); run fsck.mendfs when the volume is unmounted");
	}
	settle_forget(v);
	hashmap_each(&w.seen, seen_free, NULL);
	hashmap_free(&w.seen);
	atomic_store(&v->reconciling, false);
	return NULL;
}

int
walk_start(struct volume *v)
{
	int rc;

	atomic_store(&v->reconciling, true);
	rc = pthread_create(&v->walker, NULL, walk_run, v);
	v->walker_runs = rc == 0;
	return -rc;
}

void
walk_stop(struct volume *v)
{
	if (!v->walker_runs)
		return;
	atomic_store(&v->walker_stop, true);
	pthread_join(v->walker, NULL);
	v->walker_runs = false;
	free(v->walk_moved);
	v->walk_moved = NULL;
	v->walk_moved_count = v->walk_moved_room = 0;
}
