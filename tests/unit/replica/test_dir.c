/* The replica as a whole: opening, directories, lists, the lock. */

#include <dirent.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "format/record.h"

#include "scratch.h"

#define MANY 5000		/* several buffers full of names */

static struct {
	unsigned count, stop_after;
	bool seen[MANY];
	unsigned char types[16];
} listed;

static int
note_entry(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	unsigned long n;
	char *end;

	ck_assert_ptr_eq(arg, &listed);
	ck_assert_uint_ne(ino, 0);
	ck_assert_int_ne(strcmp(name, "."), 0);
	ck_assert_int_ne(strcmp(name, ".."), 0);
	listed.types[d_type]++;
	n = strtoul(name, &end, 10);
	if (*end == '\0') {
		ck_assert_uint_lt(n, MANY);
		ck_assert(!listed.seen[n]);
		listed.seen[n] = true;
	}
	return ++listed.count == listed.stop_after ? 42 : 0;
}

START_TEST(refuses_what_is_no_directory)
{
	struct replica *other = NULL;

	ck_assert_int_eq(dir_replica_open(under("missing"), false, &other), -ENOENT);
	r->ops->close(r, make_file("file", 0644));
	ck_assert_int_eq(dir_replica_open(under("file"), false, &other), -ENOTDIR);
	ck_assert_int_eq(dir_replica_open(under("file/x"), false, &other), -ENOTDIR);
	ck_assert_ptr_null(other);
}
END_TEST

START_TEST(refuses_no_xattrs)
{
	struct replica *other = NULL;

	/* No file system is more certain to have none. */
	ck_assert_int_eq(dir_replica_open("/proc", false, &other), -EOPNOTSUPP);
	ck_assert_ptr_null(other);
}
END_TEST

