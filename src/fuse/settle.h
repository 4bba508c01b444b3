/*
 * fuse/settle -- what is left to do when the mount has begun to answer.
 */

#ifndef FUSE_SETTLE_H
#define FUSE_SETTLE_H

#include "fuse/loop.h"
#include "util/daemon.h"
#include "volume/volume.h"

struct settle;

/*
 * settle_start(volume, mountpoint, loop, daemon, settle):
 * In a thread of its own: when the kernel has got its first answer, tell
 * ${loop} the mount's number, listen to mendctl (control/server), raise its
 * read-ahead (root only, both best effort), and report to ${daemon}'s parent.
 */
int settle_start(struct volume *volume, const char *mountpoint, struct loop *loop, struct daemon *daemon, struct settle **settle);

/* settle_finish(settle): after the loop, before the volume is closed; NULL is allowed. */
void settle_finish(struct settle *settle);

#endif
