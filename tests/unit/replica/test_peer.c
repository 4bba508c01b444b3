#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "hash/digest.h"
#include "replica/fault.h"
#include "util/clock.h"

#include "../../far.h"
#include "scratch.h"

static const struct peer_options plain = { .link_timeout_ms = 30000 };
static const struct peer_options lagging = { .link_timeout_ms = 30000, .ack_fsync = true, .window_bytes = 65536, .window_requests = 32 };

static struct replica *inner;		/* the far one, that fails when told to */
static struct far *far;

/* Put the test's replica far away, behind one that can be told to fail. */
static void
put(const struct peer_options *options)
{
	ck_assert_int_eq(fault_replica_new(r, &inner), 0);
	ck_assert_int_eq(far_put(inner, options, &r, &far), 0);
	ck_assert_int_eq(r->ops->lock(r, true), 0);
}

static void
setup(void)
{
	scratch_setup();
	put(&plain);
}

static void
setup_lagging(void)
{
	scratch_setup();
	put(&lagging);
}

static void
teardown(void)
{
	scratch_teardown();
	far_done(far);
}

static uint64_t
trips(void)
{
	struct peer_counters counters;

	peer_count(r, &counters);
	return counters.round_trips;
}

static struct peer_counters
counters(void)
{
	struct peer_counters now;

	peer_count(r, &now);
	return now;
}

/* Nothing is in flight any more. */
static void
wait_confirmed(void)
{
	while (counters().alive && counters().window_requests > 0)
		usleep(1000);
}

START_TEST(an_operation_is_one_round_trip)
{
	const struct replica_new new = { .mode = S_IFREG | 0644, .owned = true };
	uint64_t before = trips();
	replica_handle file;
	struct stat st;
	char back[4];

	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "a", &new, &file), 0);
	ck_assert_uint_eq(trips() - before, 1);
	ck_assert_int_eq(r->ops->pwrite(r, file, "data", 4, 0), 4);
	ck_assert_int_eq(r->ops->stat(r, held(file), &st), 0);
	ck_assert_int_eq(st.st_size, 4);
	ck_assert_int_eq(r->ops->pread(r, file, back, sizeof(back), 0), 4);
	ck_assert_mem_eq(back, "data", 4);
	ck_assert_uint_eq(trips() - before, 4);
	r->ops->close(r, file);
	ck_assert_uint_eq(trips() - before, 4);
	ck_assert_int_eq(r->ops->check(r), 0);
	ck_assert_uint_eq(trips() - before, 4);
}
END_TEST

/* Without waiting in between: numbers of handles are this end's choice. */
START_TEST(what_is_begun_is_waited_for_later)
{
	const struct replica_new new = { .mode = S_IFREG | 0644, .owned = true };
	uint64_t before = trips();
	replica_handle file;
	int rc;

	replica_begin(r, true);
	rc = r->ops->create(r, REPLICA_ROOT, "a", &new, &file);
	ck_assert_int_eq(rc, -EINPROGRESS);
	ck_assert_int_gt(file, 0);
	ck_assert_uint_eq(trips(), before);
	ck_assert_int_eq(replica_finish(r, rc), 0);
	ck_assert_uint_eq(trips() - before, 1);

	/* One that fails has no handle. */
	replica_begin(r, true);
	ck_assert_int_eq(replica_finish(r, r->ops->create(r, REPLICA_ROOT, "a", &new, &file)), -EEXIST);
	ck_assert_int_eq(file, REPLICA_NONE);

	/* Said for an operation that cannot be begun, it holds for none after it. */
	replica_begin(r, true);
	ck_assert_int_eq(r->ops->sync(r), 0);
	ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, "a", false), 0);
}
END_TEST

