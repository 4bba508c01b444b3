/* Attributes, times, extended attributes, the record. */

#include <linux/limits.h>

#include "format/record.h"

#include "scratch.h"

static uint8_t record[RECORD_SIZE_MAX], loaded[RECORD_SIZE_MAX];
static struct replica_info info = { .record = loaded };
static const struct replica_times times = { { 1111111111, 123456789 }, { 2222222222, 987654321 } };
static const struct replica_times omit = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };

/* Each way to name an inode. */
enum way { FILE_BY_NAME, FILE_BY_HANDLE, FILE_READ_ONLY, DIR_BY_NAME, DIR_BY_HANDLE, ROOT_BY_HANDLE, WAYS };
static replica_handle file, reader, dir;

static struct replica_at
at_way(int way)
{
	switch (way) {
	case FILE_BY_NAME:
		return named(REPLICA_ROOT, "f");
	case FILE_BY_HANDLE:
		return held(file);
	case FILE_READ_ONLY:
		return held(reader);
	case DIR_BY_NAME:
		return named(REPLICA_ROOT, "d");
	case DIR_BY_HANDLE:
		return held(dir);
	default:
		return held(REPLICA_ROOT);
	}
}

static void
setup(void)
{
	size_t i;

	scratch_setup();
	file = make_file("f", 0644);
	dir = make_dir("d", 0755);
	ck_assert_int_eq(r->ops->open(r, named(REPLICA_ROOT, "f"), false, &reader, NULL), 0);
	for (i = 0; i < sizeof(record); i++)
		record[i] = (uint8_t)(i * 7);
}

static void
teardown(void)
{
	r->ops->close(r, file);
	r->ops->close(r, reader);
	r->ops->dir_close(r, dir);
	scratch_teardown();
}

START_TEST(stores_and_loads)
{
	const struct replica_at at = at_way(_i);
	int rc;

	ck_assert_int_eq(r->ops->load(r, at, &info), 0);
	ck_assert_int_eq(info.record_len, -ENODATA);
	ck_assert(!info.xattrs);

	ck_assert_int_eq(r->ops->store(r, at, &times, record, RECORD_SIZE_MIN), 0);
	ck_assert_int_eq(r->ops->load(r, at, &info), 0);
	ck_assert_int_eq(info.record_len, RECORD_SIZE_MIN);
	ck_assert_mem_eq(loaded, record, RECORD_SIZE_MIN);
	ck_assert_int_eq(info.st.st_atim.tv_sec, times.atime.tv_sec);
	ck_assert_int_eq(info.st.st_atim.tv_nsec, times.atime.tv_nsec);
	ck_assert_int_eq(info.st.st_mtim.tv_sec, times.mtime.tv_sec);
	ck_assert_int_eq(info.st.st_mtim.tv_nsec, times.mtime.tv_nsec);
	/* The record is no xattr that users see. */
	ck_assert(!info.xattrs);

	/* ext4 with blocks of 1 KiB has no room for the largest. */
	rc = r->ops->store(r, at, &omit, record + 1, RECORD_SIZE_MAX - 1);
	ck_assert(rc == 0 || rc == -ENOSPC);
	ck_assert_int_eq(r->ops->load(r, at, &info), 0);
	ck_assert_int_eq(info.record_len, rc == 0 ? RECORD_SIZE_MAX - 1 : RECORD_SIZE_MIN);
	ck_assert_mem_eq(loaded, rc == 0 ? record + 1 : record, (size_t)info.record_len);
	ck_assert_int_eq(info.st.st_mtim.tv_nsec, times.mtime.tv_nsec);
}
END_TEST

START_TEST(times_alone)
{
	struct replica_times mtime = times;
	struct stat before, after;
	const struct replica_at at = at_way(_i);

	ck_assert_int_eq(r->ops->stat(r, at, &before), 0);
	mtime.atime.tv_nsec = UTIME_OMIT;
	ck_assert_int_eq(r->ops->store(r, at, &mtime, NULL, 0), 0);
	ck_assert_int_eq(r->ops->stat(r, at, &after), 0);
	ck_assert_int_eq(after.st_atim.tv_sec, before.st_atim.tv_sec);
	ck_assert_int_eq(after.st_atim.tv_nsec, before.st_atim.tv_nsec);
	ck_assert_int_eq(after.st_mtim.tv_sec, times.mtime.tv_sec);
	ck_assert_int_eq(after.st_mtim.tv_nsec, times.mtime.tv_nsec);
	ck_assert_int_eq(r->ops->load(r, at, &info), 0);
	ck_assert_int_eq(info.record_len, -ENODATA);
}
END_TEST

