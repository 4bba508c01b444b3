/*
 * volume/room -- space that is about to be free again, and space that is left
 * to the volume in use.
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

/* room_lacks(error): is it one for want of room?  Positive or negative errno value. */
bool room_lacks(int error);

/*
 * room_reserve(total): what a resync leaves free of a file system of ${total}
 * bytes: 1 %, at least 16 MiB, but of a small one no more than a 16th.
 */
uint64_t room_reserve(uint64_t total);

/*
 * room_spare(volume, member, bytes):
 * May a resync take ${bytes} more on ${member}'s file system?  -ENOSPC: it
 * would take the reserve, or more than half of what the fullest of the members
 * in sync has left, if that is less.  0 also where nobody knows.
 */
int room_spare(struct volume *volume, struct member *member, uint64_t bytes);

/*
 * room_begin_late(member):
 * The next operation writes a record, or tags: replica_begin_late, where there
 * is so much room that it will not be refused.  Where there is not, or it is
 * not known, it is waited for: want of room is no reason to lose a replica.
 */
void room_begin_late(struct member *member);

#endif
