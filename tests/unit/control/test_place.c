#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "control/place.h"

#include "../check_main.h"

#define OURS "fuse.mendfs a:b rw,user_id=1000,group_id=0,allow_other"

static const struct { const char *line; int rc; const char *point; unsigned owner; } lines[] = {
	{ "36 35 0:57 / /mnt rw,nosuid shared:1 - " OURS, 0, "/mnt", 1000 },
	/* No optional fields; several; mount(8)'s other name for the type. */
	{ "36 35 0:57 / /mnt rw - " OURS, 0, "/mnt", 1000 },
	{ "36 35 0:57 / /mnt rw shared:1 master:2 propagate_from:3 - mendfs x rw,user_id=0", 0, "/mnt", 0 },
	{ "36 35 0:57 / /a\\040b\\134c\\011d\\012e rw - " OURS, 0, "/a b\\c\td\ne", 1000 },
	/* What a name looks like that somebody chose in bad faith. */
	{ "36 35 0:57 / /mnt rw - fuse.mendfs /x,user_id=7 rw,user_id=1000", 0, "/mnt", 1000 },
	{ "36 35 0:57 / /mnt rw - fuse.mendfs user_id=7 rw,other_user_id=8", 0, "/mnt", 0 },
	{ "36 35 0:57 / /mnt rw - ext4 fuse.mendfs rw,user_id=1000", -ENODEV, "/mnt", 1000 },
	{ "36 35 0:57 / /mnt rw - fuse.mendfs2 x rw", -ENODEV, "/mnt", 0 },
	{ "36 35 0:57 / /mnt rw -", -EINVAL, NULL, 0 },
	{ "36 35 0:57 / /mnt", -EINVAL, NULL, 0 },
	{ "36 35 0:57 /", -EINVAL, NULL, 0 },
	{ "36 35 0:57 / - fuse.mendfs x rw", -EINVAL, NULL, 0 },
	{ "36 35 0 / /mnt rw - " OURS, -EINVAL, NULL, 0 },
	{ "x 35 0:57 / /mnt rw - " OURS, -EINVAL, NULL, 0 },
	{ "", -EINVAL, NULL, 0 },
	{ "\n", -EINVAL, NULL, 0 },
};

START_TEST(parse)
{
	struct control_place place;

	memset(&place, 0, sizeof(place));
	ck_assert_int_eq(control_place_parse(lines[_i].line, &place), lines[_i].rc);
	if (lines[_i].rc == -EINVAL)
		return;
	ck_assert_str_eq(place.mountpoint, lines[_i].point);
	ck_assert_uint_eq(place.owner, lines[_i].owner);
	ck_assert_uint_eq(place.dev, makedev(0, 57));
}
END_TEST

START_TEST(parse_long)
{
	char line[3 * PATH_MAX], *at;
	struct control_place place;
	size_t len;

	/* The longest path there is, each byte of it escaped or not; and one more. */
	for (len = PATH_MAX - 1; len <= PATH_MAX; len++) {
		at = line + sprintf(line, "36 35 0:57 / /");
		memset(at, 'a', len - 1);
		(void)strcpy(at + len - 1, " rw - " OURS);
		ck_assert_int_eq(control_place_parse(line, &place), len < PATH_MAX ? 0 : -EINVAL);
	}
	ck_assert_uint_eq(strlen(place.mountpoint), PATH_MAX - 1);
}
END_TEST

/* /m, /m/in, which is another file system's, /m/in/deep, and one that lies on another at the same place. */
static const char mounts[] =
    "20 1 8:1 / / rw - ext4 /dev/sda rw\n"
    "30 20 0:50 / /m rw - fuse.mendfs x rw,user_id=0\n"
    "garbage\n"
    "31 30 0:51 / /m/in rw - tmpfs none rw\n"
    "32 31 0:52 / /m/in/deep rw - fuse.mendfs y rw,user_id=5\n"
    "33 20 0:53 / /over rw - tmpfs none rw\n"
    "34 33 0:54 / /over rw - fuse.mendfs z rw,user_id=6\n"
    "35 20 0:55 / /under rw - fuse.mendfs w rw\n"
    "36 35 0:56 / /under rw - tmpfs none rw\n";

static const struct { const char *path; int rc; unsigned minor; const char *below; } searches[] = {
	{ "/m", 0, 50, "" },
	{ "/m/a/b", 0, 50, "a/b" },
	{ "/m/in", -ENODEV, 0, NULL },
	{ "/m/in/x", -ENODEV, 0, NULL },
	{ "/m/inner", 0, 50, "inner" },
	{ "/m/in/deep/x y", 0, 52, "x y" },
	{ "/mm", -ENODEV, 0, NULL },
	{ "/", -ENODEV, 0, NULL },
	{ "/over/x", 0, 54, "x" },
	{ "/under/x", -ENODEV, 0, NULL },
};

START_TEST(search)
{
	char text[sizeof(mounts)], below[PATH_MAX];
	struct control_place place;
	FILE *file;

	memcpy(text, mounts, sizeof(mounts));
	ck_assert_ptr_nonnull(file = fmemopen(text, sizeof(mounts) - 1, "r"));
	ck_assert_int_eq(control_place_search(file, searches[_i].path, &place, below), searches[_i].rc);
	(void)fclose(file);
	if (searches[_i].rc != 0)
		return;
	ck_assert_uint_eq(minor(place.dev), searches[_i].minor);
	ck_assert_str_eq(below, searches[_i].below);
}
END_TEST

START_TEST(at_root)
{
	char text[] = "20 1 0:9 / / rw - fuse.mendfs x rw\n", below[PATH_MAX];
	struct control_place place;
	FILE *file;

	ck_assert_ptr_nonnull(file = fmemopen(text, strlen(text), "r"));
	ck_assert_int_eq(control_place_search(file, "/etc/passwd", &place, below), 0);
	ck_assert_str_eq(below, "etc/passwd");
	(void)fclose(file);
}
END_TEST

START_TEST(socket_path)
{
	struct control_place place = { .dev = makedev(0, 57), .owner = 0 };
	char path[108];

	ck_assert_int_eq(control_place_socket(&place, path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/run/mendfs/0:57");
	place.owner = 4711;
	ck_assert_int_eq(control_place_socket(&place, path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/run/user/4711/mendfs/0:57");
	ck_assert_int_eq(control_place_socket(&place, path, 20), -ENAMETOOLONG);
	ck_assert_int_eq(control_place_socket(&place, path, 26), -ENAMETOOLONG);
	ck_assert_int_eq(control_place_socket(&place, path, 27), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("control/place");
	TCase *cases = tcase_create("place");

	tcase_add_loop_test(cases, parse, 0, sizeof(lines) / sizeof(lines[0]));
	tcase_add_test(cases, parse_long);
	tcase_add_loop_test(cases, search, 0, sizeof(searches) / sizeof(searches[0]));
	tcase_add_test(cases, at_root);
	tcase_add_test(cases, socket_path);
	suite_add_tcase(suite, cases);
	return check_main(suite);
}