START_TEST(xattrs)
{
	const struct replica_at at = at_way(_i);
	char value[16], list[64];

	ck_assert_int_eq(r->ops->xattr_list(r, at, list, sizeof(list)), 0);
	ck_assert_int_eq(r->ops->xattr_get(r, at, "user.a", value, sizeof(value)), -ENODATA);
	ck_assert_int_eq(r->ops->xattr_set(r, at, "user.a", "val", 3, XATTR_REPLACE), -ENODATA);
	ck_assert_int_eq(r->ops->xattr_set(r, at, "user.a", "val", 3, XATTR_CREATE), 0);
	ck_assert_int_eq(r->ops->xattr_set(r, at, "user.a", "val", 3, XATTR_CREATE), -EEXIST);
	ck_assert_int_eq(r->ops->xattr_get(r, at, "user.a", NULL, 0), 3);
	ck_assert_int_eq(r->ops->xattr_get(r, at, "user.a", value, 2), -ERANGE);
	ck_assert_int_eq(r->ops->xattr_get(r, at, "user.a", value, sizeof(value)), 3);
	ck_assert_mem_eq(value, "val", 3);
	ck_assert_int_eq(r->ops->xattr_list(r, at, NULL, 0), 7);
	ck_assert_int_eq(r->ops->xattr_list(r, at, list, 6), -ERANGE);
	ck_assert_int_eq(r->ops->xattr_list(r, at, list, sizeof(list)), 7);
	ck_assert_mem_eq(list, "user.a", 7);
	ck_assert_int_eq(r->ops->load(r, at, &info), 0);
	ck_assert(info.xattrs);
	ck_assert_int_eq(r->ops->xattr_remove(r, at, "user.a"), 0);
	ck_assert_int_eq(r->ops->xattr_remove(r, at, "user.a"), -ENODATA);
	ck_assert_int_eq(r->ops->load(r, at, &info), 0);
	ck_assert(!info.xattrs);
}
END_TEST

START_TEST(modes_and_owners)
{
	const struct replica_at at = at_way(_i);
	const mode_t mode = _i < DIR_BY_NAME ? 04711 : 01711;
	struct stat st;

	ck_assert_int_eq(r->ops->chmod(r, at, mode), 0);
	ck_assert_int_eq(r->ops->stat(r, at, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, mode);
	if (geteuid() == 0) {
		ck_assert_int_eq(r->ops->chown(r, at, 77, (gid_t)-1), 0);
		ck_assert_int_eq(r->ops->chown(r, at, (uid_t)-1, 88), 0);
		ck_assert_int_eq(r->ops->stat(r, at, &st), 0);
		ck_assert_uint_eq(st.st_uid, 77);
		ck_assert_uint_eq(st.st_gid, 88);
	}
}
END_TEST

START_TEST(many_xattr_names)
{
	char name[64];
	int i, rc;

	/* More than the small buffer of the implementation holds. */
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "user.%030d", i);
		if ((rc = r->ops->xattr_set(r, held(file), name, "", 0, 0)) == -ENOSPC)
			return;
		ck_assert_int_eq(rc, 0);
	}
	ck_assert_int_gt(r->ops->xattr_list(r, held(file), NULL, 0), 1024);
	ck_assert_int_eq(r->ops->load(r, held(file), &info), 0);
	ck_assert(info.xattrs);
	ck_assert_int_eq(r->ops->load(r, named(REPLICA_ROOT, "f"), &info), 0);
	ck_assert(info.xattrs);
}
END_TEST

START_TEST(too_large_for_the_disk)
{
	static uint8_t large[XATTR_SIZE_MAX + 1];
	int rc;

	ck_assert_int_eq(r->ops->store(r, held(file), &times, record, RECORD_SIZE_MIN), 0);
	ck_assert_int_eq(r->ops->store(r, held(file), &times, large, sizeof(large)), -ENOSPC);
	/* ext4 has room for one block of attributes; others for more. */
	rc = r->ops->store(r, named(REPLICA_ROOT, "f"), &times, large, 5000);
	ck_assert(rc == 0 || rc == -ENOSPC);
	ck_assert_int_eq(r->ops->load(r, held(file), &info), 0);
	if (rc == 0) {
		ck_assert_int_eq(info.record_len, -EBADMSG);
	} else {
		ck_assert_int_eq(info.record_len, RECORD_SIZE_MIN);
		ck_assert_mem_eq(loaded, record, RECORD_SIZE_MIN);
	}
}
END_TEST

/* What no record of ours can be. */
START_TEST(overlong_record)
{
	static uint8_t large[RECORD_SIZE_MAX + 1];

	if (setxattr(under("f"), RECORD_XATTR, large, sizeof(large), 0) != 0 && errno == ENOSPC)
		return;
	ck_assert_int_eq(r->ops->load(r, held(file), &info), 0);
	ck_assert_int_eq(info.record_len, -EBADMSG);
}
END_TEST

