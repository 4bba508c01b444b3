/*
 * rename(2), renameat2(2).
 */

#include <signal.h>

#include "posix.h"

static int
rename2(const char *from, const char *to, unsigned flags)
{

	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void
rename_errors(void)
{
	struct watch parent, dir, file;

	make("file", 0644, 0, 0);
	make("other", 0644, 0, 0);
	OK(mkdir("dir", 0755));
	OK(mkdir("full", 0755));
	make("full/x", 0644, 0, 0);
	OK(mkdir("dir/sub", 0755));
	parent = watch(".");
	dir = watch("dir");
	file = watch("file");
	ERR(EISDIR, rename("file", "dir"));
	ERR(ENOTDIR, rename("dir", "file"));
	ERR(ENOTEMPTY, rename("dir", "full"));
	ERR(EINVAL, rename("dir", "dir/x"));
	ERR(EINVAL, rename("dir", "dir/sub/x"));
	ERR(ENOTEMPTY, rename("dir/sub", "dir"));
	ERR(EBUSY, rename(".", "x"));
	ERR(EBUSY, rename("dir/..", "x"));
	ERR(EBUSY, rename("file", "."));
	ERR(ENOTDIR, rename("file", "x/"));
	ERR(ENOTDIR, rename("file/", "x"));
	ERR(EXDEV, rename("/proc/version", "x"));
	ERR(EEXIST, rename2("file", "other", RENAME_NOREPLACE));
	ERR(ENOENT, rename2("file", "none", RENAME_EXCHANGE));
	ERR(ENOENT, rename2("none", "other", RENAME_NOREPLACE));
	ERR(EINVAL, rename2("file", "other", RENAME_NOREPLACE | RENAME_EXCHANGE));
	ERR(EINVAL, rename2("file", "other", 0x100));
	ERR(EINVAL, rename2("dir", "dir/sub", RENAME_EXCHANGE));
	ERR(EINVAL, rename2("dir/sub", "dir", RENAME_EXCHANGE));
	MOVED(&parent, 0);
	MOVED(&dir, 0);
	MOVED(&file, 0);
}

static void
rename_times(void)
{
	struct watch from, to, file;

	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	make("a/f", 0644, 0, 0);
	OK(link("a/f", "same"));
	from = watch("a");
	to = watch("b");
	file = watch("same");
	OK(rename("a/f", "b/g"));
	MOVED(&from, MTIME | CTIME);
	MOVED(&to, MTIME | CTIME);
	MOVED(&file, CTIME);
	CHECK(!exists("a/f"));
	/* Of one file to another of its names: nothing at all. */
	to = watch("b");
	file = watch("same");
	OK(rename("b/g", "same"));
	CHECK(exists("b/g"));
	MOVED(&to, 0);
	MOVED(&file, 0);
	OK(rename("same", "same"));
	MOVED(&file, 0);
}

static void
rename_replaced_file(void)
{
	struct watch other;
	struct stat st;
	char buffer[16];
	int fd;

	make("new", 0644, 0, 0);
	make("old", 0600, 0, 0);
	OK(link("old", "old2"));
	fd = (int)OK(open("old", O_RDWR));
	EQUAL(pwrite(fd, "OLD", 3, 0), 3);
	other = watch("old2");
	OK(rename("new", "old"));
	MOVED(&other, CTIME);
	EQUAL(nlink_of("old2"), 1);
	EQUAL(mode_of("old"), S_IFREG | 0644);
	EQUAL(pread(fd, buffer, 3, 0), 3);
	CHECK(memcmp(buffer, "OLD", 3) == 0);
	OK(unlink("old2"));
	/* Replaced, without a name, open: it lives on. */
	OK(fstat(fd, &st));
	EQUAL(st.st_nlink, 0);
	EQUAL(pwrite(fd, "end", 3, 8000), 3);
	EQUAL(pread(fd, buffer, 3, 0), 3);
	CHECK(memcmp(buffer, "OLD", 3) == 0);
	EQUAL(size_of("old"), 10);
	close(fd);
}

static void
rename_directories(void)
{
	struct stat parent, dotdot;
	int64_t links = nlink_of(".");

	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mkdir("a/d", 0755));
	OK(mkdir("a/d/e", 0755));
	make("a/d/e/f", 0644, 0, 0);
	EQUAL(nlink_of("a"), 3);
	OK(rename("a/d", "b/d"));
	EQUAL(nlink_of("a"), 2);
	EQUAL(nlink_of("b"), 3);
	OK(stat("b", &parent));
	OK(stat("b/d/..", &dotdot));
	EQUAL(dotdot.st_ino, parent.st_ino);
	CHECK(exists("b/d/e/f"));
	/* Over an empty directory. */
	OK(mkdir("c", 0755));
	EQUAL(nlink_of("."), links + 3);
	OK(rename("b/d", "c"));
	EQUAL(nlink_of("."), links + 3);
	EQUAL(nlink_of("b"), 2);
	CHECK(exists("c/e/f"));
	OK(rename("c/", "d/"));
	CHECK(exists("d/e/f"));
	OK(symlink("d", "l"));
	OK(rename("l/e", "a/e"));
	CHECK(exists("a/e/f") && !exists("d/e"));
	OK(rename("l", "m"));
	EQUAL(mode_of("m") & S_IFMT, S_IFLNK);
}

