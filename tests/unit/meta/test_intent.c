#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "meta/intent.h"

#include "../random.h"
#include "../replica/scratch.h"

#define SECTOR_IDS ((uint64_t)INTENT_SECTOR_BITS * INTENT_REGION)

static const struct digest digest = { .codec = DIGEST_XXH3 };
static struct intent *intent;

/* What write and sync are to do, and how often they were called. */
static int write_error, sync_error;
static unsigned writes, syncs;
static uint64_t mark_in_sync;

static int
write_sector(void *arg, enum intent_part part, uint32_t index, const uint8_t *sector)
{
	writes++;
	if (write_error != 0)
		return write_error;
	return intent_write_sector(arg, part, index, sector);
}

static int
sync_all(void *arg)
{
	syncs++;
	/* A writer comes while everything is made durable: here without a deadlock. */
	if (mark_in_sync != 0) {
		ck_assert(!intent_marked(intent, mark_in_sync));
		ck_assert_int_eq(intent_mark(intent, &mark_in_sync, 1, write_sector, arg), 0);
	}
	return sync_error;
}

static int
mark(uint64_t first, uint64_t last)
{
	uint64_t ids[4 * INTENT_SECTOR_BITS];
	size_t count = 0;

	for (first /= INTENT_REGION; first <= last / INTENT_REGION; first++)
		ids[count++] = first * INTENT_REGION;
	return intent_mark(intent, ids, count, write_sector, r);
}

static int
mark_bit(uint64_t id)
{
	return intent_mark(intent, &id, 1, write_sector, r);
}

static int
sweep(void)
{
	return intent_sweep(intent, sync_all, write_sector, r);
}

static void
setup(void)
{
	scratch_setup();
	ck_assert_int_eq(intent_new(&digest, &intent), 0);
	writes = syncs = 0;
	write_error = sync_error = 0;
	mark_in_sync = 0;
}

static void
teardown(void)
{
	intent_free(intent);
	scratch_teardown();
}

/* As after a crash. */
static int
reload(void)
{
	intent_free(intent);
	ck_assert_int_eq(intent_new(&digest, &intent), 0);
	return intent_load(intent, r);
}

START_TEST(empty)
{
	ck_assert_int_eq(intent_load(intent, r), 0);
	ck_assert(!intent_was_dirty(intent, 1));
	ck_assert(!intent_marked(intent, 1));
	ck_assert_uint_eq(intent_any(intent), 0);
	ck_assert_uint_eq(intent_count(intent), 0);
	ck_assert_int_eq(intent_highest(intent), -1);
	ck_assert_int_eq(sweep(), 0);
	ck_assert_uint_eq(writes + syncs, 0);
	intent_free(NULL);
}
END_TEST

START_TEST(one_write_a_region)
{
	uint64_t id;

	for (id = 1; id < 1024; id++)
		if (!intent_marked(intent, id))
			ck_assert_int_eq(mark(id, id), 0);
	ck_assert_uint_eq(writes, 1);
	ck_assert(!intent_marked(intent, 1024));
	ck_assert_int_eq(mark(1, 1024), 0);
	ck_assert_uint_eq(writes, 2);
	ck_assert_int_eq(mark(1024, 1024), 0);
	ck_assert_uint_eq(writes, 2);
	ck_assert_uint_eq(intent_count(intent), 2);

	ck_assert_int_eq(reload(), 0);
	ck_assert_uint_eq(intent_any(intent), 2);
	ck_assert_int_eq(intent_highest(intent), 1);
	ck_assert(intent_was_dirty(intent, 0));
	ck_assert(intent_was_dirty(intent, 2047));
	ck_assert(!intent_was_dirty(intent, 2048));
	/* Was dirty, but nobody made it durable on all of today's replicas. */
	ck_assert(!intent_marked(intent, 1));
	/* One that is marked anew is counted once. */
	ck_assert_uint_eq(intent_count(intent), 2);
	ck_assert_int_eq(mark(1, 1), 0);
	ck_assert_uint_eq(intent_count(intent), 2);
}
END_TEST

