#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "replica/guard.h"
#include "util/processors.h"
#include "volume/blocks.h"
#include "volume/change.h"
#include "volume/file.h"
#include "volume/files.h"
#include "volume/members.h"
#include "volume/pages.h"
#include "volume/room.h"
#include "volume/store.h"
#include "volume/ways.h"
#include "volume/write.h"

/* From this size on, members are written in parallel; below, waking a thread costs more than it saves. */
#define LANE_BYTES_MIN (128u * 1024)

static uint64_t
blocks_of(uint64_t size)
{
	return size / BLOCK + (size % BLOCK != 0);
}

/*
 * The content of block ${index} as it is now, for merging: remembered, or
 * proved on the spot; zeros behind the end of file.
 */
static int
edge_load(struct volume *v, struct node *node, uint64_t index, uint8_t *block)
{
	if (index * BLOCK >= node->size) {
		memset(block, 0, BLOCK);
		return 0;
	}
	if (node->file->edge_index == index) {
		memcpy(block, node->file->edge, BLOCK);
		return 0;
	}
	return blocks_read(v, node, index, 1, block);
}

/* Remember a block that was written in part. */
static void
edge_keep(struct file *file, uint64_t index, const uint8_t *block)
{
	if (file->edge == NULL && (file->edge = malloc(BLOCK)) == NULL)
		return;
	memcpy(file->edge, block, BLOCK);
	file->edge_index = index;
}

/* A write taken apart into blocks: where it begins and ends inside of one, that one is merged. */
struct span {
	uint64_t first, count;
	bool head, tail;		/* merged; for a single block only head */
	uint8_t *head_block, *tail_block;
	uint8_t tags[(FILE_IO_MAX / BLOCK + 2) * DIGEST_SIZE];
};

static int
span_merge(struct volume *v, struct node *node, const uint8_t *data, size_t len, uint64_t offset, struct span *s)
{
	uint64_t end = offset + len;
	size_t skip = offset % BLOCK, part;
	int rc;

	s->first = offset / BLOCK;
	s->count = (end - 1) / BLOCK - s->first + 1;
	s->head_block = blocks_scratch_edges();
	if (s->head_block == NULL)
		return -ENOMEM;
	s->tail_block = s->head_block + BLOCK;
	part = len < BLOCK - skip ? len : BLOCK - skip;
	s->head = part < BLOCK;
	s->tail = s->count > 1 && end % BLOCK != 0;
	if (s->head) {
		/* All that the file has of the block is replaced: nothing old is merged. */
		if (skip == 0 && end >= node->size)
			memset(s->head_block, 0, BLOCK);
		else if ((rc = edge_load(v, node, s->first, s->head_block)) != 0)
			return rc;
		memcpy(s->head_block + skip, data, part);
	}
	if (s->tail) {
		if (end >= node->size)
			memset(s->tail_block, 0, BLOCK);
		else if ((rc = edge_load(v, node, s->first + s->count - 1, s->tail_block)) != 0)
			return rc;
		memcpy(s->tail_block, data + (end / BLOCK * BLOCK - offset), end % BLOCK);
	}
	return 0;
}

/* The tags of all blocks as they will be. */
static void
span_digest(struct volume *v, const uint8_t *data, uint64_t offset, struct span *s)
{
	const uint8_t *block;
	uint64_t i;

	for (i = 0; i < s->count; i++) {
		if (i == 0 && s->head)
			block = s->head_block;
		else if (i == s->count - 1 && s->tail)
			block = s->tail_block;
		else
			block = data + ((s->first + i) * BLOCK - offset);
		digest_tag(&v->digest, block, BLOCK, s->tags + i * DIGEST_SIZE);
	}
}

static int
tags_make_room(struct volume *v, struct node *node, uint64_t first, uint64_t count)
{
	struct pages_context context = { v, node, node->file };
	const struct tags_source source = { pages_load, pages_next, &context };
	bool was_paged = tags_paged(node->file->tags);
	uint64_t page, last = (first + count - 1) / TAGPAGE_TAGS;
	int rc;

	if ((rc = tags_prepare(node->file->tags, &source, first, count)) != 0 || !tags_paged(node->file->tags))
		return rc;

	/* The tags of a file without a name would outlive an unclean stop, with nothing that leads to them. */
	if (!was_paged && node->nlink == 0)
		rc = ways_mark_astray(v);
	/* What an array held fits into the first page. */
	if (rc == 0 && !was_paged)
		rc = pages_reserve(v, node, node->file, 0);
	for (page = first / TAGPAGE_TAGS; rc == 0 && page <= last; page++) {
		if (tags_empty(node->file->tags, page))
			rc = pages_reserve(v, node, node->file, page);
	}
	if (rc == 0)
		node->paged = true;
	else if (!was_paged)
		pages_give_up(v, node, node->file);
	return rc;
}

