#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "control/server.h"
#include "fuse/settle.h"
#include "util/io.h"
#include "util/log.h"

#define READ_AHEAD_KB "2048"	/* two requests of the largest size: one is served while the other is used */

struct settle {
	struct volume *volume;
	const char *mountpoint;
	struct control *control;
	struct loop *loop;
	struct daemon *daemon;
	pthread_t thread;
};

static void
raise_read_ahead(unsigned major, unsigned minor)
{
	char path[64];
	int fd, rc;

	(void)snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", major, minor);
	if ((fd = open(path, O_WRONLY | O_CLOEXEC)) < 0) {
		log_debug("%s: %m", path);
		return;
	}
	if ((rc = io_write(fd, READ_AHEAD_KB, strlen(READ_AHEAD_KB))) != 0)
		log_debug("%s: %s", path, strerror(-rc));
	(void)close(fd);
}

static void *
settle(void *arg)
{
	struct settle *settle = arg;
	struct statx st;

	if (!loop_wait(settle->loop)) {
		log_error("mountpoint %s: the kernel did not begin to talk to us", settle->mountpoint);
		daemon_report(settle->daemon, false);
		return NULL;
	}
	/*
	 * No request to ourselves, never: killed while we wait for the answer,
	 * we could not die, and the mount and the replicas' locks stayed.
	 */
	if (statx(AT_FDCWD, settle->mountpoint, AT_STATX_DONT_SYNC, 0, &st) == 0) {
		loop_connection(settle->loop, st.stx_dev_minor);
		/* Without it the mount works all the same. */
		(void)control_start(settle->volume, settle->mountpoint,
		    makedev(st.stx_dev_major, st.stx_dev_minor), &settle->control);
		raise_read_ahead(st.stx_dev_major, st.stx_dev_minor);
	}
	daemon_report(settle->daemon, true);
	return NULL;
}

int
settle_start(struct volume *volume, const char *mountpoint, struct loop *loop, struct daemon *daemon, struct settle **out)
{
	struct settle *self;
	int rc;

	if ((self = calloc(1, sizeof(*self))) == NULL)
		return -ENOMEM;
	self->volume = volume;
	self->mountpoint = mountpoint;
	self->loop = loop;
	self->daemon = daemon;
	if ((rc = pthread_create(&self->thread, NULL, settle, self)) != 0) {
		free(self);
		return -rc;
	}
	*out = self;
	return 0;
}

void
settle_finish(struct settle *settle)
{
	if (settle == NULL)
		return;
	(void)pthread_join(settle->thread, NULL);
	control_stop(settle->control);
	free(settle);
}
