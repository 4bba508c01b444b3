#include <pthread.h>
#include <stdlib.h>

#include "util/aside.h"

#include "../check_main.h"

#define JOBS 8

struct job {
	struct aside_job job;
	pthread_barrier_t *barrier;
	atomic_int *count;
	atomic_bool done;
};

static void
meet(struct aside_job *job)
{
	struct job *j = (struct job *)job;

	pthread_barrier_wait(j->barrier);
	atomic_fetch_add(j->count, 1);
	atomic_store(&j->done, true);
}

static void
wait_for(struct job *job)
{
	while (!aside_spin(&job->done))
		sched_yield();
}

/* Each waits for all others: none is behind another.  Twice, the second time in threads that were idle. */
START_TEST(none_waits_for_another)
{
	pthread_barrier_t barrier;
	struct job jobs[JOBS];
	atomic_int count = 0;

	pthread_barrier_init(&barrier, NULL, JOBS);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < JOBS; i++) {
			jobs[i] = (struct job){ .job.run = meet, .barrier = &barrier, .count = &count };
			ck_assert_int_eq(aside_run(&jobs[i].job), 0);
		}
		for (int i = 0; i < JOBS; i++)
			wait_for(&jobs[i]);
	}
	ck_assert_int_eq(count, 2 * JOBS);
	pthread_barrier_destroy(&barrier);
}
END_TEST

static void
end_itself(struct aside_job *job)
{
	atomic_int *count = ((struct job *)job)->count;

	free(job);
	atomic_fetch_add(count, 1);
}

START_TEST(a_job_may_end_itself)
{
	atomic_int count = 0;

	for (int i = 0; i < 100; i++) {
		struct job *job = calloc(1, sizeof(*job));

		ck_assert_ptr_nonnull(job);
		job->job.run = end_itself;
		job->count = &count;
		ck_assert_int_eq(aside_run(&job->job), 0);
	}
	while (atomic_load(&count) < 100)
		sched_yield();
}
END_TEST

START_TEST(spinning_ends)
{
	atomic_bool flag = false;

	ck_assert(!aside_spin(&flag));
	flag = true;
	ck_assert(aside_spin(&flag));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("aside");
	TCase *tcase = tcase_create("aside");

	tcase_add_test(tcase, none_waits_for_another);
	tcase_add_test(tcase, a_job_may_end_itself);
	tcase_add_test(tcase, spinning_ends);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
