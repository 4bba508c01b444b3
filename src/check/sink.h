/*
 * check/sink -- findings as lines of text, or as lines of JSON.
 */

#ifndef CHECK_SINK_H
#define CHECK_SINK_H

#include <stdio.h>

#include "check/report.h"

struct sink {
	FILE *out;			/* findings and summary */
	FILE *err;			/* what is operational, and questions */
	const char *program;
	bool quiet_notes;		/* text only */
	void (*clear)(void *arg);	/* called before each line: takes a progress bar away; may be NULL */
	void *clear_arg;
	FILE *answers;			/* where answers to questions come from, or NULL */
};

/* sink_text, sink_json(sink, calls): set up ${calls} to write as ${sink} says, which must outlive them. */
void sink_text(struct sink *sink, struct report_sink *calls);
void sink_json(struct sink *sink, struct report_sink *calls);

/* sink_json_progress(sink, pass, done, total): a line of type "progress". */
void sink_json_progress(struct sink *sink, unsigned pass, uint64_t done, uint64_t total);

#endif