START_TEST(opening_leaves_no_trace)
{
	const struct timespec old[2] = { { 1000, 0 }, { 2000, 0 } };
	struct replica *second;
	struct stat before, st;
	char list[256];

	/* Whole seconds: nothing there says yet whether nanoseconds are kept. */
	ck_assert_str_eq(r->path, top);
	ck_assert_int_eq(utimensat(AT_FDCWD, top, old, 0), 0);
	ck_assert_int_eq(stat(top, &before), 0);
	usleep(20000);
	ck_assert_int_eq(dir_replica_open(top, false, &second), 0);
	second->ops->free(second);
	ck_assert_int_eq(stat(top, &st), 0);
	ck_assert_int_eq(st.st_mtim.tv_sec, 2000);
	ck_assert_int_eq(st.st_mtim.tv_nsec, 0);
	ck_assert_int_eq(st.st_ctim.tv_sec, before.st_ctim.tv_sec);
	ck_assert_int_eq(st.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
	ck_assert_int_eq(listxattr(top, list, sizeof(list)), 0);
}
END_TEST

START_TEST(read_only_writes_nothing)
{
	const struct replica_new new = { .mode = S_IFREG | 0644, .owned = true };
	const struct replica_times times = { { 1, 2 }, { 3, 4 } };
	const struct timespec old[2] = { { 1000, 0 }, { 2000, 0 } };
	replica_handle handle = REPLICA_NONE, file;
	uint8_t record[RECORD_SIZE_MAX];
	struct replica_info info = { .record = record };
	struct replica *ro;
	struct stat before, after;
	char byte;

	file = make_file("file", 0644);
	ck_assert_int_eq(r->ops->pwrite(r, file, "x", 1, 0), 1);
	r->ops->close(r, file);
	r->ops->dir_close(r, make_dir("d", 0755));
	/* An atime older than mtime is what relatime would renew. */
	ck_assert_int_eq(utimensat(AT_FDCWD, under("file"), old, 0), 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, under("d"), old, 0), 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, top, old, 0), 0);
	ck_assert_int_eq(stat(top, &before), 0);

	ck_assert_int_eq(dir_replica_open(top, true, &ro), 0);
	ck_assert_int_eq(ro->ops->create(ro, REPLICA_ROOT, "n", &new, &handle), -EROFS);
	ck_assert_int_eq(ro->ops->tmpfile(ro, REPLICA_ROOT, &new, &handle), -EROFS);
	ck_assert_int_eq(ro->ops->store(ro, named(REPLICA_ROOT, "file"), &times, "r", 1), -EROFS);
	ck_assert_int_eq(ro->ops->link(ro, named(REPLICA_ROOT, "file"), REPLICA_ROOT, "n"), -EROFS);
	ck_assert_int_eq(ro->ops->unlink(ro, REPLICA_ROOT, "file", false), -EROFS);
	ck_assert_int_eq(ro->ops->rename(ro, REPLICA_ROOT, "file", REPLICA_ROOT, "n", 0), -EROFS);
	ck_assert_int_eq(ro->ops->chmod(ro, named(REPLICA_ROOT, "file"), 0600), -EROFS);
	ck_assert_int_eq(ro->ops->chown(ro, named(REPLICA_ROOT, "file"), 1, 1), -EROFS);
	ck_assert_int_eq(ro->ops->xattr_set(ro, named(REPLICA_ROOT, "file"), "user.a", "b", 1, 0), -EROFS);
	ck_assert_int_eq(ro->ops->xattr_remove(ro, named(REPLICA_ROOT, "file"), "user.a"), -EROFS);
	ck_assert_int_eq(ro->ops->open(ro, named(REPLICA_ROOT, "file"), true, &handle, NULL), -EROFS);

	ck_assert_int_eq(ro->ops->open(ro, named(REPLICA_ROOT, "file"), false, &handle, NULL), 0);
	ck_assert_int_eq(ro->ops->pread(ro, handle, &byte, 1, 0), 1);
	ck_assert_int_lt(ro->ops->pwrite(ro, handle, "y", 1, 0), 0);
	ck_assert_int_eq(ro->ops->truncate(ro, handle, 0), -EROFS);
	ck_assert_int_eq(ro->ops->fallocate(ro, handle, 0, 0, 10), -EROFS);
	ck_assert_int_eq(ro->ops->fsync(ro, handle, false), 0);
	ro->ops->drop_cache(ro, handle);
	ro->ops->close(ro, handle);
	ck_assert_int_eq(ro->ops->load(ro, named(REPLICA_ROOT, "file"), &info), 0);
	ck_assert_int_eq(info.st.st_atim.tv_sec, 1000);
	ck_assert_int_eq(ro->ops->dir_open(ro, REPLICA_ROOT, "d", &handle), 0);
	ck_assert_int_eq(ro->ops->list(ro, handle, note_entry, &listed), 0);
	ck_assert_int_eq(ro->ops->stat(ro, held(handle), &after), 0);
	ck_assert_int_eq(after.st_atim.tv_sec, 1000);
	ro->ops->dir_close(ro, handle);
	ck_assert_int_eq(ro->ops->list(ro, REPLICA_ROOT, note_entry, &listed), 0);
	ck_assert_int_eq(ro->ops->lock(ro, false), 0);
	ck_assert_int_eq(ro->ops->sync(ro), 0);
	ro->ops->free(ro);

	ck_assert_int_eq(stat(top, &after), 0);
	ck_assert_int_eq(after.st_atim.tv_sec, before.st_atim.tv_sec);
	ck_assert_int_eq(after.st_ctim.tv_sec, before.st_ctim.tv_sec);
	ck_assert_int_eq(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
}
END_TEST

