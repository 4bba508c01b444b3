#include "check/blocks.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/progress.h"
#include "check/run.h"
#include "check/subject.h"
#include "format/tagpage.h"
#include "meta/meta.h"

/* A third of a page of tags: no chunk needs two pages. */
#define CHUNK_BLOCKS (TAGPAGE_TAGS / 3)
#define CHUNK_SIZE ((size_t)CHUNK_BLOCKS * BLOCK)
#define RANGE_CHUNKS 24			/* some 8 MiB: what one thread takes at a time */

/* One file under verification; shared by the threads that work on it. */
struct work {
	unsigned refs;			/* mutex, as the next three */
	unsigned active;
	uint64_t next, range_count;
	pthread_mutex_t mutex;
	pthread_cond_t idle;

	struct subject *s;		/* valid while a range is being worked on */
	const struct record *record;
	struct pages *pages;
	replica_handle file[MEMBERS_MAX];
	bool only_count;
	struct blocks_result *result;	/* mutex */
	pthread_mutex_t keeping;	/* s->kept, s->written, s->told */
};

/* One thread's chunk. */
struct chunk {
	uint64_t first;			/* block */
	unsigned count;
	uint64_t offset;
	size_t len;			/* within the file's length */
	bool tagged;
	uint8_t tags[CHUNK_BLOCKS * DIGEST_SIZE];
	uint8_t *data[MEMBERS_MAX];
	bool right[MEMBERS_MAX][CHUNK_BLOCKS];
	bool unreadable[MEMBERS_MAX][CHUNK_BLOCKS];
	bool there[MEMBERS_MAX];	/* proved where it is: its data did not come here */
	struct run runs[MEMBERS_MAX], lost;
};

static size_t
block_len(const struct chunk *k, unsigned block)
{
	size_t left = k->len - (size_t)block * BLOCK;

	return left < BLOCK ? left : BLOCK;
}

/* The whole cannot be read: find out which blocks cannot. */
static void
read_singly(struct work *w, struct chunk *k, unsigned i)
{
	struct replica *r = w->s->c->members[i].r;

	for (unsigned b = 0; b < k->count; b++)
		k->unreadable[i][b] = r->ops->pread(r, w->file[i], k->data[i] + (size_t)b * BLOCK,
		    block_len(k, b), k->offset + (uint64_t)b * BLOCK) < 0;
}

static void
read_member(struct work *w, struct chunk *k, unsigned i)
{
	struct replica *r = w->s->c->members[i].r;
	int64_t next;
	ssize_t len;

	memset(k->unreadable[i], 0, sizeof(k->unreadable[i]));
	memset(k->data[i], 0, k->len);
	if (w->s->fresh[i])
		return;
	next = r->ops->seek(r, w->file[i], k->offset, SEEK_DATA);
	if (next == -ENXIO || (next >= 0 && (uint64_t)next >= k->offset + k->len))
		return;
	if ((len = r->ops->pread(r, w->file[i], k->data[i], k->len, k->offset)) < 0) {
		read_singly(w, k, i);
		return;
	}
	memset(k->data[i] + len, 0, k->len - (size_t)len);
}

static void
prove_member(struct work *w, struct chunk *k, unsigned i)
{
	uint8_t tag[DIGEST_SIZE];

	for (unsigned b = 0; b < k->count; b++) {
		if (k->unreadable[i][b]) {
			k->right[i][b] = false;
			continue;
		}
		digest_tag(&w->s->c->digest, k->data[i] + (size_t)b * BLOCK, block_len(k, b), tag);
		k->right[i][b] = digest_equal(tag, k->tags + (size_t)b * DIGEST_SIZE);
	}
}

