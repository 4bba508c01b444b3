#include "control/onevent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"

#define RUN_MS 60000		/* then it is killed */
#define STOP_MS 3000		/* for all that is left when the volume is closed */
#define REAP_MS 2000		/* for one that was killed to be gone: its disk may hang */
#define LOOK_MIN_MS 2		/* how often it is looked whether it has ended: rarer and rarer */
#define LOOK_MAX_MS 50
#define VARIABLES 8		/* of ours in its environment, at most */
/*
 * The daemon's umask is 0, for modes are the callers' business.  A program is
 * not to make files that everybody may write because of that, and posix_spawn
 * knows nothing of umasks.
 */
#define SHELL "/bin/sh"
#define SCRIPT "umask 022; exec \"$0\" \"$@\""

extern char **environ;

struct onevent {
	struct events *events;
	const char *program, *mountpoint;
	char volume[UUID_TEXT_SIZE];
	pthread_t thread;
	_Atomic uint64_t stop_ms;	/* when all is to be over; 0: not yet */
};

const char *
onevent_check(const char *program)
{
	struct stat st;

	if (*program != '/')
		return "is no absolute path; name the program from / on";
	if (stat(program, &st) != 0)
		return errno == ENOENT ? "is not there; name a program that is" : "cannot be looked at; name a program that can";
	if (!S_ISREG(st.st_mode))
		return "is no file; name a program";
	if (access(program, X_OK) != 0)
		return "cannot be executed; chmod +x it";
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return "belongs to another user, who could change it; chown it";
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "can be written by others than its owner; chmod go-w it";
	return NULL;
}

/* ---- its environment: the daemon's, without the settings, and the event */

struct environment { char **list; char *own[VARIABLES]; unsigned own_count; };

static void
environment_free(struct environment *e)
{
	while (e->own_count > 0)
		free(e->own[--e->own_count]);
	free(e->list);
}

/* NAME=VALUE; one that does not apply is empty, one that finds no memory is left out. */
static void
put_variable(struct environment *e, size_t *at, const char *name, const char *value)
{
	char *text;

	if (asprintf(&text, "MENDFS_%s=%s", name, value != NULL ? value : "") < 0)
		return;
	e->own[e->own_count++] = text;
	e->list[(*at)++] = text;
}

static int
environment_make(const struct onevent *o, const struct event *event, struct environment *e)
{
	size_t count = 0, at = 0, i;
	char number[24];

	memset(e, 0, sizeof(*e));
	while (environ[count] != NULL)
		count++;
	if ((e->list = calloc(count + VARIABLES + 1, sizeof(*e->list))) == NULL)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		if (strncmp(environ[i], "MENDFS_", 7) != 0)
			e->list[at++] = environ[i];
	}
	snprintf(number, sizeof(number), "%" PRIu64, event->count);
	put_variable(e, &at, "EVENT", events_name(event->kind));
	put_variable(e, &at, "MOUNTPOINT", o->mountpoint);
	put_variable(e, &at, "VOLUME", o->volume);
	put_variable(e, &at, "REPLICA", event->replica);
	put_variable(e, &at, "PATH", event->path);
	put_variable(e, &at, "DETAIL", event->detail);
	put_variable(e, &at, "COUNT", number);
	return 0;
}

/* ---- running it */

static int
set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int rc;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	/* A session, hence a group, of its own: what it starts can be killed with it. */
	if ((rc = posix_spawnattr_setflags(attributes,
	    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID)) == 0 &&
	    (rc = posix_spawnattr_setsigmask(attributes, &none)) == 0)
		rc = posix_spawnattr_setsigdefault(attributes, &all);
	return -rc;
}

static int
set_files(posix_spawn_file_actions_t *files)
{
	int rc;

	if ((rc = posix_spawn_file_actions_addchdir_np(files, "/")) == 0 &&
	    (rc = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)) == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
	return -rc;
}

