/*
 * rawread -- read a file TIMES times, past the kernel's cache.
 *
 * Each time opens it anew, and throws in some more reads, a random number of
 * them, so that a mount that lets its replicas take turns, by open or by read,
 * does not come to give the same one the same block each time.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536

static char chunk[CHUNK] __attribute__((aligned(4096)));

static int
read_once(const char *path)
{
	ssize_t len;
	off_t at;
	long extra;
	int fd;

	if ((fd = open(path, O_RDONLY | O_DIRECT)) < 0)
		return -1;
	for (extra = random() % 6; extra > 0; extra--) {
		if (pread(fd, chunk, 4096, 0) < 0)
			return -1;
	}
	for (at = 0; (len = pread(fd, chunk, CHUNK, at)) > 0; at += len)
		continue;
	return len < 0 || close(fd) != 0 ? -1 : 0;
}

int
main(int argc, char *argv[])
{
	int times;

	if (argc != 3 || (times = atoi(argv[2])) <= 0) {
		fprintf(stderr, "usage: rawread FILE TIMES\n");
		return 2;
	}
	srandom((unsigned)time(NULL) ^ (unsigned)getpid());
	while (times-- > 0) {
		if (read_once(argv[1]) != 0) {
			perror(argv[1]);
			return 1;
		}
	}
	return 0;
}
