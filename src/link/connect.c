#include "link/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/first.h"
#include "link/link_private.h"
#include "util/clock.h"

#define TIMEOUT_MS 10000

/* Wait for ${events}, until ${deadline}. */
static int
wait_until(int fd, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now;
	int n;

	do {
		now = clock_monotonic_ms();
		n = poll(&p, 1, now < deadline ? (int)(deadline - now) : 0);
	} while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : -errno;
}

/* Connect to one address.  Returns a non-blocking socket or an error. */
static int
connect_to(const struct addrinfo *to, uint64_t deadline)
{
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, to->ai_protocol), rc = 0;
	socklen_t size = sizeof(rc);

	if (fd < 0)
		return -errno;
	first_tune(fd);
	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
		return fd;
	rc = -errno;
	if (rc == -EINPROGRESS && (rc = wait_until(fd, POLLOUT, deadline)) == 0) {
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &rc, &size) != 0)
			rc = errno;
		rc = -rc;
	}
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* Try all addresses of the host, one after the other.  A socket, or the last one's error. */
static int
connect_any(const struct link_target *t, int timeout_ms, char *why, size_t why_size)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	char port[8], name[ADDRESS_TEXT_SIZE];
	struct addrinfo *all, *one;
	int fd = -EHOSTUNREACH, rc;

	address_to_text(&t->server, name);
	snprintf(port, sizeof(port), "%u", (unsigned)t->server.port);
	if ((rc = getaddrinfo(t->server.host, port, &hints, &all)) != 0) {
		snprintf(why, why_size, "host %s has no address: %s", t->server.host, rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
		return -EHOSTUNREACH;
	}
	for (one = all; one != NULL && fd < 0; one = one->ai_next)
		fd = connect_to(one, clock_monotonic_ms() + (uint64_t)timeout_ms);
	freeaddrinfo(all);
	if (fd < 0)
		snprintf(why, why_size, "cannot connect to %s: %s%s", name, strerror(-fd), fd == -ECONNREFUSED ? "; does mendd run there?" : "");
	return fd;
}

static int
send_all(int fd, const uint8_t *data, size_t len, uint64_t deadline)
{
	ssize_t n;
	int rc;

	while (len > 0) {
		if ((n = send(fd, data, len, MSG_NOSIGNAL)) >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			if ((rc = wait_until(fd, POLLOUT, deadline)) != 0)
				return rc;
		} else if (errno != EINTR) {
			return errno == EPIPE ? -ECONNRESET : -errno;
		}
	}
	return 0;
}

static int
read_all(int fd, uint8_t *data, size_t len, uint64_t deadline)
{
	ssize_t n;
	int rc;

	while (len > 0) {
		if ((n = read(fd, data, len)) > 0) {
			data += n;
			len -= (size_t)n;
		} else if (n == 0) {
			return -ECONNRESET;
		} else if (errno == EAGAIN) {
			if ((rc = wait_until(fd, POLLIN, deadline)) != 0)
				return rc;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/* The server's greeting, and ours: together the prologue. */
static int
exchange_greetings(int fd, uint8_t prologue[PROLOGUE_SIZE], uint64_t deadline, char *why, size_t why_size)
{
	int rc;

	if ((rc = read_all(fd, prologue, GREETING_SIZE, deadline)) != 0) {
		snprintf(why, why_size, "no greeting came: %s", link_explain(rc));
		return rc;
	}
	if ((rc = greeting_check_server(prologue)) != 0)
		snprintf(why, why_size, "%s", rc == -EPROTO ? "what listens there is no mendd" : link_explain(rc));
	greeting_client(prologue + GREETING_SIZE);
	return rc;
}

/* Why the first message was not answered. */
static int
no_answer(const struct link_target *t, int rc, char *why, size_t why_size)
{
	char key[KEY_TEXT_SIZE];

	if (rc != -ECONNRESET) {
		snprintf(why, why_size, "the handshake was not answered: %s", link_explain(rc));
		return rc;
	}
	/* It does not say which of the two it is: nothing is said to strangers. */
	key_to_text(t->key->public, key);
	snprintf(why, why_size, "the server hung up: it does not allow our key (%s) on any export, or its own key is not the one in known-servers", key);
	return -EPERM;
}

static int
shake_hands(struct noise *n, int fd, const struct link_target *t, const uint8_t *prologue, struct link_answer *answer, uint64_t deadline,
    char *why, size_t why_size)
{
	uint8_t payload[TERMS_REQUEST_SIZE], flight[FIRST_FLIGHT_SIZE];
	int rc;

	noise_start(n, t->key, t->server_key, prologue, PROLOGUE_SIZE);
	memcpy(flight, prologue + GREETING_SIZE, GREETING_SIZE);
	if ((rc = terms_request_encode(&t->request, payload)) != 0) {
		snprintf(why, why_size, "an export's name has 1 to %d bytes", LINK_EXPORT_MAX);
		return rc;
	}
	if ((rc = noise_write_first(n, payload, sizeof(payload), flight + GREETING_SIZE)) != 0) {
		snprintf(why, why_size, "the server's key in known-servers is none");
		return rc;
	}
	if ((rc = send_all(fd, flight, sizeof(flight), deadline)) != 0 ||
	    (rc = read_all(fd, flight, SECOND_FLIGHT_SIZE, deadline)) != 0)
		return no_answer(t, rc, why, why_size);
	if ((rc = noise_read_second(n, flight, SECOND_FLIGHT_SIZE, payload)) != 0 || (rc = terms_answer_decode(payload, answer)) != 0)
		snprintf(why, why_size, "what answered has not the key in known-servers, or somebody changes the messages");
	return rc;
}

/* A server that said no, as an error. */
static int
refusal(const struct link_target *t, enum link_status status, char *why, size_t why_size)
{
	switch (status) {
	case LINK_NO_EXPORT:
		snprintf(why, why_size, "the server has no export \"%s\" for this key", t->request.export);
		return -ENOENT;
	case LINK_NO_RIGHT:
		snprintf(why, why_size, "the server lets this key only read export \"%s\"", t->request.export);
		return -EACCES;
	case LINK_BUSY:
		snprintf(why, why_size, "the server has as many clients as it may have, or export \"%s\" has", t->request.export);
		return -EBUSY;
	case LINK_UNAVAILABLE:
		snprintf(why, why_size, "the server cannot open the directory of export \"%s\" now; its log says why", t->request.export);
		return -EAGAIN;
	case LINK_OK:
	default:
		return 0;
	}
}

int
link_connect_tcp(const struct link_target *target, struct link **link, struct link_answer *answer, char *why, size_t why_size)
{
	int timeout_ms = target->timeout_ms > 0 ? target->timeout_ms : TIMEOUT_MS, fd, rc;
	uint8_t prologue[PROLOGUE_SIZE];
	struct noise noise;
	uint64_t deadline;

	if ((fd = connect_any(target, timeout_ms, why, why_size)) < 0)
		return fd;
	deadline = clock_monotonic_ms() + (uint64_t)timeout_ms;
	if ((rc = exchange_greetings(fd, prologue, deadline, why, why_size)) != 0)
		goto done;
	rc = shake_hands(&noise, fd, target, prologue, answer, deadline, why, why_size);
	if (rc == 0 && (rc = refusal(target, answer->status, why, why_size)) == 0) {
		if ((rc = link_from_noise(fd, false, &noise, link)) != 0)
			snprintf(why, why_size, "cannot make a link: %s", strerror(-rc));
	}
	noise_clear(&noise);

done:
	if (rc != 0)
		close(fd);
	return rc;
}
