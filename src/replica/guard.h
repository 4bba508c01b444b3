/*
 * replica/guard -- a replica that is given up when it does not answer.
 *
 * It wraps another one and passes everything on.  A call to a disk, a server or
 * a program that hangs returns neither a result nor an error, and the thread
 * that makes it cannot be had back.  So a call is made aside, by a thread that
 * can be spared (util/aside), on copies of all its arguments, whenever there is
 * a reason:
 *
 *  - it makes something durable, and so waits for the disk anyhow;
 *  - nothing was heard of the replica for a while: it may hang by now;
 *  - another call is being waited for at the moment, longer than is usual;
 *  - the thread that calls must not be stuck (guard_always);
 *  - the file system is one behind which stands another machine or a program.
 *
 * All others are made by the caller itself, at the cost of a look at the clock:
 * so of a disk that hangs suddenly those calls are stuck that were under way in
 * that moment, and those who made them with them.
 *
 * When one call was not answered in time the replica is dead: all waiting ones
 * return -ETIMEDOUT, and so does every other from then on.  The calls that were
 * made stay where they are.  They may still have their effect, but on nothing
 * in memory.  What is closed on a dead replica stays open until the last of
 * them has returned, for it may still use the descriptor's number; so does the
 * lock, by which nobody takes the replica for one at rest before that.
 */

#ifndef REPLICA_GUARD_H
#define REPLICA_GUARD_H

#include "replica/open.h"
#include "replica/replica.h"

struct guard_options {
	unsigned timeout_ms;		/* from 1 on */
	dev_t device;			/* as long as this one completes anything a call is slow, and not hanging; 0: none */
	bool everything;		/* make every call aside, whatever the file system */
	/*
	 * May it be given up?  Else its calls are waited for on.  Called often,
	 * from any thread, and must not wait; to say yes once is to have it
	 * given up.  NULL: always.
	 */
	bool (*may_give_up)(void *arg);
	void *arg;
};

/*
 * guard_replica_new(inner, options, out):
 * Wrap ${inner}, which then belongs to the wrapper and is freed with it.
 * -ENOMEM; then ${inner} is still the caller's.
 */
int guard_replica_new(struct replica *inner, const struct guard_options *options, struct replica **out);

/*
 * guard_open(opening, path, options, wait_ms, out):
 * replica_open(${path}), then the lock, exclusively, both made
 * aside.  -EWOULDBLOCK: in use.  -EINPROGRESS: not done within ${wait_ms}; to be called again, with
 * what is in ${opening} then, which is NULL at first.  ${*out} has no guard yet.
 */
struct guard_opening;
int guard_open(struct guard_opening **opening, const char *path, const struct replica_open_options *options,
    unsigned wait_ms, struct replica **out);
/* guard_open_cancel(opening): what comes of it is not wanted any more.  NULL is fine. */
void guard_open_cancel(struct guard_opening *opening);

/*
 * guard_always(on):
 * All calls of this thread are to be made aside, for it has what others must
 * not wait for: a lock, or a task that nobody else does.  Returns what was so before.
 */
bool guard_always(bool on);

#endif
