/*
 * volume/patrol -- the copies that nobody reads.
 *
 * A read proves the copy it comes from; the others could rot unseen.  So files
 * that come into use wait in a queue, from which the flusher proves their other
 * copies, a little at a time, so that it never competes with the work.  Those
 * that stay in use come back every PATROL_AGAIN_MS.  First each member is asked
 * for the file's length and seal: a copy that was written behind our back shows
 * there, and is sealed again when all of it was proved.
 *
 * Invariant: a file in the queue is proved from patrol_next to its end, and
 * then from its beginning to patrol_stop.  When it is queued once more,
 * patrol_stop moves to where the patrol stands, and that goes on: so a file
 * that is queued again and again is proved in its whole length nevertheless,
 * and each block once more each time.  What is appended when the end is behind
 * it was just written.
 */

#ifndef VOLUME_PATROL_H
#define VOLUME_PATROL_H

#include "volume/state.h"

#define PATROL_AGAIN_MS 5000

/* patrol_queue(volume, node): a file came into use: have its copies proved.  Node lock exclusively. */
void patrol_queue(struct volume *volume, struct node *node);

/* patrol_leave(volume, node): the file was removed: its copies are of no interest.  The caller has a reference. */
void patrol_leave(struct volume *volume, struct node *node);

/* patrol_again(volume, node): it is still in use: queue it once more, if it is time.  Node lock exclusively. */
void patrol_again(struct volume *volume, struct node *node);

/* patrol_sealed(node, st): is this what a member should say of the file? */
bool patrol_sealed(const struct node *node, const struct stat *st);

/* patrol_round(volume): prove some of the queue (the flusher). */
void patrol_round(struct volume *volume);

/* patrol_finish(volume): before a clean unmount, for a bounded time; then drops the queue.  No other thread uses the volume. */
void patrol_finish(struct volume *volume);

/* patrol_drop(volume): forget the queue. */
void patrol_drop(struct volume *volume);

#endif
