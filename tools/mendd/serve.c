#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lend/session.h"
#include "mendd/confine.h"
#include "mendd/serve.h"
#include "mendd/sessions.h"
#include "mendd/strangers.h"
#include "replica/dir.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/io.h"
#include "util/log.h"

#define ACCEPT_AT_ONCE 64	/* connections, then those that are there get their turn */
#define TELL_MS 60000		/* between two lines about strangers */

enum { POLL_CONTROL, POLL_SIGNAL, POLL_WAKE, POLL_LISTEN };	/* then strangers */

struct server {
	const struct serve *how;
	struct sessions *sessions;
	struct strangers *strangers;
	int signal_fd, wake_fd;
	uint64_t told_ms;
	bool superseded;		/* another process listens */
	bool over;
	struct pollfd polls[POLL_LISTEN + CONF_LISTEN_MAX + STRANGERS_MAX];
};

int
serve_supersede(int control_fd, const char *text, size_t len)
{
	uint8_t head[sizeof(uint32_t)];
	struct buf_writer w;
	int rc;

	buf_writer_init(&w, head, sizeof(head));
	buf_put_u32(&w, (uint32_t)len);
	if ((rc = io_write(control_fd, head, sizeof(head))) != 0)
		return rc;
	return io_write(control_fd, text, len);
}

/* ---- strangers that become clients */

static bool
ask(void *arg, const uint8_t *key, const struct link_request *request, struct link_answer *answer)
{
	struct server *server = arg;

	return sessions_judge(server->sessions, key, request, answer);
}

static void
admit(void *arg, struct link *link, const struct link_request *request, const char *from)
{
	struct server *server = arg;

	sessions_start(server->sessions, link, request, from);
}

