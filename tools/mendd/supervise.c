#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mendd/conf.h"
#include "mendd/listen.h"
#include "mendd/serve.h"
#include "mendd/supervise.h"
#include "util/daemon.h"
#include "util/io.h"
#include "util/log.h"

/* A process that serves. */
struct child { pid_t pid; int control_fd; };

struct supervisor {
	char conf_file[PATH_MAX];	/* absolute: the daemon leaves its directory */
	char *text;			/* of the configuration that counts */
	size_t len;
	struct conf conf;
	struct key_pair key;
	struct listeners listeners;
	struct child children[SUPERVISE_PROCESSES_MAX];	/* the oldest first, the last one listens */
	unsigned count;
	struct daemon daemon;
	bool background;
};

/* ---- what is read */

static int
read_text(const char *path, char **text, size_t *len)
{
	ssize_t got = -ENOMEM;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0) {
		log_error("%s: %m; mendd(8) says what it holds", path);
		return -errno;
	}
	if ((*text = malloc(SERVE_TEXT_MAX + 1)) != NULL)
		got = io_read(fd, *text, SERVE_TEXT_MAX + 1);
	(void)close(fd);
	if (got >= 0 && got <= SERVE_TEXT_MAX) {
		*len = (size_t)got;
		return 0;
	}
	log_error("%s: %s", path, got > 0 ? "longer than 1 MiB" : strerror((int)-got));
	free(*text);
	*text = NULL;
	return got > 0 ? -EFBIG : (int)got;
}

static int
parse_text(const char *path, char *text, size_t len, struct conf *conf)
{
	/* An empty buffer fmemopen(3) does not take. */
	static char nothing[] = "\n";
	FILE *file = len > 0 ? fmemopen(text, len, "r") : fmemopen(nothing, 1, "r");
	int rc;

	if (file == NULL)
		return -ENOMEM;
	if ((rc = conf_read(conf, file, path)) != 0)
		log_error("%s", conf->error);
	(void)fclose(file);
	return rc;
}

/* The new configuration and key take the old ones' place if both are good. */
static int
read_all(struct supervisor *s)
{
	struct conf conf = { 0 };
	struct key_pair key;
	char why[1024], *text = NULL;
	size_t len = 0;
	int rc;

	if ((rc = read_text(s->conf_file, &text, &len)) != 0 || (rc = parse_text(s->conf_file, text, len, &conf)) != 0)
		goto fail;
	if ((rc = key_pair_read(conf.key_file, &key, why, sizeof(why))) != 0) {
		log_error("%s", why);
		goto fail;
	}
	free(s->text);
	conf_free(&s->conf);
	s->text = text;
	s->len = len;
	s->conf = conf;
	s->key = key;
	key_pair_clear(&key);
	return 0;

fail:
	conf_free(&conf);
	free(text);
	return rc;
}

/* ---- processes that serve */

static void
be_child(struct supervisor *s, int control_fd, int ready_fd)
{
	struct serve how = { .conf = &s->conf, .key = &s->key, .listeners = &s->listeners, .control_fd = control_fd,
		.ready = s->daemon, .leaves_terminal = s->daemon.report >= 0 };
	sigset_t none;
	unsigned i;

	/* Its elders' streams: they would see no end of them. */
	for (i = 0; i < s->count; i++)
		(void)close(s->children[i].control_fd);
	if (s->daemon.report >= 0)
		(void)close(s->daemon.report);
	how.ready.report = ready_fd;
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_NAME, "mendd-serve");
	_exit(serve(&how) == 0 ? 0 : 1);
}

static int
wait_for_ready(int fd, pid_t pid)
{
	char works = 0;

	if (io_read(fd, &works, 1) == 1 && works == 1)
		return 0;
	(void)waitpid(pid, NULL, 0);
	return -ECHILD;
}

