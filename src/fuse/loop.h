/*
 * fuse/loop -- the threads that take requests from the kernel and serve them.
 *
 * As a rule one thread does everything: it listens (waits in read(2) for a
 * request), serves, and listens again.  The program that asked and this thread
 * then take turns, which is the least that a request can cost; with several
 * listeners each request wakes the one that slept longest, most often on
 * another processor.  A second thread listens only when there is a reason:
 *
 *  - the one that serves is about to wait for a disk, and says so (util/stall);
 *  - it has been at one request for LOOP_TICK_MS, whatever for;
 *  - several requests have been waiting for some time, and there are processors
 *    to serve them.
 *
 * Thus no request waits for another one's disk longer than a tick, and nobody
 * may wait inside a handler for a request to this mount that is not announced
 * by stall_ahead() first.
 */

#ifndef FUSE_LOOP_H
#define FUSE_LOOP_H

#include <stdbool.h>

#include "fuse/libfuse.h"

#define LOOP_TICK_MS 40

struct loop;

/* loop_new(session, threads_max, loop): ${threads_max} is at least 1.  -ENOMEM. */
int loop_new(struct fuse_session *session, unsigned threads_max, struct loop **loop);

/*
 * loop_run(loop):
 * Serve until unmounted or told to end; the calling thread keeps watch.
 * Returns 0, or a negative errno value if reading from the kernel failed or no
 * thread could be started.  All threads have ended when it returns.
 */
int loop_run(struct loop *loop);

/* loop_wait(loop): until the first request, the kernel's greeting, was answered; false: the loop ended before. */
bool loop_wait(struct loop *loop);

/*
 * loop_connection(loop, minor):
 * The minor number of the mount's device, once it is known: only from then on
 * it is noticed that requests queue up.  From any thread.
 */
void loop_connection(struct loop *loop, unsigned minor);

/* loop_end(loop): have loop_run return soon, from any thread. */
void loop_end(struct loop *loop);

/* loop_free(loop): NULL is fine. */
void loop_free(struct loop *loop);

#endif
