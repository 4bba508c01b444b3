#include "volume/events.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"
#include "util/list.h"
#include "util/log.h"
#include "volume/state.h"

struct queued {
	struct list_link link;
	struct event event;		/* its strings are in text */
	uint64_t due_ms;
	char text[];
};

struct events {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct list_link queue;		/* oldest first */
	unsigned count;
	uint64_t lost;			/* since the last word of it */
	struct event lost_event;	/* the taker's */
	bool ended;
};

static const char *const names[EVENT_KINDS] = {
	[EVENT_REPLICA_LOST] = "replica-lost",
	[EVENT_REPLICA_BACK] = "replica-back",
	[EVENT_RESYNC_DONE] = "resync-done",
	[EVENT_MENDED] = "mended",
	[EVENT_UNMENDABLE] = "unmendable",
	[EVENT_READ_ONLY] = "read-only",
	[EVENT_RECONCILED] = "reconciled",
	[EVENT_SCRUB_DONE] = "scrub-done",
	[EVENT_EVENTS_LOST] = "events-lost",
};

const char *
events_name(enum event_kind kind)
{
	return names[kind];
}

static bool
gathers(enum event_kind kind)
{
	return kind == EVENT_MENDED || kind == EVENT_UNMENDABLE;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* One that waits and can take ${event} in, or NULL. */
static struct queued *
find_alike(struct events *e, const struct event *event)
{
	struct list_link *at;
	struct queued *q;

	for (at = e->queue.next; gathers(event->kind) && at != &e->queue; at = at->next) {
		q = list_entry(at, struct queued, link);
		if (q->event.kind == event->kind && same_text(q->event.path, event->path) &&
		    same_text(q->event.replica, event->replica))
			return q;
	}
	return NULL;
}

/* Put ${text} where ${*end} is, which goes on behind it. */
static const char *
put_text(char **end, const char *text)
{
	char *start = *end;

	if (text == NULL)
		return NULL;
	*end = stpcpy(start, text) + 1;
	return start;
}

static size_t
text_size(const char *text)
{
	return text == NULL ? 0 : strlen(text) + 1;
}

static struct queued *
queued_new(const struct event *event)
{
	struct queued *q;
	char *end;

	q = malloc(sizeof(*q) + text_size(event->replica) + text_size(event->path) + text_size(event->detail));
	if (q == NULL)
		return NULL;
	end = q->text;
	q->event = *event;
	q->event.replica = put_text(&end, event->replica);
	q->event.path = put_text(&end, event->path);
	q->event.detail = put_text(&end, event->detail);
	q->due_ms = clock_monotonic_ms() + (gathers(event->kind) ? EVENTS_GATHER_MS : 0);
	return q;
}

/* False: there was no room.  Lock. */
static bool
enqueue(struct events *e, const struct event *event)
{
	uint64_t count = event->count == 0 ? 1 : event->count;
	struct queued *q;

	if ((q = find_alike(e, event)) != NULL) {
		q->event.count += count;
		return true;
	}
	if (e->count >= EVENTS_MAX || (q = queued_new(event)) == NULL)
		return false;
	q->event.count = count;
	list_append(&e->queue, &q->link);
	e->count++;
	pthread_cond_signal(&e->changed);
	return true;
}

void
events_emit(struct volume *v, const struct event *event)
{
	struct events *e = v->events;
	bool first_lost = false;

	if (e == NULL)
		return;
	pthread_mutex_lock(&e->lock);
	if (!enqueue(e, event))
		first_lost = e->lost++ == 0;
	pthread_mutex_unlock(&e->lock);
	if (first_lost)
		log_warning("more events than on-event's program is told of in time: this one, \"%s\", and those that follow are lost", names[event->kind]);
}

int
events_new(struct events **out)
{
	pthread_condattr_t monotonic;
	struct events *e;

	if ((e = calloc(1, sizeof(*e))) == NULL)
		return -ENOMEM;
	pthread_mutex_init(&e->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&e->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	list_init(&e->queue);
	*out = e;
	return 0;
}

void
events_free(struct events *e)
{
	struct list_link *at, *next;

	if (e == NULL)
		return;
	for (at = e->queue.next; at != &e->queue; at = next) {
		next = at->next;
		free(list_entry(at, struct queued, link));
	}
	pthread_cond_destroy(&e->changed);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

/* The first whose time has come, taken out; or NULL, and ${*due_ms}: when the next one's does, UINT64_MAX for never. */
static const struct event *
take_due(struct events *e, uint64_t *due_ms)
{
	uint64_t now = clock_monotonic_ms();
	struct list_link *at;
	struct queued *q;

	*due_ms = UINT64_MAX;
	for (at = e->queue.next; at != &e->queue; at = at->next) {
		q = list_entry(at, struct queued, link);
		if (e->ended || q->due_ms <= now) {
			list_remove(&q->link);
			e->count--;
			return &q->event;
		}
		if (q->due_ms < *due_ms)
			*due_ms = q->due_ms;
	}
	return NULL;
}

static void
wait_until(struct events *e, uint64_t due_ms)
{
	struct timespec until = { .tv_sec = (time_t)(due_ms / 1000), .tv_nsec = (long)(due_ms % 1000) * 1000000 };

	if (due_ms == UINT64_MAX)
		pthread_cond_wait(&e->changed, &e->lock);
	else
		pthread_cond_timedwait(&e->changed, &e->lock, &until);
}

const struct event *
events_take(struct events *e)
{
	const struct event *event;
	uint64_t due_ms;

	pthread_mutex_lock(&e->lock);
	for (;;) {
		if (e->lost > 0) {
			e->lost_event = (struct event){ .kind = EVENT_EVENTS_LOST, .count = e->lost,
			    .detail = "more happened than could be told of; the log has it all" };
			e->lost = 0;
			event = &e->lost_event;
			break;
		}
		if ((event = take_due(e, &due_ms)) != NULL || e->ended)
			break;
		wait_until(e, due_ms);
	}
	pthread_mutex_unlock(&e->lock);
	return event;
}

void
events_done(struct events *e, const struct event *event)
{
	struct queued *q;

	if (event == &e->lost_event)
		return;
	q = (struct queued *)((uintptr_t)event - offsetof(struct queued, event));
	free(q);
}

void
events_end(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	e->ended = true;
	pthread_cond_signal(&e->changed);
	pthread_mutex_unlock(&e->lock);
}
