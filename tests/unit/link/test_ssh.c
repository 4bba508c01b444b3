/*
 * A link through a program that is taken for ssh.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "link/greeting.h"
#include "link/ssh.h"

#include "pair.h"

static char top[64];

/* A greeting of mendd's, as printf(1) writes it. */
#define GREETING "printf 'mendfs-s\\001\\000\\001\\000\\000\\000\\000\\000'"

/* Whether the test came to its end or not. */
static void
remove_top(void)
{
	char command[128];

	if (*top == '\0')
		return;
	snprintf(command, sizeof(command), "rm -rf %s", top);
	ck_assert_int_eq(system(command), 0);
}

/* Have ${script} be ssh; what it was called with is in $top/args, an argument a line. */
static void
be_ssh(const char *script)
{
	char path[128];
	FILE *file;

	if (*top == '\0') {
		strcpy(top, "/tmp/mendfs-test-ssh.XXXXXX");
		ck_assert_ptr_nonnull(mkdtemp(top));
		/* Only here is the name known, in the test's own process. */
		ck_assert_int_eq(atexit(remove_top), 0);
	}
	snprintf(path, sizeof(path), "%s/ssh", top);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "#!/bin/sh\nprintf '%%s\\n' \"$@\" >%s/args\nfor last; do :; done\n%s\n", top, script);
	fclose(file);
	ck_assert_int_eq(chmod(path, 0755), 0);
	setenv("MENDFS_SSH", path, 1);
}

static int
open_link(const char *directory, struct link **link, char *why, size_t why_size)
{
	const struct link_ssh_target target = {
		.name = "ssh://nas/replica", .user = "me", .host = "nas", .port = 2222, .directory = directory, .timeout_ms = PATIENCE_MS,
	};

	*why = '\0';
	return link_open_ssh(&target, link, why, why_size);
}

START_TEST(echo)
{
	struct link *link;
	char why[256];

	/* What we send comes back, behind our greeting, which is taken off. */
	be_ssh(GREETING "; head -c 16 >/dev/null; exec cat");
	ck_assert_int_eq(open_link("/replica", &link, why, sizeof(why)), 0);
	ck_assert_int_eq(send_bytes(link, "hello", 5), 0);
	expect_bytes(link, "hello", 5);
	link_free(link);
	/* No child is left. */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

/* The far shell gives mendd the very name, whatever is in it. */
START_TEST(quoting)
{
	static const char *const names[] = { "/a b", "/it's", "/$(touch x)`y`", "/\"q\"\\", "/;&|<>*?[~#!", "/-x", "/'''" };
	struct link *link;
	char why[256], line[256], path[128];
	FILE *file;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		/* As sshd does: a shell with -c.  mendd is a script on its PATH. */
		be_ssh("PATH=$(dirname \"$0\"):$PATH exec sh -c \"$last\"");
		snprintf(path, sizeof(path), "%s/mendd", top);
		file = fopen(path, "w");
		ck_assert_ptr_nonnull(file);
		fprintf(file, "#!/bin/sh\nprintf '%%s %%s' \"$1\" \"$2\" >%s/called\n" GREETING "\ncat >/dev/null\n", top);
		fclose(file);
		ck_assert_int_eq(chmod(path, 0755), 0);
		ck_assert_int_eq(open_link(names[i], &link, why, sizeof(why)), 0);
		link_free(link);
		snprintf(path, sizeof(path), "%s/called", top);
		file = fopen(path, "r");
		ck_assert_ptr_nonnull(file);
		ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
		fclose(file);
		ck_assert_int_eq(strncmp(line, "--stdio ", 8), 0);
		ck_assert_str_eq(line + 8, names[i]);
	}
}
END_TEST

START_TEST(arguments)
{
	struct link *link;
	char why[256], line[1024], path[128];
	bool batch = false, user = false, port = false, end = false;
	FILE *file;

	be_ssh(GREETING "; cat >/dev/null");
	ck_assert_int_eq(open_link("/replica", &link, why, sizeof(why)), 0);
	link_free(link);
	snprintf(path, sizeof(path), "%s/args", top);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		batch |= strcmp(line, "BatchMode=yes\n") == 0;
		user |= strcmp(line, "me\n") == 0;
		port |= strcmp(line, "2222\n") == 0;
		/* The host comes right after the end of options. */
		if (strcmp(line, "--\n") == 0) {
			ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
			ck_assert_str_eq(line, "nas\n");
			end = true;
		}
	}
	fclose(file);
	ck_assert(batch && user && port && end);
}
END_TEST

