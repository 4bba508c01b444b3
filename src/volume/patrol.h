/*
 * volume/patrol -- the copies that nobody reads.
 *
 * A read proves the copy it comes from; the others could rot unseen.  So when
 * a file is opened, each member is asked for its length and seal: a copy that
 * was written behind our back shows there, and is proved at once.  And files
 * that were opened wait in a short queue, from which the flusher proves their
 * other copies, a little at a time, so that it never competes with the work.
 */

#ifndef VOLUME_PATROL_H
#define VOLUME_PATROL_H

#include "volume/state.h"

/*
 * patrol_opened(volume, node):
 * ${node}, clean, was just opened: look at the seals, prove what is broken, queue the rest.
 * Tree lock; node lock exclusively.
 */
void patrol_opened(struct volume *volume, struct node *node);

/* patrol_sealed(node, st): is this what a member should say of the file? */
bool patrol_sealed(const struct node *node, const struct stat *st);

/* patrol_round(volume): prove some of the queue (the flusher). */
void patrol_round(struct volume *volume);

/* patrol_finish(volume): before a clean unmount, for a bounded time; then drops the queue.  No other thread uses the volume. */
void patrol_finish(struct volume *volume);

/* patrol_drop(volume): forget the queue. */
void patrol_drop(struct volume *volume);

#endif
