#include "util/lane.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_SIZE 16		/* of a thread's name, with the NUL (prctl(2)) */

struct lane {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct lane_job *first;		/* mutex */
	struct lane_job **last;		/* mutex; where the next job is hung */
	bool idle;			/* mutex; the thread sleeps: it wants a signal */
	bool stop;			/* mutex */
	char name[NAME_SIZE];
};

/* Take the next job, sleeping for it; NULL when all is done and the lane ends. */
static struct lane_job *
next_job(struct lane *lane)
{
	struct lane_job *job;

	pthread_mutex_lock(&lane->mutex);
	while (lane->first == NULL && !lane->stop) {
		lane->idle = true;
		pthread_cond_wait(&lane->wake, &lane->mutex);
		lane->idle = false;
	}
	if ((job = lane->first) != NULL) {
		if ((lane->first = job->next) == NULL)
			lane->last = &lane->first;
	}
	pthread_mutex_unlock(&lane->mutex);
	return job;
}

/* One job of ${batch} ran.  Both may be gone when this returns. */
static void
batch_done(struct lane_batch *batch)
{
	pthread_mutex_lock(&batch->mutex);
	if (--batch->pending == 0)
		pthread_cond_signal(&batch->done);
	pthread_mutex_unlock(&batch->mutex);
}

static void *
lane_main(void *arg)
{
	struct lane *lane = arg;
	struct lane_job *job;

	pthread_setname_np(pthread_self(), lane->name);
	while ((job = next_job(lane)) != NULL) {
		job->run(job);
		batch_done(job->batch);
	}
	return NULL;
}

/* Start the thread with all signals blocked: they are the main thread's matter. */
static int
start(struct lane *lane)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&lane->thread, NULL, lane_main, lane);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -rc;
}

int
lane_new(const char *name, struct lane **lane)
{
	struct lane *l;
	int rc;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return -ENOMEM;
	pthread_mutex_init(&l->mutex, NULL);
	pthread_cond_init(&l->wake, NULL);
	l->last = &l->first;
	snprintf(l->name, sizeof(l->name), "%.15s", name);
	if ((rc = start(l)) != 0)
		goto fail;
	*lane = l;
	return 0;

fail:
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->mutex);
	free(l);
	return rc;
}

void
lane_free(struct lane *lane)
{
	if (lane == NULL)
		return;
	pthread_mutex_lock(&lane->mutex);
	lane->stop = true;
	pthread_cond_signal(&lane->wake);
	pthread_mutex_unlock(&lane->mutex);
	pthread_join(lane->thread, NULL);
	pthread_cond_destroy(&lane->wake);
	pthread_mutex_destroy(&lane->mutex);
	free(lane);
}

void
lane_batch_init(struct lane_batch *batch)
{
	pthread_mutex_init(&batch->mutex, NULL);
	pthread_cond_init(&batch->done, NULL);
	batch->pending = 0;
}

void
lane_submit(struct lane *lane, struct lane_job *job, struct lane_batch *batch)
{
	bool wake;

	job->batch = batch;
	job->next = NULL;
	pthread_mutex_lock(&batch->mutex);
	batch->pending++;
	pthread_mutex_unlock(&batch->mutex);

	pthread_mutex_lock(&lane->mutex);
	*lane->last = job;
	lane->last = &job->next;
	wake = lane->idle;
	pthread_mutex_unlock(&lane->mutex);

	/*
	 * After the unlock, so that the thread does not wake only to wait for
	 * the mutex; and only if it sleeps: a busy lane looks for more by itself.
	 */
	if (wake)
		pthread_cond_signal(&lane->wake);
}

void
lane_batch_wait(struct lane_batch *batch)
{
	pthread_mutex_lock(&batch->mutex);
	while (batch->pending > 0)
		pthread_cond_wait(&batch->done, &batch->mutex);
	pthread_mutex_unlock(&batch->mutex);
	pthread_cond_destroy(&batch->done);
	pthread_mutex_destroy(&batch->mutex);
}
