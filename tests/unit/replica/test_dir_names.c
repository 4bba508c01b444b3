/* Names: making, linking, removing and moving them. */

#include <sys/sysmacros.h>

#include "scratch.h"

static mode_t
mode_of(const char *name)
{
	struct stat st;

	ck_assert_int_eq(lstat(under(name), &st), 0);
	return st.st_mode;
}

START_TEST(makes_each_type)
{
	static const mode_t modes[] = { S_IFREG | 0640, S_IFDIR | 0750, S_IFIFO | 0622, S_IFSOCK | 0707 };
	struct replica_new new = { .owned = true };
	struct stat st;
	char name[16], target[64];
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		snprintf(name, sizeof(name), "n%zu", i);
		new.mode = modes[i];
		ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, name, &new, NULL), 0);
		ck_assert_uint_eq(mode_of(name), modes[i]);
		ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, name, &new, NULL), -EEXIST);
	}

	new.mode = S_IFLNK | 0777;
	new.target = "../no such place";
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "link", &new, NULL), 0);
	ck_assert_int_eq(r->ops->readlink(r, named(REPLICA_ROOT, "link"), target, sizeof(target)), 0);
	ck_assert_str_eq(target, new.target);
	ck_assert_int_eq(r->ops->readlink(r, named(REPLICA_ROOT, "link"), target, 17), 0);
	ck_assert_int_eq(r->ops->readlink(r, named(REPLICA_ROOT, "link"), target, 16), -ENAMETOOLONG);
	ck_assert_int_eq(r->ops->readlink(r, named(REPLICA_ROOT, "n0"), target, sizeof(target)), -EINVAL);
	ck_assert_int_eq(r->ops->readlink(r, named(REPLICA_ROOT, "none"), target, sizeof(target)), -ENOENT);

	if (geteuid() == 0) {
		new.mode = S_IFCHR | 0600;
		new.rdev = makedev(1, 3);
		ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "null", &new, NULL), 0);
		ck_assert_int_eq(r->ops->stat(r, named(REPLICA_ROOT, "null"), &st), 0);
		ck_assert_uint_eq(st.st_mode, new.mode);
		ck_assert_uint_eq(st.st_rdev, new.rdev);
	}
	new.mode = 0644;
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "untyped", &new, NULL), -EINVAL);
}
END_TEST

START_TEST(an_open_file_of_any_mode)
{
	replica_handle file;
	char byte;

	file = make_file("none", 0);
	ck_assert_uint_eq(mode_of("none"), S_IFREG);
	ck_assert_int_eq(r->ops->pwrite(r, file, "x", 1, 0), 1);
	ck_assert_int_eq(r->ops->pread(r, file, &byte, 1, 0), 1);
	r->ops->close(r, file);
}
END_TEST

START_TEST(follows_no_link_in_making)
{
	const struct replica_new new = { .mode = S_IFREG | 0644, .owned = true };
	replica_handle handle = 77;
	struct stat st;

	ck_assert_int_eq(symlink("target", under("link")), 0);
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "link", &new, &handle), -EEXIST);
	ck_assert_int_eq(handle, 77);
	ck_assert_int_ne(lstat(under("target"), &st), 0);
}
END_TEST

START_TEST(owner_and_set_id)
{
	struct replica_new new = { .uid = 1234, .gid = 2345 };
	static const mode_t modes[] = { S_IFREG | 06755, S_IFDIR | 02755, S_IFDIR | 01777,
		S_IFLNK | 0777, S_IFIFO | 0640, S_IFREG | 0 };
	replica_handle handle = REPLICA_NONE;
	struct stat st;
	char name[16];
	size_t i;

	if (geteuid() != 0)
		return;
	new.target = "x";
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		snprintf(name, sizeof(name), "n%zu", i);
		new.mode = modes[i];
		ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, name, &new, NULL), 0);
		ck_assert_int_eq(lstat(under(name), &st), 0);
		ck_assert_uint_eq(st.st_mode, modes[i]);
		ck_assert_uint_eq(st.st_uid, 1234);
		ck_assert_uint_eq(st.st_gid, 2345);
	}
	new.mode = S_IFREG | 04711;
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "open", &new, &handle), 0);
	ck_assert_int_eq(r->ops->stat(r, held(handle), &st), 0);
	ck_assert_uint_eq(st.st_mode, new.mode);
	ck_assert_uint_eq(st.st_uid, 1234);
	r->ops->close(r, handle);
}
END_TEST

