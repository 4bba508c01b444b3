/* The data of files, and the pages of their tags, as the disks hold them. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "meta/quarantine.h"
#include "meta/tagfile.h"
#include "util/clock.h"
#include "util/log.h"
#include "volume/blocks.h"
#include "volume/files.h"
#include "volume/handles.h"
#include "volume/look.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/pages.h"
#include "volume/patrol.h"
#include "volume/scrub_private.h"
#include "volume/torn.h"

#define TASK_BLOCKS TAGPAGE_TAGS	/* no task needs two pages of tags */
#define TASK_BYTES (TASK_BLOCKS * BLOCK)
#define KEEP_BYTES (64u << 20)		/* of a file that was written to from outside: copied aside, with its lock held */
#define AHEAD_PAGES 64			/* of the tags file, read at once */
#define WAIT_MS 100			/* the thread that waits for lanes looks so often whether it is to end */
#define IDLE_MS 500			/* a lane without work looks so often whether its member is lost */

/* One thread: what it has open, of one file at a time, on its member. */
struct lane {
	struct scrub_run *run;
	struct scrub_queue *queue;
	struct member *m;
	struct replica *r;		/* that it was opened on; the member's may be another by now */
	uint64_t id;			/* of the file; 0: none is open */
	replica_handle data, tags;
	uint64_t page_first, page_count;	/* what of the tags file is in ${pages} */
	uint8_t *blocks, *pages;	/* aligned: TASK_BYTES, and AHEAD_PAGES pages */
	uint8_t wanted[TASK_BLOCKS * DIGEST_SIZE];
};

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

/* ---- what a lane has open */

static void
lane_close(struct lane *l)
{
	if (l->data != REPLICA_NONE)
		l->r->ops->close(l->r, l->data);
	if (l->tags != REPLICA_NONE)
		l->r->ops->close(l->r, l->tags);
	l->data = l->tags = REPLICA_NONE;
	l->page_count = 0;
	l->id = 0;
}

/* Tree lock, node lock. */
static int
open_data(struct volume *v, struct member *m, struct node *node, replica_handle *handle)
{
	struct handles_place place;
	int rc;

	*handle = REPLICA_NONE;
	if ((rc = handles_at(v, m, node, &place)) != 0)
		return rc;
	rc = m->r->ops->open_direct(m->r, place.at, handle);
	handles_at_done(v, &place);
	return rc;
}

static int
lane_open(struct lane *l, struct node *node)
{
	struct volume *v = l->run->v;
	int rc = 0;

	if (l->id == node_key(node) && l->r == l->m->r)
		return 0;
	lane_close(l);
	l->r = l->m->r;
	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_rdlock(&node->lock);
	rc = open_data(v, l->m, node, &l->data);
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	if (rc == 0)
		l->id = node_key(node);
	return rc;
}

/* ---- pages of tags */

/* One page as the disk has it; zeros where there is none. */
static int
page_read(struct lane *l, uint64_t id, uint64_t index, const uint8_t **page)
{
	ssize_t n = 0;
	int rc;

	if (index >= l->page_first && index - l->page_first < l->page_count) {
		*page = l->pages + (index - l->page_first) * TAGPAGE_SIZE;
		return 0;
	}
	if (l->tags == REPLICA_NONE && (rc = tagfile_open_direct(l->m->r, l->m->tags, id, &l->tags)) != 0 && rc != -ENOENT)
		return rc;
	memset(l->pages, 0, AHEAD_PAGES * TAGPAGE_SIZE);
	if (l->tags != REPLICA_NONE)
		n = l->r->ops->pread(l->r, l->tags, l->pages, AHEAD_PAGES * TAGPAGE_SIZE, index * TAGPAGE_SIZE);
	if (n < 0)
		return (int)n;
	l->page_first = index;
	l->page_count = AHEAD_PAGES;
	*page = l->pages;
	return 0;
}

