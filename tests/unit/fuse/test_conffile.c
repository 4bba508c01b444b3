#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/conffile.h"

#include "../check_main.h"

static struct settings settings;

static void
setup(void)
{
	settings_init(&settings);
}

static void
teardown(void)
{
	settings_free(&settings);
}

static int
read_text(const char *text)
{
	FILE *file = fmemopen((char *)(uintptr_t)text, strlen(text), "r");
	int rc;

	ck_assert_ptr_nonnull(file);
	rc = conffile_read(file, "/etc/mendfs/t.conf", &settings);
	fclose(file);
	return rc;
}

START_TEST(a_whole_file)
{
	ck_assert_int_eq(read_text(
	    "# a comment\n"
	    "; another\n"
	    "\n"
	    "replica = /disk one/a\n"
	    "  replica=/disk2/a:b\n"
	    "mountpoint = /home\n"
	    "codec = blake2b   ; keyed\n"
	    "key-file = /etc/mendfs/key\n"
	    "ro = no\n"
	    "min_replicas = 2\n"), 0);
	ck_assert_uint_eq(settings.replica_count, 2);
	ck_assert_str_eq(settings.replicas[0], "/disk one/a");
	ck_assert_str_eq(settings.replicas[1], "/disk2/a:b");
	ck_assert_str_eq(settings_text(&settings, SETTING_MOUNTPOINT, ""), "/home");
	ck_assert_str_eq(settings_text(&settings, SETTING_CODEC, ""), "blake2b");
	ck_assert_str_eq(settings_text(&settings, SETTING_KEY_FILE, ""), "/etc/mendfs/key");
	ck_assert(!settings_flag(&settings, SETTING_RO, true));
	ck_assert_uint_eq(settings_number(&settings, SETTING_MIN_REPLICAS, 1), 2);
}
END_TEST

/* The library that reads the file takes lines of 200 bytes; paths may be longer. */
START_TEST(a_long_path_is_taken_whole)
{
	char text[4096], path[3001];
	int len;

	for (len = 1; len <= 3000; len = len < 170 || len > 220 ? len * 2 : len + 1) {
		memset(path, 'p', (size_t)len);
		path[0] = '/';
		path[len] = '\0';
		snprintf(text, sizeof(text), "ro = yes\nreplica = %s  \ncodec = xxh3\n", path);
		ck_assert_int_eq(read_text(text), 0);
		ck_assert_uint_eq(settings.replica_count, 1);
		ck_assert_str_eq(settings.replicas[0], path);
		ck_assert_str_eq(settings_text(&settings, SETTING_CODEC, ""), "xxh3");
		teardown();
	}
}
END_TEST

/* Each is refused, and the error begins with the file and the line. */
static const struct { const char *text, *where, *what; } bad[] = {
	{ "ro = yes\nreplica /a\n", "/etc/mendfs/t.conf:2: ", "KEY = VALUE" },
	{ "\n\ncodec = crc\n", "/etc/mendfs/t.conf:3: ", "xxh3" },
	{ "kodec = xxh3\ncodec = crc\n", "/etc/mendfs/t.conf:1: ", "kodec" },
	{ "junk\ncodec = crc\n", "/etc/mendfs/t.conf:1: ", "KEY = VALUE" },
	{ "codec = crc\njunk\n", "/etc/mendfs/t.conf:1: ", "crc" },
	{ "[mendfs]\nro = yes\n", "/etc/mendfs/t.conf:2: ", "[mendfs]" },
	{ "replica =\n", "/etc/mendfs/t.conf:1: ", "replica" },
	{ "replica = ssh://host\n", "/etc/mendfs/t.conf:1: ", "ssh://host" },
};

START_TEST(bad_lines_are_named)
{
	ck_assert_int_ne(read_text(bad[_i].text), 0);
	ck_assert_int_eq(strncmp(settings.error, bad[_i].where, strlen(bad[_i].where)), 0);
	ck_assert_ptr_nonnull(strstr(settings.error, bad[_i].what));
}
END_TEST

START_TEST(an_endless_line_is_refused)
{
	char *text = malloc(20000);

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', 19999);
	text[19999] = '\0';
	memcpy(text, "replica = ", 10);
	ck_assert_int_eq(read_text(text), -EINVAL);
	ck_assert_ptr_nonnull(strstr(settings.error, "t.conf:1: longer than"));
	free(text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("conffile");
	TCase *tcase = tcase_create("conffile");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_whole_file);
	tcase_add_test(tcase, a_long_path_is_taken_whole);
	tcase_add_loop_test(tcase, bad_lines_are_named, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tcase, an_endless_line_is_refused);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