/* What the parent's set-group-id bit hands down is undone if not asked for. */
START_TEST(below_a_set_gid_directory)
{
	struct replica_new new = { .mode = S_IFDIR | 0755, .uid = 0, .gid = 0 };
	replica_handle dir;
	struct stat st;

	if (geteuid() != 0)
		return;
	dir = make_dir("d", 0755);
	ck_assert_int_eq(r->ops->chown(r, held(dir), 5, 6), 0);
	ck_assert_int_eq(r->ops->chmod(r, held(dir), 02775), 0);
	ck_assert_uint_eq(mode_of("d"), S_IFDIR | 02775);

	ck_assert_int_eq(r->ops->create(r, dir, "plain", &new, NULL), 0);
	ck_assert_int_eq(r->ops->stat(r, named(dir, "plain"), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0755);
	ck_assert_uint_eq(st.st_gid, 0);

	new.mode = S_IFDIR | 02755;
	new.gid = 6;
	ck_assert_int_eq(r->ops->create(r, dir, "same", &new, NULL), 0);
	ck_assert_int_eq(r->ops->stat(r, named(dir, "same"), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 02755);
	ck_assert_uint_eq(st.st_gid, 6);
	r->ops->dir_close(r, dir);
}
END_TEST

/* Version 2 of the kernel's form: u::rwx, u:7:rwx, g::r-x, m::rwx, o::--- */
static const uint8_t acl[] = {
	2, 0, 0, 0,
	1, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,
	2, 0, 7, 0, 7, 0, 0, 0,
	4, 0, 5, 0, 0xff, 0xff, 0xff, 0xff,
	16, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,
	32, 0, 0, 0, 0xff, 0xff, 0xff, 0xff
};

START_TEST(default_acl_decides)
{
	struct replica_new new = { .mode = S_IFREG | 0666, .uid = 5, .gid = 6, .inherit = true };
	replica_handle dir;
	struct stat st;

	if (geteuid() != 0)
		return;
	dir = make_dir("d", 0755);
	if (r->ops->xattr_set(r, held(dir), "system.posix_acl_default", acl, sizeof(acl), 0) == -EOPNOTSUPP)
		return;
	ck_assert_int_eq(r->ops->create(r, dir, "f", &new, NULL), 0);
	ck_assert_int_eq(r->ops->stat(r, named(dir, "f"), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0660);
	/* The set-id bits come back without harm to the mask. */
	new.mode = S_IFREG | 04755;
	ck_assert_int_eq(r->ops->create(r, dir, "g", &new, NULL), 0);
	ck_assert_int_eq(r->ops->stat(r, named(dir, "g"), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 04750);
	new.mode = S_IFDIR | 0755;
	ck_assert_int_eq(r->ops->create(r, dir, "h", &new, NULL), 0);
	ck_assert_int_eq(r->ops->stat(r, named(dir, "h"), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0750);
	r->ops->dir_close(r, dir);
}
END_TEST

START_TEST(names_are_bytes)
{
	const struct replica_times times = { { 1, 2 }, { 3, 4 } };
	char name[NAME_MAX + 2];
	uint8_t record[4096];
	struct replica_info info = { .record = record };
	replica_handle handle;
	int i;

	for (i = 0; i < NAME_MAX; i++)
		name[i] = (char)(i + 1 == '/' ? 'x' : i + 1);
	name[NAME_MAX] = '\0';
	r->ops->close(r, make_file(name, 0644));
	ck_assert_int_eq(r->ops->store(r, named(REPLICA_ROOT, name), &times, "record", 6), 0);
	ck_assert_int_eq(r->ops->load(r, named(REPLICA_ROOT, name), &info), 0);
	ck_assert_int_eq(info.record_len, 6);
	ck_assert_int_eq(r->ops->open(r, named(REPLICA_ROOT, name), true, &handle, NULL), 0);
	r->ops->close(r, handle);
	ck_assert_int_eq(r->ops->rename(r, REPLICA_ROOT, name, REPLICA_ROOT, "short", 0), 0);
	ck_assert_int_eq(r->ops->link(r, named(REPLICA_ROOT, "short"), REPLICA_ROOT, name), 0);
	ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, name, false), 0);

	memset(name, 'n', NAME_MAX + 1);
	name[NAME_MAX + 1] = '\0';
	ck_assert_int_eq(r->ops->rename(r, REPLICA_ROOT, "short", REPLICA_ROOT, name, 0), -ENAMETOOLONG);
	ck_assert_int_eq(r->ops->load(r, named(REPLICA_ROOT, name), &info), -ENAMETOOLONG);
	ck_assert_int_eq(r->ops->store(r, named(REPLICA_ROOT, name), &times, "r", 1), -ENAMETOOLONG);
	ck_assert_int_eq(r->ops->xattr_get(r, named(REPLICA_ROOT, name), "user.a", NULL, 0), -ENAMETOOLONG);
}
END_TEST

START_TEST(bad_names)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/", "../x", NULL };
	const struct replica_new new = { .mode = S_IFREG | 0644, .owned = true };
	const struct replica_times times = { { 1, 2 }, { 3, 4 } };
	struct replica_info info = { .record = NULL };
	struct stat st;
	replica_handle handle;
	char buf[8];
	size_t i;

	r->ops->close(r, make_file("f", 0644));
	for (i = 0; bad[i] != NULL; i++) {
		const struct replica_at at = named(REPLICA_ROOT, bad[i]);

		ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, bad[i], &new, &handle), -EINVAL);
		ck_assert_int_eq(r->ops->link(r, named(REPLICA_ROOT, "f"), REPLICA_ROOT, bad[i]), -EINVAL);
		ck_assert_int_eq(r->ops->link(r, at, REPLICA_ROOT, "g"), -EINVAL);
		ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, bad[i], false), -EINVAL);
		ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, bad[i], true), -EINVAL);
		ck_assert_int_eq(r->ops->rename(r, REPLICA_ROOT, bad[i], REPLICA_ROOT, "g", 0), -EINVAL);
		ck_assert_int_eq(r->ops->rename(r, REPLICA_ROOT, "f", REPLICA_ROOT, bad[i], 0), -EINVAL);
		ck_assert_int_eq(r->ops->readlink(r, at, buf, sizeof(buf)), -EINVAL);
		ck_assert_int_eq(r->ops->load(r, at, &info), -EINVAL);
		ck_assert_int_eq(r->ops->stat(r, at, &st), -EINVAL);
		ck_assert_int_eq(r->ops->store(r, at, &times, "r", 1), -EINVAL);
		ck_assert_int_eq(r->ops->chmod(r, at, 0644), -EINVAL);
		ck_assert_int_eq(r->ops->chown(r, at, 0, 0), -EINVAL);
		ck_assert_int_eq(r->ops->xattr_get(r, at, "user.a", NULL, 0), -EINVAL);
		ck_assert_int_eq(r->ops->xattr_set(r, at, "user.a", "b", 1, 0), -EINVAL);
		ck_assert_int_eq(r->ops->xattr_remove(r, at, "user.a"), -EINVAL);
		ck_assert_int_eq(r->ops->xattr_list(r, at, NULL, 0), -EINVAL);
		ck_assert_int_eq(r->ops->open(r, at, false, &handle, NULL), -EINVAL);
		ck_assert_int_eq(r->ops->dir_open(r, REPLICA_ROOT, bad[i], &handle), -EINVAL);
	}
}
END_TEST