/* Is the page sound, and, unless it is about to be written anew, does it say what is known? */
static bool
page_right(struct lane *l, const struct node *node, uint64_t index, unsigned count)
{
	const uint8_t *page = NULL;
	uint8_t copy[TAGPAGE_SIZE];

	if (page_read(l, node_key(node), index, &page) != 0)
		return false;
	memcpy(copy, page, TAGPAGE_SIZE);
	if (!digest_zeros(copy, TAGPAGE_SIZE) && tagpage_check(&l->run->v->digest, node_key(node), index, copy) != 0)
		return false;
	return node->dirty || memcmp(copy, l->wanted, (size_t)count * DIGEST_SIZE) == 0;
}

static void
mend_page(struct lane *l, struct node *node, uint64_t index)
{
	struct member *m = l->m;
	replica_handle file;

	/* What is cached of it may be as it should. */
	if (tagfile_open(m->r, m->tags, node_key(node), false, &file) == 0) {
		m->r->ops->drop_cache(m->r, file);
		m->r->ops->close(m->r, file);
	}
	look_end();
	pages_prove(l->run->v, node, node->file, index);
	look_begin();
}

/* Look again, and mend.  Tree lock, node lock exclusively. */
static void
settle_page(struct lane *l, struct scrub_file *f, uint64_t first, unsigned count)
{
	struct scrub_finding found = { .code = SCRUB_TAGS_SPOILED, .path = f->path, .replica = l->m->r->path,
	    .offset = first * BLOCK, .length = (uint64_t)count * BLOCK };
	uint64_t index = first / TAGPAGE_TAGS;

	l->page_count = 0;
	if (!tags_paged(f->node->file->tags) || page_right(l, f->node, index, count))
		return;
	if (l->run->options->mend && !l->run->v->no_writes) {
		mend_page(l, f->node, index);
		l->page_count = 0;
		/* It was made just now, perhaps. */
		if (l->tags != REPLICA_NONE)
			l->r->ops->close(l->r, l->tags);
		l->tags = REPLICA_NONE;
		found.mended = page_right(l, f->node, index, count);
	}
	atomic_store(&f->told[l->m->index], true);
	if (!found.mended)
		atomic_store(&f->left, true);
	scrub_report(l->run, &found);
}

/* ---- blocks */

static size_t
block_len(const struct node *node, uint64_t index)
{
	uint64_t start = index * BLOCK;

	if (start >= node->size)
		return 0;
	return node->size - start < BLOCK ? (size_t)(node->size - start) : BLOCK;
}

/* How many blocks of a task the file still has. */
static unsigned
clip(const struct node *node, uint64_t first, unsigned count)
{
	uint64_t blocks = (node->size + BLOCK - 1) / BLOCK;

	return first >= blocks ? 0 : blocks - first < count ? (unsigned)(blocks - first) : count;
}

/* Is all of it a hole, and to be one? */
static bool
is_hole(struct lane *l, uint64_t first, unsigned count)
{
	int64_t data;

	if (!digest_zeros(l->wanted, (size_t)count * DIGEST_SIZE))
		return false;
	data = l->r->ops->seek(l->r, l->data, first * BLOCK, SEEK_DATA);
	return data == -ENXIO || (data >= 0 && (uint64_t)data >= (first + count) * BLOCK);
}

/* Read a task's blocks; how many do not match, of which ${bad}, unless NULL, tells.  Node lock. */
static unsigned
blocks_look(struct lane *l, const struct node *node, uint64_t first, unsigned count, bool *bad)
{
	unsigned i, wrong = 0;
	bool matches;
	size_t len;
	ssize_t n;

	if (bad != NULL)
		memset(bad, 0, count * sizeof(*bad));
	if (l->data != REPLICA_NONE && is_hole(l, first, count))
		return 0;
	n = l->data == REPLICA_NONE ? -EIO :
	    l->r->ops->pread(l->r, l->data, l->blocks, (size_t)count * BLOCK, first * BLOCK);
	for (i = 0; i < count; i++) {
		len = block_len(node, first + i);
		matches = n >= (ssize_t)((size_t)i * BLOCK + len) &&
		    blocks_match(l->run->v, l->wanted + (size_t)i * DIGEST_SIZE, l->blocks + (size_t)i * BLOCK, len);
		wrong += !matches;
		if (bad != NULL)
			bad[i] = !matches;
	}
	return wrong;
}

/* What is found bad in one go, of one copy or of all, is one finding. */
struct streak { struct scrub_finding finding; bool any; };

