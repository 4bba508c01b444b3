#include "util/io.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

ssize_t
io_pread(int fd, void *buf, size_t len, off_t offset)
{
	uint8_t *at = buf;
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(fd, at + done, len - done, offset + (off_t)done);
		if (n == 0)
			break;
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	return (ssize_t)done;
}

ssize_t
io_pread_cached(int fd, void *buf, size_t len, off_t offset)
{
	uint8_t *at = buf;
	struct iovec iov;
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		iov = (struct iovec){ .iov_base = at + done, .iov_len = len - done };
		n = preadv2(fd, &iov, 1, offset + (off_t)done, RWF_NOWAIT);
		if (n == 0)
			break;
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			return errno == ENOSYS ? -EOPNOTSUPP : -errno;
	}
	return (ssize_t)done;
}

ssize_t
io_pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	const uint8_t *at = buf;
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pwrite(fd, at + done, len - done, offset + (off_t)done);
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (done > 0)
			break;

		/* A write of nothing is no progress, and has no errno. */
		return n < 0 ? -errno : -EIO;
	}
	return (ssize_t)done;
}

ssize_t
io_read(int fd, void *buf, size_t len)
{
	uint8_t *at = buf;
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(fd, at + done, len - done);
		if (n == 0)
			break;
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	return (ssize_t)done;
}

int
io_write(int fd, const void *buf, size_t len)
{
	const uint8_t *at = buf;
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = write(fd, at + done, len - done);
		if (n > 0)
			done += (size_t)n;
		else if (n == 0)
			return -EIO;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}
