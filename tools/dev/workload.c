/*
 * workload -- one workload on one folder, or on two at once; prints nanoseconds.
 *
 *	workload [-c] [-n COUNT] [-P | -R | -T] NAME FOLDER [FOLDER]
 *	workload -l
 *
 * A workload has three parts: prepare, run (which alone is timed), tidy; -P, -R
 * and -T do only the one.  Given two folders, each change is made in both, one
 * after the other, and what is read is read from the first: this is the least
 * that mirroring can cost.  -c drops the pages that the file system in question
 * has cached before reading them (of a mount: its own, not those of the store
 * behind it).
 *
 * "tree" only prepares: what the reading workloads read.  "fsync" is bench-faults'.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define CHUNK (1u << 20)
#define TREE_FOLDERS 40
#define TREE_FILES 50		/* in each folder */
#define BIG_BLOCKS 8192		/* of the large file: 32 MiB */

static const char *folders[2];
static int folder_count;
static unsigned count;		/* of operations */
static bool drop;
static uint8_t chunk[CHUNK];
static uint64_t rng_state = 88172645463325252u;

static void __attribute__((noreturn))
die(const char *what)
{

	fprintf(stderr, "workload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t
rng(void)
{

	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

static const char *
name_of(int folder, const char *what, unsigned i)
{
	static char paths[2][4096];
	static int turn;
	char *path = paths[turn ^= 1];

	snprintf(path, sizeof(paths[0]), "%s/%s.%u", folders[folder], what, i);
	return path;
}

static const char *
tree_file(int folder, unsigned i)
{
	static char path[4096];

	i %= TREE_FOLDERS * TREE_FILES;
	snprintf(path, sizeof(path), "%s/tree/%u/file.%u", folders[folder], i / TREE_FILES, i % TREE_FILES);
	return path;
}

static void
put_file(const char *path, size_t len)
{
	int fd;

	if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644)) < 0)
		die(path);
	if (write(fd, chunk, len) != (ssize_t)len || close(fd) != 0)
		die(path);
}

static void
open_both(const char *what, int flags, int fds[2])
{
	const char *path;
	int f;

	for (f = 0; f < folder_count; f++) {
		path = name_of(f, what, 0);
		if ((fds[f] = open(path, flags, 0644)) < 0)
			die(path);
	}
}

static void
close_both(const int fds[2])
{
	int f;

	for (f = 0; f < folder_count; f++) {
		if (close(fds[f]) != 0)
			die("close");
	}
}

static void
remove_first(const char *what, unsigned how_many)
{
	unsigned i;
	int f;

	for (i = 0; i < how_many; i++) {
		for (f = 0; f < folder_count; f++)
			(void)unlink(name_of(f, what, i));
	}
}

static void
make_tree(int f)
{
	char path[4096];
	unsigned i;

	snprintf(path, sizeof(path), "%s/tree", folders[f]);
	if (mkdir(path, 0755) != 0)
		die(path);
	for (i = 0; i < TREE_FOLDERS; i++) {
		snprintf(path, sizeof(path), "%s/tree/%u", folders[f], i);
		if (mkdir(path, 0755) != 0)
			die(path);
	}
	for (i = 0; i < TREE_FOLDERS * TREE_FILES; i++)
		put_file(tree_file(f, i), BLOCK);
}

static void
prepare_tree(void)
{
	unsigned i;
	int f, fds[2];

	for (f = 0; f < folder_count; f++)
		make_tree(f);
	open_both("big", O_WRONLY | O_CREAT | O_EXCL, fds);
	for (f = 0; f < folder_count; f++) {
		for (i = 0; i < BIG_BLOCKS / (CHUNK / BLOCK); i++) {
			if (write(fds[f], chunk, CHUNK) != CHUNK)
				die("big");
		}
		/* Nothing of this is to be written to disk while others are timed. */
		if (fsync(fds[f]) != 0)
			die("big");
	}
	close_both(fds);
}

