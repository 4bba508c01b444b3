#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"
#include "util/stall.h"
#include "volume/blocks.h"
#include "volume/edits.h"
#include "volume/events.h"
#include "volume/file.h"
#include "volume/files.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/pages.h"
#include "volume/torn.h"

/* Blocks that an unaligned request of FILE_IO_MAX bytes can touch. */
#define SPAN_BLOCKS (FILE_IO_MAX / BLOCK + 2)
/* A read that takes longer on the average comes from a disk: from memory, the largest takes a third. */
#define READ_STALLS_NS 500000u
/* Lost blocks kept in mind, so that each is counted once. */
#define LOST_MAX 65536

struct scratch { uint8_t *data; uint8_t tags[SPAN_BLOCKS * DIGEST_SIZE]; };

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void
scratch_free(void *arg)
{
	struct scratch *s = arg;

	free(s->data);
	free(s);
}

static void
scratch_setup(void)
{
	pthread_key_create(&scratch_key, scratch_free);
}

static struct scratch *
scratch(void)
{
	struct scratch *s;

	pthread_once(&scratch_once, scratch_setup);
	if ((s = pthread_getspecific(scratch_key)) != NULL)
		return s;
	if ((s = malloc(sizeof(*s))) == NULL)
		return NULL;
	if (posix_memalign((void **)&s->data, BLOCK, (SPAN_BLOCKS + 2) * BLOCK) != 0 ||
	    pthread_setspecific(scratch_key, s) != 0) {
		free(s);
		return NULL;
	}
	return s;
}

uint8_t *
blocks_scratch(void)
{
	struct scratch *s = scratch();

	return s == NULL ? NULL : s->data;
}

uint8_t *
blocks_scratch_edges(void)
{
	struct scratch *s = scratch();

	return s == NULL ? NULL : s->data + SPAN_BLOCKS * BLOCK;
}

/* How many bytes of block ${index} lie before the end of file. */
static size_t
block_len(const struct node *node, uint64_t index)
{
	uint64_t start = index * BLOCK;

	if (start >= node->size)
		return 0;
	return node->size - start < BLOCK ? (size_t)(node->size - start) : BLOCK;
}

bool
blocks_match(const struct volume *v, const uint8_t *tag, const uint8_t *data, size_t len)
{
	uint8_t found[DIGEST_SIZE];

	if (digest_is_zero(tag))
		return digest_zeros(data, len);
	digest_tag(&v->digest, data, len, found);
	return memcmp(found, tag, DIGEST_SIZE) == 0;
}

static int
tags_copy(struct volume *v, struct node *node, uint64_t first, uint64_t count, uint8_t *out)
{
	struct pages_context context = { v, node, node->file };
	const struct tags_source source = { pages_load, pages_next, &context };
	int rc;

	pthread_mutex_lock(&node->file->mutex);
	rc = tags_get(node->file->tags, &source, first, count, out);
	if (rc == 0 && tags_paged(node->file->tags) && !node->file->keep_pages)
		files_account(v, node->file);
	pthread_mutex_unlock(&node->file->mutex);
	return rc;
}

int
blocks_tags(struct volume *v, struct node *node, uint64_t first, uint64_t count, uint8_t *out)
{
	return tags_copy(v, node, first, count, out);
}

/*
 * Read with the clock running, for the choice of the next member; one whose
 * reads have been coming from the disk lately will be waited for.
 */
static ssize_t
timed_read(struct member *m, replica_handle handle, void *buf, size_t len, uint64_t offset)
{
	struct timespec before, after;
	uint64_t ns, average;
	ssize_t n;

	if (atomic_load_explicit(&m->latency_ns, memory_order_relaxed) > READ_STALLS_NS)
		stall_ahead();
	atomic_fetch_add_explicit(&m->in_flight, 1, memory_order_relaxed);
	clock_gettime(CLOCK_MONOTONIC, &before);
	n = m->r->ops->pread(m->r, handle, buf, len, offset);
	clock_gettime(CLOCK_MONOTONIC, &after);
	atomic_fetch_sub_explicit(&m->in_flight, 1, memory_order_relaxed);
	ns = (uint64_t)(after.tv_sec - before.tv_sec) * 1000000000u + (uint64_t)after.tv_nsec - (uint64_t)before.tv_nsec;
	average = atomic_load_explicit(&m->latency_ns, memory_order_relaxed);
	atomic_store_explicit(&m->latency_ns, average - average / 8 + ns / 8, memory_order_relaxed);
	atomic_fetch_add_explicit(&m->reads, 1, memory_order_relaxed);
	if (n > 0)
		atomic_fetch_add_explicit(&m->read_bytes, (unsigned long long)n, memory_order_relaxed);
	return n;
}

