#include "online.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/client.h"

#define REPLICAS_MAX 16

/* What the daemon answers, until it is through. */
struct online {
	const struct online_options *options;
	struct report *report;
	unsigned replica_count;
	bool failed;			/* it said why it could not go on */
};

static void
take_start(struct online *o, const json_t *line)
{
	const json_t *list = json_object_get(line, "replicas");
	char paths[REPLICAS_MAX][PATH_MAX];
	const char *names[REPLICAS_MAX];
	unsigned count = 0;
	size_t i;

	for (i = 0; i < json_array_size(list) && count < REPLICAS_MAX; i++) {
		if (jsonline_get_name(json_array_get(list, i), "path", paths[count], PATH_MAX) == 0) {
			names[count] = paths[count];
			count++;
		}
	}
	o->replica_count = count;
	o->options->sink->start(o->options->sink->arg, names, count, o->options->repair);
}

/* A code that only a later daemon knows is told as what it is about, at least. */
static void
take_finding(const struct online *o, const json_t *line)
{
	struct report_finding f = { .offset = jsonline_get_number(line, "offset", REPORT_NO_OFFSET),
	    .length = jsonline_get_number(line, "length", 0) };
	char path[PATH_MAX], replica[PATH_MAX];
	const char *code = jsonline_get_text(line, "code");

	if (code == NULL || !report_find(code, &f.code)) {
		report_failed(o->report, "the daemon found something that this program does not know: %s", code == NULL ? "?" : code);
		return;
	}
	if (jsonline_get_name(line, "path", path, sizeof(path)) == 0)
		f.path = path;
	if (jsonline_get_name(line, "replica", replica, sizeof(replica)) == 0)
		f.replica = replica;
	f.outcome = jsonline_get_flag(line, "mended") ? OUTCOME_MENDED : OUTCOME_LEFT;
	f.error = -(int)jsonline_get_number(line, "errno", 0);
	if (f.outcome == OUTCOME_LEFT && o->options->repair == REPAIR_ALL && report_class(f.code) == CLASS_FULL)
		f.detail = "nothing proves what is right: unmount, and give the replicas to fsck.mendfs -y";
	report_add(o->report, &f);
}

static void
take_totals(const struct online *o, const json_t *line)
{
	uint64_t others = jsonline_get_number(line, "others", 0);

	report_count(o->report, COUNT_FILES, jsonline_get_number(line, "files", 0));
	report_count(o->report, COUNT_DIRECTORIES, jsonline_get_number(line, "directories", 0));
	report_count(o->report, COUNT_OTHERS, others);
	report_count(o->report, COUNT_BYTES, jsonline_get_number(line, "bytes", 0));
	/* With others to compare with, they are not. */
	if (o->replica_count == 1)
		report_count(o->report, COUNT_UNVERIFIABLE, others);
}

static void
take(void *arg, const json_t *line)
{
	const char *type = jsonline_get_text(line, "type"), *text = jsonline_get_text(line, "text");
	struct online *o = arg;
	const struct check_progress *to = o->options->progress;

	if (strcmp(type, "start") == 0) {
		take_start(o, line);
	} else if (strcmp(type, "finding") == 0) {
		take_finding(o, line);
	} else if (strcmp(type, "progress") == 0 && to != NULL) {
		to->show(to->arg, 1, jsonline_get_number(line, "done", 0), 0);
	} else if (strcmp(type, "totals") == 0) {
		take_totals(o, line);
	} else if (strcmp(type, "error") == 0) {
		report_failed(o->report, "%s", text != NULL ? text : "the daemon failed, and does not say why");
		o->failed = true;
	}
}

static void
explain(const struct online *o, int rc)
{
	const char *mountpoint = o->options->place->mountpoint;

	if (rc == -ENOENT || rc == -ECONNREFUSED)
		report_failed(o->report, "%s: no daemon listens for this mount; unmount it, and name the replicas", mountpoint);
	else if (rc == -EACCES || rc == -EPERM)
		report_failed(o->report, "%s: its daemon belongs to another user", mountpoint);
	else if (rc == -EPROTO)
		report_failed(o->report, "%s: the daemon hung up before it was through; see its log", mountpoint);
	else
		report_failed(o->report, "%s: its daemon cannot be asked: %s", mountpoint, strerror(-rc));
}

int
online_run(const struct online_options *options)
{
	struct online o = { .options = options };
	bool stopped;
	json_t *request;
	int rc, bits;

	if (report_new(options->sink, options->repair, &o.report) != 0)
		return EXIT_OPERATIONAL;
	request = json_object();
	jsonline_set_text(request, "command", "fsck");
	jsonline_set_name(request, "path", options->below);
	jsonline_set_flag(request, "mend", options->repair != REPAIR_NONE);
	rc = control_ask(options->place, request, take, &o);
	stopped = atomic_load(options->stop);
	if (rc < 0 && !stopped)
		explain(&o, rc);
	else if (rc > 0 && !o.failed)
		report_failed(o.report, "%s: the daemon could not do it; is it of an older version?", options->place->mountpoint);
	if (!stopped && options->progress != NULL)
		options->progress->show(options->progress->arg, 0, 1, 1);
	bits = report_finish(o.report, stopped);
	report_free(o.report);
	return bits;
}
