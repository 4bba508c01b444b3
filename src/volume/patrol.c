#include <errno.h>

#include "util/clock.h"
#include "util/log.h"
#include "volume/blocks.h"
#include "volume/file.h"
#include "volume/files.h"
#include "volume/handles.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/pages.h"
#include "volume/patrol.h"
#include "volume/records.h"
#include "volume/torn.h"

#define QUEUE_MAX 16384			/* files; those that find no place are met when they are used again */
#define ROUND_MS 40			/* one round of the flusher works this long, at most, */
#define ROUND_BYTES (8u << 20)		/* and proves so much of each member; */
#define TURN_BYTES FILE_IO_MAX		/* so much of one file, whose lock is held, before another has its turn */
#define FINISH_MS 5000			/* before a clean unmount the queue has this long */

bool
patrol_sealed(const struct node *node, const struct stat *st)
{
	return (uint64_t)st->st_size == node->size && st->st_mtim.tv_sec == node->mtime.tv_sec &&
	    st->st_mtim.tv_nsec == node->mtime.tv_nsec;
}

/*
 * Prove ${count} blocks on all members, with the pages of their tags.  Of a
 * dirty file pages on disk may be old; they are mended from each other even
 * so, for the store that is to come writes the new ones over them.
 */
static void
prove_blocks(struct volume *v, struct node *node, uint64_t first, uint64_t count)
{
	uint64_t page, last = (first + count - 1) / TAGPAGE_TAGS;
	struct member *m;

	for (page = first / TAGPAGE_TAGS; tags_paged(node->file->tags) && page <= last; page++)
		pages_prove(v, node, node->file, page);
	for_each_member(v, m)
		blocks_prove(v, node, m, first, count);
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool
seal_broken(struct volume *v, struct node *node, struct member *m)
{
	struct handles_place place;
	struct stat st;
	int rc;

	if ((rc = handles_at(v, m, node, &place)) == 0) {
		rc = m->r->ops->stat(m->r, place.at, &st);
		handles_at_done(v, &place);
	}
	if (rc == 0)
		return !patrol_sealed(node, &st);
	/* What cannot be asked any more is no other writer's doing. */
	return members_settle(v, m, rc, "looking at a file") <= 0;
}

/* Where a patrol begins: the records, and the seals, for a copy that was written behind our back shows there. */
static void
look(struct volume *v, struct node *node)
{
	char path[NODES_PATH_MAX];
	struct member *m;
	bool broken = false;

	records_prove(v, node);
	/* It is being mended already. */
	if (node->patrol_seal)
		return;
	for_each_member(v, m) {
		if (!seal_broken(v, node, m))
			continue;
		broken = true;
		log_warning("%s: was written on replica %s by something else than mendfs; proving all of it",
		    nodes_path(v, node, path, sizeof(path)), m->r->path);
	}
	if (broken)
		files_mend_lengths(v, node);
	node->patrol_seal = broken;
}

/*
 * Prove the file's copies on all members from where its patrol stands, at most
 * ${*bytes} of each, which are counted down; true when it has come round.
 */
static bool
prove(struct volume *v, struct node *node, uint64_t *bytes)
{
	uint64_t blocks = (node->size + BLOCK - 1) / BLOCK, end, count;

	/* A dirty file's record and seal are written anew on all members. */
	if (!node->patrol_wrapped && node->patrol_next == node->patrol_stop && !node->dirty)
		look(v, node);
	for (;;) {
		end = node->patrol_wrapped ? least(node->patrol_stop, blocks) : blocks;
		if (node->patrol_next >= end && node->patrol_wrapped)
			return true;
		if (node->patrol_next >= end) {
			node->patrol_wrapped = true;
			node->patrol_next = 0;
			continue;
		}
		if (*bytes == 0)
			return false;
		count = least(FILE_IO_MAX / BLOCK, end - node->patrol_next);
		prove_blocks(v, node, node->patrol_next, count);
		node->patrol_next += count;
		*bytes -= least(count * BLOCK, *bytes);
	}
}

static void
enqueue(struct volume *v, struct node *node)
{
	pthread_mutex_lock(&v->dirty_lock);
	if (!list_linked(&node->patrol_link) && v->patrol_count < QUEUE_MAX) {
		nodes_hold(v, node);
		list_append(&v->patrol, &node->patrol_link);
		v->patrol_count++;
	}
	pthread_mutex_unlock(&v->dirty_lock);
}

static struct node *
dequeue(struct volume *v)
{
	struct node *node = NULL;

	pthread_mutex_lock(&v->dirty_lock);
	if (list_linked(&v->patrol)) {
		node = list_entry(v->patrol.next, struct node, patrol_link);
		list_remove(&node->patrol_link);
		v->patrol_count--;
	}
	pthread_mutex_unlock(&v->dirty_lock);
	return node;
}

void
patrol_leave(struct volume *v, struct node *node)
{
	bool linked;

	pthread_mutex_lock(&v->dirty_lock);
	if ((linked = list_linked(&node->patrol_link))) {
		list_remove(&node->patrol_link);
		v->patrol_count--;
	}
	pthread_mutex_unlock(&v->dirty_lock);
	if (linked)
		nodes_put(v, node);
}

/* From here on, whatever was proved of it before: each block once more. */
static void
begin(struct node *node)
{
	node->patrol_stop = node->patrol_next;
	node->patrol_wrapped = false;
}

void
patrol_queue(struct volume *v, struct node *node)
{
	if (v->no_writes || members_in_sync(v) < 2)
		return;
	node->file->patrolled_ms = clock_monotonic_ms();
	begin(node);
	enqueue(v, node);
}

void
patrol_again(struct volume *v, struct node *node)
{
	if (clock_monotonic_ms() - node->file->patrolled_ms >= PATROL_AGAIN_MS)
		patrol_queue(v, node);
}

/* The seals of proved copies again, where somebody had broken them; the file is open on all members. */
static void
seal_again(struct volume *v, struct node *node)
{
	const struct replica_times seal = { .atime.tv_nsec = UTIME_OMIT, .mtime = node->mtime };
	struct replica_at at = { .name = NULL };
	struct member *m;
	struct stat st;

	for_each_member(v, m) {
		at.handle = node->file->handle[m->index];
		/* While dirty, the next store seals. */
		if (!node->dirty && (m->r->ops->stat(m->r, at, &st) != 0 || !patrol_sealed(node, &st)))
			members_settle(v, m, m->r->ops->store(m->r, at, &seal, NULL, 0), "sealing a file");
	}
	node->patrol_seal = false;
}

/* One file from the queue has its turn; returns how many bytes of it were proved on each member. */
static uint64_t
turn(struct volume *v, struct node *node, uint64_t most)
{
	uint64_t bytes = most;
	bool done = true, opened;

	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	/* What has lost its last name goes when it is closed; of a torn file the walker proves all copies. */
	if (node->nlink > 0 && !torn_now(v, node)) {
		/* One in use is not used by this: it would stay so for ever. */
		opened = node->file == NULL;
		if (!opened || files_attach(v, node) == 0) {
			if (files_open_all(v, node, false) == 0 && (done = prove(v, node, &bytes)) && node->patrol_seal)
				seal_again(v, node);
			if (opened && !node->dirty)
				files_detach(v, node);
		}
	}
	pthread_rwlock_unlock(&node->lock);
	/* With the tree lock: once its last name is gone it does not get in again. */
	if (!done)
		enqueue(v, node);
	pthread_rwlock_unlock(&v->tree);
	nodes_put(v, node);
	return most - bytes;
}

void
patrol_round(struct volume *v)
{
	uint64_t start = clock_monotonic_ms(), bytes = 0;
	struct node *node;

	while (bytes < ROUND_BYTES && clock_monotonic_ms() - start < ROUND_MS && (node = dequeue(v)) != NULL)
		bytes += turn(v, node, TURN_BYTES);
}

void
patrol_finish(struct volume *v)
{
	uint64_t start = clock_monotonic_ms();

	while (list_linked(&v->patrol) && clock_monotonic_ms() - start < FINISH_MS)
		patrol_round(v);
	patrol_drop(v);
}

void
patrol_drop(struct volume *v)
{
	struct node *node;

	while ((node = dequeue(v)) != NULL)
		nodes_put(v, node);
}