/* Is the file open on every member in sync? */
static bool
open_everywhere(struct volume *v, const struct node *node)
{
	struct member *m;

	for_each_member(v, m) {
		if (node->file->handle[m->index] < 0)
			return false;
	}
	return true;
}

/*
 * A read failed.  EIO may be one bad spot of a disk, which is good again once
 * it is written to: the blocks are mended, as rotten ones are.  True: so they
 * are to be; false: the member was lost.
 */
static bool
read_failed(struct volume *v, struct member *m, ssize_t error)
{
	return error == -EIO || members_settle(v, m, (int)error, "reading data") <= 0;
}

/* One member's copy of a block: 0: it matches ${tag}; -EBADMSG: it does not; else why it cannot be read. */
static int
copy_look(struct volume *v, struct member *m, const struct node *node, uint64_t index, const uint8_t *tag, uint8_t *data)
{
	size_t len = block_len(node, index);
	ssize_t n;

	n = m->r->ops->pread(m->r, node->file->handle[m->index], data, len, index * BLOCK);
	if (n < 0) {
		(void)read_failed(v, m, n);
		return (int)n;
	}
	return n == (ssize_t)len && blocks_match(v, tag, data, len) ? 0 : -EBADMSG;
}

static bool
copy_read(struct volume *v, struct member *m, const struct node *node, uint64_t index, const uint8_t *tag, uint8_t *data)
{
	return copy_look(v, m, node, index, tag, data) == 0;
}

/*
 * The tag in memory matches no copy.  If it came from a damaged page, the
 * page of another member may have the right one: a copy that matches a tag,
 * any member's, is proved by it.
 */
static struct member *
find_by_other_tags(struct volume *v, struct node *node, uint64_t index, uint8_t *tag, uint8_t *data)
{
	struct pages_context context = { v, node, node->file };
	const struct tags_source source = { pages_load, pages_next, &context };
	uint8_t page[TAGPAGE_SIZE], *candidate = tagpage_tag(page, index % TAGPAGE_TAGS);
	struct member *m, *other;

	if (!tags_paged(node->file->tags))
		return NULL;
	for_each_member(v, m) {
		if (pages_read(v, m, node, node->file, index / TAGPAGE_TAGS, page) != -EBADMSG || digest_is_zero(candidate))
			continue;
		for_each_member(v, other) {
			if (!copy_read(v, other, node, index, candidate, data) ||
			    tags_prepare(node->file->tags, &source, index, 1) != 0)
				continue;
			memcpy(tag, candidate, DIGEST_SIZE);
			tags_set(node->file->tags, index, 1, tag);
			return other;
		}
	}
	return NULL;
}

static struct member *
find_proved(struct volume *v, struct node *node, uint64_t index, uint8_t *tag, uint8_t *data)
{
	struct member *m;

	for_each_member(v, m) {
		if (copy_read(v, m, node, index, tag, data))
			return m;
	}
	return find_by_other_tags(v, node, index, tag, data);
}

/* A spot that could not be read was written to: can the disk read it now? */
static int
spot_check(struct member *m, replica_handle handle, size_t len, uint64_t index)
{
	uint8_t data[BLOCK];
	ssize_t n;
	int rc;

	if ((rc = m->r->ops->fsync(m->r, handle, true)) != 0)
		return rc;
	m->r->ops->drop_cache(m->r, handle);
	n = m->r->ops->pread(m->r, handle, data, len, index * BLOCK);
	return n < 0 ? (int)n : 0;
}

/*
 * Write the proved bytes over one bad copy, and put the file's seal back.
 * ${unreadable}: it could not be read at all, and has to be so then.
 */
