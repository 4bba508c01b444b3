#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/link.h"
#include "link/link_private.h"
#include "link/wire.h"
#include "util/bulk.h"
#include "util/clock.h"

#define PENDING_SIZE ((size_t)256 * 1024)	/* frames that wait for the thread that writes */
#define SEALED_MESSAGES 4	/* full messages that one system call writes */
#define SEALED_SIZE ((size_t)SEALED_MESSAGES * (MESSAGE_HEAD_SIZE + MESSAGE_SEALED_MAX))

/* Where we are in the bytes to send. */
struct cursor { const struct iovec *part; size_t offset, left; };

int
sender_init(struct sender *s)
{
	pthread_mutex_init(&s->squeeze_mutex, NULL);
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->room, NULL);
	squeeze_rule_init(&s->rule);
	s->timeout_ms = LINK_SEND_TIMEOUT_MS;
	s->pending = bulk_new(PENDING_SIZE);
	s->taken = bulk_new(PENDING_SIZE);
	s->sealed = bulk_new(SEALED_SIZE);
	if (s->pending == NULL || s->taken == NULL || s->sealed == NULL || squeeze_new(&s->squeeze) != 0) {
		sender_destroy(s);
		return -ENOMEM;
	}
	return 0;
}

void
sender_destroy(struct sender *s)
{
	bulk_free(s->pending, PENDING_SIZE);
	bulk_free(s->taken, PENDING_SIZE);
	bulk_free(s->sealed, SEALED_SIZE);
	squeeze_free(s->squeeze);
	if (s->cipher != NULL)
		cipher_clear(s->cipher);
	free(s->cipher);
	pthread_cond_destroy(&s->room);
	pthread_mutex_destroy(&s->mutex);
	pthread_mutex_destroy(&s->squeeze_mutex);
}

int
link_write(struct link *link, const uint8_t *data, size_t len)
{
	ssize_t n;
	int rc;

	while (len > 0) {
		n = link->socket ? send(link->out, data, len, MSG_NOSIGNAL) : write(link->out, data, len);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
			link->bytes_out += (uint64_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			if ((rc = link_wait(link, link->out, POLLOUT, link->send.timeout_ms)) != 0)
				return link_break(link, rc);
		} else if (n < 0 && errno != EINTR) {
			return link_break(link, errno == EPIPE ? -ECONNRESET : -errno);
		}
	}
	return 0;
}

/* Copy the next ${len} bytes to ${out}. */
static void
gather(struct cursor *c, uint8_t *out, size_t len)
{
	size_t n;

	c->left -= len;
	while (len > 0) {
		n = c->part->iov_len - c->offset;
		if (n > len)
			n = len;
		if (n > 0)
			memcpy(out, (const uint8_t *)c->part->iov_base + c->offset, n);
		out += n;
		len -= n;
		c->offset += n;
		if (c->offset == c->part->iov_len) {
			c->part++;
			c->offset = 0;
		}
	}
}

/* The next ${len} bytes where they are if they are in one piece, else copied to ${room}. */
static const uint8_t *
next_piece(struct cursor *c, uint8_t *room, size_t len)
{
	const uint8_t *piece = (const uint8_t *)c->part->iov_base + c->offset;

	if (c->part->iov_len - c->offset <= len) {
		gather(c, room, len);
		return room;
	}
	c->offset += len;
	c->left -= len;
	return piece;
}

/* The next message at ${out}; its size is added to ${*used}. */
static int
seal_message(struct sender *s, struct cursor *c, uint8_t *out, size_t *used)
{
	size_t len = c->left < MESSAGE_PLAIN_MAX ? c->left : MESSAGE_PLAIN_MAX;
	uint8_t *body = out + MESSAGE_HEAD_SIZE;

	out[0] = (uint8_t)((len + CIPHER_TAG_SIZE) >> 8);
	out[1] = (uint8_t)(len + CIPHER_TAG_SIZE);
	*used += MESSAGE_HEAD_SIZE + len + CIPHER_TAG_SIZE;
	return cipher_seal(s->cipher, next_piece(c, body, len), len, body);
}

