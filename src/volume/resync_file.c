/* Files: data by tags, then metadata, then the record. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "meta/gather.h"
#include "meta/quarantine.h"
#include "meta/tagfile.h"
#include "util/log.h"
#include "volume/blocks.h"
#include "volume/change.h"
#include "volume/files.h"
#include "volume/handles.h"
#include "volume/members.h"
#include "volume/missed.h"
#include "volume/nodes.h"
#include "volume/records.h"
#include "volume/resync_private.h"
#include "volume/room.h"
#include "volume/store.h"

#define NAMELESS "nameless.new"	/* in .mendfs, for a moment */
#define BATCH_BYTES (64u << 20)		/* as much data may wait to be made durable */
#define SAVE_FIRST 2			/* the member's version is to be kept before anything is written over it */
#define PAGE_BYTES (TAGPAGE_TAGS * BLOCK)
#define PAGES_AHEAD 256u		/* pages of a tags file whose digests are asked for at a time */

/* One file under way. */
struct work {
	struct node *node;
	struct replica_at to;
	bool fresh;
	bool suspect;			/* the member's own tags may not be its bytes' */
	bool attached;
	bool wrote;
	unsigned turn;			/* resync_ours's */
	uint8_t source[RECORD_SIZE_MAX], mine[RECORD_SIZE_MAX];
	size_t source_len;
	struct record record;
	struct judge_fact fact;
	struct tagfile_reader old;
	bool have_old;
	replica_handle file, tags;
	/* Of a member that is far away: digests of pages of its tags file, from this one on. */
	uint64_t there_first;
	unsigned there_count;
	uint8_t there[PAGES_AHEAD * DIGEST_SIZE];
};

static bool
same_record(const struct record *a, const struct record *b)
{
	if (a->kind != b->kind || a->generation != b->generation || a->id != b->id || a->size != b->size || a->meta != b->meta ||
	    a->mtime.tv_sec != b->mtime.tv_sec || a->mtime.tv_nsec != b->mtime.tv_nsec ||
	    a->ctime.tv_sec != b->ctime.tv_sec || a->ctime.tv_nsec != b->ctime.tv_nsec)
		return false;
	if (a->kind != RECORD_INLINE)
		return memcmp(a->sum, b->sum, DIGEST_SIZE) == 0;
	return a->tag_count == b->tag_count &&
	    (a->tag_count == 0 || memcmp(a->tags, b->tags, (size_t)a->tag_count * DIGEST_SIZE) == 0);
}

static bool
sealed(const struct judge_fact *fact)
{
	const struct record *record = &fact->record;

	return fact->record_error == 0 && (!S_ISREG(fact->st.st_mode) || (uint64_t)fact->st.st_size == record->size) &&
	    fact->st.st_mtim.tv_sec == record->mtime.tv_sec && fact->st.st_mtim.tv_nsec == record->mtime.tv_nsec;
}

/* Owner, mode and attributes: the latter, if there are any, from a member whose are proved. */
static int
copy_proved_meta(struct resync *r, struct node *node, struct replica_at to)
{
	struct copy c = { .digest = &r->v->digest, .dst = r->m->r, .src_tags = REPLICA_NONE, .dst_tags = REPLICA_NONE };
	const struct stat st = { .st_mode = node->mode, .st_uid = node->uid, .st_gid = node->gid };
	struct handles_place place;
	struct member *proved;
	int rc;

	if (!node->has_xattrs)
		return copy_bare(&c, &st, to);
	if ((rc = change_meta_before(r->v, node, &proved)) != 0 || (rc = handles_at(r->v, proved, node, &place)) != 0)
		return rc;
	c.src = proved->r;
	rc = copy_meta(&c, place.at, to);
	handles_at_done(r->v, &place);
	return rc;
}

int
resync_inode(struct resync *r, struct node *node, struct replica_at to)
{
	uint8_t data[RECORD_SIZE_MAX], mine[RECORD_SIZE_MAX];
	const struct replica_times times = { .atime.tv_nsec = UTIME_OMIT, .mtime = node->mtime };
	struct judge_fact fact;
	struct record record;
	size_t len;
	int rc;

	if ((rc = records_now(r->v, node, data, &record, &len)) != 0)
		return rc;
	gather_fact(r->m->r, to, &r->v->digest, mine, &fact);
	if (fact.error != 0)
		return fact.error;
	if (sealed(&fact) && fact.meta_matches && same_record(&fact.record, &record))
		return 0;
	r->changed++;
	if ((!fact.meta_matches || fact.record_error != 0 || fact.record.meta != record.meta) &&
	    (rc = copy_proved_meta(r, node, to)) != 0)
		return rc;
	return r->m->r->ops->store(r->m->r, to, &times, data, len);
}

