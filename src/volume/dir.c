#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "util/stall.h"
#include "volume/dir.h"
#include "volume/handles.h"
#include "volume/load.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/records.h"
#include "volume/store.h"

struct entry { char *name; uint64_t cookie; mode_t type; ino_t ino; };

struct names { struct entry *entries; size_t count, room; };

struct dir {
	struct node *node;
	bool used;			/* read from since the snapshot was taken */
	struct member *m;		/* whose names these are */
	struct names names;
};

static void
names_free(struct names *names)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		free(names->entries[i].name);
	free(names->entries);
	memset(names, 0, sizeof(*names));
}

/* Cookies of "." and "..", and the first that a name may have. */
enum { COOKIE_DOT = 1, COOKIE_DOT_DOT, COOKIE_NAMES };

/*
 * Where a name stands in a listing.  It depends on nothing but the name: the
 * kernel goes on with an offset from a listing that it cached long ago, or
 * that was taken before names were removed, and must miss none.  FNV-1a.
 */
static uint64_t
name_cookie(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	hash = (hash ^ hash >> 32) & INT64_MAX;
	return hash < COOKIE_NAMES ? COOKIE_NAMES : hash;
}

struct collect { struct names *names; bool top; };

static int
collect_call(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	struct collect *c = arg;
	struct names *names = c->names;
	struct entry *grown;
	size_t room;

	if (c->top && strcmp(name, REPLICA_META) == 0)
		return 0;
	if (names->count == names->room) {
		room = names->room == 0 ? 16 : 2 * names->room;
		if ((grown = realloc(names->entries, room * sizeof(*grown))) == NULL)
			return -ENOMEM;
		names->entries = grown;
		names->room = room;
	}
	grown = &names->entries[names->count];
	if ((grown->name = strdup(name)) == NULL)
		return -ENOMEM;
	grown->cookie = name_cookie(name);
	grown->type = DTTOIF(d_type);
	grown->ino = ino;
	names->count++;
	return 0;
}

static int
entry_order(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	return a->cookie != b->cookie ? (a->cookie < b->cookie ? -1 : 1) : strcmp(a->name, b->name);
}

/* One member's names, sorted. Tree lock. */
static int
names_read(struct volume *v, struct member *m, struct node *dir, struct names *names)
{
	struct collect c = { names, dir == v->root };
	replica_handle handle;
	int rc;

	memset(names, 0, sizeof(*names));
	rc = handles_dir(v, m, dir, &handle);
	if ((rc == -ENOENT || rc == -ENOTDIR) && load_mend_node(v, dir) == 0)
		rc = handles_dir(v, m, dir, &handle);
	if (rc != 0)
		return rc;
	rc = m->r->ops->list(m->r, handle, collect_call, &c);
	handles_done(v, dir);
	if (rc != 0)
		names_free(names);
	else if (names->count > 1)
		qsort(names->entries, names->count, sizeof(*names->entries), entry_order);
	return rc;
}

static bool
types_differ(const struct entry *a, const struct entry *b)
{
	return a->type != 0 && b->type != 0 && a->type != b->type;
}

/* Have each name settled that the two lists do not share; returns how many there were. */
static size_t
names_compare(struct volume *v, struct node *dir, const struct names *a, const struct names *b)
{
	size_t i = 0, j = 0, count = 0;
	int order;

	while (i < a->count || j < b->count) {
		order = i == a->count ? 1 : j == b->count ? -1 : entry_order(&a->entries[i], &b->entries[j]);
		if (order != 0 || types_differ(&a->entries[i], &b->entries[j])) {
			load_mend(v, dir, order <= 0 ? a->entries[i].name : b->entries[j].name);
			count++;
		}
		i += order <= 0;
		j += order >= 0;
	}
	return count;
}

/* The names of all members in sync, made to agree; those of the lowest one are kept. */
static int
snapshot_once(struct volume *v, struct dir *dir, size_t *differences)
{
	struct names other = { .count = 0 };
	struct member *m;
	int rc;

	*differences = 0;
	dir->m = NULL;
	for_each_member(v, m) {
		rc = names_read(v, m, dir->node, dir->m == NULL ? &dir->names : &other);
		if ((rc = members_settle(v, m, rc, "listing a directory")) < 0)
			return rc;
		if (rc != 0)
			continue;
		if (dir->m == NULL) {
			dir->m = m;
			continue;
		}
		*differences += names_compare(v, dir->node, &dir->names, &other);
		names_free(&other);
	}
	return dir->m == NULL ? -EIO : 0;
}

/* Whoever lists a directory has its record looked at on all members: nothing else reads it but a first look-up. */
static void
record_look(struct volume *v, struct node *node)
{
	pthread_rwlock_rdlock(&node->lock);
	if (!node->dirty && node->nlink > 0 && members_in_sync(v) > 1)
		records_prove(v, node);
	pthread_rwlock_unlock(&node->lock);
}

/* Names that share a cookie get one each. */
static void
cookies_part(struct names *names)
{
	size_t i;

	for (i = 1; i < names->count; i++) {
		if (names->entries[i].cookie <= names->entries[i - 1].cookie)
			names->entries[i].cookie = names->entries[i - 1].cookie + 1;
	}
}