struct write_job {
	struct lane_job job;
	struct member *m;
	bool answered;			/* replica_begin's */
	replica_handle handle;
	const uint8_t *data;
	size_t len;
	uint64_t offset;
	ssize_t result;
	int why;			/* of fewer bytes than asked for; 0: not known */
};

/* On one that is far away it is only begun: all of these are waited for together. */
static void
write_begin(struct write_job *w)
{
	replica_begin(w->m->r, w->answered);
	w->result = w->m->r->ops->pwrite(w->m->r, w->handle, w->data, w->len, w->offset);
}

static void
write_finish(struct write_job *w)
{
	w->result = replica_finish(w->m->r, w->result);
	/* Fewer bytes than asked for: ask why. */
	if (w->result >= 0 && (size_t)w->result < w->len) {
		ssize_t more = w->m->r->ops->pwrite(w->m->r, w->handle, w->data + w->result,
		    w->len - (size_t)w->result, w->offset + (uint64_t)w->result);

		if (more > 0)
			w->result += more;
		else if (more < 0 && !replica_error_is_own((int)more))
			w->result = more;
		else if (more < 0)
			w->why = (int)more;
	}
}

static void
write_run(struct write_job *w)
{
	write_begin(w);
	write_finish(w);
}

/* In a lane, where others wait behind. */
static void
write_run_in_lane(struct lane_job *job)
{
	bool before = guard_always(true);

	write_run((struct write_job *)(void *)job);
	(void)guard_always(before);
}

/* Write to all members, and digest meanwhile; the number of bytes that all in sync have, and why it is less than ${len}. */
static size_t
fan_out(struct volume *v, struct node *node, const uint8_t *data, size_t len, uint64_t offset, struct span *span, int *why)
{
	struct write_job jobs[VOLUME_REPLICAS_MAX];
	struct lane_batch batch;
	struct member *m;
	const bool answered = members_near(v) > 0;
	bool lanes = len >= LANE_BYTES_MIN && members_in_sync(v) > 1 && processors_count() > 1;
	unsigned count = 0, i;
	size_t kept = len;

	*why = 0;
	if (lanes)
		lane_batch_init(&batch);
	for_each_member(v, m) {
		jobs[count++] = (struct write_job){ .job.run = write_run_in_lane, .m = m, .answered = answered,
		    .handle = node->file->handle[m->index], .data = data, .len = len, .offset = offset };
	}
	/* What is on its way takes no time of ours: those that are far away come first. */
	for (i = 0; i < count; i++) {
		if (jobs[i].m->r->far)
			write_begin(&jobs[i]);
	}
	for (i = 0; i < count; i++) {
		if (jobs[i].m->r->far)
			continue;
		/* The first one, and the digests, are this thread's own work once the others are under way. */
		if (lanes && i > 0 && jobs[i].m->lane != NULL)
			lane_submit(jobs[i].m->lane, &jobs[i].job, &batch);
		else if (!lanes || i > 0)
			write_run(&jobs[i]);
	}
	span_digest(v, data, offset, span);
	if (lanes) {
		/* All may have been lost since they were counted. */
		if (count > 0 && !jobs[0].m->r->far)
			write_run(&jobs[0]);
		lane_batch_wait(&batch);
	}
	for (i = 0; i < count; i++) {
		if (jobs[i].m->r->far)
			write_finish(&jobs[i]);
	}

	for (i = 0; i < count; i++) {
		if (jobs[i].result > 0) {
			atomic_fetch_add_explicit(&jobs[i].m->writes, 1, memory_order_relaxed);
			atomic_fetch_add_explicit(&jobs[i].m->written_bytes, (unsigned long long)jobs[i].result, memory_order_relaxed);
		}
		if (jobs[i].result < 0 && !replica_error_is_own((int)jobs[i].result)) {
			members_lose(v, jobs[i].m, (int)jobs[i].result, "writing data");
			continue;
		}
		if (jobs[i].result < 0) {
			*why = (int)jobs[i].result;
			kept = 0;
		} else if ((size_t)jobs[i].result < kept) {
			kept = (size_t)jobs[i].result;
			*why = jobs[i].why;
		}
	}
	if (members_in_sync(v) == 0) {
		*why = -EIO;
		return 0;
	}
	if (kept < len && *why == 0)
		*why = -ENOSPC;
	return kept;
}

