/* The data of files, given out to lanes. */

#include <errno.h>
#include <linux/ioprio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "volume/files.h"
#include "volume/handles.h"
#include "volume/look.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/scrub_private.h"
#include "volume/torn.h"

#define WAIT_MS 100			/* the thread that waits for lanes looks so often whether it is to end */
#define IDLE_MS 500			/* a lane without work looks so often whether its member is lost */

/* ---- files */

static void
file_put(struct scrub_run *run, struct scrub_file *f)
{
	struct replica_times seal = { .atime.tv_nsec = UTIME_OMIT };
	struct node *node = f->node;
	struct volume *v = run->v;
	struct handles_place place;
	struct member *m;
	int rc;

	if (atomic_fetch_sub(&f->refs, 1) > 1)
		return;
	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	seal.mtime = node->mtime;
	for_each_member(v, m) {
		struct scrub_finding found = { .code = SCRUB_MTIME_CHANGED, .path = f->path, .replica = m->r->path,
		    .offset = SCRUB_NO_OFFSET };

		/* Where a block was found bad too, mending it has sealed the copy. */
		if (!f->unsealed[m->index] || node->dirty || node->nlink == 0)
			continue;
		if (f->whole && !f->left && run->options->mend && !v->no_writes && handles_at(v, m, node, &place) == 0) {
			rc = members_settle(v, m, m->r->ops->store(m->r, place.at, &seal, NULL, 0), "sealing a file");
			found.mended = rc == 0;
			handles_at_done(v, &place);
		}
		if (!f->told[m->index])
			scrub_report(run, &found);
	}
	node->file->holds--;
	/* What somebody else began to use meanwhile stays. */
	if (f->opened && node->file->holds == 0 && !atomic_load(&node->file->used) && !node->dirty && node->nlink > 0)
		files_detach(v, node);
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	nodes_put(v, node);
	free(f->path);
	free(f);
}

/* Its tags are in memory, and stay there. */
static int
file_new(struct scrub_run *run, struct node *node, const bool *unsealed, struct scrub_file **out)
{
	struct volume *v = run->v;
	struct scrub_file *f;
	int rc = 0;

	if ((f = calloc(1, sizeof(*f))) == NULL || (f->path = strdup(run->path)) == NULL) {
		free(f);
		return -ENOMEM;
	}
	atomic_init(&f->refs, 1);
	f->node = node;
	memcpy(f->unsealed, unsealed, sizeof(f->unsealed));
	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	f->opened = node->file == NULL;
	if (node->nlink == 0 || torn_now(v, node))
		rc = -ENOENT;
	else
		rc = files_attach(v, node);
	if (rc == 0 && f->opened) {
		/* By us, which is no use, and nothing for the patrol. */
		atomic_store(&node->file->used, false);
		node->file->patrolled_ms = clock_monotonic_ms();
	}
	if (rc == 0)
		node->file->holds++;
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	if (rc != 0) {
		free(f->path);
		free(f);
		return rc;
	}
	nodes_hold(v, node);
	*out = f;
	return 0;
}

/* ---- the rate */

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct timespec
time_in(unsigned ms)
{
	uint64_t ns = now_ns() + ms * UINT64_C(1000000);

	return (struct timespec){ (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
}

/* Wait until ${bytes} more may be read.  Mutex. */
static void
throttle(struct scrub_lane *l, uint64_t bytes)
{
	const uint64_t rate = l->run->options->rate;
	struct scrub_queue *q = l->queue;
	uint64_t now = now_ns(), until;
	struct timespec at;

	if (rate == 0)
		return;
	if (q->due_ns < now)
		q->due_ns = now;
	until = q->due_ns;
	q->due_ns += bytes * 1000000000u / rate;
	while (!atomic_load(&l->run->hurry) && now_ns() < until) {
		at.tv_sec = (time_t)(until / 1000000000u);
		at.tv_nsec = (long)(until % 1000000000u);
		pthread_cond_timedwait(&l->run->drained, &l->run->mutex, &at);
	}
}

/* ---- lanes */

/* The next task; with none, and none to come, false.  Mutex. */
static bool
take_task(struct scrub_lane *l, struct scrub_task *task)
{
	struct scrub_queue *q = l->queue;
	struct timespec until;

	while (q->count == 0 && !l->run->ends) {
		until = time_in(IDLE_MS);
		if (pthread_cond_timedwait(&q->filled, &l->run->mutex, &until) == ETIMEDOUT && l->id != 0) {
			/* Nothing of ours stays open on a member that is lost, or on a file that somebody may remove. */
			pthread_mutex_unlock(&l->run->mutex);
			scrub_lane_close(l);
			pthread_mutex_lock(&l->run->mutex);
		}
	}
	if (q->count == 0)
		return false;
	*task = q->tasks[q->first];
	q->first = (q->first + 1) % SCRUB_QUEUE;
	q->count--;
	q->busy++;
	return true;
}

/* Where the disk's scheduler knows of priorities: behind all other reads, but not starved, for a file's lock may be held. */
static void
read_last(void)
{
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, IOPRIO_NR_LEVELS - 1));
}

