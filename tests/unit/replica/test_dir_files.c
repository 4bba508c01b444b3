/* Regular files: opening them, and their data. */

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "scratch.h"

#define MIB ((uint64_t)1 << 20)

START_TEST(opens_by_name_and_handle)
{
	replica_handle made, by_name, by_handle;
	struct stat st, again;
	char byte;

	made = make_file("f", 0644);
	ck_assert_int_eq(r->ops->pwrite(r, made, "abc", 3, 0), 3);
	ck_assert_int_eq(r->ops->open(r, named(REPLICA_ROOT, "f"), false, &by_name, &st), 0);
	ck_assert_int_eq(st.st_size, 3);
	ck_assert_int_eq(r->ops->pread(r, by_name, &byte, 1, 2), 1);
	ck_assert_int_eq(byte, 'c');
	ck_assert_int_eq(r->ops->pwrite(r, by_name, "x", 1, 0), -EBADF);

	/* A further handle also after the name has gone. */
	ck_assert_int_eq(r->ops->unlink(r, REPLICA_ROOT, "f", false), 0);
	ck_assert_int_eq(r->ops->open(r, held(by_name), true, &by_handle, &again), 0);
	ck_assert_uint_eq(again.st_ino, st.st_ino);
	ck_assert_int_eq(r->ops->pwrite(r, by_handle, "x", 1, 0), 1);
	ck_assert_int_eq(r->ops->open(r, named(REPLICA_ROOT, "f"), false, &made, NULL), -ENOENT);
	r->ops->close(r, by_handle);
	r->ops->close(r, by_name);
	r->ops->close(r, REPLICA_NONE);
}
END_TEST

/* Whatever an intruder puts there, it is neither opened nor waited for. */
START_TEST(opens_nothing_else)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	static const char *const names[] = { "link", "dir", "fifo", "socket", "null", "tty" };
	replica_handle handle = 99, dir;
	size_t i, count = 4;
	int fd;

	r->ops->close(r, make_file("f", 0644));
	dir = make_dir("dir", 0755);
	ck_assert_int_eq(symlink("f", under("link")), 0);
	ck_assert_int_eq(mkfifo(under("fifo"), 0644), 0);
	ck_assert_int_eq(chdir(top), 0);
	ck_assert_int_ge(fd = socket(AF_UNIX, SOCK_STREAM, 0), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (mknod(under("null"), S_IFCHR | 0666, makedev(1, 3)) == 0 &&
	    mknod(under("tty"), S_IFCHR | 0666, makedev(5, 0)) == 0)
		count = 6;

	for (i = 0; i < count; i++) {
		ck_assert_int_eq(r->ops->open(r, named(REPLICA_ROOT, names[i]), false, &handle, NULL), -ESTALE);
		ck_assert_int_eq(r->ops->open(r, named(REPLICA_ROOT, names[i]), true, &handle, NULL), -ESTALE);
	}
	ck_assert_int_eq(r->ops->open(r, held(dir), false, &handle, NULL), -ESTALE);
	ck_assert_int_eq(r->ops->open(r, held(REPLICA_ROOT), false, &handle, NULL), -ESTALE);
	ck_assert_int_eq(handle, 99);
	r->ops->dir_close(r, dir);
	close(fd);
}
END_TEST

/* Exchanged again and again while it is opened: a file it is, or an error. */
START_TEST(swapped_while_opened)
{
	replica_handle handle;
	struct stat st;
	unsigned opened = 0;
	pid_t child;
	int i, rc;

	r->ops->close(r, make_file("a", 0644));
	ck_assert_int_eq(mkfifo(under("fifo"), 0644), 0);
	ck_assert_int_eq(symlink("/dev/null", under("link")), 0);
	if ((child = fork()) == 0) {
		for (;;) {
			renameat2(AT_FDCWD, under("a"), AT_FDCWD, under("fifo"), RENAME_EXCHANGE);
			renameat2(AT_FDCWD, under("a"), AT_FDCWD, under("link"), RENAME_EXCHANGE);
		}
	}
	ck_assert_int_gt(child, 0);
	for (i = 0; i < 20000; i++) {
		rc = r->ops->open(r, named(REPLICA_ROOT, "a"), i % 2 == 0, &handle, &st);
		if (rc == 0) {
			if (!S_ISREG(st.st_mode))
				break;
			opened++;
			r->ops->close(r, handle);
		} else if (rc != -ESTALE && rc != -ENOENT) {
			break;
		}
	}
	kill(child, SIGKILL);
	ck_assert_int_eq(i, 20000);
	ck_assert_uint_gt(opened, 0);
}
END_TEST

START_TEST(data)
{
	static char large[3 * 1000 * 1000], back[sizeof(large)];
	replica_handle file;
	struct stat st;
	size_t i;

	file = make_file("f", 0644);
	for (i = 0; i < sizeof(large); i++)
		large[i] = (char)(i * 31 + i / 777);
	ck_assert_int_eq(r->ops->pwrite(r, file, large, sizeof(large), 12345), sizeof(large));
	ck_assert_int_eq(r->ops->pread(r, file, back, sizeof(back), 12345), sizeof(back));
	ck_assert_mem_eq(large, back, sizeof(back));
	ck_assert_int_eq(r->ops->pread(r, file, back, sizeof(back), 12346), sizeof(back) - 1);
	ck_assert_int_eq(r->ops->pread(r, file, back, 10, 1 << 30), 0);
	ck_assert_int_eq(r->ops->pread(r, file, back, 10, (uint64_t)-1), -EINVAL);

	ck_assert_int_eq(r->ops->fsync(r, file, true), 0);
	ck_assert_int_eq(r->ops->fsync(r, file, false), 0);
	r->ops->drop_cache(r, file);
	ck_assert_int_eq(r->ops->pread(r, file, back, sizeof(back), 12345), sizeof(back));
	ck_assert_mem_eq(large, back, sizeof(back));

	ck_assert_int_eq(r->ops->truncate(r, file, 100), 0);
	ck_assert_int_eq(r->ops->truncate(r, file, 5000), 0);
	ck_assert_int_eq(r->ops->stat(r, held(file), &st), 0);
	ck_assert_int_eq(st.st_size, 5000);
	ck_assert_int_lt(r->ops->truncate(r, file, (uint64_t)INT64_MAX + 1), 0);
	r->ops->close(r, file);
}
END_TEST

