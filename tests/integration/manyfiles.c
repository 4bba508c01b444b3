/* manyfiles -- make COUNT small files below DIRECTORY, 1,000 to a folder. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
main(int argc, char *argv[])
{
	char path[4096], text[32];
	long i, count;
	int fd, len;

	if (argc != 3 || (count = atol(argv[2])) <= 0) {
		fprintf(stderr, "usage: manyfiles DIRECTORY COUNT\n");
		return 2;
	}
	if (mkdir(argv[1], 0755) != 0)
		goto fail;
	for (i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%ld", argv[1], i / 1000);
		if (i % 1000 == 0 && mkdir(path, 0755) != 0)
			goto fail;
		snprintf(path, sizeof(path), "%s/%ld/%ld", argv[1], i / 1000, i % 1000);
		if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644)) < 0)
			goto fail;
		len = snprintf(text, sizeof(text), "file %ld\n", i);
		if (write(fd, text, (size_t)len) != len || close(fd) != 0)
			goto fail;
	}
	return 0;
fail:
	printf("%s: %s\n", path, strerror(errno));
	return 1;
}
