/*
 * Directories as streams.
 */

#include <dirent.h>
#include <sys/syscall.h>

#include "posix.h"

#define MANY 10000

static void
fill(unsigned count)
{
	char name[32];
	unsigned i;

	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "entry-%u", i);
		if (mknod(name, S_IFREG | 0644, 0) != 0) {
			CHECK(!"mknod");
			return;
		}
	}
}

/* Read on: how often each entry shows; returns the number of all names but the dots. */
static unsigned
count_names(DIR *dir, unsigned char *seen, unsigned limit)
{
	struct dirent *dirent;
	unsigned count = 0, number;

	while ((dirent = readdir(dir)) != NULL) {
		if (strcmp(dirent->d_name, ".") == 0 || strcmp(dirent->d_name, "..") == 0)
			continue;
		count++;
		if (sscanf(dirent->d_name, "entry-%u", &number) == 1 && number < limit && seen != NULL)
			seen[number]++;
	}
	return count;
}

static void
dirs_list_many(void)
{
	static unsigned char seen[MANY];
	unsigned i, wrong = 0;
	DIR *dir;

	fill(MANY);
	if ((dir = opendir(".")) == NULL || !CHECK(dir != NULL))
		return;
	EQUAL(count_names(dir, seen, MANY), MANY);
	for (i = 0; i < MANY; i++)
		wrong += seen[i] != 1;
	EQUAL(wrong, 0);
	rewinddir(dir);
	EQUAL(count_names(dir, NULL, 0), MANY);
	closedir(dir);
}

/* As rm -rf does it: whatever is read is removed, and in the end nothing is left. */
static void
dirs_remove_while_reading(void)
{
	struct dirent *dirent;
	DIR *dir;

	OK(mkdir("d", 0755));
	OK(chdir("d"));
	fill(MANY);
	if ((dir = opendir(".")) == NULL || !CHECK(dir != NULL))
		return;
	while ((dirent = readdir(dir)) != NULL)
		if (dirent->d_name[0] == 'e')
			OK(unlink(dirent->d_name));
	closedir(dir);
	OK(chdir(".."));
	OK(rmdir("d"));
}

/* Names that neither come nor go show exactly once while others do. */
static void
dirs_change_while_reading(void)
{
	static unsigned char seen[2000];
	struct dirent *dirent;
	unsigned i, number, wrong = 0, step = 0;
	char name[32];
	DIR *dir;

	fill(2000);
	if ((dir = opendir(".")) == NULL || !CHECK(dir != NULL))
		return;
	while ((dirent = readdir(dir)) != NULL) {
		if (sscanf(dirent->d_name, "entry-%u", &number) == 1)
			seen[number]++;
		/* The odd ones go, strangers come, and some move away and back. */
		if (step < 1000) {
			snprintf(name, sizeof(name), "entry-%u", step * 2 + 1);
			OK(unlink(name));
			snprintf(name, sizeof(name), "stranger-%u", step);
			OK(mkdir(name, 0755));
			if (step % 3 == 0)
				OK(rmdir(name));
		}
		step++;
	}
	for (i = 0; i < 2000; i += 2)
		wrong += seen[i] != 1;
	for (i = 1; i < 2000; i += 2)
		wrong += seen[i] > 1;
	EQUAL(wrong, 0);
	rewinddir(dir);
	EQUAL(count_names(dir, NULL, 0), 1000 + 666);
	closedir(dir);
}

static void
dirs_seek(void)
{
	struct dirent *dirent;
	static long cookies[600];
	static char names[600][256];
	unsigned count = 0, i;
	DIR *dir;

	fill(500);
	if ((dir = opendir(".")) == NULL || !CHECK(dir != NULL))
		return;
	for (;;) {
		cookies[count] = telldir(dir);
		if ((dirent = readdir(dir)) == NULL)
			break;
		snprintf(names[count++], 256, "%s", dirent->d_name);
	}
	EQUAL(count, 502);
	for (i = 0; i < 1500; i++) {
		unsigned at = i * 7919 % count;

		seekdir(dir, cookies[at]);
		dirent = readdir(dir);
		if (!CHECK(dirent != NULL && strcmp(dirent->d_name, names[at]) == 0))
			break;
	}
	seekdir(dir, cookies[count]);
	CHECK(readdir(dir) == NULL);
	/* A place stays a place while names around it go. */
	seekdir(dir, cookies[250]);
	for (i = 0; i < 200; i++)
		if (names[i][0] == 'e')
			OK(unlink(names[i]));
	dirent = readdir(dir);
	CHECK(dirent != NULL && strcmp(dirent->d_name, names[250]) == 0);
	closedir(dir);
}

static void
dirs_rewind_sees_new(void)
{
	DIR *dir = opendir(".");

	if (!CHECK(dir != NULL) || dir == NULL)
		return;
	EQUAL(count_names(dir, NULL, 0), 0);
	fill(5);
	rewinddir(dir);
	EQUAL(count_names(dir, NULL, 0), 5);
	OK(unlink("entry-0"));
	rewinddir(dir);
	EQUAL(count_names(dir, NULL, 0), 4);
	closedir(dir);
	/* A new stream sees what was made and removed by others just before. */
	fill(1);
	if (fork() == 0)
		_exit(unlink("entry-1") != 0 || mkdir("new", 0755) != 0);
	EQUAL(wait_for(-1), 0);
	dir = opendir(".");
	EQUAL(count_names(dir, NULL, 0), 5);
	CHECK(exists("new") && !exists("entry-1"));
	closedir(dir);
}

