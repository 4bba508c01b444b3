/*
 * Reading, writing, sizes, holes, copying.
 */

#include <signal.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "posix.h"

static void
data_errors(void)
{
	char buffer[16];
	int ro, wo;

	make("f", 0644, 0, 0);
	ro = (int)OK(open("f", O_RDONLY));
	wo = (int)OK(open("f", O_WRONLY));
	ERR(EBADF, write(ro, "x", 1));
	ERR(EBADF, read(wo, buffer, 1));
	ERR(EINVAL, ftruncate(ro, 0));
	ERR(EINVAL, pread(ro, buffer, 1, -1));
	ERR(EINVAL, lseek(ro, -1, SEEK_SET));
	ERR(EINVAL, lseek(ro, -100, SEEK_END));
	ERR(EINVAL, lseek(ro, 0, 77));
	ERR(EFAULT, syscall(SYS_read, ro, NOWHERE, 4));
	ERR(EFAULT, syscall(SYS_write, wo, NOWHERE, 4));
	ERR(EBADF, fallocate(ro, 0, 0, 1));
	ERR(EINVAL, fallocate(wo, 0, 0, 0));
	ERR(EINVAL, fallocate(wo, 0, -1, 5));
	ERR(EINVAL, truncate("f", -1));
	ERR(EISDIR, truncate(".", 0));
	EQUAL(size_of("f"), 10);
	EQUAL(read(ro, buffer, 0), 0);
	EQUAL(pread(ro, buffer, 16, 3), 7);
	CHECK(memcmp(buffer, "3456789", 7) == 0);
	EQUAL(pread(ro, buffer, 16, 10), 0);
	EQUAL(pread(ro, buffer, 16, 100000), 0);
	EQUAL(lseek(ro, 0, SEEK_END), 10);
	close(ro);
	close(wo);
	OK(chmod("f", 0444));
	become(ALICE, GROUP_A);
	ERR(EACCES, truncate("f", 0));
}

static bool
zeros(int fd, off_t offset, size_t len)
{
	static char buffer[1 << 20];
	size_t i;

	if (len > sizeof(buffer) || pread(fd, buffer, len, offset) != (ssize_t)len)
		return false;
	for (i = 0; i < len; i++)
		if (buffer[i] != 0)
			return false;
	return true;
}

static void
data_truncate_and_extend(void)
{
	static const off_t cuts[] = { 0, 1, 4095, 4096, 4097, 8191, 10000, 600000 };
	static char block[700000];
	size_t i;
	int fd;

	/* What was cut away does not come back. */
	memset(block, 'x', sizeof(block));
	fd = open_new("f");
	for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		EQUAL(pwrite(fd, block, sizeof(block), 0), sizeof(block));
		OK(ftruncate(fd, cuts[i]));
		EQUAL(size_of("f"), cuts[i]);
		EQUAL(pread(fd, &(char){ 0 }, 1, cuts[i]), 0);
		OK(truncate("f", cuts[i] + 20000));
		EQUAL(size_of("f"), cuts[i] + 20000);
		CHECK(zeros(fd, cuts[i], 20000));
		EQUAL(pwrite(fd, "y", 1, cuts[i] + 50000), 1);
		CHECK(zeros(fd, cuts[i], 50000));
		if (cuts[i] > 0) {
			EQUAL(pread(fd, block, 1, cuts[i] - 1), 1);
			EQUAL(block[0], 'x');
		}
	}
	close(fd);
}

static void
data_append_together(void)
{
	enum { WRITERS = 4, LINES = 400, WIDTH = 57 };
	static unsigned char seen[WRITERS][LINES];
	char line[WIDTH + 1];
	unsigned w, n;
	int fd, i;

	for (w = 0; w < WRITERS; w++) {
		if (fork() != 0)
			continue;
		fd = open("log", O_CREAT | O_WRONLY | O_APPEND, 0644);
		for (n = 0; n < LINES; n++) {
			snprintf(line, sizeof(line), "%u %-53u", w, n);
			line[WIDTH - 1] = '\n';
			if (write(fd, line, WIDTH) != WIDTH)
				_exit(1);
		}
		_exit(0);
	}
	for (i = 0; i < WRITERS; i++)
		EQUAL(wait_for(-1), 0);
	EQUAL(size_of("log"), WRITERS * LINES * WIDTH);
	fd = (int)OK(open("log", O_RDONLY));
	while (read(fd, line, WIDTH) == WIDTH) {
		line[WIDTH] = '\0';
		if (CHECK(sscanf(line, "%u %u", &w, &n) == 2 && w < WRITERS && n < LINES && line[WIDTH - 1] == '\n'))
			seen[w][n]++;
	}
	for (w = 0; w < WRITERS; w++)
		for (n = 0; n < LINES; n++)
			CHECK(seen[w][n] == 1);
	close(fd);
}