static int
spawn(const struct onevent *o, const struct event *event, pid_t *pid)
{
	char *const words[] = { (char[]){ SHELL }, (char[]){ "-c" }, (char[]){ SCRIPT }, strdup(o->program),
	    strdup(events_name(event->kind)), strdup(o->mountpoint), NULL };
	struct environment environment = { .list = NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int rc = -ENOMEM;

	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawn_file_actions_init(&files);
	if (words[3] != NULL && words[4] != NULL && words[5] != NULL && environment_make(o, event, &environment) == 0 &&
	    (rc = set_attributes(&attributes)) == 0 && (rc = set_files(&files)) == 0)
		rc = -posix_spawn(pid, SHELL, &files, &attributes, words, environment.list);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	environment_free(&environment);
	free(words[3]);
	free(words[4]);
	free(words[5]);
	return rc;
}

static bool
over(const struct onevent *o)
{
	uint64_t stop_ms = atomic_load(&o->stop_ms);

	return stop_ms != 0 && clock_monotonic_ms() >= stop_ms;
}

/* Has it ended by ${until_ms}, and, with ${o}, before all is to be over? */
static bool
ended_by(const struct onevent *o, pid_t pid, uint64_t until_ms, int *status)
{
	unsigned wait_ms = LOOK_MIN_MS;
	struct timespec pause = { 0 };
	pid_t rc;

	while ((rc = waitpid(pid, status, WNOHANG)) == 0) {
		if (clock_monotonic_ms() >= until_ms || (o != NULL && over(o)))
			return false;
		pause.tv_nsec = (long)wait_ms * 1000000;
		(void)nanosleep(&pause, NULL);
		if (wait_ms < LOOK_MAX_MS)
			wait_ms++;
	}
	/* Who had SIGCHLD ignored when he started us keeps us from knowing more. */
	if (rc < 0)
		*status = 0;
	return true;
}

static void
run(const struct onevent *o, const struct event *event)
{
	const char *name = events_name(event->kind);
	int rc, status = 0;
	pid_t pid;

	if ((rc = spawn(o, event, &pid)) != 0) {
		log_error("%s: cannot be called for %s: %s", o->program, name, strerror(-rc));
		return;
	}
	if (!ended_by(o, pid, clock_monotonic_ms() + RUN_MS, &status)) {
		log_warning("%s: has not ended in time for %s, and is killed", o->program, name);
		(void)kill(-pid, SIGKILL);
		(void)ended_by(NULL, pid, clock_monotonic_ms() + REAP_MS, &status);
	} else if (WIFSIGNALED(status)) {
		log_warning("%s: ended by signal %d when called for %s", o->program, WTERMSIG(status), name);
	} else if (WEXITSTATUS(status) != 0) {
		log_warning("%s: exit status %d when called for %s", o->program, WEXITSTATUS(status), name);
	}
}

static void *
onevent_run(void *arg)
{
	struct onevent *o = arg;
	const struct event *event;
	unsigned untold = 0;

	while ((event = events_take(o->events)) != NULL) {
		if (over(o))
			untold++;
		else
			run(o, event);
		events_done(o->events, event);
	}
	if (untold > 0)
		log_warning("%s: was not called for %u events, for the volume is closed", o->program, untold);
	return NULL;
}

int
onevent_start(struct events *events, const char *program, const char *mountpoint, const struct uuid *volume,
    struct onevent **out)
{
	struct onevent *o;
	int rc;

	if ((o = calloc(1, sizeof(*o))) == NULL)
		return -ENOMEM;
	o->events = events;
	o->program = program;
	o->mountpoint = mountpoint;
	uuid_format(volume, o->volume);
	if ((rc = pthread_create(&o->thread, NULL, onevent_run, o)) != 0) {
		free(o);
		return -rc;
	}
	*out = o;
	return 0;
}

void
onevent_stop(struct onevent *o)
{
	if (o == NULL)
		return;
	atomic_store(&o->stop_ms, clock_monotonic_ms() + STOP_MS);
	events_end(o->events);
	pthread_join(o->thread, NULL);
	free(o);
}