START_TEST(directories_only)
{
	replica_handle dir, sub;

	dir = make_dir("d", 0755);
	r->ops->close(r, make_file("file", 0644));
	ck_assert_int_eq(symlink("d", under("to-dir")), 0);
	ck_assert_int_eq(mkfifo(under("fifo"), 0644), 0);

	ck_assert_int_eq(r->ops->dir_open(r, REPLICA_ROOT, "to-dir", &sub), -ENOTDIR);
	ck_assert_int_eq(r->ops->dir_open(r, REPLICA_ROOT, "file", &sub), -ENOTDIR);
	ck_assert_int_eq(r->ops->dir_open(r, REPLICA_ROOT, "fifo", &sub), -ENOTDIR);
	ck_assert_int_eq(r->ops->dir_open(r, REPLICA_ROOT, "missing", &sub), -ENOENT);
	ck_assert_int_eq(r->ops->dir_open(r, REPLICA_ROOT, "..", &sub), -EINVAL);
	ck_assert_int_eq(r->ops->dir_open(r, REPLICA_ROOT, ".", &sub), -EINVAL);
	ck_assert_int_eq(r->ops->dir_open(r, REPLICA_ROOT, "", &sub), -EINVAL);
	ck_assert_int_eq(r->ops->dir_open(r, REPLICA_ROOT, "d/d", &sub), -EINVAL);
	ck_assert_int_eq(r->ops->dir_open(r, REPLICA_NONE, "d", &sub), -EBADF);
	ck_assert_int_eq(r->ops->dir_sync(r, dir), 0);
	ck_assert_int_eq(r->ops->dir_sync(r, REPLICA_ROOT), 0);
	r->ops->dir_close(r, dir);
}
END_TEST

/* Handles outlive what happens to the name: that is what they are for. */
START_TEST(a_handle_follows_its_directory)
{
	const struct replica_new new = { .mode = S_IFREG | 0644, .owned = true };
	replica_handle dir;
	struct stat st;

	dir = make_dir("d", 0755);
	ck_assert_int_eq(rename(under("d"), under("e")), 0);
	ck_assert_int_eq(symlink("/", under("d")), 0);
	ck_assert_int_eq(r->ops->create(r, dir, "f", &new, NULL), 0);
	ck_assert_int_eq(stat(under("e/f"), &st), 0);
	r->ops->dir_close(r, dir);
}
END_TEST

START_TEST(long_list)
{
	replica_handle dir;
	char path[64];
	int dir_fd, i;

	dir = make_dir("d", 0755);
	ck_assert_int_ge(dir_fd = open(under("d"), O_RDONLY | O_DIRECTORY), 0);
	for (i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "%d", i);
		ck_assert_int_eq(mknodat(dir_fd, path, S_IFREG | 0644, 0), 0);
	}
	close(dir_fd);

	ck_assert_int_eq(r->ops->list(r, dir, note_entry, &listed), 0);
	ck_assert_uint_eq(listed.count, MANY);
	/* A second time it starts anew; a call's result ends it. */
	memset(&listed, 0, sizeof(listed));
	listed.stop_after = 10;
	ck_assert_int_eq(r->ops->list(r, dir, note_entry, &listed), 42);
	ck_assert_uint_eq(listed.count, 10);
	r->ops->dir_close(r, dir);
}
END_TEST

START_TEST(list_tells_types)
{
	ck_assert_int_eq(mkdir(under(REPLICA_META), 0700), 0);
	r->ops->close(r, make_file("file", 0644));
	ck_assert_int_eq(symlink("x", under("link")), 0);
	ck_assert_int_eq(mkfifo(under("fifo"), 0644), 0);
	ck_assert_int_eq(r->ops->list(r, REPLICA_ROOT, note_entry, &listed), 0);
	ck_assert_uint_eq(listed.count, 4);
	ck_assert_uint_eq(listed.types[DT_DIR], 1);
	ck_assert_uint_eq(listed.types[DT_REG], 1);
	ck_assert_uint_eq(listed.types[DT_LNK], 1);
	ck_assert_uint_eq(listed.types[DT_FIFO], 1);
}
END_TEST

START_TEST(one_writer)
{
	struct replica *second, *reader;

	ck_assert_int_eq(dir_replica_open(top, false, &second), 0);
	ck_assert_int_eq(dir_replica_open(top, true, &reader), 0);
	ck_assert_int_eq(r->ops->lock(r, true), 0);
	ck_assert_int_eq(r->ops->lock(r, true), 0);
	ck_assert_int_eq(second->ops->lock(second, true), -EWOULDBLOCK);
	ck_assert_int_eq(second->ops->lock(second, false), -EWOULDBLOCK);
	ck_assert_int_eq(r->ops->lock(r, false), 0);
	ck_assert_int_eq(reader->ops->lock(reader, false), 0);
	ck_assert_int_eq(second->ops->lock(second, true), -EWOULDBLOCK);
	reader->ops->free(reader);
	r->ops->free(r);
	ck_assert_int_eq(second->ops->lock(second, true), 0);
	r = second;
}
END_TEST

