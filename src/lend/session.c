#include "lend/session.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lend/execute.h"
#include "lend/handles.h"
#include "lend/jobs.h"
#include "lend/replies.h"
#include "util/bulk.h"
#include "util/clock.h"
#include "util/log.h"

#define IDLE_MS 500		/* after so long without a request buffers are given back */
#define SAID_BYE 1		/* the end of a session as it should be */

_Static_assert(SESSION_WORKERS_MAX == JOBS_WORKERS_MAX, "one bound");

struct session {
	struct link *link;
	struct replica *r;
	struct session_options options;
	char *peer;
	struct jobs jobs;
	struct handles handles;		/* the receiving thread's, as all up to the mutex */
	struct replies replies;
	uint8_t *buffer;		/* PROTO_DATA_MAX, or NULL: not yet needed */
	bool greeted, read_only, exclusive, retired;
	atomic_bool locked;
	atomic_ullong requests, refused, bytes_read, bytes_written;
	pthread_mutex_t mutex;		/* all below */
	bool known;
	uint8_t instance[PROTO_INSTANCE_SIZE];
};

static void run_job(struct jobs *jobs, struct job *job, bool cancelled);

static void
set_defaults(struct session_options *o)
{
	if (o->limits.handles == 0)
		o->limits.handles = SESSION_HANDLES;
	if (o->limits.requests == 0)
		o->limits.requests = SESSION_REQUESTS;
	if (o->limits.bytes == 0)
		o->limits.bytes = SESSION_BYTES;
	if (o->workers == 0)
		o->workers = SESSION_WORKERS;
	if (o->workers > SESSION_WORKERS_MAX)
		o->workers = SESSION_WORKERS_MAX;
	if (o->hello_ms == 0)
		o->hello_ms = SESSION_HELLO_MS;
	if (o->silence_ms == 0)
		o->silence_ms = SESSION_SILENCE_MS;
}

int
session_new(struct link *link, struct replica *replica, const struct session_options *options, struct session **session)
{
	struct session *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return -ENOMEM;
	if ((s->peer = strdup(options->peer != NULL ? options->peer : "client")) == NULL) {
		free(s);
		return -ENOMEM;
	}
	s->link = link;
	s->r = replica;
	s->options = *options;
	set_defaults(&s->options);
	s->read_only = options->read_only;
	s->replies.link = link;
	handles_init(&s->handles, replica, options->quota, s->options.limits.handles);
	jobs_init(&s->jobs);
	s->jobs.run = run_job;
	s->jobs.waiting_max = s->options.limits.requests;
	s->jobs.workers_max = s->options.workers;
	pthread_mutex_init(&s->mutex, NULL);
	*session = s;
	return 0;
}

void
session_free(struct session *s)
{
	if (s == NULL)
		return;
	handles_close_all(&s->handles);
	bulk_free(s->buffer, PROTO_DATA_MAX);
	jobs_destroy(&s->jobs);
	pthread_mutex_destroy(&s->mutex);
	free(s->peer);
	free(s);
}

void
session_end(struct session *s)
{
	link_shutdown(s->link);
}

bool
session_instance(struct session *s, uint8_t *instance)
{
	bool known;

	pthread_mutex_lock(&s->mutex);
	known = s->known;
	memcpy(instance, s->instance, PROTO_INSTANCE_SIZE);
	pthread_mutex_unlock(&s->mutex);
	return known;
}

void
session_count(struct session *s, struct session_counters *counters)
{
	counters->requests = atomic_load(&s->requests);
	counters->refused = atomic_load(&s->refused);
	counters->bytes_read = atomic_load(&s->bytes_read);
	counters->bytes_written = atomic_load(&s->bytes_written);
	counters->handles = atomic_load(&s->handles.count);
	counters->waiting = jobs_waiting(&s->jobs);
	counters->locked = atomic_load(&s->locked);
}

/* Replies. */

static int
answer(struct session *s, const struct proto_request *q, const struct proto_reply *reply)
{
	if (reply->result < 0)
		atomic_fetch_add_explicit(&s->refused, 1, memory_order_relaxed);
	return replies_add(&s->replies, q->op, reply);
}

static int
answer_result(struct session *s, const struct proto_request *q, int result)
{
	const struct proto_reply reply = { .id = q->id, .result = result };

	return answer(s, q, &reply);
}

static void
count_bytes(struct session *s, const struct proto_request *q, int result)
{
	if (result <= 0)
		return;
	if (q->op == PROTO_PWRITE)
		atomic_fetch_add_explicit(&s->bytes_written, (unsigned)result, memory_order_relaxed);
	else if (q->op == PROTO_PREAD || q->op == PROTO_PREAD_CACHED)
		atomic_fetch_add_explicit(&s->bytes_read, (unsigned)result, memory_order_relaxed);
}

