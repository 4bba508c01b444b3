#include "replica/peer_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/log.h"
#include "util/stall.h"

#define TICK_MS 500u		/* between two looks at how long a request has been waiting */
#define SYNC_FACTOR 4u		/* so many times the time-out may pass for what waits for a disk */

static _Thread_local struct peer *begin_for;	/* the next operation on this one is to be begun, */
static _Thread_local bool begin_late;		/* and may count as done when it is on its way */
static _Thread_local struct peer_call *begun;	/* what this thread has begun, on any peer */

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void
peer_call_init(struct peer_call *call, struct peer *p, enum proto_op op)
{
	memset(call, 0, sizeof(*call));
	call->peer = p;
	call->request.op = (uint16_t)op;
	pthread_cond_init(&call->ended, NULL);
}

/* ---- numbers of handles */

int
peer_handle_new(struct peer *p, replica_handle *handle)
{
	int rc = 0;

	pthread_mutex_lock(&p->mutex);
	if (p->free_handle_count > 0)
		*handle = p->free_handles[--p->free_handle_count];
	else if (p->next_handle < p->limits.handles)
		*handle = p->next_handle++;
	else
		rc = -ENFILE;
	pthread_mutex_unlock(&p->mutex);
	return rc;
}

void
peer_handle_free(struct peer *p, replica_handle handle)
{
	uint32_t *more, room;

	pthread_mutex_lock(&p->mutex);
	if (p->free_handle_count == p->free_handle_room) {
		room = p->free_handle_room > 0 ? 2 * p->free_handle_room : 64;
		if ((more = realloc(p->free_handles, room * sizeof(*more))) != NULL) {
			p->free_handles = more;
			p->free_handle_room = room;
		}
	}
	/* Without memory it is not used again. */
	if (p->free_handle_count < p->free_handle_room)
		p->free_handles[p->free_handle_count++] = (uint32_t)handle;
	pthread_mutex_unlock(&p->mutex);
}

/* ---- slots; the mutex is held */

static uint64_t
bytes_of(const struct peer_call *call)
{
	return PROTO_REQUEST_HEAD + call->request.data_len + call->request.size;
}

/* Is there room for one more? */
static bool
has_room(const struct peer *p, uint64_t bytes, bool late)
{
	if (p->in_flight >= PEER_SLOTS || p->in_flight >= p->limits.requests)
		return false;
	/* One that is larger than all that is allowed goes alone. */
	if (p->in_flight > 0 && p->in_flight_bytes + bytes > p->limits.bytes)
		return false;
	if (!late || p->late_requests == 0)
		return true;
	return p->late_requests < p->options.window_requests && p->late_bytes + bytes <= p->options.window_bytes;
}

static void
late_append(struct peer *p, uint32_t index)
{
	struct peer_slot *slot = &p->slots[index];

	slot->sequence = ++p->late_sent;
	slot->next = PEER_SLOTS;
	slot->before = p->late_last;
	if (p->late_last != PEER_SLOTS)
		p->slots[p->late_last].next = index;
	else
		p->late_first = index;
	p->late_last = index;
	p->late_requests++;
	p->late_bytes += slot->bytes;
}

static void
late_remove(struct peer *p, uint32_t index)
{
	struct peer_slot *slot = &p->slots[index];

	if (slot->before != PEER_SLOTS)
		p->slots[slot->before].next = slot->next;
	else
		p->late_first = slot->next;
	if (slot->next != PEER_SLOTS)
		p->slots[slot->next].before = slot->before;
	else
		p->late_last = slot->before;
	p->late_requests--;
	p->late_bytes -= slot->bytes;
}

static uint32_t
slot_take(struct peer *p, struct peer_call *call, struct peer_call *waiter, bool late)
{
	uint32_t index = p->free_slot != PEER_SLOTS ? p->free_slot : p->used_slots++;
	struct peer_slot *slot = &p->slots[index];

	if (p->free_slot == index)
		p->free_slot = slot->next;
	/* Never 0, and not one that was just in flight. */
	p->generation = p->generation < UINT32_MAX / PEER_SLOTS - 1 ? p->generation + 1 : 1;
	*slot = (struct peer_slot){ .id = p->generation * PEER_SLOTS + index, .op = call->request.op,
	    .bytes = (uint32_t)bytes_of(call), .call = waiter, .late = late,
	    .result_min = call->request.op == PROTO_PWRITE ? (uint32_t)call->request.data_len : 0 };
	p->in_flight++;
	p->in_flight_bytes += slot->bytes;
	if (late)
		late_append(p, index);
	return slot->id;
}

