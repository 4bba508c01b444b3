#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/daemon.h"
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
	daemon->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return 0;
}

static void
leave_terminal(int null)
{
	if (chdir("/") != 0)
		log_warning("cannot change to /: %m");
	if (null < 0)
		return;
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		(void)close(null);
}

void
daemon_report(struct daemon *daemon, bool works)
{
	char byte = works;

	if (daemon->report < 0)
		return;
	if (works) {
		(void)setsid();
		log_setup(daemon->program, daemon->log_level, true);
		leave_terminal(daemon->null);
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
