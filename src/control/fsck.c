#include "control/request.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check/report.h"
#include "volume/scrub.h"

/* What fsck.mendfs calls what a scrub finds. */
static const enum report_code codes[SCRUB_CODES] = {
	[SCRUB_BLOCK_ROT] = BLOCK_ROT,
	[SCRUB_BLOCK_WRITTEN] = BLOCK_WRITTEN,
	[SCRUB_BLOCK_LOST] = BLOCK_LOST,
	[SCRUB_SIZE_WRONG] = SIZE_WRONG,
	[SCRUB_BLOCK_UNREADABLE] = DATA_UNREADABLE,
	[SCRUB_NAME_MISSING] = NAME_MISSING,
	[SCRUB_NAME_ADDED] = NAME_ADDED,
	[SCRUB_NAME_CHANGED] = NAME_CHANGED,
	[SCRUB_NAMES_UNPROVED] = NAMES_UNPROVED,
	[SCRUB_RECORD_MISSING] = RECORD_MISSING,
	[SCRUB_RECORD_SPOILED] = RECORD_SPOILED,
	[SCRUB_RECORD_DIFFERS] = RECORD_DIFFERS,
	[SCRUB_RECORD_UNPROVED] = RECORD_UNPROVED,
	[SCRUB_TAGS_SPOILED] = TAGS_SPOILED,
	[SCRUB_META_CHANGED] = META_CHANGED,
	[SCRUB_MTIME_CHANGED] = MTIME_CHANGED,
	[SCRUB_META_UNPROVED] = META_UNPROVED,
	[SCRUB_META_DIFFERS] = META_DIFFERS,
	[SCRUB_INODE_UNREADABLE] = INODE_UNREADABLE,
};

/*
 * Findings come from threads that hold locks, and whoever reads them may be
 * slow: they wait here until the thread that goes through the tree comes by.
 */
struct fsck {
	struct control_request *request;
	pthread_mutex_t mutex;		/* waiting */
	json_t *waiting;		/* an array */
};

static void
on_finding(void *arg, const struct scrub_finding *f)
{
	json_t *line = jsonline_new("finding");
	struct fsck *fsck = arg;

	jsonline_set_text(line, "code", report_name(codes[f->code]));
	jsonline_set_name(line, "path", f->path);
	jsonline_set_name(line, "replica", f->replica);
	if (f->offset != SCRUB_NO_OFFSET) {
		jsonline_set_number(line, "offset", f->offset);
		jsonline_set_number(line, "length", f->length);
	}
	jsonline_set_flag(line, "mended", f->mended);
	jsonline_set_number(line, "errno", (uint64_t)-f->error);
	pthread_mutex_lock(&fsck->mutex);
	(void)json_array_append_new(fsck->waiting, line);
	pthread_mutex_unlock(&fsck->mutex);
}

static void
write_waiting(struct fsck *fsck)
{
	json_t *lines;
	size_t i;

	pthread_mutex_lock(&fsck->mutex);
	lines = fsck->waiting;
	if (json_array_size(lines) > 0)
		fsck->waiting = json_array();
	pthread_mutex_unlock(&fsck->mutex);
	if (json_array_size(lines) == 0)
		return;
	for (i = 0; i < json_array_size(lines); i++)
		jsonline_write(fsck->request->out, json_incref(json_array_get(lines, i)));
	json_decref(lines);
}

static bool
on_stop(void *arg)
{
	struct fsck *fsck = arg;

	write_waiting(fsck);
	return control_gone(fsck->request);
}

static void
on_step(void *arg, const struct scrub_totals *totals, const char *path, const struct scrub_position *at)
{
	struct fsck *fsck = arg;
	json_t *line = jsonline_new("progress");

	(void)path;
	(void)at;
	jsonline_set_number(line, "done", totals->bytes);
	jsonline_write(fsck->request->out, line);
}

static void
write_start(struct control_request *request)
{
	json_t *line = jsonline_new("start"), *list = json_array(), *one;
	const char *path;
	unsigned i;

	for (i = 0; (path = volume_replica(request->volume, i)) != NULL; i++) {
		one = json_object();
		jsonline_set_name(one, "path", path);
		(void)json_array_append_new(list, one);
	}
	jsonline_set(line, "replicas", list);
	jsonline_write(request->out, line);
}

static void
write_totals(struct control_request *request, const struct scrub_totals *totals)
{
	json_t *line = jsonline_new("totals");

	jsonline_set_number(line, "files", totals->files);
	jsonline_set_number(line, "directories", totals->directories);
	jsonline_set_number(line, "others", totals->others);
	jsonline_set_number(line, "bytes", totals->bytes);
	jsonline_write(request->out, line);
}

static int
failed(struct control_request *request, const char *path, int rc)
{
	if (rc == -EAGAIN)
		return control_fail(request, "%s: what an unclean stop left is not all reconciled; unmount, and name the replicas",
		    request->mountpoint);
	return control_fail(request, "%s/%s: %s", request->mountpoint, path, strerror(-rc));
}

/* fsck.mendfs MOUNTPOINT[/PATH]: "path", "mend"; what its exit status is, it knows from the findings. */
int
control_fsck(struct control_request *request)
{
	struct fsck fsck = { .request = request, .mutex = PTHREAD_MUTEX_INITIALIZER };
	struct scrub_totals totals = { 0 };
	struct scrub_position *at;
	char path[PATH_MAX] = "";
	const struct scrub_options options = { .path = path, .mend = jsonline_get_flag(request->args, "mend"),
	    .finding = on_finding, .stop = on_stop, .step = on_step, .arg = &fsck };
	int rc;

	(void)jsonline_get_name(request->args, "path", path, sizeof(path));
	if (options.mend && volume_read_only(request->volume))
		return control_fail(request, "%s: mounted read-only, nothing can be mended; -n looks", request->mountpoint);
	if ((at = malloc(sizeof(*at))) == NULL || (fsck.waiting = json_array()) == NULL) {
		free(at);
		return control_fail(request, "out of memory");
	}
	write_start(request);
	rc = scrub_run(request->volume, &options, &totals, at);
	write_waiting(&fsck);
	write_totals(request, &totals);
	json_decref(fsck.waiting);
	pthread_mutex_destroy(&fsck.mutex);
	free(at);
	return rc == 0 || rc == -ECANCELED ? CONTROL_DONE : failed(request, path, rc);
}
