/*
 * Invariants:
 *  1. loop->listening counts the threads that are in read(2), or on their way
 *     there.  Who wants to listen takes a place first (place_take), and who is
 *     called or started to listen finds one taken for him.
 *  2. While a request is being served and nobody listens, the watch looks
 *     again within a tick.
 *
 * loop->mutex guards what says so; it is a leaf lock.
 */

#include "fuse/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fuse/signals.h"
#include "util/log.h"
#include "util/processors.h"
#include "util/stall.h"

#define TICK_NS (LOOP_TICK_MS * 1000000L)
#define IDLE_TICKS 5		/* without a request, until the watch sleeps */
#define CROWD_TICKS 3		/* in a row with requests waiting, until one more listens */
#define STALL_CREDIT 64		/* a stall so few requests after another one keeps a second listener for as many */
#define STALL_LISTENERS 4	/* beyond, a wait costs a wake-up: nobody listens idly for it */

struct worker {
	struct stall_hook hook;
	struct loop *loop;
	pthread_t thread;
	pthread_cond_t call;		/* parked: listen, or end */
	bool called;			/* mutex */
	struct worker *next_parked;	/* mutex */
};

struct loop {
	struct fuse_session *session;
	unsigned threads_max;
	unsigned processors;
	atomic_uint listening;		/* invariant 1 */
	atomic_uint wanted;		/* how many are to listen, at least 1 */
	atomic_uint served;		/* requests taken; wraps */
	atomic_int credit;		/* requests until wanted is 1 again */
	atomic_bool watch_sleeps;
	atomic_bool ends;
	atomic_bool answers;		/* the first request was served */
	atomic_int connection;		/* minor number, or -1 */

	pthread_mutex_t mutex;
	pthread_cond_t watch;		/* the watch: requests come again, or the end */
	pthread_cond_t begun;		/* whoever is in loop_wait: answers, or the end */
	struct worker *workers;		/* [threads_max], the first ${started} of them in use; mutex */
	unsigned started;
	unsigned finished;		/* threads that will do nothing more; mutex */
	struct worker *parked;		/* last one first: its memory is the warmest; mutex */
	int error;			/* the first; mutex */
};

static void *worker_main(void *arg);

/* A place to listen, if fewer than ${limit} do. */
static bool
place_take(struct loop *loop, unsigned limit)
{
	unsigned now = atomic_load(&loop->listening);

	while (now < limit) {
		if (atomic_compare_exchange_weak(&loop->listening, &now, now + 1))
			return true;
	}
	return false;
}

/* Start one more thread, for which a place is taken. Mutex. */
static int
worker_start(struct loop *loop)
{
	struct worker *w = &loop->workers[loop->started];
	int rc;

	if ((rc = pthread_create(&w->thread, NULL, worker_main, w)) == 0)
		loop->started++;
	return -rc;
}

/* If nobody listens, somebody else is to. */
static void
listen_elsewhere(struct loop *loop)
{
	struct worker *w = NULL;

	if (atomic_load(&loop->listening) > 0)
		return;
	pthread_mutex_lock(&loop->mutex);
	if (!atomic_load(&loop->ends) && place_take(loop, 1)) {
		if ((w = loop->parked) != NULL) {
			loop->parked = w->next_parked;
			w->called = true;
		} else if (loop->started == loop->threads_max || worker_start(loop) != 0) {
			/* All are busy: whoever is done first listens. */
			atomic_fetch_sub(&loop->listening, 1);
		}
	}
	pthread_mutex_unlock(&loop->mutex);
	if (w != NULL)
		pthread_cond_signal(&w->call);
}

/* The hook of util/stall: the thread that serves a request is about to wait. */
static void
stall_hook_ahead(struct stall_hook *hook)
{
	struct loop *loop = ((struct worker *)(void *)hook)->loop;
	unsigned wanted;

	if (atomic_load(&loop->listening) > 0)
		return;
	/* If they come often, who listens already needs no waking. */
	wanted = atomic_load(&loop->wanted);
	if (atomic_exchange(&loop->credit, STALL_CREDIT) > 0 && wanted < STALL_LISTENERS)
		atomic_store(&loop->wanted, wanted + 1);
	listen_elsewhere(loop);
}

/* Wait to be called; false: the end has come. */
static bool
park(struct worker *w)
{
	struct loop *loop = w->loop;
	bool called;

	pthread_mutex_lock(&loop->mutex);
	/* Somebody may have begun to wait meanwhile, and found nobody parked. */
	if (place_take(loop, atomic_load(&loop->wanted))) {
		pthread_mutex_unlock(&loop->mutex);
		return true;
	}
	w->called = false;
	w->next_parked = loop->parked;
	loop->parked = w;
	while (!w->called && !atomic_load(&loop->ends))
		pthread_cond_wait(&w->call, &loop->mutex);
	called = w->called;
	pthread_mutex_unlock(&loop->mutex);
	return called && !atomic_load(&loop->ends);
}