/* Fill the buffer from ${c}: as many messages as it holds, or bytes if plain. */
static int
fill_sealed(struct sender *s, struct cursor *c, size_t *used)
{
	int rc = 0;

	*used = 0;
	if (s->cipher == NULL) {
		*used = c->left < SEALED_SIZE ? c->left : SEALED_SIZE;
		gather(c, s->sealed, *used);
		return 0;
	}
	for (int i = 0; i < SEALED_MESSAGES && c->left > 0 && rc == 0; i++)
		rc = seal_message(s, c, s->sealed + *used, used);
	return rc;
}

/* Write, and see how long the wire takes. */
static int
write_timed(struct link *link, const uint8_t *data, size_t len)
{
	uint64_t cost = link->send.wire_cost, before = clock_monotonic_ns();
	int rc;

	if ((rc = link_write(link, data, len)) == 0) {
		wire_average(&cost, len, clock_monotonic_ns() - before);
		link->send.wire_cost = cost;
	}
	return rc;
}

/* Encrypt and write it all; for the one thread that writes. */
static int
emit(struct link *link, const struct iovec *parts, size_t total)
{
	struct cursor c = { .part = parts, .left = total };
	size_t used;
	int rc = 0;

	while (c.left > 0 && rc == 0) {
		if ((rc = fill_sealed(&link->send, &c, &used)) != 0)
			link_break(link, rc);
		else
			rc = write_timed(link, link->send.sealed, used);
	}
	return rc;
}

/* A frame on its way: parts[0] is for what goes before it, parts[1] its head, then the body. */
struct outgoing { struct iovec parts[LINK_PARTS_MAX + 2]; uint8_t head[FRAME_HEAD_SIZE]; size_t total; bool bye; };

/* Leave the frame to the thread that writes.  The mutex is held, and there is room. */
static void
append_pending(struct sender *s, const struct outgoing *o)
{
	struct cursor c = { .part = o->parts + 1, .left = o->total };

	gather(&c, s->pending + s->pending_len, o->total);
	s->pending_len += o->total;
}

/* Exchange the two buffers; returns how much is in ${taken} then.  The mutex is held. */
static size_t
take_pending(struct sender *s)
{
	uint8_t *full = s->pending;
	size_t len = s->pending_len;

	s->pending = s->taken;
	s->taken = full;
	s->pending_len = 0;
	if (s->waiting > 0)
		pthread_cond_broadcast(&s->room);
	return len;
}

/*
 * Write ${o}, after what was pending before it, and then what others left
 * meanwhile; but one who waits for room takes over, so that no thread works
 * for all others for ever.  The mutex is held, and released while writing.
 */
static int
write_frames(struct link *link, struct outgoing *o)
{
	struct sender *s = &link->send;
	size_t taken = take_pending(s), total = taken + o->total;
	int rc;

	s->writing = true;
	do {
		o->parts[0] = (struct iovec){ .iov_base = s->taken, .iov_len = taken };
		pthread_mutex_unlock(&s->mutex);
		rc = emit(link, o->parts, total);
		pthread_mutex_lock(&s->mutex);
		if (rc != 0 || s->pending_len == 0)
			break;
		/* After BYE those who wait are refused, and would take over nothing. */
		if (s->waiting > 0 && !s->said_bye)
			break;
		total = taken = take_pending(s);
	} while (true);
	s->writing = false;
	pthread_cond_broadcast(&s->room);
	return rc;
}

