/*
 * util/aside -- have something done by another thread, and perhaps leave it there.
 *
 * For calls that may never return: the thread that makes such a call is one of
 * a pool that the whole process shares, and nobody joins it.  Those that are
 * idle end after some seconds.
 */

#ifndef UTIL_ASIDE_H
#define UTIL_ASIDE_H

#include <stdatomic.h>
#include <stdbool.h>

/* Embedded in what belongs to the job, on the heap: it may outlive whoever asked for it. */
struct aside_job { void (*run)(struct aside_job *job); };

/*
 * aside_run(job):
 * Call ${job}->run in another thread, now: no job waits for another one's end.
 * ${run} may free the job.  -EAGAIN: no thread could be started; nothing happens.
 */
int aside_run(struct aside_job *job);

/*
 * aside_spin(flag):
 * Look for some 20 microseconds whether ${flag} is set: what takes less needs
 * no thread to be put to sleep and woken.  Where there is but one processor it
 * is looked at once.
 */
bool aside_spin(const atomic_bool *flag);

#endif
