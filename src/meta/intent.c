/*
 * What is known of a bit:
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
 * Regions and ways stand in files of their own.  Ways are set first and cleared
 * last: bits of regions without any way are an older program's.
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

#define WORDS (INTENT_SECTOR_BITS / 64)
#define BITMAP_SIZE (INTENT_SECTOR_BITS / 8)
#define LOAD_SECTORS 128		/* read at a time */

_Static_assert(INTENT_SECTOR_BITS % 64 == 0, "a sector's bits are kept in words");

/* The words of a sector: regions, ways, and one whose lowest bit stands for INTENT_ASTRAY. */
enum { WAYS = WORDS, ASTRAY = 2 * WORDS, ALL_WORDS };

struct sector {
	_Atomic uint64_t marked[ALL_WORDS];
	_Atomic uint64_t used[ALL_WORDS];
	_Atomic uint64_t before[ALL_WORDS];	/* changed under the mutex */
	uint64_t durable[ALL_WORDS];	/* mutex */
	uint64_t clearing[ALL_WORDS];	/* mutex: denied by the sweep under way */
	bool stale[INTENT_PARTS];	/* mutex */
};

static const char *const file_names[INTENT_PARTS] = { [INTENT_PART_REGIONS] = "intent", [INTENT_PART_WAYS] = "ways" };

struct intent {
	const struct digest *digest;
	pthread_mutex_t sweep;		/* one sweep at a time; taken before mutex */
	pthread_mutex_t mutex;
	_Atomic uint32_t epoch;		/* counts sweeps, from 1 on; changed under the mutex */
	_Atomic uint32_t count;		/* sectors[count] and all behind it are NULL; grows under the mutex */
	/* Set once, under the mutex; read without it. */
	_Atomic(struct sector *) sectors[INTENT_SECTORS_MAX];
};

/* Where a bit stands. */
struct place {
	uint64_t index;
	unsigned word;
	uint64_t bit;
};

static struct place
place_of(uint64_t id)
{
	const uint64_t region = (id & ~INTENT_WAY) / INTENT_REGION;
	const unsigned bit = (unsigned)(region % INTENT_SECTOR_BITS);
	const unsigned word = bit / 64 + (id & INTENT_WAY ? WAYS : 0);

	if (id == INTENT_ASTRAY)
		return (struct place){ 0, ASTRAY, 1 };
	return (struct place){ region / INTENT_SECTOR_BITS, word, UINT64_C(1) << (bit % 64) };
}

