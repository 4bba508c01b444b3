/*
 * Keys, servers' keys, servers' names.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "link/known.h"

#include "../check_main.h"

static char top[64];
static char why[512];

static void
make_top(void)
{
	strcpy(top, "/tmp/mendfs-test-key.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
}

static void
remove_top(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", top);
	ck_assert_int_eq(system(command), 0);
}

/* ${name} in the folder of this test; a few of them are there at a time. */
static const char *
in_top(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, 128, "%s/%s", top, name);
	return path;
}

static void
put_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	ck_assert_int_eq(chmod(path, mode), 0);
}

START_TEST(file)
{
	struct key_pair pair, again;
	struct stat st;
	const char *path = in_top("a/b/key");

	key_pair_new(&pair);
	ck_assert_int_eq(key_pair_write(path, &pair, why, sizeof(why)), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(key_pair_read(path, &again, why, sizeof(why)), 0);
	ck_assert_mem_eq(&again, &pair, sizeof(pair));
	/* Never over one that is there. */
	key_pair_new(&again);
	ck_assert_int_eq(key_pair_write(path, &again, why, sizeof(why)), -EEXIST);
	ck_assert_int_eq(key_pair_read(path, &again, why, sizeof(why)), 0);
	ck_assert_mem_eq(&again, &pair, sizeof(pair));
	key_pair_clear(&again);
	ck_assert(sodium_is_zero((const unsigned char *)&again, sizeof(again)));
}
END_TEST

START_TEST(refused_files)
{
	static const char good[] = "mendfs-secret-key AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
	static const char *const bad[] = {
		"", "\n", "mendfs-secret-key", "mendfs-secret-key ", "mendfs-secret-key AQEB\n",
		"mendfs-secret-key AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\n",
		"mendfs-secret-key AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n\n",
		"mendfs-secret-key AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= \n",
		"mendfs-secret-key *QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n",
		"mendfs-key:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n",
	};
	struct key_pair pair;
	const char *path = in_top("key");

	put_file(path, good, 0600);
	ck_assert_int_eq(key_pair_read(path, &pair, why, sizeof(why)), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		put_file(path, bad[i], 0600);
		ck_assert_int_eq(key_pair_read(path, &pair, why, sizeof(why)), -EINVAL);
		ck_assert_ptr_nonnull(strstr(why, path));
	}
	put_file(path, good, 0640);
	ck_assert_int_eq(key_pair_read(path, &pair, why, sizeof(why)), -EPERM);
	put_file(path, good, 0602);
	ck_assert_int_eq(key_pair_read(path, &pair, why, sizeof(why)), -EPERM);
	if (geteuid() == 0) {
		put_file(path, good, 0600);
		ck_assert_int_eq(chown(path, 12345, -1), 0);
		ck_assert_int_eq(key_pair_read(path, &pair, why, sizeof(why)), -EPERM);
	}
	ck_assert_int_eq(key_pair_read(in_top("none"), &pair, why, sizeof(why)), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why, "mendctl key new"));
	ck_assert_int_eq(mkfifo(in_top("fifo"), 0600), 0);
	ck_assert_int_eq(key_pair_read(in_top("fifo"), &pair, why, sizeof(why)), -EINVAL);
}
END_TEST

