#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"
#include "volume/edits.h"
#include "volume/events.h"
#include "volume/files.h"
#include "volume/handles.h"
#include "volume/load.h"
#include "volume/look.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/pages.h"
#include "volume/patrol.h"
#include "volume/records.h"
#include "volume/room.h"
#include "volume/store.h"
#include "volume/torn.h"

#define TRIM_TO 16		/* pages that a file keeps when there are too many in all */
#define FILES_MIN 64		/* files kept however few may be open */
#define EVICT_TRIES 4		/* files looked at for one that can go */

int
files_from(struct volume *v, const struct record *record, struct file **out)
{
	struct file *file;
	unsigned i;

	if ((file = calloc(1, sizeof(*file))) == NULL)
		return -ENOMEM;
	pthread_mutex_init(&file->mutex, NULL);
	for (i = 0; i < VOLUME_REPLICAS_MAX; i++)
		file->handle[i] = file->tags_handle[i] = REPLICA_NONE;
	file->edge_index = UINT64_MAX;
	atomic_init(&file->next_block, UINT64_MAX);
	if (tags_new(&v->digest, record, &file->tags) != 0) {
		files_unload(v, file);
		return -ENOMEM;
	}
	*out = file;
	return 0;
}

int
files_new(struct volume *v, struct file **file)
{
	const struct record empty = { .kind = RECORD_INLINE };

	return files_from(v, &empty, file);
}

int
files_load(struct volume *v, struct node *node, struct file **out)
{
	uint8_t data[RECORD_SIZE_MAX];
	struct record record;
	int rc;

	if (node->torn == NULL && !node->dirty && node->kept_generation == node->generation && node->kept_generation != 0) {
		record = (struct record){ .kind = RECORD_INLINE, .size = node->size, .tag_count = node->kept_count,
		    .tags = node->kept_tags };
		return files_from(v, &record, out);
	}
	/* Generation 0: made in this mount, and no record was stored yet. */
	if (node->generation == 0)
		return files_new(v, out);
	if (node->torn != NULL)
		return torn_load(v, node, out);
	if ((rc = records_find(v, node, data, &record)) != 0)
		return rc;
	return files_from(v, &record, out);
}

void
files_unload(struct volume *v, struct file *file)
{
	struct member *m;

	for (m = v->members; m < v->members + v->member_count; m++) {
		if (file->handle[m->index] >= 0)
			m->r->ops->close(m->r, file->handle[m->index]);
	}
	pages_close(v, file);
	atomic_fetch_sub(&v->tag_pages, file->pages_counted);
	tags_free(file->tags);
	free(file->edge);
	pthread_mutex_destroy(&file->mutex);
	free(file);
}

/* Into the list of those that may go; true: there are too many now. */
static bool
list_join(struct volume *v, struct node *node)
{
	bool many, joined;

	nodes_hold(v, node);
	pthread_mutex_lock(&v->dirty_lock);
	/* While it was taken out to be looked at, somebody else may have put it in. */
	if ((joined = !list_linked(&node->files_link))) {
		list_append(&v->files, &node->files_link);
		v->files_count++;
	}
	many = v->files_count > v->files_max;
	pthread_mutex_unlock(&v->dirty_lock);
	if (!joined)
		nodes_put(v, node);
	return many;
}

/* Out of it; the caller has a reference of its own. */
static void
list_leave(struct volume *v, struct node *node)
{
	bool linked;

	pthread_mutex_lock(&v->dirty_lock);
	if ((linked = list_linked(&node->files_link))) {
		list_remove(&node->files_link);
		v->files_count--;
	}
	pthread_mutex_unlock(&v->dirty_lock);
	if (linked)
		nodes_put(v, node);
}

/* The file that came first, with the list's reference. */
static struct node *
list_pop(struct volume *v)
{
	struct node *node = NULL;

	pthread_mutex_lock(&v->dirty_lock);
	if (list_linked(&v->files)) {
		node = list_entry(v->files.next, struct node, files_link);
		list_remove(&node->files_link);
		v->files_count--;
	}
	pthread_mutex_unlock(&v->dirty_lock);
	return node;
}

