/*
 * volume/resync -- bringing a member that came back up to date, while the volume is in use.
 *
 * The member is not in sync, so nobody else touches it: what changes meanwhile
 * is noted (volume/missed) and done in the next round.  Rounds get shorter; at
 * last, with changes held up for a moment, nothing is left and the member joins.
 *
 * A round is either a walk through the whole tree, or goes to the nodes that
 * are noted.  Directories come first: names that do not belong are parked in
 * .mendfs/resync by the id of what they stand for, missing ones are taken from
 * there, so that what was renamed is renamed.  Then files: tags tell which
 * blocks differ, the source's are proved, the record comes last, after the
 * data is durable.
 *
 * Interrupted anywhere it begins anew: what is done already is found equal.
 */

#ifndef VOLUME_RESYNC_H
#define VOLUME_RESYNC_H

#include "volume/state.h"

/* resync_start(volume): start the thread.  resync_stop(volume): end it, and whatever it is at. */
int resync_start(struct volume *volume);
void resync_stop(struct volume *volume);

#endif
