#include <pthread.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/clock.h"

#include "../check_main.h"

/* What the administrator has set the clock to. */
static bool fake;
static struct timespec fake_now;

/* Comes before libc's when the program is linked. */
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id == CLOCK_REALTIME && fake) {
		*ts = fake_now;
		return 0;
	}
	return (int)syscall(SYS_clock_gettime, id, ts);
}

static void
set_clock(time_t sec, long nsec)
{
	fake = true;
	fake_now = (struct timespec){ .tv_sec = sec, .tv_nsec = nsec };
}

static void
expect(time_t sec, long nsec)
{
	struct timespec now;

	clock_now(&now);
	ck_assert_int_eq(now.tv_sec, sec);
	ck_assert_int_eq(now.tv_nsec, nsec);
}

START_TEST(compare)
{
	struct timespec a = { 5, 7 }, b = { 5, 8 }, c = { 6, 0 }, d = { -1, 999999999 };

	ck_assert_int_eq(clock_compare(&a, &a), 0);
	ck_assert_int_lt(clock_compare(&a, &b), 0);
	ck_assert_int_gt(clock_compare(&b, &a), 0);
	ck_assert_int_lt(clock_compare(&b, &c), 0);
	ck_assert_int_gt(clock_compare(&c, &b), 0);
	ck_assert_int_lt(clock_compare(&d, &a), 0);
}
END_TEST

START_TEST(real_time_rises)
{
	struct timespec before, now;

	clock_now(&before);
	for (int i = 0; i < 100000; i++) {
		clock_now(&now);
		ck_assert_int_gt(clock_compare(&now, &before), 0);
		before = now;
	}
	ck_assert_int_le(now.tv_sec - time(NULL), 1);
}
END_TEST

START_TEST(a_clock_that_stands)
{
	set_clock(1000, 999999998);
	expect(1000, 999999998);
	expect(1000, 999999999);
	expect(1001, 0);
	expect(1001, 1);
}
END_TEST

START_TEST(a_small_step_back)
{
	set_clock(2000, 500);
	expect(2000, 500);
	set_clock(1999, 501);
	expect(2000, 501);
	set_clock(2000, 600);
	expect(2000, 600);
}
END_TEST

START_TEST(a_large_step_back_is_meant)
{
	set_clock(3000, 500);
	expect(3000, 500);
	set_clock(2999, 500);
	expect(2999, 500);
	set_clock(7, 0);
	expect(7, 0);
}
END_TEST

START_TEST(monotonic_milliseconds)
{
	uint64_t before = clock_monotonic_ms(), after;

	usleep(20000);
	after = clock_monotonic_ms();
	ck_assert_uint_ge(after, before + 19);
	ck_assert_uint_lt(after, before + 10000);
}
END_TEST

#define CALLS 20000

static struct timespec seen[2][CALLS];

static void *
ask_often(void *arg)
{
	struct timespec *times = arg;

	for (int i = 0; i < CALLS; i++)
		clock_now(&times[i]);
	return NULL;
}

/* No two threads are given the same time. */
START_TEST(threads)
{
	pthread_t thread;
	int i = 0, j = 0, order;

	ck_assert_int_eq(pthread_create(&thread, NULL, ask_often, seen[1]), 0);
	ask_often(seen[0]);
	pthread_join(thread, NULL);
	while (i < CALLS && j < CALLS) {
		order = clock_compare(&seen[0][i], &seen[1][j]);
		ck_assert_int_ne(order, 0);
		if (order < 0)
			i++;
		else
			j++;
	}
	for (i = 1; i < CALLS; i++) {
		ck_assert_int_lt(clock_compare(&seen[0][i - 1], &seen[0][i]), 0);
		ck_assert_int_lt(clock_compare(&seen[1][i - 1], &seen[1][i]), 0);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tcase = tcase_create("clock");

	tcase_add_test(tcase, compare);
	tcase_add_test(tcase, real_time_rises);
	tcase_add_test(tcase, a_clock_that_stands);
	tcase_add_test(tcase, a_small_step_back);
	tcase_add_test(tcase, a_large_step_back_is_meant);
	tcase_add_test(tcase, monotonic_milliseconds);
	tcase_add_test(tcase, threads);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
