#include <errno.h>

#include "util/clock.h"
#include "util/stall.h"
#include "volume/room.h"

#define RECENT_MS 1000		/* what was removed before and is still there, is in use */
#define WAIT_MS 100
#define TICK_NS 2000000L
#define RESERVE_PERCENT 1
#define RESERVE_MIN (UINT64_C(16) << 20)
#define LATE_ROOM (UINT64_C(64) << 20)	/* bytes: more than what can be on its way, and what others may take meanwhile */
#define RESERVE_PART_MAX 16	/* a small file system would else be nothing but reserve */

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

bool
room_lacks(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG || error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
}

uint64_t
room_reserve(uint64_t total)
{
	uint64_t reserve = total / 100 * RESERVE_PERCENT;

	if (reserve < RESERVE_MIN)
		reserve = RESERVE_MIN;
	return reserve < total / RESERVE_PART_MAX ? reserve : total / RESERVE_PART_MAX;
}

static bool
space_of(struct member *m, uint64_t *total, uint64_t *available)
{
	struct statvfs st;

	if (m->r->ops->statfs(m->r, &st) != 0)
		return false;
	*total = (uint64_t)st.f_blocks * st.f_frsize;
	*available = (uint64_t)st.f_bavail * st.f_frsize;
	return true;
}

int
room_spare(struct volume *v, struct member *member, uint64_t bytes)
{
	uint64_t total, available, other_total, other, keep;
	struct member *m;

	if (!space_of(member, &total, &available))
		return 0;
	keep = room_reserve(total);
	if (available >= bytes + keep)
		return 0;
	/* The volume cannot be filled further than that anyway; what lies on the same file system has the same room. */
	for_each_member(v, m) {
		if (m->r->device != member->r->device && space_of(m, &other_total, &other) && other / 2 < keep)
			keep = other / 2;
	}
	return available >= bytes + keep ? 0 : -ENOSPC;
}

void
room_begin_late(struct member *m)
{
	if (atomic_load_explicit(&m->space_free, memory_order_relaxed) >= LATE_ROOM)
		replica_begin_late(m->r);
}