START_TEST(ranges_over_sectors)
{
	const uint64_t first = SECTOR_IDS - 2 * INTENT_REGION, last = 3 * SECTOR_IDS + 70 * INTENT_REGION;
	uint64_t id;

	ck_assert_int_eq(mark(first, last), 0);
	ck_assert_uint_eq(writes, 4);
	ck_assert_int_eq(reload(), 0);
	ck_assert_uint_eq(intent_any(intent), (last - first) / INTENT_REGION + 1);
	ck_assert_int_eq(intent_highest(intent), last / INTENT_REGION);
	for (id = 0; id < 4 * SECTOR_IDS; id += INTENT_REGION)
		ck_assert(intent_was_dirty(intent, id) == (id >= first && id <= last));
}
END_TEST

START_TEST(out_of_reach)
{
	const uint64_t beyond = INTENT_SECTORS_MAX * SECTOR_IDS;

	ck_assert_int_eq(mark(beyond, beyond), -EFBIG);
	ck_assert_int_eq(mark_bit(UINT64_MAX >> 1), -EFBIG);
	ck_assert(!intent_marked(intent, beyond));
	ck_assert(!intent_was_dirty(intent, UINT64_MAX >> 1));
	ck_assert_int_eq(mark(beyond - 1, beyond - 1), 0);
	ck_assert(intent_marked(intent, beyond - 1));
	ck_assert_int_eq(reload(), 0);
	ck_assert_uint_eq(intent_any(intent), 1);
	ck_assert(intent_was_dirty(intent, beyond - 1));
}
END_TEST

START_TEST(failed_mark_is_none)
{
	ck_assert_int_eq(mark(1, 1), 0);
	write_error = -EIO;
	ck_assert_int_eq(mark(5000, 5000), -EIO);
	ck_assert(!intent_marked(intent, 5000));
	ck_assert(intent_marked(intent, 1));
	write_error = 0;
	ck_assert_int_eq(mark(5000, 5000), 0);
	ck_assert(intent_marked(intent, 5000));
	ck_assert_uint_eq(writes, 3);
}
END_TEST

START_TEST(sweeps_what_is_unused)
{
	ck_assert_int_eq(mark(1, 1), 0);
	ck_assert_int_eq(mark(5000, 5000), 0);
	/* Just marked is used. */
	ck_assert_int_eq(sweep(), 0);
	ck_assert_uint_eq(writes, 2);
	ck_assert_uint_eq(syncs, 0);
	ck_assert(intent_marked(intent, 1));

	ck_assert_int_eq(sweep(), 0);
	ck_assert_uint_eq(writes, 3);
	ck_assert_uint_eq(syncs, 1);
	ck_assert(intent_marked(intent, 1));
	ck_assert(!intent_marked(intent, 5000));
	ck_assert_int_eq(sweep(), 0);
	ck_assert_int_eq(sweep(), 0);
	ck_assert(!intent_marked(intent, 1));
	ck_assert_uint_eq(writes, 4);
	ck_assert_int_eq(reload(), 0);
	ck_assert_uint_eq(intent_any(intent), 0);
}
END_TEST

START_TEST(marked_anew_in_a_sweep)
{
	ck_assert_int_eq(mark(1, 1), 0);
	ck_assert_int_eq(mark(5000, 5000), 0);
	ck_assert_int_eq(sweep(), 0);
	mark_in_sync = 5000;
	writes = 0;
	ck_assert_int_eq(sweep(), 0);
	/* Its bit is still on the disk, so that it needs no write; the other goes. */
	ck_assert_uint_eq(writes, 1);
	ck_assert(intent_marked(intent, 5000));
	ck_assert(!intent_marked(intent, 1));
	ck_assert_int_eq(reload(), 0);
	ck_assert(intent_was_dirty(intent, 5000));
	ck_assert(!intent_was_dirty(intent, 1));
}
END_TEST