static void
data_append(void)
{
	int fd = open_new("f"), append = (int)OK(open("f", O_RDWR | O_APPEND));
	char buffer[8];

	EQUAL(write(append, "ab", 2), 2);
	EQUAL(pwrite(fd, "XYZ", 3, 4094), 3);
	EQUAL(write(append, "cd", 2), 2);
	EQUAL(lseek(append, 0, SEEK_CUR), 4099);
	/* Linux appends also with pwrite(2). */
	EQUAL(pwrite(append, "ef", 2, 0), 2);
	EQUAL(size_of("f"), 4101);
	EQUAL(pread(fd, buffer, 7, 4094), 7);
	CHECK(memcmp(buffer, "XYZcdef", 7) == 0);
	EQUAL(pread(fd, buffer, 2, 0), 2);
	CHECK(memcmp(buffer, "ab", 2) == 0);
	EQUAL(pwritev2(fd, &(struct iovec){ (char[]){ "gh" }, 2 }, 1, 0, RWF_APPEND), 2);
	EQUAL(size_of("f"), 4103);
	close(fd);
	close(append);
}

static void
data_file_size_limit(void)
{
	struct rlimit limit = { 10000, RLIM_INFINITY };
	int fd = open_new("f");

	signal(SIGXFSZ, SIG_IGN);
	OK(setrlimit(RLIMIT_FSIZE, &limit));
	EQUAL(pwrite(fd, long_name(100), 100, 9950), 50);
	ERR(EFBIG, pwrite(fd, "x", 1, 10000));
	ERR(EFBIG, ftruncate(fd, 10001));
	OK(ftruncate(fd, 10000));
	EQUAL(size_of("f"), 10000);
	close(fd);
}

static void
data_large_offsets(void)
{
	static const off_t offsets[] = { 0x7fffffffll, 0x80000000ll, 0xffffffffll, 0x100000000ll, 1ll << 36, 1ll << 40 };
	/* The largest file of ext4 with blocks of 4 KiB. */
	const off_t most = (1ll << 44) - 4096;
	char byte;
	size_t i;
	int fd = open_new("f");

	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		byte = (char)('a' + i);
		EQUAL(pwrite(fd, &byte, 1, offsets[i]), 1);
		EQUAL(size_of("f"), offsets[i] + 1);
	}
	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		EQUAL(pread(fd, &byte, 1, offsets[i]), 1);
		EQUAL(byte, 'a' + (int)i);
	}
	CHECK(zeros(fd, 1ll << 35, 100000));
	ERR(EFBIG, ftruncate(fd, most + 1));
	ERR(EFBIG, pwrite(fd, "x", 1, most));
	EQUAL(size_of("f"), (1ll << 40) + 1);
	OK(ftruncate(fd, most));
	EQUAL(size_of("f"), most);
	EQUAL(pwrite(fd, "x", 1, most - 1), 1);
	EQUAL(pread(fd, &byte, 1, most - 1), 1);
	EQUAL(byte, 'x');
	OK(fsync(fd));
	OK(ftruncate(fd, 100));
	close(fd);
}

static void
data_holes(void)
{
	int fd = open_new("f");
	off_t at;

	EQUAL(pwrite(fd, "a", 1, 0), 1);
	EQUAL(pwrite(fd, "b", 1, 1 << 20), 1);
	OK(ftruncate(fd, 4 << 20));
	CHECK(zeros(fd, 1, 4096) && zeros(fd, 500000, 4096) && zeros(fd, (1 << 20) + 1, 1 << 20));
	EQUAL(lseek(fd, 0, SEEK_DATA), 0);
	at = lseek(fd, 0, SEEK_HOLE);
	CHECK(at >= 1 && at <= 1 << 20);
	at = lseek(fd, 8192, SEEK_DATA);
	CHECK(at > 8192 && at <= 1 << 20);
	ERR(ENXIO, lseek(fd, 4 << 20, SEEK_DATA));
	ERR(ENXIO, lseek(fd, 4 << 20, SEEK_HOLE));
	ERR(ENXIO, lseek(fd, -5, SEEK_DATA));
	ERR(ENXIO, lseek(fd, 2 << 20, SEEK_DATA));
	OK(fsync(fd));
	EQUAL(lseek(fd, 2 << 20, SEEK_HOLE), 2 << 20);
	close(fd);
}

