#include <errno.h>
#include <string.h>

#include "mendd/conf.h"

#include "../check_main.h"

/* Public keys as they are written, and the first byte of each. */
#define KEY_A "mendfs-key:CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define KEY_B "mendfs-key:CgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="

static const uint8_t key_a[LINK_KEY_SIZE] = { 9 }, key_b[LINK_KEY_SIZE] = { [0] = 10, [31] = 1 }, nobody[LINK_KEY_SIZE] = { 1 };
static struct conf conf;

static int
read_into(struct conf *to, const char *text)
{
	FILE *file = fmemopen((char *)(uintptr_t)text, strlen(text), "r");
	int rc;

	ck_assert_ptr_nonnull(file);
	rc = conf_read(to, file, "/m.conf");
	fclose(file);
	return rc;
}

static void
teardown(void)
{
	conf_free(&conf);
}

START_TEST(a_whole_file)
{
	ck_assert_int_eq(read_into(&conf,
	    "# who may what\n"
	    "listen = 127.0.0.1:7000\n"
	    "listen = [::1]\n"
	    "key-file = /etc/mendfs/server key\n"
	    "max-sessions = 12\n"
	    "log-level = debug\n"
	    "trusted-xattrs = yes\n"
	    "[export home]\n"
	    "directory = /srv/a dir\n"
	    "write = " KEY_A "   ; alice\n"
	    "read-only = " KEY_B "\n"
	    "size = 3G\n"
	    "[export b.2]\n"
	    "directory = /srv/b\n"
	    "read-only = " KEY_A "\n"), 0);
	ck_assert_uint_eq(conf.listen_count, 2);
	ck_assert_str_eq(conf.listen[1], "[::1]");
	ck_assert_str_eq(conf.key_file, "/etc/mendfs/server key");
	ck_assert_uint_eq(conf.sessions_max, 12);
	ck_assert_int_eq(conf.log_level, LOG_LEVEL_DEBUG);
	ck_assert(conf.trusted_xattrs);
	ck_assert_uint_eq(conf.export_count, 2);
	ck_assert_str_eq(conf.exports[0].name, "home");
	ck_assert_str_eq(conf.exports[0].directory, "/srv/a dir");
	ck_assert_uint_eq(conf.exports[0].size_max, UINT64_C(3) << 30);
	ck_assert_ptr_eq(conf_find(&conf, "b.2"), &conf.exports[1]);
	ck_assert_ptr_null(conf_find(&conf, "b"));
}
END_TEST

START_TEST(defaults)
{
	ck_assert_int_eq(read_into(&conf, "[export x]\ndirectory = /x\nwrite = " KEY_A "\n"), 0);
	ck_assert_uint_eq(conf.listen_count, 0);
	ck_assert_ptr_null(conf.key_file);
	ck_assert_uint_eq(conf.sessions_max, CONF_SESSIONS);
	ck_assert(!conf.trusted_xattrs);
	ck_assert_uint_eq(conf.exports[0].size_max, 0);
}
END_TEST

/* A key that is there for both may write; others may nothing. */
START_TEST(rights)
{
	ck_assert_int_eq(read_into(&conf,
	    "[export x]\ndirectory = /x\nwrite = " KEY_A "\nread-only = " KEY_A "\nread-only = " KEY_B "\n"), 0);
	ck_assert_int_eq(conf_right(&conf.exports[0], key_a), CONF_WRITE);
	ck_assert_int_eq(conf_right(&conf.exports[0], key_b), CONF_READ_ONLY);
	ck_assert_int_eq(conf_right(&conf.exports[0], nobody), CONF_NONE);
	ck_assert(conf_knows(&conf, key_b));
	ck_assert(!conf_knows(&conf, nobody));
}
END_TEST