/* While a task is settled: the copies of all members, opened anew. */
struct copies {
	struct lane *l;
	struct scrub_file *f;
	replica_handle direct[VOLUME_REPLICAS_MAX], cached[VOLUME_REPLICAS_MAX];
	struct streak streaks[VOLUME_REPLICAS_MAX], lost;
	bool bad[VOLUME_REPLICAS_MAX];
	int error[VOLUME_REPLICAS_MAX];	/* of the reading */
};

static void
streak_end(struct scrub_run *run, struct streak *streak)
{
	if (streak->any)
		scrub_report(run, &streak->finding);
	streak->any = false;
}

static void
streak_add(struct scrub_run *run, struct streak *streak, const struct scrub_finding *next)
{
	struct scrub_finding *f = &streak->finding;

	if (streak->any && f->code == next->code && f->mended == next->mended && f->error == next->error &&
	    f->offset + f->length == next->offset) {
		f->length += next->length;
		return;
	}
	streak_end(run, streak);
	*f = *next;
	streak->any = true;
}

static void
copies_open(struct copies *c)
{
	struct volume *v = c->l->run->v;
	struct node *node = c->f->node;
	struct handles_place place;
	struct member *m;
	unsigned i;

	for (i = 0; i < VOLUME_REPLICAS_MAX; i++)
		c->direct[i] = c->cached[i] = REPLICA_NONE;
	for_each_member(v, m) {
		c->error[m->index] = open_data(v, m, node, &c->direct[m->index]);
		if (handles_at(v, m, node, &place) != 0)
			continue;
		(void)m->r->ops->open(m->r, place.at, false, &c->cached[m->index], NULL);
		handles_at_done(v, &place);
	}
}

static void
copies_close(struct copies *c)
{
	struct volume *v = c->l->run->v;
	struct member *m;

	for (m = v->members; m < v->members + v->member_count; m++) {
		if (c->direct[m->index] != REPLICA_NONE)
			m->r->ops->close(m->r, c->direct[m->index]);
		if (c->cached[m->index] != REPLICA_NONE)
			m->r->ops->close(m->r, c->cached[m->index]);
		streak_end(c->l->run, &c->streaks[m->index]);
	}
	streak_end(c->l->run, &c->lost);
}

static bool
copy_right(struct copies *c, struct member *m, replica_handle handle, uint64_t index)
{
	const uint8_t *tag = c->l->wanted + index % TAGPAGE_TAGS * DIGEST_SIZE;
	size_t len = block_len(c->f->node, index);
	ssize_t n;

	if (handle == REPLICA_NONE)
		return false;
	n = m->r->ops->pread(m->r, handle, c->l->blocks, BLOCK, index * BLOCK);
	c->error[m->index] = n < 0 ? (int)n : 0;
	return n >= (ssize_t)len && blocks_match(c->l->run->v, tag, c->l->blocks, len);
}

/* Which disks have a bad copy?  Returns whether one has a good one, or, where none has, a cached page. */
static bool
copies_judge(struct copies *c, uint64_t index)
{
	struct volume *v = c->l->run->v;
	bool proved = false;
	struct member *m;

	for_each_member(v, m) {
		c->bad[m->index] = !copy_right(c, m, c->direct[m->index], index);
		proved = proved || !c->bad[m->index];
	}
	for_each_member(v, m)
		proved = proved || copy_right(c, m, c->cached[m->index], index);
	return proved || digest_is_zero(c->l->wanted + index % TAGPAGE_TAGS * DIGEST_SIZE);
}

static void
report_block(struct copies *c, struct member *m, uint64_t index, bool proved, bool mended)
{
	struct scrub_finding f = { .code = SCRUB_BLOCK_LOST, .path = c->f->path,
	    .offset = index * BLOCK, .length = block_len(c->f->node, index), .mended = mended };

	if (!mended)
		atomic_store(&c->f->left, true);
	if (m == NULL) {
		streak_add(c->l->run, &c->lost, &f);
		return;
	}
	atomic_store(&c->f->told[m->index], true);
	if (!proved)
		return;
	f.replica = m->r->path;
	f.error = mended ? 0 : c->error[m->index];
	f.code = c->error[m->index] != 0 ? SCRUB_BLOCK_UNREADABLE :
	    c->f->unsealed[m->index] ? SCRUB_BLOCK_WRITTEN : SCRUB_BLOCK_ROT;
	streak_add(c->l->run, &c->streaks[m->index], &f);
}

