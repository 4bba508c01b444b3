/*
 * What a confined process can do, which is all that a replica needs, and
 * cannot.  Each test is a process of its own, which confines itself.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/capability.h>

#include "format/record.h"
#include "mendd/confine.h"
#include "mendd/seccomp.h"
#include "util/log.h"

#include "../replica/scratch.h"

/*
 * What has to be true in a process that is confined: Check's own way of telling
 * would need calls that are not there any more.
 */
#define must(what) do { \
	if (!(what)) { \
		dprintf(STDERR_FILENO, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #what, errno); \
		_exit(1); \
	} \
} while (0)

static char other[PATH_MAX];		/* a directory that is not exported */
static bool landlocked, filtered;

/* Does this kernel, and this build, have it?  Asked in a process of its own. */
static bool
has(int (*try)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(try() != 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static int
try_landlock(void)
{
	const struct landlock_directory all = { "/", true };

	return landlock_confine(&all, 1);
}

static void
setup(void)
{
	scratch_setup();
	snprintf(other, sizeof(other), "%s.other", top);
	ck_assert(mkdir(other, 0755) == 0 || errno == EEXIST);
	landlocked = has(try_landlock);
	filtered = has(seccomp_confine);
	log_setup("test", LOG_LEVEL_ERROR, false);
}

static void
teardown(void)
{
	(void)rmdir(other);
	scratch_teardown();
}

static void
confine(void)
{
	const struct landlock_directory directories[] = { { top, true }, { "/nowhere/at/all", true } };
	const struct confine confine = { .directories = directories, .count = 2 };

	must(confine_process(&confine) == 0);
}

/* Does ${path} open?  0 or errno. */
static int
opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int
note_entry(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	(void)name, (void)d_type, (void)ino;
	++*(unsigned *)arg;
	return 0;
}

/* By a name, and by a handle, which goes another way. */
static void
use_attributes(struct replica_at at)
{
	const struct replica_times times = { { 1, 2 }, { 3, 4 } };
	uint8_t record[RECORD_SIZE_MAX];
	struct replica_info info = { .record = record };
	char text[64];

	must(r->ops->chmod(r, at, 0700) == 0);
	must(r->ops->chown(r, at, getuid(), getgid()) == 0);
	must(r->ops->xattr_set(r, at, "user.x", "1", 1, 0) == 0);
	must(r->ops->xattr_get(r, at, "user.x", text, sizeof(text)) == 1);
	must(r->ops->xattr_list(r, at, text, sizeof(text)) >= 7);
	must(r->ops->xattr_remove(r, at, "user.x") == 0);
	must(r->ops->store(r, at, &times, "record", 6) == 0);
	must(r->ops->load(r, at, &info) == 0);
	must(info.record_len == 6);
	must(r->ops->stat(r, at, &info.st) == 0);
}

static void
use_names(void)
{
	const struct replica_new dir = { .mode = S_IFDIR | 0755, .owned = true };
	const struct replica_new link = { .mode = S_IFLNK | 0777, .target = "target", .owned = true };
	const struct replica_new fifo = { .mode = S_IFIFO | 0644, .owned = true };
	const struct replica_at at = { REPLICA_ROOT, "d" }, link_at = { REPLICA_ROOT, "l" };
	replica_handle d, pin;
	char target[64];
	unsigned count = 0;

	must(r->ops->create(r, REPLICA_ROOT, "d", &dir, NULL) == 0);
	must(r->ops->create(r, REPLICA_ROOT, "l", &link, NULL) == 0);
	must(r->ops->create(r, REPLICA_ROOT, "p", &fifo, NULL) == 0);
	must(r->ops->readlink(r, link_at, target, sizeof(target)) == 0);
	must(r->ops->dir_open(r, REPLICA_ROOT, "d", &d) == 0);
	must(r->ops->pin(r, REPLICA_ROOT, "l", &pin) == 0);
	/* Into another directory: what older Landlocks refuse. */
	must(r->ops->rename(r, REPLICA_ROOT, "p", d, "q", 0) == 0);
	must(r->ops->rename(r, REPLICA_ROOT, "l", d, "q", 2) == 0);
	must(r->ops->list(r, d, note_entry, &count) == 0);
	must(count == 1);
	use_attributes(at);
	use_attributes(held(d));
	must(r->ops->dir_sync(r, d) == 0);
	must(r->ops->unlink(r, d, "q", false) == 0);
	must(r->ops->unlink(r, REPLICA_ROOT, "l", false) == 0);
	r->ops->dir_close(r, d);
	r->ops->dir_close(r, pin);
	must(r->ops->unlink(r, REPLICA_ROOT, "d", true) == 0);
}

static void
use_files(void)
{
	const struct replica_new file = { .mode = S_IFREG | 0640, .uid = getuid(), .gid = getgid() };
	const struct replica_at at = { REPLICA_ROOT, "f" };
	const struct replica_times times = { { 1, 2 }, { 3, 4 } };
	uint8_t record[RECORD_SIZE_MAX];
	struct replica_info info = { .record = record };
	replica_handle f, t;
	char byte;
	int rc;

	must(r->ops->create(r, REPLICA_ROOT, "f", &file, &f) == 0);
	must(r->ops->pwrite(r, f, "hello", 5, 4096) == 5);
	rc = r->ops->fallocate(r, f, 0, 0, 8192);
	must(rc == 0 || rc == -EOPNOTSUPP);
	must(r->ops->truncate(r, f, 5000) == 0);
	must(r->ops->seek(r, f, 0, SEEK_DATA) >= 0);
	must(r->ops->fsync(r, f, false) == 0);
	must(r->ops->fsync(r, f, true) == 0);
	r->ops->drop_cache(r, f);
	must(r->ops->pread(r, f, &byte, 1, 4096) == 1);
	rc = (int)r->ops->pread_cached(r, f, &byte, 1, 4096);
	must(rc == 1 || rc == -EAGAIN || rc == -EOPNOTSUPP);
	r->ops->close(r, f);
	must(r->ops->store(r, at, &times, "record", 6) == 0);
	must(r->ops->load(r, at, &info) == 0);
	must(info.record_len == 6);
	must(r->ops->open(r, at, true, &f, NULL) == 0);
	r->ops->close(r, f);
	must(r->ops->open_direct(r, at, &f) == 0);
	r->ops->close(r, f);
	if ((rc = r->ops->tmpfile(r, REPLICA_ROOT, &file, &t)) == 0) {
		must(r->ops->link(r, (struct replica_at){ t, NULL }, REPLICA_ROOT, "g") == 0);
		must(r->ops->unlink(r, REPLICA_ROOT, "g", false) == 0);
		r->ops->close(r, t);
	} else {
		must(rc == -EOPNOTSUPP);
	}
	must(r->ops->open(r, at, true, &f, NULL) == 0);
	use_attributes(held(f));
	must(r->ops->link(r, held(f), REPLICA_ROOT, "i") == 0);
	must(r->ops->unlink(r, REPLICA_ROOT, "i", false) == 0);
	r->ops->close(r, f);
	use_attributes(at);
	must(r->ops->link(r, at, REPLICA_ROOT, "h") == 0);
	must(r->ops->unlink(r, REPLICA_ROOT, "h", false) == 0);
	must(r->ops->unlink(r, REPLICA_ROOT, "f", false) == 0);
}

static void *
open_again(void *arg)
{
	struct replica *again;
	struct statvfs st;

	(void)arg;
	must(dir_replica_open(top, false, &again) == 0);
	must(again->ops->lock(again, true) == 0);
	must(again->ops->statfs(again, &st) == 0);
	must(again->ops->sync(again) == 0);
	must(again->ops->check(again) == 0);
	again->ops->free(again);
	use_names();
	use_files();
	return NULL;
}

/* Every operation of a replica works as if nothing were confined, in a thread, too. */
static void
a_replica_works(void)
{
	pthread_t thread;

	confine();
	must(pthread_create(&thread, NULL, open_again, NULL) == 0);
	must(pthread_join(thread, NULL) == 0);
	use_names();
	use_files();
}

static void
nothing_outside_is_opened(void)
{
	char path[PATH_MAX + 8];

	if (!landlocked)
		return;
	snprintf(path, sizeof(path), "%s/x", other);
	confine();
	must(opens(top, O_RDONLY | O_DIRECTORY) == 0);
	must(opens("/etc/passwd", O_RDONLY) == EACCES);
	must(opens("/", O_RDONLY | O_DIRECTORY) == EACCES);
	must(opens(path, O_WRONLY | O_CREAT) == EACCES);
	must(opens(under("../x"), O_WRONLY | O_CREAT) == EACCES);
	must(mkdir(path, 0755) == -1);
	r->ops->close(r, make_file("f", 0644));
	must(rename(under("f"), path) == -1);
	must(errno == EACCES || errno == EXDEV);
	/* Nor by a link that stands inside. */
	must(symlinkat("/etc/passwd", AT_FDCWD, under("l")) == 0);
	must(opens(under("l"), O_RDONLY) == EACCES);
}

/* An export that all clients may only read. */
static void
reading_is_not_writing(void)
{
	const struct landlock_directory directories[] = { { top, false }, { other, true } };
	const struct confine confine = { .directories = directories, .count = 2 };
	char path[PATH_MAX + 8];

	if (!landlocked)
		return;
	snprintf(path, sizeof(path), "%s/x", other);
	r->ops->close(r, make_file("f", 0644));
	must(confine_process(&confine) == 0);
	must(opens(under("f"), O_RDONLY) == 0);
	must(opens(under("f"), O_RDWR) == EACCES);
	must(opens(under("g"), O_WRONLY | O_CREAT) == EACCES);
	must(opens(path, O_WRONLY | O_CREAT) == 0);
	must(opens(path, O_RDWR) == 0);
}

/* The value of a line of /proc/self/status, which was opened before. */
static unsigned long long
status_of(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	must(line != NULL);
	return strtoull(line + strlen(name), NULL, 16);
}

static void
capabilities_are_few(void)
{
	const unsigned long long most = 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER |
	    1u << CAP_FSETID | 1u << CAP_MKNOD | 1u << CAP_SETFCAP;
	char text[4096];
	ssize_t len;
	int fd;

	must((fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC)) >= 0);
	confine();
	must((len = pread(fd, text, sizeof(text) - 1, 0)) > 0);
	text[len] = '\0';
	must((status_of(text, "CapEff:") & ~most) == 0);
	must((status_of(text, "CapPrm:") & ~most) == 0);
	must(status_of(text, "CapInh:") == 0);
	if (getuid() == 0)
		must(status_of(text, "CapBnd:") == most);
	must(status_of(text, "NoNewPrivs:") == 1);
	close(fd);
}

static void
no_other_calls(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	void *page;

	if (!filtered)
		return;
	confine();
	must(socket(AF_INET, SOCK_STREAM, 0) == -1);
	must(errno == ENOSYS);
	must(bind(0, (struct sockaddr *)&address, sizeof(address)) == -1);
	must(errno == ENOSYS);
	must(kill(getppid(), 0) == -1);
	must(fork() == -1);
	must((int)syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0) == -1);
	must(errno == ENOSYS);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(page != MAP_FAILED);
	must(mprotect(page, 4096, PROT_READ | PROT_EXEC) == -1);
	must(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
}

/* What an intruder would call is his last. */
START_TEST(the_deadly_ones_kill)
{
	static const long deadly[] = { SYS_execve, SYS_ptrace, SYS_mount, SYS_setns, SYS_open_by_handle_at, SYS_bpf };
	size_t i;
	int status;
	pid_t pid;

	if (!filtered)
		return;
	for (i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
		if ((pid = fork()) == 0) {
			confine();
			(void)syscall(deadly[i], 0, 0, 0, 0, 0);
			_exit(0);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status));
		ck_assert_int_eq(WTERMSIG(status), SIGSYS);
	}
}
END_TEST

static const struct { const char *name; void (*body)(void); } bodies[] = {
	{ "a_replica_works", a_replica_works },
	{ "nothing_outside_is_opened", nothing_outside_is_opened },
	{ "reading_is_not_writing", reading_is_not_writing },
	{ "capabilities_are_few", capabilities_are_few },
	{ "no_other_calls", no_other_calls },
};

START_TEST(confined)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		bodies[_i].body();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "%s: wait status %#x", bodies[_i].name, (unsigned)status);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mendd/confine");
	TCase *tc = tcase_create("confine");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, confined, 0, (int)(sizeof(bodies) / sizeof(bodies[0])));
	tcase_add_test(tc, the_deadly_ones_kill);
	suite_add_tcase(suite, tc);
	return scratch_main(suite);
}
