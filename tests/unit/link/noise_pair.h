/*
 * Two ends of an encrypted link with somebody between them: what one end sends
 * is read from its socket, and written to the other's as a test likes it.
 */

#ifndef TESTS_UNIT_LINK_NOISE_PAIR_H
#define TESTS_UNIT_LINK_NOISE_PAIR_H

#include "link/link_private.h"

#include "pair.h"

/* fds[0] is what the client's socket leads to, fds[1] the server's; -1 if the two lead to each other. */
struct middle { struct pair pair; int fds[2]; };

/* The two handshakes, without a wire. */
static inline void
shake(struct noise *client, struct noise *server, const struct key_pair keys[2])
{
	uint8_t first[NOISE_FIRST_OVERHEAD], second[NOISE_SECOND_OVERHEAD];

	noise_start(client, &keys[0], keys[1].public, NULL, 0);
	noise_start(server, &keys[1], NULL, NULL, 0);
	ck_assert_int_eq(noise_write_first(client, NULL, 0, first), 0);
	ck_assert_int_eq(noise_read_first(server, first, sizeof(first), NULL), 0);
	ck_assert_int_eq(noise_write_second(server, NULL, 0, second), 0);
	ck_assert_int_eq(noise_read_second(client, second, sizeof(second), NULL), 0);
}

/* ${between}: with somebody in the middle. */
static inline void
middle_new(struct middle *m, bool between)
{
	struct key_pair keys[2];
	struct noise noise[2];
	int ends[2][2];

	key_pair_new(&keys[0]);
	key_pair_new(&keys[1]);
	shake(&noise[0], &noise[1], keys);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends[0]), 0);
	m->fds[0] = m->fds[1] = -1;
	if (between) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends[1]), 0);
		m->fds[0] = ends[0][1];
		m->fds[1] = ends[1][1];
	} else {
		ends[1][0] = ends[0][1];
	}
	ck_assert_int_eq(link_from_noise(ends[0][0], false, &noise[0], &m->pair.client), 0);
	ck_assert_int_eq(link_from_noise(ends[1][0], true, &noise[1], &m->pair.server), 0);
}

static inline void
middle_free(struct middle *m)
{
	pair_free(&m->pair);
	for (int i = 0; i < 2; i++) {
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	}
}

/* The next message that the client sent, with its length; returns how long it is. */
static inline size_t
catch_message(struct middle *m, uint8_t *message)
{
	size_t len;

	ck_assert_int_eq(recv(m->fds[0], message, MESSAGE_HEAD_SIZE, MSG_WAITALL), MESSAGE_HEAD_SIZE);
	len = (size_t)message[0] << 8 | message[1];
	ck_assert_int_eq(recv(m->fds[0], message + MESSAGE_HEAD_SIZE, len, MSG_WAITALL), (ssize_t)len);
	return MESSAGE_HEAD_SIZE + len;
}

static inline void
pass_on(struct middle *m, const uint8_t *message, size_t len)
{
	ck_assert_int_eq(send(m->fds[1], message, len, 0), (ssize_t)len);
}

#endif
