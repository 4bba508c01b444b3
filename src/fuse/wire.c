#include <linux/fuse.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "fuse/wire.h"

/* The flags of INIT that are ours to set; FUSE_SETXATTR_EXT brings kill_sgid. */
#define WIRE_INIT_FLAGS (FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT)

/* A reply up to this size goes out in one piece; a power of two, so that it lies in one page. */
#define WIRE_SMALL 512

static _Thread_local struct wire_request current;

const struct wire_request *
wire_request(void)
{
	return &current;
}

/* Take the extension out of SETXATTR's header, if the kernel was told to send it. */
static size_t
shorten_setxattr(const struct wire *wire, struct fuse_in_header *in, size_t len, struct wire_request *request)
{
	const size_t extra = sizeof(struct fuse_setxattr_in) - FUSE_COMPAT_SETXATTR_IN_SIZE;
	const struct fuse_setxattr_in *arg = (const void *)(in + 1);
	char *name = (char *)(in + 1) + FUSE_COMPAT_SETXATTR_IN_SIZE;

	if ((wire->offered & FUSE_SETXATTR_EXT) == 0 || len < sizeof(*in) + sizeof(*arg))
		return len;
	request->kill_sgid = (arg->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID) != 0;
	memmove(name, name + extra, len - sizeof(*in) - sizeof(*arg));
	in->len -= (uint32_t)extra;
	return len - extra;
}

size_t
wire_note(struct wire *wire, void *buf, size_t len, struct wire_request *request)
{
	struct fuse_in_header *in = buf;
	const void *arg = in + 1;
	size_t arg_len;

	memset(request, 0, sizeof(*request));
	if (len < sizeof(*in))
		return len;
	arg_len = len - sizeof(*in);
	switch (in->opcode) {
	case FUSE_INIT:
		if (arg_len >= offsetof(struct fuse_init_in, flags2)) {
			wire->init_unique = in->unique;
			wire->offered = ((const struct fuse_init_in *)arg)->flags;
		}
		break;
	case FUSE_WRITE:
		if (arg_len >= sizeof(struct fuse_write_in)) {
			request->kill_priv = (((const struct fuse_write_in *)arg)->write_flags &
			    FUSE_WRITE_KILL_SUIDGID) != 0;
		}
		break;
	case FUSE_TMPFILE:
		request->tmpfile = true;
		in->opcode = FUSE_CREATE;
		break;
	case FUSE_SETXATTR:
		return shorten_setxattr(wire, in, len, request);
	default:
		break;
	}
	return len;
}

ssize_t
wire_read(struct wire *wire, int fd, void *buf, size_t size)
{
	ssize_t len;

	if ((len = read(fd, buf, size)) <= 0)
		return len;
	return (ssize_t)wire_note(wire, buf, (size_t)len, &current);
}

/* Add our flags to the reply to INIT, if these are its parts. */
static void
extend_init_reply(struct wire *wire, struct iovec *iov, int count)
{
	const struct fuse_out_header *out = iov[0].iov_base;
	struct fuse_init_out *init;

	if (iov[0].iov_len < sizeof(*out) || out->unique != wire->init_unique)
		return;
	wire->init_unique = 0;
	if (out->error != 0 || count < 2 || iov[1].iov_len < sizeof(*init))
		return;
	init = iov[1].iov_base;
	init->flags |= wire->offered & WIRE_INIT_FLAGS;
}

/*
 * Write all pieces, if they are small, as one: the kernel looks up and holds
 * the page of each piece, which takes longer than to copy it.
 */
static ssize_t
write_pieces(int fd, const struct iovec *iov, int count)
{
	_Alignas(WIRE_SMALL) uint8_t small[WIRE_SMALL];
	size_t len = 0;
	int i;

	for (i = 0; i < count; i++) {
		if (iov[i].iov_len > sizeof(small) - len)
			return writev(fd, iov, count);
		if (iov[i].iov_len > 0)
			memcpy(small + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	return write(fd, small, len);
}

ssize_t
wire_writev(struct wire *wire, int fd, struct iovec *iov, int count)
{
	/* Set only while INIT alone is under way; after that, a plain read of a constant. */
	if (wire->init_unique != 0 && count > 0)
		extend_init_reply(wire, iov, count);
	return write_pieces(fd, iov, count);
}