START_TEST(failed_sweep)
{
	ck_assert_int_eq(mark(1, 1), 0);
	ck_assert_int_eq(mark(SECTOR_IDS, SECTOR_IDS), 0);
	ck_assert_int_eq(sweep(), 0);
	sync_error = -EIO;
	ck_assert_int_eq(sweep(), -EIO);
	ck_assert(intent_marked(intent, 1));
	ck_assert(intent_marked(intent, SECTOR_IDS));
	sync_error = 0;
	ck_assert_int_eq(sweep(), 0);

	/* The first write fails: who knows what it left, so the bit counts as clear. */
	write_error = -EIO;
	ck_assert_int_eq(sweep(), -EIO);
	ck_assert(!intent_marked(intent, 1));
	ck_assert(intent_marked(intent, SECTOR_IDS));
	write_error = 0;
	writes = 0;
	ck_assert_int_eq(mark(1, 1), 0);
	ck_assert_uint_eq(writes, 1);
	ck_assert(intent_marked(intent, 1));
}
END_TEST

/* A failed clearing is done again even if nothing else happens in that sector. */
START_TEST(stale_sector_is_written_again)
{
	ck_assert_int_eq(mark(1, 1), 0);
	ck_assert_int_eq(sweep(), 0);
	write_error = -EIO;
	ck_assert_int_eq(sweep(), -EIO);
	write_error = 0;
	ck_assert_int_eq(sweep(), 0);
	ck_assert_int_eq(reload(), 0);
	ck_assert_uint_eq(intent_any(intent), 0);
}
END_TEST

START_TEST(dirty_before_stays)
{
	ck_assert_int_eq(mark(1, 1), 0);
	ck_assert_int_eq(mark(9000, 9000), 0);
	ck_assert_int_eq(reload(), 0);
	/* Another region of the sector is used and swept: the old ones stay. */
	ck_assert_int_eq(mark(5000, 5000), 0);
	ck_assert_int_eq(sweep(), 0);
	ck_assert_int_eq(sweep(), 0);
	ck_assert_int_eq(reload(), 0);
	ck_assert(intent_was_dirty(intent, 1));
	ck_assert(!intent_was_dirty(intent, 5000));
	ck_assert(intent_was_dirty(intent, 9000));
	ck_assert_uint_eq(intent_any(intent), 2);

	/* Reconciled: they go with the next sweep, though nobody marked them. */
	intent_settle_all(intent);
	ck_assert(!intent_was_dirty(intent, 1));
	ck_assert_uint_eq(intent_any(intent), 0);
	syncs = 0;
	ck_assert_int_eq(sweep(), 0);
	ck_assert_uint_eq(syncs, 1);
	ck_assert_int_eq(reload(), 0);
	ck_assert_uint_eq(intent_any(intent), 0);
}
END_TEST

/* An id given to what was cut off: its region is as dirty as those that were found so. */
START_TEST(distrusted)
{
	const uint64_t id = 7 * INTENT_REGION + 3;

	ck_assert_int_eq(mark(id, id), 0);
	ck_assert(!intent_was_dirty(intent, id));
	intent_distrust(intent, id);
	ck_assert(intent_was_dirty(intent, id));
	ck_assert(!intent_was_dirty(intent, id + INTENT_REGION));
	ck_assert_uint_eq(intent_any(intent), 1);

	/* It stays so through sweeps, until all is settled. */
	ck_assert_int_eq(sweep(), 0);
	ck_assert_int_eq(sweep(), 0);
	ck_assert(intent_was_dirty(intent, id));
	intent_settle_all(intent);
	ck_assert(!intent_was_dirty(intent, id));
}
END_TEST