/* Let the file go, or put it back; ${node} comes from list_pop, and its lock is held exclusively. */
static bool
let_go(struct volume *v, struct node *node, bool store)
{
	struct file *file = node->file;

	if (file != NULL && node->nlink > 0 && (file->holds > 0 || (store ? store_now(v, node) != 0 : node->dirty))) {
		list_join(v, node);
		return false;
	}
	if (file != NULL && node->nlink > 0) {
		files_unload(v, file);
		node->file = NULL;
	}
	return true;
}

/* Too many: let one go that nobody is at.  Tree lock; the caller may hold the lock of another node. */
static void
evict(struct volume *v)
{
	struct node *node;
	unsigned i;
	bool gone = false;

	for (i = 0; i < EVICT_TRIES && !gone && (node = list_pop(v)) != NULL; i++) {
		if (pthread_rwlock_trywrlock(&node->lock) == 0) {
			gone = let_go(v, node, true);
			pthread_rwlock_unlock(&node->lock);
		} else {
			list_join(v, node);
		}
		nodes_put(v, node);
	}
}

void
files_trim(struct volume *v)
{
	struct node *node;
	unsigned count;

	/* Files come and go under the tree lock: who holds it exclusively finds them as they are. */
	pthread_rwlock_rdlock(&v->tree);
	pthread_mutex_lock(&v->dirty_lock);
	count = v->files_count;
	pthread_mutex_unlock(&v->dirty_lock);
	while (count-- > 0 && (node = list_pop(v)) != NULL) {
		/* Who is at it may be waiting for a disk; the flusher is not to wait with him. */
		if (pthread_rwlock_trywrlock(&node->lock) != 0) {
			list_join(v, node);
			nodes_put(v, node);
			continue;
		}
		if (node->file != NULL && atomic_exchange(&node->file->used, false)) {
			patrol_again(v, node);
			list_join(v, node);
		} else {
			(void)let_go(v, node, false);
		}
		pthread_rwlock_unlock(&node->lock);
		nodes_put(v, node);
	}
	pthread_rwlock_unlock(&v->tree);
}

/*
 * Have the process's table of descriptors grow at once to all that will be open:
 * with several threads each growing (at 256, 512, 1,024, ...) waits for all
 * processors, some milliseconds, in the midst of a request.
 */
static void
table_reserve(rlim_t count)
{
	int from = open("/", O_PATH | O_CLOEXEC), highest;

	if (from < 0)
		return;
	if ((highest = fcntl(from, F_DUPFD_CLOEXEC, (int)count - 1)) >= 0)
		(void)close(highest);
	(void)close(from);
}

void
files_limit(struct volume *v)
{
	struct rlimit limit = { .rlim_cur = FILES_MIN };
	rlim_t max = VOLUME_FILES_MAX, handles;

	/* Half for files, of which each may have two handles on a member. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / (4 * v->member_count) < max)
		max = limit.rlim_cur / (4 * v->member_count);
	if (max < FILES_MIN)
		max = FILES_MIN;
	/* A member that is added changes it under those who work. */
	pthread_mutex_lock(&v->dirty_lock);
	v->files_max = (unsigned)max;
	pthread_mutex_unlock(&v->dirty_lock);

	handles = (2 * max + VOLUME_DIRS_MAX) * (rlim_t)v->member_count;
	table_reserve(handles < limit.rlim_cur ? handles : limit.rlim_cur);
}

static void
attached(struct volume *v, struct node *node)
{
	atomic_store(&node->file->used, true);
	if (node->nlink > 0 && list_join(v, node))
		evict(v);
}

int
files_attach(struct volume *v, struct node *node)
{
	int rc;

	if (node->file != NULL) {
		atomic_store_explicit(&node->file->used, true, memory_order_relaxed);
		return 0;
	}
	if ((rc = files_load(v, node, &node->file)) == 0)
		attached(v, node);
	return rc;
}

int
files_attach_as(struct volume *v, struct node *node, const struct record *record)
{
	int rc;

	if (node->file != NULL || node->torn != NULL || node->generation == 0)
		return files_attach(v, node);
	if ((rc = files_from(v, record, &node->file)) == 0)
		attached(v, node);
	return rc;
}