static void
copy_mend(struct volume *v, struct member *m, const char *from, struct node *node, uint64_t index,
    const uint8_t *data, bool unreadable)
{
	const struct replica_times seal = { .atime.tv_nsec = UTIME_OMIT, .mtime = node->mtime };
	const struct replica_at at = { .handle = node->file->handle[m->index] };
	replica_handle handle = REPLICA_NONE;
	size_t len = block_len(node, index);
	struct replica_privs privs;
	char path[NODES_PATH_MAX];
	ssize_t n;
	int rc = 0;

	/* What our own crash tore is no fault of the member's. */
	if (!torn_now(v, node))
		atomic_fetch_add(&m->blocks_bad, 1);
	nodes_path(v, node, path, sizeof(path));
	if (v->no_writes) {
		log_warning("%s: block %" PRIu64 " (offset %" PRIu64 ") is bad on replica %s; not mended, for the volume is mounted read-only",
		    path, index, index * BLOCK, m->r->path);
		return;
	}
	if (edits_keep(v, m, node, at.handle) != 0)
		return;
	if (!node->file->writable[m->index])
		rc = m->r->ops->open(m->r, at, true, &handle, NULL);
	if (rc == 0) {
		replica_privs_get(m->r, at, &privs);
		n = m->r->ops->pwrite(m->r, handle >= 0 ? handle : at.handle, data, len, index * BLOCK);
		rc = n == (ssize_t)len ? 0 : n < 0 ? (int)n : -ENOSPC;
		if (rc == 0 && unreadable)
			rc = spot_check(m, handle >= 0 ? handle : at.handle, len, index);
		if (rc == 0)
			rc = replica_privs_put(m->r, at, &privs);
	}
	/* While dirty, the next store seals. */
	if (rc == 0 && !node->dirty)
		rc = m->r->ops->store(m->r, at, &seal, NULL, 0);
	if (handle >= 0)
		m->r->ops->close(m->r, handle);
	if (rc == 0 && torn_now(v, node)) {
		log_debug("%s: block %" PRIu64 " on replica %s made as on %s after the unclean stop", path, index, m->r->path, from);
	} else if (rc == 0) {
		atomic_fetch_add(&m->mended, 1);
		events_emit(v, &(struct event){ .kind = EVENT_MENDED, .replica = m->r->path, .path = path, .detail = "a block" });
		log_warning("mended %s: block %" PRIu64 " (offset %" PRIu64 ") on replica %s from %s",
		    path, index, index * BLOCK, m->r->path, from);
	} else if (members_settle(v, m, rc, "mending a block") < 0) {
		log_warning("%s: block %" PRIu64 " (offset %" PRIu64 ") is bad on replica %s and cannot be mended now: %s",
		    path, index, index * BLOCK, m->r->path, strerror(-rc));
	}
}

struct lost { struct hashmap_link by_place; };

/*
 * Count a block that nobody can prove, but once.  Two that are mixed up, which
 * 64 bits all but rule out, or more than are kept in mind, make a wrong count
 * and nothing else.
 */
static void
count_lost(struct volume *v, const struct node *node, uint64_t index)
{
	uint64_t place = node_key(node) * UINT64_C(0x9e3779b97f4a7c15) + (index + 1) * UINT64_C(0xbf58476d1ce4e5b9);
	struct lost *lost;

	if (hashmap_find(&v->lost, place) != NULL)
		return;
	atomic_fetch_add(&v->blocks_lost, 1);
	if (v->lost.count < LOST_MAX && (lost = malloc(sizeof(*lost))) != NULL)
		hashmap_insert(&v->lost, &lost->by_place, place);
}

static void
free_lost(struct hashmap_link *link, void *arg)
{
	(void)arg;
	free(hashmap_entry(link, struct lost, by_place));
}

void
blocks_forget(struct volume *v)
{
	hashmap_each(&v->lost, free_lost, NULL);
	hashmap_free(&v->lost);
}

static void
report_lost(struct volume *v, struct node *node, uint64_t index)
{
	char path[NODES_PATH_MAX];
	struct member *m;

	if (node->reported == index + 1)
		return;
	node->reported = index + 1;
	for_each_member(v, m)
		atomic_fetch_add(&m->unmended, 1);
	count_lost(v, node, index);
	log_error("%s: block %" PRIu64 " (offset %" PRIu64 ") matches its checksum on no replica: reading it fails "
	    "until it is wholly overwritten; restore it from a backup",
	    nodes_path(v, node, path, sizeof(path)), index, index * BLOCK);
	events_emit(v, &(struct event){ .kind = EVENT_UNMENDABLE, .path = path, .detail = "a block matches its checksum on no replica" });
}