/* Is all of a copy that is far away as the tags say?  Asked there, so that no data travel.  False: look at them. */
static bool
proved_there(struct work *w, struct chunk *k, unsigned i)
{
	struct replica *r = w->s->c->members[i].r;
	uint8_t sum[DIGEST_SIZE], there[DIGEST_SIZE];

	/* The key of a keyed digest stays here. */
	if (r->ops->digest_sum == NULL || w->s->c->digest.codec != DIGEST_XXH3 || !k->tagged || w->s->fresh[i])
		return false;
	digest_bytes(&w->s->c->digest, DIGEST_TAGS, k->tags, k->count * DIGEST_SIZE, sum);
	if (r->ops->digest_sum(r, w->file[i], there, k->count, k->offset) != (ssize_t)k->len || !digest_equal(sum, there))
		return false;
	memset(k->unreadable[i], 0, sizeof(k->unreadable[i]));
	memset(k->right[i], 1, sizeof(k->right[i]));
	return true;
}

/* Beyond what the file had, or of a version that is replaced: reported as a whole elsewhere. */
static bool
is_news(const struct work *w, const struct chunk *k, unsigned i, unsigned b)
{
	const struct judge_fact *fact = &w->s->facts[i];

	if (w->s->fresh[i])
		return false;
	if (w->s->verdict.state[i] == JUDGE_RECORD && fact->record_error == 0)
		return false;
	return k->offset + (uint64_t)b * BLOCK + block_len(k, b) <= (uint64_t)fact->st.st_size;
}

static bool
may_mend(const struct work *w, unsigned i, bool news, enum report_code code)
{
	struct report *report = w->s->c->report;

	if (!w->s->c->repairing)
		return false;
	if (news)
		return report_may(report, code);
	if (w->s->fresh[i])
		return true;
	return report_may(report, w->s->verdict.state[i] == JUDGE_RECORD ? RECORD_DIFFERS : SIZE_WRONG);
}

static int
write_block(struct work *w, struct chunk *k, unsigned i, unsigned b, unsigned good)
{
	struct subject *s = w->s;
	struct replica *r = s->c->members[i].r;
	struct replica_privs privs;
	int rc = 0;

	pthread_mutex_lock(&w->keeping);
	if (!subject_expendable(s, i, w->record))
		rc = subject_keep(s, i, report_text(BLOCK_WRITTEN));
	if (rc == 0)
		s->written[i] = true;
	pthread_mutex_unlock(&w->keeping);
	if (rc != 0)
		return rc;
	atomic_store(&s->c->touched, true);
	replica_privs_get(r, s->at[i], &privs);
	rc = meta_write(r, w->file[i], k->data[good] + (size_t)b * BLOCK, block_len(k, b),
	    k->offset + (uint64_t)b * BLOCK);
	return rc == 0 ? replica_privs_put(r, s->at[i], &privs) : rc;
}

static void
mend_block(struct work *w, struct chunk *k, unsigned i, unsigned b, unsigned good)
{
	bool news = is_news(w, k, i, b), may;
	enum report_code code;
	int rc = 0;

	/* What was made just now is a hole: zeros are there already. */
	if (k->unreadable[i][b])
		code = DATA_UNREADABLE;
	else
		code = subject_expendable(w->s, i, w->record) ? BLOCK_ROT : BLOCK_WRITTEN;
	may = may_mend(w, i, news, code);
	if (may)
		rc = write_block(w, k, i, b, good);
	if (!news && rc == 0)
		return;
	pthread_mutex_lock(&w->keeping);
	w->s->told[i] = true;
	pthread_mutex_unlock(&w->keeping);
	run_add(&k->runs[i], code, subject_mended(rc, may), k->offset + (uint64_t)b * BLOCK, block_len(k, b));
}

/* A file made just now gets what there is, proved or not: no copy may be worse than the others. */
static void
fill_unproved(struct work *w, struct chunk *k, unsigned b)
{
	struct subject *s = w->s;
	unsigned from;

	for (from = 0; from < s->c->count; from++) {
		if (w->file[from] != REPLICA_NONE && !s->fresh[from] && !k->unreadable[from][b])
			break;
	}
	for (unsigned i = 0; from < s->c->count && i < s->c->count; i++) {
		if (s->fresh[i] && w->file[i] != REPLICA_NONE)
			(void)write_block(w, k, i, b, from);
	}
}

