#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volume/files.h"
#include "volume/missed.h"
#include "volume/nodes.h"

uint64_t
node_id(const struct node *node)
{
	return node_key(node);
}

int
nodes_new(uint64_t id, mode_t mode, struct node **out)
{
	struct node *node;
	int i;

	if ((node = calloc(1, sizeof(*node))) == NULL)
		return -ENOMEM;
	if (S_ISDIR(mode)) {
		if ((node->directory = calloc(1, sizeof(*node->directory))) == NULL) {
			free(node);
			return -ENOMEM;
		}
		list_init(&node->directory->by_use);
		for (i = 0; i < VOLUME_REPLICAS_MAX; i++)
			node->directory->handle[i] = REPLICA_NONE;
	}
	pthread_rwlock_init(&node->lock, NULL);
	list_init(&node->dirty_link);
	list_init(&node->patrol_link);
	list_init(&node->all_link);
	list_init(&node->missed_link);
	list_init(&node->files_link);
	node->by_id.key = id;
	node->mode = mode;
	node->refs = 1;
	*out = node;
	return 0;
}

static void
node_free(struct node *node)
{
	pthread_rwlock_destroy(&node->lock);
	if (node->directory != NULL)
		roll_free(node->directory->roll);
	free(node->directory);
	free(node->target);
	free(node->torn);
	free(node);
}

struct node *
nodes_add(struct volume *v, struct node *node)
{
	struct hashmap_link *found;

	pthread_mutex_lock(&v->nodes_lock);
	if ((found = hashmap_find(&v->by_id, node_key(node))) != NULL) {
		node_free(node);
		node = hashmap_entry(found, struct node, by_id);
		node->refs++;
	} else {
		hashmap_insert(&v->by_id, &node->by_id, node_key(node));
		node->hashed = true;
		list_append(&v->all, &node->all_link);
	}
	pthread_mutex_unlock(&v->nodes_lock);
	return node;
}

struct node *
nodes_get(struct volume *v, uint64_t id)
{
	struct hashmap_link *found;
	struct node *node = NULL;

	pthread_mutex_lock(&v->nodes_lock);
	if ((found = hashmap_find(&v->by_id, id)) != NULL) {
		node = hashmap_entry(found, struct node, by_id);
		node->refs++;
	}
	pthread_mutex_unlock(&v->nodes_lock);
	return node;
}

void
nodes_hold(struct volume *v, struct node *node)
{
	pthread_mutex_lock(&v->nodes_lock);
	node->refs++;
	pthread_mutex_unlock(&v->nodes_lock);
}

/* Close what a directory keeps open on the members. */
static void
directory_close(struct volume *v, struct node *node)
{
	struct directory *d = node->directory;
	unsigned i;

	pthread_mutex_lock(&v->dirs_lock);
	list_remove(&d->by_use);
	if (d->open)
		v->dirs_open--;
	d->open = false;
	pthread_mutex_unlock(&v->dirs_lock);
	for (i = 0; i < v->member_count; i++) {
		if (d->handle[i] >= 0)
			v->members[i].r->ops->dir_close(v->members[i].r, d->handle[i]);
	}
}

/*
 * Drop references until none falls to zero.  Freeing a node gives back those
 * that its links held on directories: a loop, for a tree may be deep.
 */
static void
nodes_put_many(struct volume *v, struct node *node, uint64_t count)
{
	struct link *link, *links = NULL;
	struct node *dead;

	for (;;) {
		dead = NULL;
		pthread_mutex_lock(&v->nodes_lock);
		node->refs -= count;
		if (node->refs == 0) {
			dead = node;
			if (node->hashed)
				hashmap_remove(&v->by_id, &node->by_id);
			for (link = node->links; link != NULL; link = link->next)
				hashmap_remove(&v->by_name, &link->by_name);
			list_remove(&node->all_link);
			missed_forget(v, node);
			v->forgotten++;
		}
		pthread_mutex_unlock(&v->nodes_lock);

		if (dead != NULL) {
			/* Nobody else can reach it any more. */
			while ((link = dead->links) != NULL) {
				dead->links = link->next;
				link->next = links;
				links = link;
			}
			if (dead->directory != NULL)
				directory_close(v, dead);
			files_bury(v, dead);
			node_free(dead);
		}
		if ((link = links) == NULL)
			return;
		links = link->next;
		node = link->dir;
		count = 1;
		free(link);
	}
}

void
nodes_put(struct volume *v, struct node *node)
{
	nodes_put_many(v, node, 1);
}

void
node_forget(struct volume *v, struct node *node, uint64_t count)
{
	nodes_put_many(v, node, count);
}

void
nodes_unhash(struct volume *v, struct node *node)
{
	pthread_mutex_lock(&v->nodes_lock);
	if (node->hashed)
		hashmap_remove(&v->by_id, &node->by_id);
	node->hashed = false;
	pthread_mutex_unlock(&v->nodes_lock);
	missed_gone(v, node);
}