static int
snapshot(struct volume *v, struct dir *dir)
{
	size_t differences = 0;
	int rc = 0;

	names_free(&dir->names);
	dir->used = false;
	pthread_rwlock_rdlock(&v->tree);
	record_look(v, dir->node);
	if (dir->node->nlink > 0 && (rc = snapshot_once(v, dir, &differences)) == 0 && differences > 0) {
		names_free(&dir->names);
		rc = snapshot_once(v, dir, &differences);
	}
	pthread_rwlock_unlock(&v->tree);
	cookies_part(&dir->names);
	return rc;
}

int
dir_open(struct volume *v, struct node *node, struct dir **out)
{
	struct dir *dir;
	int rc;

	if (!S_ISDIR(node->mode))
		return -ENOTDIR;
	if ((dir = calloc(1, sizeof(*dir))) == NULL)
		return -ENOMEM;
	dir->node = node;
	if ((rc = snapshot(v, dir)) != 0) {
		names_free(&dir->names);
		free(dir);
		return rc;
	}
	nodes_hold(v, node);
	*out = dir;
	return 0;
}

bool
dir_cacheable(struct node *node)
{
	bool moved;

	pthread_rwlock_wrlock(&node->lock);
	moved = node->moved;
	node->moved = false;
	pthread_rwlock_unlock(&node->lock);
	return !moved;
}

void
dir_close(struct volume *v, struct dir *dir)
{
	nodes_put(v, dir->node);
	names_free(&dir->names);
	free(dir);
}

/* A file system that does not tell types in its listings. */
static mode_t
type_of(struct volume *v, struct dir *dir, const struct entry *e)
{
	struct replica_at at = { .name = e->name };
	struct stat st = { .st_mode = 0 };

	if (e->type != 0 || handles_dir(v, dir->m, dir->node, &at.handle) != 0)
		return e->type;
	if (dir->m->r->ops->stat(dir->m->r, at, &st) != 0)
		st.st_mode = 0;
	handles_done(v, dir->node);
	return st.st_mode & S_IFMT;
}

static uint64_t
parent_id(struct volume *v, const struct node *node)
{
	return node == v->root || node->links == NULL ? VOLUME_ROOT_ID : node_key(node->links->dir);
}

/* The first entry behind ${offset}, or NULL. */
static const struct entry *
entry_behind(const struct names *names, uint64_t offset)
{
	size_t low = 0, high = names->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (names->entries[middle].cookie <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < names->count ? &names->entries[low] : NULL;
}

int
dir_read(struct volume *v, struct dir *dir, uint64_t offset, struct dir_entry *entry)
{
	const struct entry *e = NULL;
	int rc;

	if (offset == 0 && dir->used && (rc = snapshot(v, dir)) != 0)
		return rc;
	dir->used = true;
	if (offset >= COOKIE_DOT_DOT && (e = entry_behind(&dir->names, offset)) == NULL)
		return 0;
	pthread_rwlock_rdlock(&v->tree);
	if (e == NULL) {
		entry->name = offset < COOKIE_DOT ? "." : "..";
		entry->next = offset < COOKIE_DOT ? COOKIE_DOT : COOKIE_DOT_DOT;
		entry->type = S_IFDIR;
		entry->id = offset < COOKIE_DOT ? node_key(dir->node) : parent_id(v, dir->node);
	} else {
		entry->next = e->cookie;
		entry->name = e->name;
		entry->type = type_of(v, dir, e);
		entry->id = load_entry_id(v, dir->node, e->name, entry->type, dir->m, e->ino);
		/* Removed since, or its record is damaged: a look-up will tell. */
		if (entry->id == 0)
			entry->id = UINT32_MAX;
	}
	pthread_rwlock_unlock(&v->tree);
	return 1;
}

struct sync_job { struct lane_job job; struct member *m; replica_handle handle; int rc; };

static void
sync_run(struct lane_job *job)
{
	struct sync_job *s = (struct sync_job *)(void *)job;

	s->rc = s->m->r->ops->dir_sync(s->m->r, s->handle);
}

/* Store the record, and get a handle for each member. */
static int
sync_begin(struct volume *v, struct node *node, struct sync_job *jobs, unsigned *count)
{
	struct member *m;
	int rc;

	*count = 0;
	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	rc = store_now(v, node);
	pthread_rwlock_unlock(&node->lock);
	for_each_member(v, m) {
		struct sync_job *s = &jobs[*count];

		if (rc != 0)
			break;
		*s = (struct sync_job){ .job.run = sync_run, .m = m };
		if ((rc = members_settle(v, m, handles_dir(v, m, node, &s->handle), "syncing a directory")) == 0)
			++*count;
		else if (rc > 0)
			rc = 0;
	}
	pthread_rwlock_unlock(&v->tree);
	return rc;
}

int
dir_fsync(struct volume *v, struct node *node)
{
	struct sync_job jobs[VOLUME_REPLICAS_MAX];
	struct lane_batch batch;
	unsigned count, i;
	int rc, one;

	if (node->nlink == 0)
		return 0;
	rc = sync_begin(v, node, jobs, &count);
	stall_ahead();
	lane_batch_init(&batch);
	for (i = 0; rc == 0 && i < count; i++) {
		if (jobs[i].m->lane != NULL)
			lane_submit(jobs[i].m->lane, &jobs[i].job, &batch);
		else
			sync_run(&jobs[i].job);
	}
	lane_batch_wait(&batch);
	for (i = 0; i < count; i++) {
		handles_done(v, node);
		if ((one = members_settle(v, jobs[i].m, jobs[i].rc, "syncing a directory")) < 0 && rc == 0)
			rc = one;
	}
	return rc != 0 ? rc : members_in_sync(v) > 0 ? 0 : -EIO;
}
