#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/log.h"
#include "volume/file.h"
#include "volume/files.h"
#include "volume/handles.h"
#include "volume/load.h"
#include "volume/members.h"
#include "volume/missed.h"
#include "volume/nodes.h"
#include "volume/store.h"
#include "volume/pages.h"
#include "volume/room.h"
#include "volume/patrol.h"
#include "volume/status.h"
#include "volume/torn.h"

#define FLUSH_INTERVAL_MS 700	/* a record is stored within a second of the change */
#define SWEEP_INTERVAL_MS 60000	/* intent bits of regions at rest are cleared this often */
#define TRIM_AFTER 50000	/* forgotten nodes, after which memory is given back to the system */

/*
 * What carries no record: its times go to the members at once, for its ctime
 * is kept nowhere but there, that of the first member being shown.
 */
static void
store_borrowed(struct volume *v, struct node *node)
{
	const struct replica_times times = { .atime = node->atime, .mtime = node->mtime };
	struct handles_place place;
	struct member *m;
	struct stat st;
	bool shown = false;
	int rc;

	for_each_member(v, m) {
		if (node->nlink == 0 || handles_at(v, m, node, &place) != 0)
			continue;
		replica_begin_late(m->r);
		rc = m->r->ops->store(m->r, place.at, &times, NULL, 0);
		if (rc == 0 && !shown && (rc = m->r->ops->stat(m->r, place.at, &st)) == 0) {
			node->ctime = st.st_ctim;
			node->blocks = (uint64_t)st.st_blocks;
			node->blocks_stale = false;
			shown = true;
		}
		handles_at_done(v, &place);
		members_settle(v, m, rc, "storing times");
	}
}

void
store_later(struct volume *v, struct node *node)
{
	missed_note(v, node);
	if (!node_has_record(node)) {
		store_borrowed(v, node);
		return;
	}
	node->dirty = true;
	/* What has no name is gone after a crash: its record is stored for fsync only. */
	if (node->nlink == 0)
		return;
	pthread_mutex_lock(&v->dirty_lock);
	if (!list_linked(&node->dirty_link)) {
		nodes_hold(v, node);
		list_append(&v->dirty, &node->dirty_link);
		if (++v->dirty_count == VOLUME_DIRTY_MAX)
			pthread_cond_signal(&v->flusher_wake);
	}
	pthread_mutex_unlock(&v->dirty_lock);
}

void
store_leave(struct volume *v, struct node *node)
{
	bool linked;

	pthread_mutex_lock(&v->dirty_lock);
	if ((linked = list_linked(&node->dirty_link))) {
		list_remove(&node->dirty_link);
		v->dirty_count--;
	}
	pthread_mutex_unlock(&v->dirty_lock);
	if (linked)
		nodes_put(v, node);
}

int
store_encode(struct volume *v, const struct node *node, struct record *record, uint8_t *out)
{
	record->id = node_key(node);
	record->mtime = node->mtime;
	record->ctime = node->ctime;
	record->meta = node->meta;
	if (S_ISDIR(node->mode)) {
		record->kind = RECORD_DIRECTORY;
		record->size = 0;
		record->tag_count = 0;
		record->tags = NULL;
		memcpy(record->sum, node->names, DIGEST_SIZE);
	} else {
		record->size = node->size;
	}
	return record_encode(&v->digest, record, out, RECORD_SIZE_MAX);
}

/* On one that is far away it is on its way when this returns; replica_finish. */
static int
record_put(struct volume *v, struct member *m, struct node *node, const struct replica_times *times,
    const uint8_t *data, size_t len)
{
	struct handles_place place;
	int rc;

	if ((rc = handles_at(v, m, node, &place)) != 0)
		return rc;
	room_begin_late(m);
	rc = m->r->ops->store(m->r, place.at, times, data, len);
	handles_at_done(v, &place);
	return rc;
}

/* Put times, if the node is to be sealed, and an encoded record, if there is one, on all members. */
static int
record_fan_out(struct volume *v, struct node *node, bool seal, const uint8_t *data, size_t len)
{
	const struct timespec omit = { .tv_nsec = UTIME_OMIT };
	const struct replica_times times = {
		.atime = seal && node->atime_set ? node->atime : omit,
		.mtime = seal ? node->mtime : omit
	};
	struct member *m;
	unsigned stored = 0;
	int rc;

	for_each_member(v, m) {
		rc = record_put(v, m, node, &times, data, len);
		/* Taken away behind our back: it is put there again. */
		if ((rc == -ENOENT || rc == -ENOTDIR) && load_mend_node(v, node) == 0)
			rc = record_put(v, m, node, &times, data, len);
		if ((rc = members_settle(v, m, rc, "storing a record")) < 0)
			return rc;
		stored += rc == 0;
	}
	return stored > 0 ? 0 : -EIO;
}

int
store_times(struct volume *v, struct node *node)
{
	return record_fan_out(v, node, true, NULL, 0);
}

/* Tags of a file, open or not; a closed one's are read from its record. */
static int
tags_of(struct volume *v, struct node *node, struct file **file, bool *borrowed)
{
	*borrowed = node->file == NULL;
	*file = node->file;
	return *borrowed ? files_load(v, node, file) : 0;
}