int
blocks_mend_bad(struct volume *v, struct node *node, uint64_t index, const bool *bad, uint8_t *data)
{
	uint8_t tag[DIGEST_SIZE], other[BLOCK];
	size_t len = block_len(node, index);
	struct member *m, *good;
	int rc = 0;

	if ((rc = tags_copy(v, node, index, 1, tag)) != 0)
		return rc;

	/* One at a time: whoever comes second finds the block mended and counts nothing. */
	pthread_mutex_lock(&v->heal_lock);
	pthread_mutex_lock(&node->file->mutex);
	if ((good = find_proved(v, node, index, tag, data)) == NULL && torn_now(v, node))
		good = torn_choose(v, node, index, tag, data);
	pthread_mutex_unlock(&node->file->mutex);
	if (good == NULL && digest_is_zero(tag) && !torn_now(v, node)) {
		/* A block of zeros needs no source. */
		memset(data, 0, len);
	} else if (good == NULL) {
		report_lost(v, node, index);
		rc = -EIO;
		goto done;
	}
	for_each_member(v, m) {
		if (m == good && (bad == NULL || !bad[m->index]))
			continue;
		rc = copy_look(v, m, node, index, tag, other);
		/* One that was lost over being read is mended when it is back. */
		if (member_in_sync(m) && (rc != 0 || (bad != NULL && bad[m->index])))
			copy_mend(v, m, good == NULL ? "its tag (zeros)" : good->r->path, node, index, data, rc == -EIO);
	}
	memset(data + len, 0, BLOCK - len);
	rc = 0;

done:
	pthread_mutex_unlock(&v->heal_lock);
	return rc;
}

int
blocks_mend(struct volume *v, struct node *node, uint64_t index, uint8_t *data)
{
	return blocks_mend_bad(v, node, index, NULL, data);
}

ssize_t
blocks_tags_there(struct volume *v, struct member *m, replica_handle handle, uint64_t first, uint64_t count, uint8_t *tags)
{
	/* The key of a keyed digest stays here. */
	if (m->r->ops->digest == NULL || v->digest.codec != DIGEST_XXH3)
		return -EOPNOTSUPP;
	return m->r->ops->digest(m->r, handle, tags, (unsigned)count, first * BLOCK);
}

bool
blocks_match_there(struct volume *v, struct member *m, replica_handle handle, const struct node *node, uint64_t first,
    uint64_t count, const uint8_t *tags)
{
	uint8_t sum[DIGEST_SIZE], there[DIGEST_SIZE];
	uint64_t left = node->size - first * BLOCK;

	/* The key of a keyed digest stays here. */
	if (m->r->ops->digest_sum == NULL || v->digest.codec != DIGEST_XXH3 || count > REPLICA_DIGEST_MAX || first * BLOCK >= node->size)
		return false;
	digest_bytes(&v->digest, DIGEST_TAGS, tags, count * DIGEST_SIZE, sum);
	return m->r->ops->digest_sum(m->r, handle, there, (unsigned)count, first * BLOCK) ==
	    (ssize_t)(left < count * BLOCK ? left : count * BLOCK) && digest_equal(sum, there);
}

void
blocks_prove(struct volume *v, struct node *node, struct member *m, uint64_t first, uint64_t count)
{
	size_t len = (size_t)(count - 1) * BLOCK + block_len(node, first + count - 1), one;
	struct scratch *s = scratch();
	uint8_t good[BLOCK];
	uint64_t i;
	ssize_t n;

	if (s == NULL || tags_copy(v, node, first, count, s->tags) != 0)
		return;
	if (blocks_match_there(v, m, node->file->handle[m->index], node, first, count, s->tags))
		return;
	n = m->r->ops->pread(m->r, node->file->handle[m->index], s->data, len, first * BLOCK);
	if (n < 0 && !read_failed(v, m, n))
		return;
	for (i = 0; i < count; i++) {
		one = block_len(node, first + i);
		if (n < (ssize_t)(i * BLOCK + one) || !blocks_match(v, s->tags + i * DIGEST_SIZE, s->data + i * BLOCK, one))
			blocks_mend(v, node, first + i, good);
	}
}

/* Round robin: who reads on stays with a member, who begins elsewhere, or anew, goes to the next. */
static unsigned
turn_of(struct file *file, uint64_t first, uint64_t count)
{
	if (atomic_exchange_explicit(&file->next_block, first + count, memory_order_relaxed) == first)
		return atomic_load_explicit(&file->turn, memory_order_relaxed);
	return atomic_fetch_add_explicit(&file->turn, 1, memory_order_relaxed) + 1;
}

/* A member to read from: the chosen one if the file is open there, else any where it is. */
static struct member *
source_of(struct volume *v, const struct node *node, uint64_t first, uint64_t count)
{
	struct member *m;

	if (v->read_policy == VOLUME_READ_ROUND_ROBIN)
		m = members_in_turn(v, turn_of(node->file, first, count));
	else
		m = members_for_read(v, node_key(node));
	if (m != NULL && node->file->handle[m->index] >= 0)
		return m;
	for_each_member(v, m) {
		if (node->file->handle[m->index] >= 0)
			return m;
	}
	return NULL;
}

