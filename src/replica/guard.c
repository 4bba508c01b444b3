/*
 * Invariants:
 *  1. guard->inside counts who may touch the guard or what it wraps: calls, and
 *     whoever closes.  Who brings the owner's bit and the count to nothing frees it.
 *  2. On a dead replica nothing is closed while another call is inside.
 *  3. A call that was made aside touches itself only, never its caller's memory.
 *
 * Time is what a thread has seen pass, in small steps: a program that was
 * stopped for an hour has not waited for an hour.
 */

#include "replica/guard.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "replica/open.h"
#include "replica/guard_private.h"

#define KIND_BITS 3
#define KIND_MASK 7
#define SILENT_MS 20			/* after so long without an answer a call goes aside */
#define SUSPECT_MS 100			/* a call that takes longer makes others go aside, */
#define SUSPECT_SLOW_MS 1000		/* or of a kind that takes long */
#define TICK_MS 500
#define CHECK_WAIT_MS 200		/* for the answer to guard_check, before it is looked for next time */
#define LOOK_MAX_MS 1500		/* of the time between two looks so much counts */
#define PAUSED UINT64_MAX

static _Thread_local bool always;

bool
guard_always(bool on)
{
	bool before = always;

	always = on;
	return before;
}

/* Exact to a few milliseconds, and no system call. */
static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000 + 1;
}

