#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "util/lane.h"

#include "../check_main.h"

struct job {
	struct lane_job job;
	int number;
	int *next;			/* the lane runs one job at a time: no lock */
	int ran_as;
	pthread_barrier_t *barrier;
	char name[16];
};

static struct lane *
a_lane(const char *name)
{
	struct lane *lane;

	ck_assert_int_eq(lane_new(name, &lane), 0);
	return lane;
}

static void
take_number(struct lane_job *lane_job)
{
	struct job *job = (struct job *)lane_job;

	job->ran_as = (*job->next)++;
}

static void
take_number_slowly(struct lane_job *lane_job)
{
	usleep(1000);
	take_number(lane_job);
}

START_TEST(in_order)
{
	struct lane *lane = a_lane("test");
	struct lane_batch batch;
	struct job jobs[1000];
	int next = 0;

	lane_batch_init(&batch);
	for (int i = 0; i < 1000; i++) {
		jobs[i] = (struct job){ .job.run = take_number, .next = &next };
		lane_submit(lane, &jobs[i].job, &batch);
	}
	lane_batch_wait(&batch);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(jobs[i].ran_as, i);
	lane_free(lane);
}
END_TEST

START_TEST(nothing_to_wait_for)
{
	struct lane_batch batch;

	lane_batch_init(&batch);
	lane_batch_wait(&batch);
	lane_free(a_lane("idle"));
	lane_free(NULL);
}
END_TEST

START_TEST(freed_with_a_queue)
{
	struct lane *lane = a_lane("test");
	struct lane_batch batch;
	struct job jobs[50];
	int next = 0;

	lane_batch_init(&batch);
	for (int i = 0; i < 50; i++) {
		jobs[i] = (struct job){ .job.run = take_number_slowly, .next = &next };
		lane_submit(lane, &jobs[i].job, &batch);
	}
	lane_free(lane);
	ck_assert_int_eq(next, 50);
	lane_batch_wait(&batch);
}
END_TEST

static void
meet(struct lane_job *lane_job)
{
	pthread_barrier_wait(((struct job *)lane_job)->barrier);
}

/* Each waits for all others: this ends only if all lanes work at a time. */
START_TEST(lanes_are_parallel)
{
	struct lane *lanes[4];
	struct lane_batch batch;
	struct job jobs[4];
	pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, NULL, 4);
	lane_batch_init(&batch);
	for (int i = 0; i < 4; i++) {
		lanes[i] = a_lane("test");
		jobs[i] = (struct job){ .job.run = meet, .barrier = &barrier };
		lane_submit(lanes[i], &jobs[i].job, &batch);
	}
	lane_batch_wait(&batch);
	for (int i = 0; i < 4; i++)
		lane_free(lanes[i]);
	pthread_barrier_destroy(&barrier);
}
END_TEST

static atomic_int signals_open;

static void
look_around(struct lane_job *lane_job)
{
	struct job *job = (struct job *)lane_job;
	sigset_t set;

	pthread_getname_np(pthread_self(), job->name, sizeof(job->name));
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	signals_open = !sigismember(&set, SIGTERM) || !sigismember(&set, SIGUSR1);
}

START_TEST(a_thread_of_its_own)
{
	struct lane *lane = a_lane("a name that is too long");
	struct lane_batch batch;
	struct job job = { .job.run = look_around };
	sigset_t set;

	lane_batch_init(&batch);
	lane_submit(lane, &job.job, &batch);
	lane_batch_wait(&batch);
	ck_assert_str_eq(job.name, "a name that is ");
	ck_assert(!signals_open);
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	ck_assert(!sigismember(&set, SIGTERM));
	lane_free(lane);
}
END_TEST

#define THREADS 4
#define ROUNDS 2000

static struct lane *shared[2];
static int counts[2];		/* each only touched by its lane */

static void *
submit_rounds(void *arg)
{
	struct lane_batch batch;
	struct job jobs[2];

	for (int round = 0; round < ROUNDS; round++) {
		lane_batch_init(&batch);
		for (int i = 0; i < 2; i++) {
			jobs[i] = (struct job){ .job.run = take_number, .next = &counts[i], .ran_as = -1 };
			lane_submit(shared[i], &jobs[i].job, &batch);
		}
		lane_batch_wait(&batch);
		ck_assert_int_ge(jobs[0].ran_as, 0);
		ck_assert_int_ge(jobs[1].ran_as, 0);
	}
	return arg;
}

/* Batches on the stack, used and left at once: what a mount does all day. */
START_TEST(many_submitters)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < 2; i++)
		shared[i] = a_lane("test");
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, submit_rounds, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 2; i++) {
		lane_free(shared[i]);
		ck_assert_int_eq(counts[i], THREADS * ROUNDS);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lane");
	TCase *tcase = tcase_create("lane");

	tcase_add_test(tcase, in_order);
	tcase_add_test(tcase, nothing_to_wait_for);
	tcase_add_test(tcase, freed_with_a_queue);
	tcase_add_test(tcase, lanes_are_parallel);
	tcase_add_test(tcase, a_thread_of_its_own);
	tcase_add_test(tcase, many_submitters);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