START_TEST(holes)
{
	replica_handle file;
	struct stat st;
	int rc;

	file = make_file("f", 0644);
	ck_assert_int_eq(r->ops->pwrite(r, file, "x", 1, 2 * MIB), 1);
	ck_assert_int_eq(r->ops->pwrite(r, file, "x", 1, 4 * MIB), 1);
	ck_assert_int_eq(r->ops->seek(r, file, 0, SEEK_DATA), 2 * MIB);
	ck_assert_int_gt(r->ops->seek(r, file, 2 * MIB, SEEK_HOLE), 2 * MIB);
	ck_assert_int_eq(r->ops->seek(r, file, 4 * MIB, SEEK_HOLE), 4 * MIB + 1);
	ck_assert_int_eq(r->ops->seek(r, file, 5 * MIB, SEEK_DATA), -ENXIO);
	ck_assert_int_eq(r->ops->seek(r, file, 0, SEEK_SET), -EINVAL);

	rc = r->ops->fallocate(r, file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * MIB, MIB);
	if (rc == 0)
		ck_assert_int_eq(r->ops->seek(r, file, 0, SEEK_DATA), 4 * MIB);
	else
		ck_assert_int_eq(rc, -EOPNOTSUPP);
	rc = r->ops->fallocate(r, file, 0, 0, 6 * MIB);
	if (rc == 0) {
		ck_assert_int_eq(r->ops->stat(r, held(file), &st), 0);
		ck_assert_int_eq(st.st_size, 6 * MIB);
	} else {
		ck_assert_int_eq(rc, -EOPNOTSUPP);
	}
	ck_assert_int_lt(r->ops->fallocate(r, file, 0, 0, 0), 0);
	r->ops->close(r, file);
}
END_TEST

/* What pread takes is aligned, in and behind the file; what was written, by whatever way, is seen. */
START_TEST(past_the_cache)
{
	uint8_t *buf;
	replica_handle made, direct;
	char byte = 0;

	ck_assert_int_eq(posix_memalign((void **)&buf, REPLICA_DIRECT_ALIGN, MIB), 0);
	made = make_file("f", 0444);
	memset(buf, 'a', 5000);
	ck_assert_int_eq(r->ops->pwrite(r, made, buf, 5000, 0), 5000);
	ck_assert_int_eq(r->ops->open_direct(r, named(REPLICA_ROOT, "f"), &direct), 0);
	ck_assert_int_eq(r->ops->pread(r, direct, buf, MIB, 0), 5000);
	ck_assert_int_eq(buf[4999], 'a');
	ck_assert_int_eq(r->ops->pread(r, direct, buf, REPLICA_DIRECT_ALIGN, REPLICA_DIRECT_ALIGN), 5000 - REPLICA_DIRECT_ALIGN);
	ck_assert_int_eq(r->ops->pread(r, direct, buf, REPLICA_DIRECT_ALIGN, MIB), 0);
	ck_assert_int_eq(r->ops->pwrite(r, made, "b", 1, 4999), 1);
	ck_assert_int_eq(r->ops->pread(r, direct, buf, MIB, 0), 5000);
	ck_assert_int_eq(buf[4999], 'b');
#ifndef SCRATCH_FAR
	ck_assert_int_eq(r->ops->pread_cached(r, direct, buf, REPLICA_DIRECT_ALIGN, 0), -EAGAIN);
	ck_assert_int_eq(r->ops->pread_cached(r, made, buf, 10, UINT64_MAX), -EINVAL);
#endif
	ck_assert_int_eq(r->ops->seek(r, direct, 0, SEEK_DATA), 0);
	r->ops->close(r, direct);
	ck_assert_int_eq(r->ops->open_direct(r, held(made), &direct), 0);
	ck_assert_int_eq(r->ops->pread(r, direct, buf, MIB, 0), 5000);
	ck_assert_int_eq(r->ops->pread(r, made, &byte, 1, 4999), 1);
	ck_assert_int_eq(byte, 'b');
	r->ops->close(r, direct);
	r->ops->close(r, made);
	make_dir("dir", 0755);
	ck_assert_int_eq(r->ops->open_direct(r, named(REPLICA_ROOT, "dir"), &direct), -ESTALE);
	ck_assert_int_eq(r->ops->open_direct(r, named(REPLICA_ROOT, "none"), &direct), -ENOENT);
	free(buf);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("replica/dir_files");
	TCase *tcase = tcase_create("files");

	tcase_add_checked_fixture(tcase, scratch_setup, scratch_teardown);
	/* Far away, and with a sanitizer, thousands of openings take a while. */
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, opens_by_name_and_handle);
	tcase_add_test(tcase, opens_nothing_else);
	tcase_add_test(tcase, swapped_while_opened);
	tcase_add_test(tcase, data);
	tcase_add_test(tcase, holes);
	tcase_add_test(tcase, past_the_cache);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
