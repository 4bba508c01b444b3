/*
 * volume/away -- members that fail, and those that come back.
 *
 * A thread of its own looks each second whether the members in sync are still
 * what stands at their paths.  Of a member that was lost it closes everything,
 * so that its file system can be unmounted and repaired, and then looks for it
 * again and again: a directory at the same path, with the same replica's
 * label, that is in nobody's use, not forked, and can be written to durably.
 */

#ifndef VOLUME_AWAY_H
#define VOLUME_AWAY_H

#include "volume/state.h"

/* away_start(volume): start the thread.  away_stop(volume): end it. */
int away_start(struct volume *volume);
void away_stop(struct volume *volume);

/* away_pause(volume, ms): wait, but not if the threads are to end. away_end(volume): they are. */
void away_pause(struct volume *volume, unsigned ms);
void away_end(struct volume *volume);

/*
 * away_open(volume, member):
 * Get handles on .mendfs and what else a member needs, its replica being open.
 */
int away_open(struct member *member, bool no_writes);

/*
 * away_close_files(volume, member), away_close_directories(volume, member):
 * Close all that is open on a member that is not in sync.  False: some were
 * being used, and are open still.  Tree lock, exclusively.
 */
bool away_close_files(struct volume *volume, struct member *member);
bool away_close_directories(struct volume *volume, struct member *member);

/* away_lost(volume, member, error): it failed while it was being resynced: look for it again, later. */
void away_lost(struct volume *volume, struct member *member, int error);

#endif
