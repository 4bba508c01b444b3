#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "volume/blocks.h"
#include "volume/file.h"
#include "volume/files.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/pages.h"
#include "volume/store.h"
#include "volume/torn.h"

struct torn *
torn_new(const struct volume *v)
{
	return calloc(1, sizeof(struct torn) + (size_t)v->member_count * RECORD_SIZE_MAX);
}

static uint64_t
blocks_of(uint64_t size)
{
	return size / BLOCK + (size % BLOCK != 0);
}

/* Tags for the length that the file has: its record may be of another. */
static int
fit_tags(struct volume *v, struct node *node, struct file *file)
{
	struct pages_context context = { v, node, file };
	const struct tags_source source = { pages_load, pages_next, &context };
	uint64_t blocks = blocks_of(node->size);
	int rc;

	if (blocks == 0) {
		tags_inline_again(file->tags);
		return 0;
	}
	if ((rc = tags_cut(file->tags, &source, blocks)) != 0)
		return rc;
	if (tags_paged(file->tags) && !v->no_writes)
		pages_cut(v, node, file, tags_pages(blocks));
	return tags_prepare(file->tags, &source, blocks - 1, 1);
}

int
torn_load(struct volume *v, struct node *node, struct file **out)
{
	const struct torn *torn = node->torn;
	struct record record;
	int rc;

	rc = record_decode(&v->digest, torn->bytes[torn->newest], (size_t)torn->len[torn->newest], &record);
	if (rc != 0 || (rc = files_from(v, &record, out)) != 0)
		return rc;
	if ((rc = fit_tags(v, node, *out)) != 0) {
		files_unload(v, *out);
		*out = NULL;
	}
	return rc;
}

void
torn_stored(struct torn *torn, const uint8_t *record, size_t len)
{
	memcpy(torn->bytes[torn->newest], record, len);
	torn->len[torn->newest] = (int)len;
}

/* What the member's own record says of the block. */
static bool
own_tag(struct volume *v, struct member *m, struct node *node, uint64_t index, struct record *record, uint8_t *tag)
{
	const struct torn *torn = node->torn;
	uint8_t page[TAGPAGE_SIZE];
	int len = torn->len[m->index];

	if (len == 0 || record_decode(&v->digest, torn->bytes[m->index], (size_t)len, record) != 0 ||
	    index >= blocks_of(record->size))
		return false;
	if (record->kind == RECORD_INLINE) {
		memcpy(tag, record->tags + index * DIGEST_SIZE, DIGEST_SIZE);
		return true;
	}
	/* A page that holds nothing may be one that was never written. */
	if (pages_read(v, m, node, node->file, index / TAGPAGE_TAGS, page) != 0 || digest_zeros(page, TAGPAGE_SIZE))
		return false;
	memcpy(tag, tagpage_tag(page, (unsigned)(index % TAGPAGE_TAGS)), DIGEST_SIZE);
	return true;
}

/* All copies of one block. */
struct copies {
	struct member *m[VOLUME_REPLICAS_MAX];
	unsigned count;
	uint8_t *data;			/* BLOCK bytes each */
};

static void
copies_read(struct volume *v, struct node *node, uint64_t index, size_t len, struct copies *c)
{
	struct member *m;
	uint8_t *data;
	ssize_t n;

	c->count = 0;
	for_each_member(v, m) {
		data = c->data + (size_t)c->count * BLOCK;
		n = m->r->ops->pread(m->r, node->file->handle[m->index], data, len, index * BLOCK);
		if (n < 0)
			continue;
		memset(data + n, 0, BLOCK - (size_t)n);
		c->m[c->count++] = m;
	}
}

static int
choose_own(struct volume *v, struct node *node, uint64_t index, const struct copies *c)
{
	uint8_t want[DIGEST_SIZE], tag[DIGEST_SIZE];
	uint64_t generation = 0;
	struct record record;
	unsigned i;
	int best = -1;

	for (i = 0; i < c->count; i++) {
		if (!own_tag(v, c->m[i], node, index, &record, want) || (best >= 0 && record.generation <= generation))
			continue;
		digest_tag(&v->digest, c->data + (size_t)i * BLOCK, BLOCK, tag);
		if (!digest_equal(tag, want))
			continue;
		best = (int)i;
		generation = record.generation;
	}
	return best;
}

static int
choose_agreeing(const struct copies *c)
{
	unsigned i, j;

	for (i = 0; i < c->count; i++) {
		for (j = i + 1; j < c->count; j++) {
			if (memcmp(c->data + (size_t)i * BLOCK, c->data + (size_t)j * BLOCK, BLOCK) == 0)
				return (int)i;
		}
	}
	return -1;
}