void
peer_slot_free(struct peer *p, uint32_t index)
{
	struct peer_slot *slot = &p->slots[index];

	p->in_flight--;
	p->in_flight_bytes -= slot->bytes;
	if (slot->late)
		late_remove(p, index);
	*slot = (struct peer_slot){ .next = p->free_slot };
	p->free_slot = index;
	if (p->room_waits > 0)
		pthread_cond_broadcast(&p->room);
}

/* ---- the end */

/* Nobody will answer ${call} any more.  The mutex is held. */
static void
call_fail(struct peer_call *call, int dead)
{
	call->result = dead;
	call->done = true;
	pthread_cond_signal(&call->ended);
}

void
peer_break(struct peer *p, int dead, int why)
{
	bool first;
	uint32_t i;

	pthread_mutex_lock(&p->mutex);
	if ((first = atomic_load(&p->dead) == 0)) {
		atomic_store(&p->why, why < 0 ? -why : why);
		atomic_store(&p->dead, dead);
		for (i = 0; i < p->used_slots; i++) {
			if (p->slots[i].call != NULL)
				call_fail(p->slots[i].call, dead);
			p->slots[i].call = NULL;
		}
		pthread_cond_broadcast(&p->room);
	}
	pthread_mutex_unlock(&p->mutex);
	if (!first)
		return;
	link_shutdown(p->link);
	if (atomic_load(&p->stop))
		return;
	if (dead == -EREMOTEIO)
		log_warning("%s: a change that had been counted as done failed there: %s; what is not known to be there is sent again",
		    p->base.path, strerror(why < 0 ? -why : why));
	else
		log_warning("%s: the connection is lost: %s", p->base.path, link_explain(why < 0 ? why : -why));
}

/* ---- sending */

/*
 * Wait for room, as long as it takes: somebody's answer, or the peer's end.
 * The mutex is held.  0, or what it died of.
 */
static int
wait_room(struct peer *p, uint64_t bytes, bool late)
{
	if (has_room(p, bytes, late) || atomic_load(&p->dead) != 0)
		return atomic_load(&p->dead);
	pthread_mutex_unlock(&p->mutex);
	stall_ahead();
	atomic_fetch_add_explicit(&p->round_trips, 1, memory_order_relaxed);
	pthread_mutex_lock(&p->mutex);
	p->room_waits++;
	while (!has_room(p, bytes, late) && atomic_load(&p->dead) == 0)
		pthread_cond_wait(&p->room, &p->mutex);
	p->room_waits--;
	return atomic_load(&p->dead);
}

/* ${waiter}: who is to be told; NULL: nobody. */
static int
call_send(struct peer_call *call, struct peer_call *waiter, bool late)
{
	struct proto_request *request = &call->request;
	uint8_t head[PROTO_HEAD_MAX];
	struct peer *p = call->peer;
	struct iovec body[2];
	int rc, len;

	/* Whatever is wrong with it shows before it has a slot. */
	request->id = 1;
	if ((len = proto_request_encode(request, head, sizeof(head))) < 0)
		return len;
	pthread_mutex_lock(&p->mutex);
	if ((rc = wait_room(p, bytes_of(call), late)) == 0) {
		call->sent_ns = now_ns();
		request->id = slot_take(p, call, waiter, late);
	}
	pthread_mutex_unlock(&p->mutex);
	if (rc != 0)
		return rc;
	atomic_fetch_add_explicit(&p->requests, 1, memory_order_relaxed);
	len = proto_request_encode(request, head, sizeof(head));
	body[0] = (struct iovec){ head, (size_t)len };
	body[1] = (struct iovec){ (void *)(uintptr_t)request->data, request->data_len };
	if ((rc = link_send(p->link, body, request->data_len > 0 ? 2 : 1)) != 0)
		peer_break(p, -ENOTCONN, rc);
	/* Dead or not: its slot has been seen to. */
	return 0;
}

