/*
 * Whatever follows the greeting, plain or out of messages that are right, a
 * link gives frames of 1 to LINK_FRAME_MAX bytes and then ends as link.h says.
 */

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/link_private.h"

#include "fuzz_link.h"

#define INPUT_MAX 4096
/* Of an input that says one byte a message. */
#define SEALED_MAX (INPUT_MAX / 2 * (MESSAGE_HEAD_SIZE + 1 + CIPHER_TAG_SIZE))

/* Messages of what is left, whose lengths come from the input as well.  In one call: many small ones would fill the socket. */
static void
send_sealed(int fd, struct cipher *c, const uint8_t *data, size_t len)
{
	static uint8_t messages[SEALED_MAX + INPUT_MAX];
	size_t used = 0, n;

	while (len > 1) {
		n = 1 + (size_t)data[0] * 4;
		data++;
		len--;
		if (n > len)
			n = len;
		messages[used++] = (uint8_t)((n + CIPHER_TAG_SIZE) >> 8);
		messages[used++] = (uint8_t)(n + CIPHER_TAG_SIZE);
		FUZZ_ASSERT(cipher_seal(c, data, n, messages + used) == 0);
		used += n + CIPHER_TAG_SIZE;
		data += n;
		len -= n;
	}
	FUZZ_ASSERT(send(fd, messages, used, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)used);
}

static void
check_frames(struct link *link, size_t len)
{
	static uint8_t copy[LINK_FRAME_MAX];
	size_t frames = 0, got;
	uint8_t *body;
	int rc;

	while ((rc = link_receive(link, &body, &got, 0)) == 0 && got > 0) {
		FUZZ_ASSERT(got <= LINK_FRAME_MAX);
		/* All of it is there. */
		memcpy(copy, body, got);
		frames++;
	}
	FUZZ_ASSERT(rc == 0 || rc == -EPROTO || rc == -EPROTONOSUPPORT || rc == -ECONNRESET);
	FUZZ_ASSERT(frames <= len / FRAME_HEAD_SIZE);
	FUZZ_ASSERT(link_receive(link, &body, &got, 0) == rc && got == 0);
}

/* The two ends of a handshake, made once: arithmetic is what an input costs. */
static void
make_handshake(struct noise *ours, struct noise *theirs)
{
	static const uint8_t no_payload[TERMS_REQUEST_SIZE];
	static struct key_pair server, client;
	uint8_t prologue[PROLOGUE_SIZE], flight[FIRST_FLIGHT_SIZE], payload[TERMS_REQUEST_SIZE];

	fuzz_keys(&server, &client);
	fuzz_flight(theirs, &server, &client, no_payload, flight);
	greeting_server(prologue);
	greeting_client(prologue + GREETING_SIZE);
	noise_start(ours, &server, NULL, prologue, sizeof(prologue));
	FUZZ_ASSERT(noise_read_first(ours, flight + GREETING_SIZE, FIRST_MESSAGE_SIZE, payload) == 0);
	FUZZ_ASSERT(noise_write_second(ours, NULL, 0, flight) == 0);
	FUZZ_ASSERT(noise_read_second(theirs, flight, NOISE_SECOND_OVERHEAD, payload) == 0);
}

/* A link whose other end's cipher is ${c}. */
static struct link *
sealed_link(int fd, struct cipher *c)
{
	static struct noise ours, theirs;
	struct cipher unused;
	struct link *link;

	if (ours.s == NULL)
		make_handshake(&ours, &theirs);
	noise_split(&theirs, c, &unused);
	FUZZ_ASSERT(link_from_noise(fd, true, &ours, &link) == 0);
	return link;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cipher c;
	struct link *link;
	int fds[2];

	if (len < 1 || len > INPUT_MAX)
		return 0;
	FUZZ_ASSERT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	if (data[0] == FUZZ_SEALED) {
		link = sealed_link(fds[0], &c);
		send_sealed(fds[1], &c, data + 1, len - 1);
	} else {
		FUZZ_ASSERT(link_from_pipes(fds[0], fds[0], 0, true, &link) == 0);
		FUZZ_ASSERT(send(fds[1], data + 1, len - 1, MSG_NOSIGNAL) == (ssize_t)(len - 1));
	}
	FUZZ_ASSERT(shutdown(fds[1], SHUT_WR) == 0);
	check_frames(link, len);
	link_free(link);
	close(fds[1]);
	return 0;
}