/* What waits for a disk, in a thread of its own. */

struct slow { struct execution x; struct replies *replies; };

static int
send_more(struct execution *x)
{
	struct slow *slow = (struct slow *)x;
	int rc;

	x->reply->id = x->q->id;
	x->reply->result = PROTO_LIST_MORE;
	if ((rc = replies_add(slow->replies, x->q->op, x->reply)) == 0)
		rc = replies_flush(slow->replies);
	return rc;
}

/* A buffer of the job's own, for as long as its reply needs it. */
static void
run_slow(struct session *s, const struct job *job, struct replies *replies)
{
	const size_t room = execute_room(&job->q);
	struct proto_reply reply = { .id = job->q.id, .result = -ENOMEM };
	struct slow slow = { .replies = replies };

	slow.x = (struct execution){ .r = s->r, .quota = s->options.quota, .q = &job->q, .reply = &reply, .more = send_more,
	    .handle = job->handle, .to = REPLICA_NONE };
	if (room == 0 || (slow.x.buffer = bulk_new(room)) != NULL)
		count_bytes(s, &job->q, execute(&slow.x));
	if (reply.result < 0)
		atomic_fetch_add_explicit(&s->refused, 1, memory_order_relaxed);
	/* That the link is broken the receiving thread finds out. */
	if (replies_add(replies, job->q.op, &reply) == 0)
		(void)replies_flush(replies);
	if (room != 0)
		bulk_free(slow.x.buffer, room);
}

static void
run_job(struct jobs *jobs, struct job *job, bool cancelled)
{
	struct session *s = (struct session *)((char *)jobs - offsetof(struct session, jobs));
	struct replies replies;

	replies.link = s->link;
	replies.len = 0;
	if (!cancelled)
		run_slow(s, job, &replies);
	if (job->held != NULL)
		handles_let_go(&s->handles, job->held);
	free(job);
}

static int
defer(struct session *s, const struct proto_request *q, struct handle *handle)
{
	struct job *job;
	int rc;

	/* Nobody is to wait for this thread while it waits. */
	if (jobs_full(&s->jobs) && (rc = replies_flush(&s->replies)) != 0)
		return rc;
	if ((job = calloc(1, sizeof(*job))) == NULL)
		return answer_result(s, q, -ENOMEM);
	job->q = *q;
	job->handle = handle != NULL ? handle->inner : REPLICA_NONE;
	if (handle != NULL && handle != &s->handles.root) {
		handles_hold(handle);
		job->held = handle;
	}
	jobs_add(&s->jobs, job);
	return 0;
}

/* Requests to the replica, in the thread that receives. */

/* May it be done at all? */
static int
permit(const struct session *s, const struct proto_request *q)
{
	if (!proto_request_changes(q))
		return 0;
	if (s->read_only)
		return -EROFS;
	return s->exclusive || s->options.without_lease ? 0 : -ENOLCK;
}

static int
find_handle(struct session *s, uint32_t number, enum execute_handle kind, struct handle **handle)
{
	*handle = NULL;
	if (kind == EXECUTE_NONE)
		return 0;
	if ((*handle = handles_find(&s->handles, number)) == NULL)
		return -EBADF;
	if (kind != EXECUTE_ANY && (*handle)->file != (kind == EXECUTE_FILE))
		return kind == EXECUTE_DIR ? -ENOTDIR : -EBADF;
	return 0;
}

static bool
opens_file(unsigned op)
{
	return op == PROTO_CREATE || op == PROTO_TMPFILE || op == PROTO_OPEN || op == PROTO_OPEN_DIRECT;
}

/* The receiving thread's buffer, for replies of ${room} bytes. */
static int
have_buffer(struct session *s, size_t room)
{
	if (room > 0 && s->buffer == NULL && (s->buffer = bulk_new(PROTO_DATA_MAX)) == NULL)
		return -ENOMEM;
	return 0;
}

