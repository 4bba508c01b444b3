/*
 * Record locks, open file description locks, flock(2).
 */

#include <signal.h>
#include <sys/file.h>

#include "posix.h"

static int
lock(int fd, int command, short type, off_t start, off_t len)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, command, &lock);
}

/* What another process gets for F_SETLK: 0 or the errno value. */
static int
elsewhere(const char *path, short type, off_t start, off_t len)
{
	int status, fd;
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == 0) {
		fd = open(path, O_RDWR);
		_exit(lock(fd, F_SETLK, type, start, len) == 0 ? 0 : errno);
	}
	status = wait_for(pid);
	return status;
}

static void
locks_record(void)
{
	struct flock query = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0 };
	int fd = open_new("f"), second, ro, answer[2];
	pid_t pid;

	OK(lock(fd, F_SETLK, F_WRLCK, 100, 50));
	EQUAL(elsewhere("f", F_RDLCK, 120, 1), EAGAIN);
	EQUAL(elsewhere("f", F_WRLCK, 0, 0), EAGAIN);
	EQUAL(elsewhere("f", F_WRLCK, 0, 100), 0);
	EQUAL(elsewhere("f", F_WRLCK, 150, 0), 0);
	OK(lock(fd, F_SETLK, F_RDLCK, 100, 50));
	EQUAL(elsewhere("f", F_RDLCK, 120, 1), 0);
	EQUAL(elsewhere("f", F_WRLCK, 120, 1), EAGAIN);
	/* In the middle unlocked: two are left. */
	OK(lock(fd, F_SETLK, F_UNLCK, 110, 10));
	EQUAL(elsewhere("f", F_WRLCK, 110, 10), 0);
	EQUAL(elsewhere("f", F_WRLCK, 105, 10), EAGAIN);
	OK(pipe(answer));
	fflush(stdout);
	if ((pid = fork()) == 0) {
		second = open("f", O_RDWR);
		if (fcntl(second, F_GETLK, &query) != 0 || write(answer[1], &query, sizeof(query)) != sizeof(query))
			_exit(1);
		_exit(0);
	}
	EQUAL(wait_for(pid), 0);
	EQUAL(read(answer[0], &query, sizeof(query)), sizeof(query));
	CHECK(query.l_type == F_RDLCK && query.l_pid == getpid() && query.l_start == 100 && query.l_len == 10);
	/* Closing any handle of the file drops all of the process' locks. */
	second = (int)OK(open("f", O_RDONLY));
	close(second);
	EQUAL(elsewhere("f", F_WRLCK, 0, 0), 0);
	ro = (int)OK(open("f", O_RDONLY));
	ERR(EBADF, lock(ro, F_SETLK, F_WRLCK, 0, 1));
	OK(lock(ro, F_SETLK, F_RDLCK, 0, 1));
	ERR(EINVAL, lock(fd, F_SETLK, F_WRLCK, -1, 1));
	close(ro);
	close(fd);
}

