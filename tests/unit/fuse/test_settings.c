#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fuse/settings.h"

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
set(enum settings_source source, const char *name, const char *value)
{
	return settings_set(&settings, source, "here", name, value);
}

/* Every pair of sources, in both orders: the higher one wins. */
START_TEST(precedence_does_not_depend_on_order)
{
	static const char *const values[] = { NULL, "1", "2", "3" };
	unsigned first, second, high;

	for (first = SETTINGS_FILE; first <= SETTINGS_COMMAND_LINE; first++) {
		for (second = SETTINGS_FILE; second <= SETTINGS_COMMAND_LINE; second++) {
			setup();
			high = first > second ? first : second;
			ck_assert_int_eq(set((enum settings_source)first, "min-replicas", values[first]), 0);
			ck_assert_int_eq(set((enum settings_source)second, "min-replicas", values[second]), 0);
			ck_assert_uint_eq(settings_number(&settings, SETTING_MIN_REPLICAS, 9), high);
			teardown();
		}
	}
	ck_assert_uint_eq(settings_number(&settings, SETTING_MIN_REPLICAS, 9), 9);
}
END_TEST

START_TEST(the_same_source_again_overrides)
{
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "ro", NULL), 0);
	ck_assert(settings_flag(&settings, SETTING_RO, false));
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "rw", NULL), 0);
	ck_assert(!settings_flag(&settings, SETTING_RO, true));
}
END_TEST

START_TEST(replicas_of_the_highest_source_replace_the_others)
{
	ck_assert_int_eq(set(SETTINGS_FILE, "replica", "/f1"), 0);
	ck_assert_int_eq(set(SETTINGS_FILE, "replica", "/f2"), 0);
	ck_assert_uint_eq(settings.replica_count, 2);
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "replica", "/c1:/c2:/c3"), 0);
	ck_assert_int_eq(set(SETTINGS_ENVIRONMENT, "replica", "/e1"), 0);
	ck_assert_int_eq(set(SETTINGS_FILE, "replica", "/f3"), 0);
	ck_assert_uint_eq(settings.replica_count, 3);
	ck_assert_str_eq(settings.replicas[0], "/c1");
	ck_assert_str_eq(settings.replicas[2], "/c3");
}
END_TEST

START_TEST(colons_are_escaped_in_lists_and_literal_in_the_file)
{
	ck_assert_int_eq(settings_add_replicas(&settings, SETTINGS_COMMAND_LINE, "x", "/a\\:b:/c\\\\:/d\\e"), 0);
	ck_assert_uint_eq(settings.replica_count, 3);
	ck_assert_str_eq(settings.replicas[0], "/a:b");
	ck_assert_str_eq(settings.replicas[1], "/c\\");
	ck_assert_str_eq(settings.replicas[2], "/d\\e");
	teardown();
	ck_assert_int_eq(set(SETTINGS_FILE, "replica", "/a:b"), 0);
	ck_assert_uint_eq(settings.replica_count, 1);
	ck_assert_str_eq(settings.replicas[0], "/a:b");
}
END_TEST

/* The colons before and after a host are the URL's; one in its path is written as in any other. */
START_TEST(urls_stand_in_lists)
{
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "replica",
	    "/a:mend://host:7000/x:ssh://me@[::1]:22/srv/a\\:b:mend://h/y:/c"), 0);
	ck_assert_uint_eq(settings.replica_count, 5);
	ck_assert_str_eq(settings.replicas[0], "/a");
	ck_assert_str_eq(settings.replicas[1], "mend://host:7000/x");
	ck_assert_str_eq(settings.replicas[2], "ssh://me@[::1]:22/srv/a:b");
	ck_assert_str_eq(settings.replicas[3], "mend://h/y");
	ck_assert_str_eq(settings.replicas[4], "/c");
	teardown();
	ck_assert_int_eq(set(SETTINGS_FILE, "replica", "ssh://host/srv/a:b"), 0);
	ck_assert_str_eq(settings.replicas[0], "ssh://host/srv/a:b");
}
END_TEST

START_TEST(replica_lists_are_checked)
{
	char list[4 * (VOLUME_REPLICAS_MAX + 1)] = "/r";
	int i;

	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "replica", "/a::/b"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(settings.error, "empty path"));
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "replica", "http://host:7000/x"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(settings.error, "http://host:7000/x"));
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "replica", "/a:mend://host"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(settings.error, "no export"));
	teardown();
	for (i = 1; i < VOLUME_REPLICAS_MAX; i++)
		strcat(list, ":/r");
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "replica", list), 0);
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "replica", "/onemore"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(settings.error, "/onemore"));
}
END_TEST

