/*
 * What is known of a region's bit:
 *
 *  durable   set on all replicas in sync, as far as we wrote them (mutex)
 *  marked    durable, and not about to be cleared: what intent_marked says
 *  used      asked for since the last sweep
 *  before    was set when the volume was mounted: by an earlier mount
 *
 * Each sector is written as durable | before.  A sector is stale if a replica
 * may hold more bits set than that (an old one, or a write that failed); a
 * sweep writes it again.
 *
 * Clearing and marking.  A sweep first denies the bits that it means to clear
 * (marked), then lets everything be made durable, then clears those which were
 * not marked anew meanwhile.  During the second step the mutex is free, for
 * making things durable takes locks whose holders may be waiting to mark; and
 * to mark anew costs no write, as the bit is still durable.
 */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "meta/intent.h"
#include "meta/meta.h"

#define INTENT_FILE "intent"
#define WORDS (INTENT_SECTOR_BITS / 64)
#define BITMAP_SIZE (INTENT_SECTOR_BITS / 8)
#define LOAD_SECTORS 128		/* read at a time */

_Static_assert(INTENT_SECTOR_BITS % 64 == 0, "a sector's bits are kept in words");

struct sector {
	_Atomic uint64_t marked[WORDS];
	_Atomic uint64_t used[WORDS];
	_Atomic uint64_t before[WORDS];	/* changed under the mutex */
	uint64_t durable[WORDS];	/* mutex */
	uint64_t clearing[WORDS];	/* mutex: denied by the sweep under way */
	bool stale;			/* mutex */
};

struct intent {
	const struct digest *digest;
	pthread_mutex_t sweep;		/* one sweep at a time; taken before mutex */
	pthread_mutex_t mutex;
	_Atomic uint32_t count;		/* sectors[count] and all behind it are NULL; grows under the mutex */
	/* Set once, under the mutex; read without it. */
	_Atomic(struct sector *) sectors[INTENT_SECTORS_MAX];
};

/* Where the bit of a region stands. */
struct place {
	uint64_t index;
	unsigned word;
	uint64_t bit;
};

static struct place
place_of(uint64_t id)
{
	const uint64_t region = id / INTENT_REGION;
	const unsigned bit = (unsigned)(region % INTENT_SECTOR_BITS);
	const struct place place = { region / INTENT_SECTOR_BITS, bit / 64, UINT64_C(1) << (bit % 64) };

	return place;
}

static struct sector *
sector_at(const struct intent *intent, uint64_t index)
{
	if (index >= INTENT_SECTORS_MAX)
		return NULL;
	return atomic_load_explicit(&intent->sectors[index], memory_order_acquire);
}

static struct sector *
sector_make(struct intent *intent, uint32_t index)
{
	struct sector *sector;

	if ((sector = sector_at(intent, index)) != NULL)
		return sector;
	if ((sector = calloc(1, sizeof(*sector))) == NULL)
		return NULL;
	atomic_store_explicit(&intent->sectors[index], sector, memory_order_release);
	if (intent->count <= index)
		intent->count = index + 1;
	return sector;
}

int
intent_new(const struct digest *digest, struct intent **intent)
{
	struct intent *in;

	/* Some 8 MiB, of which the system gives only the pages that are used. */
	if ((in = calloc(1, sizeof(*in))) == NULL)
		return -ENOMEM;
	in->digest = digest;
	pthread_mutex_init(&in->sweep, NULL);
	pthread_mutex_init(&in->mutex, NULL);
	*intent = in;
	return 0;
}

void
intent_free(struct intent *intent)
{
	uint32_t i;

	if (intent == NULL)
		return;
	for (i = 0; i < intent->count; i++)
		free(sector_at(intent, i));
	pthread_mutex_destroy(&intent->mutex);
	pthread_mutex_destroy(&intent->sweep);
	free(intent);
}

/* Words and bytes: the same bits, least significant first. */

static void
words_of(const uint8_t *bitmap, uint64_t *words)
{
	unsigned i;

	memset(words, 0, WORDS * sizeof(*words));
	for (i = 0; i < BITMAP_SIZE; i++)
		words[i / 8] |= (uint64_t)bitmap[i] << (i % 8 * 8);
}

