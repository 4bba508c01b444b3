#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link/link.h"
#include "link/link_private.h"
#include "util/bulk.h"
#include "util/clock.h"

#define SEALED_SIZE ((size_t)256 * 1024)	/* what one system call reads at most */
/* A frame, its head, and the message after it, which is opened as a whole. */
#define PLAIN_SIZE ((size_t)LINK_FRAME_MAX + FRAME_HEAD_SIZE + (size_t)2 * MESSAGE_SEALED_MAX)

int
receiver_init(struct receiver *r)
{
	r->sealed = bulk_new(SEALED_SIZE);
	r->plain = bulk_new(PLAIN_SIZE);
	if (r->sealed == NULL || r->plain == NULL || unsqueeze_new(&r->unsqueeze) != 0) {
		receiver_destroy(r);
		return -ENOMEM;
	}
	return 0;
}

void
receiver_destroy(struct receiver *r)
{
	bulk_free(r->sealed, SEALED_SIZE);
	bulk_free(r->plain, PLAIN_SIZE);
	unsqueeze_free(r->unsqueeze);
	if (r->cipher != NULL)
		cipher_clear(r->cipher);
	free(r->cipher);
}

/* Move what is between ${*at} and ${*len} to the front if less than ${room} is free behind it. */
static void
make_room(uint8_t *buffer, size_t size, size_t *at, size_t *len, size_t room)
{
	if (*at == *len)
		*at = *len = 0;
	if (size - *len >= room || *at == 0)
		return;
	memmove(buffer, buffer + *at, *len - *at);
	*len -= *at;
	*at = 0;
}