/* Do it now.  What it opens becomes ${made}'s, which is put into the table. */
static int
run_now(struct session *s, const struct proto_request *q, struct handle *handle, struct handle *to, struct handle *made)
{
	struct proto_reply reply = { .result = 0 };
	struct execution x = { .r = s->r, .quota = s->options.quota, .q = q, .reply = &reply, .made = REPLICA_NONE,
	    .handle = handle != NULL ? handle->inner : REPLICA_NONE, .to = to != NULL ? to->inner : REPLICA_NONE };
	int rc;

	if ((rc = have_buffer(s, execute_room(q))) == 0) {
		x.buffer = s->buffer;
		rc = execute(&x);
	}
	count_bytes(s, q, rc);
	if (made != NULL && x.made != REPLICA_NONE) {
		made->inner = x.made;
		made->file = opens_file(q->op);
		handles_put(&s->handles, q->opened, made);
	} else {
		free(made);
	}
	reply.id = q->id;
	reply.result = rc;
	return answer(s, q, &reply);
}

/* What is in the cache is read at once. */
static int
read_or_defer(struct session *s, const struct proto_request *q, struct handle *handle)
{
	struct proto_request cached = *q;
	struct proto_reply reply = { .result = 0 };
	struct execution x = { .r = s->r, .q = &cached, .reply = &reply, .handle = handle->inner };
	int rc;

	cached.op = PROTO_PREAD_CACHED;
	if (have_buffer(s, execute_room(q)) != 0)
		return answer_result(s, q, -ENOMEM);
	x.buffer = s->buffer;
	if ((rc = execute(&x)) == -EAGAIN || rc == -EOPNOTSUPP)
		return defer(s, q, handle);
	count_bytes(s, q, rc);
	return answer(s, q, &reply);
}

static int
request(struct session *s, const struct proto_request *q)
{
	const bool to_is_meant = q->op == PROTO_LINK || q->op == PROTO_RENAME;
	struct handle *handle, *to = NULL, *made = NULL;
	int rc;

	if ((rc = permit(s, q)) != 0 || (rc = find_handle(s, q->handle, execute_handle(q), &handle)) != 0)
		return answer_result(s, q, rc);
	if (to_is_meant && (rc = find_handle(s, q->to, EXECUTE_DIR, &to)) != 0)
		return answer_result(s, q, rc);
	if ((proto_op_traits(q->op) & PROTO_OPENS) != 0 && !(q->op == PROTO_CREATE && q->opened == PROTO_NONE)) {
		if ((rc = handles_reserve(&s->handles, q->opened, &made)) != 0)
			return answer_result(s, q, rc);
	}
	if (q->op == PROTO_PREAD)
		return read_or_defer(s, q, handle);
	if ((proto_op_traits(q->op) & PROTO_WAITS) != 0)
		return defer(s, q, handle);
	return run_now(s, q, handle, to, made);
}

/* The session's own requests. */

static int
hello(struct session *s, const struct proto_request *q)
{
	struct proto_reply reply = { .id = q->id, .version = PROTO_VERSION, .uid = geteuid(), .gid = getegid(), .limits = s->options.limits };
	int rc;

	if (q->version != PROTO_VERSION) {
		if ((rc = answer_result(s, q, -EPROTONOSUPPORT)) == 0)
			rc = replies_flush(&s->replies);
		return rc != 0 ? rc : -EPROTONOSUPPORT;
	}
	if ((q->flags & PROTO_HELLO_READ_ONLY) != 0)
		s->read_only = true;
	reply.flags = s->read_only ? PROTO_HELLO_READ_ONLY : 0;
	pthread_mutex_lock(&s->mutex);
	memcpy(s->instance, q->instance, PROTO_INSTANCE_SIZE);
	s->known = true;
	pthread_mutex_unlock(&s->mutex);
	s->greeted = true;
	return answer(s, q, &reply);
}

static int
try_lock(struct session *s, bool exclusive)
{
	int rc;

	/* Who may not write keeps nobody from writing but for as long as it reads. */
	if (exclusive && s->read_only)
		return -EROFS;
	rc = s->r->ops->lock(s->r, exclusive);
	if (rc == -EWOULDBLOCK && s->options.give_way != NULL) {
		if ((rc = replies_flush(&s->replies)) != 0)
			return rc;
		rc = s->options.give_way(s->options.arg, s) == 0 ? s->r->ops->lock(s->r, exclusive) : -EWOULDBLOCK;
	}
	if (rc == 0) {
		s->exclusive = exclusive;
		atomic_store(&s->locked, true);
	}
	return rc;
}

/* All requests have ended, or are not to begin any more: let go of everything. */
static void
let_go(struct session *s)
{
	if (s->retired)
		return;
	s->retired = true;
	handles_close_all(&s->handles);
	s->r->ops->retire(s->r, true);
	s->exclusive = false;
	atomic_store(&s->locked, false);
}