/* What stands at the path is looked at, not only what was opened. */
START_TEST(checked)
{
	char aside[sizeof(top) + 8];

	snprintf(aside, sizeof(aside), "%s.aside", top);
	ck_assert_int_eq(r->ops->check(r), 0);
	ck_assert_int_eq(rename(top, aside), 0);
	ck_assert_int_eq(r->ops->check(r), -ESTALE);
	ck_assert_int_eq(mkdir(top, 0755), 0);
	ck_assert_int_eq(r->ops->check(r), -ESTALE);
	ck_assert_int_eq(rmdir(top), 0);
	ck_assert_int_eq(rename(aside, top), 0);
	ck_assert_int_eq(r->ops->check(r), 0);
}
END_TEST

/* Another one may have the directory; this one reaches nothing any more, idle or not. */
START_TEST(retired)
{
	const struct replica_new new = { .mode = S_IFREG | 0600, .owned = true };
	struct replica *second;
	struct stat st;

	ck_assert_int_eq(r->ops->lock(r, true), 0);
	ck_assert_int_eq(dir_replica_open(top, false, &second), 0);
	ck_assert_int_eq(second->ops->lock(second, true), -EWOULDBLOCK);
	r->ops->retire(r, _i == 1);
	ck_assert_int_eq(second->ops->lock(second, true), 0);
	ck_assert_int_lt(r->ops->create(r, REPLICA_ROOT, "x", &new, NULL), 0);
	ck_assert_int_lt(r->ops->stat(r, (struct replica_at){ REPLICA_ROOT, "x" }, &st), 0);
	r->ops->free(r);
	r = second;
	ck_assert_int_eq(access(under("x"), F_OK), -1);
}
END_TEST

/* The daemon goes to the background after it took the lock. */
START_TEST(lock_survives_a_fork)
{
	struct replica *second;
	int gate[2], status;
	char byte;
	pid_t child;

	ck_assert_int_eq(dir_replica_open(top, false, &second), 0);
	ck_assert_int_eq(r->ops->lock(r, true), 0);
	ck_assert_int_eq(pipe(gate), 0);
	if ((child = fork()) == 0) {
		close(gate[1]);
		_exit(read(gate[0], &byte, 1) != 0);
	}
	ck_assert_int_gt(child, 0);
	r->ops->free(r);
	ck_assert_int_eq(second->ops->lock(second, true), -EWOULDBLOCK);
	close(gate[1]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(second->ops->lock(second, true), 0);
	close(gate[0]);
	r = second;
}
END_TEST

START_TEST(whole)
{
	struct statvfs st;

	ck_assert_int_eq(r->ops->statfs(r, &st), 0);
	ck_assert_uint_gt(st.f_blocks, 0);
	ck_assert_int_eq(r->ops->sync(r), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("replica/dir");
	TCase *tcase = tcase_create("dir");

	tcase_add_checked_fixture(tcase, scratch_setup, scratch_teardown);
	tcase_add_test(tcase, refuses_what_is_no_directory);
	tcase_add_test(tcase, refuses_no_xattrs);
	tcase_add_test(tcase, opening_leaves_no_trace);
	tcase_add_test(tcase, read_only_writes_nothing);
	tcase_add_test(tcase, directories_only);
	tcase_add_test(tcase, a_handle_follows_its_directory);
	tcase_add_test(tcase, long_list);
	tcase_add_test(tcase, list_tells_types);
	tcase_add_test(tcase, one_writer);
	tcase_add_test(tcase, checked);
	tcase_add_loop_test(tcase, retired, 0, 2);
	tcase_add_test(tcase, lock_survives_a_fork);
	tcase_add_test(tcase, whole);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
