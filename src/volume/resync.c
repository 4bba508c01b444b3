#include "volume/resync.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "format/roster.h"
#include "replica/guard.h"
#include "util/clock.h"
#include "util/log.h"
#include "volume/away.h"
#include "volume/enroll.h"
#include "volume/events.h"
#include "volume/files.h"
#include "volume/load.h"
#include "volume/members.h"
#include "volume/missed.h"
#include "volume/nodes.h"
#include "volume/resync_private.h"
#include "volume/room.h"

#define WAIT_MS 200			/* between looks for a member that is back */
#define PROGRESS_MS 10000		/* between two lines in the log */
#define LAST_NODES 64			/* so few, done in so short a time: the rest with changes held up */
#define LAST_MS 500
#define ROUNDS_MAX 20			/* who changes faster than this catches up is held up all the same, */
#define PAUSE_MS 10000			/* and before, if rounds get no shorter: at once if it is for no longer than this, */
#define STUCK_MAX 3			/* else when so many got no shorter */
#define TRIES_MAX 60			/* and after so many there must be something wrong */
#define WALKS_MAX 3			/* what changes meanwhile may want another walk: after so many it waits for the next */
#define HELD_MAX 3			/* and one such should do */
#define STRAYED_MAX 64			/* nodes in a row not found where they should be: look everywhere */

bool
resync_stopped(const struct resync *r)
{
	return atomic_load(&r->v->keeper_stop) || members_in_sync(r->v) == 0 || member_removed(r->m);
}

void
resync_lock(struct resync *r)
{
	if (!r->exclusive)
		pthread_rwlock_rdlock(&r->v->tree);
}

void
resync_unlock(struct resync *r)
{
	if (!r->exclusive)
		pthread_rwlock_unlock(&r->v->tree);
}

