/*
 * mmapwork -- two processes share a file through writable mappings.
 *
 *	mmapwork FILE BYTES ROUNDS    work, and look at every page each round
 *	mmapwork -v FILE              is each page as the work leaves it?
 *
 * A page holds its own number and a counter that each round increments, in
 * every word: the parent stores in the even pages, the child in the odd ones,
 * and both look at all of them, some through the mapping and some by pread(2).
 */

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define WORDS (PAGE / sizeof(uint64_t))

static uint64_t
word(uint64_t page, uint64_t round)
{

	return page * UINT64_C(0x9e3779b97f4a7c15) + round;
}

static void
fill(volatile uint64_t *at, uint64_t page, uint64_t round)
{
	size_t i;

	for (i = 0; i < WORDS; i++)
		at[i] = word(page, round);
}

/* Own pages are of this round; the other's may be of any, and in the midst of a change. */
static bool
look(const uint64_t *at, uint64_t page, uint64_t low, uint64_t high)
{
	size_t i;

	for (i = 0; i < WORDS; i++) {
		if (at[i] - word(page, 0) < low || at[i] - word(page, 0) > high) {
			fprintf(stderr, "mmapwork: page %llu word %zu: %llu, wanted %llu..%llu\n",
			    (unsigned long long)page, i, (unsigned long long)(at[i] - word(page, 0)),
			    (unsigned long long)low, (unsigned long long)high);
			return false;
		}
	}
	return true;
}

static int
work(int fd, uint64_t *map, uint64_t pages, uint64_t rounds, uint64_t own)
{
	uint64_t page, round, copy[WORDS];

	for (round = 1; round <= rounds; round++) {
		for (page = own; page < pages; page += 2)
			fill(map + page * WORDS, page, round);
		if (msync(map, pages * PAGE, round % 2 ? MS_SYNC : MS_ASYNC) != 0) {
			perror("mmapwork: msync");
			return 1;
		}
		if (round % 3 == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
			return 1;
		for (page = 0; page < pages; page++) {
			bool mine = page % 2 == own;

			if (page % 5 == 0) {
				if (pread(fd, copy, PAGE, (off_t)(page * PAGE)) != PAGE) {
					perror("mmapwork: pread");
					return 1;
				}
			} else
				memcpy(copy, map + page * WORDS, PAGE);
			if (!look(copy, page, mine ? round : 0, mine ? round : rounds))
				return 1;
		}
	}
	return 0;
}

static int
verify(const char *path)
{
	uint64_t copy[WORDS], page, round = 0;
	ssize_t len;
	int fd;

	if ((fd = open(path, O_RDONLY)) < 0) {
		perror(path);
		return 1;
	}
	for (page = 0; (len = read(fd, copy, PAGE)) == PAGE; page++) {
		if (page == 0)
			round = copy[0];
		if (!look(copy, page, round, round))
			return 1;
	}
	close(fd);
	return len != 0 || page == 0;
}

int
main(int argc, char *argv[])
{
	uint64_t pages, page, rounds, *map;
	int fd, status, childs;
	pid_t child;

	if (argc == 3 && strcmp(argv[1], "-v") == 0)
		return verify(argv[2]);
	if (argc != 4) {
		fprintf(stderr, "usage: mmapwork FILE BYTES ROUNDS | mmapwork -v FILE\n");
		return 2;
	}
	pages = strtoull(argv[2], NULL, 0) / PAGE;
	rounds = strtoull(argv[3], NULL, 0);
	if ((fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644)) < 0 ||
	    ftruncate(fd, (off_t)(pages * PAGE)) != 0) {
		perror(argv[1]);
		return 1;
	}
	map = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		perror("mmapwork: mmap");
		return 1;
	}
	for (page = 0; page < pages; page++)
		fill(map + page * WORDS, page, 0);
	if ((child = fork()) < 0) {
		perror("mmapwork: fork");
		return 1;
	}
	if (child == 0)
		_exit(work(fd, map, pages, rounds, 1));
	status = work(fd, map, pages, rounds, 0);
	if (waitpid(child, &childs, 0) != child || childs != 0)
		status = 1;
	return status;
}
