/*
 * utimensat(2) and friends, and that nobody else moves a file's times.
 */

#include <sys/time.h>
#include <sys/xattr.h>

#include "posix.h"

static int
set_times(const char *path, time_t atime, long ansec, time_t mtime, long mnsec)
{
	struct timespec times[2] = { { atime, ansec }, { mtime, mnsec } };

	return utimensat(AT_FDCWD, path, times, 0);
}

static void
times_exact(void)
{
	/* What ext4 can keep: from 1901 into 2446. */
	static const time_t seconds[] = {
		0, 1, -1, -2147483647, 2147483647, 2147483648, 4294967295, 4294967296, 8589934591, 15032385534, 1000000000
	};
	static const long nanoseconds[] = { 0, 1, 999999999, 123456789 };
	struct stat st;
	size_t i, j;

	make("f", 0644, 0, 0);
	OK(mkdir("d", 0755));
	for (i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
		for (j = 0; j < 4; j++) {
			OK(set_times("f", seconds[i], nanoseconds[j], seconds[10 - i], nanoseconds[3 - j]));
			OK(stat("f", &st));
			EQUAL(st.st_atim.tv_sec, seconds[i]);
			EQUAL(st.st_atim.tv_nsec, nanoseconds[j]);
			EQUAL(st.st_mtim.tv_sec, seconds[10 - i]);
			EQUAL(st.st_mtim.tv_nsec, nanoseconds[3 - j]);
			OK(set_times("d", seconds[i], nanoseconds[j], seconds[10 - i], nanoseconds[3 - j]));
			OK(stat("d", &st));
			CHECK(st.st_mtim.tv_sec == seconds[10 - i] && st.st_mtim.tv_nsec == nanoseconds[3 - j]);
		}
}

static void
times_links_and_handles(void)
{
	struct timespec times[2] = { { 11, 12 }, { 13, 14 } };
	struct timeval coarse[2] = { { 21, 22 }, { 23, 24 } };
	struct watch file;
	struct stat st;
	int fd;

	make("f", 0644, 0, 0);
	OK(symlink("f", "l"));
	file = watch("f");
	OK(utimensat(AT_FDCWD, "l", times, AT_SYMLINK_NOFOLLOW));
	OK(lstat("l", &st));
	CHECK(st.st_atim.tv_sec == 11 && st.st_mtim.tv_sec == 13 && st.st_mtim.tv_nsec == 14);
	MOVED(&file, 0);
	fd = (int)OK(open("f", O_RDONLY));
	OK(futimens(fd, times));
	OK(fstat(fd, &st));
	CHECK(st.st_atim.tv_nsec == 12 && st.st_mtim.tv_nsec == 14);
	OK(utimes("l", coarse));
	OK(stat("f", &st));
	CHECK(st.st_atim.tv_sec == 21 && st.st_atim.tv_nsec == 22000 && st.st_mtim.tv_nsec == 24000);
	close(fd);
	OK(mkfifo("p", 0644));
	OK(utimensat(AT_FDCWD, "p", times, 0));
	OK(stat("p", &st));
	EQUAL(st.st_mtim.tv_nsec, 14);
}

static void
times_special_values(void)
{
	struct watch file;
	struct stat st;

	make("f", 0644, 0, 0);
	OK(set_times("f", 100, 1, 200, 2));
	file = watch("f");
	OK(set_times("f", 0, UTIME_OMIT, 0, UTIME_OMIT));
	MOVED(&file, 0);
	OK(set_times("f", 0, UTIME_OMIT, 300, 3));
	OK(stat("f", &st));
	CHECK(st.st_atim.tv_sec == 100 && st.st_atim.tv_nsec == 1 && st.st_mtim.tv_sec == 300 && st.st_mtim.tv_nsec == 3);
	MOVED(&file, MTIME | CTIME);
	OK(set_times("f", 400, 4, 0, UTIME_OMIT));
	OK(stat("f", &st));
	CHECK(st.st_atim.tv_sec == 400 && st.st_mtim.tv_sec == 300);
	file = watch("f");
	OK(set_times("f", 0, UTIME_NOW, 0, UTIME_NOW));
	MOVED(&file, MTIME | CTIME);
	OK(stat("f", &st));
	CHECK(st.st_atim.tv_sec > 1500000000 && llabs((long long)(st.st_mtim.tv_sec - time(NULL))) < 100);
	file = watch("f");
	OK(utimensat(AT_FDCWD, "f", NULL, 0));
	MOVED(&file, MTIME | CTIME);
	OK(set_times("f", 100, 1, 0, UTIME_NOW));
	OK(stat("f", &st));
	CHECK(st.st_atim.tv_sec == 100 && st.st_mtim.tv_sec > 1500000000);
	file = watch("f");
	ERR(EINVAL, set_times("f", 0, 1000000000, 0, 0));
	ERR(EINVAL, set_times("f", 0, -1, 0, 0));
	ERR(ENOENT, set_times("none", 0, 0, 0, 0));
	MOVED(&file, 0);
}

static void
times_permissions(void)
{

	make("mine", 0, ALICE, GROUP_A);
	make("writable", 0666, BOB, GROUP_B);
	make("readable", 0644, BOB, GROUP_B);
	become(ALICE, GROUP_A);
	OK(set_times("mine", 1, 2, 3, 4));
	OK(utimensat(AT_FDCWD, "mine", NULL, 0));
	OK(utimensat(AT_FDCWD, "writable", NULL, 0));
	OK(set_times("writable", 0, UTIME_NOW, 0, UTIME_NOW));
	ERR(EPERM, set_times("writable", 1, 2, 3, 4));
	ERR(EPERM, set_times("writable", 0, UTIME_NOW, 0, UTIME_OMIT));
	ERR(EPERM, set_times("writable", 0, UTIME_OMIT, 0, UTIME_NOW));
	ERR(EPERM, set_times("writable", 1, 2, 0, UTIME_NOW));
	ERR(EACCES, utimensat(AT_FDCWD, "readable", NULL, 0));
	ERR(EACCES, set_times("readable", 0, UTIME_NOW, 0, UTIME_NOW));
	ERR(EPERM, set_times("readable", 1, 2, 3, 4));
	OK(set_times("readable", 0, UTIME_OMIT, 0, UTIME_OMIT));
}

static void
times_stay(void)
{
	struct timespec two_seconds = { 2, 0 };
	struct stat before, after;
	struct watch file, dir;
	int fd;

	/* Whatever a file system still has to store of its own: nobody sees it. */
	OK(mkdir("d", 0755));
	make("d/f", 0644, 0, 0);
	fd = (int)OK(open("d/f", O_RDWR));
	EQUAL(pwrite(fd, long_name(5000), 5000, 3000), 5000);
	OK(fstat(fd, &before));
	file = watch("d/f");
	dir = watch("d");
	OK(fsync(fd));
	MOVED(&file, 0);
	nanosleep(&two_seconds, NULL);
	MOVED(&file, 0);
	MOVED(&dir, 0);
	OK(close(fd));
	OK(stat("d/f", &after));
	CHECK(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec && before.st_ctim.tv_nsec == after.st_ctim.tv_nsec);
	MOVED(&file, 0);
	MOVED(&dir, 0);
	fd = (int)OK(open("d/f", O_RDONLY));
	EQUAL(pread(fd, &(char){ 0 }, 1, 0), 1);
	OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	close(fd);
	MOVED(&file, 0);
	MOVED(&dir, 0);
}

static void
times_set_before_close(void)
{
	struct timespec times[2] = { { 1000, 1 }, { 2000, 2 } };
	struct timespec two_seconds = { 2, 0 };
	struct stat st;
	int fd;

	/* As cp -p, tar and rsync do: write, set the times, close. */
	fd = open_new("f");
	EQUAL(write(fd, long_name(6000), 6000), 6000);
	OK(futimens(fd, times));
	OK(close(fd));
	OK(stat("f", &st));
	CHECK(st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 2);
	nanosleep(&two_seconds, NULL);
	OK(stat("f", &st));
	CHECK(st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 2);
	fd = (int)OK(open("f", O_WRONLY));
	OK(futimens(fd, times));
	EQUAL(write(fd, "x", 1), 1);
	OK(fstat(fd, &st));
	CHECK(st.st_mtim.tv_sec > 1500000000);
	close(fd);
	OK(stat("f", &st));
	CHECK(st.st_mtim.tv_sec > 1500000000);
}

static void
times_data_calls(void)
{
	struct watch file;
	int fd = open_new("f");

	file = watch("f");
	EQUAL(write(fd, "x", 0), 0);
	MOVED(&file, 0);
	EQUAL(write(fd, "x", 1), 1);
	MOVED(&file, MTIME | CTIME);
	file = watch("f");
	EQUAL(pread(fd, &(char){ 0 }, 1, 0), 1);
	OK(lseek(fd, 100, SEEK_SET));
	MOVED(&file, 0);
	file = watch("f");
	OK(ftruncate(fd, 5));
	MOVED(&file, MTIME | CTIME);
	file = watch("f");
	OK(ftruncate(fd, 5));
	MOVED(&file, MTIME | CTIME);
	file = watch("f");
	OK(truncate("f", 50));
	MOVED(&file, MTIME | CTIME);
	file = watch("f");
	ERR(EINVAL, ftruncate(fd, -1));
	ERR(EINVAL, truncate("f", -1));
	ERR(EINVAL, pwrite(fd, "x", 1, -1));
	MOVED(&file, 0);
	OK(fallocate(fd, 0, 0, 10000));
	MOVED(&file, MTIME | CTIME);
	file = watch("f");
	OK(fsetxattr(fd, "user.x", "1", 1, 0));
	MOVED(&file, CTIME);
	close(fd);
}

const struct posix_case times_cases[] = {
	{ "times_exact", times_exact, false },
	{ "times_links_and_handles", times_links_and_handles, false },
	{ "times_special_values", times_special_values, false },
	{ "times_permissions", times_permissions, false },
	{ "times_stay", times_stay, false },
	{ "times_set_before_close", times_set_before_close, false },
	{ "times_data_calls", times_data_calls, false },
	{ NULL, NULL, false }
};
