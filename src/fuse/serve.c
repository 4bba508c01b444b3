#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/onevent.h"
#include "fuse/device.h"
#include "fuse/front.h"
#include "fuse/loop.h"
#include "fuse/ops.h"
#include "fuse/serve.h"
#include "fuse/settle.h"
#include "fuse/signals.h"
#include "util/daemon.h"
#include "util/log.h"

#define LIBRARY_LINE_MAX 1024	/* bytes of a message of libfuse's */

/* libfuse's own messages; its levels are syslog's. */
__attribute__((format(printf, 2, 0)))
static void
library_log(enum fuse_log_level level, const char *format, va_list args)
{
	char line[LIBRARY_LINE_MAX];

	(void)vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	if (level <= FUSE_LOG_ERR)
		log_error("%s", line);
	else if (level <= FUSE_LOG_WARNING)
		log_warning("%s", line);
	else
		log_debug("%s", line);
}

static int
new_session(struct front *front, const struct options *options)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	bool read_only = volume_read_only(front->volume);
	struct fuse_lowlevel_ops table = ops_table;
	int rc = -ENOMEM;

	if (fuse_opt_add_arg(&args, "mendfs") != 0 || fuse_opt_add_arg(&args, "-o") != 0 ||
	    fuse_opt_add_arg(&args, options->mount_options) != 0)
		goto done;
	if (read_only && fuse_opt_add_arg(&args, "-oro") != 0)
		goto done;
	if (options->debug && fuse_opt_add_arg(&args, "-d") != 0)
		goto done;
	/* A request for each close(2) is dear: only where something has to be waited for. */
	if (!volume_lags(front->volume))
		table.flush = NULL;
	fuse_set_log_func(library_log);
	front->session = fuse_session_new(&args, &table, sizeof(table), front);
	rc = front->session != NULL ? 0 : -EINVAL;

done:
	fuse_opt_free_args(&args);
	if (rc != 0)
		log_error("%s: no FUSE session: %s", options->mountpoint, strerror(-rc));
	return rc;
}

static int
mount_session(struct front *front, const char *mountpoint)
{
	int rc;

	if (fuse_session_mount(front->session, mountpoint) != 0) {
		log_error("%s: cannot be mounted; see the message above, and that /dev/fuse and fusermount3 are there", mountpoint);
		return -EIO;
	}
	if ((rc = device_attach(front->session)) != 0) {
		log_error("%s: libfuse refuses our reading and writing: %s", mountpoint, strerror(-rc));
		fuse_session_unmount(front->session);
	}
	return rc;
}

/* Everything that needs threads, from the first to the last. */
static int
run(struct front *front, const struct options *options, struct daemon *daemon, struct events *events, struct onevent **onevent)
{
	struct signals *signals = NULL;
	struct settle *settle = NULL;
	struct loop *loop = NULL;
	int rc;

	signals_block();
	if (events != NULL && (rc = onevent_start(events, options->on_event, options->mountpoint, volume_uuid(front->volume), onevent)) != 0)
		goto done;
	if ((rc = volume_start(front->volume)) != 0)
		goto done;
	if ((rc = loop_new(front->session, options->max_threads, &loop)) != 0)
		goto done;
	if ((rc = signals_start(front->volume, loop, options->mountpoint, &signals)) != 0)
		goto done;
	if ((rc = settle_start(front->volume, options->mountpoint, loop, daemon, &settle)) != 0)
		goto done;
	rc = loop_run(loop);

done:
	if (rc != 0)
		log_error("%s: stopped: %s", options->mountpoint, strerror(-rc));
	/* First, so that nobody waits for an answer any more, settle among them. */
	fuse_session_unmount(front->session);
	settle_finish(settle);
	signals_stop(signals);
	loop_free(loop);
	return rc;
}

int
serve(const struct options *options)
{
	struct front front = { .listings_lock = PTHREAD_MUTEX_INITIALIZER };
	struct daemon daemon = { .program = "mendfs", .report = -1, .null = -1, .log_level = options->log_level };
	struct volume_options volume = options->volume;
	struct onevent *onevent = NULL;
	int rc, closed;

	list_init(&front.listings);
	daemon_limits();
	/* Before anything has threads: those that hold links to other machines do not come along. */
	if (!options->foreground && (rc = daemon_fork(&daemon, options->exit_failed)) != 0) {
		log_error("no new process: %s", strerror(-rc));
		return rc;
	}
	if (options->on_event != NULL && (rc = events_new(&volume.events)) != 0) {
		log_error("%s: %s", options->mountpoint, strerror(-rc));
		return rc;
	}
	if ((rc = volume_open(&volume, &front.volume)) != 0) {
		events_free(volume.events);
		return rc;
	}
	if ((rc = new_session(&front, options)) != 0)
		goto done;
	if ((rc = mount_session(&front, options->mountpoint)) != 0)
		goto done;
	rc = run(&front, options, &daemon, volume.events, &onevent);

done:
	if (front.session != NULL)
		fuse_session_destroy(front.session);
	ops_close_dirs(&front);
	closed = volume_close(front.volume);
	/* Closing the volume is the last that something may happen at. */
	onevent_stop(onevent);
	events_free(volume.events);
	if (rc == 0)
		rc = closed;
	daemon_report(&daemon, rc == 0);
	return rc;
}
