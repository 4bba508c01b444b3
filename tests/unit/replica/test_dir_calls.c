/*
 * How many system calls an operation takes.  A traced child does it between
 * two calls that no operation makes.
 */

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "format/record.h"

#include "scratch.h"

#define MARK SYS_getpriority	/* nothing here asks for that */

static const struct replica_times times = { { 1111111111, 1 }, { 2222222222, 2 } };
static uint8_t record[RECORD_SIZE_MAX];
static struct replica_info info = { .record = record };
static replica_handle file, dir;
static const struct replica_new plain = { .mode = S_IFREG | 0644, .owned = true };
static struct replica_new given = { .mode = S_IFREG | 0644 };

static int load_name(void) { return r->ops->load(r, named(REPLICA_ROOT, "f"), &info); }
static int load_dir(void) { return r->ops->load(r, held(dir), &info); }
static int store_name(void) { return r->ops->store(r, named(REPLICA_ROOT, "f"), &times, record, 64); }
static int store_file(void) { return r->ops->store(r, held(file), &times, record, 64); }
static int store_dir(void) { return r->ops->store(r, held(dir), &times, record, 64); }
static int open_name(void) { return r->ops->open(r, named(REPLICA_ROOT, "f"), true, &file, &info.st); }
static int dir_open_name(void) { return r->ops->dir_open(r, REPLICA_ROOT, "d", &dir); }
static int create_file(void) { return r->ops->create(r, REPLICA_ROOT, "n", &plain, &file); }
static int create_given(void) { return r->ops->create(r, REPLICA_ROOT, "n", &given, &file); }
static int pread_file(void) { return r->ops->pread(r, file, record, 64, 0) != 64; }
static int pwrite_file(void) { return r->ops->pwrite(r, file, record, 64, 0) != 64; }
static int unlink_name(void) { return r->ops->unlink(r, REPLICA_ROOT, "f", false); }
static int link_file(void) { return r->ops->link(r, held(file), REPLICA_ROOT, "l"); }

static const struct {
	const char *what;
	int (*run)(void);
	int calls;
} cases[] = {
	{ "load by name", load_name, 3 },
	{ "load of a directory", load_dir, 3 },
	{ "store by name", store_name, 2 },
	{ "store by handle", store_file, 2 },
	{ "store of a directory", store_dir, 2 },
	{ "open", open_name, 3 },
	{ "dir_open", dir_open_name, 1 },
	{ "create", create_file, 1 },
	{ "create with an owner", create_given, 2 },
	{ "pread", pread_file, 1 },
	{ "pwrite", pwrite_file, 1 },
	{ "unlink", unlink_name, 1 },
	{ "link by handle", link_file, 1 },
};

static void
child(int (*run)(void))
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(77);
	raise(SIGSTOP);
	syscall(MARK, 0, 0);
	if (run() != 0)
		_exit(1);
	syscall(MARK, 0, 0);
	_exit(0);
}

/* The number of the call that ${pid} enters, or -1 at its end (or -2: it failed). */
static long
next_call(pid_t pid)
{
	struct __ptrace_syscall_info call;
	int status;

	for (;;) {
		ck_assert_int_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status))
			return WEXITSTATUS(status) == 0 ? -1 : -2;
		ck_assert(WIFSTOPPED(status));
		ck_assert_int_gt(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(call), &call), 0);
		if (call.op == PTRACE_SYSCALL_INFO_ENTRY)
			return (long)call.entry.nr;
	}
}

START_TEST(calls)
{
	int count = 0, status;
	long call;
	pid_t pid;

	given.uid = geteuid();
	given.gid = getegid();
	file = make_file("f", 0644);
	dir = make_dir("d", 0755);
	ck_assert_int_eq(r->ops->pwrite(r, file, record, 64, 0), 64);
	if ((pid = fork()) == 0)
		child(cases[_i].run);
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status)) {
		/* Nobody may be traced here. */
		ck_assert_int_eq(WEXITSTATUS(status), 77);
		return;
	}
	ck_assert_int_eq(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
	while ((call = next_call(pid)) != MARK)
		ck_assert_int_ge(call, 0);
	while ((call = next_call(pid)) != MARK) {
		ck_assert_msg(call >= 0, "%s failed", cases[_i].what);
		count++;
	}
	while (next_call(pid) >= 0)
		;
	ck_assert_msg(count == cases[_i].calls, "%s took %d calls, not %d", cases[_i].what, count, cases[_i].calls);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("replica/dir_calls");
	TCase *tcase = tcase_create("calls");

	tcase_add_checked_fixture(tcase, scratch_setup, scratch_teardown);
	tcase_add_loop_test(tcase, calls, 0, sizeof(cases) / sizeof(cases[0]));
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
