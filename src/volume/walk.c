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
#define WALKS_MAX 10			/* while names change below it; then the next mount goes on */

/* A file of a dirty region that is settled. */
struct seen { struct hashmap_link by_id; bool paged; };

struct walk {
	struct volume *v;
	struct hashmap seen;
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

/* Look up all names in ${node} and below. */
static void
walk_directory(struct walk *w, struct node *node)
{
	struct dir_entry entry;
	uint64_t offset = 2;
	struct node *child;
	struct dir *dir;
	struct stat st;
	int rc;

	if (dir_open(w->v, node, &dir) != 0) {
		w->complete = false;
		return;
	}
	while (!stopped(w) && dir_read(w->v, dir, offset, &entry, false) > 0) {
		offset = entry.next;
		progress(w);
		rc = names_lookup(w->v, node, entry.name, &child, &st);
		if (rc == 0) {
			if (S_ISDIR(st.st_mode))
				walk_directory(w, child);
			else if (S_ISREG(st.st_mode))
				walk_file(w, child);
			nodes_put(w->v, child);
		} else if (rc != -ENOENT) {
			w->complete = false;
		}
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

/* The whole tree, again if something may have slipped past. */
static void
walk_all(struct walk *w)
{
	struct volume *v = w->v;
	int tries = 0;

	do {
		atomic_store(&v->walk_again, false);
		w->complete = true;
		walk_directory(w, v->root);
	} while (atomic_load(&v->walk_again) && !stopped(w) && ++tries < WALKS_MAX);
	w->complete = w->complete && !atomic_load(&v->walk_again);
	/* Had anything moved, it could be somewhere that was not looked at: fsck.mendfs removes orphans too. */
	if (w->complete && !atomic_load(&v->walk_moved) && !stopped(w))
		remove_orphans(w);
}

static void *
walk_run(void *arg)
{
	struct volume *v = arg;
	struct walk w = { .v = v, .reported_ms = clock_monotonic_ms() };

	(void)guard_always(true);
	if (hashmap_init(&w.seen) != 0) {
		atomic_store(&v->reconciling, false);
		return NULL;
	}
	log_info("the volume was not unmounted cleanly: looking for what was being changed in %" PRIu64 " regions of 1024 files",
	    intent_any(v->intent));
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
}