/* ---- waiting */

/* May the link be given up for this one, which has waited so long? */
static bool
give_up(struct peer *p, const struct peer_call *call, uint64_t waited_ms)
{
	uint64_t limit = p->options.timeout_ms;

	if (limit == 0)
		return false;
	if ((proto_op_traits(call->request.op) & PROTO_WAITS) != 0)
		limit *= SYNC_FACTOR;
	return waited_ms >= limit && (p->may_give_up == NULL || p->may_give_up(p->arg));
}

/* One tick at most; the mutex is held. */
static bool
wait_tick(struct peer_call *call, unsigned tick_ms)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)tick_ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (!call->done && rc == 0)
		rc = pthread_cond_clockwait(&call->ended, &call->peer->mutex, CLOCK_MONOTONIC, &until);
	return call->done;
}

static void
note_latency(struct peer *p, uint64_t ns)
{
	uint64_t average = atomic_load_explicit(&p->latency_ns, memory_order_relaxed);

	atomic_store_explicit(&p->latency_ns, average == 0 ? ns : average - average / 8 + ns / 8, memory_order_relaxed);
}

/* Time is what was seen to pass, as in replica/guard. */
static int64_t
call_wait(struct peer_call *call)
{
	struct peer *p = call->peer;
	unsigned timeout_ms = p->options.timeout_ms;
	unsigned tick_ms = timeout_ms > 0 && timeout_ms / 4 < TICK_MS ? timeout_ms / 4 + 1 : TICK_MS;
	uint64_t waited_ms = 0;

	stall_ahead();
	atomic_fetch_add_explicit(&p->round_trips, 1, memory_order_relaxed);
	pthread_mutex_lock(&p->mutex);
	while (!wait_tick(call, tick_ms)) {
		waited_ms += tick_ms;
		if (!give_up(p, call, waited_ms))
			continue;
		pthread_mutex_unlock(&p->mutex);
		peer_break(p, -ETIMEDOUT, ETIMEDOUT);
		pthread_mutex_lock(&p->mutex);
	}
	pthread_mutex_unlock(&p->mutex);
	note_latency(p, now_ns() - call->sent_ns);
	return call->result;
}

/* Is anything unconfirmed that was counted as done up to ${sequence}?  The mutex is held. */
static bool
lags(const struct peer *p, uint64_t sequence)
{
	return atomic_load(&p->dead) == 0 && p->late_first != PEER_SLOTS && p->slots[p->late_first].sequence <= sequence;
}

/* Wait until nothing is, or the peer is dead. */
static int
settle(struct peer *p, uint64_t sequence)
{
	int rc;

	pthread_mutex_lock(&p->mutex);
	p->room_waits++;
	while (lags(p, sequence))
		pthread_cond_wait(&p->room, &p->mutex);
	p->room_waits--;
	rc = atomic_load(&p->dead);
	pthread_mutex_unlock(&p->mutex);
	return rc;
}

int
peer_settle(struct replica *r)
{
	struct peer *p = peer_self(r);
	uint64_t sequence;
	bool wait;

	pthread_mutex_lock(&p->mutex);
	sequence = p->late_sent;
	wait = lags(p, sequence);
	pthread_mutex_unlock(&p->mutex);
	if (!wait)
		return atomic_load(&p->dead);
	stall_ahead();
	atomic_fetch_add_explicit(&p->round_trips, 1, memory_order_relaxed);
	return settle(p, sequence);
}

/* A handle that did not come to be has no number. */
static int64_t
call_result(struct peer_call *call)
{
	int64_t rc = call->error != 0 ? call->error : call->result;

	pthread_cond_destroy(&call->ended);
	if (call->handle == NULL)
		return rc;
	if (rc < 0)
		peer_handle_free(call->peer, call->number);
	if (rc >= 0 || call->told)
		*call->handle = rc >= 0 ? call->number : REPLICA_NONE;
	return rc;
}