static void
rename_open_directory(void)
{
	int fd;

	OK(mkdir("a", 0755));
	OK(mkdir("a/b", 0755));
	fd = (int)OK(open("a/b", O_RDONLY));
	OK(rename("a/b", "moved"));
	OK(close((int)OK(openat(fd, "f", O_CREAT | O_RDWR, 0644))));
	CHECK(exists("moved/f"));
	OK(fchdir(fd));
	CHECK(exists("../moved/f"));
	OK(chdir(".."));
	close(fd);
}

static void
rename_exchange(void)
{
	struct stat file, dir, st;

	make("file", 0644, 0, 0);
	OK(mkdir("a", 0755));
	OK(mkdir("a/dir", 0755));
	make("a/dir/x", 0644, 0, 0);
	OK(stat("file", &file));
	OK(stat("a/dir", &dir));
	OK(rename2("file", "a/dir", RENAME_EXCHANGE));
	OK(stat("file", &st));
	EQUAL(st.st_ino, dir.st_ino);
	OK(stat("a/dir", &st));
	EQUAL(st.st_ino, file.st_ino);
	EQUAL(nlink_of("a"), 2);
	EQUAL(nlink_of("."), 4);
	CHECK(exists("file/x"));
	OK(stat("file/..", &st));
	EQUAL(st.st_ino, ({ struct stat here; stat(".", &here); here.st_ino; }));
	OK(rename2("a/dir", "b", RENAME_NOREPLACE));
	CHECK(exists("b") && !exists("a/dir"));
	OK(symlink("t", "l"));
	OK(rename2("l", "b", RENAME_EXCHANGE));
	EQUAL(mode_of("b") & S_IFMT, S_IFLNK);
	EQUAL(mode_of("l") & S_IFMT, S_IFREG);
}

static void
rename_permissions(void)
{

	make_dir("a", 0777, 0, 0);
	make_dir("b", 0777, 0, 0);
	make_dir("closed", 0755, 0, 0);
	make_dir("a/mine", 0755, ALICE, GROUP_A);
	make_dir("a/his", 0755, BOB, GROUP_B);
	make("a/file", 0600, BOB, GROUP_B);
	make("closed/file", 0666, ALICE, GROUP_A);
	become(ALICE, GROUP_A);
	OK(rename("a/file", "b/file"));
	OK(rename("a/mine", "b/mine"));
	OK(rename("a/his", "a/his2"));
	/* Its ".." would change, and that is a write to it. */
	ERR(EACCES, rename("a/his2", "b/his"));
	ERR(EACCES, rename("closed/file", "a/file"));
	ERR(EACCES, rename("b/file", "closed/new"));
	ERR(EACCES, rename("b/file", "closed/file"));
}

/* A name that is replaced again and again is there at every moment. */
static void
rename_race(void)
{
	unsigned i;
	pid_t pid;
	int fd, status = 0;

	make("name", 0644, 0, 0);
	if ((pid = fork()) == 0) {
		for (;;) {
			if ((fd = open("tmp", O_CREAT | O_WRONLY | O_EXCL, 0644)) < 0)
				_exit(1);
			close(fd);
			if (rename("tmp", "name") != 0)
				_exit(2);
		}
	}
	for (i = 0; i < 3000 && status == 0; i++) {
		if ((fd = open("name", O_RDONLY)) < 0)
			status = errno;
		close(fd);
	}
	EQUAL(status, 0);
	OK(kill(pid, SIGKILL));
	EQUAL(wait_for(pid), -1);
	unlink("tmp");
	CHECK(exists("name"));
}

const struct posix_case rename_cases[] = {
	{ "rename_errors", rename_errors, false },
	{ "rename_times", rename_times, false },
	{ "rename_replaced_file", rename_replaced_file, false },
	{ "rename_directories", rename_directories, false },
	{ "rename_open_directory", rename_open_directory, false },
	{ "rename_exchange", rename_exchange, false },
	{ "rename_permissions", rename_permissions, false },
	{ "rename_race", rename_race, false },
	{ NULL, NULL, false }
};
