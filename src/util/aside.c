#include "util/aside.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "util/processors.h"

#define IDLE_S 10			/* so long a thread waits for another job */
#define SPIN_TRIES 600			/* of some 30 ns each */

/* The other half of a processor may use the time. */
static inline void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* A thread with nothing to do; it is taken off the list by whoever gives it a job. */
struct idle {
	pthread_cond_t wake;
	struct aside_job *job;		/* mutex; NULL: still idle */
	atomic_bool called;		/* it is set, or about to be */
	struct idle *next;		/* mutex */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct idle *first_idle;		/* mutex; the last one that became so: its memory is the warmest */

bool
aside_spin(const atomic_bool *flag)
{
	int i, tries = processors_count() > 1 ? SPIN_TRIES : 1;

	for (i = 0; i < tries; i++) {
		if (atomic_load_explicit(flag, memory_order_acquire))
			return true;
		relax();
	}
	return false;
}

/* Mutex. */
static void
idle_remove(struct idle *idle)
{
	struct idle **at;

	for (at = &first_idle; *at != NULL; at = &(*at)->next) {
		if (*at == idle) {
			*at = idle->next;
			return;
		}
	}
}

/* The next job, or NULL when none came for long. */
static struct aside_job *
job_wait(struct idle *idle)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_S;
	pthread_mutex_lock(&mutex);
	idle->job = NULL;
	atomic_store(&idle->called, false);
	idle->next = first_idle;
	first_idle = idle;
	pthread_mutex_unlock(&mutex);
	(void)aside_spin(&idle->called);
	pthread_mutex_lock(&mutex);
	while (idle->job == NULL && rc == 0)
		rc = pthread_cond_clockwait(&idle->wake, &mutex, CLOCK_MONOTONIC, &until);
	if (idle->job == NULL)
		idle_remove(idle);
	pthread_mutex_unlock(&mutex);
	return idle->job;
}

static void *
aside_main(void *arg)
{
	struct aside_job *job = arg;
	struct idle idle = { .job = NULL };

	pthread_setname_np(pthread_self(), "aside");
	pthread_cond_init(&idle.wake, NULL);
	while (job != NULL) {
		job->run(job);
		job = job_wait(&idle);
	}
	pthread_cond_destroy(&idle.wake);
	return NULL;
}

/* Start a thread with all signals blocked: they are the main thread's matter. */
static int
start(struct aside_job *job)
{
	sigset_t all, before;
	pthread_attr_t detached;
	pthread_t thread;
	int rc;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, &detached, aside_main, job);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&detached);
	return -rc;
}

int
aside_run(struct aside_job *job)
{
	struct idle *idle;

	pthread_mutex_lock(&mutex);
	if ((idle = first_idle) != NULL) {
		first_idle = idle->next;
		idle->job = job;
		atomic_store(&idle->called, true);
		/* Under the mutex: once it runs, its struct may be gone. */
		pthread_cond_signal(&idle->wake);
	}
	pthread_mutex_unlock(&mutex);
	return idle != NULL ? 0 : start(job);
}
