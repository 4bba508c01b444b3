#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "util/stall.h"
#include "volume/dir.h"
#include "volume/handles.h"
#include "volume/ids.h"
#include "volume/load.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/records.h"
#include "volume/store.h"

/* Beyond, ids are asked for as the names are read, and nobody waits for all of them. */
#define PROVE_MAX 65536
/* So many records that had to be read are worth an index. */
#define INDEX_MIN 16

struct entry {
	size_t name;			/* in the pool */
	uint64_t cookie;
	uint64_t id;			/* 0: not asked for, or its record is damaged */
	mode_t type;
	ino_t ino;
};

struct names {
	struct entry *entries;
	size_t count, room;
	char *pool;			/* the names, each with its NUL */
	size_t pool_len, pool_room;
};

struct dir {
	struct node *node;
	bool used;			/* read from since the snapshot was taken */
	struct member *m;		/* whose names these are */
	struct names names;
};

static void
names_free(struct names *names)
{
	free(names->entries);
	free(names->pool);
	memset(names, 0, sizeof(*names));
}

static const char *
name_of(const struct names *names, const struct entry *e)
{
	return names->pool + e->name;
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

/* Room for one more of ${size} bytes behind the first ${used}; ${room} counts as ${used} does. */
static int
grow(void **array, size_t *room, size_t used, size_t more, size_t size)
{
	size_t wanted = *room == 0 ? 64 : *room;
	void *grown;

	while (wanted < used + more)
		wanted *= 2;
	if (wanted == *room)
		return 0;
	if ((grown = reallocarray(*array, wanted, size)) == NULL)
		return -ENOMEM;
	*array = grown;
	*room = wanted;
	return 0;
}

struct collect { struct names *names; bool top; size_t most; };

static int
collect_call(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	struct collect *c = arg;
	struct names *names = c->names;
	size_t len = strlen(name) + 1;

	if (c->top && strcmp(name, REPLICA_META) == 0)
		return 0;
	if (names->count >= c->most)
		return -E2BIG;
	if (grow((void **)&names->entries, &names->room, names->count, 1, sizeof(*names->entries)) != 0 ||
	    grow((void **)&names->pool, &names->pool_room, names->pool_len, len, 1) != 0)
		return -ENOMEM;
	names->entries[names->count++] = (struct entry){ .name = names->pool_len, .cookie = name_cookie(name),
	    .type = DTTOIF(d_type), .ino = ino };
	memcpy(names->pool + names->pool_len, name, len);
	names->pool_len += len;
	return 0;
}

static int
order(const struct names *a, const struct entry *e, const struct names *b, const struct entry *f)
{
	return e->cookie != f->cookie ? (e->cookie < f->cookie ? -1 : 1) : strcmp(name_of(a, e), name_of(b, f));
}

static int
entry_order(const void *left, const void *right, void *arg)
{
	return order(arg, left, arg, right);
}

/* One member's names, sorted; -E2BIG: more than ${most}. Tree lock. */
static int
names_read(struct volume *v, struct member *m, struct node *dir, size_t most, struct names *names)
{
	struct collect c = { names, dir == v->root, most };
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
		qsort_r(names->entries, names->count, sizeof(*names->entries), entry_order, names);
	return rc;
}

/* The id of a file or directory as the index has it, with its part of the digest; false: nothing is known by this number. */
static bool
entry_indexed(struct volume *v, const char *name, const struct ids *ids, struct entry *e, uint8_t *digest)
{
	if ((e->type != S_IFREG && e->type != S_IFDIR) || (e->id = index_find(ids->entries, ids->count, e->ino)) == 0)
		return false;
	record_name(&v->digest, name, e->type, e->id, NULL, 0, digest);
	return true;
}

/*
 * The ids of the names, and the digest that all of them add up to; how many
 * had to be asked for.  A name that cannot be asked for has no id.
 */
static size_t
names_identify(struct volume *v, struct member *m, struct node *dir, struct names *names, const struct ids *ids, uint8_t *sum)
{
	uint8_t one[DIGEST_SIZE];
	struct entry *e;
	size_t i, asked = 0;

	memset(sum, 0, DIGEST_SIZE);
	for (i = 0; i < names->count; i++) {
		e = &names->entries[i];
		if (load_entry_known(v, dir, name_of(names, e), &e->type, &e->id, one)) {
			digest_xor(sum, one);
			continue;
		}
		if (ids != NULL && entry_indexed(v, name_of(names, e), ids, e, one)) {
			digest_xor(sum, one);
			continue;
		}
		asked++;
		if (load_entry(v, dir, name_of(names, e), m, e->ino, &e->type, &e->id, one) == 0)
			digest_xor(sum, one);
	}
	return asked;
}

static bool
entries_differ(const struct entry *a, const struct entry *b)
{
	return (a->type != 0 && b->type != 0 && a->type != b->type) ||
	    (a->id != 0 && b->id != 0 && a->id != b->id && ((a->id | b->id) & NODE_ID_BORROWED) == 0);
}

/* Have each name settled about which the two lists differ; returns how many there were. */
static size_t
names_compare(struct volume *v, struct node *dir, const struct names *a, const struct names *b)
{
	size_t i = 0, j = 0, count = 0;
	int which;

	while (i < a->count || j < b->count) {
		which = i == a->count ? 1 : j == b->count ? -1 : order(a, &a->entries[i], b, &b->entries[j]);
		if (which != 0 || entries_differ(&a->entries[i], &b->entries[j])) {
			load_mend(v, dir, which <= 0 ? name_of(a, &a->entries[i]) : name_of(b, &b->entries[j]));
			count++;
		}
		i += which <= 0;
		j += which >= 0;
	}
	return count;
}

/* The names of all members in sync, made to agree; those of the lowest one are kept. */
static int
snapshot_compared(struct volume *v, struct dir *dir, size_t *differences)
{
	struct names other = { .count = 0 }, *names;
	uint8_t sum[DIGEST_SIZE];
	struct member *m;
	int rc;

	*differences = 0;
	dir->m = NULL;
	names_free(&dir->names);
	for_each_member(v, m) {
		names = dir->m == NULL ? &dir->names : &other;
		rc = names_read(v, m, dir->node, SIZE_MAX, names);
		if ((rc = members_settle(v, m, rc, "listing a directory")) < 0)
			return rc;
		if (rc != 0)
			continue;
		if (names->count <= PROVE_MAX)
			(void)names_identify(v, m, dir->node, names, NULL, sum);
		if (dir->m == NULL) {
			dir->m = m;
			continue;
		}
		*differences += names_compare(v, dir->node, &dir->names, &other);
		names_free(&other);
	}
	return dir->m == NULL ? -EIO : 0;
}

/* May members have names after a crash that the digest does not know yet? */
static bool
names_torn(const struct volume *v, const struct node *dir)
{
	return v->was_unclean && intent_was_dirty(v->intent, node_key(dir));
}

/* Have the member remember the ids that were found out. */
static void
names_index(struct volume *v, struct dir *dir)
{
	struct index_entry *entries;
	size_t i, count = 0;

	if ((entries = calloc(dir->names.count, sizeof(*entries))) == NULL)
		return;
	for (i = 0; i < dir->names.count; i++) {
		if (dir->names.entries[i].type == S_IFREG || dir->names.entries[i].type == S_IFDIR)
			entries[count++] = (struct index_entry){ dir->names.entries[i].ino, dir->names.entries[i].id };
	}
	ids_keep(v, dir->m, dir->node, entries, count);
	free(entries);
}

/* Do one member's names add up to the directory's digest, by its index or without? */
static bool
names_proved(struct volume *v, struct dir *dir)
{
	uint8_t sum[DIGEST_SIZE];
	struct ids *ids = NULL;
	size_t asked;

	if (dir->names.count >= INDEX_MIN && (ids = malloc(sizeof(*ids))) != NULL)
		ids_load(v, dir->m, dir->node, ids);
	asked = names_identify(v, dir->m, dir->node, &dir->names, ids, sum);
	if (ids != NULL && ids->count > 0 && !digest_equal(sum, dir->node->names))
		asked = names_identify(v, dir->m, dir->node, &dir->names, NULL, sum);
	free(ids);
	if (!digest_equal(sum, dir->node->names))
		return false;
	if (asked >= INDEX_MIN && dir->names.count <= INDEX_ENTRIES_MAX)
		names_index(v, dir);
	return true;
}

/* One member's names, if they add up to the directory's digest: then they are all, and stand for the right things. */
static bool
snapshot_proved(struct volume *v, struct dir *dir, size_t most)
{
	if (names_torn(v, dir->node) || (dir->m = members_first(v)) == NULL ||
	    names_read(v, dir->m, dir->node, most, &dir->names) != 0)
		return false;
	return dir->names.count <= PROVE_MAX && names_proved(v, dir);
}

int
dir_names_proved(struct volume *v, struct node *node, size_t most, int (*call)(void *arg, const char *name), void *arg)
{
	struct dir dir = { .node = node };
	int rc = snapshot_proved(v, &dir, most) ? 0 : -EBADMSG;
	size_t i;

	for (i = 0; rc == 0 && i < dir.names.count; i++)
		rc = call(arg, name_of(&dir.names, &dir.names.entries[i]));
	names_free(&dir.names);
	return rc;
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
	if (dir->node->nlink > 0 && !snapshot_proved(v, dir, SIZE_MAX) &&
	    (rc = snapshot_compared(v, dir, &differences)) == 0 && differences > 0)
		rc = snapshot_compared(v, dir, &differences);
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
	struct replica_at at = { .name = name_of(&dir->names, e) };
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

/* The listing did not ask for it, or the record is damaged: then it is mended. */
static void
late_id(struct volume *v, struct dir *dir, const struct entry *e, struct dir_entry *entry)
{
	if (load_entry(v, dir->node, entry->name, dir->m, e->ino, &entry->type, &entry->id, NULL) != 0 &&
	    load_mend(v, dir->node, entry->name) == 0)
		(void)load_entry(v, dir->node, entry->name, dir->m, e->ino, &entry->type, &entry->id, NULL);
}

int
dir_read(struct volume *v, struct dir *dir, uint64_t offset, struct dir_entry *entry, bool want_id)
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
		entry->name = name_of(&dir->names, e);
		entry->type = type_of(v, dir, e);
		entry->id = e->id;
		if (e->id == 0 && want_id)
			late_id(v, dir, e, entry);
		/* Removed since, or its record is damaged: a look-up will tell. */
		if (entry->id == 0)
			entry->id = DIR_ID_UNKNOWN;
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
