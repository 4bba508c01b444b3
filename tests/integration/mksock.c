/* mksock -- make a socket's name, as bind(2) would. */

#include <stdio.h>
#include <sys/stat.h>

int
main(int argc, char *argv[])
{

	if (argc != 2 || mknod(argv[1], S_IFSOCK | 0644, 0) != 0) {
		perror("mksock");
		return 1;
	}
	return 0;
}