static enum intent_part
part_of(unsigned word)
{
	return word >= WAYS && word < ASTRAY ? INTENT_PART_WAYS : INTENT_PART_REGIONS;
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
	in->epoch = 1;
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

/* What is loaded from one replica. */
struct load {
	struct intent *intent;
	struct replica *r;
	enum intent_part part;
	bool any[INTENT_PARTS];		/* are there any sectors? */
};

static int
join_sector(struct load *l, uint32_t index, const uint8_t *bytes)
{
	/* All that is not written as such is taken as if its ways were not marked. */
	bool on_ways = l->part == INTENT_PART_WAYS || intent_is_kind(INTENT_REGIONS_ON_WAYS, bytes);
	enum intent_kind kind = l->part == INTENT_PART_WAYS ? INTENT_WAYS : on_ways ? INTENT_REGIONS_ON_WAYS : INTENT_REGIONS;
	unsigned first = l->part == INTENT_PART_WAYS ? WAYS : 0, i;
	uint8_t bitmap[BITMAP_SIZE];
	uint64_t words[WORDS], any = 0;
	struct sector *sector;
	int rc;

	rc = intent_decode(l->intent->digest, kind, index, bytes, bitmap);
	if (rc != 0 && rc != -EBADMSG)
		return rc;
	words_of(bitmap, words);
	for (i = 0; i < WORDS; i++)
		any |= words[i];
	if (any == 0 && on_ways)
		return 0;
	if ((sector = sector_make(l->intent, index)) == NULL)
		return -ENOMEM;
	for (i = 0; i < WORDS; i++)
		atomic_fetch_or(&sector->before[first + i], words[i]);
	if (!on_ways || (rc == -EBADMSG && l->part == INTENT_PART_REGIONS))
		atomic_fetch_or(&sector->before[ASTRAY], 1);
	return rc == -EBADMSG ? 1 : 0;
}

/* The number of spoiled sectors among those in ${bytes}, or an error. */
static int
join_sectors(struct load *l, uint32_t first, uint8_t *bytes, size_t len)
{
	size_t at;
	int rc, spoiled = 0;

	/* A last sector cut short fails its check, unless it is all zeros. */
	if (len % INTENT_SECTOR_SIZE != 0)
		memset(bytes + len, 0, INTENT_SECTOR_SIZE - len % INTENT_SECTOR_SIZE);
	for (at = 0; at < len; at += INTENT_SECTOR_SIZE, first++) {
		if (digest_zeros(bytes + at, INTENT_SECTOR_SIZE))
			continue;
		l->any[l->part] = true;
		if ((rc = join_sector(l, first, bytes + at)) < 0)
			return rc;
		spoiled += rc;
	}
	return spoiled;
}

static int
load_open(struct load *l, replica_handle file)
{
	const size_t size = LOAD_SECTORS * INTENT_SECTOR_SIZE;
	uint8_t *bytes;
	ssize_t len;
	uint32_t index;
	int rc = 0, spoiled = 0;

	if ((bytes = malloc(size)) == NULL)
		return -ENOMEM;
	for (index = 0; index < INTENT_SECTORS_MAX; index += LOAD_SECTORS) {
		len = l->r->ops->pread(l->r, file, bytes, size, (uint64_t)index * INTENT_SECTOR_SIZE);
		if (len <= 0) {
			rc = (int)len;
			break;
		}
		if ((rc = join_sectors(l, index, bytes, (size_t)len)) < 0)
			break;
		spoiled += rc;
		rc = 0;
		if ((size_t)len < size)
			break;
	}
	free(bytes);
	return rc < 0 ? rc : spoiled;
}

static int
load_part(struct load *l, replica_handle dir, enum intent_part part)
{
	const struct replica_at at = { .handle = dir, .name = file_names[part] };
	replica_handle file;
	int rc;

	l->part = part;
	if ((rc = l->r->ops->open(l->r, at, false, &file, NULL)) != 0)
		return rc == -ENOENT ? 0 : rc;
	rc = load_open(l, file);
	l->r->ops->close(l->r, file);
	return rc;
}

/* Regions, but no ways: an older program's, or the file was lost. */
static int
load_astray(struct load *l)
{
	struct sector *sector;

	if (!l->any[INTENT_PART_REGIONS] || l->any[INTENT_PART_WAYS])
		return 0;
	if ((sector = sector_make(l->intent, 0)) == NULL)
		return -ENOMEM;
	atomic_fetch_or(&sector->before[ASTRAY], 1);
	return 0;
}

int
intent_load(struct intent *intent, struct replica *r)
{
	struct load l = { .intent = intent, .r = r };
	replica_handle dir;
	int rc, ways = 0;

	if ((rc = meta_open(r, false, &dir)) != 0)
		return rc == -ENOENT ? 0 : rc;
	pthread_mutex_lock(&intent->mutex);
	if ((rc = load_part(&l, dir, INTENT_PART_REGIONS)) >= 0 && (ways = load_part(&l, dir, INTENT_PART_WAYS)) >= 0)
		ways = load_astray(&l) < 0 ? -ENOMEM : ways;
	pthread_mutex_unlock(&intent->mutex);
	r->ops->dir_close(r, dir);
	return rc < 0 ? rc : ways < 0 ? ways : rc + ways;
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
		for (w = 0; w < ALL_WORDS; w++)
			if ((atomic_exchange(&sector->before[w], 0) & ~sector->durable[w]) != 0)
				sector->stale[part_of(w)] = true;
	}
	pthread_mutex_unlock(&intent->mutex);
}

bool
intent_astray(const struct intent *intent)
{
	const struct sector *sector;
	uint32_t i;

	for (i = 0; i < intent->count; i++) {
		if ((sector = sector_at(intent, i)) != NULL && atomic_load(&sector->before[ASTRAY]) != 0)
			return true;
	}
	return false;
}