static void
truncate_all(struct volume *v, struct node *node, uint64_t size)
{
	struct member *m;

	for_each_member(v, m)
		members_settle(v, m, m->r->ops->truncate(m->r, node->file->handle[m->index], size), "undoing a write");
}

/*
 * Not all members have all of it.  What the tags, still the old ones, say of
 * the blocks from ${first} on is put back: the old bytes from a member that
 * did not get as far, zeros where there was a hole; and the length.
 */
static void
write_undo(struct volume *v, struct node *node, uint64_t first, uint64_t end, uint64_t size)
{
	uint8_t block[BLOCK];
	uint64_t index;

	truncate_all(v, node, size);
	for (index = first; index < blocks_of(end) && index * BLOCK < node->size; index++)
		blocks_mend(v, node, index, block);
}

static void
write_done(struct volume *v, struct node *node)
{
	node->blocks_stale = true;
	node->unsynced = true;
	change_times(node, true);
	store_later(v, node);
	if (tags_paged(node->file->tags))
		files_account(v, node->file);
}

ssize_t
write_locked(struct volume *v, struct node *node, const uint8_t *data, size_t len, uint64_t offset)
{
	struct span span;
	uint64_t keep_blocks, size;
	size_t kept;
	int rc, why;

	if (len == 0)
		return 0;
	if (offset > INT64_MAX - len)
		return -EFBIG;
	if ((rc = change_data_before(v, node)) != 0 ||
	    (rc = span_merge(v, node, data, len, offset, &span)) != 0 ||
	    (rc = tags_make_room(v, node, span.first, span.count)) != 0)
		return rc;

	kept = fan_out(v, node, data, len, offset, &span, &why);
	node->file->keep_pages = true;
	if (kept < len) {
		/* Whole blocks only: of a torn one neither the old nor the new bytes are known. */
		kept = (offset + kept) / BLOCK * BLOCK > offset ? (size_t)((offset + kept) / BLOCK * BLOCK - offset) : 0;
		keep_blocks = kept == 0 ? 0 : (offset + kept) / BLOCK - span.first;
		size = kept > 0 && offset + kept > node->size ? offset + kept : node->size;
		write_undo(v, node, span.first + keep_blocks, offset + len, size);
		if (kept == 0) {
			node->file->keep_pages = false;
			store_later(v, node);
			return why;
		}
		span.count = keep_blocks;
		span.tail = false;
	}

	tags_set(node->file->tags, span.first, span.count, span.tags);
	node->file->keep_pages = false;
	files_edge_forget(node->file, span.first, span.count);
	if (span.tail)
		edge_keep(node->file, span.first + span.count - 1, span.tail_block);
	else if (span.head && span.count == 1)
		edge_keep(node->file, span.first, span.head_block);
	if (offset + kept > node->size)
		node->size = offset + kept;
	write_done(v, node);
	return (ssize_t)kept;
}

struct size_change { uint64_t to, from; };

static int
truncate_call(void *arg, struct member *m, struct replica_at at)
{
	const struct size_change *c = arg;

	return m->r->ops->truncate(m->r, at.handle, c->to);
}

static int
truncate_undo(void *arg, struct member *m, struct replica_at at)
{
	const struct size_change *c = arg;

	/* Only growing can fail for want of room, and is undone without loss. */
	return c->to > c->from ? m->r->ops->truncate(m->r, at.handle, c->from) : 0;
}

