#include "util/clock.h"

#include <pthread.h>

#define NSEC_PER_SEC 1000000000L

/* The last time handed out, and its lock. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct timespec last;

/* Is ${now} not after ${before}, but by less than a second? */
static int
slightly_back(const struct timespec *now, const struct timespec *before)
{
	struct timespec limit = *now;

	limit.tv_sec++;
	return clock_compare(now, before) <= 0 && clock_compare(&limit, before) > 0;
}

void
clock_now(struct timespec *ts)
{
	pthread_mutex_lock(&mutex);
	clock_gettime(CLOCK_REALTIME, ts);

	/*
	 * A clock that was set back a little, or that ticks slower than it is
	 * asked: count on by hand.  After a larger step back, which somebody
	 * must have wanted, follow the clock.
	 */
	if (slightly_back(ts, &last)) {
		*ts = last;
		if (++ts->tv_nsec == NSEC_PER_SEC) {
			ts->tv_nsec = 0;
			ts->tv_sec++;
		}
	}
	last = *ts;
	pthread_mutex_unlock(&mutex);
}

uint64_t
clock_monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t
clock_monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

int
clock_compare(const struct timespec *a, const struct timespec *b)
{
	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	if (a->tv_nsec != b->tv_nsec)
		return a->tv_nsec < b->tv_nsec ? -1 : 1;
	return 0;
}
