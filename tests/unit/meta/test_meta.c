#include "meta/meta.h"
#include "replica/fault.h"

#include "../replica/scratch.h"

static void
setup(void)
{
	struct replica *wrapped;

	scratch_setup();
	ck_assert_int_eq(fault_replica_new(r, &wrapped), 0);
	r = wrapped;
}

START_TEST(opens_and_makes)
{
	replica_handle dir, sub;
	struct stat st;

	ck_assert_int_eq(meta_open(r, false, &dir), -ENOENT);
	ck_assert_int_eq(meta_open(r, true, &dir), 0);
	ck_assert_int_eq(lstat(under(".mendfs"), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0700);
	ck_assert_int_eq(meta_subdir(r, dir, "tags", false, &sub), -ENOENT);
	ck_assert_int_eq(meta_subdir(r, dir, "tags", true, &sub), 0);
	r->ops->dir_close(r, sub);
	ck_assert_int_eq(meta_subdir(r, dir, "tags", false, &sub), 0);
	r->ops->dir_close(r, sub);
	r->ops->dir_close(r, dir);
	/* Once made, opening is one call. */
	fault_count_reset(r);
	ck_assert_int_eq(meta_open(r, true, &dir), 0);
	ck_assert_uint_eq(fault_count(r, FAULT_ALL), 1);
	r->ops->dir_close(r, dir);
}
END_TEST

START_TEST(refuses_what_is_no_directory)
{
	replica_handle dir;

	ck_assert_int_eq(symlink("/", under(".mendfs")), 0);
	ck_assert_int_eq(meta_open(r, false, &dir), -ENOTDIR);
	ck_assert_int_eq(meta_open(r, true, &dir), -ENOTDIR);
	ck_assert_int_eq(unlink(under(".mendfs")), 0);
	r->ops->close(r, make_file(".mendfs", 0644));
	ck_assert_int_eq(meta_open(r, true, &dir), -ENOTDIR);
}
END_TEST

START_TEST(reads_and_replaces)
{
	replica_handle dir;
	char buf[8], name[META_NAME_MAX + 2];
	struct stat st;

	ck_assert_int_eq(meta_open(r, true, &dir), 0);
	ck_assert_int_eq(meta_read_file(r, dir, "f", buf, sizeof(buf)), -ENOENT);
	ck_assert_int_eq(meta_replace_file(r, dir, "f", "1234567", 7), 0);
	ck_assert_int_eq(meta_read_file(r, dir, "f", buf, sizeof(buf)), 7);
	ck_assert_mem_eq(buf, "1234567", 7);
	ck_assert_int_eq(lstat(under(".mendfs/f"), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
	ck_assert_int_eq(meta_replace_file(r, dir, "f", "abcdefgh", 8), 0);
	ck_assert_int_eq(meta_read_file(r, dir, "f", buf, 8), 8);
	ck_assert_mem_eq(buf, "abcdefgh", 8);
	ck_assert_int_eq(meta_read_file(r, dir, "f", buf, 7), -EFBIG);
	ck_assert_int_eq(meta_replace_file(r, dir, "f", "", 0), 0);
	ck_assert_int_eq(meta_read_file(r, dir, "f", buf, sizeof(buf)), 0);
	ck_assert_int_ne(access(under(".mendfs/f.new"), F_OK), 0);

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(meta_replace_file(r, dir, name, "x", 1), -ENAMETOOLONG);
	name[META_NAME_MAX] = '\0';
	ck_assert_int_eq(meta_replace_file(r, dir, name, "x", 1), 0);
	r->ops->dir_close(r, dir);
}
END_TEST

START_TEST(reads_files_only)
{
	replica_handle dir;
	char buf[8];

	ck_assert_int_eq(meta_open(r, true, &dir), 0);
	ck_assert_int_eq(mkfifo(under(".mendfs/fifo"), 0600), 0);
	ck_assert_int_eq(symlink("/etc/passwd", under(".mendfs/link")), 0);
	ck_assert_int_eq(meta_read_file(r, dir, "fifo", buf, sizeof(buf)), -ESTALE);
	ck_assert_int_eq(meta_read_file(r, dir, "link", buf, sizeof(buf)), -ESTALE);
	/* A leftover of any such kind is replaced, not followed. */
	ck_assert_int_eq(symlink("/etc/passwd", under(".mendfs/f.new")), 0);
	ck_assert_int_eq(meta_replace_file(r, dir, "f", "1", 1), 0);
	ck_assert_int_eq(meta_read_file(r, dir, "f", buf, sizeof(buf)), 1);
	r->ops->dir_close(r, dir);
}
END_TEST

/* Whatever fails: the old content or the new, and all of it. */
START_TEST(each_failure)
{
	static const enum fault_mode modes[] = { FAULT_BEFORE, FAULT_AFTER };
	struct fault_rule rule = { .ops = FAULT_ALL, .times = 1, .error = EIO };
	replica_handle dir;
	char buf[8];
	int rc;

	rule.mode = modes[_i];
	ck_assert_int_eq(meta_open(r, true, &dir), 0);
	for (rule.nth = 1; ; rule.nth++) {
		fault_set(r, NULL);
		ck_assert_int_eq(meta_replace_file(r, dir, "f", "old", 3), 0);
		fault_set(r, &rule);
		rc = meta_replace_file(r, dir, "f", "new!", 4);
		if (fault_hits(r) == 0)
			break;
		ck_assert_int_eq(rc, -EIO);
		fault_set(r, NULL);
		rc = (int)meta_read_file(r, dir, "f", buf, sizeof(buf));
		ck_assert((rc == 3 && memcmp(buf, "old", 3) == 0) || (rc == 4 && memcmp(buf, "new!", 4) == 0));
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_uint_gt(rule.nth, 5);
	r->ops->dir_close(r, dir);
}
END_TEST

START_TEST(short_writes)
{
	struct fault_rule rule = { .ops = FAULT_WRITES, .nth = 1, .times = 3, .error = EIO, .mode = FAULT_SHORT };
	replica_handle dir;
	char buf[32];

	ck_assert_int_eq(meta_open(r, true, &dir), 0);
	fault_set(r, &rule);
	ck_assert_int_eq(meta_replace_file(r, dir, "f", "0123456789abcdef", 16), 0);
	ck_assert_uint_eq(fault_hits(r), 3);
	ck_assert_int_eq(meta_read_file(r, dir, "f", buf, sizeof(buf)), 16);
	ck_assert_mem_eq(buf, "0123456789abcdef", 16);
	r->ops->dir_close(r, dir);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("meta/meta");
	TCase *tcase = tcase_create("meta");

	tcase_add_checked_fixture(tcase, setup, scratch_teardown);
	tcase_add_test(tcase, opens_and_makes);
	tcase_add_test(tcase, refuses_what_is_no_directory);
	tcase_add_test(tcase, reads_and_replaces);
	tcase_add_test(tcase, reads_files_only);
	tcase_add_loop_test(tcase, each_failure, 0, 2);
	tcase_add_test(tcase, short_writes);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