static void
locks_wait(void)
{
	struct timespec pause = { 0, 200000000 };
	int fd = open_new("f"), other;
	char byte;
	pid_t pid;

	OK(lock(fd, F_SETLK, F_WRLCK, 0, 0));
	fflush(stdout);
	if ((pid = fork()) == 0) {
		other = open("f", O_RDWR);
		if (lock(other, F_SETLKW, F_WRLCK, 0, 0) != 0)
			_exit(1);
		_exit(pread(other, &byte, 1, 0) == 1 && byte == 'd' ? 0 : 2);
	}
	nanosleep(&pause, NULL);
	EQUAL(pwrite(fd, "d", 1, 0), 1);
	OK(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	EQUAL(wait_for(pid), 0);
	/* A process that ends lets go. */
	if ((pid = fork()) == 0) {
		other = open("f", O_RDWR);
		_exit(lock(other, F_SETLK, F_WRLCK, 0, 0) == 0 ? 0 : 1);
	}
	EQUAL(wait_for(pid), 0);
	OK(lock(fd, F_SETLK, F_WRLCK, 0, 0));
	close(fd);
}

static void
on_alarm(int number)
{

	(void)number;
}

static void
locks_interrupted(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	int fd = open_new("f"), other;
	pid_t pid;

	OK(lock(fd, F_SETLK, F_WRLCK, 0, 0));
	fflush(stdout);
	if ((pid = fork()) == 0) {
		sigaction(SIGALRM, &action, NULL);
		alarm(1);
		other = open("f", O_RDWR);
		_exit(lock(other, F_SETLKW, F_WRLCK, 0, 0) == -1 && errno == EINTR ? 0 : 1);
	}
	EQUAL(wait_for(pid), 0);
	close(fd);
}

static void
locks_deadlock(void)
{
	struct timespec pause = { 0, 200000000 };
	int fd = open_new("f"), other;
	pid_t pid;

	OK(lock(fd, F_SETLK, F_WRLCK, 0, 1));
	fflush(stdout);
	if ((pid = fork()) == 0) {
		other = open("f", O_RDWR);
		if (lock(other, F_SETLK, F_WRLCK, 1, 1) != 0)
			_exit(1);
		_exit(lock(other, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 0 : 2);
	}
	nanosleep(&pause, NULL);
	ERR(EDEADLK, lock(fd, F_SETLKW, F_WRLCK, 1, 1));
	close(fd);
	EQUAL(wait_for(pid), 0);
}

static void
locks_of_descriptions(void)
{
	int a = open_new("f"), b = (int)OK(open("f", O_RDWR)), copy = (int)OK(dup(a));

	OK(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	ERR(EAGAIN, lock(b, F_OFD_SETLK, F_WRLCK, 5, 10));
	ERR(EAGAIN, lock(b, F_SETLK, F_RDLCK, 5, 10));
	OK(lock(b, F_OFD_SETLK, F_WRLCK, 10, 10));
	OK(lock(copy, F_OFD_SETLK, F_WRLCK, 5, 2));
	/* Held until the last handle of the description is closed. */
	close(a);
	ERR(EAGAIN, lock(b, F_OFD_SETLK, F_WRLCK, 5, 1));
	close(copy);
	OK(lock(b, F_OFD_SETLK, F_WRLCK, 0, 100));
	close(b);
}

static void
locks_flock(void)
{
	int a = open_new("f"), b = (int)OK(open("f", O_RDONLY));
	pid_t pid;

	OK(flock(a, LOCK_EX));
	ERR(EWOULDBLOCK, flock(b, LOCK_SH | LOCK_NB));
	ERR(EWOULDBLOCK, flock(b, LOCK_EX | LOCK_NB));
	OK(flock(a, LOCK_SH));
	OK(flock(b, LOCK_SH | LOCK_NB));
	ERR(EWOULDBLOCK, flock(a, LOCK_EX | LOCK_NB));
	OK(flock(b, LOCK_UN));
	OK(flock(a, LOCK_EX | LOCK_NB));
	ERR(EINVAL, flock(a, 77));
	/* It belongs to the description: a child that inherits it can let go of it. */
	fflush(stdout);
	if ((pid = fork()) == 0)
		_exit(flock(a, LOCK_UN));
	EQUAL(wait_for(pid), 0);
	OK(flock(b, LOCK_EX | LOCK_NB));
	close(b);
	OK(flock(a, LOCK_EX | LOCK_NB));
	/* The two kinds do not meet. */
	EQUAL(elsewhere("f", F_WRLCK, 0, 0), 0);
	close(a);
}

const struct posix_case locks_cases[] = {
	{ "locks_record", locks_record, false },
	{ "locks_wait", locks_wait, false },
	{ "locks_interrupted", locks_interrupted, false },
	{ "locks_deadlock", locks_deadlock, false },
	{ "locks_of_descriptions", locks_of_descriptions, false },
	{ "locks_flock", locks_flock, false },
	{ NULL, NULL, false }
};
