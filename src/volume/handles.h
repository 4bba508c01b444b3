/*
 * volume/handles -- how a node is reached on a member.
 *
 * Handles of directories are kept open, the least recently used are closed,
 * and are opened again by way of the parent.  The tree lock is held, shared
 * at least, over all of this.
 */

#ifndef VOLUME_HANDLES_H
#define VOLUME_HANDLES_H

#include "volume/state.h"

/*
 * handles_dir(volume, member, dir, handle):
 * The handle of a directory; stays open until handles_done(volume, dir).
 * -ENOENT: the node has no name any more.  On error nothing is to be undone.
 */
int handles_dir(struct volume *volume, struct member *member, struct node *dir, replica_handle *handle);
void handles_done(struct volume *volume, struct node *dir);

/* handles_drop(volume, member, dir): its handle there leads to a directory that was removed: forget it. */
void handles_drop(struct volume *volume, struct member *member, struct node *dir);

/* How a node is reached on a member, until handles_at_done. */
struct handles_place { struct replica_at at; struct node *pinned; };

/*
 * handles_at(volume, member, node, place):
 * By an open handle, or a name.  The caller holds the node's lock too if it
 * may be open.  -ENOENT: neither is there.
 */
int handles_at(struct volume *volume, struct member *member, struct node *node, struct handles_place *place);
/*
 * handles_pin(volume, node, dir, name):
 * ${name} is about to be taken by another file, while somebody may be just
 * opening this one: keep a way to it until the node is freed.
 */
int handles_pin(struct volume *volume, struct node *node, struct node *dir, const char *name);
void handles_at_done(struct volume *volume, struct handles_place *place);

#endif
