/*
 * volume/patrol -- the copies that nobody reads.
 *
 * A read proves the copy it comes from; the others could rot unseen.  So when
 * a file is opened, each member is asked for its length and seal: a copy that
 * was written behind our back shows there, and is proved at once.  And each
 * file that was opened waits in a queue, from which the flusher proves all its
 * copies, a little at a time, so that it never competes with the work.
 *
 * Invariant: a file in the queue is proved from patrol_next to its end, and
 * then from its beginning to patrol_stop.  An open moves patrol_stop to where
 * the patrol stands, and lets it go on, so that a file which is opened again
 * and again is proved in its whole length nevertheless, and each block once
 * more after each open.  What is appended when the end is behind it was just
 * written.
 */

#ifndef VOLUME_PATROL_H
#define VOLUME_PATROL_H

#include "volume/state.h"

/*
 * patrol_opened(volume, node):
 * ${node} was just opened (its file->users do not count that yet): if nobody else has it open and it is clean,
 * look at the seals and prove what is broken; queue it.  Tree lock; node lock exclusively.
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
