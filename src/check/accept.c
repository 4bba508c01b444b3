#include "check/accept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check/membership.h"
#include "check/subject.h"
#include "meta/stamp.h"
#include "meta/tagfile.h"

int
accept_begin(struct check *c)
{
	int rc = 0;

	pthread_mutex_lock(&c->events_lock);
	if (!atomic_load(&c->events_begun)) {
		if ((rc = membership_move(c)) == 0)
			atomic_store(&c->events_begun, true);
	}
	pthread_mutex_unlock(&c->events_lock);
	return rc;
}

uint64_t
accept_generation(const struct subject *s)
{
	uint64_t highest = 0;

	for (unsigned i = 0; i < s->c->count; i++) {
		if (s->asked[i] && s->facts[i].error == 0 && s->facts[i].record_error == 0 &&
		    s->facts[i].record.generation > highest)
			highest = s->facts[i].record.generation;
	}
	return highest + 1;
}

int
accept_meta(struct subject *s, unsigned i)
{
	struct replica_times times = { .atime.tv_nsec = UTIME_OMIT, .mtime.tv_nsec = UTIME_OMIT };
	struct record record = s->facts[i].record;
	struct replica *r = s->c->members[i].r;
	uint8_t bytes[RECORD_SIZE_MAX];
	int rc, len;

	if ((rc = accept_begin(s->c)) != 0)
		return rc;
	rc = stamp_meta(r, s->at[i], &s->c->digest, &s->facts[i].st, &record.meta);
	if (rc != 0)
		return rc;
	record.generation = accept_generation(s);
	if ((len = record_encode(&s->c->digest, &record, bytes, sizeof(bytes))) < 0)
		return len;
	atomic_store(&s->c->touched, true);
	return r->ops->store(r, s->at[i], &times, bytes, (size_t)len);
}

int
accept_file(struct subject *s, unsigned i, uint64_t id)
{
	uint8_t tags[RECORD_TAGS_MAX * DIGEST_SIZE];
	struct member *m = &s->c->members[i];
	struct record record = { .id = id, .generation = accept_generation(s) };
	int rc;

	if ((rc = accept_begin(s->c)) != 0)
		return rc;
	atomic_store(&s->c->touched, true);
	return stamp_file(m->r, m->tags, s->at[i], &s->c->digest, &record, tags);
}

int
accept_directory(struct subject *s, uint64_t id)
{
	struct record record = { .id = id, .generation = accept_generation(s) };
	unsigned i = 0;
	int rc;

	while (i < s->c->count && (!subject_present(s, i) || s->c->members[i].stale))
		i++;
	if (i == s->c->count)
		return -ENOENT;
	if ((rc = accept_begin(s->c)) != 0)
		return rc;
	atomic_store(&s->c->touched, true);
	return stamp_directory(s->c->members[i].r, s->at[i], &s->c->digest, &record);
}

#define CHUNK_SIZE ((size_t)1024 * 1024)

/* What one copy's data is: its digest, and whether it is what its own record says. */
struct summary { bool valid, own; uint8_t sum[DIGEST_SIZE]; };

static void
sum_block(const struct digest *digest, const uint8_t *data, size_t len, uint64_t block,
    struct tagfile_reader *tags, struct summary *out)
{
	uint8_t mixed[DIGEST_SIZE + 8], tag[DIGEST_SIZE], want[DIGEST_SIZE];

	digest_tag(digest, data, len, tag);
	if (tags != NULL && (tagfile_reader_get(tags, block, want) != 0 || !digest_equal(tag, want)))
		out->own = false;
	memcpy(mixed, tag, DIGEST_SIZE);
	memcpy(mixed + DIGEST_SIZE, &block, 8);
	digest_bytes(digest, DIGEST_TAG, mixed, sizeof(mixed), tag);
	digest_xor(out->sum, tag);
}

static int
sum_data(struct subject *s, unsigned i, replica_handle file, uint8_t *data,
    struct tagfile_reader *tags, struct summary *out)
{
	struct replica *r = s->c->members[i].r;
	uint64_t offset = 0;
	size_t len;
	ssize_t got;

	while ((got = r->ops->pread(r, file, data, CHUNK_SIZE, offset)) > 0) {
		for (size_t at = 0; at < (size_t)got; at += BLOCK) {
			len = (size_t)got - at < BLOCK ? (size_t)got - at : BLOCK;
			sum_block(&s->c->digest, data + at, len, (offset + at) / BLOCK, tags, out);
		}
		offset += (uint64_t)got;
	}
	return (int)got;
}

static void
summarize(struct subject *s, unsigned i, struct summary *out)
{
	const struct judge_fact *fact = &s->facts[i];
	struct member *m = &s->c->members[i];
	replica_handle file = REPLICA_NONE;
	struct tagfile_reader *tags = NULL;
	uint8_t *data;
	int rc;

	memset(out, 0, sizeof(*out));
	if ((data = malloc(CHUNK_SIZE)) == NULL)
		return;
	out->own = fact->record_error == 0 && fact->record.size == (uint64_t)fact->st.st_size;
	if (out->own && (tags = malloc(sizeof(*tags))) != NULL)
		tagfile_reader_open(tags, m->r, m->tags, &s->c->digest, &fact->record);
	if ((rc = m->r->ops->open(m->r, s->at[i], false, &file, NULL)) == 0) {
		rc = sum_data(s, i, file, data, tags, out);
		m->r->ops->close(m->r, file);
	}
	out->valid = rc == 0;
	out->own = out->own && tags != NULL;
	if (tags != NULL)
		tagfile_reader_close(tags);
	free(tags);
	free(data);
}

static unsigned
agreeing(const struct summary *all, unsigned count, unsigned with)
{
	unsigned votes = 0;

	for (unsigned i = 0; i < count; i++)
		votes += all[i].valid && memcmp(all[i].sum, all[with].sum, DIGEST_SIZE) == 0;
	return votes;
}

int
accept_choose(struct subject *s, bool *own, unsigned *which)
{
	struct summary all[MEMBERS_MAX];
	unsigned votes, votes_max = 0;
	int best = -1;

	for (unsigned i = 0; i < s->c->count; i++) {
		all[i].valid = false;
		if (!subject_present(s, i) || s->c->members[i].stale)
			continue;
		summarize(s, i, &all[i]);
		if (!all[i].valid || !all[i].own)
			continue;
		if (best < 0 || s->facts[i].record.generation > s->facts[best].record.generation)
			best = (int)i;
	}
	*own = best >= 0;
	for (unsigned i = 0; best < 0 && i < s->c->count; i++) {
		if (all[i].valid && (votes = agreeing(all, s->c->count, i)) > votes_max) {
			votes_max = votes;
			*which = i;
		}
	}
	if (best >= 0)
		*which = (unsigned)best;
	return best >= 0 || votes_max > 0 ? 0 : -ENOENT;
}