static void
accept_some(struct server *server, int listener, uint64_t now_ms)
{
	struct sockaddr_storage address;
	socklen_t len;
	int fd, i;

	for (i = 0; i < ACCEPT_AT_ONCE; i++) {
		len = sizeof(address);
		fd = accept4(listener, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			strangers_add(server->strangers, fd, &address, now_ms);
		} else if (errno == EMFILE || errno == ENFILE) {
			/* Clients hold the descriptors: strangers go first. */
			if (!strangers_drop_oldest(server->strangers))
				return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

static void
tell_of_strangers(struct server *server, uint64_t now_ms)
{
	struct strangers_counters counters;

	if (now_ms - server->told_ms < TELL_MS)
		return;
	server->told_ms = now_ms;
	strangers_count(server->strangers, &counters);
	if (counters.failed > 0) {
		log_info("%llu of %llu connections were strangers'", (unsigned long long)counters.failed,
		    (unsigned long long)counters.came);
	}
}

/* ---- the supervisor */

/* The new configuration; it was found good by the supervisor. */
static int
read_configuration(int fd, struct conf *conf)
{
	uint8_t head[sizeof(uint32_t)];
	struct buf_reader r;
	char *text = NULL;
	FILE *file = NULL;
	uint32_t len;
	int rc = -EPROTO;

	memset(conf, 0, sizeof(*conf));
	if (io_read(fd, head, sizeof(head)) != (ssize_t)sizeof(head))
		return -EPIPE;
	buf_reader_init(&r, head, sizeof(head));
	if ((len = buf_get_u32(&r)) == 0 || len > SERVE_TEXT_MAX || (text = malloc(len)) == NULL)
		return -EPROTO;
	if (io_read(fd, text, len) == (ssize_t)len && (file = fmemopen(text, len, "r")) != NULL)
		rc = conf_read(conf, file, "the new configuration");
	if (file != NULL)
		(void)fclose(file);
	free(text);
	return rc;
}

static void
be_superseded(struct server *server)
{
	struct conf now;

	if (read_configuration(server->how->control_fd, &now) != 0) {
		server->over = true;	/* The supervisor is gone. */
	} else {
		server->superseded = true;
		listen_close(server->how->listeners);
		strangers_free(server->strangers);
		server->strangers = NULL;
		sessions_revise(server->sessions, &now);
	}
	conf_free(&now);
}

/* ---- the loop */

static void
take_signal(struct server *server)
{
	struct signalfd_siginfo info;

	if (read(server->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		server->over = true;
}

static void
take_wake(struct server *server)
{
	uint64_t count;

	(void)!read(server->wake_fd, &count, sizeof(count));
}

static unsigned
what_to_poll(struct server *server, uint64_t *deadline)
{
	const struct listeners *listeners = server->how->listeners;
	unsigned i;

	server->polls[POLL_CONTROL] = (struct pollfd){ .fd = server->how->control_fd, .events = POLLIN };
	server->polls[POLL_SIGNAL] = (struct pollfd){ .fd = server->signal_fd, .events = POLLIN };
	server->polls[POLL_WAKE] = (struct pollfd){ .fd = server->wake_fd, .events = POLLIN };
	for (i = 0; i < listeners->count; i++)
		server->polls[POLL_LISTEN + i] = (struct pollfd){ .fd = listeners->fds[i], .events = POLLIN };
	if (server->strangers == NULL)
		return 0;
	return strangers_poll(server->strangers, server->polls + POLL_LISTEN + listeners->count, deadline);
}

static void
turn(struct server *server)
{
	uint64_t deadline = UINT64_MAX, now_ms = clock_monotonic_ms();
	const unsigned waiting = what_to_poll(server, &deadline);
	const unsigned listening = server->how->listeners->count;
	int timeout_ms = deadline == UINT64_MAX ? -1 : deadline <= now_ms ? 0 : (int)(deadline - now_ms) + 1;
	unsigned i;

	if (poll(server->polls, POLL_LISTEN + listening + waiting, timeout_ms) < 0)
		return;
	now_ms = clock_monotonic_ms();
	if (server->polls[POLL_SIGNAL].revents != 0)
		take_signal(server);
	if (server->polls[POLL_WAKE].revents != 0)
		take_wake(server);
	if (server->strangers != NULL) {
		/* Those who are there before those who come, who may take their places. */
		strangers_step(server->strangers, server->polls + POLL_LISTEN + listening, waiting, now_ms);
		for (i = 0; i < listening; i++) {
			if (server->polls[POLL_LISTEN + i].revents != 0)
				accept_some(server, server->how->listeners->fds[i], now_ms);
		}
		tell_of_strangers(server, now_ms);
	}
	if (server->polls[POLL_CONTROL].revents != 0)
		be_superseded(server);
	if (server->superseded && sessions_count(server->sessions) == 0)
		server->over = true;
}

/* Our own end is the supervisor's to say; the terminal's signals are for it. */
static int
open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int
confine_to(const struct conf *conf)
{
	struct landlock_directory *directories;
	struct confine confine = { .count = conf->export_count, .trusted_xattrs = conf->trusted_xattrs };
	unsigned i, j;
	int rc;

	if ((directories = calloc(conf->export_count, sizeof(*directories))) == NULL)
		return -ENOMEM;
	for (i = 0; i < conf->export_count; i++) {
		directories[i].path = conf->exports[i].directory;
		for (j = 0; j < conf->exports[i].key_count; j++)
			directories[i].write |= conf->exports[i].keys[j].write;
	}
	confine.directories = directories;
	rc = confine_process(&confine);
	free(directories);
	return rc;
}

static void
tell_ready(const struct serve *how)
{
	struct daemon ready = how->ready;
	const char works = 1;

	if (how->leaves_terminal) {
		daemon_report(&ready, true);
		return;
	}
	(void)io_write(ready.report, &works, 1);
	(void)close(ready.report);
}

static int
start(struct server *server)
{
	const struct strangers_calls calls = { .ask = ask, .admit = admit, .arg = server };
	int rc;

	if ((server->signal_fd = open_signals()) < 0)
		return server->signal_fd;
	if ((server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		return -errno;
	if ((rc = confine_to(server->how->conf)) != 0)
		return rc;
	if ((rc = strangers_new(server->how->key, &calls, &server->strangers)) != 0)
		return rc;
	if ((rc = sessions_new(server->how->conf, server->wake_fd, &server->sessions)) != 0)
		return rc;
	server->told_ms = clock_monotonic_ms();
	tell_ready(server->how);
	return 0;
}

int
serve(const struct serve *how)
{
	struct server *server;
	int rc;

	if ((server = calloc(1, sizeof(*server))) == NULL)
		return -ENOMEM;
	server->how = how;
	server->signal_fd = server->wake_fd = -1;
	daemon_limits();
	if ((rc = start(server)) != 0)
		log_error("cannot serve: %s", strerror(-rc));
	while (rc == 0 && !server->over)
		turn(server);
	strangers_free(server->strangers);
	sessions_free(server->sessions);
	if (server->signal_fd >= 0)
		(void)close(server->signal_fd);
	if (server->wake_fd >= 0)
		(void)close(server->wake_fd);
	free(server);
	return rc;
}

/* ---- through ssh */

int
serve_stdio(const char *directory, bool read_only, bool trusted_xattrs)
{
	const struct landlock_directory where = { .path = directory, .write = !read_only };
	const struct confine confine = { .directories = &where, .count = 1, .trusted_xattrs = trusted_xattrs };
	const struct session_options options = { .peer = "ssh", .read_only = read_only };
	struct session *session = NULL;
	struct replica *replica = NULL;
	struct link *link = NULL;
	int rc;

	(void)signal(SIGPIPE, SIG_IGN);
	daemon_limits();
	if ((rc = confine_process(&confine)) != 0)
		return rc;
	if ((rc = dir_replica_open(directory, read_only, &replica)) != 0) {
		log_error("%s: %s", directory, strerror(-rc));
		return rc;
	}
	if ((rc = link_from_pipes(STDIN_FILENO, STDOUT_FILENO, 0, true, &link)) != 0 ||
	    (rc = session_new(link, replica, &options, &session)) != 0)
		log_error("%s: cannot be served: %s", directory, strerror(-rc));
	else
		rc = session_run(session);
	session_free(session);
	link_free(link);
	replica->ops->free(replica);
	return rc;
}
