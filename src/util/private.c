#include "util/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
check(const char *path, int fd, char *why, size_t why_size)
{
	struct stat st;
	int rc;

	if (fstat(fd, &st) != 0) {
		rc = -errno;
		snprintf(why, why_size, "key file %s: %s", path, strerror(-rc));
		return rc;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, why_size, "key file %s is not a regular file", path);
		return -EINVAL;
	}
	if ((st.st_mode & 077) != 0 || (st.st_uid != 0 && st.st_uid != geteuid())) {
		snprintf(why, why_size, "key file %s can be read by others (owner %u, mode %03o): chown it to yourself and chmod 600",
		    path, (unsigned)st.st_uid, (unsigned)st.st_mode & 0777);
		return -EPERM;
	}
	return 0;
}

int
private_open(const char *path, char *why, size_t why_size)
{
	int fd, rc;

	/* Should it be a FIFO, not a wait for who writes to it. */
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) < 0) {
		rc = -errno;
		snprintf(why, why_size, "cannot open key file %s: %s", path, strerror(-rc));
		return rc;
	}
	if ((rc = check(path, fd, why, why_size)) != 0) {
		close(fd);
		return rc;
	}
	return fd;
}