void
files_attach_new(struct volume *v, struct node *node, struct file *file)
{
	node->file = file;
	/* Just being written: nothing to be proved yet. */
	file->patrolled_ms = clock_monotonic_ms();
	atomic_store(&file->used, true);
	if (node->nlink > 0 && list_join(v, node))
		evict(v);
}

void
files_detach(struct volume *v, struct node *node)
{
	list_leave(v, node);
	files_unload(v, node->file);
	node->file = NULL;
}

void
files_nameless(struct volume *v, struct node *node)
{
	list_leave(v, node);
}

void
files_bury(struct volume *v, struct node *node)
{
	unsigned i;

	if (node->file != NULL)
		files_unload(v, node->file);
	node->file = NULL;
	for (i = 0; node->pins != NULL && i < v->member_count; i++) {
		if (node->pins[i] != REPLICA_NONE)
			v->members[i].r->ops->dir_close(v->members[i].r, node->pins[i]);
	}
	free(node->pins);
	node->pins = NULL;
	if (S_ISREG(node->mode) && node->nlink == 0 && node->paged && !v->no_writes)
		pages_remove(v, node_key(node));
	room_left(v, node);
}

/* Somebody cut or extended the copy: its length first, its blocks as they are read. */
static int
length_mend(struct volume *v, struct node *node, struct member *m, replica_handle handle, bool writable, off_t found)
{
	const struct replica_times seal = { .atime.tv_nsec = UTIME_OMIT, .mtime = node->mtime };
	const struct replica_at at = { .handle = handle };
	replica_handle own = REPLICA_NONE;
	struct replica_privs privs;
	char path[NODES_PATH_MAX];
	int rc = 0;

	/* The proofs keep what is behind the end from being read. */
	if (edits_keep(v, m, node, handle) != 0)
		return 0;
	replica_privs_get(m->r, at, &privs);
	if (!writable)
		rc = m->r->ops->open(m->r, at, true, &own, NULL);
	if (rc == 0)
		rc = m->r->ops->truncate(m->r, writable ? handle : own, node->size);
	if (rc == 0)
		rc = replica_privs_put(m->r, at, &privs);
	if (rc == 0 && !node->dirty)
		rc = m->r->ops->store(m->r, at, &seal, NULL, 0);
	if (own >= 0)
		m->r->ops->close(m->r, own);
	nodes_path(v, node, path, sizeof(path));
	if (rc == 0) {
		atomic_fetch_add(&m->mended, 1);
		events_emit(v, &(struct event){ .kind = EVENT_MENDED, .replica = m->r->path, .path = path, .detail = "its length" });
		log_warning("mended %s: its length on replica %s was %lld, and is %" PRIu64,
		    path, m->r->path, (long long)found, node->size);
	}
	return rc;
}

void
files_mend_lengths(struct volume *v, struct node *node)
{
	replica_handle handle;
	struct member *m;
	struct stat st;
	int rc;

	for_each_member(v, m) {
		if ((handle = node->file->handle[m->index]) < 0)
			continue;
		rc = m->r->ops->stat(m->r, (struct replica_at){ .handle = handle }, &st);
		if (rc == 0 && (uint64_t)st.st_size != node->size)
			rc = length_mend(v, node, m, handle, node->file->writable[m->index], st.st_size);
		members_settle(v, m, rc, "mending a length");
	}
}

static int
open_at(struct volume *v, struct node *node, struct member *m, bool writable, replica_handle *handle, struct stat *st)
{
	struct handles_place place;
	int rc;

	if ((rc = handles_at(v, m, node, &place)) != 0)
		return rc;
	rc = m->r->ops->open(m->r, place.at, writable, handle, st);
	handles_at_done(v, &place);
	return rc;
}

