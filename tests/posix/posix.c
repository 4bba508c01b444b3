#include <ftw.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "posix.h"

#define FUSE_MAGIC 0x65735546
#define SKIPPED 77
#define CASE_SECONDS 600
#define TICK_NS 12000000		/* three jiffies at 250 Hz */

static unsigned misses;
static const char *reference;
static bool slow;			/* --long */
static char skip_reason_path[] = "/tmp/posix-skip-XXXXXX";

bool
posix_check(const char *file, int line, const char *what, bool held)
{

	if (!held) {
		printf("# %s:%d: does not hold: %s\n", file, line, what);
		misses++;
	}
	return held;
}

int64_t
posix_result(const char *file, int line, const char *what, int64_t result, int want)
{
	int got = result == -1 ? errno : 0;

	if (got != want) {
		printf("# %s:%d: %s gave %s, want %s\n", file, line, what, got == 0 ? "success" : strerrorname_np(got),
		    want == 0 ? "success" : strerrorname_np(want));
		misses++;
	}
	return result;
}

bool
posix_equal(const char *file, int line, const char *what, int64_t got, int64_t want)
{

	if (got != want) {
		printf("# %s:%d: %s is %lld (0%llo), want %lld (0%llo)\n", file, line, what, (long long)got,
		    (unsigned long long)got, (long long)want, (unsigned long long)want);
		misses++;
	}
	return got == want;
}

void
posix_skip(const char *why)
{
	FILE *file = fopen(skip_reason_path, "w");

	if (file != NULL) {
		fputs(why, file);
		fclose(file);
	}
	fflush(NULL);
	_exit(SKIPPED);
}

bool
posix_fuse(void)
{
	struct statfs fs;

	return statfs(".", &fs) == 0 && fs.f_type == FUSE_MAGIC;
}

const char *
posix_reference(void)
{

	return reference;
}

bool
posix_long(void)
{

	return slow;
}

static void
become_with(uid_t uid, gid_t gid, size_t count, const gid_t *groups)
{

	if (seteuid(0) != 0 || setgroups(count, groups) != 0 || setegid(gid) != 0 || seteuid(uid) != 0) {
		printf("# cannot become %u:%u: %s\n", uid, gid, strerror(errno));
		misses++;
	}
}

void
become(uid_t uid, gid_t gid)
{

	become_with(uid, gid, 0, NULL);
}

void
become_member(uid_t uid, gid_t gid, gid_t other)
{

	become_with(uid, gid, 1, &other);
}

void
make(const char *path, mode_t mode, uid_t owner, gid_t group)
{
	int fd = (int)OK(open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));

	EQUAL(write(fd, "0123456789", 10), 10);
	OK(fchown(fd, owner, group));
	OK(fchmod(fd, mode));
	close(fd);
}

void
make_dir(const char *path, mode_t mode, uid_t owner, gid_t group)
{

	OK(mkdir(path, 0700));
	OK(chown(path, owner, group));
	OK(chmod(path, mode));
}

int
open_new(const char *path)
{

	return (int)OK(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0644));
}

mode_t
mode_of(const char *path)
{
	struct stat st = { .st_mode = 0 };

	OK(lstat(path, &st));
	return st.st_mode;
}

int64_t
size_of(const char *path)
{
	struct stat st = { .st_size = -1 };

	OK(lstat(path, &st));
	return st.st_size;
}

int64_t
nlink_of(const char *path)
{
	struct stat st = { .st_nlink = 0 };

	OK(lstat(path, &st));
	return (int64_t)st.st_nlink;
}

bool
exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

char *
long_name(size_t len)
{
	static char name[8192];

	memset(name, 'n', len);
	name[len] = '\0';
	return name;
}