static int64_t
call_failed(struct peer_call *call, int rc)
{
	call->error = rc;
	return call_result(call);
}

int64_t
peer_call(struct peer_call *call, enum peer_mode mode)
{
	struct peer *p = call->peer;
	uint64_t sequence = 0;
	int64_t result;
	int rc;

	peer_not_begun(p);
	if (mode == PEER_SETTLE) {
		pthread_mutex_lock(&p->mutex);
		sequence = p->late_sent;
		pthread_mutex_unlock(&p->mutex);
	}
	if ((rc = call_send(call, mode == PEER_FORGET ? NULL : call, false)) != 0)
		return call_failed(call, rc);
	if (mode == PEER_FORGET)
		return call_result(call);
	(void)call_wait(call);
	result = call_result(call);
	if (mode == PEER_SETTLE && result >= 0 && (rc = settle(p, sequence)) != 0)
		return rc;
	return result;
}

/* ---- beginning and finishing */

void
peer_begin(struct replica *r, enum replica_lateness lateness)
{
	begin_for = peer_self(r);
	begin_late = lateness == REPLICA_LATE || (lateness == REPLICA_LATE_IF_ASKED && begin_for->options.ack_fsync);
}

void
peer_not_begun(struct peer *p)
{
	if (begin_for == p)
		begin_for = NULL;
}

int64_t
peer_call_begun(struct peer_call *call, int64_t length)
{
	struct peer *p = call->peer;
	struct peer_call *copy;
	int rc;

	if (begin_for != p)
		return peer_call(call, PEER_WAIT);
	begin_for = NULL;
	if (begin_late) {
		if ((rc = call_send(call, NULL, true)) != 0)
			return call_failed(call, rc);
		(void)call_result(call);
		return length;
	}
	if ((copy = malloc(sizeof(*copy))) == NULL)
		return peer_call(call, PEER_WAIT);
	memcpy(copy, call, sizeof(*copy));
	pthread_cond_destroy(&call->ended);
	pthread_cond_init(&copy->ended, NULL);
	if ((copy->told = copy->handle != NULL))
		*copy->handle = copy->number;
	if ((rc = call_send(copy, copy, false)) != 0) {
		rc = (int)call_failed(copy, rc);
		free(copy);
		return rc;
	}
	copy->next = begun;
	begun = copy;
	return -EINPROGRESS;
}

int64_t
peer_finish(struct replica *r)
{
	struct peer_call **at, *call;
	int64_t rc;

	for (at = &begun; *at != NULL && (*at)->peer != peer_self(r); at = &(*at)->next)
		;
	if ((call = *at) == NULL)
		return -EIO;
	*at = call->next;
	(void)call_wait(call);
	rc = call_result(call);
	free(call);
	return rc;
}

/* ---- looking at it */

bool
peer_is(const struct replica *r)
{
	return r->ops == &peer_ops;
}

void
peer_may_give_up(struct replica *r, bool (*may)(void *arg), void *arg)
{
	peer_self(r)->may_give_up = may;
	peer_self(r)->arg = arg;
}

uint64_t
peer_latency(const struct replica *r)
{
	return atomic_load_explicit(&((const struct peer *)r)->latency_ns, memory_order_relaxed);
}

void
peer_count(const struct replica *r, struct peer_counters *counters)
{
	/* Its mutex is all that changes. */
	struct peer *p = (struct peer *)(uintptr_t)r;
	struct link_counters wire;

	link_count(p->link, &wire);
	*counters = (struct peer_counters){ .alive = atomic_load(&p->dead) == 0, .error = atomic_load(&p->why),
	    .bytes_in = wire.bytes_in, .bytes_out = wire.bytes_out, .requests = atomic_load(&p->requests),
	    .round_trips = atomic_load(&p->round_trips), .latency_ns = atomic_load(&p->latency_ns),
	    .ack_fsync = p->options.ack_fsync };
	pthread_mutex_lock(&p->mutex);
	counters->window_bytes = p->late_bytes;
	counters->window_requests = p->late_requests;
	pthread_mutex_unlock(&p->mutex);
}
