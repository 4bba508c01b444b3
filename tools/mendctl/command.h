/*
 * mendctl/command -- what the files of this folder share.
 */

#ifndef MENDCTL_COMMAND_H
#define MENDCTL_COMMAND_H

#include <stdbool.h>

#include "control/client.h"

#define PROGRAM "mendctl"

/* Exit statuses; those of control/request.h are the same. */
enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_DEGRADED };

struct command {
	const char *name;
	const char *usage;		/* what follows the name */
	const char *about;		/* one line */
	/* With the command's own words, argv[0] being its name; returns the exit status. */
	int (*run)(const struct command *command, int argc, char **argv);
};

/* usage_error(command, format, ...): what is wrong, and how it is used; returns EXIT_USAGE. */
int usage_error(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* request_new(command): a request, for ask(). */
json_t *request_new(const struct command *command);

/*
 * ask(path, top, request, answer, arg):
 * Ask the daemon of the mount that ${path} is on; ${top}: it must be the
 * mountpoint, else the way from there goes along as "path".  Answers of type
 * "error" are printed, all others given to ${answer}.  Returns the exit status;
 * what went wrong was printed.  Gives ${request} back.
 */
int ask(const char *path, bool top, json_t *request, control_answer *answer, void *arg);

/* ask_for(path, name, answer, arg): the same of mountpoint ${path}, for command ${name}, which takes nothing. */
int ask_for(const char *path, const char *name, control_answer *answer, void *arg);

/* The commands, each in the file of its name. */
int add_run(const struct command *command, int argc, char **argv);
int remove_run(const struct command *command, int argc, char **argv);
int replace_run(const struct command *command, int argc, char **argv);
int quarantine_run(const struct command *command, int argc, char **argv);
int resolve_run(const struct command *command, int argc, char **argv);
int explain_run(const struct command *command, int argc, char **argv);
int key_run(const struct command *command, int argc, char **argv);
int metrics_run(const struct command *command, int argc, char **argv);
int resync_run(const struct command *command, int argc, char **argv);
int scrub_command(const struct command *command, int argc, char **argv);
int status_run(const struct command *command, int argc, char **argv);

#endif
