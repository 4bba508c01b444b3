#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "check/sink.h"

/*
 * Lines are made field by field and never fail halfway: a field that finds no
 * memory is left out, a line that cannot be made is lost.
 */
static void
set(json_t *line, const char *key, json_t *value)
{
	(void)json_object_set_new(line, key, value);
}

static json_t *
hex(const char *bytes)
{
	size_t len = strlen(bytes);
	char *text;
	json_t *value = NULL;

	if ((text = malloc(2 * len + 1)) == NULL)
		return NULL;
	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", (unsigned)(unsigned char)bytes[i]);
	text[2 * len] = '\0';
	value = json_string(text);
	free(text);
	return value;
}

/* Text as it is if it is UTF-8, else escaped. */
static json_t *
text_of(const char *bytes)
{
	json_t *value = json_string(bytes);
	char *escaped = NULL;
	size_t len = 0;
	FILE *out;

	if (value != NULL || (out = open_memstream(&escaped, &len)) == NULL)
		return value;
	sink_escape(out, bytes);
	fclose(out);
	value = escaped != NULL ? json_string(escaped) : NULL;
	free(escaped);
	return value;
}

/* A name for people, and its bytes for programs. */
static void
set_name(json_t *line, const char *key, const char *key_hex, const char *bytes)
{
	if (bytes == NULL)
		return;
	set(line, key, text_of(bytes));
	set(line, key_hex, hex(bytes));
}

static json_t *
line_new(const char *type)
{
	json_t *line = json_object();

	set(line, "type", json_string(type));
	return line;
}

static void
line_write(struct sink *sink, json_t *line)
{
	/* Progress comes from other threads. */
	flockfile(sink->out);
	if (json_dumpf(line, sink->out, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0)
		fputc('\n', sink->out);
	fflush(sink->out);
	funlockfile(sink->out);
	json_decref(line);
}

static void
start(void *arg, const char *const *replicas, unsigned count, enum report_repair repair)
{
	static const char *const modes[] = { "look", "safe", "all", "ask" };
	json_t *line = line_new("start"), *list = json_array(), *one;

	for (unsigned i = 0; i < count; i++) {
		one = json_object();
		set_name(one, "path", "path_hex", replicas[i]);
		(void)json_array_append_new(list, one);
	}
	set(line, "format", json_integer(1));
	set(line, "repair", json_string(modes[repair]));
	set(line, "replicas", list);
	line_write(arg, line);
}

static void
finding(void *arg, const struct report_finding *f)
{
	static const char *const outcomes[] = { "left", "mended", "note" };
	json_t *line = line_new("finding");

	set(line, "code", json_string(report_name(f->code)));
	set(line, "text", json_string(report_text(f->code)));
	set_name(line, "path", "path_hex", f->path);
	set_name(line, "replica", "replica_hex", f->replica);
	if (f->offset != REPORT_NO_OFFSET) {
		set(line, "offset", json_integer((json_int_t)f->offset));
		set(line, "length", json_integer((json_int_t)f->length));
	}
	if (f->detail != NULL)
		set(line, "detail", text_of(f->detail));
	if (f->error != 0)
		set(line, "error", json_string(strerror(-f->error)));
	set(line, "outcome", json_string(outcomes[f->outcome]));
	line_write(arg, line);
}

static void
message(void *arg, const char *text)
{
	json_t *line = line_new("message");

	set(line, "text", text_of(text));
	line_write(arg, line);
}

static void
summary(void *arg, const struct report_sums *sums, int exit_bits)
{
	json_t *line = line_new("summary");

	set(line, "files", json_integer((json_int_t)sums->files));
	set(line, "directories", json_integer((json_int_t)sums->directories));
	set(line, "others", json_integer((json_int_t)sums->others));
	set(line, "bytes", json_integer((json_int_t)sums->bytes));
	set(line, "mended", json_integer((json_int_t)sums->mended));
	set(line, "left", json_integer((json_int_t)sums->left));
	set(line, "notes", json_integer((json_int_t)sums->notes));
	set(line, "unverifiable", json_integer((json_int_t)sums->unverifiable));
	set(line, "exit", json_integer(exit_bits));
	line_write(arg, line);
}

void
sink_json_progress(struct sink *sink, unsigned pass, uint64_t done, uint64_t total)
{
	json_t *line = line_new("progress");

	set(line, "pass", json_integer((json_int_t)pass));
	set(line, "done", json_integer((json_int_t)done));
	set(line, "total", json_integer((json_int_t)total));
	line_write(sink, line);
}

void
sink_json(struct sink *sink, struct report_sink *calls)
{
	*calls = (struct report_sink){ start, finding, message, summary, NULL, sink };
}
