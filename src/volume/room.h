/*
 * volume/room -- space that is about to be free again.
 *
 * The space of a removed file is given back when the kernel has forgotten the
 * file, and it tells so some requests later: whoever writes right after rm(1)
 * returned would be told that there is no room.
 */

#ifndef VOLUME_ROOM_H
#define VOLUME_ROOM_H

#include "volume/state.h"

/* room_leaving(volume, node): it has lost its last name. Node lock, exclusively. */
void room_leaving(struct volume *volume, struct node *node);

/* room_left(volume, node): it is about to be freed, closed on all members. */
void room_left(struct volume *volume, struct node *node);

/*
 * room_comes(volume):
 * After ENOSPC, without any lock: wait for a file to be freed that was removed
 * in the last second, 100 ms at most.  True: one was; it is worth another try.
 */
bool room_comes(struct volume *volume);

#endif
