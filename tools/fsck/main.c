/*
 * fsck.mendfs -- check and mend the replicas of a volume: by itself while it is
 * not mounted, by its daemon while it is.
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bar.h"
#include "check/check.h"
#include "check/sink.h"
#include "replica/open.h"
#include "replica/url.h"
#include "online.h"

#define PROGRAM "fsck.mendfs"
#define REPLICAS_MAX 16

struct options {
	enum report_repair repair;
	bool repair_given;
	bool json, verbose;
	bool bar;
	int progress_fd;		/* -1: none */
	const char *key_file;
	const char *replicas[REPLICAS_MAX];
	unsigned replica_count;
	bool mounted;			/* a mounted volume, or something below it, instead of replicas: */
	struct control_place place;
	char below[PATH_MAX];
};

static atomic_bool stop;

static void
on_signal(int number)
{
	(void)number;
	atomic_store(&stop, true);
}

static void
usage(FILE *out)
{
	fputs("usage: " PROGRAM " [-n | -p | -y] [-v] [-C FD] [--json] [--key-file PATH] REPLICA...\n"
	    "       " PROGRAM " [-n | -p | -y] [-v] [-C FD] [--json] MOUNTPOINT[/PATH]\n"
	    "  -n           look only, write nothing at all\n"
	    "  -p, -a       mend what can be mended without losing anything\n"
	    "  -y           mend everything; what loses goes to .mendfs/quarantine\n"
	    "  -C FD        write progress for programs to descriptor FD (0: a bar)\n"
	    "  -v           tell notes, too\n"
	    "  --json       one JSON object a line\n"
	    "  --key-file PATH   the key of a volume that has one\n"
	    "Without -n, -p and -y it asks, on a terminal, before each kind of repair;\n"
	    "elsewhere, and of a mounted volume, it is -n.\n", out);
}

static int
set_repair(struct options *o, enum report_repair repair)
{
	if (o->repair_given && o->repair != repair) {
		fputs(PROGRAM ": only one of -n, -p and -y may be given\n", stderr);
		return EXIT_USAGE;
	}
	o->repair = repair;
	o->repair_given = true;
	return 0;
}

static int
set_progress(struct options *o, const char *text)
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || fd < 0 || fd > 1 << 20) {
		fprintf(stderr, PROGRAM ": -C %s: not a file descriptor\n", text);
		return EXIT_USAGE;
	}
	if (fd == 0)
		o->bar = true;
	else
		o->progress_fd = (int)fd;
	return 0;
}

enum { OPTION_JSON = 256, OPTION_KEY_FILE, OPTION_HELP, OPTION_VERSION };

static const struct option long_options[] = {
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "key-file", required_argument, NULL, OPTION_KEY_FILE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 }
};

static int
take_option(struct options *o, int option)
{
	switch (option) {
	case 'n':
		return set_repair(o, REPAIR_NONE);
	case 'p':
	case 'a':
		return set_repair(o, REPAIR_SAFE);
	case 'y':
		return set_repair(o, REPAIR_ALL);
	case 'C':
		return set_progress(o, optarg);
	case 'v':
		o->verbose = true;
		return 0;
	case OPTION_JSON:
		o->json = true;
		return 0;
	case OPTION_KEY_FILE:
		o->key_file = optarg;
		return 0;
	case OPTION_HELP:
		usage(stdout);
		exit(0);
	case 'V':
	case OPTION_VERSION:
		puts(PROGRAM " (mendfs) " PACKAGE_VERSION);
		exit(0);
	case 'f':	/* what fsck(8) passes on, and is so here in any case, or has no meaning */
	case 'r':
	case 'A':
	case 'M':
	case 'R':
	case 'T':
		return 0;
	default:
		usage(stderr);
		return EXIT_USAGE;
	}
}

static int
add_replica(struct options *o, const char *path)
{
	if (o->replica_count == REPLICAS_MAX) {
		fprintf(stderr, PROGRAM ": more than %d replicas\n", REPLICAS_MAX);
		return EXIT_USAGE;
	}
	if (!o->mounted && !replica_open_local(path)) {
		o->replicas[o->replica_count++] = path;
		return 0;
	}
	if (o->mounted || (o->replica_count > 0 && control_place_find(path, &o->place, o->below) == 0)) {
		fprintf(stderr, PROGRAM ": %s: one mounted volume, or replicas of one that is not mounted\n", path);
		return EXIT_USAGE;
	}
	if (control_place_find(path, &o->place, o->below) == 0) {
		o->mounted = true;
		return 0;
	}
	o->replicas[o->replica_count++] = path;
	return 0;
}

