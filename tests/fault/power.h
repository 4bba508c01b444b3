/*
 * Disks that lose power: of what was not made durable, some is kept, some is
 * lost, some is torn, on each replica in another way.
 *
 * A layer above a directory passes everything on, and notes it.  Beside the
 * directory stands another, the disk: what would be there after a power cut.
 * It is a disk as a journaling file system keeps it (ext4):
 *
 * - names, lengths, times, owners, modes and attributes reach it in the order
 *   in which they were changed, up to some point;
 * - data reaches it at any time, with the length that it gives the file, or
 *   never: then there is a hole, or what was there before;
 * - fsync(2) of anything makes all of the first kind durable, and the file's
 *   data; sync makes everything so.
 */

#ifndef TESTS_FAULT_POWER_H
#define TESTS_FAULT_POWER_H

#include "rig.h"

struct power;

/* power_new(rig): from now on ${rig}'s replicas lie on such disks.  They are to be empty. */
struct power *power_new(struct rig *rig);
/* power_sync(power): all is durable. */
void power_sync(struct power *power);
/*
 * power_cut(power, rig, seed):
 * The volume is closed.  Decide by ${seed} what is kept, and let ${rig}'s
 * replicas be the disks.  Frees ${power}.
 */
void power_cut(struct power *power, struct rig *rig, uint64_t seed);

/* power_random(state): the next number of a sequence (splitmix64). */
uint64_t power_random(uint64_t *state);

#endif
