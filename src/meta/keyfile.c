#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "meta/keyfile.h"
#include "util/io.h"
#include "util/private.h"

int
keyfile_read(const char *path, uint8_t key[DIGEST_KEY_SIZE], char *why, size_t why_size)
{
	char text[2 * DIGEST_KEY_SIZE + 2];
	ssize_t len;
	size_t got;
	int fd, rc;

	if ((fd = private_open(path, why, why_size)) < 0)
		return fd;
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
	close(fd);
	return rc;
}
