/*
 * volume/nodes -- the table of nodes, and the names they are known by.
 *
 * Internal to the folder; node.h is what others see.
 */

#ifndef VOLUME_NODES_H
#define VOLUME_NODES_H

#include "volume/state.h"

/* nodes_new(id, mode, node): a node with one reference, in no table. -ENOMEM. */
int nodes_new(uint64_t id, mode_t mode, struct node **node);
/*
 * nodes_add(volume, node):
 * Put ${node} into the table.  If another thread was first, its node is
 * returned with one more reference and ${node} is freed; else ${node}.
 */
struct node *nodes_add(struct volume *volume, struct node *node);
/* nodes_get(volume, id): the node with one more reference, or NULL. */
struct node *nodes_get(struct volume *volume, uint64_t id);
void nodes_hold(struct volume *volume, struct node *node);
/* nodes_put(volume, node): give one reference back; frees the node with the last. */
void nodes_put(struct volume *volume, struct node *node);
/* nodes_unhash(volume, node): its id may be used again (a borrowed one will be). */
void nodes_unhash(struct volume *volume, struct node *node);
/*
 * nodes_next(volume, after):
 * All nodes, one after the other: the one after ${after}, or the first, with
 * one more reference; that on ${after} is given back.  NULL: that was the last.
 */
struct node *nodes_next(struct volume *volume, struct node *after);

/* nodes_free_all(volume): the session is over, and the kernel's references with it. */
void nodes_free_all(struct volume *volume);

/* nodes_find(volume, dir, name): the node known by this name, with one more reference, or NULL.  Tree lock. */
struct node *nodes_find(struct volume *volume, const struct node *dir, const char *name);
/* nodes_link(volume, node, dir, name): note a name, unless it is noted.  -ENOMEM.  Tree lock (shared will do). */
int nodes_link(struct volume *volume, struct node *node, struct node *dir, const char *name);
/* nodes_unlink(volume, node, dir, name): the name is gone.  Tree lock, exclusively. */
void nodes_unlink(struct volume *volume, struct node *node, const struct node *dir, const char *name);

/* nodes_path(volume, node, buf, size): "/a/b" for messages, or "(id N)".  Takes the nodes lock. Returns buf. */
char *nodes_path(struct volume *volume, const struct node *node, char *buf, size_t size);
#define NODES_PATH_MAX 1024

#endif