uint32_t
intent_epoch(const struct intent *intent)
{
	return atomic_load_explicit(&intent->epoch, memory_order_acquire);
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

/* A sector as it is to stand on the replicas: durable | before.  Returns whether it says anything. */
static bool
encode_sector(const struct intent *intent, const struct sector *sector, uint32_t index, enum intent_part part, uint8_t *bytes)
{
	const unsigned first = part == INTENT_PART_WAYS ? WAYS : 0;
	bool astray = (sector->durable[ASTRAY] | atomic_load(&sector->before[ASTRAY])) != 0;
	enum intent_kind kind = part == INTENT_PART_WAYS ? INTENT_WAYS : astray ? INTENT_REGIONS : INTENT_REGIONS_ON_WAYS;
	uint64_t words[WORDS], any = kind == INTENT_REGIONS;
	uint8_t bitmap[BITMAP_SIZE];
	unsigned w;

	for (w = 0; w < WORDS; w++)
		any |= words[w] = sector->durable[first + w] | atomic_load(&sector->before[first + w]);
	bitmap_of(words, bitmap);
	intent_encode(intent->digest, kind, index, bitmap, bytes);
	return any != 0;
}

/* On error the replicas may hold either content. */
static int
write_sector(struct intent *intent, struct sector *sector, uint32_t index, enum intent_part part, intent_write_call *write, void *arg)
{
	uint8_t bytes[INTENT_SECTOR_SIZE];
	int rc;

	(void)encode_sector(intent, sector, index, part, bytes);
	rc = write(arg, part, index, bytes);
	sector->stale[part] = rc != 0;
	return rc;
}

/* The bits of ${ids} that stand in sector ${index}. */
static void
wanted(const uint64_t *ids, size_t count, uint64_t index, uint64_t want[ALL_WORDS])
{
	struct place place;
	size_t i;

	memset(want, 0, ALL_WORDS * sizeof(*want));
	for (i = 0; i < count; i++) {
		place = place_of(ids[i]);
		if (place.index == index)
			want[place.word] |= place.bit;
	}
}

/* Mark what of ${ids} stands in one sector of one file. */
static int
mark_sector(struct intent *intent, uint32_t index, enum intent_part part, const uint64_t *ids, size_t count,
    intent_write_call *write, void *arg)
{
	uint64_t old[ALL_WORDS], want[ALL_WORDS], missing = 0, before;
	struct sector *sector;
	unsigned w;
	int rc;

	if ((sector = sector_make(intent, index)) == NULL)
		return -ENOMEM;
	wanted(ids, count, index, want);
	memcpy(old, sector->durable, sizeof(old));
	for (w = 0; w < ALL_WORDS; w++) {
		if (part_of(w) != part)
			want[w] = 0;
		missing |= want[w] & ~old[w];
		sector->durable[w] |= want[w];
	}
	if (missing != 0 && (rc = write_sector(intent, sector, index, part, write, arg)) != 0) {
		memcpy(sector->durable, old, sizeof(old));
		return rc;
	}
	for (w = 0; w < ALL_WORDS; w++) {
		/* The bits of an earlier mount are now on all replicas as well. */
		before = missing != 0 && part_of(w) == part ? atomic_load(&sector->before[w]) : 0;
		sector->durable[w] |= before;
		want[w] |= before;
		if (want[w] == 0)
			continue;
		atomic_fetch_or(&sector->used[w], want[w]);
		atomic_fetch_or(&sector->marked[w], want[w]);
	}
	return 0;
}

static int
mark_part(struct intent *intent, enum intent_part part, const uint64_t *ids, size_t count, intent_write_call *write, void *arg)
{
	uint64_t index;
	size_t i, j;
	int rc;

	for (i = 0; i < count; i++) {
		if (part_of(place_of(ids[i]).word) != part)
			continue;
		index = place_of(ids[i]).index;
		for (j = 0; j < i && place_of(ids[j]).index != index; j++)
			continue;
		/* Those of a sector are marked together. */
		if (j < i && part_of(place_of(ids[j]).word) == part)
			continue;
		if ((rc = mark_sector(intent, (uint32_t)index, part, ids, count, write, arg)) != 0)
			return rc;
	}
	return 0;
}

int
intent_mark(struct intent *intent, const uint64_t *ids, size_t count, intent_write_call *write, void *arg)
{
	size_t i;
	int rc;

	for (i = 0; i < count; i++) {
		if (place_of(ids[i]).index >= INTENT_SECTORS_MAX)
			return -EFBIG;
	}
	pthread_mutex_lock(&intent->mutex);
	if ((rc = mark_part(intent, INTENT_PART_WAYS, ids, count, write, arg)) == 0)
		rc = mark_part(intent, INTENT_PART_REGIONS, ids, count, write, arg);
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
		any |= sector->stale[INTENT_PART_REGIONS] || sector->stale[INTENT_PART_WAYS];
		for (w = 0; w < ALL_WORDS; w++)
			any |= deny_word(sector, w);
	}
	return any;
}

/* A sweep that failed takes back what it denied of one file, from a sector on: the bits are still durable. */
static void
affirm_from(struct intent *intent, enum intent_part part, uint32_t index)
{
	struct sector *sector;
	unsigned w;

	for (; index < intent->count; index++) {
		if ((sector = sector_at(intent, index)) == NULL)
			continue;
		for (w = 0; w < ALL_WORDS; w++) {
			if (part_of(w) == part && sector->clearing[w] != 0)
				atomic_fetch_or(&sector->marked[w], sector->clearing[w]);
		}
	}
}

