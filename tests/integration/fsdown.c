/*
 * fsdown -- shut the file system of DIRECTORY down at once, as when its disk
 * is pulled out: nothing that is not on the disk by now gets there, and what
 * is asked of it fails with EIO.
 *
 * usage: fsdown DIRECTORY
 */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FS_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define WITHOUT_LOG 2u

int
main(int argc, char **argv)
{
	uint32_t how = WITHOUT_LOG;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: fsdown DIRECTORY\n");
		return 2;
	}
	if ((fd = open(argv[1], O_RDONLY | O_DIRECTORY)) < 0 || ioctl(fd, FS_IOC_SHUTDOWN, &how) != 0) {
		fprintf(stderr, "fsdown: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	close(fd);
	return 0;
}
