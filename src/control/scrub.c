#include "control/request.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "volume/scrub.h"

#define WAIT_MS 100		/* between two looks at whether it is through */
#define SHOW_LOOKS 10		/* every so many of them it is told how far it is */

static void
set_account(json_t *line, const struct scrub_account *account)
{
	jsonline_set_number(line, "started", (uint64_t)account->started);
	if (account->finished != 0)
		jsonline_set_number(line, "finished", (uint64_t)account->finished);
	jsonline_set_number(line, "files", account->totals.files);
	jsonline_set_number(line, "directories", account->totals.directories);
	jsonline_set_number(line, "others", account->totals.others);
	jsonline_set_number(line, "bytes", account->totals.bytes);
	jsonline_set_number(line, "bad", account->totals.bad);
	jsonline_set_number(line, "mended", account->totals.mended);
	jsonline_set_number(line, "left", account->totals.left);
}

static void
answer(struct control_request *request, const struct scrub_state *state)
{
	static const char *const doings[] = { "nothing", "running", "paused" };
	json_t *line = jsonline_new("scrub"), *last;

	jsonline_set_text(line, "doing", doings[state->doing]);
	if (state->doing != SCRUB_NONE) {
		jsonline_set_name(line, "path", state->path);
		jsonline_set_number(line, "rate", state->rate);
		jsonline_set_number(line, "sample", state->sample);
		jsonline_set_name(line, "at", state->at.path);
		set_account(line, &state->run);
	}
	if (state->last.started != 0) {
		last = json_object();
		set_account(last, &state->last);
		jsonline_set(line, "last", last);
	}
	jsonline_write(request->out, line);
}

/* Until it is through, or paused, or nobody wants to know. */
static int
wait_for(struct control_request *request)
{
	const struct timespec pause = { .tv_nsec = WAIT_MS * 1000000 };
	struct scrub_state state;
	uint64_t left;
	unsigned looks;
	int rc;

	for (looks = 1;; looks++) {
		rc = scrub_status(request->volume, &state);
		if (state.doing != SCRUB_RUNNING || control_gone(request))
			break;
		if (looks % SHOW_LOOKS == 0)
			answer(request, &state);
		(void)nanosleep(&pause, NULL);
	}
	answer(request, &state);
	if (rc == -EAGAIN)
		return control_fail(request, "%s: what an unclean stop left is not all reconciled; unmount, and run fsck.mendfs -p",
		    request->mountpoint);
	if (rc != 0)
		return control_fail(request, "%s: the scrub could not go on: %s", request->mountpoint, strerror(-rc));
	left = state.doing == SCRUB_NONE ? state.last.totals.left : state.run.totals.left;
	return left == 0 ? CONTROL_DONE : CONTROL_FAILED;
}

static int
refused(struct control_request *request, const char *action, int rc)
{
	const char *why = strerror(-rc);

	switch (rc) {
	case -EALREADY:
		why = "one is running already";
		break;
	case -EBUSY:
		why = "one of another path is paused: resume or stop that first";
		break;
	case -ENOENT:
		why = strcmp(action, "pause") == 0 ? "none is running" : strcmp(action, "resume") == 0 ? "none is paused" : "there is none";
		break;
	case -EROFS:
		why = "the volume is mounted read-only, where nothing can be mended; fsck.mendfs -n looks";
		break;
	}
	return control_fail(request, "%s: cannot %s a scrub: %s", request->mountpoint, action, why);
}

/* mendctl scrub: "action", and for start and resume "path", "rate", "sample", "time" (milliseconds), "wait". */
int
control_scrub(struct control_request *request)
{
	const char *action = jsonline_get_text(request->args, "action");
	char path[PATH_MAX] = "";
	struct scrub_request scrub = { .path = path, .rate = jsonline_get_number(request->args, "rate", 0),
	    .sample = (unsigned)jsonline_get_number(request->args, "sample", 0),
	    .time_ms = jsonline_get_number(request->args, "time", 0) };
	struct scrub_state state;
	int rc;

	(void)jsonline_get_name(request->args, "path", path, sizeof(path));
	if (action == NULL)
		rc = -EINVAL;
	else if (strcmp(action, "start") == 0)
		rc = scrub_start(request->volume, &scrub);
	else if (strcmp(action, "resume") == 0)
		rc = scrub_resume(request->volume, &scrub);
	else if (strcmp(action, "pause") == 0)
		rc = scrub_pause(request->volume);
	else if (strcmp(action, "stop") == 0)
		rc = scrub_stop(request->volume);
	else
		rc = strcmp(action, "status") == 0 ? 0 : -EINVAL;
	if (rc == -EINVAL) {
		(void)control_fail(request, "scrub: start, pause, resume, stop or status?");
		return CONTROL_USAGE;
	}
	if (rc != 0)
		return refused(request, action, rc);
	if (jsonline_get_flag(request->args, "wait"))
		return wait_for(request);
	(void)scrub_status(request->volume, &state);
	answer(request, &state);
	return CONTROL_DONE;
}