START_TEST(as_text)
{
	/* RFC 7748, 6.1: Alice's. */
	static const uint8_t secret[LINK_KEY_SIZE] = {
		0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
		0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
	};
	static const char *const bad[] = {
		"", "mendfs-key:", "mendfs-key:hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo",
		"mendfs-key:hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=x", "mendfs-KEY:hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=",
		"mendfs-key:hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo=", "mendfs-key:hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmp=",
		"mendfs-key:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	};
	struct key_pair pair;
	char said[KEY_TEXT_SIZE];
	uint8_t key[LINK_KEY_SIZE];

	key_pair_from(&pair, secret);
	key_to_text(pair.public, said);
	ck_assert_str_eq(said, "mendfs-key:hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=");
	ck_assert_int_eq(key_from_text(said, key), 0);
	ck_assert(key_equal(key, pair.public));
	key[31] ^= 1;
	ck_assert(!key_equal(key, pair.public));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_int_eq(key_from_text(bad[i], key), -EINVAL);
}
END_TEST

START_TEST(places)
{
	char path[PATH_MAX], small[8];

	setenv("MENDFS_KEY", "/k", 1);
	setenv("MENDFS_KNOWN_SERVERS", "/s", 1);
	ck_assert_int_eq(key_default_path("key", path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/k");
	ck_assert_int_eq(key_default_path("known-servers", path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/s");
	unsetenv("MENDFS_KEY");
	unsetenv("MENDFS_KNOWN_SERVERS");
	setenv("XDG_CONFIG_HOME", "/x", 1);
	setenv("HOME", "/h", 1);
	ck_assert_int_eq(key_default_path("key", path, sizeof(path)), 0);
	if (geteuid() == 0) {
		ck_assert_str_eq(path, "/etc/mendfs/key");
		ck_assert_int_eq(seteuid(12345), 0);
		ck_assert_int_eq(key_default_path("key", path, sizeof(path)), 0);
	}
	ck_assert_str_eq(path, "/x/mendfs/key");
	unsetenv("XDG_CONFIG_HOME");
	ck_assert_int_eq(key_default_path("key", path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/h/.config/mendfs/key");
	ck_assert_int_eq(key_default_path("key", small, sizeof(small)), -ENAMETOOLONG);
	unsetenv("HOME");
	ck_assert_int_eq(key_default_path("key", path, sizeof(path)), -ENOENT);
	/* LeakSanitizer looks into its process from another one. */
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(addresses)
{
	static const struct { const char *text, *host; unsigned port; const char *back; } good[] = {
		{ "nas", "nas", 6363, "nas:6363" },
		{ "NAS.Example.org:7000", "nas.example.org", 7000, "nas.example.org:7000" },
		{ "10.0.0.1:1", "10.0.0.1", 1, "10.0.0.1:1" },
		{ "[::1]", "::1", 6363, "[::1]:6363" },
		{ "[fe80::1%eth0]:65535", "fe80::1%eth0", 65535, "[fe80::1%eth0]:65535" },
	};
	static const char *const bad[] = {
		"", ":", ":7000", "nas:", "nas:0", "nas:65536", "nas:+1", "nas: 1", "nas:1x", "nas:000001", "::1", "[::1", "[]", "[::1]7000", "[::1]:",
		"-oProxyCommand=x", "[-x]", "a b", "a/b", "a@b", "a\nb", "a;b", "\xc3\xa4",
	};
	struct address a;
	char text[ADDRESS_TEXT_SIZE], longest[ADDRESS_HOST_SIZE + 1];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		ck_assert_int_eq(address_parse(good[i].text, LINK_PORT, &a), 0);
		ck_assert_str_eq(a.host, good[i].host);
		ck_assert_uint_eq(a.port, good[i].port);
		address_to_text(&a, text);
		ck_assert_str_eq(text, good[i].back);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_int_eq(address_parse(bad[i], LINK_PORT, &a), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[ADDRESS_HOST_SIZE] = '\0';
	ck_assert_int_eq(address_parse(longest, LINK_PORT, &a), -EINVAL);
	longest[ADDRESS_HOST_SIZE - 1] = '\0';
	ck_assert_int_eq(address_parse(longest, LINK_PORT, &a), 0);
}
END_TEST

#define KEY_A "mendfs-key:hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
#define KEY_B "mendfs-key:3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="

static int
find(const char *server, uint8_t key[LINK_KEY_SIZE])
{
	struct address a;

	*why = '\0';
	ck_assert_int_eq(address_parse(server, LINK_PORT, &a), 0);
	return known_find(in_top("known"), &a, key, why, sizeof(why));
}

static int
add(const char *server, const char *key_text)
{
	struct address a;
	uint8_t key[LINK_KEY_SIZE];

	ck_assert_int_eq(address_parse(server, LINK_PORT, &a), 0);
	ck_assert_int_eq(key_from_text(key_text, key), 0);
	return known_add(in_top("known"), &a, key, why, sizeof(why));
}

START_TEST(known_servers)
{
	uint8_t a[LINK_KEY_SIZE], b[LINK_KEY_SIZE], key[LINK_KEY_SIZE];
	struct stat before, after;

	ck_assert_int_eq(key_from_text(KEY_A, a), 0);
	ck_assert_int_eq(key_from_text(KEY_B, b), 0);
	ck_assert_int_eq(find("nas", key), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why, "mendctl key trust nas:6363 KEY"));
	ck_assert_int_eq(add("nas", KEY_A), 0);
	ck_assert_int_eq(add("nas:7000", KEY_B), 0);
	ck_assert_int_eq(find("NAS:6363", key), 0);
	ck_assert_mem_eq(key, a, sizeof(key));
	ck_assert_int_eq(find("nas:7000", key), 0);
	ck_assert_mem_eq(key, b, sizeof(key));
	ck_assert_int_eq(find("na", key), -ENOENT);
	/* Once is enough; another key is refused. */
	ck_assert_int_eq(stat(in_top("known"), &before), 0);
	ck_assert_int_eq(add("nas", KEY_A), 0);
	ck_assert_int_eq(add("nas", KEY_B), -EEXIST);
	ck_assert_ptr_nonnull(strstr(why, "line 1 of"));
	ck_assert_int_eq(stat(in_top("known"), &after), 0);
	ck_assert_int_eq(before.st_size, after.st_size);

	put_file(in_top("known"), "# ours\n\nnas " KEY_A " # in the cellar\n  [::1]:7000\t" KEY_B, 0644);
	ck_assert_int_eq(find("nas", key), 0);
	ck_assert_int_eq(find("[::1]:7000", key), 0);
	/* A file that does not end in a newline. */
	ck_assert_int_eq(add("other", KEY_B), 0);
	ck_assert_int_eq(find("other", key), 0);
	ck_assert_int_eq(find("[::1]:7000", key), 0);
}
END_TEST

START_TEST(bad_known_servers)
{
	static const struct { const char *text; int rc; } files[] = {
		{ "", -ENOENT },
		{ "nas", -EINVAL },
		{ "nas x", -EINVAL },
		{ "nas " KEY_A " more", -EINVAL },
		{ "-nas " KEY_A, -EINVAL },
		{ "nas " KEY_A "\nnas:6363 " KEY_B, -EEXIST },
		{ "nas " KEY_A "\nnas:6363 " KEY_A, 0 },
	};
	uint8_t key[LINK_KEY_SIZE];

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		put_file(in_top("known"), files[i].text, 0644);
		ck_assert_int_eq(find("nas", key), files[i].rc);
		ck_assert_int_eq(*why == '\0', files[i].rc == 0);
	}
	put_file(in_top("known"), "nas " KEY_A "\n", 0664);
	ck_assert_int_eq(find("nas", key), -EPERM);
	ck_assert_int_eq(add("other", KEY_A), -EPERM);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("link/key");
	TCase *tc = tcase_create("key");

	if (sodium_init() < 0)
		return EXIT_FAILURE;
	tcase_add_checked_fixture(tc, make_top, remove_top);
	tcase_add_test(tc, file);
	tcase_add_test(tc, refused_files);
	tcase_add_test(tc, as_text);
	tcase_add_test(tc, addresses);
	tcase_add_test(tc, known_servers);
	tcase_add_test(tc, bad_known_servers);
	suite_add_tcase(suite, tc);
	tc = tcase_create("places");
	tcase_add_test(tc, places);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
