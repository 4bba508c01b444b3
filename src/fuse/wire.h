/*
 * fuse/wire -- between the kernel's messages and libfuse's view of them.
 *
 * libfuse before 3.17 knows neither FUSE_HANDLE_KILLPRIV_V2, without which
 * each write(2) costs a GETXATTR request, nor O_TMPFILE; and no libfuse shows
 * its handlers the flags by which the kernel says that set-id bits must go.
 * So the session reads and writes through here:
 *
 * - the reply to INIT gets the flags libfuse cannot set, if the kernel offered
 *   them;
 * - of each request, the flags that libfuse drops are noted.  A request is
 *   served by the thread that read it, so the note is the thread's;
 * - TMPFILE, which is CREATE without a name, is handed on as CREATE; SETXATTR
 *   with the kernel's longer header is handed on with the short one.
 *
 * Costs no system call: one read per request, and one write or writev per reply,
 * as without it.
 */

#ifndef FUSE_WIRE_H
#define FUSE_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What the handlers are to know beside libfuse's arguments. */
struct wire_request {
	bool kill_priv;		/* WRITE: the caller may not keep set-id bits */
	bool kill_sgid;		/* SETXATTR of an access ACL: clear S_ISGID */
	bool tmpfile;		/* CREATE: it was TMPFILE */
};

/* One session's state; the first request is INIT, and no other comes before its reply. */
struct wire {
	uint64_t init_unique;	/* of the INIT request, until its reply went out; or 0 */
	uint32_t offered;	/* the kernel's flags in it */
};

/* wire_request(): of the request this thread has read last. */
const struct wire_request *wire_request(void);

/*
 * wire_read(wire, fd, buf, size), wire_writev(wire, fd, iov, count):
 * As read(2) and writev(2), errors in errno.
 */
ssize_t wire_read(struct wire *wire, int fd, void *buf, size_t size);
ssize_t wire_writev(struct wire *wire, int fd, struct iovec *iov, int count);

/*
 * wire_note(wire, buf, len, request):
 * What wire_read does with the ${len} bytes it got: note, and translate in
 * place.  Returns the length for libfuse.  Pure; apart for tests.
 */
size_t wire_note(struct wire *wire, void *buf, size_t len, struct wire_request *request);

#endif