/* Ways stand beside regions, and are swept with them. */
START_TEST(ways)
{
	const uint64_t both[] = { 5000, INTENT_WAY | 1, INTENT_WAY | 9000 };

	ck_assert_int_eq(intent_mark(intent, both, 3, write_sector, r), 0);
	ck_assert_uint_eq(writes, 2);
	ck_assert(intent_marked(intent, INTENT_WAY | 1000));
	ck_assert(!intent_marked(intent, INTENT_WAY | 5000));
	ck_assert(!intent_marked(intent, 1));
	ck_assert_uint_eq(intent_count(intent), 1);

	ck_assert_int_eq(reload(), 0);
	ck_assert_uint_eq(intent_any(intent), 1);
	ck_assert(intent_was_dirty(intent, INTENT_WAY | 9000));
	ck_assert(!intent_was_dirty(intent, INTENT_WAY | 5000));
	ck_assert(!intent_was_dirty(intent, 9000));
	ck_assert(!intent_astray(intent));

	ck_assert_int_eq(mark_bit(INTENT_WAY | 70000), 0);
	ck_assert_int_eq(sweep(), 0);
	intent_settle_all(intent);
	ck_assert_int_eq(sweep(), 0);
	ck_assert_int_eq(sweep(), 0);
	ck_assert_int_eq(reload(), 0);
	ck_assert(!intent_was_dirty(intent, INTENT_WAY | 1));
	ck_assert(!intent_was_dirty(intent, INTENT_WAY | 70000));
}
END_TEST

/* Something to which no way is marked: until it is at rest, and after a crash until all is settled. */
START_TEST(astray)
{
	const uint64_t ids[] = { 1, INTENT_WAY | 1 };

	ck_assert_int_eq(intent_mark(intent, ids, 2, write_sector, r), 0);
	ck_assert_int_eq(mark_bit(INTENT_ASTRAY), 0);
	ck_assert(intent_marked(intent, INTENT_ASTRAY));
	ck_assert_int_eq(reload(), 0);
	ck_assert(intent_astray(intent));
	ck_assert_int_eq(mark(5000, 5000), 0);
	ck_assert_int_eq(reload(), 0);
	ck_assert(intent_astray(intent));
	intent_settle_all(intent);
	ck_assert(!intent_astray(intent));
	ck_assert_int_eq(intent_mark(intent, ids, 2, write_sector, r), 0);
	ck_assert_int_eq(reload(), 0);
	ck_assert(!intent_astray(intent));

	ck_assert_int_eq(mark_bit(INTENT_ASTRAY), 0);
	ck_assert_int_eq(sweep(), 0);
	ck_assert_int_eq(sweep(), 0);
	ck_assert(!intent_marked(intent, INTENT_ASTRAY));
	ck_assert_int_eq(reload(), 0);
	ck_assert(!intent_astray(intent));
}
END_TEST

/* What a program wrote that knows no ways, and what lost its file of them. */
START_TEST(without_ways)
{
	uint8_t bits[INTENT_SECTOR_BITS / 8] = { 1 }, sector[INTENT_SECTOR_SIZE];
	const uint64_t ids[] = { 1, INTENT_WAY | 1 };

	intent_encode(&digest, INTENT_REGIONS, 3, bits, sector);
	ck_assert_int_eq(intent_write_sector(r, INTENT_PART_REGIONS, 3, sector), 0);
	ck_assert_int_eq(reload(), 0);
	ck_assert_uint_eq(intent_any(intent), 1);
	ck_assert(intent_astray(intent));
	ck_assert(!intent_was_dirty(intent, INTENT_WAY | 1));

	intent_settle_all(intent);
	ck_assert_int_eq(intent_reset(r), 0);
	ck_assert_int_eq(intent_mark(intent, ids, 2, write_sector, r), 0);
	ck_assert_int_eq(truncate(under(".mendfs/ways"), 0), 0);
	ck_assert_int_eq(reload(), 0);
	ck_assert(intent_astray(intent));
}
END_TEST