START_TEST(closed_numbers_are_used_again)
{
	replica_handle one = make_file("a", 0644), two;
	unsigned i;

	for (i = 0; i < 200; i++) {
		r->ops->close(r, one);
		ck_assert_int_eq(r->ops->open(r, named(REPLICA_ROOT, "a"), true, &two, NULL), 0);
		ck_assert_int_eq(two, one);
		ck_assert_int_eq(r->ops->pwrite(r, two, "x", 1, i), 1);
	}
	r->ops->close(r, two);
}
END_TEST

/* More than one message's worth. */
START_TEST(long_data_goes_in_pieces)
{
	const size_t len = (2u << 20) + 12345;
	uint8_t *data = malloc(len), *back = malloc(len + 1);
	replica_handle file = make_file("a", 0644);
	size_t i;

	ck_assert_ptr_nonnull(data);
	ck_assert_ptr_nonnull(back);
	for (i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
	ck_assert_int_eq(r->ops->pwrite(r, file, data, len, 7), (ssize_t)len);
	ck_assert_int_eq(r->ops->pread(r, file, back, len + 1, 7), (ssize_t)len);
	ck_assert_mem_eq(data, back, len);
	ck_assert_int_eq(r->ops->pread(r, file, back, 10, len + 7), 0);
	r->ops->close(r, file);
	free(data);
	free(back);
}
END_TEST

static int
count_call(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	struct stat st;

	(void)d_type;
	/* It may use the replica. */
	ck_assert_int_eq(r->ops->stat(r, named(REPLICA_ROOT, name), &st), 0);
	ck_assert_uint_eq(st.st_ino, ino);
	++*(unsigned *)arg;
	return 0;
}

static int
stop_call(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	(void)name;
	(void)d_type;
	(void)ino;
	return --*(unsigned *)arg == 0 ? 17 : 0;
}

START_TEST(long_lists_come_whole)
{
	const struct replica_new new = { .mode = S_IFREG | 0644, .owned = true };
	unsigned i, count = 0;
	char name[200];

	for (i = 0; i < 900; i++) {
		snprintf(name, sizeof(name), "%0150u", i);
		ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, name, &new, NULL), 0);
	}
	ck_assert_int_eq(r->ops->list(r, REPLICA_ROOT, count_call, &count), 0);
	ck_assert_uint_eq(count, 900);
	count = 5;
	ck_assert_int_eq(r->ops->list(r, REPLICA_ROOT, stop_call, &count), 17);
	ck_assert_int_eq(r->ops->list(r, 4711, stop_call, &count), -EBADF);
}
END_TEST