static void
end_with(struct loop *loop, int error)
{
	unsigned i;

	pthread_mutex_lock(&loop->mutex);
	if (loop->error == 0)
		loop->error = error;
	atomic_store(&loop->ends, true);
	for (i = 0; i < loop->threads_max; i++)
		pthread_cond_signal(&loop->workers[i].call);
	pthread_cond_signal(&loop->watch);
	pthread_cond_broadcast(&loop->begun);
	pthread_mutex_unlock(&loop->mutex);
}

static void
request_taken(struct loop *loop)
{
	atomic_fetch_sub(&loop->listening, 1);
	/* Before the look at watch_sleeps, as the watch sets that before its look at this: one of the two sees the other. */
	atomic_fetch_add(&loop->served, 1);
	if (atomic_load_explicit(&loop->credit, memory_order_relaxed) > 0 &&
	    atomic_fetch_sub_explicit(&loop->credit, 1, memory_order_relaxed) == 1)
		atomic_store(&loop->wanted, 1);
	if (atomic_load(&loop->watch_sleeps) && atomic_exchange(&loop->watch_sleeps, false)) {
		pthread_mutex_lock(&loop->mutex);
		pthread_cond_signal(&loop->watch);
		pthread_mutex_unlock(&loop->mutex);
	}
}

static void
first_answered(struct loop *loop)
{
	pthread_mutex_lock(&loop->mutex);
	atomic_store(&loop->answers, true);
	pthread_cond_broadcast(&loop->begun);
	pthread_mutex_unlock(&loop->mutex);
}

static void *
worker_main(void *arg)
{
	struct worker *w = arg;
	struct loop *loop = w->loop;
	struct fuse_buf buf = { .mem = NULL };
	int rc;

	stall_hook_set(&w->hook);
	do {
		/* Here a place is taken for us. */
		while ((rc = fuse_session_receive_buf(loop->session, &buf)) == -EINTR) {
			if (fuse_session_exited(loop->session) || atomic_load(&loop->ends))
				break;
		}
		if (rc <= 0) {
			end_with(loop, rc == -EINTR ? 0 : rc);
			break;
		}
		request_taken(loop);
		fuse_session_process_buf(loop->session, &buf);
		if (!atomic_load_explicit(&loop->answers, memory_order_relaxed))
			first_answered(loop);
		/* DESTROY came. */
		if (fuse_session_exited(loop->session)) {
			end_with(loop, 0);
			break;
		}
	} while (place_take(loop, atomic_load(&loop->wanted)) || park(w));

	free(buf.mem);
	stall_hook_set(NULL);
	pthread_mutex_lock(&loop->mutex);
	loop->finished++;
	pthread_cond_signal(&loop->watch);
	pthread_mutex_unlock(&loop->mutex);
	return NULL;
}

/* Sleep until a request was taken after the ${last} one.  Mutex. */
static void
watch_sleep(struct loop *loop, unsigned last)
{
	atomic_store(&loop->watch_sleeps, true);
	while (atomic_load(&loop->served) == last && atomic_load(&loop->watch_sleeps) && !atomic_load(&loop->ends))
		pthread_cond_wait(&loop->watch, &loop->mutex);
	atomic_store(&loop->watch_sleeps, false);
}

/* Sleep a tick.  Mutex. */
static void
watch_wait(struct loop *loop)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += TICK_NS;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_cond_timedwait(&loop->watch, &loop->mutex, &until);
}

/* How many requests the kernel has for us, those being served included; 0: it does not say. */
static unsigned
waiting(struct loop *loop, int *fd)
{
	int minor = atomic_load(&loop->connection);
	char text[64];
	ssize_t len;

	if (*fd < 0 && minor >= 0) {
		(void)snprintf(text, sizeof(text), "/sys/fs/fuse/connections/%d/waiting", minor);
		/* Not mounted, or not ours to see: never asked again. */
		if ((*fd = open(text, O_RDONLY | O_CLOEXEC)) < 0)
			atomic_store(&loop->connection, -1);
	}
	if (*fd < 0 || (len = pread(*fd, text, sizeof(text) - 1, 0)) <= 0)
		return 0;
	text[len] = '\0';
	return (unsigned)strtoul(text, NULL, 10);
}