static void
data_fallocate(void)
{
	char block[8192], got[8192];
	struct stat st;
	int fd = open_new("f");

	EQUAL(posix_fallocate(fd, 0, 100000), 0);
	EQUAL(size_of("f"), 100000);
	CHECK(zeros(fd, 0, 100000));
	OK(fstat(fd, &st));
	CHECK(st.st_blocks >= 100000 / 512);
	memset(block, 'x', sizeof(block));
	EQUAL(pwrite(fd, block, 8192, 50000), 8192);
	OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 90000, 100000));
	EQUAL(size_of("f"), 100000);
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 51000, 5000));
	CHECK(zeros(fd, 51000, 5000));
	EQUAL(pread(fd, got, 8192, 50000), 8192);
	CHECK(got[999] == 'x' && got[1000] == 0 && got[5999] == 0 && got[6000] == 'x');
	OK(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 57000, 500000));
	EQUAL(size_of("f"), 100000);
	CHECK(zeros(fd, 57000, 43000));
	OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 57000, 60000));
	EQUAL(size_of("f"), 117000);
	ERR(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
	/* Linux asks no FUSE file system for these. */
	if (!posix_fuse()) {
		OK(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 4096, 4096));
		EQUAL(size_of("f"), 117000 - 4096);
		OK(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4096));
		EQUAL(pread(fd, got, 1, 50000), 1);
		EQUAL(got[0], 'x');
	}
	close(fd);
}

static void
data_vectors(void)
{
	char a[3] = "abc", b[5] = "defgh", c[10];
	struct iovec out[3] = { { a, 3 }, { NULL, 0 }, { b, 5 } }, in[2] = { { c, 4 }, { c + 4, 6 } };
	int fd = open_new("f");

	EQUAL(writev(fd, out, 3), 8);
	EQUAL(pwritev(fd, out, 3, 5000), 8);
	EQUAL(preadv(fd, in, 2, 0), 10);
	CHECK(memcmp(c, "abcdefgh\0\0", 10) == 0);
	EQUAL(preadv(fd, in, 2, 5002), 6);
	CHECK(memcmp(c, "cdefgh", 6) == 0);
	EQUAL(pwritev2(fd, out, 3, 100, RWF_DSYNC), 8);
	EQUAL(pwritev2(fd, out, 3, 200, RWF_SYNC), 8);
	ERR(EINVAL, syscall(SYS_writev, fd, out, -1));
	close(fd);
}

static void
data_direct_and_sync(void)
{
	char *block = aligned_alloc(4096, 16384);
	int direct, plain, sync;

	direct = (int)OK(open("f", O_CREAT | O_RDWR | O_DIRECT, 0644));
	plain = (int)OK(open("f", O_RDWR));
	sync = (int)OK(open("f", O_RDWR | O_SYNC));
	memset(block, 'd', 16384);
	EQUAL(pwrite(direct, block, 16384, 0), 16384);
	EQUAL(pread(plain, block, 10, 4090), 10);
	CHECK(memcmp(block, "dddddddddd", 10) == 0);
	EQUAL(pwrite(plain, "plain", 5, 8190), 5);
	EQUAL(pread(direct, block, 16384, 0), 16384);
	CHECK(memcmp(block + 8190, "plain", 5) == 0);
	EQUAL(pwrite(sync, "sync", 4, 16382), 4);
	EQUAL(pread(direct, block, 4096, 16384), 2);
	CHECK(memcmp(block, "nc", 2) == 0);
	EQUAL(pread(direct, block, 4096, 20480), 0);
	free(block);
	close(direct);
	close(plain);
	close(sync);
}

