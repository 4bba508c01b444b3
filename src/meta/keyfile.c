#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/keyfile.h"
#include "util/io.h"

static int
file_is_private(const char *path, int fd, char *why, size_t why_size)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		snprintf(why, why_size, "key file %s: %s", path, strerror(errno));
		return -errno;
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
keyfile_read(const char *path, uint8_t key[DIGEST_KEY_SIZE], char *why, size_t why_size)
{
	char text[2 * DIGEST_KEY_SIZE + 2];
	ssize_t len;
	size_t got;
	int fd, rc;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0) {
		rc = -errno;
		snprintf(why, why_size, "cannot open key file %s: %s", path, strerror(errno));
		return rc;
	}
	if ((rc = file_is_private(path, fd, why, why_size)) != 0)
		goto done;
	len = io_read(fd, text, sizeof(text));
	rc = -EINVAL;
	if (len == DIGEST_KEY_SIZE) {
		memcpy(key, text, DIGEST_KEY_SIZE);
		rc = 0;
	} else if (len == 2 * DIGEST_KEY_SIZE || (len == 2 * DIGEST_KEY_SIZE + 1 && text[len - 1] == '\n')) {
		if (sodium_hex2bin(key, DIGEST_KEY_SIZE, text, 2 * DIGEST_KEY_SIZE, NULL, &got, NULL) == 0 && got == DIGEST_KEY_SIZE)
			rc = 0;
	}
	if (rc != 0)
		snprintf(why, why_size, "key file %s holds neither %d bytes nor %d hexadecimal digits: make one with "
		    "\"head -c %d /dev/urandom\"", path, DIGEST_KEY_SIZE, 2 * DIGEST_KEY_SIZE, DIGEST_KEY_SIZE);
	sodium_memzero(text, sizeof(text));

done:
	close(fd);
	return rc;
}
