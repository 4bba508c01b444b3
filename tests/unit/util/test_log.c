#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/io.h"
#include "util/log.h"

#include "../check_main.h"

#define SIZE (1 << 20)

static int fd;
static char said[SIZE];

/* Standard error is a file from here on; each test has a process of its own. */
static void
setup(void)
{
	ck_assert_int_ge(fd = memfd_create("test_log", MFD_CLOEXEC), 0);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
}

static const char *
output(void)
{
	ssize_t n = io_pread(fd, said, SIZE - 1, 0);

	ck_assert_int_ge(n, 0);
	said[n] = '\0';
	return said;
}

START_TEST(before_setup)
{
	log_error("one %d", 1);
	log_info("two");
	log_debug("three");
	ck_assert_str_eq(output(), "one 1\ntwo\n");
}
END_TEST

START_TEST(shape_of_a_line)
{
	log_setup("mendfs", LOG_LEVEL_DEBUG, false);
	log_error("no such replica: %s", "/a");
	log_warning("replica %s is behind", "/b");
	log_info("mounted");
	log_debug("%s", "");
	ck_assert_str_eq(output(),
	    "mendfs: no such replica: /a\n"
	    "mendfs: warning: replica /b is behind\n"
	    "mendfs: mounted\n"
	    "mendfs: \n");
}
END_TEST

START_TEST(levels)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	enum log_level level;

	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(log_parse_level(names[i], &level), 0);
		ck_assert_int_eq((int)level, i);
		log_setup("p", level, false);
		for (int j = 0; j < 4; j++)
			ck_assert_int_eq(log_enabled((enum log_level)j), j <= i);
	}
	ck_assert_int_eq(log_parse_level("Error", &level), -EINVAL);
	ck_assert_int_eq(log_parse_level("", &level), -EINVAL);
	ck_assert_int_eq(log_parse_level("errors", &level), -EINVAL);

	log_setup("p", LOG_LEVEL_WARNING, false);
	log_info("no");
	log_warning("yes");
	log_error("yes");
	ck_assert_str_eq(output(), "p: warning: yes\np: yes\n");
}
END_TEST

START_TEST(a_name_cannot_forge_a_line)
{
	log_setup("p", LOG_LEVEL_INFO, false);
	log_error("a\np: forged\r\t\x1b[2J\x7f");
	log_error("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");	/* letters, euro, a face */
	log_error("\xff \xc3 \xe2\x82 \xc0\x8a \xed");			/* not UTF-8 */
	log_error("\xc2\x85 \xc2\x9b" "31m \xe2\x80\xa8 \xe0\x82\x85");	/* controls in UTF-8 */
	log_error("100%%");
	ck_assert_str_eq(output(),
	    "p: a\\x0ap: forged\\x0d\\x09\\x1b[2J\\x7f\n"
	    "p: gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\n"
	    "p: \\xff \\xc3 \\xe2\\x82 \\xc0\\x8a \\xed\n"
	    "p: \\xc2\\x85 \\xc2\\x9b31m \\xe2\\x80\\xa8 \\xe0\\x82\\x85\n"
	    "p: 100%\n");
}
END_TEST

/* Too long: cut, but one line, whatever it holds. */
START_TEST(a_long_message_is_cut)
{
	static char text[100000];
	size_t len;

	log_setup("p", LOG_LEVEL_INFO, false);
	memset(text, _i == 0 ? 'x' : '\n', sizeof(text) - 1);
	log_error("%s", text);
	len = strlen(output());
	ck_assert_uint_gt(len, 8192);
	ck_assert_uint_lt(len, 20000);
	ck_assert_ptr_eq(strchr(said, '\n'), said + len - 1);
}
END_TEST

START_TEST(errno_is_kept)
{
	log_setup("p", LOG_LEVEL_INFO, false);
	errno = ENOTDIR;
	log_error("%m");
	ck_assert_int_eq(errno, ENOTDIR);
	close(fd);
	close(STDERR_FILENO);
	errno = ENOTDIR;
	log_error("into nothing");
	ck_assert_int_eq(errno, ENOTDIR);
}
END_TEST

START_TEST(to_syslog_nothing_on_stderr)
{
	log_setup("mendfs-test", LOG_LEVEL_INFO, true);
	log_debug("unheard");
	log_setup("mendfs-test", LOG_LEVEL_INFO, false);
	log_info("heard");
	ck_assert_str_eq(output(), "mendfs-test: heard\n");
}
END_TEST

#define LINES 2000

static void *
talk(void *arg)
{
	for (int i = 0; i < LINES; i++)
		log_info("%s %d", (const char *)arg, i);
	return NULL;
}

START_TEST(lines_of_threads_stay_whole)
{
	pthread_t threads[4];
	char names[4][2] = { "a", "b", "c", "d" }, who;
	int next[4] = { 0 }, number, used, lines = 0;
	const char *at;

	log_setup("p", LOG_LEVEL_INFO, false);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, talk, names[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (at = output(); *at != '\0'; at += used) {
		ck_assert_int_eq(sscanf(at, "p: %c %d\n%n", &who, &number, &used), 2);
		ck_assert(who >= 'a' && who <= 'd');
		ck_assert_int_eq(number, next[who - 'a']++);
		lines++;
	}
	ck_assert_int_eq(lines, 4 * LINES);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, before_setup);
	tcase_add_test(tcase, shape_of_a_line);
	tcase_add_test(tcase, levels);
	tcase_add_test(tcase, a_name_cannot_forge_a_line);
	tcase_add_loop_test(tcase, a_long_message_is_cut, 0, 2);
	tcase_add_test(tcase, errno_is_kept);
	tcase_add_test(tcase, to_syslog_nothing_on_stderr);
	tcase_add_test(tcase, lines_of_threads_stay_whole);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
