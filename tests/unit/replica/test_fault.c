#include <time.h>

#include "replica/fault.h"

#include "scratch.h"

static const struct replica_new plain = { .mode = S_IFREG | 0644, .owned = true };

static void
setup(void)
{
	struct replica *wrapped;

	scratch_setup();
	ck_assert_int_eq(fault_replica_new(r, &wrapped), 0);
	r = wrapped;
}

START_TEST(passes_on_and_counts)
{
	replica_handle file;
	char data[4];

	ck_assert_str_eq(r->path, top);
	file = make_file("f", 0644);
	ck_assert_int_eq(r->ops->pwrite(r, file, "data", 4, 0), 4);
	ck_assert_int_eq(r->ops->pread(r, file, data, 4, 0), 4);
	ck_assert_mem_eq(data, "data", 4);
	r->ops->close(r, file);
	ck_assert_uint_eq(fault_count(r, FAULT_MASK(FAULT_CREATE)), 1);
	ck_assert_uint_eq(fault_count(r, FAULT_CHANGES), 2);
	ck_assert_uint_eq(fault_count(r, FAULT_ALL), 3);
	fault_count_reset(r);
	ck_assert_uint_eq(fault_count(r, FAULT_ALL), 0);
	ck_assert_uint_eq(fault_hits(r), 0);
}
END_TEST

START_TEST(the_nth)
{
	const struct fault_rule rule = { .ops = FAULT_WRITES, .nth = 2, .times = 1, .error = EIO };
	replica_handle file;
	struct stat st;

	file = make_file("f", 0644);
	fault_set(r, &rule);
	ck_assert_int_eq(r->ops->pwrite(r, file, "1", 1, 0), 1);
	ck_assert_int_eq(r->ops->stat(r, held(file), &st), 0);
	ck_assert_int_eq(r->ops->truncate(r, file, 100), -EIO);
	ck_assert_int_eq(r->ops->pwrite(r, file, "3", 1, 0), 1);
	ck_assert_uint_eq(fault_hits(r), 1);
	ck_assert_int_eq(r->ops->stat(r, held(file), &st), 0);
	ck_assert_int_eq(st.st_size, 1);
	fault_set(r, NULL);
	ck_assert_uint_eq(fault_hits(r), 0);
	ck_assert_int_eq(r->ops->truncate(r, file, 100), 0);
	r->ops->close(r, file);
}
END_TEST

START_TEST(dead)
{
	const struct fault_rule rule = { .ops = FAULT_ALL, .nth = 1, .error = -ENOTCONN };
	replica_handle file = REPLICA_NONE;
	struct statvfs st;

	fault_set(r, &rule);
	ck_assert_int_eq(r->ops->statfs(r, &st), -ENOTCONN);
	ck_assert_int_eq(r->ops->sync(r), -ENOTCONN);
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "f", &plain, &file), -ENOTCONN);
	ck_assert_int_eq(r->ops->pread(r, 5, NULL, 0, 0), -ENOTCONN);
	ck_assert_int_eq(r->ops->lock(r, true), -ENOTCONN);
	ck_assert_uint_eq(fault_hits(r), 5);
}
END_TEST

START_TEST(lost_answer)
{
	const struct fault_rule rule = { .ops = FAULT_ALL, .nth = 1, .error = ETIMEDOUT, .mode = FAULT_AFTER };
	replica_handle handle = REPLICA_NONE;
	int before, after;

	ck_assert_int_ge(before = dup(0), 0);
	close(before);
	fault_set(r, &rule);
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "f", &plain, &handle), -ETIMEDOUT);
	ck_assert_int_eq(r->ops->open(r, named(REPLICA_ROOT, "f"), true, &handle, NULL), -ETIMEDOUT);
	ck_assert_int_eq(r->ops->tmpfile(r, REPLICA_ROOT, &plain, &handle), -ETIMEDOUT);
	ck_assert_int_eq(handle, REPLICA_NONE);
	ck_assert_int_ge(after = dup(0), 0);
	close(after);
	ck_assert_int_eq(before, after);
	fault_set(r, NULL);
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "f", &plain, NULL), -EEXIST);
}
END_TEST

START_TEST(half_a_write)
{
	const struct fault_rule rule = { .ops = FAULT_WRITES, .nth = 1, .times = 1, .error = ENOSPC, .mode = FAULT_SHORT };
	replica_handle file;

	file = make_file("f", 0644);
	fault_set(r, &rule);
	ck_assert_int_eq(r->ops->pwrite(r, file, "12345678", 8, 0), 4);
	ck_assert_int_eq(r->ops->pwrite(r, file, "5678", 4, 4), 4);
	fault_set(r, &rule);
	ck_assert_int_eq(r->ops->truncate(r, file, 0), -ENOSPC);
	r->ops->close(r, file);
}
END_TEST