/* Last step of a sweep. */
static int
clear_denied(struct intent *intent, enum intent_part part, intent_write_call *write, void *arg)
{
	struct sector *sector;
	uint64_t clear, any;
	uint32_t i;
	unsigned w;
	int rc;

	for (i = 0; i < intent->count; i++) {
		if ((sector = sector_at(intent, i)) == NULL)
			continue;
		for (any = 0, w = 0; w < ALL_WORDS; w++) {
			if (part_of(w) != part)
				continue;
			clear = sector->clearing[w] & ~atomic_load(&sector->marked[w]);
			sector->durable[w] &= ~clear;
			any |= clear;
		}
		if (any == 0 && !sector->stale[part])
			continue;
		/*
		 * If it fails, who knows which replica has it: the bits count
		 * as clear, so that the next change sets them again.
		 */
		if ((rc = write_sector(intent, sector, i, part, write, arg)) != 0) {
			affirm_from(intent, part, i + 1);
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
	/* After it: what is noted as used from here on is not denied before the next one. */
	atomic_fetch_add(&intent->epoch, 1);
	pthread_mutex_unlock(&intent->mutex);
	if (!any)
		goto done;

	rc = sync(arg);

	pthread_mutex_lock(&intent->mutex);
	if (rc != 0)
		affirm_from(intent, INTENT_PART_REGIONS, 0);
	else
		rc = clear_denied(intent, INTENT_PART_REGIONS, write, arg);
	if (rc != 0)
		affirm_from(intent, INTENT_PART_WAYS, 0);
	else
		rc = clear_denied(intent, INTENT_PART_WAYS, write, arg);
	pthread_mutex_unlock(&intent->mutex);

done:
	pthread_mutex_unlock(&intent->sweep);
	return rc;
}

static int
join_part(struct intent *intent, enum intent_part part, intent_write_call *write, void *arg)
{
	uint8_t bytes[INTENT_SECTOR_SIZE];
	struct sector *sector;
	uint32_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < intent->count; i++) {
		if ((sector = sector_at(intent, i)) != NULL && encode_sector(intent, sector, i, part, bytes))
			rc = write(arg, part, i, bytes);
	}
	return rc;
}

int
intent_join(struct intent *intent, intent_write_call *write, int (*join)(void *arg), void *arg)
{
	int rc;

	pthread_mutex_lock(&intent->mutex);
	if ((rc = join_part(intent, INTENT_PART_WAYS, write, arg)) == 0 &&
	    (rc = join_part(intent, INTENT_PART_REGIONS, write, arg)) == 0)
		rc = join(arg);
	pthread_mutex_unlock(&intent->mutex);
	return rc;
}

/* Open one of the files for writing, and make it, durably, if it is missing. */
static int
open_file(struct replica *r, replica_handle dir, enum intent_part part, replica_handle *file)
{
	const struct replica_at at = { .handle = dir, .name = file_names[part] };
	const struct replica_new new = { .mode = S_IFREG | 0600, .owned = true };
	int rc;

	if ((rc = r->ops->open(r, at, true, file, NULL)) != -ENOENT)
		return rc;
	if ((rc = r->ops->create(r, dir, file_names[part], &new, file)) != 0)
		return rc;
	if ((rc = r->ops->dir_sync(r, dir)) != 0)
		r->ops->close(r, *file);
	return rc;
}

int
intent_write_sector(struct replica *r, enum intent_part part, uint32_t index, const uint8_t *sector)
{
	replica_handle dir, file;
	int rc;

	if ((rc = meta_open(r, true, &dir)) != 0)
		return rc;
	if ((rc = open_file(r, dir, part, &file)) == 0) {
		rc = meta_write(r, file, sector, INTENT_SECTOR_SIZE, (uint64_t)index * INTENT_SECTOR_SIZE);
		if (rc == 0)
			rc = r->ops->fsync(r, file, true);
		r->ops->close(r, file);
	}
	r->ops->dir_close(r, dir);
	return rc;
}

static int
reset_part(struct replica *r, replica_handle dir, enum intent_part part)
{
	replica_handle file;
	int rc;

	if ((rc = open_file(r, dir, part, &file)) != 0)
		return rc;
	if ((rc = r->ops->truncate(r, file, 0)) == 0)
		rc = r->ops->fsync(r, file, false);
	r->ops->close(r, file);
	return rc;
}

int
intent_reset(struct replica *r)
{
	replica_handle dir;
	int rc;

	if ((rc = meta_open(r, true, &dir)) != 0)
		return rc;
	if ((rc = reset_part(r, dir, INTENT_PART_REGIONS)) == 0)
		rc = reset_part(r, dir, INTENT_PART_WAYS);
	r->ops->dir_close(r, dir);
	return rc;
}
