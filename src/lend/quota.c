#include "lend/quota.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "util/hashmap.h"

#define STAT_BLOCK 512	/* bytes of st_blocks' unit */

struct quota {
	uint64_t limit;
	pthread_mutex_t order;		/* quota_enter(); before the other one */
	pthread_mutex_t mutex;		/* all below */
	uint64_t used;
	struct hashmap held;		/* struct holding by key_of() */
};

struct holding { struct hashmap_link link; unsigned handles; };

int
quota_new(uint64_t limit, struct quota **quota)
{
	struct quota *q;

	if ((q = calloc(1, sizeof(*q))) == NULL)
		return -ENOMEM;
	if (hashmap_init(&q->held) != 0) {
		free(q);
		return -ENOMEM;
	}
	pthread_mutex_init(&q->order, NULL);
	pthread_mutex_init(&q->mutex, NULL);
	q->limit = limit;
	*quota = q;
	return 0;
}

static void
free_holding(struct hashmap_link *link, void *map)
{
	hashmap_remove(map, link);
	free(hashmap_entry(link, struct holding, link));
}

void
quota_free(struct quota *q)
{
	if (q == NULL)
		return;
	hashmap_each(&q->held, free_holding, &q->held);
	hashmap_free(&q->held);
	pthread_mutex_destroy(&q->mutex);
	pthread_mutex_destroy(&q->order);
	free(q);
}

void
quota_enter(struct quota *q)
{
	pthread_mutex_lock(&q->order);
}

void
quota_leave(struct quota *q)
{
	pthread_mutex_unlock(&q->order);
}

uint64_t
quota_used(struct quota *q)
{
	uint64_t used;

	pthread_mutex_lock(&q->mutex);
	used = q->used;
	pthread_mutex_unlock(&q->mutex);
	return used;
}

int
quota_room(struct quota *q, uint64_t more)
{
	const uint64_t used = quota_used(q);

	return used > q->limit || more > q->limit - used ? -EDQUOT : 0;
}

void
quota_add(struct quota *q, int64_t bytes)
{
	const uint64_t less = bytes < 0 ? (uint64_t)-bytes : 0;

	pthread_mutex_lock(&q->mutex);
	if (bytes >= 0)
		q->used += (uint64_t)bytes;
	else
		q->used = less < q->used ? q->used - less : 0;
	pthread_mutex_unlock(&q->mutex);
}

uint64_t
quota_size(const struct stat *st)
{
	return (uint64_t)st->st_blocks * STAT_BLOCK;
}

void
quota_statfs(struct quota *q, struct statvfs *st)
{
	const uint64_t unit = st->f_frsize != 0 ? st->f_frsize : 1, used = quota_used(q);
	const uint64_t total = q->limit / unit, left = used < q->limit ? (q->limit - used) / unit : 0;

	if (st->f_blocks > total)
		st->f_blocks = total;
	if (st->f_bfree > left)
		st->f_bfree = left;
	if (st->f_bavail > left)
		st->f_bavail = left;
}

/* Which inode: file systems below the export's directory have numbers of their own. */
static uint64_t
key_of(const struct stat *st)
{
	return (uint64_t)st->st_ino ^ (uint64_t)st->st_dev << 40;
}

static struct holding *
find(struct quota *q, const struct stat *st)
{
	struct hashmap_link *link = hashmap_find(&q->held, key_of(st));

	return link != NULL ? hashmap_entry(link, struct holding, link) : NULL;
}

void
quota_hold(struct quota *q, const struct stat *st)
{
	struct holding *holding;

	pthread_mutex_lock(&q->mutex);
	if ((holding = find(q, st)) == NULL && (holding = calloc(1, sizeof(*holding))) != NULL)
		hashmap_insert(&q->held, &holding->link, key_of(st));
	if (holding != NULL)
		holding->handles++;
	pthread_mutex_unlock(&q->mutex);
}

bool
quota_release(struct quota *q, const struct stat *st)
{
	struct holding *holding;
	bool last = false;

	pthread_mutex_lock(&q->mutex);
	if ((holding = find(q, st)) != NULL && --holding->handles == 0) {
		hashmap_remove(&q->held, &holding->link);
		free(holding);
		last = true;
	}
	pthread_mutex_unlock(&q->mutex);
	return last;
}

bool
quota_is_held(struct quota *q, const struct stat *st)
{
	bool held;

	pthread_mutex_lock(&q->mutex);
	held = find(q, st) != NULL;
	pthread_mutex_unlock(&q->mutex);
	return held;
}

/* The walk.  A directory that is being looked at, and those in it that are still to be. */
struct level { struct level *up; replica_handle dir; char **names; size_t count, room; };
struct measure { struct replica *r; struct level *level; uint64_t used; };

static int
later(struct level *level, const char *name)
{
	char **grown;

	if (level->count == level->room) {
		level->room = level->room == 0 ? 16 : 2 * level->room;
		if ((grown = realloc(level->names, level->room * sizeof(*grown))) == NULL)
			return -ENOMEM;
		level->names = grown;
	}
	if ((level->names[level->count] = strdup(name)) == NULL)
		return -ENOMEM;
	level->count++;
	return 0;
}

static int
measure_entry(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	struct measure *m = arg;
	const struct replica_at at = { .handle = m->level->dir, .name = name };
	struct stat st;
	int rc;

	(void)d_type;
	(void)ino;
	if ((rc = m->r->ops->stat(m->r, at, &st)) != 0)
		return rc == -ENOENT ? 0 : rc;
	m->used += QUOTA_NAME;
	if (S_ISDIR(st.st_mode)) {
		m->used += quota_size(&st);
		return later(m->level, name);
	}
	/* Each of its names brings its part. */
	m->used += quota_size(&st) / (st.st_nlink > 0 ? st.st_nlink : 1);
	return 0;
}

static void
leave(struct measure *m)
{
	struct level *level = m->level;

	m->level = level->up;
	while (level->count > 0)
		free(level->names[--level->count]);
	free(level->names);
	if (level->dir != REPLICA_ROOT)
		m->r->ops->dir_close(m->r, level->dir);
	free(level);
}

/* Look at everything in the directory ${dir}, which is closed by leave(), on error at once. */
static int
enter(struct measure *m, replica_handle dir)
{
	struct level *level;

	if ((level = calloc(1, sizeof(*level))) == NULL) {
		if (dir != REPLICA_ROOT)
			m->r->ops->dir_close(m->r, dir);
		return -ENOMEM;
	}
	level->dir = dir;
	level->up = m->level;
	m->level = level;
	return m->r->ops->list(m->r, dir, measure_entry, m);
}

/* Go down into the next one that is left, or up. */
static int
step(struct measure *m)
{
	struct level *level = m->level;
	replica_handle dir;
	char *name;
	int rc;

	if (level->count == 0) {
		leave(m);
		return 0;
	}
	name = level->names[--level->count];
	rc = m->r->ops->dir_open(m->r, level->dir, name, &dir);
	free(name);
	if (rc != 0)
		return rc == -ENOENT ? 0 : rc;
	return enter(m, dir);
}

int
quota_measure(struct quota *q, struct replica *r)
{
	struct measure m = { .r = r };
	int rc;

	rc = enter(&m, REPLICA_ROOT);
	while (rc == 0 && m.level != NULL)
		rc = step(&m);
	while (m.level != NULL)
		leave(&m);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&q->mutex);
	q->used = m.used;
	pthread_mutex_unlock(&q->mutex);
	return 0;
}
