/* add, remove, replace: the replicas of a mounted volume. */

#include "command.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replica/open.h"
#include "util/log.h"
#include "util/text.h"

#define LIST_MAX 16

struct list { unsigned count, in_sync, unnamed; char paths[LIST_MAX][PATH_MAX]; };

static void
take_replica(void *arg, const json_t *line)
{
	struct list *list = arg;

	list->in_sync += jsonline_get_flag(line, "in-sync");
	if (list->count == LIST_MAX || jsonline_get_name(line, "path", list->paths[list->count], PATH_MAX) != 0)
		list->unnamed++;
	else
		list->count++;
}

/* What the volume is mounted from by now, which fstab and others do not know. */
static void
print_list(const struct list *list)
{
	unsigned i;

	printf("the volume's replicas are now, in this order:\n ");
	for (i = 0; i < list->count; i++) {
		putchar(' ');
		text_escape(stdout, list->paths[i]);
	}
	if (list->unnamed > 0)
		printf(", and %u not named at this mount", list->unnamed);
	printf("\n%u of %u in sync. Change the list where the volume is mounted from (fstab, /etc/mendfs/NAME.conf, your own scripts).\n",
	    list->in_sync, list->count + list->unnamed);
}

/* The daemon knows directories by their whole paths, and URLs in one spelling. */
static int
set_directory(json_t *request, const char *path)
{
	char why[REPLICA_OPEN_WHY_MAX], *real;
	int rc;

	if ((rc = replica_open_real(path, &real)) != 0) {
		if (replica_open_local(path))
			snprintf(why, sizeof(why), "%s; is the disk mounted and the path right?", strerror(-rc));
		else
			replica_open_explain(path, rc, why);
		log_error("%s: %s", path, why);
		return EXIT_FAILED;
	}
	jsonline_set_name(request, "directory", real);
	free(real);
	return EXIT_DONE;
}

/* A path as the daemon knows it, if there is one; else a name. */
static void
set_replica(json_t *request, const char *which)
{
	char *real = NULL;

	if (strchr(which, '/') != NULL)
		(void)replica_open_real(which, &real);
	jsonline_set_name(request, "replica", real != NULL ? real : which);
	free(real);
}

static int
change(const char *mountpoint, json_t *request)
{
	struct list *list = calloc(1, sizeof(*list));
	int status;

	if (list == NULL) {
		json_decref(request);
		return EXIT_FAILED;
	}
	status = ask(mountpoint, true, request, take_replica, list);
	if (status == EXIT_DONE)
		print_list(list);
	free(list);
	return status;
}

/* --wait may stand first. */
static void
take_wait(int *argc, char ***argv, json_t *request)
{
	if (*argc < 2 || strcmp((*argv)[1], "--wait") != 0)
		return;
	jsonline_set_flag(request, "wait", true);
	--*argc;
	++*argv;
}

int
add_run(const struct command *command, int argc, char **argv)
{
	json_t *request = request_new(command);

	take_wait(&argc, &argv, request);
	if (argc != 3 || set_directory(request, argv[2]) != EXIT_DONE) {
		json_decref(request);
		return argc == 3 ? EXIT_FAILED : usage_error(command, "which directory, to which mountpoint?");
	}
	return change(argv[1], request);
}

int
remove_run(const struct command *command, int argc, char **argv)
{
	json_t *request;

	if (argc != 3)
		return usage_error(command, "which replica, of which mountpoint?");
	request = request_new(command);
	set_replica(request, argv[2]);
	return change(argv[1], request);
}

int
replace_run(const struct command *command, int argc, char **argv)
{
	json_t *request = request_new(command);

	take_wait(&argc, &argv, request);
	if (argc != 4 || set_directory(request, argv[3]) != EXIT_DONE) {
		json_decref(request);
		return argc == 4 ? EXIT_FAILED : usage_error(command, "which replica, by which directory, of which mountpoint?");
	}
	set_replica(request, argv[2]);
	return change(argv[1], request);
}