static void
block_lost(struct work *w, struct chunk *k, unsigned b)
{
	pthread_mutex_lock(&w->mutex);
	if (k->tagged)
		w->result->lost++;
	else
		w->result->unproved++;
	pthread_mutex_unlock(&w->mutex);
	if (w->only_count)
		return;
	fill_unproved(w, k, b);
	if (!k->tagged)
		return;
	pthread_mutex_lock(&w->keeping);
	for (unsigned i = 0; i < w->s->c->count; i++)
		w->s->told[i] = true;
	pthread_mutex_unlock(&w->keeping);
	run_add(&k->lost, BLOCK_LOST, OUTCOME_LEFT, k->offset + (uint64_t)b * BLOCK, block_len(k, b));
}

static void
settle_block(struct work *w, struct chunk *k, unsigned b)
{
	unsigned good;

	for (good = 0; good < w->s->c->count; good++) {
		if (w->file[good] != REPLICA_NONE && k->tagged && k->right[good][b])
			break;
	}
	if (good == w->s->c->count) {
		block_lost(w, k, b);
		return;
	}
	for (unsigned i = 0; !w->only_count && i < w->s->c->count; i++) {
		if (w->file[i] != REPLICA_NONE && !k->right[i][b])
			mend_block(w, k, i, b, good);
	}
}

static void
verify_chunk(struct work *w, struct chunk *k)
{
	struct check *c = w->s->c;
	bool all = true;

	k->tagged = pages_load(w->pages, k->first, k->count, k->tags) == 0;
	for (unsigned i = 0; i < c->count; i++) {
		if (w->file[i] == REPLICA_NONE)
			continue;
		if (!(k->there[i] = proved_there(w, k, i))) {
			read_member(w, k, i);
			prove_member(w, k, i);
		}
		report_count(c->report, COUNT_BYTES, k->len);
		progress_add(c->progress, k->len);
		for (unsigned b = 0; b < k->count; b++)
			all = all && k->right[i][b];
	}
	if (all && k->tagged)
		return;
	/* Others may be mended from it. */
	for (unsigned i = 0; i < c->count; i++) {
		if (w->file[i] != REPLICA_NONE && k->there[i]) {
			read_member(w, k, i);
			prove_member(w, k, i);
		}
	}
	for (unsigned b = 0; b < k->count; b++)
		settle_block(w, k, b);
}

static void
verify_range(struct work *w, struct chunk *k, uint64_t range)
{
	uint64_t size = w->record->size;

	for (unsigned n = 0; n < RANGE_CHUNKS && !check_stopped(w->s->c); n++) {
		k->offset = (range * RANGE_CHUNKS + n) * CHUNK_SIZE;
		if (k->offset >= size)
			break;
		k->first = k->offset / BLOCK;
		k->len = size - k->offset < CHUNK_SIZE ? (size_t)(size - k->offset) : CHUNK_SIZE;
		k->count = (unsigned)((k->len + BLOCK - 1) / BLOCK);
		verify_chunk(w, k);
	}
	for (unsigned i = 0; i < w->s->c->count; i++)
		run_flush(&k->runs[i]);
	run_flush(&k->lost);
}

static void
chunk_free(struct chunk *k)
{
	if (k == NULL)
		return;
	for (unsigned i = 0; i < MEMBERS_MAX; i++)
		free(k->data[i]);
	free(k);
}

static struct chunk *
chunk_new(struct work *w)
{
	size_t size = w->record->size < CHUNK_SIZE ? (size_t)w->record->size : CHUNK_SIZE;
	struct chunk *k;

	if ((k = calloc(1, sizeof(*k))) == NULL)
		return NULL;
	run_init(&k->lost, w->s, -1);
	for (unsigned i = 0; i < w->s->c->count; i++) {
		run_init(&k->runs[i], w->s, (int)i);
		if (w->file[i] != REPLICA_NONE && (k->data[i] = malloc(size)) == NULL) {
			chunk_free(k);
			return NULL;
		}
	}
	return k;
}