static struct timespec
deadline(unsigned ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	ts.tv_sec += (time_t)(ms / 1000) + ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static void
destroy(struct guard *g)
{
	if (g->checking != NULL)
		call_end(g->checking);
	if (g->inner != NULL)
		g->inner->ops->free(g->inner);
	pthread_mutex_destroy(&g->mutex);
	free(atomic_load(&g->spare));
	free(g->base.path);
	free(g);
}

/*
 * One less inside a dead replica.  The last one out closes what is to be closed:
 * not this thread, for that may hang again.  Under the mutex, so that of two
 * who leave one is the last, and sees what the other one wants closed.
 */
static void
leave_dead(struct guard *g)
{
	unsigned left = GUARD_OWNED;

	pthread_mutex_lock(&g->mutex);
	if ((atomic_load(&g->inside) & GUARD_COUNT) > 1 || g->partings == NULL || aside_run(&g->closing) != 0)
		left = atomic_fetch_sub(&g->inside, 1) - 1;
	pthread_mutex_unlock(&g->mutex);
	if ((left & (GUARD_COUNT | GUARD_OWNED)) == 0)
		destroy(g);
}

/* One less inside. */
static void
leave(struct guard *g)
{
	unsigned now = atomic_load(&g->inside);

	while ((now & GUARD_DEAD) == 0) {
		if (!atomic_compare_exchange_weak(&g->inside, &now, now - 1))
			continue;
		if (now - 1 == 0)
			destroy(g);
		return;
	}
	leave_dead(g);
}

/* In the order of coming: the root, on which the lock is, comes last. */
static void
close_all(struct aside_job *job)
{
	struct guard *g = (struct guard *)(void *)((char *)job - offsetof(struct guard, closing));
	struct parting *first, *next;

	pthread_mutex_lock(&g->mutex);
	first = g->partings;
	g->partings = NULL;
	pthread_mutex_unlock(&g->mutex);
	for (; first != NULL; first = next) {
		next = first->next;
		first->run(g->inner, first->handle);
		free(first);
	}
	leave(g);
}

static int
enter(struct guard *g, enum guard_kind kind)
{
	static atomic_uint threads;
	static _Thread_local unsigned own;
	unsigned i;
	uint64_t none;

	if ((atomic_fetch_add(&g->inside, 1) & GUARD_DEAD) != 0) {
		leave(g);
		return GUARD_NO_SLOT;
	}
	if (own == 0)
		own = atomic_fetch_add(&threads, 1) + 1;
	/* There are more slots than threads: one is free. */
	for (i = own;; i++) {
		none = 0;
		if (atomic_compare_exchange_strong(&g->slots[i % GUARD_SLOTS], &none, now_ms() << KIND_BITS | kind))
			return (int)(i % GUARD_SLOTS);
	}
}

/* Many may say so at a time: only who has news writes. */
static void
stamp(_Atomic uint64_t *at, uint64_t now)
{
	if (atomic_load_explicit(at, memory_order_relaxed) != now)
		atomic_store_explicit(at, now, memory_order_relaxed);
}

/* The call was answered. */
static void
exit_slot(struct guard *g, int slot, enum guard_kind kind)
{
	uint64_t now = now_ms();

	if (kind != GUARD_CACHED)
		stamp(&g->answered_ms, now);
	if (kind == GUARD_CHANGES || kind == GUARD_SYNCS)
		stamp(&g->changed_ms, now);
	atomic_store(&g->slots[slot], 0);
	leave(g);
}

/* Is any call taking longer than is usual? */
static bool
suspect(struct guard *g, uint64_t now)
{
	uint64_t begun;
	unsigned i;

	if ((atomic_load_explicit(&g->inside, memory_order_relaxed) & GUARD_COUNT) == 0)
		return false;
	for (i = 0; i < GUARD_SLOTS; i++) {
		begun = atomic_load_explicit(&g->slots[i], memory_order_relaxed);
		if (begun != 0 && begun != PAUSED &&
		    (begun >> KIND_BITS) + ((begun & KIND_MASK) >= GUARD_WAITS ? SUSPECT_SLOW_MS : SUSPECT_MS) < now)
			return true;
	}
	return false;
}

/* Has nothing been heard of it for a while?  Then it may have begun to hang meanwhile. */
static bool
silent(struct guard *g, enum guard_kind kind, uint64_t now)
{
	_Atomic uint64_t *last = kind == GUARD_CHANGES ? &g->changed_ms : &g->answered_ms;

	return kind != GUARD_CACHED && atomic_load_explicit(last, memory_order_relaxed) + SILENT_MS < now;
}

static bool
is_direct(struct guard *g, enum guard_kind kind)
{
	uint64_t now;

	if (g->everything || kind >= GUARD_WAITS || (always && kind != GUARD_CACHED))
		return false;
	now = now_ms();
	return !silent(g, kind, now) && !suspect(g, now);
}

/*
 * How much the device has completed: writes and flushes, or reads as well.  A
 * large fsync may take minutes, and the disk is at work all the while.  0: it
 * is not known.
 */
static uint64_t
device_progress(const struct guard *g, enum guard_kind kind)
{
	unsigned long long done[16] = { 0 };
	char path[64];
	FILE *file;
	int i;

	if (g->options.device == 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat", major(g->options.device), minor(g->options.device));
	if ((file = fopen(path, "re")) == NULL)
		return 0;
	for (i = 0; i < 16 && fscanf(file, "%llu", &done[i]) == 1; i++)
		;
	(void)fclose(file);
	/* Reads, writes, discards and flushes that were completed: Documentation/block/stat.rst of the kernel. */
	return done[4] + done[11] + done[15] + (kind == GUARD_READS || kind == GUARD_WAITS ? done[0] : 0);
}

static bool
is_dead(struct guard *g)
{
	return (atomic_load(&g->inside) & GUARD_DEAD) != 0;
}

void
guard_refuse(struct guard *g)
{
	atomic_fetch_or(&g->inside, GUARD_DEAD);
}

/* Nobody answers: has this been so for long enough?  Then it is dead. */
static bool
give_up(struct guard *g, uint64_t waited_ms)
{
	if (is_dead(g))
		return true;
	if (waited_ms < g->options.timeout_ms ||
	    (g->options.may_give_up != NULL && !g->options.may_give_up(g->options.arg)))
		return false;
	guard_refuse(g);
	return true;
}

/*
 * New memory of a megabyte has to be cleared page by page, which takes longer
 * than to copy so much into it.
 */
static void *
data_new(struct call *c, size_t len)
{
	void *data = NULL;

	c->large = len >= GUARD_LARGE_MIN && len <= GUARD_LARGE_SIZE;
	if (c->large && (data = atomic_exchange(&c->guard->spare, NULL)) != NULL)
		return data;
	/* As a handle of open_direct wants it. */
	if (posix_memalign(&data, REPLICA_DIRECT_ALIGN, c->large ? GUARD_LARGE_SIZE : len > 0 ? len : 1) != 0)
		return NULL;
	return data;
}

static void
data_free(struct call *c)
{
	void *data = c->data;

	if (c->large && data != NULL)
		data = atomic_exchange(&c->guard->spare, data);
	free(data);
}

static void
call_drop(struct call *c)
{
	if (atomic_fetch_sub(&c->refs, 1) > 1)
		return;
	pthread_cond_destroy(&c->ended);
	pthread_mutex_destroy(&c->mutex);
	free((char *)(uintptr_t)c->new.target);
	data_free(c);
	free(c);
}

static void
call_run(struct aside_job *job)
{
	struct call *c = (struct call *)(void *)job;
	struct guard *g = c->guard;
	enum guard_kind kind = c->kind;
	int slot = c->slot;
	bool abandoned;
	int64_t rc = c->run(g->inner, c);

	atomic_store_explicit(&c->ran, true, memory_order_release);
	pthread_mutex_lock(&c->mutex);
	c->rc = rc;
	c->done = true;
	abandoned = c->abandoned;
	pthread_cond_signal(&c->ended);
	pthread_mutex_unlock(&c->mutex);
	if (abandoned && c->late != NULL)
		c->late(g->inner, c);
	call_drop(c);
	exit_slot(g, slot, kind);
}

struct call *
call_begin(struct replica *r, struct call *own, int64_t (*run)(struct replica *inner, struct call *call),
    enum guard_kind kind)
{
	struct guard *g = guard_self(r);
	struct call *c = NULL;

	if (!is_direct(g, kind) && (c = malloc(sizeof(*c))) != NULL) {
		c->direct = false;
		c->job.run = call_run;
		c->done = c->abandoned = false;
		atomic_init(&c->ran, false);
		atomic_init(&c->refs, 1);
		pthread_mutex_init(&c->mutex, NULL);
		pthread_cond_init(&c->ended, NULL);
	} else {
		/* Without memory, too: somebody has to. */
		c = own;
		c->direct = true;
	}
	c->guard = g;
	c->run = run;
	c->late = NULL;
	c->kind = kind;
	c->error = 0;
	c->slot = GUARD_NO_SLOT;
	c->data = NULL;
	c->large = false;
	c->len = 0;
	c->got = REPLICA_NONE;
	c->new.target = NULL;
	return c;
}

/* ${name}, or its copy in ${room}. */
static const char *
name_for(struct call *c, const char *name, char *room)
{
	size_t len;

	if (c->direct || name == NULL)
		return name;
	if ((len = strlen(name)) > NAME_MAX) {
		c->error = -ENAMETOOLONG;
		return NULL;
	}
	return memcpy(room, name, len + 1);
}

void
call_at(struct call *c, struct replica_at at)
{
	c->at = at;
	c->at.name = name_for(c, at.name, c->at_name);
}

void
call_name(struct call *c, replica_handle dir, const char *name)
{
	c->dir = dir;
	c->name = name_for(c, name, c->own_name);
}

void
call_new(struct call *c, const struct replica_new *new)
{
	c->new = *new;
	if (!c->direct && new->target != NULL && (c->new.target = strdup(new->target)) == NULL)
		c->error = -ENOMEM;
}

void
call_room(struct call *c, void *room, size_t len)
{
	c->len = len;
	c->data = room;
	if (c->direct)
		return;
	if ((c->data = data_new(c, len)) == NULL)
		c->error = -ENOMEM;
}

void
call_data(struct call *c, const void *data, size_t len)
{
	call_room(c, (void *)(uintptr_t)data, len);
	if (!c->direct && c->error == 0 && len > 0)
		memcpy(c->data, data, len);
}

void
call_take(struct call *c, void *room, ssize_t len)
{
	if (!c->direct && len > 0)
		memcpy(room, c->data, (size_t)len);
}

void
call_pause(struct call *c)
{
	atomic_store_explicit(&c->guard->slots[c->slot], PAUSED, memory_order_relaxed);
}

void
call_resume(struct call *c)
{
	atomic_store_explicit(&c->guard->slots[c->slot], now_ms() << KIND_BITS | c->kind, memory_order_relaxed);
}

/* Wait for the end at most so long; was it reached?  Its mutex. */
static bool
wait_a_while(struct call *c, unsigned ms)
{
	struct timespec until = deadline(ms);
	int rc = 0;

	while (!c->done && rc == 0)
		rc = pthread_cond_clockwait(&c->ended, &c->mutex, CLOCK_MONOTONIC, &until);
	return c->done;
}

/* Have it done; -ETIMEDOUT: the replica is dead. */
static int
call_start(struct call *c)
{
	if (c->error != 0)
		return c->error;
	if ((c->slot = enter(c->guard, c->kind)) == GUARD_NO_SLOT)
		return -ETIMEDOUT;
	if (c->direct) {
		c->rc = c->run(c->guard->inner, c);
		exit_slot(c->guard, c->slot, c->kind);
		return 0;
	}
	atomic_fetch_add(&c->refs, 1);
	/* No thread can be had: then this one may be stuck. */
	if (aside_run(&c->job) != 0)
		call_run(&c->job);
	return 0;
}

int64_t
call_perform(struct call *c)
{
	uint64_t waited_ms = 0, progress, before = 0;
	int64_t rc;

	if ((rc = call_start(c)) != 0)
		return rc;
	/* One reference is the caller's: it is not freed yet. */
	if (c->direct) /* NOLINT(clang-analyzer-unix.Malloc) */
		return c->rc;
	if (c->kind < GUARD_WAITS && !c->guard->base.remote)
		(void)aside_spin(&c->ran);
	pthread_mutex_lock(&c->mutex);
	while (!wait_a_while(c, c->guard->tick_ms)) {
		progress = device_progress(c->guard, c->kind);
		waited_ms = progress == before ? waited_ms + c->guard->tick_ms : c->guard->tick_ms;
		before = progress;
		if (give_up(c->guard, waited_ms)) {
			c->abandoned = true;
			break;
		}
	}
	rc = c->abandoned ? -ETIMEDOUT : c->rc;
	pthread_mutex_unlock(&c->mutex);
	return rc;
}

void
call_end(struct call *c)
{
	if (!c->direct)
		call_drop(c);
}

void
guard_part(struct guard *g, void (*run)(struct replica *inner, replica_handle handle), replica_handle handle)
{
	struct parting *p, **last;

	/* Without memory it stays open for ever. */
	if ((p = malloc(sizeof(*p))) == NULL)
		return;
	*p = (struct parting){ .run = run, .handle = handle };
	atomic_fetch_add(&g->inside, 1);
	pthread_mutex_lock(&g->mutex);
	for (last = &g->partings; *last != NULL; last = &(*last)->next)
		;
	*last = p;
	pthread_mutex_unlock(&g->mutex);
	leave(g);
}

static int64_t
check_run(struct replica *inner, struct call *c)
{
	(void)c;
	return inner->ops->check(inner);
}

/* Has any call been seen to stand there for too long?  Those that are made aside have somebody who waits. */
static bool
overdue(struct guard *g)
{
	uint64_t now = now_ms(), found, since = now - g->looked_ms, longest = 0;
	uint64_t completed = device_progress(g, GUARD_CHANGES);
	unsigned i;

	/* Who looks comes by each second, if he was not stopped himself. */
	if (g->looked_ms == 0 || since > LOOK_MAX_MS)
		since = LOOK_MAX_MS;
	g->looked_ms = now;
	if (completed != g->completed)
		memset(g->stood_ms, 0, sizeof(g->stood_ms));
	g->completed = completed;
	for (i = 0; i < GUARD_SLOTS; i++) {
		found = atomic_load(&g->slots[i]);
		g->stood_ms[i] = found != 0 && found != PAUSED && found == g->seen[i] ? g->stood_ms[i] + since : 0;
		g->seen[i] = found;
		if (g->stood_ms[i] > longest)
			longest = g->stood_ms[i];
	}
	return longest > 0 && give_up(g, longest);
}

int
guard_check(struct replica *r)
{
	struct guard *g = guard_self(r);
	struct call own, *c;
	int64_t rc = 0;

	if (overdue(g) || is_dead(g))
		return -ETIMEDOUT;
	if ((c = g->checking) == NULL) {
		c = call_begin(r, &own, check_run, GUARD_WAITS);
		rc = call_start(c);
		if (rc != 0 || c->direct) { /* NOLINT(clang-analyzer-unix.Malloc): as above */
			rc = rc != 0 ? rc : c->rc;
			call_end(c);
			return (int)rc;
		}
		g->checking = c;
	}
	pthread_mutex_lock(&c->mutex);
	if (wait_a_while(c, CHECK_WAIT_MS)) {
		rc = c->rc;
		g->checking = NULL;
	}
	pthread_mutex_unlock(&c->mutex);
	if (g->checking == NULL)
		call_end(c);
	return (int)rc;
}

void
guard_free(struct replica *r)
{
	struct guard *g;

	if (r == NULL)
		return;
	g = guard_self(r);
	/* As one who is inside, so that nobody else frees it meanwhile. */
	atomic_fetch_add(&g->inside, 1);
	atomic_fetch_and(&g->inside, ~GUARD_OWNED);
	leave(g);
}

int
guard_replica_new(struct replica *inner, const struct guard_options *options, struct replica **out)
{
	struct guard *g;

	if ((g = calloc(1, sizeof(*g))) == NULL)
		return -ENOMEM;
	if ((g->base.path = strdup(inner->path)) == NULL) {
		free(g);
		return -ENOMEM;
	}
	g->base.ops = &guard_ops;
	g->base.remote = inner->remote;
	g->base.far = inner->far;
	g->inner = inner;
	g->options = *options;
	g->everything = options->everything || inner->remote;
	g->tick_ms = options->timeout_ms / 4 < TICK_MS ? options->timeout_ms / 4 + 1 : TICK_MS;
	g->closing.run = close_all;
	pthread_mutex_init(&g->mutex, NULL);
	atomic_init(&g->inside, GUARD_OWNED);
	*out = &g->base;
	return 0;
}

struct guard_opening {
	struct aside_job job;
	atomic_uint refs;
	char *path;
	struct replica_open_options options;
	char why[REPLICA_OPEN_WHY_MAX];	/* mutex */
	pthread_mutex_t mutex;
	pthread_cond_t ended;
	bool done;			/* mutex, as those below */
	int rc;
	struct replica *r;
};

static void
opening_drop(struct guard_opening *o)
{
	if (atomic_fetch_sub(&o->refs, 1) > 1)
		return;
	if (o->r != NULL)
		o->r->ops->free(o->r);
	pthread_cond_destroy(&o->ended);
	pthread_mutex_destroy(&o->mutex);
	free(o->path);
	free(o);
}

static void
opening_run(struct aside_job *job)
{
	struct guard_opening *o = (struct guard_opening *)(void *)job;
	struct replica *r = NULL;
	int rc;

	if ((rc = replica_open(o->path, &o->options, &r)) == 0 && (rc = r->ops->lock(r, true)) != 0) {
		(void)snprintf(o->why, sizeof(o->why), "in use by another mount or check");
		r->ops->free(r);
		r = NULL;
	}
	pthread_mutex_lock(&o->mutex);
	o->done = true;
	o->rc = rc;
	o->r = r;
	pthread_cond_signal(&o->ended);
	pthread_mutex_unlock(&o->mutex);
	opening_drop(o);
}

static struct guard_opening *
opening_new(const char *path, const struct replica_open_options *options)
{
	struct guard_opening *o;

	if ((o = calloc(1, sizeof(*o))) == NULL)
		return NULL;
	if ((o->path = strdup(path)) == NULL) {
		free(o);
		return NULL;
	}
	o->options = *options;
	/* Not the caller's: he may be gone by then. */
	o->options.why = o->why;
	o->job.run = opening_run;
	atomic_init(&o->refs, 1);
	pthread_mutex_init(&o->mutex, NULL);
	pthread_cond_init(&o->ended, NULL);
	return o;
}

int
guard_open(struct guard_opening **opening, const char *path, const struct replica_open_options *options, unsigned wait_ms,
    struct replica **out)
{
	struct guard_opening *o = *opening;
	struct timespec until = deadline(wait_ms);
	int rc = 0;

	if (o == NULL) {
		if ((o = opening_new(path, options)) == NULL)
			return -ENOMEM;
		atomic_fetch_add(&o->refs, 1);
		/* Without a thread it is done here. */
		if (aside_run(&o->job) != 0)
			opening_run(&o->job);
		*opening = o;
	}
	/* One reference is the caller's: it is not freed yet. */
	pthread_mutex_lock(&o->mutex);
	while (!o->done && rc == 0) /* NOLINT(clang-analyzer-unix.Malloc) */
		rc = pthread_cond_clockwait(&o->ended, &o->mutex, CLOCK_MONOTONIC, &until);
	rc = o->done ? o->rc : -EINPROGRESS;
	if (options->why != NULL && rc != 0 && rc != -EINPROGRESS)
		memcpy(options->why, o->why, sizeof(o->why));
	if (rc == 0) {
		*out = o->r;
		o->r = NULL;
	}
	pthread_mutex_unlock(&o->mutex);
	if (rc == -EINPROGRESS)
		return rc;
	opening_drop(o);
	*opening = NULL;
	return rc;
}

void
guard_open_cancel(struct guard_opening *opening)
{
	if (opening != NULL)
		opening_drop(opening);
}