static void
bitmap_of(const uint64_t *words, uint8_t *bitmap)
{
	unsigned i;

	for (i = 0; i < BITMAP_SIZE; i++)
		bitmap[i] = (uint8_t)(words[i / 8] >> (i % 8 * 8));
}

static int
join_sector(struct intent *intent, uint32_t index, const uint8_t *bytes)
{
	uint8_t bitmap[BITMAP_SIZE];
	uint64_t words[WORDS], any = 0;
	struct sector *sector;
	unsigned i;
	int rc;

	rc = intent_decode(intent->digest, index, bytes, bitmap);
	if (rc != 0 && rc != -EBADMSG)
		return rc;
	words_of(bitmap, words);
	for (i = 0; i < WORDS; i++)
		any |= words[i];
	if (any == 0)
		return 0;
	if ((sector = sector_make(intent, index)) == NULL)
		return -ENOMEM;
	for (i = 0; i < WORDS; i++)
		atomic_fetch_or(&sector->before[i], words[i]);
	return rc == -EBADMSG ? 1 : 0;
}

/* The number of spoiled sectors among those in ${bytes}, or an error. */
static int
join_sectors(struct intent *intent, uint32_t first, uint8_t *bytes, size_t len)
{
	size_t at;
	int rc, spoiled = 0;

	/* A last sector cut short fails its check, unless it is all zeros. */
	if (len % INTENT_SECTOR_SIZE != 0)
		memset(bytes + len, 0, INTENT_SECTOR_SIZE - len % INTENT_SECTOR_SIZE);
	for (at = 0; at < len; at += INTENT_SECTOR_SIZE, first++) {
		if (digest_zeros(bytes + at, INTENT_SECTOR_SIZE))
			continue;
		if ((rc = join_sector(intent, first, bytes + at)) < 0)
			return rc;
		spoiled += rc;
	}
	return spoiled;
}

static int
load_file(struct intent *intent, struct replica *r, replica_handle file)
{
	const size_t size = LOAD_SECTORS * INTENT_SECTOR_SIZE;
	uint8_t *bytes;
	ssize_t len;
	uint32_t index;
	int rc = 0, spoiled = 0;

	if ((bytes = malloc(size)) == NULL)
		return -ENOMEM;
	pthread_mutex_lock(&intent->mutex);
	for (index = 0; index < INTENT_SECTORS_MAX; index += LOAD_SECTORS) {
		len = r->ops->pread(r, file, bytes, size, (uint64_t)index * INTENT_SECTOR_SIZE);
		if (len <= 0) {
			rc = (int)len;
			break;
		}
		if ((rc = join_sectors(intent, index, bytes, (size_t)len)) < 0)
			break;
		spoiled += rc;
		rc = 0;
		if ((size_t)len < size)
			break;
	}
	pthread_mutex_unlock(&intent->mutex);
	free(bytes);
	return rc < 0 ? rc : spoiled;
}

int
intent_load(struct intent *intent, struct replica *r)
{
	struct replica_at at = { .handle = REPLICA_NONE, .name = INTENT_FILE };
	replica_handle file;
	int rc;

	if ((rc = meta_open(r, false, &at.handle)) != 0)
		return rc == -ENOENT ? 0 : rc;
	rc = r->ops->open(r, at, false, &file, NULL);
	if (rc == 0) {
		rc = load_file(intent, r, file);
		r->ops->close(r, file);
	}
	r->ops->dir_close(r, at.handle);
	return rc == -ENOENT ? 0 : rc;
}

bool
intent_was_dirty(const struct intent *intent, uint64_t id)
{
	const struct place place = place_of(id);
	const struct sector *sector;

	if ((sector = sector_at(intent, place.index)) == NULL)
		return false;
	return (atomic_load(&sector->before[place.word]) & place.bit) != 0;
}

