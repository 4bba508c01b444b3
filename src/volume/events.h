/*
 * volume/events -- what an administrator may want to be told at once.
 *
 * Whoever sees something happen puts a note into a short queue, and goes on:
 * it never waits, and the queue has an end.  What finds no room is counted, and
 * the count is an event itself.  Of blocks that are mended, or cannot be, there
 * is one event a file, replica and second.
 *
 * The queue is not the volume's own: it is filled from volume_open to the end
 * of volume_close, and emptied by somebody else (control/onevent).
 *
 * Locking: inside, a leaf below all others.
 */

#ifndef VOLUME_EVENTS_H
#define VOLUME_EVENTS_H

#include <stdint.h>

#include "volume/volume.h"

#define EVENTS_MAX 64		/* that wait; each has a path at most */
#define EVENTS_GATHER_MS 1000	/* so long events of one file are gathered */

enum event_kind {
	EVENT_REPLICA_LOST, EVENT_REPLICA_BACK, EVENT_RESYNC_DONE,
	EVENT_MENDED, EVENT_UNMENDABLE,
	EVENT_READ_ONLY, EVENT_RECONCILED,
	EVENT_SCRUB_DONE,
	EVENT_EVENTS_LOST,	/* the queue was full: that many are not told of */
	EVENT_KINDS
};

struct event {
	enum event_kind kind;
	const char *replica, *path;	/* NULL: of none; the path from the mountpoint on */
	const char *detail;		/* a line for people; or NULL */
	uint64_t count;			/* how many alike this is; 0 is taken as 1 */
};

/* events_emit(volume, event): note a copy of ${event}.  Does nothing where nobody listens. */
void events_emit(struct volume *volume, const struct event *event);

/* events_name(kind): "replica-lost". */
const char *events_name(enum event_kind kind);

/* events_new(events): for volume_options.  -ENOMEM.  events_free: NULL is fine; the volume is closed. */
int events_new(struct events **events);
void events_free(struct events *events);
/*
 * events_take(events):
 * Wait for one whose time has come; until events_done(events, event) it is the
 * caller's.  NULL: events_end was called, and none is left.  One thread at a time.
 */
const struct event *events_take(struct events *events);
void events_done(struct events *events, const struct event *event);
/* events_end(events): nobody waits for more; what is there is due now. */
void events_end(struct events *events);

#endif