/* The tags of a file that is cut to ${size}; ${block} is the last one, with zeros behind the end. */
static int
cut_tags(struct volume *v, struct node *node, uint64_t size, const uint8_t *block)
{
	struct pages_context context = { v, node, node->file };
	const struct tags_source source = { pages_load, pages_next, &context };
	uint8_t tag[DIGEST_SIZE];
	int rc;

	if (size == 0) {
		tags_inline_again(node->file->tags);
		if (node->paged) {
			pages_close(v, node->file);
			pages_remove(v, node_key(node));
		}
		node->paged = false;
		return 0;
	}
	if ((rc = tags_cut(node->file->tags, &source, blocks_of(size))) != 0)
		return rc;
	if (tags_paged(node->file->tags))
		pages_cut(v, node, node->file, tags_pages(blocks_of(size)));
	if (block != NULL) {
		if ((rc = tags_make_room(v, node, size / BLOCK, 1)) != 0)
			return rc;
		digest_tag(&v->digest, block, BLOCK, tag);
		tags_set(node->file->tags, size / BLOCK, 1, tag);
	}
	return 0;
}

int
write_size(struct volume *v, struct node *node, uint64_t size)
{
	struct size_change change = { size, node->size };
	uint8_t *block = NULL;
	int rc;

	if ((rc = change_data_before(v, node)) != 0)
		return rc;
	if (size < node->size && size % BLOCK != 0) {
		if ((block = blocks_scratch_edges()) == NULL)
			return -ENOMEM;
		if ((rc = edge_load(v, node, size / BLOCK, block)) != 0)
			return rc;
		memset(block + size % BLOCK, 0, BLOCK - size % BLOCK);
	}
	if (size > node->size && (rc = tags_make_room(v, node, blocks_of(size) - 1, 1)) != 0)
		return rc;
	if (size != node->size || size == 0) {
		rc = change_each(v, node, truncate_call, truncate_undo, &change, "truncating a file");
		if (rc != 0) {
			store_later(v, node);
			return rc;
		}
	}
	if (size < node->size) {
		node->file->edge_index = UINT64_MAX;
		rc = cut_tags(v, node, size, block);
		if (rc == 0 && block != NULL)
			edge_keep(node->file, size / BLOCK, block);
	}
	node->size = size;
	write_done(v, node);
	return rc;
}

struct fallocate_args { int mode; uint64_t offset, len, size; };

static int
fallocate_call(void *arg, struct member *m, struct replica_at at)
{
	const struct fallocate_args *f = arg;

	return m->r->ops->fallocate(m->r, at.handle, f->mode, f->offset, f->len);
}

static int
fallocate_undo(void *arg, struct member *m, struct replica_at at)
{
	const struct fallocate_args *f = arg;

	/* Blocks that stay allocated hold zeros, as before; only the length shows. */
	return m->r->ops->truncate(m->r, at.handle, f->size);
}

/* Over what is there: most file systems find room for that. */
static int
write_zeros(struct member *m, replica_handle file, uint64_t from, uint64_t end)
{
	static const uint8_t zeros[16 * BLOCK];
	size_t part;
	ssize_t n;

	for (; from < end; from += (size_t)n) {
		part = end - from < sizeof(zeros) ? (size_t)(end - from) : sizeof(zeros);
		if ((n = m->r->ops->pwrite(m->r, file, zeros, part, from)) <= 0)
			return n < 0 ? (int)n : -ENOSPC;
	}
	return 0;
}

/* A hole that is refused for want of room may have been made in part, and there is no way back. */
static int
hole_call(void *arg, struct member *m, struct replica_at at)
{
	const struct fallocate_args *f = arg;
	int rc = m->r->ops->fallocate(m->r, at.handle, f->mode, f->offset, f->len);

	return room_lacks(rc) ? write_zeros(m, at.handle, f->offset, f->offset + f->len < f->size ? f->offset + f->len : f->size) : rc;
}

/* Zeros are what is there by now; that blocks are given to them is a favour. */
static void
allocate_again(struct volume *v, struct node *node, const struct fallocate_args *f)
{
	struct member *m;
	int rc;

	for_each_member(v, m) {
		rc = m->r->ops->fallocate(m->r, node->file->handle[m->index], FALLOC_FL_KEEP_SIZE, f->offset, f->len);
		(void)members_settle(v, m, rc, "allocating space");
	}
}

/*
 * Have the members make zeros of the range.  For FALLOC_FL_ZERO_RANGE room is
 * asked for first: file systems that find none may have zeroed it by then, and
 * nobody could tell what was there.  A hole takes none, or next to none; where
 * neither that nor zeros can be had, what the tags say is put back.
 */