START_TEST(renames)
{
	replica_handle dir, file;
	struct stat st;

	dir = make_dir("d", 0755);
	file = make_file("f", 0644);
	ck_assert_int_eq(r->ops->rename(r, REPLICA_ROOT, "f", dir, "g", RENAME_NOREPLACE), 0);
	r->ops->close(r, make_file("f", 0600));
	ck_assert_int_eq(r->ops->rename(r, REPLICA_ROOT, "f", dir, "g", RENAME_NOREPLACE), -EEXIST);
	ck_assert_int_eq(r->ops->rename(r, REPLICA_ROOT, "f", dir, "g", RENAME_EXCHANGE), 0);
	ck_assert_uint_eq(mode_of("f"), S_IFREG | 0644);
	ck_assert_int_eq(r->ops->rename(r, REPLICA_ROOT, "f", dir, "g", 0), 0);
	ck_assert_int_eq(r->ops->rename(r, REPLICA_ROOT, "f", dir, "g", 0), -ENOENT);
	ck_assert_int_eq(r->ops->rename(r, dir, "g", REPLICA_ROOT, "d", 0), -ENOTEMPTY);
	ck_assert_int_eq(r->ops->rename(r, REPLICA_ROOT, "d", dir, "h", 0), -EINVAL);
	ck_assert_int_eq(r->ops->stat(r, held(file), &st), 0);
	ck_assert_uint_eq(st.st_nlink, 1);
	r->ops->close(r, file);
	r->ops->dir_close(r, dir);
}
END_TEST

