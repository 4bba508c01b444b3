/* What comes from the other end, and whether anything does. */

#include <errno.h>

#include "replica/peer_private.h"

#define TICKS 8u		/* looks within the link's time-out */
#define PING_BYTES 256u		/* more than so much taken by the other end is more than signs of life */
#define SILENT_MAX 6u		/* so many times the time-out it may take, and not say a word */

/* How long nothing was seen of the other end, as this thread saw time pass. */
struct silence {
	struct link_counters before;
	unsigned ms;		/* without a word, and without taking anything */
	unsigned word_ms;	/* without a word */
	bool asked;		/* for a sign of life, since */
};

/*
 * Was what had been counted as done not done?  0, or why.  A name that is
 * missing where it was to be removed is what was wanted; a write that came out
 * short found no room.
 */
static int
late_failure(const struct peer_slot *slot, int64_t result)
{
	if (slot->op == PROTO_UNLINK && result == -ENOENT)
		return 0;
	return result < 0 ? (int)result : result < slot->result_min ? -ENOSPC : 0;
}

/* An answer to somebody: he waits, so his memory is there. */
static void
take(struct peer_call *call, const struct proto_reply *reply)
{
	if (call->result < 0)
		return;
	call->result = reply->result;
	if (call->take != NULL && reply->result >= 0)
		call->take(call, reply);
}

/* The server looked at what stands in its place. */
static void
checked(struct peer *p, int result)
{
	atomic_store(&p->checking, false);
	if (result < 0)
		peer_break(p, result, result);
}

/* One reply at ${data}; its length, or -EPROTO. */
static int
answer(struct peer *p, const uint8_t *data, size_t len)
{
	struct proto_reply reply = { .result = 0 };
	struct peer_slot *slot;
	struct peer_call *call;
	int used, late_error = 0;
	uint32_t id;
	bool more;

	if ((used = proto_reply_id(data, len, &id)) < 0)
		return used;
	slot = &p->slots[id % PEER_SLOTS];
	pthread_mutex_lock(&p->mutex);
	if (id == 0 || slot->id != id || proto_reply_decode(slot->op, data, len, &reply) < 0) {
		pthread_mutex_unlock(&p->mutex);
		return -EPROTO;
	}
	/* Out of reach of whoever declares it dead: the caller stays until all is taken. */
	call = slot->call;
	slot->call = NULL;
	pthread_mutex_unlock(&p->mutex);
	if (call != NULL)
		take(call, &reply);
	more = slot->op == PROTO_LIST && reply.result == PROTO_LIST_MORE;
	if (slot->late)
		late_error = late_failure(slot, reply.result);
	if (slot->op == PROTO_CHECK && call == NULL)
		checked(p, reply.result);
	pthread_mutex_lock(&p->mutex);
	if (atomic_load(&p->dead) != 0 && call != NULL) {
		call->result = atomic_load(&p->dead);
		more = false;
	}
	/* What failed late is never seen to be confirmed. */
	if (!more && late_error == 0)
		peer_slot_free(p, id % PEER_SLOTS);
	else
		slot->call = call;
	if (!more && call != NULL) {
		call->done = true;
		pthread_cond_signal(&call->ended);
	}
	pthread_mutex_unlock(&p->mutex);
	if (late_error != 0)
		peer_break(p, -EREMOTEIO, late_error);
	return used;
}

static int
answers(struct peer *p, const uint8_t *data, size_t len)
{
	int used;

	while (len > 0) {
		if ((used = answer(p, data, len)) < 0)
			return used;
		data += used;
		len -= (size_t)used;
	}
	return 0;
}

static void
ask(struct peer *p)
{
	struct peer_call call;

	peer_call_init(&call, p, PROTO_PING);
	(void)peer_call(&call, PEER_FORGET);
}

/*
 * A tick passed without a frame.  Who takes what we send is alive, though it
 * may be long in answering; but a system takes some on its own account.
 */
static int
nothing_came(struct peer *p, struct silence *s, unsigned tick_ms)
{
	unsigned limit_ms = p->options.link_timeout_ms;
	struct link_counters now;

	link_count(p->link, &now);
	s->ms += tick_ms;
	s->word_ms += tick_ms;
	if (now.bytes_in != s->before.bytes_in)
		*s = (struct silence){ .ms = 0 };
	else if (now.bytes_out - s->before.bytes_out > PING_BYTES)
		s->ms = 0;
	s->before = now;
	if (s->ms >= limit_ms || s->word_ms / SILENT_MAX >= limit_ms)
		return -ETIMEDOUT;
	if (!s->asked && (s->word_ms >= PEER_PING_MS || s->word_ms >= limit_ms / 3)) {
		s->asked = true;
		ask(p);
	}
	return 0;
}

void *
peer_receive(void *arg)
{
	struct silence silence = { .ms = 0 };
	struct peer *p = arg;
	unsigned tick_ms = p->options.link_timeout_ms / TICKS + 1;
	uint8_t *body;
	size_t len;
	int rc = 0;

	pthread_setname_np(pthread_self(), "peer");
	while (rc == 0 && !atomic_load(&p->stop)) {
		rc = link_receive(p->link, &body, &len, (int)tick_ms);
		if (rc == 0) {
			silence = (struct silence){ .ms = 0 };
			link_count(p->link, &silence.before);
			rc = len > 0 ? answers(p, body, len) : -ESHUTDOWN;
		} else if (rc == -ETIMEDOUT) {
			rc = nothing_came(p, &silence, tick_ms);
		}
	}
	peer_break(p, -ENOTCONN, rc);
	return NULL;
}
