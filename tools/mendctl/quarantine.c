#include "quarantine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "meta/quarantine.h"
#include "replica/open.h"
#include "util/log.h"
#include "util/text.h"

#define DAY_S (24 * 60 * 60)

static const char *
kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "link";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	default:
		return "device";
	}
}

static void
print_json(const struct kept_version *v)
{
	json_t *line = jsonline_new("version");
	char when[32];
	struct tm tm;

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&v->when, &tm));
	jsonline_set_text(line, "id", v->id);
	jsonline_set_text(line, "replica", v->replica->name);
	jsonline_set_name(line, "path", *v->path != '\0' ? v->path : NULL);
	jsonline_set_text(line, "when", when);
	jsonline_set_text(line, "reason", v->reason);
	jsonline_set_text(line, "kind", kind_of(v->mode));
	jsonline_set_number(line, "size", v->size);
	jsonline_write(stdout, line);
}

static void
print_text(const struct kept_version *v)
{
	char when[32];
	struct tm tm;

	strftime(when, sizeof(when), "%F %T UTC", gmtime_r(&v->when, &tm));
	printf("%s  ", v->id);
	text_escape(stdout, *v->path != '\0' ? v->path : "(origin not known)");
	printf("\n    %s, %" PRIu64 " bytes, put aside %s: %s\n", kind_of(v->mode), v->size, when,
	    *v->reason != '\0' ? v->reason : "reason not known");
}

/* One directory that is a mountpoint of ours; else replicas. */
static bool
is_mount(int argc, char **argv)
{
	struct control_place place;
	char below[PATH_MAX];

	return argc == 1 && control_place_find(argv[0], &place, below) == 0;
}

static int
list(const struct command *command, int argc, char **argv)
{
	bool json = argc > 0 && strcmp(argv[0], "--json") == 0;
	struct kept kept;
	int status;
	size_t i;

	argc -= json;
	argv += json;
	if (argc == 0)
		return usage_error(command, "of which mountpoint or replicas?");
	status = is_mount(argc, argv) ? kept_of_mount(&kept, argv[0]) : kept_of_replicas(&kept, argv, (unsigned)argc);
	for (i = 0; i < kept.count; i++)
		(json ? print_json : print_text)(&kept.versions[i]);
	if (kept.count == 0 && status == EXIT_DONE && !json)
		puts("nothing is in quarantine");
	kept_free(&kept);
	return status;
}

static int
no_such(const char *id)
{
	log_error("%s: no version of that name is kept; '" PROGRAM " quarantine list' shows them", id);
	return EXIT_FAILED;
}

static int
restore(const struct command *command, int argc, char **argv)
{
	const struct kept_version *version;
	struct kept kept;
	int status;

	if (argc < 2 || argc > 3)
		return usage_error(command, argc < 2 ? "restore: which version, of which mountpoint?" : "restore: one version at a time");
	status = kept_of_mount(&kept, argv[0]);
	if ((version = kept_find(&kept, argv[1])) != NULL)
		status = restore_version(version, argv[0], argc == 3 ? argv[2] : NULL);
	else if (kept.replica_count > 0)
		status = no_such(argv[1]);
	kept_free(&kept);
	return status;
}

static void
no_answer(void *arg, const json_t *line)
{
	(void)arg;
	(void)line;
}

/* A replica on another machine is changed by the mount that has the lease. */
static int
have_purged(const struct kept *kept, const struct kept_replica *replica, const char *slot)
{
	static const struct command purging = { .name = "purge" };
	json_t *request = request_new(&purging);

	jsonline_set_name(request, "replica", replica->path);
	if (slot != NULL)
		jsonline_set_name(request, "slot", slot);
	return ask(kept->mountpoint, true, request, no_answer, NULL);
}

