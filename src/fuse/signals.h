/*
 * fuse/signals -- SIGTERM, SIGINT and SIGHUP unmount; SIGUSR1 logs the status.
 *
 * The signals are blocked in every thread but one, which waits for them.
 */

#ifndef FUSE_SIGNALS_H
#define FUSE_SIGNALS_H

#include <signal.h>

#include "fuse/loop.h"
#include "volume/volume.h"

/* Has a handler that does nothing: it ends a system call that waits. */
#define SIGNALS_WAKE SIGUSR2

struct signals;

/* signals_block(): before the first thread starts, so that all inherit it. */
void signals_block(void);

/*
 * signals_start(volume, loop, mountpoint, signals):
 * Start the thread that waits, and ends ${loop}.
 */
int signals_start(struct volume *volume, struct loop *loop, const char *mountpoint, struct signals **signals);

/* signals_stop(signals): after the loop; NULL is allowed. */
void signals_stop(struct signals *signals);

#endif
