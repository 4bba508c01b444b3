/*
 * mendd/seccomp -- the system calls that a server of replicas needs, and no others.
 *
 * What is not on the list does not exist (ENOSYS): that is what libc is
 * prepared for when it tries a newer call first.  What nobody but an intruder
 * would call ends the process at once.  No new program is run, no memory made
 * executable, no process started (threads are), no socket opened but Unix
 * ones, for syslog.
 */

#ifndef MENDD_SECCOMP_H
#define MENDD_SECCOMP_H

/*
 * seccomp_confine():
 * For this thread, and all that it starts.  -EOPNOTSUPP: no filter for this
 * machine, or a build with sanitizers, whose runtime has needs of its own.
 * The thread must have no_new_privs.
 */
int seccomp_confine(void);

#endif
