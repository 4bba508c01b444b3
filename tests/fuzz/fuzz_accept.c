/*
 * Whatever a stranger sends, the server says its greeting and no more, unless
 * it is a message that only a client with a key can make; and then the client
 * gets an answer that it can read.
 */

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/accept.h"

#include "fuzz_link.h"

#define NOW 1000

static struct key_pair server, client;

/* Step until it wants more than there is; what came is in as many pieces as ${len} says. */
static int
feed(struct link_accept *a, int fd, const uint8_t *data, size_t len)
{
	size_t piece = 1 + len % 100, n;
	int state = link_accept_step(a, NOW);

	for (size_t at = 0; at < len && state == LINK_ACCEPT_READ; at += n) {
		n = len - at < piece ? len - at : piece;
		FUZZ_ASSERT(send(fd, data + at, n, MSG_NOSIGNAL) == (ssize_t)n);
		state = link_accept_step(a, NOW);
	}
	if (state == LINK_ACCEPT_READ) {
		FUZZ_ASSERT(shutdown(fd, SHUT_WR) == 0);
		state = link_accept_step(a, NOW);
	}
	return state;
}

/* A request was understood: it must be one, and the client must get the answer. */
static void
check_answer(struct link_accept *a, int fd, struct noise *noise)
{
	const struct link_answer answer = { .status = LINK_OK, .request_max = 7 };
	struct link_answer again;
	uint8_t payload[TERMS_REQUEST_SIZE], second[GREETING_SIZE + SECOND_FLIGHT_SIZE];
	struct link *link;

	FUZZ_ASSERT(terms_request_encode(link_accept_request(a), payload) == 0);
	FUZZ_ASSERT(key_equal(link_accept_peer(a), client.public));
	link_accept_answer(a, &answer);
	FUZZ_ASSERT(link_accept_step(a, NOW) == LINK_ACCEPT_DONE);
	FUZZ_ASSERT(link_accept_finish(a, &link) == 0);
	FUZZ_ASSERT(recv(fd, second, sizeof(second), MSG_WAITALL) == sizeof(second));
	FUZZ_ASSERT(noise_read_second(noise, second + GREETING_SIZE, SECOND_FLIGHT_SIZE, payload) == 0);
	FUZZ_ASSERT(terms_answer_decode(payload, &again) == 0 && again.request_max == answer.request_max);
	link_free(link);
}

static void
check_silence(struct link_accept *a, int fd)
{
	uint8_t said[2 * GREETING_SIZE];

	link_accept_free(a);
	FUZZ_ASSERT(recv(fd, said, sizeof(said), 0) == GREETING_SIZE);
	FUZZ_ASSERT(recv(fd, said, sizeof(said), 0) <= 0);
}

/* Made once: arithmetic is what an input costs. */
static void
make_known_flight(struct noise *noise, uint8_t flight[FIRST_FLIGHT_SIZE])
{
	uint8_t payload[TERMS_REQUEST_SIZE];

	FUZZ_ASSERT(terms_request_encode(&fuzz_request, payload) == 0);
	fuzz_keys(&server, &client);
	fuzz_flight(noise, &server, &client, payload, flight);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct noise known_noise;
	static uint8_t known[FIRST_FLIGHT_SIZE];
	uint8_t payload[TERMS_REQUEST_SIZE] = { 0 }, flight[FIRST_FLIGHT_SIZE];
	struct link_accept *a;
	struct noise noise;
	int fds[2], state;

	if (len < 1)
		return 0;
	if (known[0] == 0)
		make_known_flight(&known_noise, known);
	FUZZ_ASSERT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	FUZZ_ASSERT(link_accept_new(fds[0], &server, NULL, NOW, &a) == 0);
	if (data[0] == FUZZ_RIGHT) {
		memcpy(payload, data + 1, len - 1 < sizeof(payload) ? len - 1 : sizeof(payload));
		fuzz_flight(&noise, &server, &client, payload, flight);
		state = feed(a, fds[1], flight, sizeof(flight));
	} else {
		noise = known_noise;
		state = feed(a, fds[1], data + 1, len - 1);
		/* Without the keys it takes the very bytes that were made with them. */
		FUZZ_ASSERT(state < 0 || (len > sizeof(known) && memcmp(data + 1, known, sizeof(known)) == 0));
	}
	if (state == LINK_ACCEPT_ASK)
		check_answer(a, fds[1], &noise);
	else
		check_silence(a, fds[1]);
	close(fds[1]);
	return 0;
}
