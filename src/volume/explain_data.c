#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/tagfile.h"
#include "volume/blocks.h"
#include "volume/explain_private.h"
#include "volume/files.h"
#include "volume/nodes.h"
#include "volume/pages.h"

#define SLICE_BLOCKS TAGPAGE_TAGS	/* one page's */
#define TRIES_MAX 5			/* for a slice of which the file changes all the while */

/* Some blocks of a file, none beyond one page of tags. */
struct slice {
	uint64_t first;
	unsigned count;
	uint64_t size;			/* the file's */
	bool tagged;			/* ${tags} are known */
	uint8_t tags[SLICE_BLOCKS * DIGEST_SIZE];
	bool bad[VOLUME_REPLICAS_MAX][SLICE_BLOCKS];
	bool read[VOLUME_REPLICAS_MAX];
	bool bad_page[VOLUME_REPLICAS_MAX];
	bool any_bad;
	int error[VOLUME_REPLICAS_MAX];
	uint8_t *data;			/* aligned; SLICE_BLOCKS * BLOCK bytes, */
	uint8_t *page[2];		/* TAGPAGE_SIZE each */
};

/* How many bytes of the slice's block ${b} the file has. */
static size_t
block_len(const struct slice *s, unsigned b)
{
	uint64_t start = (s->first + b) * BLOCK;

	if (start >= s->size)
		return 0;
	return s->size - start < BLOCK ? (size_t)(s->size - start) : BLOCK;
}

/* ---- tags */

/* A page for meta/tags, from the first member that has it, without mending any. */
static int
page_load(void *arg, uint64_t index, uint8_t *page)
{
	const struct pages_context *c = arg;
	uint8_t one[TAGPAGE_SIZE];
	bool any = false;
	struct member *m;

	memset(page, 0, TAGPAGE_SIZE);
	for_each_member(c->volume, m) {
		if (pages_read(c->volume, m, c->node, c->file, index, one) != 0)
			continue;
		any = true;
		if (digest_zeros(one, TAGPAGE_SIZE))
			continue;
		memcpy(page, one, TAGPAGE_SIZE);
		return 0;
	}
	return any ? 0 : -EBADMSG;
}

/* The file is in use: memory has its tags.  Node lock. */
static void
tags_from_memory(struct explain *x, struct node *node, struct slice *s)
{
	struct pages_context context = { x->v, node, node->file };
	const struct tags_source source = { page_load, pages_next, &context };

	pthread_mutex_lock(&node->file->mutex);
	s->tagged = tags_get(node->file->tags, &source, s->first, s->count, s->tags) == 0;
	if (tags_paged(node->file->tags) && !node->file->keep_pages)
		files_account(x->v, node->file);
	pthread_mutex_unlock(&node->file->mutex);
}

/* One replica's page, from its disk; zeros where there is none. */
static int
page_of(struct explain *x, unsigned i, uint64_t index, uint8_t *page)
{
	if (x->tags[i] != REPLICA_NONE)
		return tagfile_read(x->r[i], x->tags[i], &x->v->digest, x->record.id, index, page);
	memset(page, 0, TAGPAGE_SIZE);
	return digest_is_zero(x->record.sum) ? 0 : -ENOENT;
}

/* The page that is right, by its own check, in page[0]; and whose is not. */
static bool
survey_page(struct explain *x, struct slice *s)
{
	uint64_t index = s->first / TAGPAGE_TAGS;
	bool found = false;
	unsigned i;

	for (i = 0; i < x->out->count; i++) {
		if (x->file[i] == REPLICA_NONE || page_of(x, i, index, s->page[1]) != 0)
			continue;
		/* A page of zeros may be a lost one: any other comes before it. */
		if (!found || digest_zeros(s->page[0], TAGPAGE_SIZE))
			memcpy(s->page[0], s->page[1], TAGPAGE_SIZE);
		found = true;
	}
	for (i = 0; found && i < x->out->count; i++) {
		if (x->file[i] != REPLICA_NONE)
			s->bad_page[i] = page_of(x, i, index, s->page[1]) != 0 || memcmp(s->page[0], s->page[1], TAGPAGE_SIZE) != 0;
	}
	return found;
}