/*
 * What somebody wrote to a copy behind our back is put aside before it is
 * written over.  False: it cannot be, and is left.
 */
static bool
keep_written(struct copies *c)
{
	struct scrub_file *f = c->f;
	struct member *m;
	int rc;

	for_each_member(c->l->run->v, m) {
		if (!c->bad[m->index] || !f->unsealed[m->index] || f->kept[m->index])
			continue;
		rc = f->node->size > KEEP_BYTES ? -EFBIG :
		    quarantine_copy(m->r, (struct replica_at){ .handle = c->cached[m->index] }, f->path, "it was written to from outside");
		if (rc != 0) {
			if (!f->left)
				log_warning("%s: what was written to it on replica %s by something else than mendfs cannot be put into quarantine "
				    "now, so it is not mended: %s; unmount, and run fsck.mendfs -p", f->path, m->r->path, strerror(-rc));
			return false;
		}
		f->kept[m->index] = true;
		log_warning("%s: was written to on replica %s by something else than mendfs: that version is in quarantine",
		    f->path, m->r->path);
	}
	return true;
}

static void
settle_block(struct copies *c, uint64_t index)
{
	struct scrub_run *run = c->l->run;
	struct volume *v = run->v;
	bool proved = copies_judge(c, index), mending, mended;
	uint8_t data[BLOCK];
	struct member *m;

	if (!c->bad[c->l->m->index])
		return;
	/* The lowest of those that have it bad speaks for all. */
	for_each_member(v, m) {
		if (m->index < c->l->m->index && c->bad[m->index])
			return;
	}
	mending = run->options->mend && !v->no_writes && keep_written(c);
	if (mending) {
		look_end();
		if (blocks_mend_bad(v, c->f->node, index, c->bad, data) == 0)
			proved = true;
		look_begin();
	}
	for_each_member(v, m) {
		if (!c->bad[m->index])
			continue;
		mended = mending && copy_right(c, m, c->direct[m->index], index);
		report_block(c, m, index, proved, mended);
	}
	if (!proved)
		report_block(c, NULL, index, false, false);
}

/*
 * Something of it did not match, or could not be opened: look again while
 * nobody changes it, and mend.
 */
static void
settle_task(struct lane *l, struct scrub_file *f, uint64_t first, unsigned count)
{
	struct copies c = { .l = l, .f = f };
	struct node *node = f->node;
	struct volume *v = l->run->v;
	bool bad[TASK_BLOCKS];
	unsigned i;
	int rc = 0;

	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	count = clip(node, first, count);
	if (node->nlink == 0 || torn_now(v, node) || !member_in_sync(l->m) || count == 0 ||
	    blocks_tags(v, node, first, count, l->wanted) != 0)
		goto done;
	if (l->data == REPLICA_NONE)
		(void)open_data(v, l->m, node, &l->data);
	settle_page(l, f, first, count);
	/* By now with what a page was mended from. */
	if (blocks_tags(v, node, first, count, l->wanted) != 0 || blocks_look(l, node, first, count, bad) == 0)
		goto done;
	if (l->run->options->mend && !v->no_writes) {
		look_end();
		rc = files_open_all(v, node, false);
		look_begin();
	}
	if (rc != 0)
		goto done;
	copies_open(&c);
	for (i = 0; i < count && member_in_sync(l->m); i++) {
		if (bad[i])
			settle_block(&c, first + i);
	}
	copies_close(&c);

done:
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	lane_close(l);
}

