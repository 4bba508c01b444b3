#include <errno.h>
#include <string.h>

#include "volume/members.h"
#include "volume/ways.h"

/* Bits that are marked in one go; a way of more regions than that takes several. */
#define BITS_MAX 64

struct bits {
	struct volume *v;
	uint32_t epoch;			/* when it was begun */
	uint64_t ids[BITS_MAX];
	size_t count;
	bool full;			/* there are more */
};

static void
bits_add(struct bits *b, uint64_t id)
{
	size_t i;

	if (intent_marked(b->v->intent, id))
		return;
	for (i = 0; i < b->count; i++) {
		if (b->ids[i] / INTENT_REGION == id / INTENT_REGION)
			return;
	}
	if (b->count == BITS_MAX)
		b->full = true;
	else
		b->ids[b->count++] = id;
}

static bool
is_placed(const struct bits *b, const struct node *node)
{
	return atomic_load_explicit(&node->placed, memory_order_acquire) == b->epoch;
}

/* From ${dir} up to the top, or to where it is known to be marked. Nodes lock. */
static void
add_way(struct bits *b, const struct node *dir)
{
	for (; !is_placed(b, dir); dir = dir->links->dir) {
		bits_add(b, INTENT_WAY | node_key(dir));
		if (dir->links == NULL)
			break;
	}
}

/* All of a way is marked: so it is from every directory on it. Nodes lock. */
static void
place_way(struct bits *b, struct node *dir)
{
	for (; !is_placed(b, dir); dir = dir->links->dir) {
		atomic_store_explicit(&dir->placed, b->epoch, memory_order_release);
		if (dir->links == NULL)
			break;
	}
}

/* Nothing was missing. */
static bool
bits_done(const struct bits *b)
{
	return b->count == 0 && !b->full;
}

/* The ways to all known names of a file but one; returns how many there are. Nodes lock. */
static unsigned
add_names(struct bits *b, const struct node *node, const struct node *but_dir, const char *but)
{
	const struct link *link;
	unsigned count = 0;

	for (link = node->links; link != NULL; link = link->next) {
		if (but_dir != NULL && link->dir == but_dir && strcmp(link->name, but) == 0)
			continue;
		add_way(b, link->dir);
		count++;
	}
	return count;
}

/* Nodes lock. */
static void
add_directory(struct bits *b, struct node *dir)
{
	add_way(b, dir);
	if (bits_done(b))
		place_way(b, dir);
}

/* Nodes lock. */
static void
add_file(struct bits *b, struct node *node)
{
	struct link *link;

	/* Without a name nothing is left of it but its tags, if it has a file of them. */
	if (add_names(b, node, NULL, "") == 0 && (node->nlink > 0 || node->paged))
		bits_add(b, INTENT_ASTRAY);
	if (!bits_done(b))
		return;
	for (link = node->links; link != NULL; link = link->next)
		place_way(b, link->dir);
	atomic_store_explicit(&node->placed, b->epoch, memory_order_release);
}

/* A link or special file is part of its directory. */
static void
add_borrowed(struct bits *b, const struct node *node)
{
	const struct link *link;

	pthread_mutex_lock(&b->v->nodes_lock);
	for (link = node->links; link != NULL; link = link->next)
		bits_add(b, node_key(link->dir));
	(void)add_names(b, node, NULL, "");
	pthread_mutex_unlock(&b->v->nodes_lock);
}

static void
add_node(struct bits *b, struct node *node)
{
	if (!node_has_record(node)) {
		add_borrowed(b, node);
		return;
	}
	if (is_placed(b, node) && !S_ISDIR(node->mode))
		return;
	/* That a directory is on the way does not mean that it is about to change. */
	bits_add(b, node_key(node));
	if (is_placed(b, node))
		return;
	pthread_mutex_lock(&b->v->nodes_lock);
	if (S_ISDIR(node->mode))
		add_directory(b, node);
	else
		add_file(b, node);
	pthread_mutex_unlock(&b->v->nodes_lock);
}

static void
bits_begin(struct bits *b, struct volume *v)
{
	b->v = v;
	b->epoch = intent_epoch(v->intent);
	b->count = 0;
	b->full = false;
}

/* True: all is marked, or cannot be. */
static bool
bits_mark(struct bits *b, int *rc)
{
	*rc = bits_done(b) ? 0 : members_mark(b->v, b->ids, b->count);
	return *rc != 0 || bits_done(b);
}

int
ways_mark(struct volume *v, struct node *node)
{
	return ways_mark_names(v, node, node);
}

int
ways_mark_names(struct volume *v, struct node *one, struct node *other)
{
	struct bits b;
	int rc;

	do {
		bits_begin(&b, v);
		add_node(&b, one);
		if (other != one)
			add_node(&b, other);
	} while (!bits_mark(&b, &rc));
	return rc;
}

int
ways_mark_removal(struct volume *v, struct node *node, const struct node *dir, const char *name)
{
	struct bits b;
	bool due;
	int rc;

	pthread_rwlock_rdlock(&node->lock);
	due = S_ISREG(node->mode) && (node->nlink > 1 || node->paged);
	pthread_rwlock_unlock(&node->lock);
	if (!due)
		return 0;
	do {
		bits_begin(&b, v);
		bits_add(&b, node_key(node));
		pthread_mutex_lock(&v->nodes_lock);
		if (add_names(&b, node, dir, name) == 0)
			bits_add(&b, INTENT_ASTRAY);
		pthread_mutex_unlock(&v->nodes_lock);
	} while (!bits_mark(&b, &rc));
	return rc;
}

int
ways_mark_astray(struct volume *v)
{
	const uint64_t id = INTENT_ASTRAY;

	return intent_marked(v->intent, id) ? 0 : members_mark(v, &id, 1);
}

int
ways_mark_id(struct volume *v, uint64_t id, bool directory)
{
	struct bits b;
	int rc;

	bits_begin(&b, v);
	bits_add(&b, id);
	if (directory)
		bits_add(&b, INTENT_WAY | id);
	(void)bits_mark(&b, &rc);
	if (rc != 0)
		return rc;
	intent_distrust(v->intent, id);
	if (directory)
		intent_distrust(v->intent, INTENT_WAY | id);
	return 0;
}

int
ways_new_id(struct volume *v, struct node *dir, uint64_t *id)
{
	struct bits b;
	int rc;

	if ((rc = members_next_id(v, id)) != 0)
		return rc;
	do {
		bits_begin(&b, v);
		bits_add(&b, *id);
		/* The next region as well: a burst of new files then waits half as often. */
		if (b.count > 0)
			bits_add(&b, *id + INTENT_REGION);
		add_node(&b, dir);
	} while (!bits_mark(&b, &rc));
	return rc;
}
