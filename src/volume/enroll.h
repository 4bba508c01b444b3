/*
 * volume/enroll -- replicas that are added to a mounted volume, and removed from it.
 *
 * volume/volume.h has the calls.  What must hold, whenever it is cut off
 * (doc/FORMAT.md 4a): the volume can be mounted from the replicas that
 * were in sync before, and none that was in sync is lost to it but by a removal
 * that others know of durably.
 *
 * The new one's label comes first: without it the lists of the others would
 * name somebody whom nobody is.  A removed one's label comes last.
 *
 * A place among the members is used once in a mount: what it stood for may
 * still be known by its number (ids of links, volume/load).
 */

#ifndef VOLUME_ENROLL_H
#define VOLUME_ENROLL_H

#include "volume/state.h"

/*
 * enroll_find(volume, which, why):
 * The member of this name or path.  NULL: there is none, and ${why}, of
 * VOLUME_WHY_MAX bytes, says which there are.  Roster lock.
 */
struct member *enroll_find(struct volume *volume, const char *which, char *why);

/*
 * enroll_awaited(volume, r):
 * Is ${r}, open and locked, a member that was not there at the mount?  Then it
 * is looked for at its path from now on.  True: nothing is left to be done.
 * ${r} is given back in any case.
 */
bool enroll_awaited(struct volume *volume, struct replica *r);

/* enroll_joined(volume, member): it is in sync: whom it replaces goes. */
void enroll_joined(struct volume *volume, struct member *member);

#endif
