/*
 * A replica lent over a socketpair: a thread that serves it, and a client that
 * knows nothing but the protocol.
 */

#ifndef TESTS_UNIT_LEND_RIG_H
#define TESTS_UNIT_LEND_RIG_H

#include <pthread.h>
#include <sys/socket.h>

#include "lend/session.h"
#include "replica/fault.h"
#include "util/log.h"

#include "../replica/scratch.h"

#define RIG_REPLIES 64		/* that came before somebody asked for them */

/* A reply, with a copy of its data. */
struct got { struct proto_reply p; uint8_t data[PROTO_DATA_MAX]; };

struct rig {
	struct replica *r;		/* what is lent: a fault replica on a directory of its own */
	struct link *client, *server;
	struct session *session;
	pthread_t thread;
	bool running;
	int rc;				/* what session_run() said */
	uint32_t id;
	/* Replies and parts of frames that nobody wanted yet. */
	struct { uint32_t id; uint8_t *data; size_t len; } kept[RIG_REPLIES];
	unsigned kept_count, frames;
};

static inline void *
rig_main(void *arg)
{
	struct rig *rig = arg;

	rig->rc = session_run(rig->session);
	return NULL;
}

/* Serve ${replica}, without a HELLO yet. */
static inline void
rig_start(struct rig *rig, struct replica *replica, const struct session_options *options)
{
	int fd[2];

	memset(rig, 0, sizeof(*rig));
	log_setup("test", LOG_LEVEL_ERROR, false);
	rig->r = replica;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	ck_assert_int_eq(link_from_pipes(fd[0], fd[0], 0, true, &rig->server), 0);
	ck_assert_int_eq(link_from_pipes(fd[1], fd[1], 0, false, &rig->client), 0);
	ck_assert_int_eq(session_new(rig->server, rig->r, options, &rig->session), 0);
	ck_assert_int_eq(pthread_create(&rig->thread, NULL, rig_main, rig), 0);
	rig->running = true;
}

/* The end of the session, as its thread saw it. */
static inline int
rig_join(struct rig *rig)
{
	if (rig->running)
		pthread_join(rig->thread, NULL);
	rig->running = false;
	return rig->rc;
}

static inline int
rig_stop(struct rig *rig)
{
	link_shutdown(rig->client);
	rig_join(rig);
	session_free(rig->session);
	link_free(rig->server);
	link_free(rig->client);
	for (unsigned i = 0; i < rig->kept_count; i++)
		free(rig->kept[i].data);
	rig->r->ops->free(rig->r);
	return rig->rc;
}

/* Requests. */

/* Encode one behind ${*len} bytes of ${frame}, with an id of its own, which is returned. */
static inline uint32_t
rig_add(struct rig *rig, struct proto_request q, uint8_t *frame, size_t *len)
{
	int head;

	q.id = ++rig->id;
	head = proto_request_encode(&q, frame + *len, PROTO_HEAD_MAX);
	ck_assert_int_gt(head, 0);
	if (q.data_len > 0)
		memcpy(frame + *len + head, q.data, q.data_len);
	*len += (size_t)head + q.data_len;
	return q.id;
}

static inline int
rig_send_frame(struct rig *rig, uint8_t *frame, size_t len)
{
	return link_send(rig->client, &(struct iovec){ .iov_base = frame, .iov_len = len }, 1);
}

static inline uint32_t
rig_send(struct rig *rig, struct proto_request q)
{
	uint8_t *frame = malloc(PROTO_HEAD_MAX + q.data_len);
	size_t len = 0;
	uint32_t id;

	ck_assert_ptr_nonnull(frame);
	id = rig_add(rig, q, frame, &len);
	ck_assert_int_eq(rig_send_frame(rig, frame, len), 0);
	free(frame);
	return id;
}

/* Replies. */

static inline void
rig_keep(struct rig *rig, const uint8_t *body, size_t len)
{
	int used;

	rig->frames++;
	while (len > 0) {
		ck_assert_uint_lt(rig->kept_count, RIG_REPLIES);
		used = proto_reply_id(body, len, &rig->kept[rig->kept_count].id);
		ck_assert_int_gt(used, 0);
		rig->kept[rig->kept_count].len = (size_t)used;
		rig->kept[rig->kept_count].data = malloc((size_t)used);
		ck_assert_ptr_nonnull(rig->kept[rig->kept_count].data);
		memcpy(rig->kept[rig->kept_count++].data, body, (size_t)used);
		body += used;
		len -= (size_t)used;
	}
}

/* Has the reply come already?  Takes it. */
static inline bool
rig_has(struct rig *rig, uint32_t id, unsigned op, struct got *got)
{
	unsigned i;

	for (i = 0; i < rig->kept_count && rig->kept[i].id != id; i++)
		;
	if (i == rig->kept_count)
		return false;
	ck_assert_int_gt(proto_reply_decode(op, rig->kept[i].data, rig->kept[i].len, &got->p), 0);
	if (got->p.data_len > 0)
		memcpy(got->data, got->p.data, got->p.data_len);
	got->p.data = got->data;
	free(rig->kept[i].data);
	memmove(&rig->kept[i], &rig->kept[i + 1], (--rig->kept_count - i) * sizeof(rig->kept[0]));
	return true;
}

/* Wait for the reply to ${id}; an error of the link, or 0. */
static inline int
rig_wait_for(struct rig *rig, uint32_t id, unsigned op, struct got *got)
{
	uint8_t *body;
	size_t len;
	int rc;

	while (!rig_has(rig, id, op, got)) {
		if ((rc = link_receive(rig->client, &body, &len, 20000)) != 0)
			return rc;
		if (len == 0)
			return -ENOTCONN;
		rig_keep(rig, body, len);
	}
	return 0;
}

static inline int
rig_wait(struct rig *rig, uint32_t id, unsigned op, struct got *got)
{
	ck_assert_int_eq(rig_wait_for(rig, id, op, got), 0);
	return got->p.result;
}

static struct got got;	/* of the last call */

/* One request and its reply: the result. */
static inline int
rig_call(struct rig *rig, struct proto_request q)
{
	return rig_wait(rig, rig_send(rig, q), q.op, &got);
}

static inline int
rig_hello(struct rig *rig, uint32_t flags, uint8_t instance)
{
	return rig_call(rig, (struct proto_request){ .op = PROTO_HELLO, .version = PROTO_VERSION, .flags = flags, .instance = { instance } });
}

/* An open replica on the test's directory, that can be told to fail. */
static inline struct replica *
rig_replica(void)
{
	struct replica *dir, *fault;

	ck_assert_int_eq(dir_replica_open(top, false, &dir), 0);
	ck_assert_int_eq(fault_replica_new(dir, &fault), 0);
	return fault;
}

/* Started, greeted, with the lease. */
static inline void
rig_ready(struct rig *rig, const struct session_options *options)
{
	rig_start(rig, rig_replica(), options);
	ck_assert_int_eq(rig_hello(rig, 0, 1), 0);
	ck_assert_int_eq(rig_call(rig, (struct proto_request){ .op = PROTO_LOCK, .flags = PROTO_LOCK_EXCLUSIVE }), 0);
}

#endif