/* As the record says, or the tags files. */
static void
tags_from_disk(struct explain *x, struct slice *s)
{
	unsigned b;

	memset(s->tags, 0, sizeof(s->tags));
	s->tagged = true;
	for (b = 0; b < s->count && x->record.kind == RECORD_INLINE; b++) {
		if (s->first + b < x->record.tag_count)
			memcpy(s->tags + b * DIGEST_SIZE, x->record.tags + (s->first + b) * DIGEST_SIZE, DIGEST_SIZE);
	}
	if (x->record.kind == RECORD_PAGED && (s->tagged = survey_page(x, s)))
		memcpy(s->tags, tagpage_tag(s->page[0], (unsigned)(s->first % TAGPAGE_TAGS)), s->count * DIGEST_SIZE);
}

/* -EAGAIN: the record that is at hand is not the file's any more. */
static int
slice_tags(struct explain *x, struct node *node, struct slice *s)
{
	bool in_memory = node != NULL && node->file != NULL;

	s->size = node != NULL ? node->size : x->record.size;
	if (in_memory)
		tags_from_memory(x, node, s);
	/* What is about to be stored says nothing about what is on disk. */
	if (node != NULL && (node->dirty || node->generation == 0))
		return in_memory ? 0 : -EAGAIN;
	if (x->record.generation == 0 || (node != NULL && node->generation != x->record.generation))
		return -EAGAIN;
	if (!in_memory)
		tags_from_disk(x, s);
	else if (x->record.kind == RECORD_PAGED)
		(void)survey_page(x, s);
	return 0;
}

/* ---- data */

/* ${data} has ${n} bytes.  What was cut off meanwhile is not there to be bad. */
static bool
is_bad(const struct explain *x, const struct slice *s, unsigned b, const uint8_t *data, ssize_t n)
{
	size_t len = block_len(s, b);

	return len > 0 && (n < (ssize_t)len || (s->tagged && !blocks_match(x->v, s->tags + b * DIGEST_SIZE, data, len)));
}

/* Some of it cannot be read: which blocks? */
static void
read_singly(struct explain *x, struct slice *s, unsigned i)
{
	uint8_t *at;
	unsigned b;
	ssize_t n;

	for (b = 0; b < s->count; b++) {
		at = s->data + (size_t)b * BLOCK;
		n = x->r[i]->ops->pread(x->r[i], x->file[i], at, BLOCK, (s->first + b) * BLOCK);
		s->bad[i][b] = is_bad(x, s, b, at, n);
		if (n < 0)
			s->error[i] = (int)n;
	}
}

static void
read_replica(struct explain *x, struct slice *s, unsigned i)
{
	unsigned b;
	ssize_t n;

	s->read[i] = true;
	n = x->r[i]->ops->pread(x->r[i], x->file[i], s->data, (size_t)s->count * BLOCK, s->first * BLOCK);
	if (n < 0) {
		read_singly(x, s, i);
	} else {
		for (b = 0; b < s->count; b++)
			s->bad[i][b] = is_bad(x, s, b, s->data + (size_t)b * BLOCK, n - (ssize_t)b * BLOCK);
	}
	for (b = 0; b < s->count; b++)
		s->any_bad = s->any_bad || s->bad[i][b];
}

/* ---- one slice after the other */

static void
runs_add(struct explain_runs *runs, uint64_t block)
{
	struct explain_run *last = runs->count > 0 ? &runs->run[runs->count - 1] : NULL;
	/* Once some were left out, the last that is listed is not grown any more. */
	bool whole = true;
	uint64_t listed = 0;
	unsigned i;

	for (i = 0; i < runs->count; i++)
		listed += runs->run[i].count;
	whole = listed == runs->blocks;
	runs->blocks++;
	if (!whole)
		return;
	if (last != NULL && last->first + last->count == block)
		last->count++;
	else if (runs->count < EXPLAIN_RUNS_MAX)
		runs->run[runs->count++] = (struct explain_run){ block, 1 };
}

static void
account_block(struct explain *x, const struct slice *s, unsigned b)
{
	bool good = false, any = false;
	unsigned i;

	for (i = 0; i < x->out->count; i++) {
		if (!s->read[i])
			continue;
		any = true;
		good = good || !s->bad[i][b];
		if (s->bad[i][b])
			runs_add(&x->out->replicas[i].bad, s->first + b);
	}
	/* A block of zeros needs no source. */
	if (s->tagged && any && !good && !digest_is_zero(s->tags + b * DIGEST_SIZE))
		runs_add(&x->out->lost, s->first + b);
	x->out->unproved += !s->tagged;
}