START_TEST(refused)
{
	static const struct link_ssh_target targets[] = {
		{ .host = "-oProxyCommand=touch /tmp/x", .directory = "/d" },
		{ .host = "", .directory = "/d" },
		{ .host = "a b", .directory = "/d" },
		{ .host = "nas", .user = "-l", .directory = "/d" },
		{ .host = "nas", .user = "", .directory = "/d" },
		{ .host = "nas", .user = "a;b", .directory = "/d" },
		{ .host = "nas", .port = 65536, .directory = "/d" },
		{ .host = "nas", .directory = "d" },
		{ .host = "nas", .directory = "" },
		{ .host = "nas", .directory = "/a\nb" },
	};
	struct link *link;
	char why[256];

	setenv("MENDFS_SSH", "/bin/false", 1);
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		*why = '\0';
		ck_assert_int_eq(link_open_ssh(&targets[i], &link, why, sizeof(why)), -EINVAL);
		ck_assert_int_ne(*why, '\0');
	}
}
END_TEST

/* Each way of not getting there, and what is said of it. */
START_TEST(failures)
{
	static const struct { const char *script; int rc; const char *said; } cases[] = {
		{ "echo 'me@nas: Permission denied (publickey).' >&2; exit 255", -EPERM, "Permission denied (publickey)." },
		{ "echo one >&2; printf two >&2; exit 1", -EPERM, "two" },
		{ "exit 0", -EPERM, "without a word" },
		{ "echo 'Welcome to nas, all of you!'; exec cat", -EPROTO, "start-up files" },
		{ "printf 'mendfs-s\\002\\000\\003\\000\\000\\000\\000\\000'; exec cat", -EPROTONOSUPPORT, "version" },
		{ GREETING " | head -c 15; exit 0", -EPERM, "without a word" },
	};
	struct link_ssh_target slow = { .name = "x", .host = "nas", .directory = "/d", .timeout_ms = 20 };
	struct link *link;
	char why[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		be_ssh(cases[i].script);
		ck_assert_int_eq(open_link("/replica", &link, why, sizeof(why)), cases[i].rc);
		ck_assert_ptr_nonnull(strstr(why, cases[i].said));
	}
	be_ssh("exec cat >/dev/null");
	ck_assert_int_eq(link_open_ssh(&slow, &link, why, sizeof(why)), -ETIMEDOUT);
	setenv("MENDFS_SSH", "/nonexistent/ssh", 1);
	ck_assert_int_eq(open_link("/replica", &link, why, sizeof(why)), -ENOENT);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

/* Something that ssh left behind holds its standard error open: nobody waits for that. */
START_TEST(left_behind)
{
	struct link *link;
	char why[256];

	be_ssh("(exec sleep 30 </dev/null >/dev/null) & echo $! >$(dirname \"$0\")/pid; " GREETING "; cat >/dev/null");
	ck_assert_int_eq(open_link("/replica", &link, why, sizeof(why)), 0);
	link_free(link);
	ck_assert_int_eq(system("kill $(cat $(dirname $MENDFS_SSH)/pid)"), 0);
}
END_TEST

/* A link that breaks is free to be freed, and the child goes. */
START_TEST(dies)
{
	struct link *link;
	char why[256];

	be_ssh(GREETING "; head -c 16 >/dev/null; exit 3");
	ck_assert_int_eq(open_link("/replica", &link, why, sizeof(why)), 0);
	expect_end(link, -ECONNRESET, PATIENCE_MS);
	link_free(link);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("link/ssh");
	TCase *tc = tcase_create("ssh");

	tcase_add_test(tc, echo);
	tcase_add_test(tc, quoting);
	tcase_add_test(tc, arguments);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, failures);
	tcase_add_test(tc, left_behind);
	tcase_add_test(tc, dies);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