/* Read what is there into ${buffer}, behind ${*len}.  -EAGAIN: nothing. */
static int
read_some(struct link *link, uint8_t *buffer, size_t size, size_t *len)
{
	ssize_t n;

	assert(*len < size);
	do
		n = read(link->in, buffer + *len, size - *len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ECONNRESET;
	*len += (size_t)n;
	link->bytes_in += (uint64_t)n;
	/* What is encrypted is nobody's word before it was opened: a length that somebody turned over would be waited for. */
	if (link->recv.cipher == NULL)
		link->heard_ms = clock_monotonic_ms();
	return 0;
}

/* Open the next message if it came whole.  -EAGAIN: it didn't. */
static int
open_message(struct link *link)
{
	struct receiver *r = &link->recv;
	const uint8_t *at = r->sealed + r->sealed_at;
	size_t left = r->sealed_len - r->sealed_at, len;

	if (left < MESSAGE_HEAD_SIZE)
		return -EAGAIN;
	len = (size_t)at[0] << 8 | at[1];
	/* An empty message would be work without end for nothing. */
	if (len <= CIPHER_TAG_SIZE)
		return -EPROTO;
	if (left < MESSAGE_HEAD_SIZE + len)
		return -EAGAIN;
	make_room(r->plain, PLAIN_SIZE, &r->plain_at, &r->plain_len, len);
	if (cipher_open(r->cipher, at + MESSAGE_HEAD_SIZE, len, r->plain + r->plain_len) != 0)
		return -EPROTO;
	r->plain_len += len - CIPHER_TAG_SIZE;
	r->sealed_at += MESSAGE_HEAD_SIZE + len;
	link->heard_ms = clock_monotonic_ms();
	return 0;
}

/* Have more plain bytes than before.  -EAGAIN: nothing came. */
static int
more_plain(struct link *link)
{
	struct receiver *r = &link->recv;
	int rc;

	if (r->cipher == NULL) {
		make_room(r->plain, PLAIN_SIZE, &r->plain_at, &r->plain_len, MESSAGE_PLAIN_MAX);
		return read_some(link, r->plain, PLAIN_SIZE, &r->plain_len);
	}
	while ((rc = open_message(link)) == -EAGAIN) {
		make_room(r->sealed, SEALED_SIZE, &r->sealed_at, &r->sealed_len, MESSAGE_HEAD_SIZE + MESSAGE_SEALED_MAX);
		if ((rc = read_some(link, r->sealed, SEALED_SIZE, &r->sealed_len)) != 0)
			break;
	}
	return rc;
}

/* The next ${len} plain bytes are at *${out}, and taken.  -EAGAIN: they are not all there. */
static int
take(struct receiver *r, size_t len, uint8_t **out)
{
	if (r->plain_len - r->plain_at < len)
		return -EAGAIN;
	*out = r->plain + r->plain_at;
	r->plain_at += len;
	return 0;
}

static int
take_greeting(struct link *link, uint8_t **body, size_t *len)
{
	uint8_t *greeting;
	int rc;

	(void)body;
	(void)len;
	if ((rc = take(&link->recv, GREETING_SIZE, &greeting)) != 0)
		return rc;
	rc = link->server ? greeting_check_client(greeting) : greeting_check_server(greeting);
	link->recv.greeted = rc == 0;
	return rc;
}

/* One frame of what has come.  -EAGAIN: it is not whole. */
static int
take_frame(struct link *link, uint8_t **body, size_t *len)
{
	struct receiver *r = &link->recv;
	struct frame_head head;
	uint8_t *at;
	int rc;

	if (!r->greeted && (rc = take_greeting(link, body, len)) != 0)
		return rc;
	if (r->plain_len - r->plain_at < FRAME_HEAD_SIZE)
		return -EAGAIN;
	if ((rc = frame_head_decode(r->plain + r->plain_at, &head)) != 0)
		return rc;
	if ((rc = take(r, FRAME_HEAD_SIZE + head.len, &at)) != 0)
		return rc;
	r->ended = head.flags == FRAME_LAST;
	if (!r->ended)
		link->frames_in++;
	*body = at + FRAME_HEAD_SIZE;
	*len = head.len;
	return (head.flags & FRAME_ZSTD) != 0 ? unsqueeze(r->unsqueeze, *body, *len, body, len) : 0;
}

/* Nobody looks at a frame now: what is left is less than one, and mostly nothing. */
static void
receiver_idle(struct receiver *r)
{
	if (r->sealed_at == r->sealed_len) {
		r->sealed_at = r->sealed_len = 0;
		bulk_idle(r->sealed, SEALED_SIZE);
	}
	if (r->plain_at == r->plain_len) {
		r->plain_at = r->plain_len = 0;
		bulk_idle(r->plain, PLAIN_SIZE);
	}
	unsqueeze_idle(r->unsqueeze);
}

/* Wait until something comes, ${left_ms} at most; give memory back if it takes long. */
static int
wait_for_bytes(struct link *link, int left_ms)
{
	int rc;

	if (left_ms >= 0 && left_ms <= link->idle_ms)
		return link_wait(link, link->in, POLLIN, left_ms);
	if ((rc = link_wait(link, link->in, POLLIN, link->idle_ms)) != -ETIMEDOUT)
		return rc;
	receiver_idle(&link->recv);
	sender_idle(link);
	return link_wait(link, link->in, POLLIN, left_ms < 0 ? -1 : left_ms - link->idle_ms);
}

/* What is left until ${deadline}; -1 and 0 stay what they are. */
static int
time_left(int timeout_ms, uint64_t deadline)
{
	uint64_t now;

	if (timeout_ms <= 0)
		return timeout_ms;
	now = clock_monotonic_ms();
	return now < deadline ? (int)(deadline - now) : 0;
}

/* Let bytes come until ${taker} has what it wants, or ${timeout_ms} is over. */
static int
receive_until(struct link *link, int (*taker)(struct link *, uint8_t **, size_t *), uint8_t **body, size_t *len, int timeout_ms)
{
	uint64_t deadline = clock_monotonic_ms() + (timeout_ms > 0 ? (uint64_t)timeout_ms : 0);
	int rc;

	if (link->broken != 0)
		return link->broken;
	while ((rc = taker(link, body, len)) == -EAGAIN) {
		if ((rc = more_plain(link)) == -EAGAIN)
			rc = wait_for_bytes(link, time_left(timeout_ms, deadline));
		if (rc == -ETIMEDOUT)
			return rc;
		if (rc != 0)
			break;
	}
	return rc == 0 ? 0 : link_break(link, rc);
}

int
link_receive(struct link *link, uint8_t **body, size_t *len, int timeout_ms)
{
	int rc;

	*body = NULL;
	*len = 0;
	if (link->recv.ended)
		return 0;
	if ((rc = receive_until(link, take_frame, body, len, timeout_ms)) != 0)
		*len = 0;
	return rc;
}

int
receive_greeting(struct link *link, int timeout_ms)
{
	return receive_until(link, take_greeting, NULL, NULL, timeout_ms);
}
