/*
 * util/stall -- a word before waiting.
 *
 * Who serves requests one after the other in one thread (fuse/loop) wants to
 * know when one of them is about to wait for a disk, so that another thread
 * may take the next.  Who is about to wait says so here, without knowing whom.
 */

#ifndef UTIL_STALL_H
#define UTIL_STALL_H

/* Embedded by whoever wants to know. */
struct stall_hook { void (*ahead)(struct stall_hook *hook); };

/* stall_hook_set(hook): have ${hook} called for this thread's waits; NULL: nobody wants to know. */
void stall_hook_set(struct stall_hook *hook);

/* stall_ahead(): this thread may wait now for a millisecond or more. Cheap if repeated. */
void stall_ahead(void);

#endif