static bool
take_range(struct work *w, uint64_t *range)
{
	bool taken;

	pthread_mutex_lock(&w->mutex);
	if ((taken = w->next < w->range_count)) {
		*range = w->next++;
		w->active++;
	}
	pthread_mutex_unlock(&w->mutex);
	return taken;
}

static void
range_done(struct work *w, bool failed)
{
	pthread_mutex_lock(&w->mutex);
	if (failed)
		w->result->error = -ENOMEM;
	if (--w->active == 0)
		pthread_cond_broadcast(&w->idle);
	pthread_mutex_unlock(&w->mutex);
}

static void
work_put(struct work *w)
{
	bool last;

	pthread_mutex_lock(&w->mutex);
	last = --w->refs == 0;
	pthread_mutex_unlock(&w->mutex);
	if (!last)
		return;
	pthread_cond_destroy(&w->idle);
	pthread_mutex_destroy(&w->keeping);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}

static void
work_on(struct work *w)
{
	struct chunk *k = NULL;
	uint64_t range;

	/* Someone who comes too late must not touch the subject: the range first. */
	while (take_range(w, &range)) {
		if (k != NULL || (k = chunk_new(w)) != NULL)
			verify_range(w, k, range);
		range_done(w, k == NULL);
	}
	chunk_free(k);
}

static void
help(void *arg)
{
	work_on(arg);
	work_put(arg);
}

static void
call_helpers(struct work *w)
{
	unsigned threads = pool_threads(w->s->c->pool);
	bool room = true;

	for (unsigned n = 1; room && n < threads && n < w->range_count; n++) {
		/* A helper may be done with it before pool_try returns. */
		pthread_mutex_lock(&w->mutex);
		w->refs++;
		pthread_mutex_unlock(&w->mutex);
		room = pool_try(w->s->c->pool, help, w);
	}
	if (!room) {
		/* Not the last one: the caller's own is left. */
		pthread_mutex_lock(&w->mutex);
		w->refs--;
		pthread_mutex_unlock(&w->mutex);
	}
}

static void
open_files(struct work *w)
{
	struct subject *s = w->s;
	struct replica *r;
	int rc;

	for (unsigned i = 0; i < MEMBERS_MAX; i++)
		w->file[i] = REPLICA_NONE;
	for (unsigned i = 0; i < s->c->count; i++) {
		if (!s->fresh[i] && !subject_present(s, i))
			continue;
		r = s->c->members[i].r;
		if ((rc = r->ops->open(r, s->at[i], s->c->repairing, &w->file[i], NULL)) != 0) {
			w->file[i] = REPLICA_NONE;
			atomic_store(&s->c->incomplete, true);
			subject_found(s, INODE_UNREADABLE, (int)i, OUTCOME_LEFT, rc, NULL);
			continue;
		}
		/* What counts is on the disk. */
		r->ops->drop_cache(r, w->file[i]);
	}
}

void
blocks_verify(struct subject *s, const struct record *record, struct pages *pages,
    bool only_count, struct blocks_result *result)
{
	struct work *w;
	struct replica *r;

	memset(result, 0, sizeof(*result));
	if ((w = calloc(1, sizeof(*w))) == NULL) {
		result->error = -ENOMEM;
		return;
	}
	pthread_mutex_init(&w->mutex, NULL);
	pthread_mutex_init(&w->keeping, NULL);
	pthread_cond_init(&w->idle, NULL);
	w->refs = 1;
	w->s = s;
	w->record = record;
	w->pages = pages;
	w->only_count = only_count;
	w->result = result;
	w->range_count = (record->size + RANGE_CHUNKS * CHUNK_SIZE - 1) / (RANGE_CHUNKS * CHUNK_SIZE);
	open_files(w);
	call_helpers(w);
	work_on(w);

	pthread_mutex_lock(&w->mutex);
	while (w->active > 0)
		pthread_cond_wait(&w->idle, &w->mutex);
	pthread_mutex_unlock(&w->mutex);
	for (unsigned i = 0; i < s->c->count; i++) {
		r = s->c->members[i].r;
		if (w->file[i] != REPLICA_NONE)
			r->ops->close(r, w->file[i]);
	}
	work_put(w);
}