static void
data_copy_range(void)
{
	static char data[300000], got[300000];
	off_t from = 1000, to = 5000;
	ssize_t copied;
	size_t i, done = 0;
	int in, out, dir;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 >> 3);
	in = open_new("in");
	out = open_new("out");
	EQUAL(pwrite(in, data, sizeof(data), 0), sizeof(data));
	while (done < 250000 && (copied = (ssize_t)OK(copy_file_range(in, &from, out, &to, 250000 - done, 0))) > 0)
		done += (size_t)copied;
	EQUAL(done, 250000);
	CHECK(from == 251000 && to == 255000);
	EQUAL(size_of("out"), 255000);
	EQUAL(pread(out, got, 250000, 5000), 250000);
	CHECK(memcmp(got, data + 1000, 250000) == 0);
	CHECK(zeros(out, 0, 5000));
	from = 300000;
	EQUAL(copy_file_range(in, &from, out, &to, 100, 0), 0);
	from = to = 100;
	ERR(EINVAL, copy_file_range(in, &from, in, &to, 100, 0));
	to = 150;
	ERR(EINVAL, copy_file_range(in, &from, in, &to, 100, 0));
	to = 1000;
	EQUAL(copy_file_range(in, &from, in, &to, 100, 0), 100);
	ERR(EINVAL, copy_file_range(in, &from, out, &to, 100, 1));
	close(out);
	out = (int)OK(open("out", O_RDONLY));
	ERR(EBADF, copy_file_range(in, &from, out, &to, 100, 0));
	close(out);
	out = (int)OK(open("out", O_WRONLY | O_APPEND));
	ERR(EBADF, copy_file_range(in, &from, out, NULL, 100, 0));
	dir = (int)OK(open(".", O_RDONLY));
	ERR(EISDIR, copy_file_range(dir, NULL, in, &to, 100, 0));
	close(dir);
	close(in);
	close(out);
}

static void
data_sendfile_and_splice(void)
{
	char buffer[4096];
	off_t from = 3;
	int in, out, pipes[2];

	make("in", 0644, 0, 0);
	in = (int)OK(open("in", O_RDONLY));
	out = open_new("out");
	EQUAL(sendfile(out, in, &from, 100), 7);
	EQUAL(size_of("out"), 7);
	OK(pipe(pipes));
	from = 0;
	EQUAL(splice(in, &from, pipes[1], NULL, 100, 0), 10);
	EQUAL(read(pipes[0], buffer, sizeof(buffer)), 10);
	CHECK(memcmp(buffer, "0123456789", 10) == 0);
	EQUAL(write(pipes[1], "spliced", 7), 7);
	from = 4093;
	EQUAL(splice(pipes[0], NULL, out, &from, 7, 0), 7);
	EQUAL(pread(out, buffer, 100, 4093), 7);
	CHECK(memcmp(buffer, "spliced", 7) == 0);
	close(in);
	close(out);
}

static void
data_shared_position(void)
{
	int fd = open_new("f"), copy = (int)OK(dup(fd));
	char buffer[8];

	EQUAL(write(fd, "abc", 3), 3);
	EQUAL(write(copy, "def", 3), 3);
	if (fork() == 0)
		_exit(write(fd, "ghi", 3) == 3 ? 0 : 1);
	EQUAL(wait_for(-1), 0);
	EQUAL(lseek(fd, 0, SEEK_CUR), 9);
	EQUAL(lseek(copy, 2, SEEK_SET), 2);
	EQUAL(read(fd, buffer, 4), 4);
	CHECK(memcmp(buffer, "cdef", 4) == 0);
	close(fd);
	close(copy);
}

static void
data_many_handles(void)
{
	enum { HANDLES = 300 };
	int fds[HANDLES], i;
	char byte;

	for (i = 0; i < HANDLES; i++) {
		fds[i] = (int)OK(open("f", O_CREAT | O_RDWR, 0644));
		EQUAL(pwrite(fds[i], &(char){ (char)i }, 1, i), 1);
	}
	for (i = 0; i < HANDLES; i++) {
		EQUAL(pread(fds[i], &byte, 1, HANDLES - 1 - i), 1);
		EQUAL(byte, (char)(HANDLES - 1 - i));
		OK(close(fds[i]));
	}
	EQUAL(size_of("f"), HANDLES);
}

const struct posix_case data_cases[] = {
	{ "data_errors", data_errors, false },
	{ "data_truncate_and_extend", data_truncate_and_extend, false },
	{ "data_append_together", data_append_together, false },
	{ "data_append", data_append, false },
	{ "data_file_size_limit", data_file_size_limit, false },
	{ "data_large_offsets", data_large_offsets, false },
	{ "data_holes", data_holes, false },
	{ "data_fallocate", data_fallocate, false },
	{ "data_vectors", data_vectors, false },
	{ "data_direct_and_sync", data_direct_and_sync, false },
	{ "data_copy_range", data_copy_range, false },
	{ "data_sendfile_and_splice", data_sendfile_and_splice, false },
	{ "data_shared_position", data_shared_position, false },
	{ "data_many_handles", data_many_handles, false },
	{ NULL, NULL, false }
};
