#include "lend/jobs.h"

void
jobs_init(struct jobs *jobs)
{
	pthread_mutex_init(&jobs->mutex, NULL);
	pthread_cond_init(&jobs->changed, NULL);
	jobs->first = jobs->last = NULL;
	jobs->waiting = 0;
	jobs->cancelled = false;
	for (unsigned i = 0; i < JOBS_WORKERS_MAX; i++) {
		jobs->workers[i].jobs = jobs;
		jobs->workers[i].busy = false;
	}
}

void
jobs_destroy(struct jobs *jobs)
{
	pthread_cond_destroy(&jobs->changed);
	pthread_mutex_destroy(&jobs->mutex);
}

/* Do what there is to do.  The mutex is held. */
static void
work(struct jobs *jobs)
{
	struct job *job;
	bool cancelled;

	while ((job = jobs->first) != NULL) {
		jobs->first = job->next;
		cancelled = jobs->cancelled;
		pthread_mutex_unlock(&jobs->mutex);
		jobs->run(jobs, job, cancelled);
		pthread_mutex_lock(&jobs->mutex);
		jobs->waiting--;
		pthread_cond_broadcast(&jobs->changed);
	}
}

static void
worker_run(struct aside_job *aside)
{
	struct worker *worker = (struct worker *)aside;
	struct jobs *jobs = worker->jobs;

	pthread_mutex_lock(&jobs->mutex);
	work(jobs);
	worker->busy = false;
	pthread_cond_broadcast(&jobs->changed);
	/* After this it may all be gone. */
	pthread_mutex_unlock(&jobs->mutex);
}

/* How many work, and one that could; the mutex is held. */
static unsigned
count_busy(struct jobs *jobs, struct worker **idle)
{
	unsigned busy = 0;

	*idle = NULL;
	for (unsigned i = 0; i < jobs->workers_max; i++) {
		if (jobs->workers[i].busy)
			busy++;
		else
			*idle = &jobs->workers[i];
	}
	return busy;
}

bool
jobs_full(struct jobs *jobs)
{
	return jobs_waiting(jobs) >= jobs->waiting_max;
}

void
jobs_add(struct jobs *jobs, struct job *job)
{
	struct worker *idle;
	unsigned busy;

	job->next = NULL;
	pthread_mutex_lock(&jobs->mutex);
	while (jobs->waiting >= jobs->waiting_max)
		pthread_cond_wait(&jobs->changed, &jobs->mutex);
	if (jobs->first == NULL)
		jobs->first = job;
	else
		jobs->last->next = job;
	jobs->last = job;
	jobs->waiting++;
	busy = count_busy(jobs, &idle);
	if (idle != NULL) {
		idle->aside.run = worker_run;
		idle->busy = true;
		if (aside_run(&idle->aside) != 0) {
			idle->busy = false;
			/* No thread to be had: then it is done here. */
			if (busy == 0)
				work(jobs);
		}
	}
	pthread_mutex_unlock(&jobs->mutex);
}

void
jobs_wait(struct jobs *jobs)
{
	struct worker *idle;

	pthread_mutex_lock(&jobs->mutex);
	while (jobs->waiting > 0 || count_busy(jobs, &idle) > 0)
		pthread_cond_wait(&jobs->changed, &jobs->mutex);
	pthread_mutex_unlock(&jobs->mutex);
}

void
jobs_cancel(struct jobs *jobs)
{
	pthread_mutex_lock(&jobs->mutex);
	jobs->cancelled = true;
	pthread_mutex_unlock(&jobs->mutex);
}

unsigned
jobs_waiting(struct jobs *jobs)
{
	unsigned waiting;

	pthread_mutex_lock(&jobs->mutex);
	waiting = jobs->waiting;
	pthread_mutex_unlock(&jobs->mutex);
	return waiting;
}