START_TEST(disk_fills_up)
{
	const struct fault_rule rule = { .ops = FAULT_ROOM, .nth = 1, .error = ENOSPC, .mode = FAULT_FULL };
	static const uint8_t pages[4 * 4096];
	const struct replica_times times = { .mtime.tv_sec = 1000 };
	replica_handle file;

	file = make_file("f", 0644);
	fault_set(r, &rule);
	ck_assert_int_eq(r->ops->pwrite(r, file, pages, sizeof(pages), 100), 2 * 4096 - 100);
	ck_assert_int_eq(r->ops->pwrite(r, file, pages, sizeof(pages), 0), -ENOSPC);
	ck_assert_int_eq(r->ops->truncate(r, file, 3 * 4096), -ENOSPC);
	ck_assert_int_eq(r->ops->store(r, (struct replica_at){ .handle = file }, &times, "r", 1), -ENOSPC);
	/* What needs no room. */
	ck_assert_int_eq(r->ops->truncate(r, file, 100), 0);
	ck_assert_int_eq(r->ops->store(r, (struct replica_at){ .handle = file }, &times, NULL, 0), 0);
	ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, "f", false), 0);
	ck_assert_uint_eq(fault_hits(r), 4);
	/* Less than a page is nothing. */
	fault_set(r, &rule);
	ck_assert_int_eq(r->ops->pwrite(r, file, pages, 100, 0), -ENOSPC);
	r->ops->close(r, file);
}
END_TEST

START_TEST(delay)
{
	const struct fault_rule rule = { .ops = FAULT_ALL, .nth = 1, .times = 1, .delay_ms = 50 };
	struct timespec start, end;

	fault_set(r, &rule);
	clock_gettime(CLOCK_MONOTONIC, &start);
	ck_assert_int_eq(r->ops->dir_sync(r, REPLICA_ROOT), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	ck_assert_int_ge((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000, 49);
}
END_TEST

START_TEST(one_plug_for_all)
{
	struct fault_plug plug = { .ops = FAULT_CHANGES, .nth = 3, .half = true, .mutex = PTHREAD_MUTEX_INITIALIZER };
	struct replica *inner, *other;
	replica_handle file;
	char data[8];

	ck_assert_int_eq(dir_replica_open(top, false, &inner), 0);
	ck_assert_int_eq(fault_replica_new(inner, &other), 0);
	fault_join(r, &plug);
	fault_join(other, &plug);
	file = make_file("f", 0644);
	ck_assert_int_eq(other->ops->chmod(other, named(REPLICA_ROOT, "f"), 0600), 0);

	/* The third: half of it is done, and nobody hears of that; from then on nothing is. */
	ck_assert_int_eq(r->ops->pwrite(r, file, "12345678", 8, 0), -EIO);
	ck_assert(plug.pulled);
	ck_assert_int_eq(plug.op, FAULT_PWRITE);
	ck_assert_int_eq(r->ops->pread(r, file, data, 8, 0), -EIO);
	ck_assert_int_eq(other->ops->chmod(other, named(REPLICA_ROOT, "f"), 0644), -EIO);
	fault_join(r, NULL);
	ck_assert_int_eq(r->ops->pread(r, file, data, 8, 0), 4);
	ck_assert_mem_eq(data, "1234", 4);
	r->ops->close(r, file);
	other->ops->free(other);
}
END_TEST

START_TEST(op_names)
{
	int op;

	for (op = 0; op < FAULT_OP_COUNT; op++)
		ck_assert_ptr_nonnull(fault_op_name(op));
	ck_assert_ptr_null(fault_op_name(FAULT_OP_COUNT));
	ck_assert_str_eq(fault_op_name(FAULT_XATTR_REMOVE), "xattr_remove");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("replica/fault");
	TCase *tcase = tcase_create("fault");

	tcase_add_checked_fixture(tcase, setup, scratch_teardown);
	tcase_add_test(tcase, passes_on_and_counts);
	tcase_add_test(tcase, the_nth);
	tcase_add_test(tcase, dead);
	tcase_add_test(tcase, lost_answer);
	tcase_add_test(tcase, half_a_write);
	tcase_add_test(tcase, disk_fills_up);
	tcase_add_test(tcase, delay);
	tcase_add_test(tcase, one_plug_for_all);
	tcase_add_test(tcase, op_names);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
