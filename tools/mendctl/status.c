#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"

#define WATCH_S 2		/* between two looks, unless said */
#define WATCH_MAX_S 86400
#define SIZE_TEXT 32
#define TIME_TEXT 32
#define CLEAR "\033[H\033[2J"

struct asked { bool json, clear; };

/* "1.5 GiB". */
static const char *
size_text(uint64_t bytes, char text[SIZE_TEXT])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double size = (double)bytes;
	unsigned unit = 0;

	while (size >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		size /= 1024;
		unit++;
	}
	snprintf(text, SIZE_TEXT, unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
	return text;
}

static const char *
time_text(uint64_t seconds, char text[TIME_TEXT])
{
	time_t when = (time_t)seconds;
	struct tm tm;

	if (localtime_r(&when, &tm) == NULL || strftime(text, TIME_TEXT, "%F %T", &tm) == 0)
		snprintf(text, TIME_TEXT, "%" PRIu64, seconds);
	return text;
}

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

/* What it misses, if it is away or was just found; how far it is, if it is being brought up to date. */
static void
print_lack(const json_t *r)
{
	const json_t *resync = json_object_get(r, "resync");
	const char *state = text_or(r, "state", "");

	if (jsonline_get_flag(resync, "wants_room"))
		printf("      no room to bring it up to date: free some space on its file system\n");
	if (strcmp(state, "resyncing") == 0) {
		printf("      %" PRIu64 " of %s%" PRIu64 " files and directories brought up to date, %" PRIu64 "/s%s\n",
		    number(resync, "done"), jsonline_get_flag(resync, "estimated") ? "about " : "", number(resync, "total"),
		    number(resync, "per_second"), jsonline_get_flag(resync, "everything") ? ", all data compared" : "");
		return;
	}
	if (jsonline_get_flag(resync, "everything"))
		printf("      it is not known what it misses: everything will be compared\n");
	else if (jsonline_get_flag(resync, "walk"))
		printf("      misses %" PRIu64 " files and directories, and maybe more: all names and records will be compared\n", number(resync, "missed"));
	else
		printf("      misses %" PRIu64 " files and directories\n", number(resync, "missed"));
}

static void
print_rate(const char *what, const json_t *rate)
{
	char size[SIZE_TEXT];

	printf("%s %" PRIu64 "/s, %s/s", what, number(rate, "count"), size_text(number(rate, "bytes"), size));
}

/* The connection to one on another machine. */
static void
print_link(const json_t *link)
{
	char in[SIZE_TEXT], out[SIZE_TEXT], window[SIZE_TEXT], since[TIME_TEXT];

	if (!jsonline_get_flag(link, "connected")) {
		printf("      not connected: %s\n", text_or(link, "why_not", "not tried yet"));
		return;
	}
	printf("      connected since %s, %s in, %s out, an answer takes %" PRIu64 " us\n", time_text(number(link, "since"), since),
	    size_text(number(link, "bytes_in"), in), size_text(number(link, "bytes_out"), out), number(link, "round_trip_ns") / 1000);
	if (strcmp(text_or(link, "ack", ""), "fsync") == 0)
		printf("      ack=fsync: %s in %" PRIu64 " requests are unconfirmed\n", size_text(number(link, "window_bytes"), window),
		    number(link, "window_requests"));
}

static void
print_replica(const json_t *r)
{
	const json_t *space = json_object_get(r, "space"), *resync = json_object_get(r, "resync");
	char size[SIZE_TEXT], total[SIZE_TEXT], since[TIME_TEXT];

	printf("  %s\n      %s since %s%s\n", text_or(r, "path", "?"), text_or(r, "state", "?"),
	    time_text(number(r, "since"), since), jsonline_get_flag(r, "since_mount") ? " (the mount) or before" : "");
	if (resync != NULL)
		print_lack(r);
	if (json_object_get(r, "link") != NULL)
		print_link(json_object_get(r, "link"));
	printf("      ");
	print_rate("reads", json_object_get(r, "reads_per_second"));
	print_rate(", writes", json_object_get(r, "writes_per_second"));
	printf(", a read takes %" PRIu64 " us\n", number(r, "read_latency_ns") / 1000);
	printf("      %" PRIu64 " bad blocks found, %" PRIu64 " mended", number(r, "bad_blocks"), number(r, "mended"));
	if (space != NULL)
		printf(", %s of %s free", size_text(number(space, "free"), size), size_text(number(space, "total"), total));
	putchar('\n');
}

