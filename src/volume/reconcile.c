#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "meta/copy.h"
#include "meta/stamp.h"
#include "meta/tagfile.h"
#include "util/log.h"
#include "volume/members.h"
#include "volume/reconcile.h"

static bool
sealed(const struct judge_fact *fact)
{
	return fact->error == 0 && fact->record_error == 0 && fact->meta_matches &&
	    (uint64_t)fact->st.st_size == fact->record.size &&
	    fact->st.st_mtim.tv_sec == fact->record.mtime.tv_sec &&
	    fact->st.st_mtim.tv_nsec == fact->record.mtime.tv_nsec;
}

bool
reconcile_needed(const struct reconcile_copy *copies, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		if (!sealed(copies[i].fact) || copies[i].fact->record.id != copies[0].fact->record.id ||
		    copies[i].fact->record.generation != copies[0].fact->record.generation)
			return true;
	}
	return false;
}

/* The copy with the newest valid record, or NULL. */
static struct reconcile_copy *
newest(struct reconcile_copy *copies, unsigned count)
{
	struct reconcile_copy *best = NULL;
	unsigned i;

	for (i = 0; i < count; i++) {
		if (copies[i].fact->record_error == 0 &&
		    (best == NULL || copies[i].fact->record.generation > best->fact->record.generation))
			best = &copies[i];
	}
	return best;
}

/* How long should the file be? */
static uint64_t
choose_size(const struct reconcile_copy *copies, unsigned count, const struct reconcile_copy *record)
{
	bool agree = true, recorded = false;
	unsigned i;

	for (i = 0; i < count; i++) {
		agree = agree && copies[i].fact->st.st_size == copies[0].fact->st.st_size;
		recorded = recorded || (record != NULL &&
		    (uint64_t)copies[i].fact->st.st_size == record->fact->record.size);
	}
	return agree || !recorded ? (uint64_t)copies[0].fact->st.st_size : record->fact->record.size;
}

/* All that is held while one file is gone through. */
struct work {
	struct volume *v;
	struct reconcile_copy *copies;
	unsigned count;
	const char *path;
	replica_handle handle[VOLUME_REPLICAS_MAX];
	struct tagfile_reader reader;
	bool have_tags;
	uint64_t size;
	unsigned undecided;		/* blocks in which no two copies agree */
	uint8_t *data;			/* a block for each copy */
};

/* Which copy of block ${index} is to stand?  -1: none could be read. */
static int
choose_block(struct work *w, uint64_t index, size_t len, const bool *readable)
{
	uint8_t tag[DIGEST_SIZE], found[DIGEST_SIZE];
	unsigned i, j;
	int first = -1;

	if (w->have_tags && tagfile_reader_get(&w->reader, index, tag) == 0) {
		for (i = 0; i < w->count; i++) {
			digest_tag(&w->v->digest, w->data + i * BLOCK, len, found);
			if (readable[i] && memcmp(found, tag, DIGEST_SIZE) == 0)
				return (int)i;
		}
	}
	for (i = 0; i < w->count; i++) {
		if (!readable[i])
			continue;
		if (first < 0)
			first = (int)i;
		for (j = i + 1; j < w->count; j++) {
			if (readable[j] && memcmp(w->data + i * BLOCK, w->data + j * BLOCK, len) == 0)
				return (int)i;
		}
	}
	if (w->count > 1 && first >= 0 && w->undecided++ == 0)
		log_warning("%s: block %" PRIu64 " was being written when the volume stopped, and differs on all "
		    "replicas: that of %s is kept", w->path, index, w->copies[first].m->r->path);
	return first;
}

static int
equalise_block(struct work *w, uint64_t index)
{
	size_t len = w->size - index * BLOCK < BLOCK ? (size_t)(w->size - index * BLOCK) : BLOCK;
	bool readable[VOLUME_REPLICAS_MAX] = { false };
	const uint8_t *right;
	struct member *m;
	unsigned i;
	int chosen;
	ssize_t n;

	for (i = 0; i < w->count; i++) {
		n = w->copies[i].m->r->ops->pread(w->copies[i].m->r, w->handle[i], w->data + i * BLOCK, len, index * BLOCK);
		readable[i] = n >= 0;
		if (n < (ssize_t)len)
			memset(w->data + i * BLOCK + (n < 0 ? 0 : n), 0, len - (size_t)(n < 0 ? 0 : n));
	}
	if ((chosen = choose_block(w, index, len, readable)) < 0)
		return -EIO;
	right = w->data + (unsigned)chosen * BLOCK;
	for (i = 0; i < w->count; i++) {
		m = w->copies[i].m;
		if (readable[i] && memcmp(w->data + i * BLOCK, right, len) == 0)
			continue;
		n = m->r->ops->pwrite(m->r, w->handle[i], right, len, index * BLOCK);
		if (n != (ssize_t)len)
			return n < 0 ? (int)n : -ENOSPC;
	}
	return 0;
}