int
resync_draft(struct resync *r, const struct node *node, struct replica_at at)
{
	const struct record record = { .kind = RECORD_INLINE, .id = node_key(node), .mtime = node->mtime, .ctime = node->mtime };
	const struct replica_times times = { .atime.tv_nsec = UTIME_OMIT, .mtime.tv_nsec = UTIME_OMIT };
	uint8_t data[RECORD_SIZE_MAX];
	int len;

	if ((len = record_encode(&r->v->digest, &record, data, sizeof(data))) < 0)
		return len;
	return r->m->r->ops->store(r->m->r, at, &times, data, (size_t)len);
}

bool
resync_is_draft(const struct judge_fact *fact)
{
	return fact->error == 0 && fact->record_error == 0 && fact->record.generation == 0;
}

bool
resync_same_version(const struct judge_fact *fact, const struct record *record)
{
	struct record mine = fact->record;

	if (!sealed(fact) || !fact->meta_matches)
		return false;
	mine.generation = record->generation;
	mine.mtime = record->mtime;
	mine.ctime = record->ctime;
	return same_record(&mine, record);
}

/* It was changed where the others did not see it: that is nobody else's to throw away. */
static int
save_version(struct resync *r, struct work *w)
{
	char *path;
	int rc;

	if ((rc = room_spare(r->v, r->m, (uint64_t)w->fact.st.st_blocks * 512)) != 0)
		return rc;
	if ((path = resync_origin(r, w->node, NULL)) == NULL)
		return -ENOMEM;
	if (r->keep)
		log_info("%s: lost when the fork was settled; a copy goes to the quarantine of %s", path, r->m->r->path);
	else
		log_warning("%s: was changed on replica %s by something else than mendfs; that version goes to its quarantine",
		    path, r->m->r->path);
	rc = quarantine_copy(r->m->r, w->to, path, resync_reason(r));
	free(path);
	return rc;
}

/*
 * A tags file goes by its id alone: it may be that of another copy, newer or
 * older than the one that stands here.  The record's sum tells.
 */
static bool
pages_fit(struct resync *r, const struct record *record)
{
	uint8_t sum[DIGEST_SIZE] = { 0 }, page[TAGPAGE_SIZE];
	replica_handle file;
	uint64_t i;
	int rc;

	if (record->kind != RECORD_PAGED)
		return true;
	if (tagfile_open(r->m->r, r->m->tags, record->id, false, &file) != 0)
		return digest_is_zero(record->sum);
	for (i = 0, rc = 0; rc == 0 && i < tagfile_page_count(record->size); i++) {
		rc = tagfile_read(r->m->r, file, &r->v->digest, record->id, i, page);
		digest_xor(sum, tagpage_sum(page));
	}
	r->m->r->ops->close(r->m->r, file);
	return rc == 0 && digest_equal(sum, record->sum);
}

/* A page of the node's tags file as it is to be. */
static void
page_make(struct resync *r, const struct work *w, uint64_t index, uint64_t count, const uint8_t *tags, uint8_t *page)
{
	memset(page, 0, TAGPAGE_SIZE);
	memcpy(tagpage_tag(page, 0), tags, count * DIGEST_SIZE);
	tagpage_seal(&r->v->digest, node_key(w->node), index, page);
}

/*
 * Does the tags file of a member that is far away have this page?  Then neither
 * tags nor data need travel.  False: it has not, or it cannot be said.
 */
static bool
page_is(struct resync *r, struct work *w, replica_handle file, uint64_t index, const uint8_t *page)
{
	static const struct digest plain = { .codec = DIGEST_XXH3 };
	struct replica *mine = r->m->r;
	uint8_t tag[DIGEST_SIZE];
	ssize_t n;

	if (mine->ops->digest == NULL || file == REPLICA_NONE)
		return false;
	if (index < w->there_first || index - w->there_first >= w->there_count) {
		n = mine->ops->digest(mine, file, w->there, PAGES_AHEAD, index * TAGPAGE_SIZE);
		w->there_first = index;
		w->there_count = n > 0 ? (unsigned)n / TAGPAGE_SIZE : 0;
	}
	if (index - w->there_first >= w->there_count)
		return false;
	digest_tag(&plain, page, TAGPAGE_SIZE, tag);
	return memcmp(tag, w->there + (index - w->there_first) * DIGEST_SIZE, DIGEST_SIZE) == 0;
}

