/*
 * mendctl -- look into a mounted volume, and direct it.
 */

#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/log.h"

static const struct command commands[] = {
	{ "add", "[--wait] MOUNTPOINT DIRECTORY", "an empty directory becomes one more replica", add_run },
	{ "remove", "MOUNTPOINT NAME|REPLICA", "a replica is none any more; its files stay", remove_run },
	{ "replace", "[--wait] MOUNTPOINT NAME|REPLICA DIRECTORY",
	    "an empty directory becomes a replica, and when it is in sync the old one is none any more", replace_run },
	{ "quarantine", "list [--json] MOUNTPOINT|REPLICA...\n"
	    "  " PROGRAM " quarantine restore MOUNTPOINT ID [AS]\n"
	    "  " PROGRAM " quarantine purge MOUNTPOINT ID...|--older-than DAYS|--all",
	    "versions of files that were put aside: show, bring back, remove", quarantine_run },
	{ "resolve", "--keep NAME|REPLICA REPLICA...",
	    "settle a fork: which side wins; of replicas that are not mounted", resolve_run },
	{ "explain", "[--json] PATH", "what each replica has of a file, and what would be made of it", explain_run },
	{ "key", "new [-f FILE]\n"
	    "  " PROGRAM " key show [FILE]\n"
	    "  " PROGRAM " key trust HOST[:PORT] KEY",
	    "this machine's key for replicas on others; which key a server must have", key_run },
	{ "metrics", "MOUNTPOINT", "the same in numbers, as Prometheus reads them", metrics_run },
	{ "resync", "MOUNTPOINT", "look for replicas that are away now", resync_run },
	{ "scrub", "start|pause|resume|stop|status MOUNTPOINT[/PATH] [--rate BYTES[K|M|G]] [--sample PERCENT] [--for TIME] [--wait] [--json]",
	    "prove all that is there, on every replica", scrub_command },
	{ "status", "[--json] [--watch[=SECONDS]] MOUNTPOINT", "which replicas are in sync, what is pending, counts", status_run },
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void
usage(FILE *out)
{
	size_t i;

	fputs("usage:\n", out);
	for (i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  " PROGRAM " %s %s\n      %s\n", commands[i].name, commands[i].usage, commands[i].about);
	fputs("mendctl(8) tells more.\n", out);
}

int
usage_error(const struct command *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, PROGRAM " %s: ", command->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nusage: " PROGRAM " %s %s\n", command->name, command->usage);
	return EXIT_USAGE;
}

json_t *
request_new(const struct command *command)
{
	json_t *request = json_object();

	jsonline_set_text(request, "command", command->name);
	return request;
}

struct asking { control_answer *answer; void *arg; };

static void
take_answer(void *arg, const json_t *line)
{
	const struct asking *asking = arg;
	const char *type = jsonline_get_text(line, "type"), *text = jsonline_get_text(line, "text");

	if (strcmp(type, "error") == 0)
		log_error("%s", text != NULL ? text : "failed, and the daemon does not say why");
	else
		asking->answer(asking->arg, line);
}

/* Why the daemon could not be asked. */
static void
explain_failure(const char *path, const struct control_place *place, int rc)
{
	switch (rc) {
	case -ENOENT:
	case -ECONNREFUSED:
		log_error("%s: no daemon listens for it: it has ended, or could make no control socket (its log tells)", place->mountpoint);
		break;
	case -EACCES:
	case -EPERM:
		log_error("%s: its daemon belongs to another user; ask as that one, or as root", place->mountpoint);
		break;
	case -EPROTO:
		log_error("%s: the daemon hung up before it was through; see its log", place->mountpoint);
		break;
	default:
		log_error("%s: its daemon cannot be asked: %s", path, strerror(-rc));
	}
}

int
ask(const char *path, bool top, json_t *request, control_answer *answer, void *arg)
{
	struct asking asking = { answer, arg };
	struct control_place place;
	char below[PATH_MAX];
	int rc;

	if ((rc = control_place_find(path, &place, below)) != 0 || (top && *below != '\0')) {
		if (rc == -ENODEV)
			log_error("%s: is not on a mounted mendfs volume", path);
		else if (rc != 0)
			log_error("%s: %s", path, strerror(-rc));
		else
			log_error("%s: is not a mountpoint; its volume is mounted at %s", path, place.mountpoint);
		json_decref(request);
		return EXIT_FAILED;
	}
	if (!top)
		jsonline_set_name(request, "path", below);
	if ((rc = control_ask(&place, request, take_answer, &asking)) < 0) {
		explain_failure(path, &place, rc);
		return EXIT_FAILED;
	}
	return rc;
}

int
ask_for(const char *path, const char *name, control_answer *answer, void *arg)
{
	json_t *request = json_object();

	jsonline_set_text(request, "command", name);
	return ask(path, true, request, answer, arg);
}

int
main(int argc, char **argv)
{
	size_t i;

	log_setup(PROGRAM, LOG_LEVEL_INFO, false);
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0) {
		puts(PROGRAM " (mendfs) " PACKAGE_VERSION);
		return EXIT_DONE;
	}
	for (i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(&commands[i], argc - 1, argv + 1);
	}
	log_error("%s: no such command", argv[1]);
	usage(stderr);
	return EXIT_USAGE;
}