int
files_open_one(struct volume *v, struct node *node, struct member *m, bool writable)
{
	struct file *file = node->file;
	replica_handle handle;
	struct stat st;
	int rc;

	if (file->handle[m->index] >= 0 && (file->writable[m->index] || !writable))
		return 0;
	rc = open_at(v, node, m, writable, &handle, &st);
	if ((rc == -ENOENT || rc == -ENOTDIR || rc == -ESTALE || rc == -ELOOP) &&
	    file->handle[m->index] < 0 && load_mend_node(v, node) == 0)
		rc = open_at(v, node, m, writable, &handle, &st);
	if (rc != 0)
		return rc;
	if ((uint64_t)st.st_size != node->size && !look_only(v) &&
	    (rc = length_mend(v, node, m, handle, writable, st.st_size)) != 0) {
		m->r->ops->close(m->r, handle);
		return rc;
	}
	if (file->handle[m->index] >= 0)
		m->r->ops->close(m->r, file->handle[m->index]);
	file->handle[m->index] = handle;
	file->writable[m->index] = writable;
	return 0;
}

int
files_open_all(struct volume *v, struct node *node, bool writable)
{
	struct member *m;
	int rc;

	for_each_member(v, m) {
		rc = files_open_one(v, node, m, writable);
		/* Without a name, a way to it may be missing for no fault of the member's. */
		if ((rc == -ESTALE || rc == -ENOENT) && node->links == NULL)
			return -ESTALE;
		/* For a file that another member has, "not there" speaks against this one. */
		if (rc == -ENOENT || rc == -ENOTDIR)
			rc = -ESTALE;
		if ((rc = members_settle(v, m, rc, "opening a file")) < 0)
			return rc;
	}
	return members_in_sync(v) > 0 ? 0 : -EIO;
}

bool
files_writable(const struct file *file)
{
	unsigned i;

	for (i = 0; i < VOLUME_REPLICAS_MAX; i++) {
		if (file->handle[i] >= 0 && file->writable[i])
			return true;
	}
	return false;
}

bool
files_ready(struct volume *v, struct node *node, enum files_access access)
{
	struct file *file = node->file;
	struct member *m;
	bool any = false;

	if (file == NULL)
		return false;
	for_each_member(v, m) {
		if (file->handle[m->index] < 0 || (access == FILES_WRITE && !file->writable[m->index])) {
			if (access != FILES_READ)
				return false;
		} else {
			any = true;
		}
	}
	if (any && !atomic_load_explicit(&file->used, memory_order_relaxed))
		atomic_store_explicit(&file->used, true, memory_order_relaxed);
	return any;
}

/* One member will do for reading: the file's own, or the next that can. */
static int
open_for_reading(struct volume *v, struct node *node)
{
	struct member *m;

	if (files_ready(v, node, FILES_READ))
		return 0;
	if ((m = members_for_read(v, node_key(node))) == NULL)
		return -EIO;
	if (files_open_one(v, node, m, false) == 0)
		return 0;
	/* Whoever can't, is found out there. */
	return files_open_all(v, node, false);
}

int
files_use_locked(struct volume *v, struct node *node, enum files_access access)
{
	bool fresh = node->file == NULL;
	int rc;

	if (!S_ISREG(node->mode))
		return -EINVAL;
	if (node->nlink == 0 && node->file == NULL && node->pins == NULL)
		return -ESTALE;
	if ((rc = files_attach(v, node)) != 0)
		return rc;
	rc = access == FILES_READ ? open_for_reading(v, node) : files_open_all(v, node, access == FILES_WRITE);
	if (rc == 0 && fresh)
		patrol_queue(v, node);
	if (rc != 0 && fresh && !node->dirty)
		files_detach(v, node);
	return rc;
}

int
files_use(struct volume *v, struct node *node, enum files_access access)
{
	int rc;

	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	rc = files_use_locked(v, node, access);
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	return rc;
}

void
files_account(struct volume *v, struct file *file)
{
	uint64_t now = tags_page_count(file->tags);

	if (now > file->pages_counted &&
	    atomic_load(&v->tag_pages) + now - file->pages_counted > VOLUME_TAG_PAGES_MAX) {
		tags_trim(file->tags, TRIM_TO);
		now = tags_page_count(file->tags);
	}
	if (now != file->pages_counted)
		atomic_fetch_add(&v->tag_pages, now - file->pages_counted);
	file->pages_counted = now;
}

void
files_edge_forget(struct file *file, uint64_t first, uint64_t count)
{
	if (file->edge_index >= first && file->edge_index - first < count)
		file->edge_index = UINT64_MAX;
}