/*
 * The sum of page ${index} of the member's tags file, which need not travel if
 * it is ${near}'s, a file on this machine.
 */
static int
page_sum(struct resync *r, struct work *w, replica_handle file, struct member *m, replica_handle near, uint64_t index, uint8_t *sum)
{
	uint8_t page[TAGPAGE_SIZE];
	int rc = 0;

	if (near == REPLICA_NONE || tagfile_read(m->r, near, &r->v->digest, node_key(w->node), index, page) != 0 ||
	    !page_is(r, w, file, index, page))
		rc = tagfile_read(r->m->r, file, &r->v->digest, node_key(w->node), index, page);
	memcpy(sum, tagpage_sum(page), DIGEST_SIZE);
	return rc;
}

/* As pages_fit, without pages that travel, if the member is far away. */
static bool
pages_fit_there(struct resync *r, struct work *w)
{
	uint8_t sum[DIGEST_SIZE] = { 0 }, one[DIGEST_SIZE];
	const struct record *record = &w->fact.record;
	struct member *m = members_first(r->v);
	replica_handle file, near = REPLICA_NONE;
	uint64_t i;
	int rc;

	if (r->m->r->ops->digest == NULL || m == NULL || record->kind != RECORD_PAGED)
		return pages_fit(r, record);
	if (tagfile_open(r->m->r, r->m->tags, record->id, false, &file) != 0)
		return digest_is_zero(record->sum);
	if (tagfile_open(m->r, m->tags, record->id, false, &near) != 0)
		near = REPLICA_NONE;
	for (i = 0, rc = 0; rc == 0 && i < tagfile_page_count(record->size); i++) {
		rc = page_sum(r, w, file, m, near, i, one);
		digest_xor(sum, one);
	}
	if (near != REPLICA_NONE)
		m->r->ops->close(m->r, near);
	r->m->r->ops->close(r->m->r, file);
	return rc == 0 && digest_equal(sum, record->sum);
}

/* What is to be done?  1: nothing; SAVE_FIRST.  Tree lock; node lock, exclusively. */
static int
look(struct resync *r, struct work *w)
{
	struct node *node = w->node;
	bool marked;
	int rc;

	if (node->nlink == 0)
		return 1;
	if ((rc = store_now(r->v, node)) != 0)
		return rc;
	missed_done(r->v, r->m, node);
	if ((rc = records_now(r->v, node, w->source, &w->record, &w->source_len)) != 0)
		return rc;
	gather_fact(r->m->r, w->to, &r->v->digest, w->mine, &w->fact);
	if (w->fact.error != 0)
		return w->fact.error == -ENOENT ? -ESTALE : w->fact.error;
	if (!S_ISREG(w->fact.st.st_mode) || (w->fact.record_error == 0 && w->fact.record.id != node_key(node)))
		return -ESTALE;
	marked = missed_suspect(r->v, r->m, node) && !resync_is_sealed(r, &w->fact.st);
	w->suspect = !w->fresh && (marked || !sealed(&w->fact) || resync_is_draft(&w->fact));
	if (!w->fresh && !w->suspect && w->fact.meta_matches && same_record(&w->fact.record, &w->record) &&
	    pages_fit_there(r, w))
		return 1;
	if (resync_is_draft(&w->fact))
		return 0;
	if (r->keep)
		return w->fresh || resync_same_version(&w->fact, &w->record) || resync_is_ours(r, &w->fact.st) ? 0 : SAVE_FIRST;
	if (!w->fresh && !marked && w->fact.record_error == 0 && !sealed(&w->fact) && resync_foreign(r, &w->fact.st))
		return SAVE_FIRST;
	return 0;
}

/* Bytes that the member has not given to the file yet, as far as others take that many. */
static uint64_t
room_needed(const struct work *w)
{
	uint64_t blocks = w->node->blocks_stale ? 0 : w->node->blocks * 512, have = (uint64_t)w->fact.st.st_blocks * 512;
	uint64_t need = blocks > 0 && blocks < w->node->size ? blocks : w->node->size;

	return need > have ? need - have : 0;
}