/* Send it or leave it to another thread.  -EPIPE as said in link.h. */
static int
send_frame(struct link *link, struct outgoing *o)
{
	struct sender *s = &link->send;
	int rc = 0;

	pthread_mutex_lock(&s->mutex);
	while (link->broken == 0 && !s->said_bye && s->writing && s->pending_len + o->total > PENDING_SIZE) {
		s->waiting++;
		pthread_cond_wait(&s->room, &s->mutex);
		s->waiting--;
	}
	if (link->broken != 0 || s->said_bye) {
		rc = -EPIPE;
		goto done;
	}
	s->said_bye = o->bye;
	if (s->writing)
		append_pending(s, o);
	else if (write_frames(link, o) != 0)
		rc = -EPIPE;
	if (rc == 0 && !o->bye)
		link->frames_out++;

done:
	pthread_mutex_unlock(&s->mutex);
	return rc;
}

/* A frame's head, of a body of ${len} bytes that stands in parts[2] and after it. */
static void
set_head(struct outgoing *o, size_t len, uint8_t flags)
{
	const struct frame_head head = { .len = len, .flags = flags };

	frame_head_encode(&head, o->head);
	o->parts[1] = (struct iovec){ .iov_base = o->head, .iov_len = sizeof(o->head) };
	o->total = sizeof(o->head) + len;
}

/* Compress the body into a single part, if it gets smaller.  The squeeze's mutex is held. */
static void
squeeze_body(struct link *link, struct outgoing *o, size_t len)
{
	struct sender *s = &link->send;
	struct cursor c = { .part = o->parts + 2, .left = len };
	uint64_t took_ns, wire_cost = s->wire_cost, measured;
	const uint8_t *packed;
	size_t packed_len;

	gather(&c, squeeze_input(s->squeeze), len);
	packed_len = squeeze_pack(s->squeeze, len, &packed, &took_ns);
	if ((measured = wire_delivery_cost(link->out)) > wire_cost)
		wire_cost = measured;
	squeeze_rule_result(&s->rule, len, packed_len, took_ns, wire_cost);
	if (packed_len == len)
		return;
	memcpy(&o->parts[2].iov_base, &packed, sizeof(packed));
	o->parts[2].iov_len = packed_len;
	set_head(o, packed_len, FRAME_ZSTD);
}

int
link_send(struct link *link, const struct iovec *body, int count)
{
	struct sender *s = &link->send;
	struct outgoing o;
	size_t len = 0;
	int rc;

	if (count < 1 || count > LINK_PARTS_MAX)
		return -EMSGSIZE;
	for (int i = 0; i < count; i++) {
		o.parts[i + 2] = body[i];
		len += body[i].iov_len;
	}
	if (len == 0 || len > LINK_FRAME_MAX)
		return -EMSGSIZE;
	o.bye = false;
	set_head(&o, len, 0);
	if (len < SQUEEZE_LEN_MIN)
		return send_frame(link, &o);
	pthread_mutex_lock(&s->squeeze_mutex);
	if (squeeze_rule_try(&s->rule, len)) {
		squeeze_body(link, &o, len);
		rc = send_frame(link, &o);
		pthread_mutex_unlock(&s->squeeze_mutex);
	} else {
		pthread_mutex_unlock(&s->squeeze_mutex);
		rc = send_frame(link, &o);
	}
	return rc;
}

int
link_bye(struct link *link)
{
	struct outgoing o;

	o.bye = true;
	set_head(&o, 0, FRAME_LAST);
	return send_frame(link, &o);
}

void
sender_idle(struct link *link)
{
	struct sender *s = &link->send;

	if (pthread_mutex_trylock(&s->squeeze_mutex) == 0) {
		squeeze_idle(s->squeeze);
		pthread_mutex_unlock(&s->squeeze_mutex);
	}
	if (pthread_mutex_trylock(&s->mutex) != 0)
		return;
	if (!s->writing) {
		bulk_idle(s->taken, PENDING_SIZE);
		bulk_idle(s->sealed, SEALED_SIZE);
		if (s->pending_len == 0)
			bulk_idle(s->pending, PENDING_SIZE);
	}
	pthread_mutex_unlock(&s->mutex);
}
