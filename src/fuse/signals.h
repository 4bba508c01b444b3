/*
 * fuse/signals -- SIGTERM, SIGINT and SIGHUP unmount; SIGUSR1 logs the status.
 *
 * The signals are blocked in every thread but one, which waits for them.
 */

#ifndef FUSE_SIGNALS_H
#define FUSE_SIGNALS_H

#include "fuse/front.h"

struct signals;

/* signals_block(): before the first thread starts, so that all inherit it. */
void signals_block(void);

/*
 * signals_start(front, mountpoint, signals):
 * Start the thread that waits.  The caller must be the thread that runs the
 * session's loop afterwards.
 */
int signals_start(struct front *front, const char *mountpoint, struct signals **signals);

/* signals_stop(signals): after the loop; NULL is allowed. */
void signals_stop(struct signals *signals);

#endif