/* Open it: one of the others will do.  As look. */
static int
begin(struct resync *r, struct work *w)
{
	struct replica *mine = r->m->r;
	struct node *node = w->node;
	int rc;

	if ((rc = look(r, w)) != 0)
		return rc;
	w->turn = resync_ours(r, &w->fact.st);
	if ((rc = files_attach_as(r->v, node, &w->record)) != 0)
		return rc;
	node->file->holds++;
	w->attached = true;
	/* Before it is begun: what is cut off is gone through again each time. */
	if ((rc = room_spare(r->v, r->m, room_needed(w))) != 0)
		return rc;
	if ((rc = files_use_locked(r->v, node, FILES_READ)) != 0 || (rc = mine->ops->open(mine, w->to, true, &w->file, NULL)) != 0)
		return rc;
	if (!w->fresh && !w->suspect && !pages_fit_there(r, w))
		w->suspect = true;
	if (!w->fresh && w->fact.record_error == 0) {
		tagfile_reader_open(&w->old, mine, r->m->tags, &r->v->digest, &w->fact.record);
		w->have_old = true;
	}
	if ((uint64_t)w->fact.st.st_size != node->size) {
		w->wrote = true;
		if ((rc = mine->ops->truncate(mine, w->file, node->size)) != 0)
			return rc;
	}
	if (tags_paged(node->file->tags))
		rc = tagfile_open(mine, r->m->tags, node_key(node), true, &w->tags);
	return rc;
}

static size_t
span_len(const struct node *node, uint64_t first, uint64_t count)
{
	return node->size - first * BLOCK < count * BLOCK ? (size_t)(node->size - first * BLOCK) : (size_t)count * BLOCK;
}

/* Zeros: a hole, where the disk has such. */
static int
put_zeros(struct resync *r, struct work *w, uint64_t offset, size_t len)
{
	struct replica *mine = r->m->r;
	ssize_t n;

	if (mine->ops->fallocate(mine, w->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len) == 0)
		return 0;
	memset(r->data, 0, len);
	n = mine->ops->pwrite(mine, w->file, r->data, len, offset);
	r->written += len;
	return n == (ssize_t)len ? 0 : n < 0 ? (int)n : -ENOSPC;
}

/* Does the member's file have no blocks there yet?  Those that an earlier attempt gave it lie at its beginning. */
static bool
takes_room(const struct work *w, uint64_t end)
{
	const struct stat *st = &w->fact.st;

	return end > (uint64_t)st->st_size || end > (uint64_t)st->st_blocks * 512;
}

static int
put_data(struct resync *r, struct work *w, uint64_t first, uint64_t count)
{
	size_t len = span_len(w->node, first, count);
	ssize_t n;
	int rc;

	/* It may have grown since it was begun, and others take room, too. */
	if (takes_room(w, first * BLOCK + len) && (rc = room_spare(r->v, r->m, len)) != 0)
		return rc;
	n = r->m->r->ops->pwrite(r->m->r, w->file, r->data, len, first * BLOCK);
	r->written += len;
	r->batch_bytes += len;
	return n == (ssize_t)len ? 0 : n < 0 ? (int)n : -ENOSPC;
}

/*
 * Blocks that differ.  One that nobody else can prove stays as the member has
 * it: that may be the only good copy, and is served only if it matches.
 */
static int
put_blocks(struct resync *r, struct work *w, uint64_t first, uint64_t count, bool zeros)
{
	uint64_t i;
	int rc;

	w->wrote = true;
	if (zeros)
		return put_zeros(r, w, first * BLOCK, span_len(w->node, first, count));
	if ((rc = blocks_read(r->v, w->node, first, count, r->data)) == 0)
		return put_data(r, w, first, count);
	if (rc != -EIO)
		return rc;
	for (i = first; i < first + count; i++) {
		if ((rc = blocks_read(r->v, w->node, i, 1, r->data)) == 0)
			rc = put_data(r, w, i, 1);
		else if (rc == -EIO && members_in_sync(r->v) > 0) {
			r->lost++;
			rc = 0;
		}
		if (rc != 0)
			return rc;
	}
	return 0;
}

/*
 * What a member's copy of a page's blocks is, where its own tags are not to be
 * believed: tags that the far end made of it, or its bytes.  Up to ${have} it
 * is there.
 */
