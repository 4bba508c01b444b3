#include <string.h>

#include "check/sink.h"
#include "format/jsonline.h"

static void
start(void *arg, const char *const *replicas, unsigned count, enum report_repair repair)
{
	static const char *const modes[] = { "look", "safe", "all", "ask" };
	json_t *line = jsonline_new("start"), *list = json_array(), *one;

	for (unsigned i = 0; i < count; i++) {
		one = json_object();
		jsonline_set_name(one, "path", replicas[i]);
		(void)json_array_append_new(list, one);
	}
	jsonline_set_number(line, "format", 1);
	jsonline_set_text(line, "repair", modes[repair]);
	jsonline_set(line, "replicas", list);
	jsonline_write(((struct sink *)arg)->out, line);
}

static void
finding(void *arg, const struct report_finding *f)
{
	static const char *const outcomes[] = { "left", "mended", "note" };
	json_t *line = jsonline_new("finding");

	jsonline_set_text(line, "code", report_name(f->code));
	jsonline_set_text(line, "text", report_text(f->code));
	jsonline_set_name(line, "path", f->path);
	jsonline_set_name(line, "replica", f->replica);
	if (f->offset != REPORT_NO_OFFSET) {
		jsonline_set_number(line, "offset", f->offset);
		jsonline_set_number(line, "length", f->length);
	}
	jsonline_set_text(line, "detail", f->detail);
	if (f->error != 0)
		jsonline_set_text(line, "error", strerror(-f->error));
	jsonline_set_text(line, "outcome", outcomes[f->outcome]);
	jsonline_write(((struct sink *)arg)->out, line);
}

static void
message(void *arg, const char *text)
{
	json_t *line = jsonline_new("message");

	jsonline_set_text(line, "text", text);
	jsonline_write(((struct sink *)arg)->out, line);
}

static void
summary(void *arg, const struct report_sums *sums, int exit_bits)
{
	json_t *line = jsonline_new("summary");

	jsonline_set_number(line, "files", sums->files);
	jsonline_set_number(line, "directories", sums->directories);
	jsonline_set_number(line, "others", sums->others);
	jsonline_set_number(line, "bytes", sums->bytes);
	jsonline_set_number(line, "mended", sums->mended);
	jsonline_set_number(line, "left", sums->left);
	jsonline_set_number(line, "notes", sums->notes);
	jsonline_set_number(line, "unverifiable", sums->unverifiable);
	jsonline_set_number(line, "exit", (uint64_t)exit_bits);
	jsonline_write(((struct sink *)arg)->out, line);
}

void
sink_json_progress(struct sink *sink, unsigned pass, uint64_t done, uint64_t total)
{
	json_t *line = jsonline_new("progress");

	jsonline_set_number(line, "pass", pass);
	jsonline_set_number(line, "done", done);
	jsonline_set_number(line, "total", total);
	jsonline_write(sink->out, line);
}

void
sink_json(struct sink *sink, struct report_sink *calls)
{
	*calls = (struct report_sink){ start, finding, message, summary, NULL, sink };
}
