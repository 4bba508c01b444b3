/*
 * control/request -- one question to the daemon, and its answers.
 *
 * A connection carries one request, a line of JSON with the field "command"
 * and what else that takes, and then the answers, a line each: the command's
 * own, in any number, at last one of type "end" with the field "exit", what
 * mendctl shall exit with.  One of type "error" says in "text" what was wrong.
 */

#ifndef CONTROL_REQUEST_H
#define CONTROL_REQUEST_H

#include <stdatomic.h>

#include "format/jsonline.h"
#include "volume/volume.h"

#define CONTROL_LINE_MAX 65536	/* bytes of a request */

/* Exit statuses of mendctl. */
enum { CONTROL_DONE, CONTROL_FAILED, CONTROL_USAGE, CONTROL_DEGRADED };

struct control_request {
	struct volume *volume;
	const char *mountpoint;
	json_t *args;			/* the request's object */
	FILE *out;			/* for jsonline_write */
	int socket;
	const atomic_bool *stopped;	/* the daemon ends */
};

/*
 * A command: in a thread of its own, without any lock.  One that takes longer
 * than a moment asks control_gone() between its steps.  Returns mendctl's exit status.
 */
struct control_command { const char *name; int (*run)(struct control_request *request); };

/* control_command_find(name): NULL: there is none. */
const struct control_command *control_command_find(const char *name);

/* control_run(request, line): take the line apart, do it, answer all of it. */
void control_run(struct control_request *request, const char *line);

/* control_fail(request, format, ...): an "error" line; returns CONTROL_FAILED. */
int control_fail(struct control_request *request, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* control_gone(request): nobody waits for the answer any more, or the daemon ends. */
bool control_gone(const struct control_request *request);

/* The commands, each in the file of its name. */
int control_add(struct control_request *request);
int control_remove(struct control_request *request);
int control_replace(struct control_request *request);
int control_replicas(struct control_request *request);
int control_purge(struct control_request *request);
int control_explain(struct control_request *request);
int control_fsck(struct control_request *request);
int control_metrics(struct control_request *request);
int control_resync(struct control_request *request);
int control_scrub(struct control_request *request);
int control_status(struct control_request *request);

#endif