struct theirs { ssize_t have; const uint8_t *bytes; bool suspect; uint8_t tags[TAGPAGE_TAGS * DIGEST_SIZE]; };

/* Is the member's block ${i} of the page something else than ${tag} says? */
static bool
differs(struct resync *r, struct work *w, uint64_t index, const uint8_t *tag, const struct theirs *theirs, uint64_t i)
{
	uint8_t own[DIGEST_SIZE] = { 0 };
	size_t len = span_len(w->node, index, 1);

	if (theirs->suspect) {
		if (theirs->have < (ssize_t)(i * BLOCK + len))
			return true;
		if (theirs->bytes != NULL)
			digest_tag(&r->v->digest, theirs->bytes + i * BLOCK, len, own);
		else
			memcpy(own, theirs->tags + i * DIGEST_SIZE, DIGEST_SIZE);
	} else if (w->have_old && tagfile_reader_get(&w->old, index, own) != 0) {
		return true;
	}
	return !digest_equal(own, tag);
}

/* Look at what the member has, if its tags are not to be believed. */
static int
read_theirs(struct resync *r, struct work *w, uint64_t first, uint64_t count, const uint8_t *tags, struct theirs *theirs)
{
	size_t len = span_len(w->node, first, count);

	theirs->bytes = NULL;
	theirs->suspect = w->suspect;
	if (!w->suspect)
		return 0;
	r->compared += len;
	if (blocks_match_there(r->v, r->m, w->file, w->node, first, count, tags)) {
		memcpy(theirs->tags, tags, count * DIGEST_SIZE);
		theirs->have = (ssize_t)len;
		return 0;
	}
	theirs->have = blocks_tags_there(r->v, r->m, w->file, first, count, theirs->tags);
	if (theirs->have == -EOPNOTSUPP) {
		theirs->bytes = r->theirs;
		theirs->have = r->m->r->ops->pread(r->m->r, w->file, r->theirs, len, first * BLOCK);
	}
	return theirs->have < 0 ? (int)theirs->have : 0;
}

/* The page of the member's tags file, unless it is so already. */
static int
put_page(struct resync *r, struct work *w, uint64_t index, uint64_t count, const uint8_t *tags)
{
	uint8_t page[TAGPAGE_SIZE], now[TAGPAGE_SIZE];
	int rc;

	if (w->tags == REPLICA_NONE)
		return 0;
	page_make(r, w, index, count, tags, page);
	if (page_is(r, w, w->tags, index, page))
		return 0;
	rc = tagfile_read(r->m->r, w->tags, &r->v->digest, node_key(w->node), index, now);
	if (rc == 0 && memcmp(page, now, sizeof(page)) == 0)
		return 0;
	r->tags += sizeof(page);
	w->wrote = true;
	/* What is known of its pages is no longer so. */
	w->there_count = 0;
	return tagfile_write(r->m->r, w->tags, index, page);
}

/* The blocks of one page of tags; 1: the file ends before.  Node lock. */
static int
put_one_page(struct resync *r, struct work *w, uint64_t index)
{
	uint64_t blocks = (w->node->size + BLOCK - 1) / BLOCK, first = index * TAGPAGE_TAGS, count, i, run;
	uint8_t tags[TAGPAGE_TAGS * DIGEST_SIZE], page[TAGPAGE_SIZE];
	struct theirs theirs;
	bool zeros;
	int rc;

	if (w->node->file == NULL || first >= blocks)
		return 1;
	count = blocks - first < TAGPAGE_TAGS ? blocks - first : TAGPAGE_TAGS;
	if ((rc = blocks_tags(r->v, w->node, first, count, tags)) != 0)
		return rc;
	if ((rc = read_theirs(r, w, first, count, tags, &theirs)) != 0)
		return rc;
	if (!w->suspect && w->have_old && w->fact.record.kind == RECORD_PAGED) {
		page_make(r, w, index, count, tags, page);
		if (page_is(r, w, w->tags, index, page))
			return 0;
	}
	for (i = 0; i < count; i += run) {
		run = 1;
		if (!differs(r, w, first + i, tags + i * DIGEST_SIZE, &theirs, i))
			continue;
		zeros = digest_is_zero(tags + i * DIGEST_SIZE);
		while (i + run < count && digest_is_zero(tags + (i + run) * DIGEST_SIZE) == zeros &&
		    differs(r, w, first + i + run, tags + (i + run) * DIGEST_SIZE, &theirs, i + run))
			run++;
		if ((rc = put_blocks(r, w, first + i, run, zeros)) != 0)
			return rc;
	}
	return put_page(r, w, index, count, tags);
}