struct node *
nodes_next(struct volume *v, struct node *after)
{
	struct list_link *at;
	struct node *node = NULL;

	pthread_mutex_lock(&v->nodes_lock);
	at = after == NULL ? v->all.next : after->all_link.next;
	if (at != &v->all) {
		node = list_entry(at, struct node, all_link);
		node->refs++;
	}
	pthread_mutex_unlock(&v->nodes_lock);
	if (after != NULL)
		nodes_put(v, after);
	return node;
}

/* What the kernel, lists and names hold no longer counts: all nodes go, those without a name as well. */
void
nodes_free_all(struct volume *v)
{
	struct list_link *at;
	struct link *link;
	struct node *node;

	for (at = v->all.next; at != &v->all; at = at->next) {
		node = list_entry(at, struct node, all_link);
		while ((link = node->links) != NULL) {
			node->links = link->next;
			hashmap_remove(&v->by_name, &link->by_name);
			free(link);
		}
	}
	while (list_linked(&v->all)) {
		node = list_entry(v->all.next, struct node, all_link);
		list_remove(&node->all_link);
		if (node->hashed)
			hashmap_remove(&v->by_id, &node->by_id);
		if (node->directory != NULL)
			directory_close(v, node);
		files_bury(v, node);
		node_free(node);
	}
	v->root = NULL;
	list_init(&v->dirty);
	list_init(&v->missed);
	list_init(&v->all);
	v->dirty_count = 0;
	list_init(&v->files);
	v->files_count = 0;
}

/* FNV-1a; entries of one directory with equal keys are told apart by name. */
static uint64_t
name_key(const struct node *dir, const char *name)
{
	uint64_t key = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)(uintptr_t)dir;

	for (; *name != '\0'; name++)
		key = (key ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	return key;
}

/* Nodes lock. */
static struct link *
link_find(struct volume *v, const struct node *dir, const char *name)
{
	uint64_t key = name_key(dir, name);
	struct hashmap_link *at;
	struct link *link;

	for (at = hashmap_find(&v->by_name, key); at != NULL; at = at->next) {
		link = hashmap_entry(at, struct link, by_name);
		if (at->key == key && link->dir == dir && strcmp(link->name, name) == 0)
			return link;
	}
	return NULL;
}

struct node *
nodes_find(struct volume *v, const struct node *dir, const char *name)
{
	struct node *node = NULL;
	struct link *link;

	pthread_mutex_lock(&v->nodes_lock);
	if ((link = link_find(v, dir, name)) != NULL) {
		node = link->node;
		node->refs++;
	}
	pthread_mutex_unlock(&v->nodes_lock);
	return node;
}

int
nodes_link(struct volume *v, struct node *node, struct node *dir, const char *name)
{
	size_t len = strlen(name) + 1;
	struct link *link, *old;

	if ((link = malloc(sizeof(*link) + len)) == NULL)
		return -ENOMEM;
	memcpy(link->name, name, len);
	link->node = node;
	link->dir = dir;
	pthread_mutex_lock(&v->nodes_lock);
	if ((old = link_find(v, dir, name)) == NULL) {
		hashmap_insert(&v->by_name, &link->by_name, name_key(dir, name));
		link->next = node->links;
		node->links = link;
		dir->refs++;
		link = NULL;
	}
	pthread_mutex_unlock(&v->nodes_lock);
	free(link);
	return old == NULL || old->node == node ? 0 : -ESTALE;
}

void
nodes_unlink(struct volume *v, struct node *node, const struct node *dir, const char *name)
{
	struct link **at, *link = NULL;

	pthread_mutex_lock(&v->nodes_lock);
	for (at = &node->links; *at != NULL; at = &(*at)->next) {
		if ((*at)->dir == dir && strcmp((*at)->name, name) == 0) {
			link = *at;
			*at = link->next;
			hashmap_remove(&v->by_name, &link->by_name);
			break;
		}
	}
	pthread_mutex_unlock(&v->nodes_lock);
	if (link != NULL) {
		nodes_put(v, link->dir);
		free(link);
	}
}

char *
nodes_path(struct volume *v, const struct node *node, char *buf, size_t size)
{
	char *at = buf + size;
	const struct node *up;
	size_t len;

	*--at = '\0';
	pthread_mutex_lock(&v->nodes_lock);
	for (up = node; up != v->root; up = up->links->dir) {
		if (up->links == NULL)
			break;
		len = strlen(up->links->name);
		if ((size_t)(at - buf) < len + 5) {
			at -= 3;
			memcpy(at, "...", 3);
			up = v->root;
			break;
		}
		at -= len;
		memcpy(at, up->links->name, len);
		*--at = '/';
	}
	pthread_mutex_unlock(&v->nodes_lock);
	if (up != v->root)
		snprintf(buf, size, "(unlinked file, id %" PRIu64 ")", node_key(node));
	else if (*at == '\0')
		memcpy(buf, "/", 2);
	else
		memmove(buf, at, (size_t)(buf + size - at));
	return buf;
}