static void
account(struct explain *x, const struct slice *s)
{
	unsigned b, i;

	for (b = 0; b < s->count; b++)
		account_block(x, s, b);
	for (i = 0; i < x->out->count; i++) {
		x->out->replicas[i].data_read |= s->read[i];
		x->out->replicas[i].bad_pages += s->bad_page[i];
		if (s->error[i] != 0)
			x->out->replicas[i].error = s->error[i];
	}
}

static void
slice_begin(struct slice *s)
{
	memset(s->bad, 0, sizeof(s->bad));
	memset(s->read, 0, sizeof(s->read));
	memset(s->bad_page, 0, sizeof(s->bad_page));
	memset(s->error, 0, sizeof(s->error));
	s->tagged = s->any_bad = false;
}

/* Has the record on disk stayed what it was, with nobody using the file? */
static bool
still_unused(struct explain *x)
{
	struct node *node = nodes_get(x->v, x->out->id);
	uint64_t generation = x->record.generation;
	bool same;

	if (node != NULL) {
		nodes_put(x->v, node);
		return false;
	}
	pthread_rwlock_rdlock(&x->v->tree);
	same = explain_record(x, 0) && x->record.generation == generation;
	pthread_rwlock_unlock(&x->v->tree);
	return same;
}

/* Once; -EAGAIN: it was being changed meanwhile. */
static int
try_slice(struct explain *x, struct slice *s)
{
	struct node *node = x->out->id != 0 ? nodes_get(x->v, x->out->id) : NULL;
	unsigned i;
	int rc;

	slice_begin(s);
	if (node != NULL)
		pthread_rwlock_rdlock(&node->lock);
	rc = slice_tags(x, node, s);
	for (i = 0; rc == 0 && i < x->out->count; i++) {
		if (x->file[i] != REPLICA_NONE && member_in_sync(&x->v->members[i]))
			read_replica(x, s, i);
	}
	if (node != NULL) {
		pthread_rwlock_unlock(&node->lock);
		nodes_put(x->v, node);
	} else if (rc == 0 && s->any_bad && !still_unused(x)) {
		/* Without a node nothing keeps writers out: what is bad is bad only if there were none. */
		rc = -EAGAIN;
	}
	return rc;
}

static void
do_slice(struct explain *x, struct slice *s)
{
	struct node *node;
	uint64_t generation;
	unsigned tries;

	for (tries = 0; try_slice(x, s) != 0; tries++) {
		if (tries == TRIES_MAX) {
			x->out->changing = true;
			x->out->unproved += s->count;
			return;
		}
		generation = 0;
		if ((node = nodes_get(x->v, x->out->id)) != NULL) {
			pthread_rwlock_rdlock(&node->lock);
			generation = node->generation;
			pthread_rwlock_unlock(&node->lock);
			nodes_put(x->v, node);
		}
		pthread_rwlock_rdlock(&x->v->tree);
		(void)explain_record(x, generation);
		pthread_rwlock_unlock(&x->v->tree);
	}
	account(x, s);
}

int
explain_data(struct explain *x)
{
	uint64_t blocks = (x->out->size + BLOCK - 1) / BLOCK, left;
	struct slice *s;
	int rc = -ENOMEM;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return -ENOMEM;
	if (posix_memalign((void **)&s->data, REPLICA_DIRECT_ALIGN, (SLICE_BLOCKS + 2) * (size_t)BLOCK) != 0) {
		s->data = NULL;
		goto done;
	}
	s->page[0] = s->data + (size_t)SLICE_BLOCKS * BLOCK;
	s->page[1] = s->page[0] + TAGPAGE_SIZE;
	rc = 0;
	for (; rc == 0 && s->first < blocks; s->first += s->count) {
		left = blocks - s->first;
		s->count = left < SLICE_BLOCKS ? (unsigned)left : SLICE_BLOCKS;
		do_slice(x, s);
		rc = x->stopped(x->arg) ? -ECANCELED : 0;
	}

done:
	free(s->data);
	free(s);
	return rc;
}