/* Each is refused with one line that names place, option, value and remedy. */
static const struct { const char *name, *value, *remedy; } bad[] = {
	{ "codec", "md5", "xxh3 or blake2b" },
	{ "read", "last", "round-robin" },
	{ "log-level", "loud", "warning" },
	{ "min-replicas", "0", "1 to 16" },
	{ "min-replicas", "17", "1 to 16" },
	{ "min-replicas", "-1", "1 to 16" },
	{ "min-replicas", "2x", "1 to 16" },
	{ "min-replicas", "", "1 to 16" },
	{ "timeout", "86401", "0 to 86400" },
	{ "timeout", "soon", "0 to 86400" },
	{ "watch", "none", "auto or all" },
	{ "ack", "never", "write or fsync" },
	{ "link-timeout", "0", "1 to 3600" },
	{ "window", "2000", "1 to 1024" },
	{ "max_threads", "99999999999999999999", "1 to 1024" },
	{ "ro", "perhaps", "yes or no" },
	{ "key-file", "", "behind the =" },
	{ "on-event", "", "behind the =" },
};

START_TEST(bad_values_are_named)
{
	ck_assert_int_eq(set(SETTINGS_FILE, bad[_i].name, bad[_i].value), -EINVAL);
	ck_assert_ptr_nonnull(strstr(settings.error, "here: "));
	ck_assert_ptr_nonnull(strstr(settings.error, bad[_i].name));
	ck_assert_ptr_nonnull(strstr(settings.error, bad[_i].value));
	ck_assert_ptr_nonnull(strstr(settings.error, bad[_i].remedy));
	ck_assert_ptr_null(strchr(settings.error, '\n'));
}
END_TEST

START_TEST(a_bad_value_is_refused_also_where_it_would_not_count)
{
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "codec", "xxh3"), 0);
	ck_assert_int_eq(set(SETTINGS_FILE, "codec", "md5"), -EINVAL);
	ck_assert_str_eq(settings_text(&settings, SETTING_CODEC, ""), "xxh3");
}
END_TEST

START_TEST(spellings)
{
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "key_file", "/k"), 0);
	ck_assert_str_eq(settings_text(&settings, SETTING_KEY_FILE, ""), "/k");
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "allow-other", NULL), 0);
	ck_assert(settings_flag(&settings, SETTING_ALLOW_OTHER, false));
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "nosuchthing", NULL), -ENOENT);
	ck_assert_ptr_nonnull(strstr(settings.error, "nosuchthing"));
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "codec", NULL), -EINVAL);
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "remount", NULL), -EINVAL);
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "default_permissions", NULL), 0);
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "default_permissions", "no"), -EINVAL);
}
END_TEST

START_TEST(what_is_for_mount_alone_does_nothing)
{
	static const char *const names[] = { "defaults", "noauto", "user", "_netdev", "nofail", "relatime", "x-systemd.automount" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, names[i], NULL), 0);
	ck_assert_int_eq(set(SETTINGS_COMMAND_LINE, "comment", "some text"), 0);
	for (i = 0; i < SETTING_COUNT; i++)
		ck_assert_ptr_null(settings.given[i].value);
	ck_assert_uint_eq(settings.replica_count, 0);
}
END_TEST

START_TEST(flags_and_their_opposites)
{
	ck_assert_int_eq(set(SETTINGS_FILE, "nodev", "no"), 0);
	ck_assert(settings_flag(&settings, SETTING_DEV, false));
	ck_assert_int_eq(set(SETTINGS_FILE, "rw", "yes"), 0);
	ck_assert(!settings_flag(&settings, SETTING_RO, true));
	ck_assert_int_eq(set(SETTINGS_FILE, "async", NULL), 0);
	ck_assert(!settings_flag(&settings, SETTING_SYNC, true));
	ck_assert_int_eq(set(SETTINGS_FILE, "adopt", "on"), 0);
	ck_assert(settings_flag(&settings, SETTING_ADOPT, false));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("settings");
	TCase *tcase = tcase_create("settings");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, precedence_does_not_depend_on_order);
	tcase_add_test(tcase, the_same_source_again_overrides);
	tcase_add_test(tcase, replicas_of_the_highest_source_replace_the_others);
	tcase_add_test(tcase, colons_are_escaped_in_lists_and_literal_in_the_file);
	tcase_add_test(tcase, urls_stand_in_lists);
	tcase_add_test(tcase, replica_lists_are_checked);
	tcase_add_loop_test(tcase, bad_values_are_named, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tcase, a_bad_value_is_refused_also_where_it_would_not_count);
	tcase_add_test(tcase, spellings);
	tcase_add_test(tcase, what_is_for_mount_alone_does_nothing);
	tcase_add_test(tcase, flags_and_their_opposites);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