START_TEST(tags_travel_and_not_the_data)
{
	static const struct digest xxh3 = { .codec = DIGEST_XXH3 };
	const size_t len = 1000 * DIGEST_BLOCK_SIZE + 100;
	uint8_t *data = malloc(len), tags[1024 * DIGEST_SIZE], tag[DIGEST_SIZE];
	uint8_t sum[DIGEST_SIZE], there[DIGEST_SIZE];
	replica_handle file = make_file("a", 0644), direct;
	uint64_t before;
	size_t i;

	ck_assert_ptr_nonnull(data);
	for (i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
	memset(data + 3 * DIGEST_BLOCK_SIZE, 0, DIGEST_BLOCK_SIZE);
	ck_assert_int_eq(r->ops->pwrite(r, file, data, len, 0), (ssize_t)len);
	ck_assert_int_eq(r->ops->open_direct(r, named(REPLICA_ROOT, "a"), &direct), 0);
	before = counters().bytes_in;
	ck_assert_int_eq(r->ops->digest(r, file, tags, 1024, 0), (ssize_t)len);
	ck_assert_uint_lt(counters().bytes_in - before, 20000);
	for (i = 0; i <= 1000; i++) {
		digest_tag(&xxh3, data + i * DIGEST_BLOCK_SIZE, i < 1000 ? DIGEST_BLOCK_SIZE : 100, tag);
		ck_assert_mem_eq(tag, tags + i * DIGEST_SIZE, DIGEST_SIZE);
	}
	ck_assert(digest_is_zero(tags + 3 * DIGEST_SIZE));
	digest_bytes(&xxh3, DIGEST_TAGS, tags, 1001 * DIGEST_SIZE, sum);
	before = counters().bytes_in;
	ck_assert_int_eq(r->ops->digest_sum(r, direct, there, 1024, 0), (ssize_t)len);
	ck_assert_mem_eq(there, sum, DIGEST_SIZE);
	ck_assert_uint_lt(counters().bytes_in - before, 200);
	ck_assert_int_eq(r->ops->digest_sum(r, file, there, 1, 5 * DIGEST_BLOCK_SIZE), DIGEST_BLOCK_SIZE);
	digest_bytes(&xxh3, DIGEST_TAGS, tags + 5 * DIGEST_SIZE, DIGEST_SIZE, sum);
	ck_assert_mem_eq(there, sum, DIGEST_SIZE);
	ck_assert_int_eq(r->ops->digest_sum(r, file, there, 1, len * 2 / DIGEST_BLOCK_SIZE * DIGEST_BLOCK_SIZE), 0);
	memset(tags, 0, sizeof(tags));
	ck_assert_int_eq(r->ops->digest(r, direct, tags, 2, 999 * DIGEST_BLOCK_SIZE), DIGEST_BLOCK_SIZE + 100);
	ck_assert_mem_eq(tag, tags + DIGEST_SIZE, DIGEST_SIZE);
	ck_assert_int_eq(r->ops->digest(r, direct, tags, 2, 2000 * DIGEST_BLOCK_SIZE), 0);
	r->ops->close(r, direct);
	r->ops->close(r, file);
	free(data);
}
END_TEST

/* Many at a time, of all lengths, each meets its own answer. */
struct worker { pthread_t thread; unsigned number; };

static void *
work(void *arg)
{
	const struct worker *w = arg;
	char name[16];
	replica_handle file;
	uint32_t words[600], back[600];
	unsigned i, k;

	snprintf(name, sizeof(name), "w%u", w->number);
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, name, &(struct replica_new){ .mode = S_IFREG | 0600, .owned = true }, &file), 0);
	for (i = 1; i < 200; i++) {
		for (k = 0; k < 3 * i; k++)
			words[k] = w->number << 24 | i << 12 | k;
		if (i % 3 == 0)
			replica_begin(r, true);
		ck_assert_int_eq(replica_finish(r, r->ops->pwrite(r, file, words, 12 * i, 100 * i)), 12 * i);
		ck_assert_int_eq(r->ops->pread(r, file, back, 12 * i, 100 * i), 12 * i);
		ck_assert_mem_eq(words, back, 12 * i);
	}
	r->ops->close(r, file);
	return NULL;
}

START_TEST(many_at_a_time)
{
	struct worker workers[12];
	unsigned i;

	for (i = 0; i < 12; i++) {
		workers[i].number = i;
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (i = 0; i < 12; i++)
		pthread_join(workers[i].thread, NULL);
}
END_TEST

START_TEST(a_cut_link_is_dead_for_good)
{
	replica_handle file = make_file("a", 0644);
	struct stat st;

	far_cut(far);
	while (r->ops->check(r) == 0)
		usleep(1000);
	ck_assert_int_eq(r->ops->check(r), -ENOTCONN);
	ck_assert_int_eq(r->ops->stat(r, held(file), &st), -ENOTCONN);
	ck_assert_int_eq(r->ops->pwrite(r, file, "x", 1, 0), -ENOTCONN);
	ck_assert_int_eq(r->ops->list(r, REPLICA_ROOT, count_call, NULL), -ENOTCONN);
	ck_assert_int_eq(counters().alive, false);
	r->ops->close(r, file);
	r->ops->retire(r, true);
}
END_TEST

static void *
stat_run(void *arg)
{
	struct stat st;

	*(int *)arg = r->ops->stat(r, named(REPLICA_ROOT, "."), &st);
	*(int *)arg = r->ops->stat(r, held(REPLICA_ROOT), &st);
	return NULL;
}

/* Whoever waits is woken when the link breaks, or nothing comes by it any more. */
START_TEST(who_waits_is_told)
{
	const struct peer_options hasty = { .link_timeout_ms = 300 };
	pthread_t threads[3];
	int rcs[3] = { 0 };
	unsigned i;

	teardown();
	scratch_setup();
	put(&hasty);
	far_stop(far, true);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, stat_run, &rcs[i]), 0);
	for (i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(rcs[i], -ENOTCONN);
	}
	ck_assert_int_eq(counters().error, ETIMEDOUT);
	far_stop(far, false);
}
END_TEST

