/*
 * mmap(2).
 */

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "posix.h"

#define PAGE 4096

static char *
map_file(int fd, size_t len, int protection, int flags)
{
	char *map = mmap(NULL, len, protection, flags, fd, 0);

	CHECK(map != MAP_FAILED);
	return map;
}

static void
map_coherent(void)
{
	int fd = open_new("f"), other = (int)OK(open("f", O_RDWR));
	char *map, *second, byte;

	OK(ftruncate(fd, 3 * PAGE));
	map = map_file(fd, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	second = map_file(other, 3 * PAGE, PROT_READ, MAP_SHARED);
	map[5000] = 'm';
	EQUAL(second[5000], 'm');
	EQUAL(pread(other, &byte, 1, 5000), 1);
	EQUAL(byte, 'm');
	EQUAL(pwrite(other, "w", 1, 5001), 1);
	EQUAL(map[5001], 'w');
	EQUAL(map[5000], 'm');
	if (fork() == 0) {
		map[100] = 'c';
		_exit(map[5001] == 'w' ? 0 : 1);
	}
	EQUAL(wait_for(-1), 0);
	EQUAL(map[100], 'c');
	EQUAL(pread(other, &byte, 1, 100), 1);
	EQUAL(byte, 'c');
	OK(msync(map, 3 * PAGE, MS_SYNC));
	OK(munmap(map, 3 * PAGE));
	OK(munmap(second, 3 * PAGE));
	close(fd);
	close(other);
}

static void
map_outlives_handle_and_name(void)
{
	int fd = open_new("f"), other;
	char *map, byte;

	OK(ftruncate(fd, 2 * PAGE));
	map = map_file(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	other = (int)OK(open("f", O_RDONLY));
	OK(close(fd));
	map[1] = 'a';
	OK(unlink("f"));
	map[PAGE + 1] = 'b';
	EQUAL(map[1], 'a');
	OK(msync(map, 2 * PAGE, MS_SYNC));
	OK(munmap(map, 2 * PAGE));
	EQUAL(pread(other, &byte, 1, PAGE + 1), 1);
	EQUAL(byte, 'b');
	close(other);
	/* The same with a name: what was stored is there when opened anew. */
	fd = open_new("g");
	OK(ftruncate(fd, PAGE));
	map = map_file(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	OK(close(fd));
	memcpy(map, "stored", 6);
	OK(munmap(map, PAGE));
	fd = (int)OK(open("g", O_RDONLY));
	EQUAL(pread(fd, &byte, 1, 5), 1);
	EQUAL(byte, 'd');
	close(fd);
}

static void
map_private(void)
{
	char *map, byte;
	int fd;

	make("f", 0644, 0, 0);
	fd = (int)OK(open("f", O_RDONLY));
	map = map_file(fd, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	EQUAL(map[3], '3');
	map[3] = 'x';
	EQUAL(pread(fd, &byte, 1, 3), 1);
	EQUAL(byte, '3');
	OK(munmap(map, PAGE));
	CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
	close(fd);
	fd = (int)OK(open("f", O_WRONLY));
	CHECK(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
	close(fd);
}

static void
map_tail(void)
{
	int fd, i;
	char *map;

	make("f", 0644, 0, 0);
	fd = (int)OK(open("f", O_RDWR));
	map = map_file(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (i = 10; i < PAGE; i++)
		if (map[i] != 0)
			break;
	EQUAL(i, PAGE);
	/* What is stored behind the end is nobody's. */
	map[100] = 'x';
	OK(msync(map, PAGE, MS_SYNC));
	EQUAL(size_of("f"), 10);
	OK(munmap(map, PAGE));
	OK(ftruncate(fd, 200));
	EQUAL(pread(fd, &(char){ 0 }, 1, 100), 1);
	close(fd);
	/* Beyond the last page there is nothing. */
	if (fork() == 0) {
		fd = open("f", O_RDONLY);
		map = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
		_exit(map[PAGE]);
	}
	fflush(stdout);
	{
		int status = 0;

		OK(waitpid(-1, &status, 0));
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	}
}

static void
map_truncated(void)
{
	int fd = open_new("f");
	char *map;

	OK(ftruncate(fd, 4 * PAGE));
	map = map_file(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	memset(map, 'x', 4 * PAGE);
	OK(ftruncate(fd, PAGE + 100));
	EQUAL(map[PAGE + 99], 'x');
	EQUAL(map[PAGE + 100], 0);
	OK(ftruncate(fd, 4 * PAGE));
	EQUAL(map[PAGE + 99], 'x');
	EQUAL(map[PAGE + 100], 0);
	EQUAL(map[3 * PAGE], 0);
	map[3 * PAGE] = 'y';
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	EQUAL(map[0], 0);
	EQUAL(map[PAGE], 'x');
	EQUAL(map[3 * PAGE], 'y');
	OK(munmap(map, 4 * PAGE));
	close(fd);
}

static void
map_large(void)
{
	enum { SIZE = 5 << 20 };
	int fd = open_new("f"), other;
	unsigned *map;
	unsigned i, wrong = 0, value;

	/* Stores all over, some pages more than once, then read by others. */
	OK(ftruncate(fd, SIZE));
	map = (unsigned *)(void *)map_file(fd, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (i = 0; i < SIZE / sizeof(*map); i++)
		map[i] = i * 2654435761u;
	OK(fsync(fd));
	for (i = 0; i < SIZE / sizeof(*map); i += 777)
		map[i] = i;
	OK(munmap(map, SIZE));
	close(fd);
	other = (int)OK(open("f", O_RDONLY));
	OK(posix_fadvise(other, 0, 0, POSIX_FADV_DONTNEED));
	for (i = 0; i < SIZE / sizeof(*map); i += 7) {
		value = 0;
		if (pread(other, &value, sizeof(value), (off_t)(i * sizeof(value))) != sizeof(value) ||
		    value != (i % 777 == 0 ? i : i * 2654435761u))
			wrong++;
	}
	EQUAL(wrong, 0);
	close(other);
}

const struct posix_case map_cases[] = {
	{ "map_coherent", map_coherent, false },
	{ "map_outlives_handle_and_name", map_outlives_handle_and_name, false },
	{ "map_private", map_private, false },
	{ "map_tail", map_tail, false },
	{ "map_truncated", map_truncated, false },
	{ "map_large", map_large, false },
	{ NULL, NULL, false }
};
