#include <errno.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/stall.h"
#include "volume/blocks.h"
#include "volume/file.h"
#include "volume/files.h"
#include "volume/handles.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/pages.h"
#include "volume/patrol.h"
#include "volume/records.h"

#define QUEUE_MAX 4096			/* files; the ones that find no place are met another time */
#define ROUND_FILES 32			/* proved in one round of the flusher, at most, */
#define ROUND_BYTES (4u << 20)		/* and how much of them */
#define FINISH_MS 5000			/* before a clean unmount the queue has this long */
#define AT_ONCE_BYTES (64u << 20)	/* a broken seal: proved before close(2) returns up to this size */

bool
patrol_sealed(const struct node *node, const struct stat *st)
{
	return (uint64_t)st->st_size == node->size && st->st_mtim.tv_sec == node->mtime.tv_sec &&
	    st->st_mtim.tv_nsec == node->mtime.tv_nsec;
}

/* Prove the file's copies on all members, from block ${*next} on, at most ${bytes}; true at the end of file. */
static bool
prove(struct volume *v, struct node *node, uint64_t *next, uint64_t bytes)
{
	uint64_t blocks = (node->size + BLOCK - 1) / BLOCK, count, page;
	struct member *m;

	if (*next == 0 && !node->dirty)
		records_prove(v, node);
	for (; *next < blocks && bytes > 0; *next += count) {
		count = FILE_IO_MAX / BLOCK < blocks - *next ? FILE_IO_MAX / BLOCK : blocks - *next;
		bytes -= count * BLOCK < bytes ? count * BLOCK : bytes;
		for (page = *next / TAGPAGE_TAGS; tags_paged(node->file->tags) && page <= (*next + count - 1) / TAGPAGE_TAGS; page++)
			pages_prove(v, node, node->file, page);
		for_each_member(v, m)
			blocks_prove(v, node, m, *next, count);
	}
	return *next >= blocks;
}

static bool
seal_broken(struct volume *v, struct node *node, struct member *m)
{
	struct handles_place place;
	struct stat st;
	bool broken = false;

	if (handles_at(v, m, node, &place) != 0)
		return true;
	if (m->r->ops->stat(m->r, place.at, &st) != 0 || !patrol_sealed(node, &st))
		broken = true;
	handles_at_done(v, &place);
	return broken;
}

static void
enqueue(struct volume *v, struct node *node)
{
	if (node->file != NULL)
		node->file->patrolled_ms = clock_monotonic_ms();
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

/* The seal of a proved copy again, where somebody had broken it. */
static void
seal_again(struct volume *v, struct node *node, struct member *m)
{
	const struct replica_times seal = { .atime.tv_nsec = UTIME_OMIT, .mtime = node->mtime };
	struct handles_place place;

	if (!seal_broken(v, node, m) || handles_at(v, m, node, &place) != 0)
		return;
	members_settle(v, m, m->r->ops->store(m->r, place.at, &seal, NULL, 0), "sealing a file");
	handles_at_done(v, &place);
}

bool
patrol_broken(struct volume *v, struct node *node)
{
	struct member *m;

	if (node->dirty || v->no_writes || node->nlink == 0 || members_in_sync(v) < 2)
		return false;
	for_each_member(v, m) {
		if (seal_broken(v, node, m))
			return true;
	}
	return false;
}

void
patrol_mend(struct volume *v, struct node *node)
{
	char path[NODES_PATH_MAX];
	uint64_t next = 0;
	struct member *m;

	for_each_member(v, m) {
		if (seal_broken(v, node, m))
			log_warning("%s: was written on replica %s by something else than mendfs; proving all of it",
			    nodes_path(v, node, path, sizeof(path)), m->r->path);
	}
	stall_ahead();
	if (files_use_locked(v, node, FILES_READ_ALL) != 0)
		return;
	files_mend_lengths(v, node);
	if (prove(v, node, &next, AT_ONCE_BYTES)) {
		for_each_member(v, m)
			seal_again(v, node, m);
	} else {
		node->patrol_next = next;
		enqueue(v, node);
	}
}

void
patrol_queue(struct volume *v, struct node *node)
{
	if (v->no_writes || members_in_sync(v) < 2)
		return;
	node->patrol_next = 0;
	enqueue(v, node);
}

void
patrol_again(struct volume *v, struct node *node)
{
	if (clock_monotonic_ms() - node->file->patrolled_ms >= PATROL_AGAIN_MS)
		patrol_queue(v, node);
}

/* One file from the queue; the bytes that it took. */
static uint64_t
round_one(struct volume *v, struct node *node, uint64_t bytes)
{
	uint64_t before;
	bool done = true, opened = false;

	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	before = node->patrol_next;
	if (node->nlink > 0) {
		opened = node->file == NULL;
		if (files_attach(v, node) == 0) {
			done = files_open_all(v, node, false) != 0 || prove(v, node, &node->patrol_next, bytes);
			if (opened && !node->dirty)
				files_detach(v, node);
		}
	}
	bytes = (node->patrol_next - before) * BLOCK;
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	if (!done)
		enqueue(v, node);
	nodes_put(v, node);
	return bytes;
}

void
patrol_round(struct volume *v)
{
	uint64_t left = ROUND_BYTES, took;
	struct node *node;
	unsigned files;

	for (files = 0; files < ROUND_FILES && left > 0 && (node = dequeue(v)) != NULL; files++) {
		took = round_one(v, node, left);
		left -= took < left ? took : left;
	}
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