void
intent_distrust(struct intent *intent, uint64_t id)
{
	const struct place place = place_of(id);
	struct sector *sector;

	pthread_mutex_lock(&intent->mutex);
	/* Marked: so the sector is there. */
	if ((sector = sector_at(intent, place.index)) != NULL)
		atomic_fetch_or(&sector->before[place.word], place.bit);
	pthread_mutex_unlock(&intent->mutex);
}

void
intent_settle_all(struct intent *intent)
{
	struct sector *sector;
	uint32_t i;
	unsigned w;

	pthread_mutex_lock(&intent->mutex);
	for (i = 0; i < intent->count; i++) {
		if ((sector = sector_at(intent, i)) == NULL)
			continue;
		for (w = 0; w < WORDS; w++)
			if ((atomic_exchange(&sector->before[w], 0) & ~sector->durable[w]) != 0)
				sector->stale = true;
	}
	pthread_mutex_unlock(&intent->mutex);
}

uint64_t
intent_any(const struct intent *intent)
{
	const struct sector *sector;
	uint64_t sum = 0;
	uint32_t i;
	unsigned w;

	for (i = 0; i < intent->count; i++) {
		if ((sector = sector_at(intent, i)) == NULL)
			continue;
		for (w = 0; w < WORDS; w++)
			sum += (unsigned)__builtin_popcountll(atomic_load(&sector->before[w]));
	}
	return sum;
}

uint64_t
intent_count(const struct intent *intent)
{
	const struct sector *sector;
	uint64_t count = 0;
	uint32_t i;
	unsigned w;

	for (i = 0; i < intent->count; i++) {
		if ((sector = sector_at(intent, i)) == NULL)
			continue;
		for (w = 0; w < WORDS; w++)
			count += (unsigned)__builtin_popcountll(atomic_load(&sector->marked[w]) | atomic_load(&sector->before[w]));
	}
	return count;
}

int64_t
intent_highest(const struct intent *intent)
{
	const struct sector *sector;
	int64_t highest = -1;
	uint64_t word;
	uint32_t i;
	unsigned w;

	for (i = 0; i < intent->count; i++) {
		if ((sector = sector_at(intent, i)) == NULL)
			continue;
		for (w = 0; w < WORDS; w++)
			if ((word = atomic_load(&sector->before[w])) != 0)
				highest = (int64_t)i * INTENT_SECTOR_BITS + w * 64 + 63 - __builtin_clzll(word);
	}
	return highest;
}

bool
intent_marked(struct intent *intent, uint64_t id)
{
	const struct place place = place_of(id);
	struct sector *sector;

	if ((sector = sector_at(intent, place.index)) == NULL)
		return false;
	/* Read first: the line is shared by all writers. */
	if ((atomic_load(&sector->used[place.word]) & place.bit) == 0)
		atomic_fetch_or(&sector->used[place.word], place.bit);
	return (atomic_load(&sector->marked[place.word]) & place.bit) != 0;
}

/* Write durable | before.  On error the replicas may hold either content. */
static int
write_sector(struct intent *intent, struct sector *sector, uint32_t index, intent_write_call *write, void *arg)
{
	uint8_t bitmap[BITMAP_SIZE], bytes[INTENT_SECTOR_SIZE];
	uint64_t words[WORDS];
	unsigned w;
	int rc;

	for (w = 0; w < WORDS; w++)
		words[w] = sector->durable[w] | atomic_load(&sector->before[w]);
	bitmap_of(words, bitmap);
	intent_encode(intent->digest, index, bitmap, bytes);
	rc = write(arg, index, bytes);
	sector->stale = rc != 0;
	return rc;
}

/* The bits of word ${w} of sector ${index} that stand for regions ${first}..${last}. */
static uint64_t
word_of_range(uint64_t first, uint64_t last, uint32_t index, unsigned w)
{
	const uint64_t start = (uint64_t)index * INTENT_SECTOR_BITS + w * 64;
	uint64_t word = ~UINT64_C(0);

	if (last < start || first > start + 63)
		return 0;
	if (first > start)
		word &= ~UINT64_C(0) << (first - start);
	if (last < start + 63)
		word &= ~UINT64_C(0) >> (start + 63 - last);
	return word;
}