static int
purge_one(const struct kept *kept, const struct kept_version *v)
{
	struct replica *r;
	int rc;

	if (!replica_open_local(v->replica->path))
		return have_purged(kept, v->replica, v->slot);
	if ((rc = replica_open(v->replica->path, NULL, &r)) == 0) {
		rc = quarantine_purge(r, v->slot);
		r->ops->free(r);
	}
	if (rc == 0)
		return EXIT_DONE;
	log_error("%s: cannot be removed: %s", v->id, strerror(-rc));
	return EXIT_FAILED;
}

/* What an earlier purge began to remove. */
static void
sweep(const struct kept *kept)
{
	struct replica *r;
	unsigned i;

	for (i = 0; i < kept->replica_count; i++) {
		if (kept->replicas[i].unread)
			continue;
		if (!replica_open_local(kept->replicas[i].path)) {
			(void)have_purged(kept, &kept->replicas[i], NULL);
		} else if (replica_open(kept->replicas[i].path, NULL, &r) == 0) {
			(void)quarantine_sweep(r);
			r->ops->free(r);
		}
	}
}

static int
purge_named(const struct kept *kept, int count, char **ids)
{
	int i, status = EXIT_DONE;

	/* All or none. */
	for (i = 0; i < count; i++) {
		if (kept_find(kept, ids[i]) == NULL)
			return no_such(ids[i]);
	}
	for (i = 0; i < count; i++) {
		if (purge_one(kept, kept_find(kept, ids[i])) != EXIT_DONE)
			status = EXIT_FAILED;
	}
	return status;
}

static int
purge_before(const struct kept *kept, time_t before)
{
	int status = EXIT_DONE;
	size_t i, count = 0;

	for (i = 0; i < kept->count; i++) {
		if (kept->versions[i].when > before)
			continue;
		if (purge_one(kept, &kept->versions[i]) == EXIT_DONE)
			count++;
		else
			status = EXIT_FAILED;
	}
	printf("%zu removed, %zu kept\n", count, kept->count - count);
	return status;
}

static int
purge(const struct command *command, int argc, char **argv)
{
	bool older = argc > 1 && strcmp(argv[1], "--older-than") == 0, all = argc > 1 && strcmp(argv[1], "--all") == 0;
	unsigned long days = 0;
	struct kept kept;
	char *end;
	int status;

	if (argc < 2 || (all && argc > 2) || (older && argc != 3))
		return usage_error(command, "purge: of which mountpoint, and which versions?");
	if (older) {
		errno = 0;
		days = strtoul(argv[2], &end, 10);
		if (errno != 0 || *end != '\0' || argv[2][0] < '0' || argv[2][0] > '9' || days > 100000)
			return usage_error(command, "purge: --older-than %s: not a number of days", argv[2]);
	} else if (argv[1][0] == '-' && !all) {
		return usage_error(command, "purge: %s: no such option", argv[1]);
	}
	status = kept_of_mount(&kept, argv[0]);
	if (kept.replica_count > 0) {
		int done = older || all ? purge_before(&kept, all ? (time_t)INT64_MAX : time(NULL) - (time_t)(days * DAY_S)) :
		    purge_named(&kept, argc - 1, argv + 1);

		sweep(&kept);
		/* A replica that is away keeps what it has: only who asked for all of it must know. */
		status = older || all || done != EXIT_DONE ? (status != EXIT_DONE ? status : done) : EXIT_DONE;
	}
	kept_free(&kept);
	return status;
}

int
quarantine_run(const struct command *command, int argc, char **argv)
{
	if (argc < 2)
		return usage_error(command, "list, restore or purge?");
	if (strcmp(argv[1], "list") == 0)
		return list(command, argc - 2, argv + 2);
	if (strcmp(argv[1], "restore") == 0)
		return restore(command, argc - 2, argv + 2);
	if (strcmp(argv[1], "purge") == 0)
		return purge(command, argc - 2, argv + 2);
	return usage_error(command, "%s: list, restore or purge?", argv[1]);
}