static void *
lane_run(void *arg)
{
	struct scrub_lane *l = arg;
	struct scrub_run *run = l->run;
	struct scrub_task task;
	bool in_sync;

	look_begin();
	read_last();
	pthread_mutex_lock(&run->mutex);
	while (take_task(l, &task)) {
		throttle(l, (uint64_t)task.count * BLOCK);
		pthread_mutex_unlock(&run->mutex);
		in_sync = member_in_sync(l->m);
		scrub_prove(l, &task);
		file_put(run, task.file);
		pthread_mutex_lock(&run->finding_mutex);
		run->totals->bytes += in_sync ? task.bytes : 0;
		pthread_mutex_unlock(&run->finding_mutex);
		pthread_mutex_lock(&run->mutex);
		l->queue->busy--;
		pthread_cond_broadcast(&run->drained);
	}
	pthread_mutex_unlock(&run->mutex);
	scrub_lane_close(l);
	free(l->blocks);
	free(l->pages);
	free(l);
	return NULL;
}

static int
lane_start(struct scrub_run *run, struct scrub_queue *queue, pthread_t *thread)
{
	struct scrub_lane *l;
	int rc = -ENOMEM;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return -ENOMEM;
	l->run = run;
	l->queue = queue;
	l->m = queue->m;
	l->data = l->tags = REPLICA_NONE;
	if (posix_memalign((void **)&l->blocks, REPLICA_DIRECT_ALIGN, SCRUB_TASK_BYTES) == 0 &&
	    posix_memalign((void **)&l->pages, REPLICA_DIRECT_ALIGN, SCRUB_AHEAD_PAGES * TAGPAGE_SIZE) == 0)
		rc = -pthread_create(thread, NULL, lane_run, l);
	if (rc != 0) {
		free(l->blocks);
		free(l->pages);
		free(l);
	}
	return rc;
}

int
scrub_data_start(struct scrub_run *run)
{
	struct volume *v = run->v;
	pthread_condattr_t attr;
	unsigned i, n;
	int rc = 0;

	run->queue_count = v->member_count;
	if ((run->queues = calloc(run->queue_count, sizeof(*run->queues))) == NULL ||
	    (run->lanes = calloc((size_t)run->queue_count * SCRUB_LANES, sizeof(*run->lanes))) == NULL) {
		free(run->queues);
		run->queues = NULL;
		return -ENOMEM;
	}
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&run->mutex, NULL);
	pthread_cond_init(&run->drained, &attr);
	for (i = 0; i < run->queue_count; i++) {
		run->queues[i].m = &v->members[i];
		pthread_cond_init(&run->queues[i].filled, &attr);
	}
	pthread_condattr_destroy(&attr);
	for (i = 0; i < run->queue_count && rc == 0; i++) {
		for (n = 0; n < SCRUB_LANES && rc == 0; n++) {
			if ((rc = lane_start(run, &run->queues[i], &run->lanes[run->lane_count])) == 0)
				run->lane_count++;
		}
	}
	return rc;
}

void
scrub_data_hurry(struct scrub_run *run)
{
	atomic_store(&run->hurry, true);
	pthread_mutex_lock(&run->mutex);
	pthread_cond_broadcast(&run->drained);
	pthread_mutex_unlock(&run->mutex);
}

/* Until lanes have done something, or it is time to look around.  Mutex, which is let go meanwhile. */
static void
wait_for_lanes(struct scrub_run *run)
{
	const struct timespec until = time_in(WAIT_MS);

	pthread_cond_timedwait(&run->drained, &run->mutex, &until);
	pthread_mutex_unlock(&run->mutex);
	scrub_waits(run);
	pthread_mutex_lock(&run->mutex);
}

