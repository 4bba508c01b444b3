/*
 * Programs, FIFOs, sockets, devices, and those who watch.
 */

#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "posix.h"

static void
copy_program(const char *from, const char *to)
{
	char buffer[65536];
	int in = (int)OK(open(from, O_RDONLY)), out = (int)OK(open(to, O_CREAT | O_WRONLY, 0755));
	ssize_t len;

	while ((len = read(in, buffer, sizeof(buffer))) > 0)
		EQUAL(write(out, buffer, (size_t)len), len);
	close(in);
	OK(close(out));
}

static int
run(const char *path, const char *argument, char *output, size_t size)
{
	int pipes[2], status;
	ssize_t len;
	pid_t pid;

	OK(pipe2(pipes, O_CLOEXEC));
	fflush(stdout);
	if ((pid = fork()) == 0) {
		dup2(pipes[1], 1);
		execl(path, path, argument, (char *)NULL);
		_exit(errno);
	}
	close(pipes[1]);
	status = wait_for(pid);
	len = read(pipes[0], output, size - 1);
	output[len > 0 ? len : 0] = '\0';
	close(pipes[0]);
	return status;
}

static void
special_exec(void)
{
	char output[100];
	int fd;

	copy_program("/bin/echo", "program");
	EQUAL(run("./program", "hello", output, sizeof(output)), 0);
	CHECK(strcmp(output, "hello\n") == 0);
	fd = open_new("script");
	EQUAL(write(fd, "#!/bin/sh\necho script $1\n", 25), 25);
	close(fd);
	EQUAL(run("./script", "x", output, sizeof(output)), EACCES);
	OK(chmod("script", 0755));
	EQUAL(run("./script", "x", output, sizeof(output)), 0);
	CHECK(strcmp(output, "script x\n") == 0);
	OK(unlink("program"));
	EQUAL(run("./program", "hello", output, sizeof(output)), ENOENT);
}

static void
special_text_busy(void)
{
	struct timespec pause = { 0, 100000000 };
	pid_t pid;
	int fd;

	copy_program("/bin/sleep", "program");
	if ((pid = fork()) == 0) {
		execl("./program", "program", "30", (char *)NULL);
		_exit(1);
	}
	nanosleep(&pause, NULL);
	ERR(ETXTBSY, open("program", O_WRONLY));
	ERR(ETXTBSY, truncate("program", 0));
	OK(close((int)OK(open("program", O_RDONLY))));
	/* A name is no text. */
	OK(unlink("program"));
	OK(kill(pid, SIGKILL));
	wait_for(pid);
	copy_program("/bin/sleep", "program");
	fd = (int)OK(open("program", O_WRONLY));
	fflush(stdout);
	if ((pid = fork()) == 0) {
		execl("./program", "program", "0", (char *)NULL);
		_exit(errno == ETXTBSY ? 0 : 1);
	}
	EQUAL(wait_for(pid), 0);
	close(fd);
}

static void
special_set_uid_program(void)
{
	char output[100];
	struct statvfs st;

	OK(statvfs(".", &st));
	if (st.f_flag & (ST_NOSUID | ST_NOEXEC))
		posix_skip("mounted nosuid or noexec");
	copy_program("/usr/bin/id", "id");
	OK(chown("id", BOB, GROUP_B));
	OK(chmod("id", 06755));
	EQUAL(run("./id", "-u", output, sizeof(output)), 0);
	CHECK(atoi(output) == BOB);
	EQUAL(run("./id", "-g", output, sizeof(output)), 0);
	CHECK(atoi(output) == GROUP_B);
}

static void
special_fifo(void)
{
	char buffer[10];
	pid_t pid;
	int fd;

	OK(mkfifo("fifo", 0644));
	fflush(stdout);
	if ((pid = fork()) == 0) {
		fd = open("fifo", O_WRONLY);
		_exit(write(fd, "through", 7) == 7 ? 0 : 1);
	}
	fd = (int)OK(open("fifo", O_RDONLY));
	EQUAL(read(fd, buffer, 10), 7);
	CHECK(memcmp(buffer, "through", 7) == 0);
	EQUAL(read(fd, buffer, 10), 0);
	EQUAL(wait_for(pid), 0);
	ERR(ESPIPE, lseek(fd, 0, SEEK_SET));
	ERR(EINVAL, ftruncate(fd, 0));
	close(fd);
	ERR(EINVAL, truncate("fifo", 0));
	/* By its second name it is the same. */
	OK(link("fifo", "other"));
	if ((pid = fork()) == 0) {
		fd = open("other", O_WRONLY);
		_exit(write(fd, "x", 1) == 1 ? 0 : 1);
	}
	fd = (int)OK(open("fifo", O_RDONLY));
	EQUAL(read(fd, buffer, 10), 1);
	EQUAL(wait_for(pid), 0);
	close(fd);
}

