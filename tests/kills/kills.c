#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kills.h"

#define FUSE_MAGIC 0x65735546
#define MOUNT_MS 20000
#define RECONCILE_MS 60000
#define LOAD_MS 200			/* a kill comes at random within this long */
#define AGAIN_MS 60			/* and, one time in four, another within this long of the mount */
#define CHECK_EVERY 20			/* kills between two clean unmounts, with fsck.mendfs -n */

static struct shared *shared;
static const char *mountpoint, *log_path;
static char **replicas;
static pid_t daemon_pid;
static uint64_t slowest_ms;

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
pause_ms(uint64_t ms)
{
	usleep((useconds_t)(ms * 1000));
}

static void
give_up(const char *what, const char *why)
{
	char text[1024];
	int i;

	fprintf(stderr, "kills: %s: %s\n", what, why);
	for (i = 0; shared != NULL && i < WORKERS; i++)
		fprintf(stderr, "kills: worker %d: last was: %s\n", i, op_text(&shared->worker[i], &shared->worker[i].op, text, sizeof(text)));
	if (daemon_pid > 0)
		kill(daemon_pid, SIGKILL);
	umount2(mountpoint, MNT_DETACH);
	exit(1);
}

static bool
is_mounted(void)
{
	struct statfs st;

	return statfs(mountpoint, &st) == 0 && st.f_type == FUSE_MAGIC;
}

