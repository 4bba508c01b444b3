/*
 * Two ends of a plain link, and what the tests of links send over them.
 */

#ifndef TESTS_UNIT_LINK_PAIR_H
#define TESTS_UNIT_LINK_PAIR_H

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/link.h"

#include "../check_main.h"

#define PATIENCE_MS 20000	/* for what must come; what must not is waited for some ms only */

struct pair { struct link *client, *server; };

static inline void
pair_plain(struct pair *p)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(link_from_pipes(fds[0], fds[0], 0, false, &p->client), 0);
	ck_assert_int_eq(link_from_pipes(fds[1], fds[1], 0, true, &p->server), 0);
}

static inline void
pair_free(struct pair *p)
{
	link_free(p->client);
	link_free(p->server);
}

/* ${len} bytes that follow from ${seed}; the caller frees them. */
static inline uint8_t *
pattern(size_t len, uint32_t seed)
{
	uint8_t *data = malloc(len);

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		data[i] = (uint8_t)(seed >> 24);
	}
	return data;
}

static inline int
send_bytes(struct link *link, const void *data, size_t len)
{
	struct iovec part;

	memcpy(&part.iov_base, &data, sizeof(data));
	part.iov_len = len;
	return link_send(link, &part, 1);
}

/* The next frame must be ${data}. */
static inline void
expect_bytes(struct link *link, const void *data, size_t len)
{
	uint8_t *body;
	size_t got;

	ck_assert_int_eq(link_receive(link, &body, &got, PATIENCE_MS), 0);
	ck_assert_uint_eq(got, len);
	ck_assert_mem_eq(body, data, len);
}

/* The next call must end so, without a frame. */
static inline void
expect_end(struct link *link, int rc, int timeout_ms)
{
	uint8_t *body;
	size_t got;

	ck_assert_int_eq(link_receive(link, &body, &got, timeout_ms), rc);
	ck_assert_uint_eq(got, 0);
}

#endif
