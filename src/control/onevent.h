/*
 * control/onevent -- the program that is called when something happens
 * (-o on-event), as mdadm calls its PROGRAM.
 *
 * It gets the event and the mountpoint as words, and the same and more in its
 * environment (mendfs(8)).  One runs at a time, in a session of its own, with
 * nothing of the daemon's open but standard output and error; one that takes
 * longer than a minute is killed, with all that it started.
 */

#ifndef CONTROL_ONEVENT_H
#define CONTROL_ONEVENT_H

#include "util/uuid.h"
#include "volume/events.h"

struct onevent;

/*
 * onevent_check(program):
 * NULL if ${program} may be called: an absolute path to a file that can be
 * executed and that nobody but its owner, who is root or this user, can write.
 * Else what is wrong and what to do, a constant.
 */
const char *onevent_check(const char *program);

/*
 * onevent_start(events, program, mountpoint, volume, onevent):
 * Start the thread that calls ${program} for what comes from ${events}.  The strings and
 * ${events} must outlive it.  -ENOMEM or pthread_create's error.
 */
int onevent_start(struct events *events, const char *program, const char *mountpoint, const struct uuid *volume,
    struct onevent **onevent);

/*
 * onevent_stop(onevent):
 * Tell of what is noted still, for some seconds at most, and end.  NULL is fine.
 */
void onevent_stop(struct onevent *onevent);

#endif