/* A sign of life is asked for, and enough. */
START_TEST(who_is_silent_is_not_dead)
{
	const struct peer_options hasty = { .link_timeout_ms = 200 };
	uint64_t until;

	teardown();
	scratch_setup();
	put(&hasty);
	until = clock_monotonic_ms() + 700;
	while (clock_monotonic_ms() < until)
		usleep(10000);
	ck_assert_int_eq(r->ops->check(r), 0);
	ck_assert_int_eq(counters().alive, true);
}
END_TEST

static bool
may_not(void *arg)
{
	++*(atomic_int *)arg;
	return *(atomic_int *)arg > 2;
}

/* The link lives, but its disk does not answer. */
START_TEST(a_request_without_an_answer_ends_it)
{
	const struct peer_options strict = { .link_timeout_ms = 30000, .timeout_ms = 100 };
	atomic_int asked = 0;
	struct stat st;

	teardown();
	scratch_setup();
	put(&strict);
	peer_may_give_up(r, may_not, &asked);
	fault_set(inner, &(struct fault_rule){ .ops = FAULT_MASK(FAULT_STAT), .nth = 1, .mode = FAULT_HANG });
	ck_assert_int_eq(r->ops->stat(r, held(REPLICA_ROOT), &st), -ETIMEDOUT);
	ck_assert_int_gt(asked, 2);
	ck_assert_int_eq(r->ops->sync(r), -ETIMEDOUT);
	fault_set(inner, NULL);
}
END_TEST

START_TEST(the_far_end_finds_itself_replaced)
{
	char aside[sizeof(top) + 8];

	snprintf(aside, sizeof(aside), "%s.old", top);
	ck_assert_int_eq(r->ops->check(r), 0);
	ck_assert_int_eq(rename(top, aside), 0);
	ck_assert_int_eq(mkdir(top, 0755), 0);
	while (r->ops->check(r) == 0)
		usleep(1000);
	ck_assert_int_eq(r->ops->check(r), -ESTALE);
	ck_assert_int_eq(rmdir(aside), 0);
}
END_TEST

/* ---- ack=fsync */

START_TEST(what_lags_is_not_waited_for)
{
	const struct replica_new new = { .mode = S_IFREG | 0644, .owned = true };
	const struct replica_times times = { .atime.tv_nsec = UTIME_OMIT, .mtime = { 1, 2 } };
	uint64_t before = trips();
	replica_handle file;
	struct stat st;
	unsigned i;

	replica_begin(r, true);
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "a", &new, &file), 0);
	for (i = 0; i < 10; i++) {
		replica_begin(r, true);
		ck_assert_int_eq(r->ops->pwrite(r, file, "data", 4, 4 * i), 4);
	}
	replica_begin(r, true);
	ck_assert_int_eq(r->ops->truncate(r, file, 20), 0);
	replica_begin(r, true);
	ck_assert_int_eq(r->ops->store(r, held(file), &times, NULL, 0), 0);
	replica_begin(r, true);
	ck_assert_int_eq(r->ops->rename(r, REPLICA_ROOT, "a", REPLICA_ROOT, "b", 0), 0);
	ck_assert_uint_eq(trips(), before);
	/* What is not begun is waited for. */
	ck_assert_int_eq(r->ops->chmod(r, held(file), 0600), 0);
	ck_assert_uint_eq(trips() - before, 1);
	ck_assert_int_eq(r->ops->fsync(r, file, false), 0);
	ck_assert_uint_eq(trips() - before, 2);
	ck_assert_uint_eq(counters().window_requests, 0);
	ck_assert_uint_eq(counters().window_bytes, 0);
	ck_assert_int_eq(stat(under("b"), &st), 0);
	ck_assert_int_eq(st.st_size, 20);
	ck_assert_int_eq(st.st_mtim.tv_sec, 1);
	r->ops->close(r, file);
}
END_TEST

