/*
 * util/io -- the one retry loop for full reads and writes.
 *
 * Each function restarts after EINTR and after short transfers, and returns
 * the number of bytes moved or a negative errno value.
 */

#ifndef UTIL_IO_H
#define UTIL_IO_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * io_pread(fd, buf, len, offset):
 * Read until ${len} bytes or the end of file.  Fewer bytes than ${len} means
 * end of file.  On error the content of ${buf} is unspecified.
 */
ssize_t io_pread(int fd, void *buf, size_t len, off_t offset);

/*
 * io_pread_cached(fd, buf, len, offset):
 * The same without waiting for a disk: -EAGAIN if that would be necessary,
 * -EOPNOTSUPP if the file system or the kernel cannot tell.
 */
ssize_t io_pread_cached(int fd, void *buf, size_t len, off_t offset);

/*
 * io_pwrite(fd, buf, len, offset):
 * Write until ${len} bytes are written.  If an error comes after some bytes
 * were written, their number is returned, and the error by the next call:
 * so a result below ${len} means that the caller should find out why.
 */
ssize_t io_pwrite(int fd, const void *buf, size_t len, off_t offset);

/* io_read(fd, buf, len): like io_pread at the file position. */
ssize_t io_read(int fd, void *buf, size_t len);

/* io_write(fd, buf, len): all of it or a negative errno value. */
int io_write(int fd, const void *buf, size_t len);

#endif