/* Mark what of regions ${first}..${last} lies in one sector. */
static int
mark_sector(struct intent *intent, uint32_t index, uint64_t first, uint64_t last,
    intent_write_call *write, void *arg)
{
	uint64_t old[WORDS], want[WORDS], missing = 0;
	struct sector *sector;
	unsigned w;
	int rc;

	if ((sector = sector_make(intent, index)) == NULL)
		return -ENOMEM;
	memcpy(old, sector->durable, sizeof(old));
	for (w = 0; w < WORDS; w++) {
		want[w] = word_of_range(first, last, index, w);
		missing |= want[w] & ~old[w];
		sector->durable[w] |= want[w];
	}
	if (missing != 0) {
		if ((rc = write_sector(intent, sector, index, write, arg)) != 0) {
			memcpy(sector->durable, old, sizeof(old));
			return rc;
		}
		/* The bits of an earlier mount are now on all replicas as well. */
		for (w = 0; w < WORDS; w++) {
			const uint64_t before = atomic_load(&sector->before[w]);

			sector->durable[w] |= before;
			want[w] |= before;
		}
	}
	for (w = 0; w < WORDS; w++) {
		if (want[w] == 0)
			continue;
		atomic_fetch_or(&sector->used[w], want[w]);
		atomic_fetch_or(&sector->marked[w], want[w]);
	}
	return 0;
}

int
intent_mark(struct intent *intent, uint64_t first, uint64_t last, intent_write_call *write, void *arg)
{
	const uint64_t first_region = first / INTENT_REGION, last_region = last / INTENT_REGION;
	uint64_t index;
	int rc = 0;

	if (last < first)
		return -EINVAL;
	if (last_region / INTENT_SECTOR_BITS >= INTENT_SECTORS_MAX)
		return -EFBIG;
	pthread_mutex_lock(&intent->mutex);
	for (index = first_region / INTENT_SECTOR_BITS; index <= last_region / INTENT_SECTOR_BITS; index++)
		if ((rc = mark_sector(intent, (uint32_t)index, first_region, last_region, write, arg)) != 0)
			break;
	pthread_mutex_unlock(&intent->mutex);
	return rc;
}

/*
 * Deny first, look at ${used} again after it: intent_marked goes the other way
 * round, so that whoever it told yes is seen here.
 */
static bool
deny_word(struct sector *sector, unsigned w)
{
	uint64_t clearing, back;

	clearing = atomic_load(&sector->marked[w]) & ~atomic_load(&sector->used[w]) &
	    ~atomic_load(&sector->before[w]);
	if (clearing != 0)
		atomic_fetch_and(&sector->marked[w], ~clearing);
	back = atomic_exchange(&sector->used[w], 0) & clearing;
	if (back != 0)
		atomic_fetch_or(&sector->marked[w], back);
	sector->clearing[w] = clearing & ~back;
	return sector->clearing[w] != 0;
}

/* First step of a sweep.  Returns whether there is anything to write. */
static bool
deny_unused(struct intent *intent)
{
	struct sector *sector;
	bool any = false;
	uint32_t i;
	unsigned w;

	for (i = 0; i < intent->count; i++) {
		if ((sector = sector_at(intent, i)) == NULL)
			continue;
		any |= sector->stale;
		for (w = 0; w < WORDS; w++)
			any |= deny_word(sector, w);
	}
	return any;
}

/* A sweep that failed takes back what it denied: the bits are still durable. */
static void
affirm_from(struct intent *intent, uint32_t index)
{
	struct sector *sector;
	unsigned w;

	for (; index < intent->count; index++) {
		if ((sector = sector_at(intent, index)) == NULL)
			continue;
		for (w = 0; w < WORDS; w++)
			if (sector->clearing[w] != 0)
				atomic_fetch_or(&sector->marked[w], sector->clearing[w]);
	}
}

