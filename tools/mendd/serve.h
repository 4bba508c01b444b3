/*
 * mendd/serve -- one process that serves one configuration, confined.
 */

#ifndef MENDD_SERVE_H
#define MENDD_SERVE_H

#include "link/key.h"
#include "mendd/conf.h"
#include "mendd/listen.h"
#include "util/daemon.h"

#define SERVE_TEXT_MAX (1024 * 1024)	/* bytes of a configuration */

struct serve {
	const struct conf *conf;
	const struct key_pair *key;
	struct listeners *listeners;
	int control_fd;			/* a stream from the supervisor, see serve_supersede() */
	struct daemon ready;		/* who waits until clients can come */
	bool leaves_terminal;		/* when they can, as daemon_report() */
};

/*
 * serve(serve):
 * Confine the process, and serve until SIGTERM, or until the supervisor is
 * gone, or until another process has taken over and the last session has
 * ended.  0, or a negative errno value, already logged.
 */
int serve(const struct serve *serve);

/*
 * serve_supersede(control_fd, text, len):
 * The supervisor's end: tell the process that another one, with the
 * configuration ${text}, listens now.  It goes on with those sessions that this
 * one lets in, too, and ends with the last of them.
 */
int serve_supersede(int control_fd, const char *text, size_t len);

/* serve_stdio(directory, read_only, trusted_xattrs): one session, on standard input and output. */
int serve_stdio(const char *directory, bool read_only, bool trusted_xattrs);

#endif