START_TEST(unlinks)
{
	replica_handle dir;

	dir = make_dir("d", 0755);
	r->ops->close(r, make_file("f", 0644));
	ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, "f", true), -ENOTDIR);
	ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, "d", false), -EISDIR);
	ck_assert_int_eq(r->ops->rename(r, REPLICA_ROOT, "f", dir, "f", 0), 0);
	ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, "d", true), -ENOTEMPTY);
	ck_assert_int_eq(r->ops->unlink(r, dir, "f", false), 0);
	ck_assert_int_eq(r->ops->unlink(r, dir, "f", false), -ENOENT);
	ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, "d", true), 0);
	r->ops->dir_close(r, dir);
}
END_TEST

START_TEST(links)
{
	replica_handle file;
	struct stat st;

	/* A symbolic link itself gets the second name. */
	ck_assert_int_eq(symlink("x", under("s")), 0);
	ck_assert_int_eq(r->ops->link(r, named(REPLICA_ROOT, "s"), REPLICA_ROOT, "t"), 0);
	ck_assert(S_ISLNK(mode_of("t")));

	file = make_file("f", 0644);
	ck_assert_int_eq(r->ops->link(r, held(file), REPLICA_ROOT, "g"), 0);
	ck_assert_int_eq(r->ops->link(r, held(file), REPLICA_ROOT, "g"), -EEXIST);
	ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, "f", false), 0);
	ck_assert_int_eq(r->ops->link(r, held(file), REPLICA_ROOT, "h"), 0);
	ck_assert_int_eq(r->ops->stat(r, held(file), &st), 0);
	ck_assert_uint_eq(st.st_nlink, 2);
	ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, "g", false), 0);
	ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, "h", false), 0);
	/* The last name is gone: Linux gives it no new one. */
	ck_assert_int_eq(r->ops->link(r, held(file), REPLICA_ROOT, "i"), -ENOENT);
	r->ops->close(r, file);
}
END_TEST

START_TEST(tmpfiles)
{
	struct replica_new new = { .mode = S_IFREG | 0604, .owned = true };
	const struct replica_times times = { { 1, 2 }, { 3, 4 } };
	replica_handle dir, file = REPLICA_NONE;
	struct stat st;
	char data[4];
	int rc;

	dir = make_dir("d", 0755);
	if ((rc = r->ops->tmpfile(r, dir, &new, &file)) == -EOPNOTSUPP)
		return;
	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(r->ops->pwrite(r, file, "data", 4, 0), 4);
	ck_assert_int_eq(r->ops->store(r, held(file), &times, "record", 6), 0);
	ck_assert_int_eq(r->ops->link(r, held(file), REPLICA_ROOT, "f"), 0);
	ck_assert_int_eq(r->ops->pread(r, file, data, 4, 0), 4);
	r->ops->close(r, file);
	ck_assert_int_eq(r->ops->stat(r, named(REPLICA_ROOT, "f"), &st), 0);
	ck_assert_uint_eq(st.st_mode, new.mode);
	ck_assert_int_eq(st.st_size, 4);
	ck_assert_int_eq(st.st_mtim.tv_nsec, 4);

	if (geteuid() == 0) {
		new = (struct replica_new){ .mode = S_IFREG | 04700, .uid = 7, .gid = 8 };
		ck_assert_int_eq(r->ops->tmpfile(r, dir, &new, &file), 0);
		ck_assert_int_eq(r->ops->stat(r, held(file), &st), 0);
		ck_assert_uint_eq(st.st_mode, new.mode);
		ck_assert_uint_eq(st.st_uid, 7);
		r->ops->close(r, file);
	}
	new.mode = S_IFDIR | 0700;
	ck_assert_int_eq(r->ops->tmpfile(r, dir, &new, &file), -EINVAL);
	r->ops->dir_close(r, dir);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("replica/dir_names");
	TCase *tcase = tcase_create("names");

	tcase_add_checked_fixture(tcase, scratch_setup, scratch_teardown);
	tcase_add_test(tcase, makes_each_type);
	tcase_add_test(tcase, an_open_file_of_any_mode);
	tcase_add_test(tcase, follows_no_link_in_making);
	tcase_add_test(tcase, owner_and_set_id);
	tcase_add_test(tcase, below_a_set_gid_directory);
	tcase_add_test(tcase, default_acl_decides);
	tcase_add_test(tcase, names_are_bytes);
	tcase_add_test(tcase, bad_names);
	tcase_add_test(tcase, renames);
	tcase_add_test(tcase, unlinks);
	tcase_add_test(tcase, links);
	tcase_add_test(tcase, tmpfiles);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
