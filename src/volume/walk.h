/*
 * volume/walk -- after an unclean stop: look in the background at every file that
 * may be torn, so that it is reconciled even if nobody opens it.
 *
 * It follows the ways that were marked (volume/ways): directories of regions that
 * are not on the way to anything are passed over, with all that is below.  Where
 * something is astray it goes through all directories.
 */

#ifndef VOLUME_WALK_H
#define VOLUME_WALK_H

#include "volume/state.h"

/* walk_start(volume): start the thread. */
int walk_start(struct volume *volume);
/* walk_stop(volume): end it, finished or not. */
void walk_stop(struct volume *volume);
/*
 * walk_note(volume, node):
 * It got another name, or lost one of several: the walk, if it is under way, is
 * to look at it wherever it is.  Tree lock, exclusively.
 */
void walk_note(struct volume *volume, struct node *node);

#endif