/* The one that was read from was lost, or cannot prove what it has: all are to be asked.  1: the file lost its last name. */
static int
open_all(struct resync *r, struct work *w)
{
	int rc;

	resync_lock(r);
	pthread_rwlock_wrlock(&w->node->lock);
	rc = w->node->nlink == 0 ? 1 : files_use_locked(r->v, w->node, FILES_READ_ALL);
	pthread_rwlock_unlock(&w->node->lock);
	resync_unlock(r);
	return rc;
}

static int
put_pages(struct resync *r, struct work *w)
{
	uint64_t index;
	int rc = 0;

	for (index = 0; rc == 0;) {
		/* Writers get their turn after each megabyte; what they change is noted. */
		pthread_rwlock_rdlock(&w->node->lock);
		if ((rc = put_one_page(r, w, index)) == 0)
			index++;
		pthread_rwlock_unlock(&w->node->lock);
		if (rc == -EAGAIN)
			rc = open_all(r, w);
		if (rc == 0 && resync_stopped(r))
			return -ECANCELED;
	}
	return rc == 1 ? 0 : rc;
}

/* The flusher lets it go when nobody else uses it.  Node lock, exclusively. */
static void
detach(struct work *w)
{
	if (w->attached && w->node->file != NULL)
		w->node->file->holds--;
}

/* What does not belong to the new record: pages behind the end, or all of them. */
static int
cut_tags(struct resync *r, struct work *w)
{
	if (w->tags == REPLICA_NONE)
		return w->fact.record_error == 0 && w->fact.record.kind == RECORD_PAGED ?
		    tagfile_remove(r->m->r, r->m->tags, node_key(w->node)) : 0;
	return r->m->r->ops->truncate(r->m->r, w->tags, tagfile_page_count(w->node->size) * TAGPAGE_SIZE);
}

/* Metadata now, the record when the data is durable.  Tree lock; node lock, exclusively. */
static int
finish(struct resync *r, struct work *w)
{
	struct node *node = w->node;
	struct sealed *s;
	int rc;

	if (node->nlink == 0)
		return 0;
	if (missed_is(r->m, node)) {
		/* It changed meanwhile, and comes again.  What was written has no tags of its own yet. */
		missed_mark_suspect(r->m, node);
		return 0;
	}
	if ((rc = cut_tags(r, w)) != 0)
		return rc;
	/* Writing takes set-id bits and capabilities away, and nothing else. */
	if ((w->fresh || !w->fact.meta_matches || w->fact.record_error != 0 || w->fact.record.meta != node->meta ||
	    (w->wrote && (node->has_xattrs || (node->mode & (S_ISUID | S_ISGID)) != 0))) &&
	    (rc = copy_proved_meta(r, node, (struct replica_at){ w->file, NULL })) != 0)
		return rc;
	s = &r->batch[r->batch_count];
	if ((s->record = malloc(w->source_len)) == NULL)
		return -ENOMEM;
	memcpy(s->record, w->source, w->source_len);
	s->len = w->source_len;
	s->times.atime = w->fresh ? node->atime : (struct timespec){ .tv_nsec = UTIME_OMIT };
	s->times.mtime = w->record.mtime;
	s->handle = w->file;
	s->ino = w->fact.st.st_ino;
	s->turn = w->turn;
	s->node = node;
	nodes_hold(r->v, node);
	w->file = REPLICA_NONE;
	r->batch_count++;
	r->batch_data = r->batch_data || w->wrote;
	r->changed++;
	return 0;
}

static void
work_free(struct resync *r, struct work *w)
{
	if (w->have_old)
		tagfile_reader_close(&w->old);
	if (w->tags != REPLICA_NONE)
		r->m->r->ops->close(r->m->r, w->tags);
	if (w->file != REPLICA_NONE)
		r->m->r->ops->close(r->m->r, w->file);
	free(w);
}

