#include "util/clock.h"
#include "util/stall.h"
#include "volume/room.h"

#define RECENT_MS 1000		/* what was removed before and is still there, is in use */
#define WAIT_MS 100
#define TICK_NS 2000000L

void
room_leaving(struct volume *v, struct node *node)
{
	node->leaving = true;
	atomic_store(&v->leaving_ms, clock_monotonic_ms());
	atomic_fetch_add(&v->leaving, 1);
}

void
room_left(struct volume *v, struct node *node)
{
	if (node->leaving)
		atomic_fetch_sub(&v->leaving, 1);
	node->leaving = false;
}

bool
room_comes(struct volume *v)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	uint64_t start = clock_monotonic_ms();
	unsigned leaving = atomic_load(&v->leaving);

	if (leaving == 0 || start - atomic_load(&v->leaving_ms) > RECENT_MS)
		return false;
	/* Somebody has to hear of what is forgotten. */
	stall_ahead();
	while (clock_monotonic_ms() - start < WAIT_MS) {
		if (atomic_load(&v->leaving) < leaving)
			return true;
		nanosleep(&tick, NULL);
	}
	return false;
}