static void
print_volume(const json_t *line)
{
	const json_t *pending = json_object_get(line, "pending"), *reconciling = json_object_get(line, "reconciling");
	uint64_t left = number(line, "redundancy_left");
	char since[TIME_TEXT];

	printf("%s: %" PRIu64 " of %" PRIu64 " replicas in sync since %s%s%s\n", text_or(line, "mountpoint", "?"),
	    number(line, "in_sync"), number(line, "replica_count"), time_text(number(line, "since"), since),
	    jsonline_get_flag(line, "degraded") ? ": degraded" : "", jsonline_get_flag(line, "read_only") ? ", read-only" : "");
	if (left > 0)
		printf("  %" PRIu64 " more may fail without loss\n", left);
	else
		printf("  no other may fail\n");
	printf("  volume %s, codec %s\n", text_or(line, "volume", "?"), text_or(line, "codec", "?"));
	printf("  %" PRIu64 " mended, %" PRIu64 " blocks unmendable\n", number(line, "mended"), number(line, "unmendable_blocks"));
	printf("  pending: %" PRIu64 " records to be stored, %" PRIu64 " files to be proved, %" PRIu64 " dirty regions\n",
	    number(pending, "to_store"), number(pending, "to_prove"), number(pending, "dirty_regions"));
	if (reconciling != NULL)
		printf("  reconciling after an unclean stop: %" PRIu64 " names looked at, %" PRIu64 " files gone through, %" PRIu64 " regions left\n",
		    number(reconciling, "names_done"), number(reconciling, "files_done"), number(reconciling, "regions_left"));
}

static void
answer(void *arg, const json_t *line)
{
	const struct asked *asked = arg;
	const json_t *replicas = json_object_get(line, "replicas");
	size_t i;

	if (asked->json) {
		(void)json_dumpf(line, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
		putchar('\n');
	} else {
		if (asked->clear)
			fputs(CLEAR, stdout);
		print_volume(line);
		for (i = 0; i < json_array_size(replicas); i++)
			print_replica(json_array_get(replicas, i));
	}
	(void)fflush(stdout);
}

/* Sleep, but not past the moment when the mount goes. */
static bool
still_mounted(const char *path, unsigned seconds)
{
	uint64_t until = clock_monotonic_ms() + seconds * UINT64_C(1000), now;
	struct pollfd mounts = { .fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC), .events = POLLPRI };
	struct control_place place;
	char below[PATH_MAX];
	bool there;

	while ((there = control_place_find(path, &place, below) == 0 && *below == '\0') &&
	    (now = clock_monotonic_ms()) < until) {
		if (poll(&mounts, 1, (int)(until - now)) < 0 && errno != EINTR)
			break;
	}
	if (mounts.fd >= 0)
		(void)close(mounts.fd);
	return there;
}

static int
watch(const struct command *command, const char *path, struct asked *asked, unsigned seconds)
{
	int status;

	asked->clear = !asked->json && isatty(STDOUT_FILENO);
	do {
		status = ask(path, true, request_new(command), answer, asked);
		if (status == EXIT_FAILED || ferror(stdout))
			return EXIT_FAILED;
	} while (still_mounted(path, seconds));
	log_info("%s: is not mounted any more", path);
	return status;
}

static int
parse_seconds(const char *text, unsigned *seconds)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	value = strtoul(text, &end, 10);
	if (*end != '\0' || value < 1 || value > WATCH_MAX_S)
		return -EINVAL;
	*seconds = (unsigned)value;
	return 0;
}

int
status_run(const struct command *command, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' }, { "watch", optional_argument, NULL, 'w' }, { NULL, 0, NULL, 0 },
	};
	struct asked asked = { .json = false };
	unsigned seconds = 0;
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (letter == 'j')
			asked.json = true;
		else if (letter != 'w')
			return usage_error(command, "%s: no such option, or its value is missing or too much", argv[optind - 1]);
		else if (optarg == NULL)
			seconds = WATCH_S;
		else if (parse_seconds(optarg, &seconds) != 0)
			return usage_error(command, "--watch=%s: say a number of seconds from 1 to %d", optarg, WATCH_MAX_S);
	}
	if (argc - optind != 1)
		return usage_error(command, "%s", argc == optind ? "which mountpoint?" : "one mountpoint at a time");
	if (seconds > 0)
		return watch(command, argv[optind], &asked, seconds);
	return ask(argv[optind], true, request_new(command), answer, &asked);
}