/* The decision, with its reason; the administrator hears of one block a file. */
static void
report(struct volume *v, struct node *node, uint64_t index, const struct member *m, const char *why, bool doubtful)
{
	char path[NODES_PATH_MAX];

	if (!doubtful) {
		log_debug("%s: block %" PRIu64 " was being written when the volume stopped: that of %s is kept, %s",
		    nodes_path(v, node, path, sizeof(path)), index, m->r->path, why);
	} else if (!node->torn->reported) {
		node->torn->reported = true;
		log_warning("%s: block %" PRIu64 " was being written when the volume stopped, and differs on all replicas: "
		    "that of %s is kept, %s", nodes_path(v, node, path, sizeof(path)), index, m->r->path, why);
	}
}

struct member *
torn_choose(struct volume *v, struct node *node, uint64_t index, uint8_t *tag, uint8_t *data)
{
	size_t len = node->size - index * BLOCK < BLOCK ? (size_t)(node->size - index * BLOCK) : BLOCK;
	struct pages_context context = { v, node, node->file };
	const struct tags_source source = { pages_load, pages_next, &context };
	struct copies c = { .data = malloc((size_t)VOLUME_REPLICAS_MAX * BLOCK) };
	const char *why = "which matches its own record";
	struct member *m = NULL;
	bool doubtful = false;
	int chosen;

	if (c.data == NULL || tags_prepare(node->file->tags, &source, index, 1) != 0)
		goto done;
	copies_read(v, node, index, len, &c);
	if (c.count == 0)
		goto done;
	if ((chosen = choose_own(v, node, index, &c)) < 0) {
		why = c.count > 1 ? "for others agree with it" : "for there is no other";
		chosen = c.count > 1 ? choose_agreeing(&c) : 0;
	}
	if (chosen < 0) {
		why = "for its number is the lowest";
		doubtful = true;
		chosen = 0;
	}
	m = c.m[chosen];
	memcpy(data, c.data + (size_t)chosen * BLOCK, BLOCK);
	digest_tag(&v->digest, data, BLOCK, tag);
	tags_set(node->file->tags, index, 1, tag);
	store_later(v, node);
	report(v, node, index, m, why, doubtful);

done:
	free(c.data);
	return m;
}

/* A piece of the file on all members, its tags first. */
static void
finish_piece(struct volume *v, struct node *node, uint64_t first, uint64_t count)
{
	struct member *m;
	uint64_t page;

	for (page = first / TAGPAGE_TAGS; tags_paged(node->file->tags) && page <= (first + count - 1) / TAGPAGE_TAGS; page++)
		pages_equalise(v, node, node->file, page);
	for_each_member(v, m)
		blocks_prove(v, node, m, first, count);
}

/* All blocks are settled: what the record says of them as a whole. */
static int
finish_file(struct volume *v, struct node *node)
{
	struct pages_context context = { v, node, node->file };
	const struct tags_source source = { pages_load, pages_next, &context };
	uint8_t sum[DIGEST_SIZE] = { 0 };
	int rc = 0;

	if (tags_paged(node->file->tags)) {
		memcpy(sum, tags_sum(node->file->tags), DIGEST_SIZE);
		rc = tags_sum_again(node->file->tags, &source);
		node->torn->sealed = node->torn->sealed && digest_equal(sum, tags_sum(node->file->tags));
	} else if (node->nlink > 0) {
		pages_remove(v, node_key(node));
	}
	if (rc != 0)
		return rc;
	if (!node->torn->sealed)
		store_later(v, node);
	free(node->torn);
	node->torn = NULL;
	return 0;
}

int
torn_finish(struct volume *v, struct node *node)
{
	uint64_t next = 0, count, blocks;
	bool done = false;
	int rc = 0;

	while (!done && rc == 0) {
		pthread_rwlock_rdlock(&v->tree);
		pthread_rwlock_wrlock(&node->lock);
		blocks = blocks_of(node->size);
		count = FILE_IO_MAX / BLOCK;
		if (node->torn == NULL) {
			done = true;
		} else if ((rc = files_use_locked(v, node, FILES_READ_ALL)) != 0) {
			;
		} else if (next < blocks) {
			count = count < blocks - next ? count : blocks - next;
			finish_piece(v, node, next, count);
			next += count;
		} else {
			rc = finish_file(v, node);
			done = true;
		}
		pthread_rwlock_unlock(&node->lock);
		pthread_rwlock_unlock(&v->tree);
		if (!done && atomic_load(&v->walker_stop))
			rc = -ECANCELED;
	}
	return rc;
}
