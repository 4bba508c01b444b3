#include "link/accept.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/first.h"
#include "link/link_private.h"

/* What the machine does next; each sends or reads what its name says. */
enum step { SEND_GREETING, READ_GREETING, READ_FIRST, ASK, SEND_SECOND, DONE };

struct link_accept {
	int fd;
	enum step step;
	const struct key_pair *key;
	struct noise noise;
	uint8_t prologue[PROLOGUE_SIZE];
	uint8_t message[FIRST_MESSAGE_SIZE];	/* what is read or sent now, beside greetings */
	size_t done;				/* bytes of it, or of the greeting, that were moved */
	struct link_request request;
	enum link_status status;		/* answered */
	unsigned step_ms;
	uint64_t deadline_total, deadline;
};

_Static_assert(sizeof(struct link_accept) < 2048, "thousands of strangers are cheap");
_Static_assert(SECOND_FLIGHT_SIZE <= FIRST_MESSAGE_SIZE, "the answer fits");

int
link_accept_new(int fd, const struct key_pair *key, const struct link_accept_limits *limits, uint64_t now_ms, struct link_accept **accept)
{
	struct link_accept *a;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return -errno;
	if ((a = calloc(1, sizeof(*a))) == NULL)
		return -ENOMEM;
	a->fd = fd;
	a->key = key;
	a->step_ms = limits != NULL && limits->step_ms != 0 ? limits->step_ms : LINK_ACCEPT_STEP_MS;
	a->deadline_total = now_ms + (limits != NULL && limits->total_ms != 0 ? limits->total_ms : LINK_ACCEPT_TOTAL_MS);
	a->deadline = now_ms + a->step_ms;
	greeting_server(a->prologue);
	first_tune(fd);
	*accept = a;
	return 0;
}

/* Go on to ${step}, with a time of its own, as far as the total allows. */
static void
begin(struct link_accept *a, enum step step, uint64_t now_ms)
{
	a->step = step;
	a->done = 0;
	a->deadline = now_ms + a->step_ms;
	if (a->deadline > a->deadline_total)
		a->deadline = a->deadline_total;
}

/* Send the rest of ${data}.  0: all of it is on its way; LINK_ACCEPT_WRITE: not yet. */
static int
send_rest(struct link_accept *a, const uint8_t *data, size_t len)
{
	ssize_t n;

	while (a->done < len) {
		n = send(a->fd, data + a->done, len - a->done, MSG_NOSIGNAL);
		if (n >= 0)
			a->done += (size_t)n;
		else if (errno == EAGAIN)
			return LINK_ACCEPT_WRITE;
		else if (errno != EINTR)
			return errno == EPIPE ? -ECONNRESET : -errno;
	}
	return 0;
}

/* The same for reading; never a byte more, for that would be a transport message's. */
static int
read_rest(struct link_accept *a, uint8_t *data, size_t len)
{
	ssize_t n;

	while (a->done < len) {
		n = read(a->fd, data + a->done, len - a->done);
		if (n > 0)
			a->done += (size_t)n;
		else if (n == 0)
			return -ECONNRESET;
		else if (errno == EAGAIN)
			return LINK_ACCEPT_READ;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int
read_first(struct link_accept *a)
{
	uint8_t payload[TERMS_REQUEST_SIZE];
	int rc;

	noise_start(&a->noise, a->key, NULL, a->prologue, sizeof(a->prologue));
	if ((rc = noise_read_first(&a->noise, a->message, sizeof(a->message), payload)) != 0)
		return rc;
	return terms_request_decode(payload, &a->request);
}

/* One step if it can be done now: 0, or what link_accept_step() returns. */
static int
do_step(struct link_accept *a, uint64_t now_ms)
{
	int rc;

	switch (a->step) {
	case SEND_GREETING:
		if ((rc = send_rest(a, a->prologue, GREETING_SIZE)) == 0)
			begin(a, READ_GREETING, now_ms);
		return rc;
	case READ_GREETING:
		/* Looked at by itself: most strangers are no mendfs at all, and cost no arithmetic. */
		if ((rc = read_rest(a, a->prologue + GREETING_SIZE, GREETING_SIZE)) == 0 &&
		    (rc = greeting_check_client(a->prologue + GREETING_SIZE)) == 0)
			begin(a, READ_FIRST, now_ms);
		return rc;
	case READ_FIRST:
		if ((rc = read_rest(a, a->message, FIRST_MESSAGE_SIZE)) == 0 && (rc = read_first(a)) == 0)
			begin(a, ASK, now_ms);
		return rc;
	case ASK:
		return LINK_ACCEPT_ASK;
	case SEND_SECOND:
		if ((rc = send_rest(a, a->message, SECOND_FLIGHT_SIZE)) == 0)
			begin(a, DONE, now_ms);
		return rc;
	case DONE:
	default:
		return a->status == LINK_OK ? LINK_ACCEPT_DONE : -EACCES;
	}
}

int
link_accept_step(struct link_accept *accept, uint64_t now_ms)
{
	int rc;

	if (now_ms >= accept->deadline)
		return -ETIMEDOUT;
	do
		rc = do_step(accept, now_ms);
	while (rc == 0);
	return rc;
}

int
link_accept_fd(const struct link_accept *accept)
{
	return accept->fd;
}

uint64_t
link_accept_deadline(const struct link_accept *accept)
{
	return accept->deadline;
}

const uint8_t *
link_accept_peer(const struct link_accept *accept)
{
	return accept->noise.rs;
}

const struct link_request *
link_accept_request(const struct link_accept *accept)
{
	return &accept->request;
}

void
link_accept_answer(struct link_accept *accept, const struct link_answer *answer)
{
	uint8_t payload[TERMS_ANSWER_SIZE];

	assert(accept->step == ASK);
	terms_answer_encode(answer, payload);
	accept->status = answer->status;
	accept->step = SEND_SECOND;
	/* Cannot fail with keys that the first message was opened with; if it did, the step does. */
	if (noise_write_second(&accept->noise, payload, sizeof(payload), accept->message) != 0) {
		accept->status = LINK_UNAVAILABLE;
		accept->step = DONE;
	}
}

int
link_accept_finish(struct link_accept *accept, struct link **link)
{
	int rc;

	assert(accept->step == DONE && accept->status == LINK_OK);
	if ((rc = link_from_noise(accept->fd, true, &accept->noise, link)) == 0)
		accept->fd = -1;
	link_accept_free(accept);
	return rc;
}

void
link_accept_free(struct link_accept *accept)
{
	if (accept == NULL)
		return;
	if (accept->fd >= 0)
		close(accept->fd);
	sodium_memzero(accept, sizeof(*accept));
	free(accept);
}