/* The window is full: then somebody waits, and nothing is lost. */
START_TEST(the_window_is_bounded)
{
	uint8_t data[3 * DIGEST_BLOCK_SIZE];
	replica_handle file = make_file("a", 0644);
	uint64_t before = trips();
	struct stat st;
	unsigned i;

	memset(data, 'x', sizeof(data));
	far_stop(far, true);
	/* 65,536 bytes have room for 5 of them. */
	for (i = 0; i < 5; i++) {
		replica_begin(r, true);
		ck_assert_int_eq(r->ops->pwrite(r, file, data, sizeof(data), i * sizeof(data)), sizeof(data));
	}
	ck_assert_uint_eq(trips(), before);
	ck_assert_uint_le(counters().window_bytes, lagging.window_bytes);
	far_stop(far, false);
	for (; i < 100; i++) {
		replica_begin(r, true);
		ck_assert_int_eq(r->ops->pwrite(r, file, data, sizeof(data), i * sizeof(data)), sizeof(data));
		ck_assert_uint_le(counters().window_bytes, lagging.window_bytes);
	}
	for (i = 0; i < 100; i++) {
		replica_begin(r, true);
		ck_assert_int_eq(r->ops->chmod(r, held(file), 0600 + i % 8), 0);
		ck_assert_uint_le(counters().window_requests, lagging.window_requests);
	}
	ck_assert_int_eq(r->ops->sync(r), 0);
	ck_assert_int_eq(stat(under("a"), &st), 0);
	ck_assert_int_eq(st.st_size, 100 * (off_t)sizeof(data));
	r->ops->close(r, file);
}
END_TEST

/* What failed late is told by fsync, and by all that comes after. */
START_TEST(a_late_error_sticks)
{
	replica_handle file = make_file("a", 0644);

	fault_set(inner, &(struct fault_rule){ .ops = FAULT_MASK(FAULT_PWRITE), .nth = 3, .times = 1, .error = ENOSPC });
	replica_begin(r, true);
	ck_assert_int_eq(r->ops->pwrite(r, file, "data", 4, 0), 4);
	replica_begin(r, true);
	ck_assert_int_eq(r->ops->pwrite(r, file, "data", 4, 4), 4);
	ck_assert_int_eq(r->ops->fsync(r, file, false), 0);
	replica_begin(r, true);
	(void)r->ops->pwrite(r, file, "data", 4, 8);
	replica_begin(r, true);
	(void)r->ops->pwrite(r, file, "data", 4, 12);
	ck_assert_int_eq(r->ops->fsync(r, file, false), -EREMOTEIO);
	ck_assert_int_eq(r->ops->pwrite(r, file, "data", 4, 16), -EREMOTEIO);
	ck_assert_int_eq(r->ops->check(r), -EREMOTEIO);
	ck_assert_int_eq(counters().error, ENOSPC);
	r->ops->close(r, file);
}
END_TEST