/* An argument is a replica, or "A:B:C" as fstab has it: then ${argument} is cut up. */
static int
add_argument(struct options *o, char *argument)
{
	struct stat st;
	char *part, *rest;
	int rc = 0;

	if (strchr(argument, ':') == NULL || (replica_open_local(argument) && stat(argument, &st) == 0))
		return add_replica(o, argument);
	for (part = argument; rc == 0 && part != NULL; part = rest) {
		/* A URL's own colons part nothing, up to the slash that follows its host. */
		rest = part + url_authority(part);
		rest += strcspn(rest, ":");
		rest = *rest != '\0' ? rest : NULL;
		if (rest != NULL)
			*rest++ = '\0';
		if (*part != '\0')
			rc = add_replica(o, part);
	}
	return rc;
}

static int
parse(struct options *o, int argc, char **argv)
{
	int option, rc;

	while ((option = getopt_long(argc, argv, "npayC:vVfrAMRT", long_options, NULL)) != -1) {
		if ((rc = take_option(o, option)) != 0)
			return rc;
	}
	for (int i = optind; i < argc; i++) {
		if ((rc = add_argument(o, argv[i])) != 0)
			return rc;
	}
	/* A daemon that is at work has nobody to ask. */
	if (!o->repair_given && !o->json && !o->mounted && isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
		o->repair = REPAIR_ASK;
	else if (!o->repair_given)
		fputs(PROGRAM ": none of -n, -p and -y given: looking only (-n)\n", stderr);
	if (o->replica_count == 0 && !o->mounted) {
		usage(stderr);
		return EXIT_USAGE;
	}
	return 0;
}

/* Whom progress is shown to. */
struct watcher { struct bar *bar; int fd; struct sink *json; };

static void
show(void *arg, unsigned pass, uint64_t done, uint64_t total)
{
	struct watcher *w = arg;

	if (w->json != NULL)
		sink_json_progress(w->json, pass, done, total);
	if (w->fd >= 0)
		dprintf(w->fd, "%u %llu %llu\n", pass, (unsigned long long)done, (unsigned long long)total);
	if (w->bar != NULL && pass == 1)
		bar_show(w->bar, done, total);
	else if (w->bar != NULL)
		bar_clear(w->bar);
}

static void
clear_bar(void *arg)
{
	bar_clear(arg);
}

/* Handles on directories are kept while their files are read: room for deep trees. */
static void
raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void
catch_signals(bool mounted)
{
	/* Once: whoever insists is obeyed at once.  Who waits for the daemon is to wait no longer. */
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND | (mounted ? 0 : SA_RESTART) };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* A reader that goes away is no reason to stop in the midst of mending. */
	signal(SIGPIPE, SIG_IGN);
}

static int
run(const struct options *o)
{
	struct sink sink = { .out = stdout, .err = stderr, .program = PROGRAM, .quiet_notes = !o->verbose };
	struct watcher watcher = { .fd = o->progress_fd };
	struct check_progress progress = { show, &watcher };
	struct report_sink calls;
	struct check_options options = {
		.replicas = o->replicas, .replica_count = o->replica_count, .repair = o->repair,
		.key_file = o->key_file, .sink = &calls, .stop = &stop,
	};
	int bits;

	if (o->json) {
		sink_json(&sink, &calls);
		watcher.json = &sink;
	} else {
		sink_text(&sink, &calls);
		/* A bar and a question would write over each other. */
		if (o->repair != REPAIR_ASK && (o->bar || isatty(STDERR_FILENO)))
			watcher.bar = bar_new(stderr);
		sink.clear = clear_bar;
		sink.clear_arg = watcher.bar;
	}
	if (o->repair == REPAIR_ASK)
		sink.answers = stdin;
	if (watcher.json != NULL || watcher.bar != NULL || watcher.fd >= 0)
		options.progress = &progress;
	if (o->mounted)
		bits = online_run(&(struct online_options){ &o->place, o->below, o->repair, &calls, options.progress, &stop });
	else
		bits = check_run(&options);
	bar_free(watcher.bar);
	return bits;
}

int
main(int argc, char **argv)
{
	struct options options = { .progress_fd = -1, .repair = REPAIR_NONE };
	int rc;

	if ((rc = parse(&options, argc, argv)) != 0)
		return rc;
	raise_limits();
	catch_signals(options.mounted);
	return run(&options);
}