static int
zero_members(struct volume *v, struct node *node, const struct fallocate_args *f)
{
	struct fallocate_args room = { f->mode & FALLOC_FL_KEEP_SIZE, f->offset, f->len, f->size };
	struct fallocate_args hole = { FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, f->offset, f->len, f->size };
	uint64_t end = f->offset + f->len < node->size ? f->offset + f->len : node->size;
	bool zero = (f->mode & FALLOC_FL_ZERO_RANGE) != 0;
	int rc;

	if (zero && (rc = change_each(v, node, fallocate_call, fallocate_undo, &room, "allocating space")) != 0)
		return rc;
	if ((rc = change_each(v, node, hole_call, NULL, &hole, "punching a hole")) != 0) {
		write_undo(v, node, f->offset / BLOCK, end, node->size);
		return rc;
	}
	if (zero)
		allocate_again(v, node, &room);
	return 0;
}

/* A block of which only part becomes zeros, as it will be. */
static int
edge_zero(struct volume *v, struct node *node, uint64_t index, size_t from, size_t to, uint8_t *block)
{
	int rc;

	if ((rc = edge_load(v, node, index, block)) == 0)
		memset(block + from, 0, to - from);
	return rc;
}

static void
edge_digest(struct volume *v, struct node *node, uint64_t index, const uint8_t *block)
{
	uint8_t tag[DIGEST_SIZE];

	digest_tag(&v->digest, block, BLOCK, tag);
	tags_set(node->file->tags, index, 1, tag);
}

/*
 * The range becomes zeros, by the members' own doing.  Blocks at its edges are
 * proved before, so that their new tags vouch for nothing else; whole ones
 * become holes in the tags too.  All that can fail comes before the change.
 */
static int
zero_range(struct volume *v, struct node *node, struct fallocate_args *f)
{
	struct pages_context context = { v, node, node->file };
	const struct tags_source source = { pages_load, pages_next, &context };
	uint64_t end = f->offset + f->len < node->size ? f->offset + f->len : node->size;
	uint64_t first = f->offset / BLOCK, last = end / BLOCK;
	bool head = f->offset < end && f->offset % BLOCK != 0;
	bool tail = f->offset < end && end % BLOCK != 0 && !(head && first == last);
	uint8_t *block = blocks_scratch_edges();
	int rc;

	if (block == NULL)
		return -ENOMEM;
	if (head && (rc = edge_zero(v, node, first, f->offset % BLOCK, first == last ? end % BLOCK : BLOCK, block)) != 0)
		return rc;
	if (tail && (rc = edge_zero(v, node, last, 0, end % BLOCK, block + BLOCK)) != 0)
		return rc;
	if ((head && (rc = tags_make_room(v, node, first, 1)) != 0) ||
	    (tail && (rc = tags_make_room(v, node, last, 1)) != 0) ||
	    (f->offset < end && (rc = tags_fetch(node->file->tags, &source, first, blocks_of(end) - first)) != 0))
		return rc;
	if ((rc = zero_members(v, node, f)) != 0 || f->offset >= end)
		return rc;

	files_edge_forget(node->file, first, last - first + 1);
	if (head)
		edge_digest(v, node, first, block);
	if (tail)
		edge_digest(v, node, last, block + BLOCK);
	first = blocks_of(f->offset);
	return first < last ? tags_clear(node->file->tags, &source, first, last - first) : 0;
}

int
write_fallocate(struct volume *v, struct node *node, int mode, uint64_t offset, uint64_t len)
{
	struct fallocate_args f = { mode, offset, len, node->size };
	bool grows = !(mode & FALLOC_FL_KEEP_SIZE) && offset + len > node->size;
	int rc;

	if (len == 0 || offset > INT64_MAX - len)
		return len == 0 ? -EINVAL : -EFBIG;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if ((rc = change_data_before(v, node)) != 0)
		return rc;
	if (grows && (rc = tags_make_room(v, node, blocks_of(offset + len) - 1, 1)) != 0)
		return rc;
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		rc = zero_range(v, node, &f);
	else
		rc = change_each(v, node, fallocate_call, fallocate_undo, &f, "allocating space");
	if (rc == 0 && grows)
		node->size = offset + len;
	if (rc == 0)
		write_done(v, node);
	else
		store_later(v, node);
	return rc;
}