/* Half of a write is no write, though there was an answer. */
START_TEST(a_late_short_write_is_a_failure)
{
	replica_handle file = make_file("a", 0644);

	fault_set(inner, &(struct fault_rule){ .ops = FAULT_MASK(FAULT_PWRITE), .nth = 1, .times = 1, .mode = FAULT_SHORT });
	replica_begin(r, true);
	ck_assert_int_eq(r->ops->pwrite(r, file, "data", 4, 0), 4);
	ck_assert_int_eq(r->ops->fsync(r, file, false), -EREMOTEIO);
	ck_assert_int_eq(counters().error, ENOSPC);
	r->ops->close(r, file);
}
END_TEST

/* Where nobody else says whether it is refused, the answer is true. */
START_TEST(unanswered_is_waited_for)
{
	replica_handle file = make_file("a", 0644);
	uint64_t before = trips();

	replica_begin(r, false);
	ck_assert_int_eq(replica_finish(r, r->ops->pwrite(r, file, "data", 4, 0)), 4);
	replica_begin(r, false);
	ck_assert_int_eq(replica_finish(r, r->ops->unlink(r, REPLICA_ROOT, "nothing", false)), -ENOENT);
	ck_assert_uint_eq(trips() - before, 2);
	ck_assert_int_eq(r->ops->check(r), 0);
	r->ops->close(r, file);
}
END_TEST

/* A name that is not there has been removed, whatever the answer. */
START_TEST(late_and_missing_is_removed)
{
	replica_begin(r, true);
	ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, "nothing", false), 0);
	wait_confirmed();
	ck_assert_int_eq(r->ops->sync(r), 0);
	replica_begin(r, true);
	ck_assert_int_eq(r->ops->rename(r, REPLICA_ROOT, "nothing", REPLICA_ROOT, "b", 0), 0);
	ck_assert_int_eq(r->ops->sync(r), -EREMOTEIO);
}
END_TEST

/* A record may lag behind whatever the mode: nobody was told of it. */
START_TEST(records_lag_always)
{
	const struct replica_times times = { .atime.tv_nsec = UTIME_OMIT, .mtime = { 1, 2 } };
	replica_handle file = make_file("a", 0644);
	uint64_t before = trips();
	char back[8];

	replica_begin_late(r);
	ck_assert_int_eq(r->ops->store(r, held(file), &times, "record", 6), 0);
	ck_assert_uint_eq(trips(), before);
	ck_assert_int_eq(r->ops->fsync(r, file, false), 0);
	ck_assert_uint_eq(trips() - before, 1);
	ck_assert_int_eq(r->ops->xattr_get(r, held(file), "user.mendfs", back, sizeof(back)), 6);
	r->ops->close(r, file);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("peer");
	TCase *tcase = tcase_create("peer");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, an_operation_is_one_round_trip);
	tcase_add_test(tcase, what_is_begun_is_waited_for_later);
	tcase_add_test(tcase, closed_numbers_are_used_again);
	tcase_add_test(tcase, long_data_goes_in_pieces);
	tcase_add_test(tcase, long_lists_come_whole);
	tcase_add_test(tcase, tags_travel_and_not_the_data);
	tcase_add_test(tcase, many_at_a_time);
	tcase_add_test(tcase, a_cut_link_is_dead_for_good);
	tcase_add_test(tcase, who_waits_is_told);
	tcase_add_test(tcase, who_is_silent_is_not_dead);
	tcase_add_test(tcase, a_request_without_an_answer_ends_it);
	tcase_add_test(tcase, the_far_end_finds_itself_replaced);
	tcase_add_test(tcase, records_lag_always);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("ack=fsync");
	tcase_add_checked_fixture(tcase, setup_lagging, teardown);
	tcase_add_test(tcase, what_lags_is_not_waited_for);
	tcase_add_test(tcase, the_window_is_bounded);
	tcase_add_test(tcase, a_late_error_sticks);
	tcase_add_test(tcase, a_late_short_write_is_a_failure);
	tcase_add_test(tcase, unanswered_is_waited_for);
	tcase_add_test(tcase, late_and_missing_is_removed);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
