#include "command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t
number(const json_t *object, const char *key)
{
	return jsonline_get_number(object, key, 0);
}

static const char *
text_or(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = jsonline_get_text(object, key);

	return text != NULL ? text : otherwise;
}

static void
print_ranges(const char *what, const json_t *runs)
{
	const json_t *ranges = json_object_get(runs, "ranges"), *one;
	uint64_t blocks = number(runs, "blocks"), listed = 0;
	size_t i;

	if (blocks == 0)
		return;
	printf("      %s: %" PRIu64 " blocks", what, blocks);
	for (i = 0; i < json_array_size(ranges); i++) {
		one = json_array_get(ranges, i);
		listed += (number(one, "length") + 4095) / 4096;
		printf("%s %" PRIu64 "+%" PRIu64, i == 0 ? ", at offset+length" : "", number(one, "offset"), number(one, "length"));
	}
	puts(listed < blocks ? " ..." : "");
}

static void
print_inode(const json_t *r)
{
	time_t seconds = (time_t)json_integer_value(json_object_get(r, "mtime"));
	char when[32] = "?";
	struct tm tm;

	if (localtime_r(&seconds, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%F %T", &tm);
	printf("      %s, mode %04" PRIo64 ", owner %" PRIu64 ":%" PRIu64 ", %" PRIu64 " bytes, modified %s.%09" PRIu64 "\n",
	    text_or(r, "type", "?"), number(r, "mode"), number(r, "uid"), number(r, "gid"), number(r, "size"), when, number(r, "mtime_ns"));
	if (json_object_get(r, "generation") != NULL)
		printf("      id %" PRIu64 ", generation %" PRIu64 "%s\n", number(r, "id"), number(r, "generation"),
		    jsonline_get_flag(r, "seal_broken") ? ", seal broken: written by something else" : "");
}

static void
print_replica(const json_t *r, bool source, bool reader)
{
	const char *error = jsonline_get_text(r, "error");

	printf("  %s: %s%s%s%s%s\n", text_or(r, "path", "?"), text_or(r, "state", "?"), error != NULL ? ": " : "", error != NULL ? error : "",
	    source ? ", its record is right" : "", reader ? ", would be read" : "");
	if (jsonline_get_flag(r, "present"))
		print_inode(r);
	print_ranges("bad", json_object_get(r, "bad"));
	if (number(r, "bad_tag_pages") > 0)
		printf("      bad pages of tags: %" PRIu64 "\n", number(r, "bad_tag_pages"));
	if (number(r, "names_missing") > 0)
		printf("      lacks %" PRIu64 " names that others have\n", number(r, "names_missing"));
	if (jsonline_get_text(r, "remedy") != NULL)
		printf("      -> %s\n", jsonline_get_text(r, "remedy"));
	if (jsonline_get_text(r, "data_remedy") != NULL)
		printf("      -> %s\n", jsonline_get_text(r, "data_remedy"));
}

/* Why that one is read. */
static void
print_reader(const json_t *line)
{
	static const struct { const char *name, *text; } reasons[] = {
		{ "none", "no replica can be read" },
		{ "only", "it is the only one in sync" },
		{ "first", "read=first" },
		{ "round-robin", "read=round-robin: it is the next in turn" },
		{ "load", "the file's home is several times as busy or slow" },
		{ "near", "it is the only one in sync that is on this machine" },
		{ "open", "the file is in use, and open there" },
	};
	const char *why = text_or(line, "reader_why", "");
	size_t i;

	/* Links and special files are not read. */
	if (json_object_get(line, "id") == NULL && number(line, "in_sync") > 0)
		return;
	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (strcmp(why, reasons[i].name) == 0)
			printf("  read from: %s\n", reasons[i].text);
	}
	if (strcmp(why, "home") == 0)
		printf("  read from: its home, for id %" PRIu64 " modulo %" PRIu64 " replicas is %" PRIu64 "\n",
		    number(line, "id"), number(line, "in_sync"), number(line, "home"));
}

static void
print_names(const json_t *line)
{
	const json_t *differing = json_object_get(line, "differing"), *one, *present;
	size_t i, k;

	printf("  %" PRIu64 " names, %" PRIu64 " of them not on all replicas\n", number(line, "names"), number(line, "names_differ"));
	for (i = 0; i < json_array_size(differing); i++) {
		one = json_array_get(differing, i);
		present = json_object_get(one, "replicas");
		printf("    %s: only on", text_or(one, "name", "?"));
		for (k = 0; k < json_array_size(present); k++)
			printf("%s %s", k > 0 ? "," : "", text_or(json_array_get(json_object_get(line, "replicas"),
			    (size_t)json_integer_value(json_array_get(present, k))), "path", "?"));
		putchar('\n');
	}
	if (json_array_size(differing) < number(line, "names_differ"))
		puts("    ...");
}

static void
print_whole(const json_t *line)
{
	printf("/%s: %s, %s\n", text_or(line, "path", "?"), text_or(line, "file_type", "?"),
	    jsonline_get_flag(line, "sound") ? "sound on all replicas" : "not sound on all replicas");
	if (jsonline_get_flag(line, "to_store"))
		puts("  was changed a moment ago: its record is yet to be stored");
	if (jsonline_get_flag(line, "torn"))
		puts("  an unclean stop may have torn it: what differs is settled as it is read");
	if (jsonline_get_flag(line, "changing"))
		puts("  is being changed all the while: some blocks could not be compared");
	print_reader(line);
	if (json_object_get(line, "names") != NULL)
		print_names(line);
	print_ranges("on no replica", json_object_get(line, "lost"));
	if (number(line, "unproved_blocks") > 0)
		printf("      not compared: %" PRIu64 " blocks, for nothing proves their checksums\n", number(line, "unproved_blocks"));
}

static void
answer(void *arg, const json_t *line)
{
	const json_t *replicas = json_object_get(line, "replicas");
	json_int_t source = json_is_integer(json_object_get(line, "source")) ? json_integer_value(json_object_get(line, "source")) : -1;
	json_int_t reader = json_is_integer(json_object_get(line, "reader")) ? json_integer_value(json_object_get(line, "reader")) : -1;
	const bool *json = arg;
	size_t i;

	if (*json) {
		(void)json_dumpf(line, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
		putchar('\n');
		return;
	}
	print_whole(line);
	for (i = 0; i < json_array_size(replicas); i++)
		print_replica(json_array_get(replicas, i), (json_int_t)i == source, (json_int_t)i == reader);
}

int
explain_run(const struct command *command, int argc, char **argv)
{
	const char *path = NULL;
	bool json = false, words = false;
	int i;

	for (i = 1; i < argc; i++) {
		if (!words && strcmp(argv[i], "--") == 0)
			words = true;
		else if (!words && strcmp(argv[i], "--json") == 0)
			json = true;
		else if (!words && argv[i][0] == '-')
			return usage_error(command, "%s: no such option", argv[i]);
		else if (path != NULL)
			return usage_error(command, "one path at a time");
		else
			path = argv[i];
	}
	if (path == NULL)
		return usage_error(command, "which path?");
	return ask(path, false, request_new(command), answer, &json);
}
