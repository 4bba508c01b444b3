#include <inttypes.h>
#include <string.h>

#include "check/sink.h"
#include "util/text.h"

static void
clear(const struct sink *sink)
{
	if (sink->clear != NULL)
		sink->clear(sink->clear_arg);
}

static void
start(void *arg, const char *const *replicas, unsigned count, enum report_repair repair)
{
	(void)arg;
	(void)replicas;
	(void)count;
	(void)repair;
}

static void
finding(void *arg, const struct report_finding *f)
{
	static const char *const outcomes[] = { "left", "mended", "note" };
	struct sink *sink = arg;

	if (f->outcome == OUTCOME_NOTED && sink->quiet_notes)
		return;
	clear(sink);
	fprintf(sink->out, "%s ", report_name(f->code));
	if (f->path != NULL) {
		text_escape(sink->out, f->path[0] != '\0' ? f->path : "/");
		fputs(": ", sink->out);
	}
	fputs(report_text(f->code), sink->out);
	if (f->offset != REPORT_NO_OFFSET)
		fprintf(sink->out, ", offset %" PRIu64 ", %" PRIu64 " bytes", f->offset, f->length);
	if (f->replica != NULL) {
		fputs(", replica ", sink->out);
		text_escape(sink->out, f->replica);
	}
	if (f->detail != NULL) {
		fputs(": ", sink->out);
		text_escape(sink->out, f->detail);
	}
	if (f->error != 0)
		fprintf(sink->out, ": %s", strerror(-f->error));
	fprintf(sink->out, " [%s]\n", outcomes[f->outcome]);
	fflush(sink->out);
}

static void
message(void *arg, const char *text)
{
	struct sink *sink = arg;

	clear(sink);
	fflush(sink->out);
	fprintf(sink->err, "%s: ", sink->program);
	text_escape(sink->err, text);
	fputc('\n', sink->err);
}

static void
print_bytes(FILE *out, uint64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = (double)bytes;
	unsigned unit = 0;

	while (value >= 10240.0 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024.0;
		unit++;
	}
	fprintf(out, "%.0f %s", value, units[unit]);
}

static void
summary(void *arg, const struct report_sums *sums, int exit_bits)
{
	struct sink *sink = arg;

	clear(sink);
	fprintf(sink->out, "%s: %" PRIu64 " files, %" PRIu64 " directories, %" PRIu64 " others, ",
	    sink->program, sums->files, sums->directories, sums->others);
	print_bytes(sink->out, sums->bytes);
	fprintf(sink->out, " verified; %" PRIu64 " mended, %" PRIu64 " left, %" PRIu64 " unverifiable%s\n",
	    sums->mended, sums->left, sums->unverifiable, (exit_bits & EXIT_CANCELLED) != 0 ? "; cancelled" : "");
	fflush(sink->out);
}

static bool
ask(void *arg, enum report_code code)
{
	struct sink *sink = arg;
	char line[64];

	clear(sink);
	fflush(sink->out);
	fprintf(sink->err, "%s (%s): mend all of these? [y/N] ", report_name(code), report_text(code));
	fflush(sink->err);
	if (sink->answers == NULL || fgets(line, sizeof(line), sink->answers) == NULL)
		return false;
	return line[0] == 'y' || line[0] == 'Y';
}

void
sink_text(struct sink *sink, struct report_sink *calls)
{
	*calls = (struct report_sink){ start, finding, message, summary, ask, sink };
}
