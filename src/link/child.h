/*
 * link/child -- a program at the other end of a socket: ssh.
 *
 * What it says on its standard error goes to the log, line by line.
 */

#ifndef LINK_CHILD_H
#define LINK_CHILD_H

#include <stddef.h>
#include <sys/types.h>

#define CHILD_WORDS_SIZE 256
#define CHILD_LINES_MAX 50	/* of one child that are logged */
#define CHILD_PATIENCE_MS 1000	/* for a child to end by itself, then after SIGTERM */

struct child;

/*
 * child_start(argv, name, child, fd):
 * Start argv[0], sought on the PATH, with one end of a socket as standard
 * input and output; the other is *${fd}.  ${name} begins its lines in the
 * log.  Signals are as in a program that was just started, and those of a
 * terminal do not reach it.  -ENOENT, -EACCES: no such program; -ENOMEM, ...
 */
int child_start(char *const argv[], const char *name, struct child **child, int *fd);

/* child_last_words(child, words): the last line it said, "" if none, after it hung up. */
void child_last_words(struct child *child, char words[CHILD_WORDS_SIZE]);

/* child_end(child): after its socket was closed: wait a second, then SIGTERM, then SIGKILL.  NULL is fine. */
void child_end(struct child *child);

/* child_reap(pid): the same of a process alone. */
void child_reap(pid_t pid);

#endif