/* Last step of a sweep. */
static int
clear_denied(struct intent *intent, intent_write_call *write, void *arg)
{
	struct sector *sector;
	uint64_t clear, any;
	uint32_t i;
	unsigned w;
	int rc;

	for (i = 0; i < intent->count; i++) {
		if ((sector = sector_at(intent, i)) == NULL)
			continue;
		for (any = 0, w = 0; w < WORDS; w++) {
			clear = sector->clearing[w] & ~atomic_load(&sector->marked[w]);
			sector->durable[w] &= ~clear;
			any |= clear;
		}
		if (any == 0 && !sector->stale)
			continue;
		/*
		 * If it fails, who knows which replica has it: the bits count
		 * as clear, so that the next change sets them again.
		 */
		if ((rc = write_sector(intent, sector, i, write, arg)) != 0) {
			affirm_from(intent, i + 1);
			return rc;
		}
	}
	return 0;
}

int
intent_sweep(struct intent *intent, int (*sync)(void *arg), intent_write_call *write, void *arg)
{
	bool any;
	int rc = 0;

	pthread_mutex_lock(&intent->sweep);
	pthread_mutex_lock(&intent->mutex);
	any = deny_unused(intent);
	pthread_mutex_unlock(&intent->mutex);
	if (!any)
		goto done;

	rc = sync(arg);

	pthread_mutex_lock(&intent->mutex);
	if (rc == 0)
		rc = clear_denied(intent, write, arg);
	else
		affirm_from(intent, 0);
	pthread_mutex_unlock(&intent->mutex);

done:
	pthread_mutex_unlock(&intent->sweep);
	return rc;
}

int
intent_join(struct intent *intent, intent_write_call *write, int (*join)(void *arg), void *arg)
{
	uint8_t bitmap[BITMAP_SIZE], bytes[INTENT_SECTOR_SIZE];
	uint64_t words[WORDS], any;
	struct sector *sector;
	unsigned w;
	uint32_t i;
	int rc = 0;

	pthread_mutex_lock(&intent->mutex);
	for (i = 0; rc == 0 && i < intent->count; i++) {
		if ((sector = sector_at(intent, i)) == NULL)
			continue;
		for (any = 0, w = 0; w < WORDS; w++)
			any |= words[w] = sector->durable[w] | atomic_load(&sector->before[w]);
		if (any == 0)
			continue;
		bitmap_of(words, bitmap);
		intent_encode(intent->digest, i, bitmap, bytes);
		rc = write(arg, i, bytes);
	}
	if (rc == 0)
		rc = join(arg);
	pthread_mutex_unlock(&intent->mutex);
	return rc;
}

/* Open the intent file for writing, and make it, durably, if it is missing. */
static int
open_file(struct replica *r, replica_handle dir, replica_handle *file)
{
	const struct replica_at at = { .handle = dir, .name = INTENT_FILE };
	const struct replica_new new = { .mode = S_IFREG | 0600, .owned = true };
	int rc;

	if ((rc = r->ops->open(r, at, true, file, NULL)) != -ENOENT)
		return rc;
	if ((rc = r->ops->create(r, dir, INTENT_FILE, &new, file)) != 0)
		return rc;
	if ((rc = r->ops->dir_sync(r, dir)) != 0)
		r->ops->close(r, *file);
	return rc;
}

int
intent_write_sector(struct replica *r, uint32_t index, const uint8_t *sector)
{
	replica_handle dir, file;
	int rc;

	if ((rc = meta_open(r, true, &dir)) != 0)
		return rc;
	if ((rc = open_file(r, dir, &file)) == 0) {
		rc = meta_write(r, file, sector, INTENT_SECTOR_SIZE, (uint64_t)index * INTENT_SECTOR_SIZE);
		if (rc == 0)
			rc = r->ops->fsync(r, file, true);
		r->ops->close(r, file);
	}
	r->ops->dir_close(r, dir);
	return rc;
}

int
intent_reset(struct replica *r)
{
	replica_handle dir, file;
	int rc;

	if ((rc = meta_open(r, true, &dir)) != 0)
		return rc;
	if ((rc = open_file(r, dir, &file)) == 0) {
		if ((rc = r->ops->truncate(r, file, 0)) == 0)
			rc = r->ops->fsync(r, file, false);
		r->ops->close(r, file);
	}
	r->ops->dir_close(r, dir);
	return rc;
}
