/*
 * volume/moves -- changes of names that an unclean stop cut off.
 *
 * A renaming or link that was under way may have reached some members only.
 * Seen name by name it looks like one that is missing here and one too many
 * there.  So before the first such name is mended, all directories of dirty
 * regions are read on all members, and what stands in different places, by
 * its id, is moved to where the lowest member that has it keeps it.  Links and
 * special files, which have no id, are known by what they are.
 *
 * What stands on some members only is no matter of this module's: it is
 * completed (volume/settle).
 */

#ifndef VOLUME_MOVES_H
#define VOLUME_MOVES_H

#include "volume/state.h"

/*
 * moves_complete(volume):
 * Once in a mount; later calls do nothing.  Errors are logged, and leave names
 * to be completed one by one.  Tree lock (shared will do), and settle lock.
 */
void moves_complete(struct volume *volume);

#endif