START_TEST(no_link_is_followed)
{
	const struct replica_at at = named(REPLICA_ROOT, "link");
	struct stat st, target;
	char value[8];

	ck_assert_int_eq(symlink("f", under("link")), 0);
	ck_assert_int_eq(r->ops->store(r, held(file), &times, record, RECORD_SIZE_MIN), 0);
	ck_assert_int_eq(r->ops->xattr_set(r, held(file), "user.a", "b", 1, 0), 0);
	ck_assert_int_eq(stat(under("f"), &target), 0);

	ck_assert_int_eq(r->ops->load(r, at, &info), 0);
	ck_assert(S_ISLNK(info.st.st_mode));
	ck_assert_int_eq(info.record_len, -ENODATA);
	ck_assert(!info.xattrs);
	ck_assert_int_lt(r->ops->xattr_get(r, at, "user.a", value, sizeof(value)), 0);
	ck_assert_int_lt(r->ops->xattr_set(r, at, "user.a", "c", 1, 0), 0);
	ck_assert_int_lt(r->ops->xattr_remove(r, at, "user.a"), 0);
	ck_assert_int_eq(r->ops->xattr_list(r, at, NULL, 0), 0);
	ck_assert_int_eq(r->ops->chmod(r, at, 0600), -EOPNOTSUPP);
	ck_assert_int_eq(r->ops->store(r, at, &omit, record, RECORD_SIZE_MIN), -EPERM);
	ck_assert_int_eq(r->ops->store(r, at, &times, NULL, 0), 0);
	ck_assert_int_eq(r->ops->stat(r, at, &st), 0);
	ck_assert_int_eq(st.st_mtim.tv_nsec, times.mtime.tv_nsec);
	if (geteuid() == 0) {
		ck_assert_int_eq(r->ops->chown(r, at, 5, 6), 0);
		ck_assert_int_eq(r->ops->stat(r, at, &st), 0);
		ck_assert_uint_eq(st.st_uid, 5);
		/* Such an attribute a link can have. */
		ck_assert_int_eq(r->ops->xattr_set(r, at, "trusted.t", "x", 1, 0), 0);
		ck_assert_int_eq(r->ops->load(r, at, &info), 0);
		ck_assert(info.xattrs);
	}
	ck_assert_int_eq(stat(under("f"), &st), 0);
	ck_assert_int_eq(st.st_ctim.tv_sec, target.st_ctim.tv_sec);
	ck_assert_int_eq(st.st_ctim.tv_nsec, target.st_ctim.tv_nsec);
}
END_TEST

START_TEST(special_files)
{
	const struct replica_at at = named(REPLICA_ROOT, "fifo");
	struct stat st;

	ck_assert_int_eq(mkfifo(under("fifo"), 0644), 0);
	ck_assert_int_eq(r->ops->load(r, at, &info), 0);
	ck_assert_int_eq(info.record_len, -ENODATA);
	ck_assert_int_eq(r->ops->store(r, at, &times, NULL, 0), 0);
	ck_assert_int_eq(r->ops->chmod(r, at, 0622), 0);
	ck_assert_int_eq(r->ops->stat(r, at, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFIFO | 0622);
	ck_assert_int_eq(st.st_mtim.tv_nsec, times.mtime.tv_nsec);
}
END_TEST

/* What was unlinked while open stays within reach. */
START_TEST(without_a_name)
{
	ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, "f", false), 0);
	ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, "d", true), 0);
	ck_assert_int_eq(r->ops->store(r, held(file), &times, record, RECORD_SIZE_MIN), 0);
	ck_assert_int_eq(r->ops->load(r, held(file), &info), 0);
	ck_assert_int_eq(info.record_len, RECORD_SIZE_MIN);
	ck_assert_uint_eq(info.st.st_nlink, 0);
	ck_assert_int_eq(r->ops->chmod(r, held(file), 0600), 0);
	ck_assert_int_eq(r->ops->load(r, held(dir), &info), 0);
	ck_assert_int_eq(r->ops->store(r, held(dir), &times, record, RECORD_SIZE_MIN), 0);
}
END_TEST

START_TEST(missing)
{
	const struct replica_at none = named(REPLICA_ROOT, "none"), never = held(REPLICA_NONE);

	ck_assert_int_eq(r->ops->load(r, none, &info), -ENOENT);
	ck_assert_int_eq(r->ops->store(r, none, &times, record, RECORD_SIZE_MIN), -ENOENT);
	ck_assert_int_eq(r->ops->chmod(r, none, 0644), -ENOENT);
	ck_assert_int_eq(r->ops->load(r, never, &info), -EBADF);
	ck_assert_int_eq(r->ops->store(r, never, &times, record, RECORD_SIZE_MIN), -EBADF);
	ck_assert_int_eq(r->ops->xattr_get(r, named(REPLICA_NONE, "f"), "user.a", NULL, 0), -EBADF);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("replica/dir_inodes");
	TCase *tcase = tcase_create("inodes");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, stores_and_loads, 0, WAYS);
	tcase_add_loop_test(tcase, times_alone, 0, WAYS);
	tcase_add_loop_test(tcase, xattrs, 0, WAYS);
	tcase_add_loop_test(tcase, modes_and_owners, 0, WAYS);
	tcase_add_test(tcase, many_xattr_names);
	tcase_add_test(tcase, too_large_for_the_disk);
	tcase_add_test(tcase, overlong_record);
	tcase_add_test(tcase, no_link_is_followed);
	tcase_add_test(tcase, special_files);
	tcase_add_test(tcase, without_a_name);
	tcase_add_test(tcase, missing);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