static void
run_create(void)
{
	unsigned i;
	int f;

	for (i = 0; i < count; i++) {
		for (f = 0; f < folder_count; f++)
			put_file(name_of(f, "new", i), BLOCK);
	}
}

static void
tidy_create(void)
{

	remove_first("new", count);
}

static void
run_unlink(void)
{
	unsigned i;
	int f;

	for (i = 0; i < count; i++) {
		for (f = 0; f < folder_count; f++) {
			if (unlink(name_of(f, "new", i)) != 0)
				die("unlink");
		}
	}
}

static void
run_rename(void)
{
	unsigned i;
	int f;

	for (i = 0; i < count; i++) {
		for (f = 0; f < folder_count; f++) {
			if (rename(name_of(f, "new", i), name_of(f, "moved", i)) != 0)
				die("rename");
		}
	}
}

static void
tidy_rename(void)
{

	remove_first("moved", count);
}

static void
run_mkdir(void)
{
	unsigned i;
	int f;

	for (i = 0; i < count; i++) {
		for (f = 0; f < folder_count; f++) {
			if (mkdir(name_of(f, "dir", i), 0755) != 0)
				die("mkdir");
		}
	}
	for (i = 0; i < count; i++) {
		for (f = 0; f < folder_count; f++) {
			if (rmdir(name_of(f, "dir", i)) != 0)
				die("rmdir");
		}
	}
}

static void
run_stat(void)
{
	struct stat st;
	unsigned i;

	for (i = 0; i < count; i++) {
		if (lstat(tree_file(0, i), &st) != 0)
			die(tree_file(0, i));
	}
}

static void
run_open(void)
{
	unsigned i;
	int fd;

	for (i = 0; i < count; i++) {
		if ((fd = open(tree_file(0, i), O_RDONLY)) < 0)
			die("open");
		close(fd);
	}
}

static void
list(const char *path)
{
	DIR *d;

	if ((d = opendir(path)) == NULL)
		die(path);
	while (readdir(d) != NULL)
		continue;
	closedir(d);
}

static void
run_walk(void)
{
	char path[4096];
	unsigned i;

	snprintf(path, sizeof(path), "%s/tree", folders[0]);
	list(path);
	for (i = 0; i < TREE_FOLDERS; i++) {
		snprintf(path, sizeof(path), "%s/tree/%u", folders[0], i);
		list(path);
	}
}

/* What "git status" does: each file of the index, then each folder for what is not in it. */
static void
run_status(void)
{

	run_stat();
	run_walk();
}

static void
run_grep(void)
{
	unsigned i;
	int fd;

	for (i = 0; i < count; i++) {
		if ((fd = open(tree_file(0, i), O_RDONLY)) < 0)
			die("open");
		if (read(fd, chunk, CHUNK) != BLOCK || read(fd, chunk, CHUNK) != 0)
			die("read");
		close(fd);
	}
}

static void
run_overwrite(void)
{
	unsigned i;
	off_t at;
	int f, fds[2];

	open_both("big", O_WRONLY, fds);
	for (i = 0; i < count; i++) {
		at = (off_t)(rng() % BIG_BLOCKS) * BLOCK;
		memcpy(chunk, &at, sizeof(at));
		for (f = 0; f < folder_count; f++) {
			if (pwrite(fds[f], chunk, BLOCK, at) != BLOCK)
				die("pwrite");
		}
	}
	close_both(fds);
}

static void
run_append(void)
{
	unsigned i;
	int f, fds[2];

	open_both("log", O_WRONLY | O_CREAT | O_APPEND, fds);
	for (i = 0; i < count; i++) {
		for (f = 0; f < folder_count; f++) {
			if (write(fds[f], chunk, 100) != 100)
				die("append");
		}
	}
	close_both(fds);
}

static void
tidy_append(void)
{

	remove_first("log", 1);
}

