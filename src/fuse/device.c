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

static const struct fuse_custom_io device_io = { .read = device_read, .writev = device_writev };

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)

int
device_attach(struct fuse_session *session)
{
	return fuse_session_custom_io(session, &device_io, sizeof(device_io), fuse_session_fd(session));
}

#else

int
device_attach(struct fuse_session *session)
{
	return fuse_session_custom_io(session, &device_io, fuse_session_fd(session));
}

#endif