int
blocks_read(struct volume *v, struct node *node, uint64_t first, uint64_t count, uint8_t *data)
{
	struct scratch *s = scratch();
	struct member *m;
	uint64_t i;
	size_t want, len;
	ssize_t n;
	int rc;

	if (s == NULL)
		return -ENOMEM;
	if ((rc = tags_copy(v, node, first, count, s->tags)) != 0)
		return rc;
	want = (size_t)(count - 1) * BLOCK + block_len(node, first + count - 1);
	do {
		if ((m = source_of(v, node, first, count)) == NULL)
			return open_everywhere(v, node) ? -EIO : -EAGAIN;
		n = timed_read(m, node->file->handle[m->index], data, want, first * BLOCK);
	} while (n < 0 && !read_failed(v, m, n));
	if (n < (ssize_t)want)
		memset(data + (n < 0 ? 0 : n), 0, want - (size_t)(n < 0 ? 0 : n));
	for (i = 0; i < count; i++) {
		len = block_len(node, first + i);
		/* Bytes that were not there prove nothing, not even zeros. */
		if (n >= (ssize_t)(i * BLOCK + len) &&
		    blocks_match(v, s->tags + i * DIGEST_SIZE, data + i * BLOCK, len))
			continue;
		if (!open_everywhere(v, node))
			return -EAGAIN;
		if ((rc = blocks_mend(v, node, first + i, data + i * BLOCK)) != 0)
			return rc;
	}
	len = block_len(node, first + count - 1);
	memset(data + (count - 1) * BLOCK + len, 0, BLOCK - len);
	return 0;
}

/* One member's answer, the first's that has one. */
static int64_t
seek_one(struct volume *v, struct node *node, uint64_t offset, int whence)
{
	struct member *m;
	int64_t rc = -EIO;

	for_each_member(v, m) {
		if (node->file->handle[m->index] < 0)
			continue;
		rc = m->r->ops->seek(m->r, node->file->handle[m->index], offset, whence);
		if (rc >= 0 || rc == -ENXIO)
			break;
	}
	/* The end of file is ours to say. */
	return rc > (int64_t)node->size ? (int64_t)node->size : rc;
}

/* The first block in [${first}, ${end}) with, or without, a tag of zeros; else ${end}. */
static int
tag_find(struct volume *v, struct node *node, uint64_t first, uint64_t end, bool zero, uint64_t *found)
{
	struct pages_context context = { v, node, node->file };
	const struct tags_source source = { pages_load, pages_next, &context };
	int rc;

	pthread_mutex_lock(&node->file->mutex);
	rc = tags_next(node->file->tags, &source, first, end, zero, found);
	if (rc == 0 && tags_paged(node->file->tags) && !node->file->keep_pages)
		files_account(v, node->file);
	pthread_mutex_unlock(&node->file->mutex);
	return rc;
}

/*
 * What the tags know to be data is data, whatever a member says that has a
 * hole there.  Where the tags say zeros the member may say either.
 */
int64_t
blocks_seek_data(struct volume *v, struct node *node, uint64_t offset)
{
	int64_t data = seek_one(v, node, offset, SEEK_DATA);
	uint64_t end, found;
	int rc;

	if (data < 0 && data != -ENXIO)
		return data;
	end = data < 0 ? (node->size + BLOCK - 1) / BLOCK : (uint64_t)data / BLOCK;
	if ((rc = tag_find(v, node, offset / BLOCK, end, false, &found)) != 0)
		return rc;
	if (found >= end)
		return data;
	return (int64_t)(found * BLOCK > offset ? found * BLOCK : offset);
}

int64_t
blocks_seek_hole(struct volume *v, struct node *node, uint64_t offset)
{
	uint64_t end = (node->size + BLOCK - 1) / BLOCK, block, found;
	int64_t hole;
	int rc;

	for (;;) {
		if ((hole = seek_one(v, node, offset, SEEK_HOLE)) < 0 || (uint64_t)hole >= node->size)
			return hole;
		block = (uint64_t)hole / BLOCK;
		if ((rc = tag_find(v, node, block, end, true, &found)) != 0)
			return rc;
		if (found == block)
			return hole;
		if (found >= end)
			return (int64_t)node->size;
		offset = found * BLOCK;
	}
}