int
resync_file(struct resync *r, struct node *node, replica_handle dir, const char *name, bool fresh)
{
	struct work *w;
	int rc;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return -ENOMEM;
	w->node = node;
	w->to = (struct replica_at){ dir, name };
	w->fresh = fresh;
	w->file = w->tags = REPLICA_NONE;

	resync_lock(r);
	pthread_rwlock_wrlock(&node->lock);
	if ((rc = begin(r, w)) == SAVE_FIRST) {
		/* It may be large, and nobody else touches it. */
		pthread_rwlock_unlock(&node->lock);
		resync_unlock(r);
		if ((rc = save_version(r, w)) == 0)
			(void)resync_ours(r, &w->fact.st);
		resync_lock(r);
		pthread_rwlock_wrlock(&node->lock);
		if (rc == 0)
			rc = begin(r, w);
	}
	if (rc == 0) {
		pthread_rwlock_unlock(&node->lock);
		resync_unlock(r);
		rc = put_pages(r, w);
		resync_lock(r);
		pthread_rwlock_wrlock(&node->lock);
		if (rc == 0)
			rc = finish(r, w);
	}
	if (rc < 0 && w->wrote)
		missed_mark_suspect(r->m, node);
	/* Made for nothing, in room that somebody needs. */
	if (fresh && room_lacks(rc))
		(void)r->m->r->ops->unlink(r->m->r, dir, name, false);
	detach(w);
	pthread_rwlock_unlock(&node->lock);
	resync_unlock(r);
	work_free(r, w);
	if (rc >= 0 && (r->batch_count == RESYNC_BATCH || r->batch_bytes > BATCH_BYTES))
		return resync_seal(r);
	return rc > 0 ? 0 : rc;
}

/* All of its data, and the record by which its tags are found again. */
static int
copy_nameless(struct resync *r, struct work *w)
{
	struct replica_times times = { .atime = w->node->atime, .mtime = w->node->mtime };
	uint64_t index;
	int rc = 0;

	for (index = 0; rc == 0; index++)
		rc = put_one_page(r, w, index);
	if (rc < 0)
		return rc;
	if (w->node->generation == 0 || records_read(r->v, w->node, w->source, &w->record, &w->source_len) != 0)
		return 0;
	return r->m->r->ops->store(r->m->r, (struct replica_at){ w->file, NULL }, &times, w->source, w->source_len);
}

/* Where files cannot be made without a name they lose it at once. */
static int
make_nameless(struct resync *r, const struct replica_new *new, replica_handle *file)
{
	struct replica *mine = r->m->r;
	int rc;

	if ((rc = mine->ops->tmpfile(mine, REPLICA_ROOT, new, file)) != -EOPNOTSUPP)
		return rc;
	if ((rc = mine->ops->unlink(mine, r->m->meta, NAMELESS, false)) != 0 && rc != -ENOENT)
		return rc;
	if ((rc = mine->ops->create(mine, r->m->meta, NAMELESS, new, file)) != 0)
		return rc;
	if ((rc = mine->ops->unlink(mine, r->m->meta, NAMELESS, false)) != 0) {
		mine->ops->close(mine, *file);
		*file = REPLICA_NONE;
	}
	return rc;
}

int
resync_nameless(struct resync *r, struct node *node)
{
	const struct replica_new new = { .mode = node->mode, .uid = node->uid, .gid = node->gid };
	struct replica *mine = r->m->r;
	struct work *w;
	int rc;

	/* Nobody who has it open can reach it either. */
	if ((rc = files_use_locked(r->v, node, FILES_READ_ALL)) != 0)
		return rc == -ESTALE || rc == -EIO ? 0 : rc;
	if (node->file->handle[r->m->index] >= 0)
		return 0;
	if ((w = calloc(1, sizeof(*w))) == NULL)
		return -ENOMEM;
	w->node = node;
	w->fresh = true;
	w->file = w->tags = REPLICA_NONE;
	if ((rc = make_nameless(r, &new, &w->file)) == 0 &&
	    (rc = mine->ops->truncate(mine, w->file, node->size)) == 0 &&
	    (!tags_paged(node->file->tags) ||
	    /* It may be there from before the loss, with pages that the file has had no tags in since. */
	    ((rc = tagfile_open(mine, r->m->tags, node_key(node), true, &w->tags)) == 0 &&
	    (rc = mine->ops->truncate(mine, w->tags, 0)) == 0)) &&
	    (rc = copy_proved_meta(r, node, (struct replica_at){ w->file, NULL })) == 0 && (rc = copy_nameless(r, w)) == 0) {
		node->file->handle[r->m->index] = w->file;
		node->file->writable[r->m->index] = true;
		w->file = REPLICA_NONE;
	}
	work_free(r, w);
	return rc;
}
