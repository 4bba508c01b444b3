#include "control/server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/place.h"
#include "control/request.h"
#include "util/log.h"

#define CONNECTIONS_MAX 16	/* at a time; more are refused */
#define REQUEST_WAIT_S 5	/* for more of the request */
#define ANSWER_WAIT_S 30	/* for each answer to be taken */

struct connection {
	struct control *control;
	pthread_t thread;
	int socket;
	enum { SLOT_FREE, SLOT_BUSY, SLOT_ENDED } state;	/* control's lock */
};

struct control {
	struct volume *volume;
	const char *mountpoint;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int socket;
	int wake;			/* an eventfd: the listener shall end */
	pthread_t listener;
	atomic_bool stopped;
	pthread_mutex_t lock;
	struct connection connections[CONNECTIONS_MAX];
};

/* One line, without its end; 0, or why there is none. */
static int
receive(int socket, char *line, size_t size)
{
	size_t used = 0;
	ssize_t n;
	char *end;

	for (;;) {
		if (used + 1 >= size)
			return -EMSGSIZE;
		n = recv(socket, line + used, size - 1 - used, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		end = memchr(line + used, '\n', (size_t)n);
		used += (size_t)n;
		if (end != NULL) {
			*end = '\0';
			return 0;
		}
	}
}

static void
serve(struct connection *connection, char *line)
{
	struct control *control = connection->control;
	struct control_request request = { .volume = control->volume, .mountpoint = control->mountpoint,
	    .socket = connection->socket, .stopped = &control->stopped };
	int fd, rc;

	if ((fd = dup(connection->socket)) < 0)
		return;
	if ((request.out = fdopen(fd, "w")) == NULL) {
		(void)close(fd);
		return;
	}
	if ((rc = receive(connection->socket, line, CONTROL_LINE_MAX)) == 0)
		control_run(&request, line);
	else if (rc == -EMSGSIZE)
		(void)control_fail(&request, "a request of more than %d bytes", CONTROL_LINE_MAX);
	(void)fclose(request.out);
}

static void *
connection_run(void *arg)
{
	struct connection *connection = arg;
	struct control *control = connection->control;
	char *line;

	if ((line = malloc(CONTROL_LINE_MAX)) != NULL)
		serve(connection, line);
	free(line);
	pthread_mutex_lock(&control->lock);
	(void)close(connection->socket);
	connection->socket = -1;
	connection->state = SLOT_ENDED;
	pthread_mutex_unlock(&control->lock);
	return NULL;
}

/* A place for one more; those that have ended are waited for here. */
static struct connection *
find_slot(struct control *control)
{
	struct connection *slot, *found = NULL;

	pthread_mutex_lock(&control->lock);
	for (slot = control->connections; slot < control->connections + CONNECTIONS_MAX; slot++) {
		if (slot->state == SLOT_ENDED) {
			pthread_join(slot->thread, NULL);
			slot->state = SLOT_FREE;
		}
		if (slot->state == SLOT_FREE)
			found = slot;
	}
	pthread_mutex_unlock(&control->lock);
	return found;
}

/* The socket's mode keeps others out; should somebody have changed that, this does. */
static bool
may_ask(int socket)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

static void
take(struct control *control, int socket)
{
	const struct timeval receive_wait = { .tv_sec = REQUEST_WAIT_S }, send_wait = { .tv_sec = ANSWER_WAIT_S };
	struct connection *slot;

	if (!may_ask(socket) || (slot = find_slot(control)) == NULL) {
		(void)close(socket);
		return;
	}
	(void)setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &receive_wait, sizeof(receive_wait));
	(void)setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &send_wait, sizeof(send_wait));
	slot->control = control;
	slot->socket = socket;
	slot->state = SLOT_BUSY;
	if (pthread_create(&slot->thread, NULL, connection_run, slot) != 0) {
		slot->state = SLOT_FREE;
		(void)close(socket);
	}
}

static void *
listener_run(void *arg)
{
	struct control *control = arg;
	struct pollfd fds[2] = { { .fd = control->socket, .events = POLLIN }, { .fd = control->wake, .events = POLLIN } };
	int socket;

	while (!atomic_load(&control->stopped)) {
		if (poll(fds, 2, -1) < 0 || !(fds[0].revents & POLLIN))
			continue;
		/* cppcheck-suppress nullPointer ; who calls is asked for later, and accept4(2) takes NULL */
		if ((socket = accept4(control->socket, NULL, NULL, SOCK_CLOEXEC)) >= 0)
			take(control, socket);
	}
	return NULL;
}

/* The directory is nobody else's, and no link. */
static int
make_directory(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return -errno;
	if (lstat(path, &st) != 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return -EPERM;
	return chmod(path, 0700) == 0 ? 0 : -errno;
}

static int
make_socket(struct control *control, dev_t dev)
{
	const struct control_place place = { .dev = dev, .owner = geteuid() };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int rc;

	if ((rc = control_place_directory(place.owner, control->path, sizeof(control->path))) != 0 ||
	    (rc = make_directory(control->path)) != 0 ||
	    (rc = control_place_socket(&place, control->path, sizeof(control->path))) != 0)
		return rc;
	/* The device number is ours: whoever had it before is gone. */
	if (unlink(control->path) != 0 && errno != ENOENT)
		return -errno;
	memcpy(address.sun_path, control->path, sizeof(address.sun_path));
	if ((control->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return -errno;
	/* Before it has its name, nobody can come in by it; afterwards the directory keeps others out. */
	if (fchmod(control->socket, 0600) != 0 ||
	    bind(control->socket, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    chmod(control->path, 0600) != 0 || listen(control->socket, CONNECTIONS_MAX) != 0)
		return -errno;
	return 0;
}

static void
control_free(struct control *control)
{
	if (control->socket >= 0)
		(void)close(control->socket);
	if (control->wake >= 0)
		(void)close(control->wake);
	pthread_mutex_destroy(&control->lock);
	free(control);
}

int
control_start(struct volume *volume, const char *mountpoint, dev_t dev, struct control **out)
{
	struct control *control;
	int rc;

	if ((control = calloc(1, sizeof(*control))) == NULL)
		return -ENOMEM;
	control->volume = volume;
	control->mountpoint = mountpoint;
	control->socket = -1;
	pthread_mutex_init(&control->lock, NULL);
	if ((control->wake = eventfd(0, EFD_CLOEXEC)) < 0)
		rc = -errno;
	else if ((rc = make_socket(control, dev)) == 0)
		rc = -pthread_create(&control->listener, NULL, listener_run, control);
	if (rc != 0) {
		log_info("%s: no control socket at %s: %s; mendctl cannot ask this mount anything",
		    mountpoint, control->path, strerror(-rc));
		control_free(control);
		return rc;
	}
	*out = control;
	return 0;
}

void
control_stop(struct control *control)
{
	const uint64_t one = 1;
	struct connection *slot;
	bool used;

	if (control == NULL)
		return;
	atomic_store(&control->stopped, true);
	if (write(control->wake, &one, sizeof(one)) < 0)
		log_debug("eventfd: %m");
	(void)unlink(control->path);
	pthread_join(control->listener, NULL);
	for (slot = control->connections; slot < control->connections + CONNECTIONS_MAX; slot++) {
		pthread_mutex_lock(&control->lock);
		if (slot->state == SLOT_BUSY)
			(void)shutdown(slot->socket, SHUT_RD);
		used = slot->state != SLOT_FREE;
		pthread_mutex_unlock(&control->lock);
		if (used)
			pthread_join(slot->thread, NULL);
	}
	control_free(control);
}