/* Is it all as it should be?  The node's lock, shared, is held for as long as that is read. */
static bool
task_right(struct lane *l, struct scrub_file *f, uint64_t first, unsigned count)
{
	struct node *node = f->node;
	struct volume *v = l->run->v;
	bool right = true;

	pthread_rwlock_rdlock(&node->lock);
	count = clip(node, first, count);
	if (node->nlink > 0 && !torn_now(v, node) && count > 0) {
		right = blocks_tags(v, node, first, count, l->wanted) == 0 &&
		    (!tags_paged(node->file->tags) || page_right(l, node, first / TAGPAGE_TAGS, count)) &&
		    blocks_look(l, node, first, count, NULL) == 0;
	}
	pthread_rwlock_unlock(&node->lock);
	return right;
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
throttle(struct lane *l, uint64_t bytes)
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
	while (!atomic_load(&l->run->hurry) && (now = now_ns()) < until) {
		at.tv_sec = (time_t)(until / 1000000000u);
		at.tv_nsec = (long)(until % 1000000000u);
		pthread_cond_timedwait(&l->run->drained, &l->run->mutex, &at);
	}
}

/* ---- lanes */

static void
do_task(struct lane *l, struct scrub_task *task)
{
	struct node *node = task->file->node;

	if (!member_in_sync(l->m)) {
		lane_close(l);
		return;
	}
	if (lane_open(l, node) != 0 || !task_right(l, task->file, task->first, task->count))
		settle_task(l, task->file, task->first, task->count);
}

/* The next task; with none, and none to come, false.  Mutex. */
static bool
take_task(struct lane *l, struct scrub_task *task)
{
	struct scrub_queue *q = l->queue;
	struct timespec until;

	while (q->count == 0 && !l->run->ends) {
		until = time_in(IDLE_MS);
		if (pthread_cond_timedwait(&q->filled, &l->run->mutex, &until) == ETIMEDOUT && l->id != 0) {
			/* Nothing of ours stays open on a member that is lost, or on a file that somebody may remove. */
			pthread_mutex_unlock(&l->run->mutex);
			lane_close(l);
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

static void *
lane_run(void *arg)
{
	struct lane *l = arg;
	struct scrub_run *run = l->run;
	struct scrub_task task;

	look_begin();
	pthread_mutex_lock(&run->mutex);
	while (take_task(l, &task)) {
		throttle(l, (uint64_t)task.count * BLOCK);
		pthread_mutex_unlock(&run->mutex);
		do_task(l, &task);
		file_put(run, task.file);
		pthread_mutex_lock(&run->finding_mutex);
		run->totals->bytes += task.bytes;
		pthread_mutex_unlock(&run->finding_mutex);
		pthread_mutex_lock(&run->mutex);
		l->queue->busy--;
		pthread_cond_broadcast(&run->drained);
	}
	pthread_mutex_unlock(&run->mutex);
	lane_close(l);
	free(l->blocks);
	free(l->pages);
	free(l);
	return NULL;
}

static int
lane_start(struct scrub_run *run, struct scrub_queue *queue, pthread_t *thread)
{
	struct lane *l;
	int rc = -ENOMEM;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return -ENOMEM;
	l->run = run;
	l->queue = queue;
	l->m = queue->m;
	l->data = l->tags = REPLICA_NONE;
	if (posix_memalign((void **)&l->blocks, REPLICA_DIRECT_ALIGN, TASK_BYTES) == 0 &&
	    posix_memalign((void **)&l->pages, REPLICA_DIRECT_ALIGN, AHEAD_PAGES * TAGPAGE_SIZE) == 0)
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

	if ((run->queues = calloc(v->member_count, sizeof(*run->queues))) == NULL ||
	    (run->lanes = calloc((size_t)v->member_count * SCRUB_LANES, sizeof(*run->lanes))) == NULL) {
		free(run->queues);
		run->queues = NULL;
		return -ENOMEM;
	}
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&run->mutex, NULL);
	pthread_cond_init(&run->drained, &attr);
	for (i = 0; i < v->member_count; i++) {
		run->queues[i].m = &v->members[i];
		pthread_cond_init(&run->queues[i].filled, &attr);
	}
	pthread_condattr_destroy(&attr);
	for (i = 0; i < v->member_count && rc == 0; i++) {
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
	for (i = 0; i < run->v->member_count; i++) {
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
	for (i = 0; i < run->v->member_count; i++)
		pthread_cond_broadcast(&run->queues[i].filled);
	pthread_mutex_unlock(&run->mutex);
	for (i = 0; i < run->lane_count; i++)
		pthread_join(run->lanes[i], NULL);
	for (i = 0; i < run->v->member_count; i++)
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