int
wait_for(pid_t pid)
{
	int status = 0;

	OK(waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void
tick(void)
{
	struct timespec pause = { 0, TICK_NS };

	nanosleep(&pause, NULL);
}

struct watch
watch(const char *path)
{
	struct watch watch = { .path = path };

	OK(lstat(path, &watch.before));
	tick();
	return watch;
}

static int
compare(const struct timespec *a, const struct timespec *b)
{

	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	return a->tv_nsec < b->tv_nsec ? -1 : a->tv_nsec > b->tv_nsec;
}

static void
moved_one(const char *file, int line, const struct watch *watch, const char *name, bool want, int order)
{

	if ((want && order <= 0) || (!want && order != 0)) {
		printf("# %s:%d: %s of %s %s\n", file, line, name, watch->path, !want ? "has moved" : order == 0 ?
		    "has not moved" : "has gone back");
		misses++;
	}
}

void
posix_moved(const char *file, int line, const struct watch *watch, unsigned which)
{
	struct stat now;

	posix_result(file, line, "lstat", lstat(watch->path, &now), 0);
	moved_one(file, line, watch, "mtime", which & MTIME, compare(&now.st_mtim, &watch->before.st_mtim));
	moved_one(file, line, watch, "ctime", which & CTIME, compare(&now.st_ctim, &watch->before.st_ctim));
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{

	(void)st;
	(void)ftw;
	return flag == FTW_DP ? rmdir(path) : unlink(path);
}

static void
run_case(const struct posix_case *one, const char *path)
{

	if (chdir(path) != 0)
		_exit(1);
	umask(022);
	alarm(CASE_SECONDS);
	one->run();
	become(0, 0);
	fflush(NULL);
	_exit(misses == 0 ? 0 : 1);
}

static void
show_skip(void)
{
	char reason[200] = "";
	FILE *file = fopen(skip_reason_path, "r");

	if (file != NULL) {
		if (fgets(reason, sizeof(reason), file) == NULL)
			reason[0] = '\0';
		fclose(file);
	}
	printf(" # SKIP %s", reason);
}

/* Returns false if the case failed. */
static bool
try_case(const struct posix_case *one, const char *directory, unsigned number)
{
	char path[4096];
	int status = 0;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s.%d", directory, one->name, (int)getpid());
	if (mkdir(path, 0755) != 0 || chmod(path, 0755) != 0) {
		printf("not ok %u - %s\n# mkdir %s: %s\n", number, one->name, path, strerror(errno));
		return false;
	}
	fflush(stdout);
	if ((pid = fork()) == 0)
		run_case(one, path);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		status = -1;
	if (WIFSIGNALED(status))
		printf("# ended by signal %d\n", WTERMSIG(status));
	if (nftw(path, remove_one, 30, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0) {
		printf("# cannot remove %s: %s\n", path, strerror(errno));
		status = 1 << 8;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
		printf("ok %u - %s", number, one->name);
		show_skip();
		printf("\n");
		return true;
	}
	printf("%s %u - %s\n", status == 0 ? "ok" : "not ok", number, one->name);
	return status == 0;
}

static const struct posix_case *const tables[] = {
	open_cases, names_cases, rename_cases, attrs_cases, times_cases, data_cases, map_cases, xattr_cases, acl_cases, dirs_cases,
	locks_cases, special_cases, differential_cases
};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

static bool
wanted(const struct posix_case *one, char **names, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (strncmp(one->name, names[i], strlen(names[i])) == 0)
			return true;
	return count == 0 && (slow || !one->slow);
}

static const char usage[] =
    "usage: posix [--reference DIRECTORY] [--long] [--list] DIRECTORY [CASE]...\n"
    "DIRECTORY is what is tested, the reference one on another file system that is right;\n"
    "CASE is the beginning of a case's name.  Speaks TAP.\n";

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "reference", required_argument, NULL, 'r' }, { "long", no_argument, NULL, 'l' },
		{ "list", no_argument, NULL, 'L' }, { NULL, 0, NULL, 0 }
	};
	const struct posix_case *one;
	unsigned count = 0, failed = 0;
	bool list = false;
	size_t i;
	int c, fd;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'r')
			reference = realpath(optarg, NULL);
		else if (c == 'l')
			slow = true;
		else if (c == 'L')
			list = true;
		else
			return fputs(usage, stderr), 2;
	}
	if (optind == argc && !list)
		return fputs(usage, stderr), 2;
	if (geteuid() != 0 && !list) {
		printf("1..0 # SKIP needs root\n");
		return 0;
	}
	if ((fd = mkstemp(skip_reason_path)) >= 0)
		close(fd);
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < TABLES; i++)
		for (one = tables[i]; one->name != NULL; one++) {
			if (list)
				printf("%s%s\n", one->name, one->slow ? " (long)" : "");
			else if (wanted(one, argv + optind + 1, argc - optind - 1))
				failed += !try_case(one, argv[optind], ++count);
		}
	unlink(skip_reason_path);
	if (!list)
		printf("1..%u\n# %u of %u failed\n", count, failed, count);
	return failed == 0 ? 0 : 1;
}
