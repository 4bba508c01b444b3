/*
 * util/clock -- the two clocks: one for people, one for measuring.
 */

#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stdint.h>
#include <time.h>

/*
 * clock_now(ts):
 * Store the wall clock's time, with the clock's full resolution, in ${ts}.
 * Never goes back within this process: two calls give rising values even if
 * an administrator sets the clock back by less than a second between them.
 */
void clock_now(struct timespec *ts);

/*
 * clock_monotonic_ms():
 * Return milliseconds of a clock that nobody sets, from an arbitrary start.
 */
uint64_t clock_monotonic_ms(void);
/* clock_monotonic_ns(): the same in nanoseconds. */
uint64_t clock_monotonic_ns(void);

/*
 * clock_compare(a, b):
 * Return < 0, 0, > 0 as ${a} is before, equal to or after ${b}.
 */
int clock_compare(const struct timespec *a, const struct timespec *b);

#endif
