/*
 * util/daemon -- into the background, and what the parent's exit status says.
 */

#ifndef UTIL_DAEMON_H
#define UTIL_DAEMON_H

#include <stdbool.h>

#include "util/log.h"

struct daemon {
	const char *program;		/* for syslog */
	int report;			/* to the parent that waits; -1: none does, or it was told */
	enum log_level log_level;	/* of the messages to syslog */
	int null;			/* /dev/null, for who cannot open it any more when he reports */
};

/*
 * daemon_fork(daemon, failure_status):
 * Fork, before there are threads.  The child returns 0, still with its parent's
 * terminal, process group and directory, until it reports: what ends the parent
 * from the keyboard ends both.  The parent does not
 * return: it waits for the report and exits with 0, or with ${failure_status}
 * if the child failed or died.  On error, a negative errno value and no child.
 */
int daemon_fork(struct daemon *daemon, int failure_status);

/*
 * daemon_report(daemon, works):
 * Tell the parent.  If all is well also leave the terminal: a session of its own, messages to
 * syslog, standard streams to /dev/null, directory to the root.  Only the
 * first report counts, and in the foreground none.
 */
void daemon_report(struct daemon *daemon, bool works);

/* daemon_limits(): what a daemon that holds many files asks of the system; best effort. */
void daemon_limits(void);

#endif