static int
start_child(struct supervisor *s)
{
	int control[2] = { -1, -1 }, ready[2] = { -1, -1 };
	pid_t pid;
	int rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0 || pipe2(ready, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
		rc = -errno;
		log_error("no process to serve: %s", strerror(-rc));
		goto done;
	}
	if (pid == 0) {
		(void)close(control[0]);
		(void)close(ready[0]);
		be_child(s, control[1], ready[1]);
	}
	(void)close(ready[1]);
	ready[1] = -1;
	if ((rc = wait_for_ready(ready[0], pid)) != 0)
		goto done;
	s->children[s->count++] = (struct child){ .pid = pid, .control_fd = control[0] };
	control[0] = -1;

done:
	if (control[0] >= 0)
		(void)close(control[0]);
	if (control[1] >= 0)
		(void)close(control[1]);
	if (ready[0] >= 0)
		(void)close(ready[0]);
	if (ready[1] >= 0)
		(void)close(ready[1]);
	return rc;
}

static void
forget_child(struct supervisor *s, unsigned which)
{
	(void)close(s->children[which].control_fd);
	memmove(&s->children[which], &s->children[which + 1], (s->count - which - 1) * sizeof(s->children[0]));
	s->count--;
}

static void
end_child(struct supervisor *s, unsigned which)
{
	(void)kill(s->children[which].pid, SIGTERM);
	(void)waitpid(s->children[which].pid, NULL, 0);
	forget_child(s, which);
}

static void
reload(struct supervisor *s)
{
	unsigned i;

	if (read_all(s) != 0) {
		log_error("%s: not reloaded; what was before goes on", s->conf_file);
		return;
	}
	if (s->count == SUPERVISE_PROCESSES_MAX)
		end_child(s, 0);
	log_setup("mendd", s->conf.log_level, s->background);
	if (start_child(s) != 0) {
		log_error("%s: not reloaded; what was before goes on", s->conf_file);
		return;
	}
	for (i = 0; i + 1 < s->count; i++) {
		if (serve_supersede(s->children[i].control_fd, s->text, s->len) != 0)
			(void)kill(s->children[i].pid, SIGTERM);
	}
	log_info("%s: reloaded", s->conf_file);
}

/* Some process has ended.  The one that listens must not. */
static int
reap(struct supervisor *s)
{
	int status, rc = 0;
	unsigned i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < s->count && s->children[i].pid != pid; i++)
			;
		if (i == s->count)
			continue;
		if (i + 1 == s->count) {
			log_error("the process that serves has ended by itself (wait status %#x)", (unsigned)status);
			rc = -ECHILD;
		}
		forget_child(s, i);
	}
	return rc;
}

/* ---- the whole */

/* To systemd, as sd_notify(3) does. */
static void
notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len;
	int fd;

	if (path == NULL || (*path != '/' && *path != '@') || (len = strlen(path)) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	if (*path == '@')
		address.sun_path[0] = '\0';
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	(void)close(fd);
}

static int
run(struct supervisor *s, const sigset_t *set)
{
	int number, rc;

	for (;;) {
		if (sigwait(set, &number) != 0)
			continue;
		if (number == SIGHUP)
			reload(s);
		else if (number != SIGCHLD)
			break;
		if ((rc = reap(s)) != 0)
			return rc;
	}
	log_info("%s: ending", strsignal(number));
	return 0;
}

static void
block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

int
supervise(const char *conf_file, bool foreground, int failure_status)
{
	struct supervisor s = { .daemon = { .program = "mendd", .report = -1, .null = -1 }, .background = !foreground };
	sigset_t set;
	int rc;

	if (realpath(conf_file, s.conf_file) == NULL) {
		log_error("%s: %m; mendd(8) says what it holds", conf_file);
		return -errno;
	}
	if ((rc = read_all(&s)) != 0 || (rc = listen_open(&s.conf, &s.listeners)) != 0)
		goto done;
	log_setup("mendd", s.conf.log_level, false);
	s.daemon.log_level = s.conf.log_level;
	if (!foreground && (rc = daemon_fork(&s.daemon, failure_status)) != 0) {
		log_error("no new process: %s", strerror(-rc));
		goto done;
	}
	block_signals(&set);
	if ((rc = start_child(&s)) == 0) {
		daemon_report(&s.daemon, true);
		notify("READY=1");
		rc = run(&s, &set);
		notify("STOPPING=1");
	}
	while (s.count > 0)
		end_child(&s, s.count - 1);
	daemon_report(&s.daemon, rc == 0);

done:
	listen_close(&s.listeners);
	key_pair_clear(&s.key);
	conf_free(&s.conf);
	free(s.text);
	return rc;
}
