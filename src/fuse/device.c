#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fuse/device.h"
#include "fuse/front.h"

static ssize_t
device_read(int fd, void *buf, size_t size, void *userdata)
{
	struct front *front = userdata;

	return wire_read(&front->wire, fd, buf, size);
}

static ssize_t
device_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	struct front *front = userdata;

	return wire_writev(&front->wire, fd, iov, count);
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)

/* Since 3.17 a session with its own reading must bring its own cloning too: one queue per thread. */
static int
device_clone(int master)
{
	uint32_t source = (uint32_t)master;
	int fd, rc;

	if ((fd = open("/dev/fuse", O_RDWR | O_CLOEXEC)) < 0)
		return -errno;
	if (ioctl(fd, FUSE_DEV_IOC_CLONE, &source) != 0) {
		rc = -errno;
		(void)close(fd);
		return rc;
	}
	return fd;
}

int
device_attach(struct fuse_session *session)
{
	const struct fuse_custom_io io = { .read = device_read, .writev = device_writev, .clone_fd = device_clone };

	return fuse_session_custom_io(session, &io, sizeof(io), fuse_session_fd(session));
}

#else

int
device_attach(struct fuse_session *session)
{
	const struct fuse_custom_io io = { .read = device_read, .writev = device_writev };

	return fuse_session_custom_io(session, &io, fuse_session_fd(session));
}

#endif
