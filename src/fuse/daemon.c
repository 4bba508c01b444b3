#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/daemon.h"
#include "util/io.h"

#define ARENAS_MAX 1	/* of malloc: one more would grow by a page and a system call at a time */

int
daemon_fork(struct daemon *daemon, int failure_status)
{
	char works = 0;
	int ends[2];
	pid_t pid;
	int rc;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	if ((pid = fork()) < 0) {
		rc = -errno;
		(void)close(ends[0]);
		(void)close(ends[1]);
		return rc;
	}
	if (pid > 0) {
		(void)close(ends[1]);
		if (io_read(ends[0], &works, 1) != 1)
			works = 0;
		_exit(works ? 0 : failure_status);
	}
	(void)close(ends[0]);
	daemon->report = ends[1];
	return 0;
}

static void
leave_terminal(void)
{
	int fd;

	if (chdir("/") != 0)
		log_warning("cannot change to /: %m");
	if ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
		return;
	(void)dup2(fd, STDIN_FILENO);
	(void)dup2(fd, STDOUT_FILENO);
	(void)dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		(void)close(fd);
}

void
daemon_report(struct daemon *daemon, bool works)
{
	char byte = works;

	if (daemon->report < 0)
		return;
	if (works) {
		(void)setsid();
		log_setup("mendfs", daemon->log_level, true);
		leave_terminal();
	}
	/* If the parent is gone, nobody waits for the word. */
	(void)io_write(daemon->report, &byte, 1);
	(void)close(daemon->report);
	daemon->report = -1;
}

void
daemon_limits(void)
{
	struct rlimit files;

	(void)umask(0);
	(void)mallopt(M_ARENA_MAX, ARENAS_MAX);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) != 0)
			log_debug("open files stay limited: %m");
	}
}
