#include "link/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/log.h"

extern char **environ;

#define STACK_SIZE ((size_t)64 * 1024)
#define REAP_EVERY_MS 5

struct child {
	pid_t pid;
	char *name;
	int errors;		/* its standard error */
	int stop;		/* eventfd: read what is there, and end */
	pthread_t thread;
	bool started;		/* the thread was */
	unsigned lines;
	pthread_mutex_t mutex;
	char words[CHILD_WORDS_SIZE];	/* mutex; the last line */
};

/* One line, cut to what fits; the log escapes what it must. */
static void
take_line(struct child *c, const char *line, size_t len)
{
	/* ssh ends its own lines with a carriage return. */
	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
		len--;
	if (len == 0)
		return;
	pthread_mutex_lock(&c->mutex);
	snprintf(c->words, sizeof(c->words), "%.*s", (int)len, line);
	pthread_mutex_unlock(&c->mutex);
	if (++c->lines <= CHILD_LINES_MAX)
		log_info("%s: %.*s", c->name, (int)len, line);
	else if (c->lines == CHILD_LINES_MAX + 1)
		log_info("%s: there is more, which is not shown", c->name);
}

/* Take the lines that are whole, and what fills the buffer without being one. */
static void
take_lines(struct child *c, char *buffer, size_t size, size_t *used)
{
	char *end;
	size_t len;

	while ((end = memchr(buffer, '\n', *used)) != NULL || *used == size) {
		len = end != NULL ? (size_t)(end - buffer) : *used;
		take_line(c, buffer, len);
		if (end != NULL)
			len++;
		memmove(buffer, buffer + len, *used - len);
		*used -= len;
	}
}

static void *
log_errors(void *arg)
{
	struct child *c = arg;
	struct pollfd fds[] = { { .fd = c->errors, .events = POLLIN }, { .fd = c->stop, .events = POLLIN } };
	char buffer[CHILD_WORDS_SIZE];
	size_t used = 0;
	ssize_t n;

	pthread_setname_np(pthread_self(), "ssh-errors");
	for (;;) {
		if ((n = read(c->errors, buffer + used, sizeof(buffer) - used)) > 0) {
			used += (size_t)n;
			take_lines(c, buffer, sizeof(buffer), &used);
			continue;
		}
		/* A process that ssh left behind may hold the pipe open for hours: hence ${stop}. */
		if (n == 0 || errno != EAGAIN || fds[1].revents != 0)
			break;
		if (poll(fds, 2, -1) < 0)
			break;
	}
	take_line(c, buffer, used);
	return NULL;
}

static int
start_thread(struct child *c)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&c->thread, &attr, log_errors, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	c->started = rc == 0;
	return -rc;
}

/* argv with its standard descriptors; the others are closed at exec. */
static int
spawn(char *const argv[], int stdio, int errors, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	sigfillset(&all);
	if ((rc = posix_spawn_file_actions_adddup2(&actions, stdio, STDIN_FILENO)) != 0 ||
	    (rc = posix_spawn_file_actions_adddup2(&actions, stdio, STDOUT_FILENO)) != 0 ||
	    (rc = posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)) != 0)
		goto done;
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	/* In a group of its own: ^C is for us, and the link must outlive it until all is unmounted. */
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	rc = posix_spawnp(pid, argv[0], &actions, &attr, argv, environ);

done:
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

static struct child *
child_new(const char *name)
{
	struct child *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->errors = -1;
	c->name = strdup(name);
	c->stop = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_init(&c->mutex, NULL);
	if (c->name != NULL && c->stop >= 0)
		return c;
	child_end(c);
	return NULL;
}

int
child_start(char *const argv[], const char *name, struct child **child, int *fd)
{
	int pair[2] = { -1, -1 }, errors[2] = { -1, -1 }, rc = 0;
	struct child *c;

	if ((c = child_new(name)) == NULL)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 || pipe2(errors, O_CLOEXEC) != 0) {
		rc = -errno;
		goto done;
	}
	/* Read by a thread that must end when it is told to, whatever comes. */
	c->errors = errors[0];
	(void)fcntl(c->errors, F_SETFL, O_NONBLOCK);
	if ((rc = spawn(argv, pair[1], errors[1], &c->pid)) != 0)
		goto done;
	rc = start_thread(c);

done:
	if (pair[1] >= 0)
		close(pair[1]);
	if (errors[1] >= 0)
		close(errors[1]);
	if (rc != 0) {
		if (pair[0] >= 0)
			close(pair[0]);
		child_end(c);
		return rc;
	}
	*child = c;
	*fd = pair[0];
	return 0;
}

/* Has it ended, or does it within ${patience_ms}? */
static bool
has_ended(pid_t pid, int patience_ms)
{
	for (;; patience_ms -= REAP_EVERY_MS) {
		/* An error says that it is no child of ours, or was waited for already. */
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return true;
		if (patience_ms <= 0)
			return false;
		poll(NULL, 0, REAP_EVERY_MS);
	}
}

void
child_reap(pid_t pid)
{
	static const int signals[] = { SIGTERM, SIGKILL };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		if (has_ended(pid, CHILD_PATIENCE_MS))
			return;
		kill(pid, signals[i]);
	}
	/* After SIGKILL it is the kernel's matter alone. */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void
join(struct child *c)
{
	const uint64_t one = 1;

	if (!c->started)
		return;
	(void)!write(c->stop, &one, sizeof(one));
	pthread_join(c->thread, NULL);
	c->started = false;
}

void
child_last_words(struct child *child, char words[CHILD_WORDS_SIZE])
{
	/* Dead first, so that all it had to say is in the pipe. */
	if (child->pid != 0)
		child_reap(child->pid);
	child->pid = 0;
	join(child);
	memcpy(words, child->words, CHILD_WORDS_SIZE);
}

void
child_end(struct child *child)
{
	if (child == NULL)
		return;
	if (child->pid != 0)
		child_reap(child->pid);
	join(child);
	if (child->errors >= 0)
		close(child->errors);
	if (child->stop >= 0)
		close(child->stop);
	pthread_mutex_destroy(&child->mutex);
	free(child->name);
	free(child);
}