static void
special_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	char buffer[10];
	int server, fd, second;
	pid_t pid;

	server = (int)OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(bind(server, (struct sockaddr *)&address, sizeof(address)));
	EQUAL(mode_of("socket"), S_IFSOCK | 0755);
	fd = (int)OK(socket(AF_UNIX, SOCK_STREAM, 0));
	ERR(EADDRINUSE, bind(fd, (struct sockaddr *)&address, sizeof(address)));
	ERR(ECONNREFUSED, connect(fd, (struct sockaddr *)&address, sizeof(address)));
	OK(listen(server, 5));
	OK(rename("socket", "moved"));
	strcpy(address.sun_path, "moved");
	fflush(stdout);
	if ((pid = fork()) == 0)
		_exit(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && write(fd, "hello", 5) == 5 ? 0 : 1);
	second = (int)OK(accept(server, NULL, NULL));
	EQUAL(read(second, buffer, 10), 5);
	CHECK(memcmp(buffer, "hello", 5) == 0);
	EQUAL(wait_for(pid), 0);
	close(fd);
	close(second);
	close(server);
	OK(chmod("moved", 0600));
	OK(chown("moved", 0, 0));
	become(ALICE, GROUP_A);
	fd = (int)OK(socket(AF_UNIX, SOCK_STREAM, 0));
	ERR(EACCES, connect(fd, (struct sockaddr *)&address, sizeof(address)));
	close(fd);
}

static void
special_device(void)
{
	char buffer[10];
	int fd;

	OK(mknod("zero", S_IFCHR | 0666, makedev(1, 5)));
	OK(mknod("nothing", S_IFCHR | 0666, makedev(250, 250)));
	if ((fd = open("zero", O_RDWR)) < 0 && errno == EACCES)
		posix_skip("mounted nodev");
	OK(fd);
	memset(buffer, 'x', sizeof(buffer));
	EQUAL(read(fd, buffer, 10), 10);
	EQUAL(buffer[9], 0);
	EQUAL(write(fd, "x", 1), 1);
	close(fd);
	ERR(ENXIO, open("nothing", O_RDONLY));
	EQUAL(size_of("zero"), 0);
}

static void
special_inotify(void)
{
	char buffer[4096] __attribute__((aligned(8)));
	const struct inotify_event *event;
	unsigned seen = 0;
	ssize_t len, at;
	int fd = (int)OK(inotify_init1(IN_NONBLOCK));

	OK(inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_MODIFY));
	make("f", 0644, 0, 0);
	OK(rename("f", "g"));
	OK(unlink("g"));
	while ((len = read(fd, buffer, sizeof(buffer))) > 0)
		for (at = 0; at < len; at += (ssize_t)sizeof(*event) + event->len) {
			event = (const struct inotify_event *)(const void *)(buffer + at);
			seen |= event->mask;
		}
	CHECK((seen & (IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_MODIFY)) ==
	    (IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_MODIFY));
	close(fd);
}

static void
special_poll(void)
{
	struct pollfd query;
	int fd;

	make("f", 0644, 0, 0);
	fd = (int)OK(open("f", O_RDWR));
	query = (struct pollfd){ .fd = fd, .events = POLLIN | POLLOUT };
	EQUAL(poll(&query, 1, 0), 1);
	EQUAL(query.revents, POLLIN | POLLOUT);
	close(fd);
}

static void
special_syncs(void)
{
	int fd = open_new("f"), dir = (int)OK(open(".", O_RDONLY));

	EQUAL(write(fd, "x", 1), 1);
	OK(fsync(fd));
	OK(fdatasync(fd));
	OK(syncfs(fd));
	OK(fsync(dir));
	OK(sync_file_range(fd, 0, 100, SYNC_FILE_RANGE_WRITE));
	close(fd);
	fd = (int)OK(open("f", O_RDONLY));
	OK(fsync(fd));
	close(fd);
	close(dir);
	fd = (int)OK(open("f", O_PATH));
	ERR(EBADF, fsync(fd));
	close(fd);
}

const struct posix_case special_cases[] = {
	{ "special_exec", special_exec, false },
	{ "special_text_busy", special_text_busy, false },
	{ "special_set_uid_program", special_set_uid_program, false },
	{ "special_fifo", special_fifo, false },
	{ "special_socket", special_socket, false },
	{ "special_device", special_device, false },
	{ "special_inotify", special_inotify, false },
	{ "special_poll", special_poll, false },
	{ "special_syncs", special_syncs, false },
	{ NULL, NULL, false }
};