/* As long as requests queue up, one more thread listens for every few ticks. */
static void
watch_crowd(struct loop *loop, unsigned now, unsigned *ticks)
{
	unsigned wanted = atomic_load(&loop->wanted);

	*ticks = now > wanted ? *ticks + 1 : 0;
	if (*ticks < CROWD_TICKS || wanted >= loop->processors)
		return;
	*ticks = 0;
	atomic_store(&loop->wanted, wanted + 1);
	atomic_store(&loop->credit, 16 * STALL_CREDIT);
}

/* Until the end: see to it that somebody listens. */
static void
watch(struct loop *loop)
{
	unsigned last = 0, now, idle = 0, crowd = 0;
	int fd = -1;

	pthread_mutex_lock(&loop->mutex);
	while (!atomic_load(&loop->ends)) {
		if (idle >= IDLE_TICKS)
			watch_sleep(loop, last);
		else
			watch_wait(loop);
		now = atomic_load(&loop->served);
		pthread_mutex_unlock(&loop->mutex);
		if (now != last) {
			idle = 0;
			if (loop->processors > 1)
				watch_crowd(loop, waiting(loop, &fd), &crowd);
		} else if (atomic_load(&loop->listening) == 0) {
			listen_elsewhere(loop);
		} else {
			idle++;
		}
		last = now;
		pthread_mutex_lock(&loop->mutex);
	}
	pthread_mutex_unlock(&loop->mutex);
	if (fd >= 0)
		(void)close(fd);
}

/* Those that listen have to be woken, for nobody unmounts before they are gone. */
static void
gather_workers(struct loop *loop)
{
	unsigned i;

	pthread_mutex_lock(&loop->mutex);
	while (loop->finished < loop->started) {
		for (i = 0; i < loop->started; i++)
			(void)pthread_kill(loop->workers[i].thread, SIGNALS_WAKE);
		watch_wait(loop);
	}
	pthread_mutex_unlock(&loop->mutex);
	for (i = 0; i < loop->started; i++)
		(void)pthread_join(loop->workers[i].thread, NULL);
}

int
loop_run(struct loop *loop)
{
	int rc;

	pthread_mutex_lock(&loop->mutex);
	atomic_store(&loop->listening, 1);
	rc = worker_start(loop);
	pthread_mutex_unlock(&loop->mutex);
	if (rc != 0)
		return rc;
	watch(loop);
	fuse_session_exit(loop->session);
	gather_workers(loop);
	/* Whoever ends it may be at it still. */
	pthread_mutex_lock(&loop->mutex);
	rc = loop->error;
	pthread_mutex_unlock(&loop->mutex);
	return rc;
}

bool
loop_wait(struct loop *loop)
{
	bool answers;

	pthread_mutex_lock(&loop->mutex);
	while (!atomic_load(&loop->answers) && !atomic_load(&loop->ends))
		pthread_cond_wait(&loop->begun, &loop->mutex);
	answers = atomic_load(&loop->answers);
	pthread_mutex_unlock(&loop->mutex);
	return answers;
}

void
loop_connection(struct loop *loop, unsigned minor)
{
	atomic_store(&loop->connection, (int)minor);
}

void
loop_end(struct loop *loop)
{
	end_with(loop, 0);
}

int
loop_new(struct fuse_session *session, unsigned threads_max, struct loop **out)
{
	pthread_condattr_t monotonic;
	struct loop *loop;
	unsigned i;

	if ((loop = calloc(1, sizeof(*loop))) == NULL)
		return -ENOMEM;
	if ((loop->workers = calloc(threads_max, sizeof(*loop->workers))) == NULL) {
		free(loop);
		return -ENOMEM;
	}
	loop->session = session;
	loop->threads_max = threads_max;
	loop->processors = processors_count();
	atomic_init(&loop->wanted, 1);
	atomic_init(&loop->connection, -1);
	pthread_mutex_init(&loop->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&loop->watch, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_cond_init(&loop->begun, NULL);
	for (i = 0; i < threads_max; i++) {
		loop->workers[i].hook.ahead = stall_hook_ahead;
		loop->workers[i].loop = loop;
		pthread_cond_init(&loop->workers[i].call, NULL);
	}
	*out = loop;
	return 0;
}

void
loop_free(struct loop *loop)
{
	unsigned i;

	if (loop == NULL)
		return;
	for (i = 0; i < loop->threads_max; i++)
		pthread_cond_destroy(&loop->workers[i].call);
	pthread_cond_destroy(&loop->watch);
	pthread_cond_destroy(&loop->begun);
	pthread_mutex_destroy(&loop->mutex);
	free(loop->workers);
	free(loop);
}