/* What was noted as used in an epoch outlasts the sweep that ends it. */
START_TEST(epochs)
{
	uint32_t epoch;

	ck_assert_int_eq(mark(1, 1), 0);
	ck_assert_int_eq(sweep(), 0);
	epoch = intent_epoch(intent);
	ck_assert(intent_marked(intent, 1));
	ck_assert_uint_eq(intent_epoch(intent), epoch);
	ck_assert_int_eq(sweep(), 0);
	ck_assert_uint_ne(intent_epoch(intent), epoch);
	ck_assert_int_eq(reload(), 0);
	ck_assert(intent_was_dirty(intent, 1));
}
END_TEST

START_TEST(spoiled_sectors)
{
	struct stat st;
	int fd;

	ck_assert_int_eq(mark(1, 1), 0);
	ck_assert_int_eq(mark(3 * SECTOR_IDS, 3 * SECTOR_IDS), 0);
	ck_assert_int_ge(fd = open(under(".mendfs/intent"), O_RDWR), 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, 4 * INTENT_SECTOR_SIZE);

	/* A bit in one, dust in a hole. */
	ck_assert_int_eq(pwrite(fd, "\x55", 1, 100), 1);
	ck_assert_int_eq(pwrite(fd, "x", 1, 2 * INTENT_SECTOR_SIZE + 7), 1);
	ck_assert_int_eq(reload(), 2);
	ck_assert_uint_eq(intent_any(intent), 2 * INTENT_SECTOR_BITS + 1);
	ck_assert(intent_was_dirty(intent, 0));
	ck_assert(intent_was_dirty(intent, SECTOR_IDS - 1));
	ck_assert(!intent_was_dirty(intent, SECTOR_IDS));
	ck_assert(intent_was_dirty(intent, 2 * SECTOR_IDS));
	ck_assert(intent_was_dirty(intent, 3 * SECTOR_IDS));
	ck_assert(!intent_was_dirty(intent, 3 * SECTOR_IDS + INTENT_REGION));
	ck_assert_int_eq(intent_highest(intent), 3 * INTENT_SECTOR_BITS);

	/* The last one torn. */
	ck_assert_int_eq(ftruncate(fd, 3 * INTENT_SECTOR_SIZE + 50), 0);
	ck_assert_int_eq(reload(), 3);
	ck_assert_int_eq(intent_highest(intent), 4 * INTENT_SECTOR_BITS - 1);
	/* Torn before anything was written. */
	ck_assert_int_eq(ftruncate(fd, 3 * INTENT_SECTOR_SIZE), 0);
	ck_assert_int_eq(ftruncate(fd, 3 * INTENT_SECTOR_SIZE + 50), 0);
	ck_assert_int_eq(reload(), 2);
	close(fd);

	/* Marking writes the sector whole and sound, with what it may have held. */
	ck_assert_int_eq(mark(5, 5), 0);
	ck_assert_int_eq(reload(), 1);
	ck_assert(intent_was_dirty(intent, SECTOR_IDS - 1));
	intent_settle_all(intent);
	ck_assert_int_eq(sweep(), 0);
	ck_assert_int_eq(reload(), 0);
	ck_assert_uint_eq(intent_any(intent), 0);
}
END_TEST

START_TEST(swapped_for_something_else)
{
	uint8_t sector[INTENT_SECTOR_SIZE] = { 0 };

	ck_assert_int_eq(mkdir(under(".mendfs"), 0700), 0);
	ck_assert_int_eq(mkfifo(under(".mendfs/intent"), 0600), 0);
	ck_assert_int_eq(intent_load(intent, r), -ESTALE);
	ck_assert_int_eq(intent_write_sector(r, INTENT_PART_REGIONS, 0, sector), -ESTALE);
	ck_assert_int_eq(intent_reset(r), -ESTALE);
}
END_TEST

