/*
 * volume/ways -- intent: what is about to change, and the ways to it.
 *
 * After an unclean stop only what was being changed is to be gone through, and
 * ids lead nowhere.  So besides the region of each id that is about to change
 * the regions of all directories on the way to it are marked, as such, from the
 * top down: whoever follows marked ways comes by everything that may be torn.
 * A file is found by any of its names; all that are known are marked.  Where
 * none is known, though there is one, intent says that something is astray.
 *
 * A change of names marks the new way before it is made.  So for what is below a
 * directory that moves nothing has to be done: its way up to there stays what
 * it was, and is marked.
 *
 * All is durable on all members in sync when a function returns 0, and costs a
 * comparison if it was so before.  Errors are those of writing the bitmap.
 */

#ifndef VOLUME_WAYS_H
#define VOLUME_WAYS_H

#include "volume/state.h"

/*
 * ways_mark(volume, node):
 * It is about to change; of a directory its names, too; of what has no record,
 * its directory.  Of a file its lock, in any way, if it may have no known name.
 */
int ways_mark(struct volume *volume, struct node *node);
/* ways_mark_names(volume, a, b): the names of both directories are about to change. */
int ways_mark_names(struct volume *volume, struct node *a, struct node *b);
/*
 * ways_mark_removal(volume, node, dir, name):
 * This name of it, in ${dir}, which is marked, is about to go.  Tree lock, exclusively; not the node's.
 */
int ways_mark_removal(struct volume *volume, struct node *node, const struct node *dir, const char *name);
/* ways_mark_astray(volume): something changes that no way leads to. */
int ways_mark_astray(struct volume *volume);
/* ways_mark_id(volume, id, directory): something changes to which the way is marked, and counts as dirty before this mount. */
int ways_mark_id(struct volume *volume, uint64_t id, bool directory);
/* ways_new_id(volume, dir, id): the next free file id, for something in ${dir}; both are marked. */
int ways_new_id(struct volume *volume, struct node *dir, uint64_t *id);

#endif