static int
equalise(struct work *w)
{
	struct replica_privs privs[VOLUME_REPLICAS_MAX];
	uint64_t index;
	struct member *m;
	unsigned i;
	int rc = 0;

	assert(w->count > 0);
	if ((w->data = malloc((size_t)w->count * BLOCK)) == NULL)
		return -ENOMEM;
	for (i = 0; rc == 0 && i < w->count; i++) {
		m = w->copies[i].m;
		replica_privs_get(m->r, w->copies[i].at, &privs[i]);
		rc = m->r->ops->open(m->r, w->copies[i].at, true, &w->handle[i], NULL);
		if (rc == 0 && (uint64_t)w->copies[i].fact->st.st_size != w->size)
			rc = m->r->ops->truncate(m->r, w->handle[i], w->size);
	}
	for (index = 0; rc == 0 && index * BLOCK < w->size; index++)
		rc = equalise_block(w, index);
	for (i = 0; rc == 0 && i < w->count; i++)
		rc = replica_privs_put(w->copies[i].m->r, w->copies[i].at, &privs[i]);
	free(w->data);
	return rc;
}

/* The record that all copies get: the source's is stamped, the others' copied. */
static int
stamp_all(struct volume *v, struct reconcile_copy *copies, unsigned count, unsigned source, uint64_t id, uint64_t generation)
{
	struct reconcile_copy *from = &copies[source];
	struct record record = { .id = id, .generation = generation };
	uint8_t tags[RECORD_TAGS_MAX * DIGEST_SIZE];
	struct copy c = { .digest = &v->digest, .src = from->m->r, .src_tags = from->m->tags };
	unsigned i;
	int rc;

	if ((rc = stamp_file(from->m->r, from->m->tags, from->at, &v->digest, &record, tags)) != 0)
		return rc;
	for (i = 0; i < count; i++) {
		if (i == source)
			continue;
		c.dst = copies[i].m->r;
		c.dst_tags = copies[i].m->tags;
		if ((rc = copy_meta(&c, from->at, copies[i].at)) != 0 ||
		    (rc = copy_tags(&c, &record)) != 0 ||
		    (rc = copy_finish(&c, from->at, copies[i].at)) != 0)
			return rc;
	}
	return 0;
}

int
reconcile_file(struct volume *v, struct reconcile_copy *copies, unsigned count, unsigned source, const char *path)
{
	struct reconcile_copy *record = newest(copies, count);
	struct work w = { .v = v, .copies = copies, .count = count, .path = path };
	uint64_t id, generation = 0;
	unsigned i;
	int rc;

	for (i = 0; i < count; i++)
		w.handle[i] = REPLICA_NONE;
	if (record != NULL) {
		id = record->fact->record.id;
		generation = record->fact->record.generation;
		w.have_tags = true;
		tagfile_reader_open(&w.reader, record->m->r, record->m->tags, &v->digest, &record->fact->record);
	} else if ((rc = members_new_id(v, VOLUME_ROOT_ID, &id)) != 0) {
		return rc;
	}
	if ((rc = members_mark(v, id, id)) != 0)
		goto done;
	w.size = choose_size(copies, count, record);
	if ((rc = equalise(&w)) != 0)
		goto done;
	rc = stamp_all(v, copies, count, source, id, generation + 1);
	log_info("%s: reconciled after an unclean stop", path);

done:
	if (w.have_tags)
		tagfile_reader_close(&w.reader);
	for (i = 0; i < count; i++) {
		if (w.handle[i] != REPLICA_NONE)
			copies[i].m->r->ops->close(copies[i].m->r, w.handle[i]);
	}
	return rc;
}

int
reconcile_bare_directory(struct volume *v, struct reconcile_copy *copy)
{
	struct record record = { .generation = 1 };
	int rc;

	if (copy->fact->record_error == 0) {
		record = copy->fact->record;
		record.generation++;
	} else if ((rc = members_new_id(v, VOLUME_ROOT_ID, &record.id)) != 0) {
		return rc;
	}
	if ((rc = members_mark(v, record.id, record.id)) != 0)
		return rc;
	return stamp_directory(copy->m->r, copy->at, &v->digest, &record);
}