/* ${program} and the replicas, its messages in the log. */
static pid_t
run(const char *program, const char *option, const char *last)
{
	const char *argv[24] = { program, option };
	int count = 2, i, fd;
	pid_t pid;

	for (i = 0; replicas[i] != NULL && count < 22; i++)
		argv[count++] = replicas[i];
	argv[count] = last;
	if ((pid = fork()) != 0)
		return pid;
	/* Whoever ends the test, nothing of it stays. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if ((fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(126);
	execvp(program, (char **)(uintptr_t)argv);
	_exit(127);
}

static void
mount_up(void)
{
	uint64_t start = now_ms();

	daemon_pid = run("mendfs", "-f", mountpoint);
	while (!is_mounted()) {
		if (waitpid(daemon_pid, NULL, WNOHANG) == daemon_pid)
			give_up("mount", "refused; see the log");
		if (now_ms() - start > MOUNT_MS)
			give_up("mount", "does not come up");
		pause_ms(2);
	}
	if (now_ms() - start > slowest_ms)
		slowest_ms = now_ms() - start;
}

static void
kill_daemon(void)
{
	kill(daemon_pid, SIGKILL);
	waitpid(daemon_pid, NULL, 0);
	daemon_pid = 0;
}

static void
workers_start(pid_t *pids)
{
	int i;

	shared->dying = false;
	fflush(NULL);
	for (i = 0; i < WORKERS; i++) {
		if ((pids[i] = fork()) != 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		work(shared, &shared->worker[i]);
	}
}

static void
workers_end(const pid_t *pids)
{
	bool good = true;
	int i, status;

	for (i = 0; i < WORKERS; i++)
		good = waitpid(pids[i], &status, 0) == pids[i] && status == 0 && good;
	if (!good)
		give_up("a call failed that should not have", "see above");
}

/* Work, and a kill in the midst of it; then perhaps another one while the next mount reconciles. */
static void
kill_once(uint64_t *random)
{
	pid_t pids[WORKERS], reader;
	char why[4096];
	int i;

	workers_start(pids);
	pause_ms(1 + random_below(random, LOAD_MS));
	shared->dying = true;
	kill_daemon();
	workers_end(pids);
	umount2(mountpoint, MNT_DETACH);
	if (random_below(random, 4) != 0)
		return;
	mount_up();
	fflush(NULL);
	if ((reader = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (i = 0; i < WORKERS; i++)
			(void)look(&shared->worker[i], why, sizeof(why));
		_exit(0);
	}
	pause_ms(random_below(random, AGAIN_MS));
	kill_daemon();
	waitpid(reader, NULL, 0);
	umount2(mountpoint, MNT_DETACH);
}

static void
verify(uint64_t nth)
{
	char why[8192];
	int i;

	for (i = 0; i < WORKERS; i++) {
		if (look(&shared->worker[i], why, sizeof(why)))
			continue;
		fprintf(stderr, "kills: after kill %llu\n", (unsigned long long)nth);
		give_up("what was acknowledged", why);
	}
}

/* The first line of the log, after ${from} bytes, that says so, or NULL. */
static const char *
log_line(const char *what, off_t from)
{
	static char line[16384];
	FILE *log = fopen(log_path, "r");
	bool says = false;

	if (log == NULL || fseeko(log, from, SEEK_SET) != 0)
		give_up(log_path, strerror(errno));
	while (!says && fgets(line, sizeof(line), log) != NULL)
		says = strstr(line, what) != NULL;
	fclose(log);
	return says ? line : NULL;
}

static off_t
log_size(void)
{
	struct stat st;

	return stat(log_path, &st) == 0 ? st.st_size : 0;
}

/* When all is reconciled: unmount, and fsck.mendfs -n has nothing to say. */
static void
check(off_t mounted_at)
{
	/* What a crash leaves is completed; what turns out bad, or is put aside, is something else. */
	static const char *const alarms[] = { "quarantine", "is bad on replica", "matches its checksum on no", "can prove it",
	    ": block ", "mended " };
	uint64_t start = now_ms();
	char path[PATH_MAX];
	const char *line;
	unsigned i;
	int status;
	pid_t pid;

	while (log_line("all that was being changed is reconciled", mounted_at) == NULL) {
		if (now_ms() - start > RECONCILE_MS)
			give_up("reconciling", "does not come to an end");
		pause_ms(5);
	}
	while (umount2(mountpoint, 0) != 0) {
		if (now_ms() - start > RECONCILE_MS)
			give_up("umount", strerror(errno));
		pause_ms(20);
	}
	if (waitpid(daemon_pid, &status, 0) != daemon_pid || status != 0)
		give_up("the daemon", "did not end with status 0");
	daemon_pid = 0;
	for (i = 0; i < sizeof(alarms) / sizeof(alarms[0]); i++) {
		if ((line = log_line(alarms[i], 0)) != NULL)
			give_up("the log tells of damage, which there was none", line);
	}
	for (i = 0; replicas[i] != NULL; i++) {
		snprintf(path, sizeof(path), "%s/.mendfs/quarantine", replicas[i]);
		if (rmdir(path) != 0 && errno == ENOTEMPTY)
			give_up(path, "something was put aside, which nobody had a reason to");
	}
	pid = run("fsck.mendfs", "-n", NULL);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		give_up("fsck.mendfs -n", "finds something; see the log");
}

static void
prepare(uint64_t seed)
{
	struct worker *w;
	int i;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		give_up("memory", strerror(errno));
	mount_up();
	for (i = 0; i < WORKERS; i++) {
		w = &shared->worker[i];
		model_init(&w->model, true);
		w->random = seed * 100 + (uint64_t)i;
		snprintf(w->path, sizeof(w->path), "%s/w%d", mountpoint, i);
		if (mkdir(w->path, 0755) != 0)
			give_up(w->path, strerror(errno));
	}
}

int
main(int argc, char *argv[])
{
	uint64_t count, seed, random, nth, done = 0;
	off_t at;
	int i;

	if (argc < 6) {
		fprintf(stderr, "usage: kills COUNT SEED MOUNTPOINT LOG REPLICA...\n"
		    "Kills the daemon COUNT times; mendfs and fsck.mendfs are found on the PATH.\n");
		return 2;
	}
	count = strtoull(argv[1], NULL, 0);
	random = seed = strtoull(argv[2], NULL, 0);
	mountpoint = argv[3];
	log_path = argv[4];
	replicas = argv + 5;
	prepare(seed);
	for (nth = 1; nth <= count; nth++) {
		kill_once(&random);
		at = log_size();
		mount_up();
		verify(nth);
		if (nth % CHECK_EVERY != 0 && nth != count)
			continue;
		check(at);
		printf("kills: %llu of %llu\n", (unsigned long long)nth, (unsigned long long)count);
		fflush(stdout);
		if (nth != count)
			mount_up();
	}
	for (i = 0; i < WORKERS; i++)
		done += shared->worker[i].done;
	printf("kills: seed %llu: %llu kills, %llu calls acknowledged, none lost; a mount took %llu ms at most\n",
	    (unsigned long long)seed, (unsigned long long)count, (unsigned long long)done, (unsigned long long)slowest_ms);
	return 0;
}
