#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "link/link.h"
#include "link/link_private.h"
#include "util/clock.h"

static int
make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? 0 : -errno;
}

#define PIPE_SIZE (1024 * 1024)	/* what an ordinary user may ask for (pipe(7)) */

static bool
is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

struct link *
link_make(int in, int out, bool server, int *rc)
{
	struct link *l;

	/* Without it libsodium uses its slowest code. */
	if (sodium_init() < 0) {
		*rc = -ENOSYS;
		return NULL;
	}
	if ((*rc = make_nonblocking(in)) != 0 || (*rc = make_nonblocking(out)) != 0)
		return NULL;
	*rc = -ENOMEM;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return NULL;
	l->in = in;
	l->out = out;
	l->socket = is_socket(out);
	l->server = server;
	l->idle_ms = LINK_IDLE_MS;
	l->heard_ms = clock_monotonic_ms();
	if ((l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
		*rc = -errno;
		goto fail_wake;
	}
	if (sender_init(&l->send) != 0)
		goto fail_send;
	if (receiver_init(&l->recv) != 0)
		goto fail_receive;
	/* Fewer changes between the two processes; what is no pipe refuses. */
	(void)fcntl(in, F_SETPIPE_SZ, PIPE_SIZE);
	(void)fcntl(out, F_SETPIPE_SZ, PIPE_SIZE);
	*rc = 0;
	return l;

fail_receive:
	sender_destroy(&l->send);
fail_send:
	close(l->wake);
fail_wake:
	free(l);
	return NULL;
}

int
link_from_pipes(int in, int out, pid_t child, bool server, struct link **link)
{
	uint8_t greeting[GREETING_SIZE];
	struct link *l;
	int rc;

	if ((l = link_make(in, out, server, &rc)) == NULL)
		return rc;
	(server ? greeting_server : greeting_client)(greeting);
	if ((rc = link_write(l, greeting, sizeof(greeting))) != 0) {
		l->in = l->out = -1;
		link_free(l);
		return rc;
	}
	l->pid = child;
	*link = l;
	return 0;
}

int
link_from_noise(int fd, bool server, struct noise *noise, struct link **link)
{
	struct link *l;
	int rc;

	if ((l = link_make(fd, fd, server, &rc)) == NULL)
		return rc;
	if ((l->send.cipher = malloc(sizeof(*l->send.cipher))) == NULL ||
	    (l->recv.cipher = malloc(sizeof(*l->recv.cipher))) == NULL) {
		l->in = l->out = -1;
		link_free(l);
		return -ENOMEM;
	}
	noise_split(noise, l->send.cipher, l->recv.cipher);
	memcpy(l->peer_key, noise->rs, LINK_KEY_SIZE);
	l->has_peer_key = true;
	l->recv.greeted = true;
	*link = l;
	return 0;
}

int
link_break(struct link *link, int error)
{
	const uint64_t one = 1;
	int none = 0;

	if (!atomic_compare_exchange_strong(&link->broken, &none, error))
		return none;
	/* An eventfd that is full is readable, too. */
	(void)!write(link->wake, &one, sizeof(one));
	/* The lock, so that nobody is between looking at ${broken} and sleeping. */
	pthread_mutex_lock(&link->send.mutex);
	pthread_cond_broadcast(&link->send.room);
	pthread_mutex_unlock(&link->send.mutex);
	return error;
}

int
link_wait(struct link *link, int fd, short events, int timeout_ms)
{
	struct pollfd fds[] = { { .fd = fd, .events = events }, { .fd = link->wake, .events = POLLIN } };
	uint64_t deadline = clock_monotonic_ms() + (timeout_ms > 0 ? (uint64_t)timeout_ms : 0), now;
	int n;

	while ((n = poll(fds, 2, timeout_ms)) < 0 && errno == EINTR) {
		now = clock_monotonic_ms();
		if (timeout_ms > 0)
			timeout_ms = now < deadline ? (int)(deadline - now) : 0;
	}
	if (link->broken != 0)
		return link->broken;
	return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : -errno;
}

void
link_shutdown(struct link *link)
{
	link_break(link, -ESHUTDOWN);
	/* So that the peer notices now, although the descriptors stay until link_free(). */
	if (link->socket)
		(void)shutdown(link->out, SHUT_RDWR);
}

void
link_free(struct link *link)
{
	if (link == NULL)
		return;
	sender_destroy(&link->send);
	receiver_destroy(&link->recv);
	if (link->in >= 0)
		close(link->in);
	if (link->out >= 0 && link->out != link->in)
		close(link->out);
	close(link->wake);
	/* Its end is closed now: it ends by itself. */
	if (link->pid != 0)
		child_reap(link->pid);
	child_end(link->child);
	free(link);
}

void
link_set_send_timeout(struct link *link, int timeout_ms)
{
	link->send.timeout_ms = timeout_ms;
}

const uint8_t *
link_peer_key(const struct link *link)
{
	return link->has_peer_key ? link->peer_key : NULL;
}

int
link_error(const struct link *link)
{
	return link->broken;
}

void
link_count(const struct link *link, struct link_counters *counters)
{
	*counters = (struct link_counters){
		.bytes_in = link->bytes_in, .bytes_out = link->bytes_out,
		.frames_in = link->frames_in, .frames_out = link->frames_out,
		.heard_ms = link->heard_ms,
	};
}

const char *
link_explain(int error)
{
	switch (error) {
	case -ECONNRESET:
		return "the connection was cut";
	case -EPROTO:
		return "what came is not what the other side sent, or is no mendfs";
	case -EPROTONOSUPPORT:
		return "the other side speaks another version of the protocol: update one of the two";
	case -ETIMEDOUT:
		return "the other side took or gave nothing for too long";
	case -ESHUTDOWN:
		return "the link was shut down";
	default:
		return strerror(-error);
	}
}