/* The first entry of ${id}, or the number of all. */
static size_t
entry_find(const struct pending *p, uint64_t id)
{
	size_t low = 0, high = p->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (p->entries[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < p->count && p->entries[low].id == id ? low : p->count;
}

static struct node *entry_node(struct resync *r, const struct pending *p, uint64_t id, unsigned depth);

/* The node of one entry, which is known by that name from then on; with a reference, or NULL. */
static struct node *
entry_load(struct resync *r, const struct pending *p, const struct pending_entry *e, unsigned depth)
{
	struct node *dir, *node = NULL;

	if (e->id == VOLUME_ROOT_ID) {
		nodes_hold(r->v, r->v->root);
		return r->v->root;
	}
	if (e->parent == 0 || depth > PATH_MAX || (dir = entry_node(r, p, e->parent, depth + 1)) == NULL)
		return NULL;
	if (!S_ISDIR(dir->mode) || dir->nlink == 0 || load_name(r->v, dir, e->name, &node) != 0)
		node = NULL;
	nodes_put(r->v, dir);
	if (node != NULL && node_key(node) != e->id) {
		nodes_put(r->v, node);
		node = NULL;
	}
	return node;
}

/* The same for a directory on the way. */
static struct node *
entry_node(struct resync *r, const struct pending *p, uint64_t id, unsigned depth)
{
	static const struct pending_entry top = { .id = VOLUME_ROOT_ID };
	struct node *node;
	size_t i;

	if (id == VOLUME_ROOT_ID)
		return entry_load(r, p, &top, depth);
	if ((node = nodes_get(r->v, id)) != NULL)
		return node;
	return (i = entry_find(p, id)) < p->count ? entry_load(r, p, &p->entries[i], depth) : NULL;
}

static int
by_id(const void *a, const void *b)
{
	const struct pending_entry *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* What a log of an earlier mount says is noted as if it had happened in this one. */
static void
entries_note(struct resync *r)
{
	struct lack *lack = &r->m->lack;
	struct pending p;
	struct node *node;
	size_t i;

	pthread_mutex_lock(&r->v->missed_lock);
	p = lack->pending;
	memset(&lack->pending, 0, sizeof(lack->pending));
	lack->loaded = false;
	pthread_mutex_unlock(&r->v->missed_lock);
	if (p.count > 1)
		qsort(p.entries, p.count, sizeof(*p.entries), by_id);
	for (i = 0; i < p.count && !resync_stopped(r); i++) {
		if (!p.entries[i].missed && !p.entries[i].suspect)
			continue;
		resync_lock(r);
		node = entry_load(r, &p, &p.entries[i], 0);
		resync_unlock(r);
		/* Not there any more: the log is not what it should be. */
		if (node == NULL)
			break;
		missed_again(r->v, r->m, node);
		nodes_put(r->v, node);
	}
	if (i < p.count)
		missed_walk(r->v, r->m, true);
	pending_free(&p);
}

struct at_depth { struct node *node; unsigned depth; };

static int
by_depth(const void *a, const void *b)
{
	const struct at_depth *x = a, *y = b;

	return x->depth < y->depth ? -1 : x->depth > y->depth;
}

static unsigned
depth_of(struct volume *v, const struct node *node)
{
	unsigned depth = 0;

	pthread_mutex_lock(&v->nodes_lock);
	for (; node != v->root && node->links != NULL; node = node->links->dir)
		depth++;
	pthread_mutex_unlock(&v->nodes_lock);
	return depth;
}

/* It is not where it should be on the member: what leads there is to be looked at first. */
static int
strayed(struct resync *r, struct node *node)
{
	struct node *dir = NULL;

	resync_lock(r);
	if (node->nlink > 0) {
		pthread_mutex_lock(&r->v->nodes_lock);
		dir = node->links != NULL ? node->links->dir : NULL;
		if (dir != NULL)
			dir->refs++;
		pthread_mutex_unlock(&r->v->nodes_lock);
		missed_again(r->v, r->m, node);
	}
	if (dir != NULL) {
		missed_again(r->v, r->m, dir);
		nodes_put(r->v, dir);
	}
	resync_unlock(r);
	if (++r->strayed > STRAYED_MAX)
		missed_walk(r->v, r->m, true);
	return 0;
}

static int
note_dir(struct resync *r, struct node *dir, bool park)
{
	replica_handle handle;
	int rc;

	resync_lock(r);
	rc = dir->nlink == 0 ? 1 : resync_open(r, dir, &handle);
	resync_unlock(r);
	if (rc > 0)
		return 0;
	/* To be put away: what is not there yet has nothing to be put away. */
	if (rc == -ENOENT)
		return park ? 0 : strayed(r, dir);
	if (rc == 0) {
		rc = resync_names(r, dir, handle, park);
		listing_close(r->m->r, handle);
	}
	return rc;
}

/* A file by one of its names. */
static int
note_file(struct resync *r, struct node *node)
{
	const struct link *link;
	replica_handle handle;
	struct node *dir = NULL;
	char *name = NULL;
	bool unknown;
	int rc = 1;

	resync_lock(r);
	pthread_mutex_lock(&r->v->nodes_lock);
	/* It has a name, but none that anybody has looked up: a walk does. */
	unknown = node->nlink > 0 && node->links == NULL;
	if (node->nlink > 0 && (link = node->links) != NULL) {
		dir = link->dir;
		dir->refs++;
		name = strdup(link->name);
	}
	pthread_mutex_unlock(&r->v->nodes_lock);
	if (dir != NULL && name != NULL)
		rc = resync_open(r, dir, &handle);
	resync_unlock(r);
	if (unknown)
		missed_walk(r->v, r->m, true);
	if (rc == 0) {
		rc = resync_file(r, node, handle, name, false);
		listing_close(r->m->r, handle);
	}
	if (rc == -ENOENT || rc == -ESTALE)
		rc = strayed(r, node);
	else if (rc == 0)
		r->strayed = 0;
	if (dir != NULL)
		nodes_put(r->v, dir);
	free(name);
	return rc > 0 ? 0 : rc;
}

/* Directories from the top down, first what does not belong, then what does; then files. */
static int
round_nodes(struct resync *r, struct at_depth *nodes, size_t count)
{
	size_t dirs = 0, i;
	int rc = 0;

	while (dirs < count && S_ISDIR(nodes[dirs].node->mode))
		dirs++;
	for (i = 0; rc == 0 && i < dirs; i++)
		rc = note_dir(r, nodes[i].node, true);
	for (i = 0; rc == 0 && i < count; i++) {
		if (resync_stopped(r))
			return -ECANCELED;
		/* Files that were made with their directories are done by now, and found so. */
		if (i == dirs && (rc = resync_seal(r)) != 0)
			break;
		rc = i < dirs ? note_dir(r, nodes[i].node, false) : note_file(r, nodes[i].node);
		atomic_fetch_add(&r->m->resync_done, 1);
	}
	return rc == 0 ? resync_seal(r) : rc;
}

/* What is noted by now; ${*did}: how many nodes. */
static int
round_noted(struct resync *r, size_t *did)
{
	struct at_depth *order = NULL;
	struct node **nodes;
	size_t count, i;
	int rc;

	if ((rc = missed_take(r->v, r->m, &nodes, &count)) != 0)
		return rc;
	*did = count;
	atomic_fetch_add(&r->m->resync_total, count);
	if (count > 0 && (order = malloc(count * sizeof(*order))) == NULL)
		rc = -ENOMEM;
	for (i = 0; rc == 0 && i < count; i++) {
		order[i].node = nodes[i];
		order[i].depth = S_ISDIR(nodes[i]->mode) ? depth_of(r->v, nodes[i]) : UINT32_MAX;
	}
	if (rc == 0 && count > 0) {
		qsort(order, count, sizeof(*order), by_depth);
		rc = round_nodes(r, order, count);
	}
	for (i = 0; i < count; i++) {
		/* Not come to, or in the midst of it: next time. */
		if (rc != 0)
			missed_again(r->v, r->m, nodes[i]);
		nodes_put(r->v, nodes[i]);
	}
	free(order);
	free(nodes);
	return rc;
}

/* How many files and directories there are: what the disks of the others say. */
static uint64_t
count_files(struct volume *v)
{
	struct statvfs st;
	struct member *m;

	for_each_member(v, m) {
		if (m->r->ops->statfs(m->r, &st) == 0 && st.f_files > st.f_ffree)
			return st.f_files - st.f_ffree;
	}
	return 0;
}

/* The whole tree: first put away what does not belong anywhere, then go through all. */
static int
round_walk(struct resync *r)
{
	int rc;

	missed_walk(r->v, r->m, false);
	atomic_store(&r->m->resync_total, count_files(r->v));
	atomic_store(&r->m->resync_done, 0);
	atomic_store(&r->m->resync_walks, true);
	r->walk = r->deep = true;
	r->walks++;
	if ((rc = resync_names(r, r->v->root, REPLICA_ROOT, true)) == 0)
		rc = resync_names(r, r->v->root, REPLICA_ROOT, false);
	r->walk = r->deep = false;
	if (rc == 0 && resync_stopped(r))
		rc = -ECANCELED;
	if (rc == 0)
		rc = resync_seal(r);
	if (rc != 0)
		missed_walk(r->v, r->m, true);
	atomic_store(&r->m->resync_total, atomic_load(&r->m->resync_done));
	atomic_store(&r->m->resync_walks, false);
	return rc;
}

static bool
wants_walk(struct resync *r)
{
	bool walk;

	pthread_mutex_lock(&r->v->missed_lock);
	walk = r->m->lack.walk;
	pthread_mutex_unlock(&r->v->missed_lock);
	return walk;
}

/* A walk is wanted that nobody has to wait for. */
static bool
walks_now(struct resync *r)
{
	return r->walks < WALKS_MAX && wants_walk(r);
}

/* Whatever is open is open on this member too, before anybody writes to it there. */
static int
open_files(struct resync *r)
{
	struct node *node = NULL;
	int rc = 0;

	while (rc == 0 && (node = nodes_next(r->v, node)) != NULL) {
		if (!S_ISREG(node->mode) || (node->file == NULL && node->pins == NULL))
			continue;
		pthread_rwlock_wrlock(&node->lock);
		if (node->nlink == 0)
			rc = resync_nameless(r, node);
		else if (node->file != NULL)
			rc = files_open_one(r->v, node, r->m, files_writable(node->file));
		pthread_rwlock_unlock(&node->lock);
		/* Its name is being noted by somebody else just now, or it lost its last one. */
		if (rc == -ESTALE || rc == -ENOENT)
			rc = node->links == NULL ? 0 : strayed(r, node);
	}
	if (node != NULL)
		nodes_put(r->v, node);
	return rc;
}

/*
 * It does not join yet: what was opened there may be something else by the
 * next time.  Tree lock, exclusively: who uses any of it is about to be done.
 */
static void
close_all(struct resync *r)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (!away_close_files(r->v, r->m) || !away_close_directories(r->v, r->m))
		(void)nanosleep(&pause, NULL);
}

/* Whatever is noted, while nothing else happens.  -EAGAIN: a walk is wanted, for which nobody has to wait yet. */
static int
catch_up(struct resync *r)
{
	size_t did = 1;
	int rc = 0;

	while (rc == 0 && (did > 0 || wants_walk(r))) {
		if (!wants_walk(r))
			rc = round_noted(r, &did);
		else if (walks_now(r))
			rc = -EAGAIN;
		else
			rc = r->walks < WALKS_MAX + HELD_MAX ? round_walk(r) : -EBUSY;
	}
	return rc;
}

/* The rest, while nothing else happens; then it is in sync. */
static int
join_exclusively(struct resync *r)
{
	int rc;

	for (;;) {
		do {
			if ((rc = catch_up(r)) != 0 || (rc = resync_purge(r)) != 0)
				return rc;
		} while (wants_walk(r));
		if ((rc = resync_orphans(r)) != 0 || (rc = open_files(r)) != 0 || (rc = r->m->r->ops->sync(r->m->r)) != 0)
			return rc;
		if ((rc = members_join(r->v, r->m)) != -EAGAIN)
			return rc;
		close_all(r);
	}
}

static int
try_join(struct resync *r)
{
	int rc;

	/* As much as can be done before. */
	if ((rc = r->m->r->ops->sync(r->m->r)) != 0)
		return rc;
	members_hold(r->v, true);
	pthread_rwlock_wrlock(&r->v->tree);
	r->exclusive = true;
	rc = join_exclusively(r);
	r->exclusive = false;
	if (rc != 0)
		close_all(r);
	pthread_rwlock_unlock(&r->v->tree);
	members_hold(r->v, false);
	return rc;
}

/* What one round did: how many nodes, SIZE_MAX if it was a walk, and how long that took. */
struct round { size_t did; uint64_t ms; };

static int
round_next(struct resync *r, struct round *round)
{
	uint64_t began = clock_monotonic_ms();
	int rc;

	round->did = SIZE_MAX;
	rc = walks_now(r) ? round_walk(r) : round_noted(r, &round->did);
	round->ms = clock_monotonic_ms() - began;
	return rc;
}

/*
 * Is another round of use before the one that all wait for?  What changes while
 * a round goes on is the next one's: as long as rounds get shorter, so does that
 * last one.  Once they don't, for as much changes as is brought, it will take
 * about as long as the round before, now or after any number of others.
 * ${*stuck} counts those; where all would wait for long it takes some to be sure.
 */
static bool
another(const struct round *before, const struct round *now, unsigned *stuck)
{
	if (*stuck >= STUCK_MAX || now->did == 0 || (now->did <= LAST_NODES && now->ms <= LAST_MS))
		return false;
	if (now->did == SIZE_MAX || now->did < before->did / 4 * 3 || now->ms < before->ms / 4 * 3)
		return true;
	return ++*stuck < STUCK_MAX && now->ms > PAUSE_MS;
}

static int
rounds(struct resync *r)
{
	struct round now = { .did = SIZE_MAX, .ms = UINT64_MAX }, before;
	unsigned count, stuck = 0;
	int rc;

	if (r->m->lack.loaded)
		entries_note(r);
	for (count = 0; count < TRIES_MAX; count++) {
		before = now;
		if ((rc = round_next(r, &now)) != 0)
			return rc;
		if (walks_now(r) || (count < ROUNDS_MAX && another(&before, &now, &stuck)))
			continue;
		if ((rc = try_join(r)) != -EAGAIN)
			return rc;
	}
	return -EBUSY;
}

static void
resync_free(struct resync *r)
{
	resync_seal_drop(r);
	if (r->staging != REPLICA_NONE)
		r->m->r->ops->dir_close(r->m->r, r->staging);
	resync_parked_free(r);
	resync_links_free(r);
	resync_keep_free(r);
	resync_ours_free(r);
	free(r->data);
	free(r->theirs);
	free(r);
}

static int
resync_new(struct volume *v, struct member *m, struct resync **out)
{
	struct resync *r;
	int rc;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return -ENOMEM;
	r->v = v;
	r->m = m;
	r->staging = REPLICA_NONE;
	r->keep = roster_given_up(&m->label);
	r->data = malloc((size_t)TAGPAGE_TAGS * BLOCK);
	r->theirs = malloc((size_t)TAGPAGE_TAGS * BLOCK);
	rc = r->data == NULL || r->theirs == NULL ? -ENOMEM : resync_parked_new(r);
	if (rc == 0)
		rc = resync_links_new(r);
	if (rc == 0)
		rc = hashmap_init(&r->ours);
	if (rc == 0)
		rc = hashmap_init(&r->origins);
	if (rc == 0)
		rc = resync_staging(r);
	if (rc != 0) {
		resync_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

static void
done(struct volume *v, struct resync *r, uint64_t started)
{
	struct member *m = r->m;

	log_info("%s: in sync again after %" PRIu64 " ms: %" PRIu64 " files and directories looked at, %" PRIu64 " changed, %" PRIu64
	    " renamed, %" PRIu64 " removed; %" PRIu64 " bytes of data and %" PRIu64 " of tags written, %" PRIu64 " compared%s",
	    m->r->path, clock_monotonic_ms() - started, atomic_load(&m->resync_done), r->changed, r->renamed, r->removed,
	    r->written, r->tags, r->compared, r->lost > 0 ? "; some could not be proved (see fsck.mendfs)" : "");
	events_emit(v, &(struct event){ .kind = EVENT_RESYNC_DONE, .replica = m->r->path,
	    .detail = r->lost > 0 ? "some files could not be proved; see fsck.mendfs" : NULL });
	m->wait_ms = 0;
	atomic_store(&m->wants_room, false);
	resync_staging_remove(r);
	if (members_in_sync(v) >= v->min_replicas && atomic_exchange(&v->read_only, false))
		log_info("enough replicas are in sync: the volume can be written to again");
	missed_save(v, 0);
}

static void
resync_member(struct volume *v, struct member *m)
{
	uint64_t started = clock_monotonic_ms();
	struct resync *r = NULL;
	int rc;

	if (!member_turn(m, MEMBER_BACK, MEMBER_RESYNCING))
		return;
	atomic_store(&v->resyncing, m);
	atomic_store(&m->resync_done, 0);
	atomic_store(&m->resync_total, 0);
	if (!atomic_load(&m->wants_room))
		log_info("%s: bringing it up to date%s", m->r->path,
		    m->lack.everything ? ": everything is compared, for nothing is known of what it misses" :
		    m->lack.walk ? ": all names and records are compared" : "");
	if ((rc = resync_new(v, m, &r)) == 0)
		rc = rounds(r);
	/* What is there needs no second time: without its record it would be somebody else's. */
	if (r != NULL && room_lacks(rc))
		(void)resync_seal(r);
	if (rc == 0) {
		done(v, r, started);
	} else if (atomic_load(&v->keeper_stop)) {
		member_turn(m, MEMBER_RESYNCING, MEMBER_BACK);
	} else if (!member_in_sync(m)) {
		/* Lost already, if joining was the last that failed: but it is not to try again at once. */
		away_lost(v, m, rc);
	}
	if (r != NULL)
		resync_free(r);
	atomic_store(&v->resyncing, NULL);
	if (rc == 0)
		enroll_joined(v, m);
}

static void *
resync_run(void *arg)
{
	struct volume *v = arg;
	struct member *m;

	(void)guard_always(true);
	while (!atomic_load(&v->keeper_stop)) {
		for (m = v->members; m < v->members + v->member_count && !atomic_load(&v->keeper_stop); m++) {
			/* What our own crash may have torn comes first: it may end in either version. */
			if (atomic_load(&m->state) == MEMBER_BACK && members_in_sync(v) > 0 && !atomic_load(&v->reconciling))
				resync_member(v, m);
		}
		away_pause(v, WAIT_MS);
	}
	return NULL;
}

int
resync_start(struct volume *v)
{
	int rc = pthread_create(&v->resyncer, NULL, resync_run, v);

	v->resyncer_runs = rc == 0;
	return -rc;
}

void
resync_stop(struct volume *v)
{
	if (!v->resyncer_runs)
		return;
	away_end(v);
	pthread_join(v->resyncer, NULL);
	v->resyncer_runs = false;
}