static void
drop_big(void)
{
	int fd;

	if (!drop)
		return;
	if ((fd = open(name_of(0, "big", 0), O_RDONLY)) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		die("big");
	close(fd);
}

static void
run_random_read(void)
{
	unsigned i;
	int fd;

	if ((fd = open(name_of(0, "big", 0), O_RDONLY)) < 0)
		die("big");
	/* No block twice, and nothing read ahead: each is one request. */
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) != 0)
		die("big");
	for (i = 0; i < count; i++) {
		if (pread(fd, chunk, BLOCK, (off_t)(i * 4051 % BIG_BLOCKS) * BLOCK) != BLOCK)
			die("pread");
	}
	close(fd);
}

static void
run_read(void)
{
	ssize_t len;
	int fd;

	if ((fd = open(name_of(0, "big", 0), O_RDONLY)) < 0)
		die("big");
	while ((len = read(fd, chunk, CHUNK)) > 0)
		continue;
	if (len < 0)
		die("read");
	close(fd);
}

static void
prepare_warm(void)
{

	run_read();
}

static void
run_write(void)
{
	unsigned i;
	int f, fds[2];

	open_both("sequential", O_WRONLY | O_CREAT | O_TRUNC, fds);
	for (i = 0; i < count; i++) {
		memset(chunk, (int)(i & 0xff) + 1, 64);
		for (f = 0; f < folder_count; f++) {
			if (write(fds[f], chunk, CHUNK) != CHUNK)
				die("write");
		}
	}
	close_both(fds);
}

/* 4 KiB at the end, made durable each time. */
static void
run_fsync(void)
{
	unsigned i;
	int f, fds[2];

	open_both("synced", O_WRONLY | O_CREAT | O_APPEND, fds);
	for (i = 0; i < count; i++) {
		for (f = 0; f < folder_count; f++) {
			if (write(fds[f], chunk, BLOCK) != BLOCK || fsync(fds[f]) != 0)
				die("fsync");
		}
	}
	close_both(fds);
}

static void
tidy_fsync(void)
{

	remove_first("synced", 1);
}

static void
tidy_write(void)
{

	remove_first("sequential", 1);
}

/* Folders of a few files of all sizes, whose modes and times are set as an archive has them. */
static void
run_untar(void)
{
	static const size_t sizes[] = { 120, 700, 1900, 3000, 5200, 9000, 16000, 40000 };
	struct timespec times[2] = { { .tv_sec = 1600000000 }, { .tv_sec = 1600000000, .tv_nsec = 5 } };
	char path[4096];
	unsigned i;
	int f, fd;

	for (i = 0; i < count; i++) {
		for (f = 0; f < folder_count; f++) {
			if (i % 20 == 0 && mkdir(name_of(f, "untar", i / 20), 0700) != 0)
				die("mkdir");
			snprintf(path, sizeof(path), "%s/%u", name_of(f, "untar", i / 20), i % 20);
			if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600)) < 0)
				die(path);
			if (write(fd, chunk, sizes[i % 8]) != (ssize_t)sizes[i % 8] ||
			    futimens(fd, times) != 0 || fchmod(fd, 0644) != 0 || close(fd) != 0)
				die(path);
		}
	}
}

static void
tidy_untar(void)
{
	char path[4096];
	unsigned i;
	int f;

	for (f = 0; f < folder_count; f++) {
		for (i = 0; i < count; i++) {
			snprintf(path, sizeof(path), "%s/%u", name_of(f, "untar", i / 20), i % 20);
			(void)unlink(path);
		}
		for (i = 0; i < (count + 19) / 20; i++)
			(void)rmdir(name_of(f, "untar", i));
	}
}