/* What a session was let in for, held against another configuration. */
START_TEST(what_another_configuration_allows)
{
	static const struct { const char *text; bool write, read; } cases[] = {
		{ "[export x]\ndirectory = /x\nwrite = " KEY_A "\nwrite = " KEY_B "\n", true, true },
		{ "[export x]\ndirectory = /x\nread-only = " KEY_A "\n", false, true },
		{ "[export x]\ndirectory = /x\nwrite = " KEY_B "\n", false, false },
		{ "[export x]\ndirectory = /y\nwrite = " KEY_A "\n", false, false },
		{ "[export y]\ndirectory = /x\nwrite = " KEY_A "\n", false, false },
		{ "[export x]\ndirectory = /x\nsize = 1M\nwrite = " KEY_A "\n", false, false },
	};
	struct conf now;
	size_t i;

	ck_assert_int_eq(read_into(&conf, "[export x]\ndirectory = /x\nwrite = " KEY_A "\n"), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(read_into(&now, cases[i].text), 0);
		ck_assert_int_eq(conf_allows(&now, &conf.exports[0], key_a, true), cases[i].write);
		ck_assert_int_eq(conf_allows(&now, &conf.exports[0], key_a, false), cases[i].read);
		conf_free(&now);
	}
}
END_TEST

#define GOOD "[export g]\ndirectory = /g\nwrite = " KEY_A "\n"

/* Each is refused, by one line that names file and line, and says what to do. */
static const struct { const char *text, *where, *says; } bad[] = {
	{ "", "/m.conf: ", "no [export NAME]" },
	{ "listen =\n" GOOD, "/m.conf:1: ", "HOST:PORT" },
	{ "key-file = key\n" GOOD, "/m.conf:1: ", "absolute" },
	{ "max-sessions = 0\n" GOOD, "/m.conf:1: ", "1 to 4096" },
	{ "max-sessions = 9x\n" GOOD, "/m.conf:1: ", "1 to 4096" },
	{ "log-level = loud\n" GOOD, "/m.conf:1: ", "debug" },
	{ "trusted-xattrs = maybe\n" GOOD, "/m.conf:1: ", "yes or no" },
	{ "directory = /x\n" GOOD, "/m.conf:1: ", "unknown key" },
	{ GOOD "[replica x]\na = b\n", "/m.conf:5: ", "[export NAME]" },
	{ GOOD "[export ../x]\ndirectory = /x\n", "/m.conf:5: ", "letters" },
	{ GOOD "[export -x]\ndirectory = /x\n", "/m.conf:5: ", "letters" },
	{ GOOD "[export x]\nwrite = " KEY_A "\n", "/m.conf:5: ", "no directory" },
	{ GOOD "[export x]\ndirectory = /x\n", "/m.conf:5: ", "nobody may" },
	{ GOOD "[export x]\n", "/m.conf:4: ", "nothing stands" },
	{ "[export x]\n" GOOD, "/m.conf:1: ", "nothing stands" },
	{ GOOD "[export x]\ndirectory = x\n", "/m.conf:5: ", "absolute" },
	{ GOOD "[export x]\ndirectory = /g\nwrite = " KEY_A "\n", "/m.conf:5: ", "one directory" },
	{ GOOD "[export h]\ndirectory = /h\nwrite = " KEY_A "\n[export g]\nsize = 1\n", "/m.conf:8: ", "there twice" },
	{ GOOD "write = " KEY_A "A\n", "/m.conf:4: ", "mendctl key show" },
	{ GOOD "write = CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "/m.conf:4: ", "mendctl key show" },
	{ GOOD "read-only = mendfs-key:\n", "/m.conf:4: ", "mendctl key show" },
	{ GOOD "size = 0\n", "/m.conf:4: ", "K, M, G or T" },
	{ GOOD "size = 1X\n", "/m.conf:4: ", "K, M, G or T" },
	{ GOOD "size = 99999999999999T\n", "/m.conf:4: ", "K, M, G or T" },
	{ GOOD "owner = me\n", "/m.conf:4: ", "of an export" },
	{ GOOD "junk\n", "/m.conf:4:", "KEY = VALUE" },
};

START_TEST(is_refused)
{
	ck_assert_int_eq(read_into(&conf, bad[_i].text), -EINVAL);
	ck_assert_msg(strncmp(conf.error, bad[_i].where, strlen(bad[_i].where)) == 0, "%s", conf.error);
	ck_assert_msg(strstr(conf.error, bad[_i].says) != NULL, "%s", conf.error);
	ck_assert_ptr_null(strchr(conf.error, '\n'));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mendd/conf");
	TCase *tc = tcase_create("conf");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, a_whole_file);
	tcase_add_test(tc, defaults);
	tcase_add_test(tc, rights);
	tcase_add_test(tc, what_another_configuration_allows);
	tcase_add_loop_test(tc, is_refused, 0, (int)(sizeof(bad) / sizeof(bad[0])));
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
