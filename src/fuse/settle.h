/*
 * fuse/settle -- what is left to do when the mount has begun to answer.
 */

#ifndef FUSE_SETTLE_H
#define FUSE_SETTLE_H

#include "fuse/daemon.h"

struct settle;

/*
 * settle_start(mountpoint, report, settle):
 * In a thread of its own, because the loop must be running to answer: see that
 * the mount works, raise its read-ahead (root only, best effort), and report
 * to ${daemon}'s parent.
 */
int settle_start(const char *mountpoint, struct daemon *daemon, struct settle **settle);

/* settle_finish(settle): after the loop; NULL is allowed. */
void settle_finish(struct settle *settle);

#endif
