#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "util/io.h"

#include "../check_main.h"

#define LEN 300000		/* more than a pipe holds */

static int fd;
static unsigned char data[LEN], out[LEN];

static void
setup(void)
{
	ck_assert_int_ge(fd = memfd_create("test_io", 0), 0);
	for (size_t i = 0; i < LEN; i++)
		data[i] = (unsigned char)(i * 7 + i / 256);
	memset(out, 0, sizeof(out));
}

static void
teardown(void)
{
	close(fd);
}

START_TEST(round_trip_at_offsets)
{
	ck_assert_int_eq(io_pwrite(fd, data, LEN, 5), LEN);
	ck_assert_int_eq(io_pread(fd, out, LEN, 5), LEN);
	ck_assert_mem_eq(data, out, LEN);
	ck_assert_int_eq(io_pread(fd, out, 3, 0), 3);
	ck_assert_mem_eq(out, "\0\0\0", 3);
}
END_TEST

START_TEST(end_of_file)
{
	ck_assert_int_eq(io_pwrite(fd, data, 100, 0), 100);
	ck_assert_int_eq(io_pread(fd, out, 200, 40), 60);
	ck_assert_int_eq(io_pread(fd, out, 200, 100), 0);
	ck_assert_int_eq(io_pread(fd, out, 200, 5000), 0);
	ck_assert_int_eq(io_pread(fd, out, 0, 0), 0);
	ck_assert_int_eq(io_pwrite(fd, data, 0, 0), 0);
}
END_TEST

START_TEST(at_the_file_position)
{
	ck_assert_int_eq(io_write(fd, data, 1000), 0);
	ck_assert_int_eq(io_write(fd, data, 0), 0);
	ck_assert_int_eq(lseek(fd, 10, SEEK_SET), 10);
	ck_assert_int_eq(io_read(fd, out, 500), 500);
	ck_assert_mem_eq(out, data + 10, 500);
	ck_assert_int_eq(io_read(fd, out, 2000), 490);
	ck_assert_int_eq(io_read(fd, out, 1), 0);
}
END_TEST

START_TEST(errors)
{
	ck_assert_int_eq(io_pread(-1, out, 1, 0), -EBADF);
	ck_assert_int_eq(io_pwrite(-1, out, 1, 0), -EBADF);
	ck_assert_int_eq(io_read(-1, out, 1), -EBADF);
	ck_assert_int_eq(io_write(-1, out, 1), -EBADF);
	ck_assert_int_eq(io_pread(fd, out, 1, -1), -EINVAL);
}
END_TEST

/* A disk that is full in the middle: first how much went in, then why no more. */
START_TEST(an_error_after_some_bytes)
{
	struct rlimit limit = { .rlim_cur = 4096, .rlim_max = 4096 };
	FILE *file = tmpfile();
	int file_fd;

	ck_assert_ptr_nonnull(file);
	file_fd = fileno(file);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(io_pwrite(file_fd, data, 10000, 0), 4096);
	ck_assert_int_eq(io_pwrite(file_fd, data + 4096, 5904, 4096), -EFBIG);
	ck_assert_int_eq(io_write(file_fd, data, 10000), -EFBIG);
	ck_assert_int_eq(io_pread(file_fd, out, 10000, 0), 4096);
	ck_assert_mem_eq(data, out, 4096);
	fclose(file);
}
END_TEST

static void
ignore(int number)
{
	(void)number;
}

static void *
write_all(void *arg)
{
	ck_assert_int_eq(io_write(*(int *)arg, data, LEN), 0);
	close(*(int *)arg);
	return NULL;
}

/* Through a pipe each call moves a part only, and a timer interrupts them. */
START_TEST(short_and_interrupted)
{
	struct sigaction action = { .sa_handler = ignore };
	struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = { { 0, 0 }, { 0, 0 } };
	pthread_t thread;
	int ends[2];

	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, write_all, &ends[1]), 0);
	for (size_t at = 0; at < LEN; at += 1000) {
		usleep(100);
		ck_assert_int_eq(io_read(ends[0], out + at, 1000), 1000);
	}
	ck_assert_int_eq(io_read(ends[0], out, 1), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
	close(ends[0]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("io");
	TCase *tcase = tcase_create("io");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, round_trip_at_offsets);
	tcase_add_test(tcase, end_of_file);
	tcase_add_test(tcase, at_the_file_position);
	tcase_add_test(tcase, errors);
	tcase_add_test(tcase, an_error_after_some_bytes);
	tcase_add_test(tcase, short_and_interrupted);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