/* The changed pages of the tags file, and the record. */
static int
store_tags(struct volume *v, struct node *node, bool seal, struct pages_context *context, struct record *record)
{
	uint8_t data[RECORD_SIZE_MAX];
	int rc, len;

	if ((rc = tags_each_dirty(context->file->tags, node_key(node), pages_write, context)) != 0)
		return rc;
	tags_fill_record(context->file->tags, (node->size + BLOCK - 1) / BLOCK, record);
	if ((len = store_encode(v, node, record, data)) < 0)
		return len;
	if ((rc = record_fan_out(v, node, seal, data, (size_t)len)) == 0 && node->torn != NULL)
		torn_stored(node->torn, data, (size_t)len);
	return rc;
}

static int
store_file(struct volume *v, struct node *node, bool seal)
{
	struct pages_context context = { .volume = v, .node = node };
	struct record record = { .generation = node->generation + 1 };
	bool borrowed;
	int rc;

	if ((rc = tags_of(v, node, &context.file, &borrowed)) != 0)
		return rc;
	rc = store_tags(v, node, seal, &context, &record);
	if (rc == -ENOSPC && !tags_paged(context.file->tags)) {
		/* Other attributes left no room for the tags: they move out, if there is room for that. */
		if ((rc = tags_page_out(context.file->tags)) == 0 &&
		    (rc = store_tags(v, node, seal, &context, &record)) != 0)
			pages_give_up(v, node, context.file);
	}
	if (rc == 0) {
		tags_clean(context.file->tags);
		node->paged = node->paged || tags_paged(context.file->tags);
		node->generation++;
	}
	if (borrowed)
		files_unload(v, context.file);
	return rc;
}

static int
store_directory(struct volume *v, struct node *node, bool seal)
{
	struct record record = { .generation = node->generation + 1 };
	uint8_t data[RECORD_SIZE_MAX];
	int rc;

	if ((rc = store_encode(v, node, &record, data)) < 0)
		return rc;
	if ((rc = record_fan_out(v, node, seal, data, (size_t)rc)) == 0)
		node->generation++;
	return rc;
}

static int
store(struct volume *v, struct node *node, bool seal)
{
	int rc;

	if (!node->dirty)
		return 0;
	if (v->no_writes || (node->nlink == 0 && node->file == NULL)) {
		node->dirty = false;
		return 0;
	}
	if (S_ISREG(node->mode))
		rc = store_file(v, node, seal);
	else
		rc = store_directory(v, node, seal);
	if (rc == 0 && seal)
		node->dirty = node->atime_set = false;
	missed_note(v, node);
	return rc;
}

int
store_now(struct volume *v, struct node *node)
{
	return store(v, node, true);
}

int
store_unsealed(struct volume *v, struct node *node)
{
	return store(v, node, false);
}

/* Store one node taken from the dirty list, and give its reference back. */
static int
store_taken(struct volume *v, struct node *node)
{
	char path[NODES_PATH_MAX];
	int rc;

	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	rc = store_now(v, node);
	if (rc != 0) {
		log_error("%s: cannot store its record: %s; it is tried again",
		    nodes_path(v, node, path, sizeof(path)), strerror(-rc));
		store_later(v, node);
	}
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	nodes_put(v, node);
	return rc;
}

int
store_all(struct volume *v)
{
	struct node *node;
	unsigned count;
	int rc = 0, one;

	/* Only those that wait now: a node that fails goes to the end again. */
	pthread_mutex_lock(&v->dirty_lock);
	count = v->dirty_count;
	pthread_mutex_unlock(&v->dirty_lock);
	while (count-- > 0) {
		node = NULL;
		pthread_mutex_lock(&v->dirty_lock);
		if (v->dirty_count > 0) {
			node = list_entry(v->dirty.next, struct node, dirty_link);
			list_remove(&node->dirty_link);
			v->dirty_count--;
		}
		pthread_mutex_unlock(&v->dirty_lock);
		if (node == NULL)
			break;
		one = store_taken(v, node);
		if (rc == 0)
			rc = one;
	}
	return rc;
}

/* Wait for the next round, but not for long if many nodes wait; false when the volume is closed. */
static bool
flusher_wait(struct volume *v, bool last_failed)
{
	struct timespec until;
	bool go_on;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += FLUSH_INTERVAL_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&v->dirty_lock);
	if (!v->stop && (last_failed || v->dirty_count < VOLUME_DIRTY_MAX))
		pthread_cond_timedwait(&v->flusher_wake, &v->dirty_lock, &until);
	go_on = !v->stop;
	pthread_mutex_unlock(&v->dirty_lock);
	return go_on;
}

static void
give_memory_back(struct volume *v)
{
	bool many;

	pthread_mutex_lock(&v->nodes_lock);
	many = v->forgotten > TRIM_AFTER;
	if (many)
		v->forgotten = 0;
	pthread_mutex_unlock(&v->nodes_lock);
	if (many)
		malloc_trim(0);
}

void *
store_flusher(void *arg)
{
	struct volume *v = arg;
	uint64_t swept = clock_monotonic_ms();
	bool failed = false;

	while (flusher_wait(v, failed)) {
		failed = store_all(v) != 0;
		files_trim(v);
		patrol_round(v);
		give_memory_back(v);
		/* Otherwise the keeper does. */
		if (v->no_writes)
			status_sample(v);
		if (clock_monotonic_ms() - swept > SWEEP_INTERVAL_MS) {
			members_sweep(v);
			swept = clock_monotonic_ms();
		}
	}
	return NULL;
}
