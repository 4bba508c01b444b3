/*
 * volume/walk -- after an unclean stop: look at every file once, in the
 * background, so that all that may be torn is reconciled even if nobody opens it.
 */

#ifndef VOLUME_WALK_H
#define VOLUME_WALK_H

#include "volume/state.h"

/* walk_start(volume): start the thread. */
int walk_start(struct volume *volume);
/* walk_stop(volume): end it, finished or not. */
void walk_stop(struct volume *volume);

#endif