static const struct workload {
	const char *name;
	unsigned count;		/* unless -n */
	void (*prepare)(void), (*run)(void), (*tidy)(void);
	const char *cold;	/* how the driver makes it cold: not, by a new mount, by dropping pages */
	const char *what;	/* NULL: none of bench's */
} workloads[] = {
	{ "tree", 1, prepare_tree, NULL, NULL, "-", NULL },
	{ "fsync", 50, NULL, run_fsync, tidy_fsync, "-", NULL },
	{ "create", 500, NULL, run_create, tidy_create, "-", "create, write 4 KiB, close" },
	{ "untar", 400, NULL, run_untar, tidy_untar, "-", "files of all sizes, mode and times set" },
	{ "rename", 500, run_create, run_rename, tidy_rename, "-", "rename(2)" },
	{ "unlink", 500, run_create, run_unlink, NULL, "-", "unlink(2)" },
	{ "mkdir", 500, NULL, run_mkdir, NULL, "-", "mkdir(2) and rmdir(2)" },
	{ "stat-cold", 2000, NULL, run_stat, NULL, "mount", "lstat(2) after mounting" },
	{ "stat-warm", 20000, run_stat, run_stat, NULL, "-", "lstat(2) again" },
	{ "open", 2000, run_stat, run_open, NULL, "-", "open(2) and close(2)" },
	{ "walk", 1, NULL, run_walk, NULL, "mount", "readdir(3) of 41 folders after mounting" },
	{ "status", 2000, NULL, run_status, NULL, "mount", "as git status, after mounting" },
	{ "grep", 2000, NULL, run_grep, NULL, "mount", "open, read 4 KiB, close, after mounting" },
	{ "overwrite", 2000, NULL, run_overwrite, NULL, "-", "4 KiB at random in a large file" },
	{ "append", 4000, NULL, run_append, tidy_append, "-", "100 bytes at the end" },
	{ "read-random", 2000, drop_big, run_random_read, NULL, "pages", "4 KiB at random, not cached" },
	{ "read-cold", 1, drop_big, run_read, NULL, "pages", "32 MiB in a row, not cached" },
	{ "read-warm", 1, prepare_warm, run_read, NULL, "-", "32 MiB in a row, cached" },
	{ "write", 32, NULL, run_write, tidy_write, "-", "32 MiB in a row, 1 MiB a write(2)" },
};

#define WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

static void __attribute__((noreturn))
usage(void)
{

	fprintf(stderr, "usage: workload [-c] [-n count] [-P | -R | -T] name folder [folder]; workload -l\n");
	exit(2);
}

static const struct workload *
find(const char *name)
{
	size_t i;

	for (i = 0; i < WORKLOADS; i++) {
		if (strcmp(workloads[i].name, name) == 0)
			return &workloads[i];
	}
	usage();
}

static uint64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int
main(int argc, char *argv[])
{
	const struct workload *w;
	char part = 'A';
	uint64_t began;
	size_t i;
	int c;

	while ((c = getopt(argc, argv, "cln:PRT")) != -1) {
		switch (c) {
		case 'c': drop = true; break;
		case 'l':
			for (i = 0; i < WORKLOADS; i++) {
				if (workloads[i].what != NULL)
					printf("%s %s %s\n", workloads[i].name, workloads[i].cold, workloads[i].what);
			}
			return 0;
		case 'n': count = (unsigned)atoi(optarg); break;
		case 'P': case 'R': case 'T': part = (char)c; break;
		default: usage();
		}
	}
	if (argc - optind < 2 || argc - optind > 3)
		usage();
	w = find(argv[optind++]);
	while (optind < argc)
		folders[folder_count++] = argv[optind++];
	if (count == 0)
		count = w->count;
	/* Bytes that do not compress and are not zeros. */
	for (i = 0; i < CHUNK; i++)
		chunk[i] = (uint8_t)rng();

	if (w->prepare != NULL && (part == 'A' || part == 'P'))
		w->prepare();
	if (w->run != NULL && (part == 'A' || part == 'R')) {
		began = now();
		w->run();
		printf("%llu\n", (unsigned long long)(now() - began));
	}
	if (w->tidy != NULL && (part == 'A' || part == 'T'))
		w->tidy();
	return 0;
}