START_TEST(reset)
{
	struct stat st;

	ck_assert_int_eq(intent_reset(r), 0);
	ck_assert_int_eq(lstat(under(".mendfs/intent"), &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	ck_assert_int_eq(mark(1, 1), 0);
	ck_assert_int_eq(intent_reset(r), 0);
	ck_assert_int_eq(lstat(under(".mendfs/intent"), &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	ck_assert_int_eq(reload(), 0);
	ck_assert_uint_eq(intent_any(intent), 0);
}
END_TEST

/*
 * Writers and a sweeper at once, with a disk in memory.  A region is in change
 * only while it is locked, as a volume's sync waits for those under way; then
 * its bit must be on the disk.
 */

#define REGIONS 200
#define WRITERS 3
#define ROUNDS 20000

static pthread_mutex_t region_locks[REGIONS];
static uint8_t disk[INTENT_SECTOR_BITS / 8];
static pthread_mutex_t disk_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint wrong, finished;

static int
write_memory(void *arg, enum intent_part part, uint32_t index, const uint8_t *sector)
{
	uint8_t bits[INTENT_SECTOR_BITS / 8];
	int rc;

	(void)arg;
	(void)part;
	if ((rc = intent_decode(&digest, INTENT_REGIONS_ON_WAYS, index, sector, bits)) != 0 || index != 0)
		return rc != 0 ? rc : -EINVAL;
	pthread_mutex_lock(&disk_lock);
	memcpy(disk, bits, sizeof(disk));
	pthread_mutex_unlock(&disk_lock);
	return 0;
}

static int
sync_memory(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < REGIONS; i++) {
		pthread_mutex_lock(&region_locks[i]);
		pthread_mutex_unlock(&region_locks[i]);
	}
	return 0;
}

static void *
writer(void *arg)
{
	struct random random = { (uintptr_t)arg };
	unsigned region, round;
	uint64_t id;

	for (round = 0; round < ROUNDS; round++) {
		region = (unsigned)random_below(&random, REGIONS);
		id = region * INTENT_REGION + random_below(&random, INTENT_REGION);
		pthread_mutex_lock(&region_locks[region]);
		if (!intent_marked(intent, id) && intent_mark(intent, &id, 1, write_memory, NULL) != 0)
			wrong++;
		/* The change takes its time. */
		sched_yield();
		pthread_mutex_lock(&disk_lock);
		if ((disk[region / 8] & 1 << region % 8) == 0)
			wrong++;
		pthread_mutex_unlock(&disk_lock);
		pthread_mutex_unlock(&region_locks[region]);
	}
	finished++;
	return NULL;
}

START_TEST(writers_and_a_sweeper)
{
	pthread_t threads[WRITERS];
	uintptr_t i;

	for (i = 0; i < REGIONS; i++)
		pthread_mutex_init(&region_locks[i], NULL);
	for (i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, writer, (void *)(i + 1)), 0);
	while (finished < WRITERS)
		ck_assert_int_eq(intent_sweep(intent, sync_memory, write_memory, NULL), 0);
	for (i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_int_eq(intent_sweep(intent, sync_memory, write_memory, NULL), 0);
	ck_assert_int_eq(intent_sweep(intent, sync_memory, write_memory, NULL), 0);
	ck_assert(digest_zeros(disk, sizeof(disk)));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("meta/intent");
	TCase *tcase = tcase_create("intent");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, empty);
	tcase_add_test(tcase, one_write_a_region);
	tcase_add_test(tcase, ranges_over_sectors);
	tcase_add_test(tcase, out_of_reach);
	tcase_add_test(tcase, failed_mark_is_none);
	tcase_add_test(tcase, sweeps_what_is_unused);
	tcase_add_test(tcase, marked_anew_in_a_sweep);
	tcase_add_test(tcase, failed_sweep);
	tcase_add_test(tcase, stale_sector_is_written_again);
	tcase_add_test(tcase, dirty_before_stays);
	tcase_add_test(tcase, distrusted);
	tcase_add_test(tcase, ways);
	tcase_add_test(tcase, astray);
	tcase_add_test(tcase, without_ways);
	tcase_add_test(tcase, epochs);
	tcase_add_test(tcase, spoiled_sectors);
	tcase_add_test(tcase, swapped_for_something_else);
	tcase_add_test(tcase, reset);
	tcase_add_test(tcase, writers_and_a_sweeper);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
