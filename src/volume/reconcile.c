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
#include "volume/ways.h"

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

/*
 * Is this a copy on this machine that went on after the newest record, or with
 * none?  Then those that are far away may lag behind by more than one change.
 */
static bool
went_on(const struct reconcile_copy *copy, const struct reconcile_copy *record)
{
	if (copy->m->r->far)
		return false;
	return record == NULL || (copy->fact->record_error == 0 &&
	    copy->fact->record.generation == record->fact->record.generation &&
	    (uint64_t)copy->fact->st.st_size != record->fact->record.size);
}

/*
 * How long should the file be?  As the newest record says, if any copy is, else
 * as the shortest: where copies differ only the last change was cut off, and
 * what came before is on all of them.
 */
static uint64_t
choose_size(const struct reconcile_copy *copies, unsigned count, const struct reconcile_copy *record)
{
	uint64_t shortest = UINT64_MAX, longest = 0, size;
	bool recorded = false, ahead = false;
	unsigned i;

	for (i = 0; i < count; i++)
		ahead = ahead || went_on(&copies[i], record);
	for (i = 0; i < count; i++) {
		if (ahead && copies[i].m->r->far)
			continue;
		size = (uint64_t)copies[i].fact->st.st_size;
		shortest = size < shortest ? size : shortest;
		longest = size > longest ? size : longest;
		recorded = recorded || (record != NULL && size == record->fact->record.size);
	}
	return shortest != longest && recorded ? record->fact->record.size : shortest;
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
	} else if ((rc = members_next_id(v, &id)) != 0) {
		return rc;
	}
	if ((rc = ways_mark_id(v, id, false)) != 0)
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

/* All copies get the length. */
static int
equalise_length(const struct reconcile_copy *copies, unsigned count, uint64_t size, const char *path)
{
	replica_handle file;
	struct replica *r;
	unsigned i;
	int rc;

	for (i = 0; i < count; i++) {
		if ((uint64_t)copies[i].fact->st.st_size == size)
			continue;
		r = copies[i].m->r;
		if ((rc = r->ops->open(r, copies[i].at, true, &file, NULL)) != 0)
			return rc;
		rc = r->ops->truncate(r, file, size);
		r->ops->close(r, file);
		if (rc != 0)
			return rc;
		log_info("%s: %lld bytes long on replica %s after the unclean stop, and now %" PRIu64, path,
		    (long long)copies[i].fact->st.st_size, r->path, size);
	}
	return 0;
}

static bool
same_meta(const struct judge_fact *a, const struct judge_fact *b)
{
	return a->meta_matches && b->meta_matches && a->record_error == 0 && b->record_error == 0 &&
	    a->record.meta == b->record.meta;
}

/* All copies get owner, mode and attributes of ${source}. */
static int
equalise_meta(struct volume *v, const struct reconcile_copy *copies, unsigned count, unsigned source)
{
	struct copy c = { .digest = &v->digest, .src = copies[source].m->r };
	unsigned i;
	int rc;

	for (i = 0; i < count; i++) {
		if (i == source || same_meta(copies[i].fact, copies[source].fact))
			continue;
		c.dst = copies[i].m->r;
		if ((rc = copy_meta(&c, copies[source].at, copies[i].at)) != 0)
			return rc;
	}
	return 0;
}

/* What the node is to be: the newest record's tags, with all else as it is found. */
static int
begin_fact(struct volume *v, const struct reconcile_copy *from, const struct reconcile_copy *record, uint64_t size,
    bool at_rest, struct judge_fact *fact)
{
	int rc = 0;

	*fact = *from->fact;
	fact->record_error = 0;
	fact->record = record->fact->record;
	fact->record.size = size;
	if (!at_rest) {
		fact->record.mtime = from->fact->st.st_mtim;
		fact->record.ctime = from->fact->st.st_ctim;
	}
	if (from->fact->record_error == 0 && from->fact->meta_matches)
		fact->record.meta = from->fact->record.meta;
	else
		rc = stamp_meta(from->m->r, from->at, &v->digest, &from->fact->st, &fact->record.meta);
	fact->meta_matches = rc == 0;
	return rc;
}

int
reconcile_begin(struct volume *v, struct reconcile_copy *copies, unsigned count, unsigned source,
    const char *path, struct judge_fact *fact, struct torn **out)
{
	struct reconcile_copy *record = newest(copies, count);
	uint64_t size = choose_size(copies, count, record);
	struct torn *torn;
	bool at_rest = false;
	unsigned i, index;
	int rc;

	for (i = 0; i < count; i++)
		at_rest = at_rest || (sealed(copies[i].fact) && copies[i].fact->record.generation == record->fact->record.generation);
	if ((torn = torn_new(v)) == NULL)
		return -ENOMEM;
	torn->newest = record->m->index;
	torn->sealed = !reconcile_needed(copies, count);
	for (i = 0; i < count; i++) {
		index = copies[i].m->index;
		if (copies[i].fact->record_error != 0)
			continue;
		/* A record has one encoding: these are the bytes that were read. */
		rc = record_encode(&v->digest, &copies[i].fact->record, torn->bytes[index], RECORD_SIZE_MAX);
		torn->len[index] = rc < 0 ? 0 : rc;
	}
	if ((rc = begin_fact(v, &copies[source], record, size, at_rest, fact)) == 0 && !v->no_writes &&
	    (rc = equalise_length(copies, count, size, path)) == 0)
		rc = equalise_meta(v, copies, count, source);
	if (rc != 0) {
		free(torn);
		return rc;
	}
	if (!torn->sealed)
		log_info("%s: was being changed when the volume stopped: its blocks are settled as they are read", path);
	*out = torn;
	return 0;
}

int
reconcile_bare_directory(struct volume *v, struct reconcile_copy *copy)
{
	struct record record = { .generation = 1 };
	int rc;

	if (copy->fact->record_error == 0) {
		record = copy->fact->record;
		record.generation++;
	} else if ((rc = members_next_id(v, &record.id)) != 0) {
		return rc;
	}
	/* What is in it may be torn as well. */
	if ((rc = ways_mark_id(v, record.id, true)) != 0)
		return rc;
	return stamp_directory(copy->m->r, copy->at, &v->digest, &record);
}