void
scrub_data_drain(struct scrub_run *run)
{
	unsigned i;

	pthread_mutex_lock(&run->mutex);
	for (i = 0; i < run->queue_count; i++) {
		while (run->queues[i].count + run->queues[i].busy > 0)
			wait_for_lanes(run);
	}
	pthread_mutex_unlock(&run->mutex);
}

void
scrub_data_end(struct scrub_run *run)
{
	unsigned i;

	if (run->queues == NULL)
		return;
	if (run->lane_count > 0)
		scrub_data_drain(run);
	pthread_mutex_lock(&run->mutex);
	run->ends = true;
	for (i = 0; i < run->queue_count; i++)
		pthread_cond_broadcast(&run->queues[i].filled);
	pthread_mutex_unlock(&run->mutex);
	for (i = 0; i < run->lane_count; i++)
		pthread_join(run->lanes[i], NULL);
	for (i = 0; i < run->queue_count; i++)
		pthread_cond_destroy(&run->queues[i].filled);
	pthread_cond_destroy(&run->drained);
	pthread_mutex_destroy(&run->mutex);
	free(run->queues);
	free(run->lanes);
}

/* Whether this page's blocks are in the sample: always the same ones with the same seed. */
static bool
in_sample(const struct scrub_run *run, uint64_t id, uint64_t page)
{
	uint64_t mix = (id ^ run->options->seed) * UINT64_C(0x9e3779b97f4a7c15) + page;

	if (run->options->sample == 0)
		return true;
	/* The finalizer of SplitMix64. */
	mix = (mix ^ mix >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	mix = (mix ^ mix >> 27) * UINT64_C(0x94d049bb133111eb);
	return (mix ^ mix >> 31) % 10000 < run->options->sample;
}

/* Into every member's queue; waits for room. */
static void
give_out(struct scrub_run *run, struct scrub_file *f, uint64_t first, unsigned count, uint64_t bytes)
{
	struct scrub_queue *q;
	struct member *m;

	for_each_member(run->v, m) {
		/* Added since the scrub began: it was just filled with what was proved. */
		if (m->index >= run->queue_count)
			continue;
		q = &run->queues[m->index];
		atomic_fetch_add(&f->refs, 1);
		pthread_mutex_lock(&run->mutex);
		while (q->count == SCRUB_QUEUE)
			wait_for_lanes(run);
		q->tasks[(q->first + q->count++) % SCRUB_QUEUE] = (struct scrub_task){ f, first, count, bytes };
		pthread_cond_signal(&q->filled);
		pthread_mutex_unlock(&run->mutex);
	}
}

static bool
unsealed_any(const struct scrub_run *run, const bool *unsealed)
{
	unsigned i;

	for (i = 0; i < run->v->member_count; i++) {
		if (unsealed[i])
			return true;
	}
	return false;
}

int
scrub_data(struct scrub_run *run, struct node *node, const bool *unsealed, uint64_t *block)
{
	uint64_t size, end, bytes;
	struct scrub_file *f;
	unsigned count;
	int rc;

	pthread_rwlock_rdlock(&node->lock);
	size = node->size;
	pthread_rwlock_unlock(&node->lock);
	end = (size + BLOCK - 1) / BLOCK;
	/* A copy without data is proved by its length. */
	if (*block >= end && !unsealed_any(run, unsealed))
		return 0;
	if ((rc = file_new(run, node, unsealed, &f)) != 0)
		return rc == -ENOENT || rc == -EIO ? 0 : rc;
	f->whole = *block == 0 && run->options->sample == 0;
	for (; rc == 0 && *block < end; *block += count) {
		count = (unsigned)(TAGPAGE_TAGS - *block % TAGPAGE_TAGS);
		if (count > end - *block)
			count = (unsigned)(end - *block);
		bytes = *block + count == end ? size - *block * BLOCK : (uint64_t)count * BLOCK;
		if (scrub_stopped(run, *block)) {
			f->whole = false;
			rc = -ECANCELED;
			break;
		}
		if (in_sample(run, node_key(node), *block / TAGPAGE_TAGS))
			give_out(run, f, *block, count, bytes);
	}
	file_put(run, f);
	return rc;
}