/* The reply tells the client that the lease is free. */
static int
bye(struct session *s, const struct proto_request *q)
{
	int rc;

	if ((rc = replies_flush(&s->replies)) != 0)
		return rc;
	jobs_wait(&s->jobs);
	let_go(s);
	if ((rc = answer_result(s, q, 0)) != 0 || (rc = replies_flush(&s->replies)) != 0)
		return rc;
	return SAID_BYE;
}

static int
dispatch(struct session *s, const struct proto_request *q)
{
	atomic_fetch_add_explicit(&s->requests, 1, memory_order_relaxed);
	/* HELLO comes first, and once. */
	if (s->greeted == (q->op == PROTO_HELLO))
		return -EPROTO;
	switch (q->op) {
	case PROTO_HELLO:
		return hello(s, q);
	case PROTO_PING:
		return answer_result(s, q, 0);
	case PROTO_BYE:
		return bye(s, q);
	case PROTO_LOCK:
		return answer_result(s, q, try_lock(s, (q->flags & PROTO_LOCK_EXCLUSIVE) != 0));
	case PROTO_CLOSE:
	case PROTO_DIR_CLOSE:
		return answer_result(s, q, handles_close(&s->handles, q->handle, q->op == PROTO_CLOSE));
	default:
		return request(s, q);
	}
}

/* Receiving. */

static int
serve_frame(struct session *s, const uint8_t *body, size_t len)
{
	struct proto_request q;
	int used, rc;

	while (len > 0) {
		if ((used = proto_request_decode(body, len, &q)) < 0)
			return used;
		if ((rc = dispatch(s, &q)) != 0)
			return rc;
		body += used;
		len -= (size_t)used;
	}
	return 0;
}

/*
 * Milliseconds until a silent client is dead; 0: it is.  Bytes of a frame that
 * is not whole yet are a sign of life, but not before HELLO.
 */
static int
patience(struct session *s, uint64_t start)
{
	const uint64_t now = clock_monotonic_ms();
	uint64_t limit = s->options.hello_ms, silent = now - start;
	struct link_counters counters;

	if (s->greeted) {
		link_count(s->link, &counters);
		limit = s->options.silence_ms;
		silent = now > counters.heard_ms ? now - counters.heard_ms : 0;
	}
	return silent < limit ? (int)(limit - silent) : 0;
}

/* The next frame; whatever waits to be sent goes before this thread waits. */
static int
next_frame(struct session *s, uint64_t start, uint8_t **body, size_t *len)
{
	int rc, left;

	if (s->replies.len > 0) {
		if ((rc = link_receive(s->link, body, len, 0)) != -ETIMEDOUT)
			return rc;
		if ((rc = replies_flush(&s->replies)) != 0)
			return rc;
	}
	left = patience(s, start);
	if ((rc = link_receive(s->link, body, len, left < IDLE_MS ? left : IDLE_MS)) != -ETIMEDOUT)
		return rc;
	if (s->buffer != NULL)
		bulk_idle(s->buffer, PROTO_DATA_MAX);
	while ((left = patience(s, start)) > 0)
		if ((rc = link_receive(s->link, body, len, left)) != -ETIMEDOUT)
			return rc;
	return -ETIMEDOUT;
}

static int
serve(struct session *s)
{
	const uint64_t start = clock_monotonic_ms();
	uint8_t *body;
	size_t len;
	int rc;

	do {
		if ((rc = next_frame(s, start, &body, &len)) != 0)
			return rc;
		/* It hung up as the link does; what it asked for before is done. */
		if (len == 0)
			return SAID_BYE;
		rc = serve_frame(s, body, len);
	} while (rc == 0);
	return rc;
}

static void
say_end(const struct session *s, int rc)
{
	if (rc == -EPROTO)
		log_warning("%s: %s sent what no mendfs sends, and was cut off; if it is one of yours, look at its version", s->r->path, s->peer);
	else if (rc == -ETIMEDOUT)
		log_warning("%s: %s has not been heard for too long; its session ends", s->r->path, s->peer);
	else if (rc == -EPROTONOSUPPORT)
		log_warning("%s: %s speaks another version of the protocol; install the same version of mendfs on both sides", s->r->path, s->peer);
	else
		log_info("%s: %s is gone without a word: %s", s->r->path, s->peer, link_explain(rc));
}

int
session_run(struct session *s)
{
	int rc = serve(s);

	if (rc < 0) {
		/* Nobody is to wait for a peer that does not take its replies. */
		jobs_cancel(&s->jobs);
		link_shutdown(s->link);
		say_end(s, rc);
	}
	jobs_wait(&s->jobs);
	let_go(s);
	if (rc == SAID_BYE)
		(void)link_bye(s->link);
	return rc == SAID_BYE ? 0 : rc;
}
