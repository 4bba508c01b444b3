/*
 * check/resolve -- which side of a fork wins.
 *
 * Replicas that are not mounted.  The losers become replicas that the volume
 * never saw, and are filled by the next mount, where whatever of theirs
 * differs goes to quarantine first.  Nothing but labels is changed here.
 */

#ifndef CHECK_RESOLVE_H
#define CHECK_RESOLVE_H

/*
 * resolve_fork(paths, count, keep):
 * ${keep}: one of the paths, or a replica's name.  0: settled, or there was
 * nothing to be settled.  What was done, or is wrong, is logged.  On error
 * nothing has changed, unless it is one of writing: then the same call, made
 * again, goes on.
 */
int resolve_fork(const char *const *paths, unsigned count, const char *keep);

#endif