static void
dirs_removed(void)
{
	char buffer[1024];
	DIR *dir;
	int fd;

	OK(mkdir("d", 0755));
	fd = (int)OK(open("d", O_RDONLY | O_DIRECTORY));
	if ((dir = opendir("d")) == NULL || !CHECK(dir != NULL))
		return;
	OK(rmdir("d"));
	ERR(ENOENT, syscall(SYS_getdents64, fd, buffer, sizeof(buffer)));
	CHECK(readdir(dir) == NULL);
	closedir(dir);
	OK(fsync(fd));
	close(fd);
}

static void
dirs_errors(void)
{
	char buffer[1024];
	int fd;

	make("f", 0644, 0, 0);
	make_dir("closed", 0300, ALICE, GROUP_A);
	CHECK(opendir("f") == NULL && errno == ENOTDIR);
	CHECK(opendir("none") == NULL && errno == ENOENT);
	fd = (int)OK(open("f", O_RDONLY));
	ERR(ENOTDIR, syscall(SYS_getdents64, fd, buffer, sizeof(buffer)));
	close(fd);
	fd = (int)OK(open(".", O_RDONLY));
	ERR(EINVAL, syscall(SYS_getdents64, fd, buffer, 10));
	CHECK(syscall(SYS_getdents64, fd, buffer, sizeof(buffer)) > 0);
	OK(fsync(fd));
	OK(fdatasync(fd));
	ERR(EINVAL, ftruncate(fd, 0));
	close(fd);
	become(ALICE, GROUP_A);
	CHECK(opendir("closed") == NULL && errno == EACCES);
	OK(chdir("closed"));
	OK(chdir(".."));
}

static void
dirs_deep(void)
{
	unsigned i;
	int top = (int)OK(open(".", O_RDONLY)), fd;

	for (i = 0; i < 300; i++) {
		OK(mkdir("deeper-and-deeper", 0755));
		OK(chdir("deeper-and-deeper"));
	}
	fd = open_new("bottom");
	EQUAL(write(fd, "x", 1), 1);
	close(fd);
	EQUAL(size_of("bottom"), 1);
	OK(unlink("bottom"));
	for (i = 0; i < 300; i++) {
		OK(chdir(".."));
		if (rmdir("deeper-and-deeper") != 0) {
			CHECK(!"rmdir");
			break;
		}
	}
	OK(fchdir(top));
	close(top);
}

static void
dirs_current_directory(void)
{
	char here[4096], again[4096];

	CHECK(getcwd(here, sizeof(here)) != NULL);
	OK(mkdir("a", 0755));
	OK(mkdir("a/b", 0755));
	OK(chdir("a/b"));
	OK(rename("../../a", "../../c"));
	CHECK(getcwd(again, sizeof(again)) != NULL);
	CHECK(strncmp(here, again, strlen(here)) == 0 && strcmp(again + strlen(here), "/c/b") == 0);
	OK(rmdir("../b"));
	CHECK(getcwd(again, sizeof(again)) == NULL && errno == ENOENT);
	OK(chdir(here));
}

/* The inode number that a listing of ${path} has for "..". */
static ino_t
parent_in(const char *path)
{
	struct dirent *dirent;
	ino_t ino = 0;
	DIR *dir;

	if ((dir = opendir(path)) == NULL || !CHECK(dir != NULL))
		return 0;
	while ((dirent = readdir(dir)) != NULL) {
		if (strcmp(dirent->d_name, "..") == 0)
			ino = dirent->d_ino;
	}
	closedir(dir);
	return ino;
}

static ino_t
ino_of(const char *path)
{
	struct stat st;

	OK(stat(path, &st));
	return st.st_ino;
}

static void
dirs_moved(void)
{
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mkdir("a/d", 0755));
	OK(mkdir("b/e", 0755));
	/* Twice: the second may be somebody's memory of the first. */
	CHECK(parent_in("a/d") == ino_of("a") && parent_in("a/d") == ino_of("a"));
	CHECK(parent_in("b/e") == ino_of("b") && parent_in("b/e") == ino_of("b"));
	OK(rename("a/d", "b/d"));
	CHECK(parent_in("b/d") == ino_of("b") && parent_in("b/d") == ino_of("b"));
	OK(rename("b/d", "a/d"));
	CHECK(parent_in("a/d") == ino_of("a") && parent_in("a/d") == ino_of("a"));
	OK(syscall(SYS_renameat2, AT_FDCWD, "a/d", AT_FDCWD, "b/e", RENAME_EXCHANGE));
	CHECK(parent_in("a/d") == ino_of("a") && parent_in("b/e") == ino_of("b"));
}

const struct posix_case dirs_cases[] = {
	{ "dirs_list_many", dirs_list_many, false },
	{ "dirs_remove_while_reading", dirs_remove_while_reading, false },
	{ "dirs_change_while_reading", dirs_change_while_reading, false },
	{ "dirs_seek", dirs_seek, false },
	{ "dirs_rewind_sees_new", dirs_rewind_sees_new, false },
	{ "dirs_removed", dirs_removed, false },
	{ "dirs_moved", dirs_moved, false },
	{ "dirs_errors", dirs_errors, false },
	{ "dirs_deep", dirs_deep, false },
	{ "dirs_current_directory", dirs_current_directory, false },
	{ NULL, NULL, false }
};
