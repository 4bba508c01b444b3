#include "replica/url.h"

#include <errno.h>
#include <string.h>

#include "../check_main.h"

static const struct { const char *text; enum url_scheme scheme; const char *user, *host; unsigned port; const char *path, *form; } good[] = {
	{ "mend://host/home", URL_MEND, "", "host", 6363, "home", "mend://host/home" },
	{ "mend://Host.Example:6363/home", URL_MEND, "", "Host.Example", 6363, "home", "mend://host.example/home" },
	{ "mend://host:70/a.b-c_d", URL_MEND, "", "host", 70, "a.b-c_d", "mend://host:70/a.b-c_d" },
	{ "mend://[fe80::1%eth0]:70/x", URL_MEND, "", "fe80::1%eth0", 70, "x", "mend://[fe80::1%eth0]:70/x" },
	{ "mend://10.0.0.2/x", URL_MEND, "", "10.0.0.2", 6363, "x", "mend://10.0.0.2/x" },
	{ "ssh://host/srv/mirror", URL_SSH, "", "host", 22, "/srv/mirror", "ssh://host/srv/mirror" },
	{ "ssh://me@host:2222//srv//a:b c/", URL_SSH, "me", "host", 2222, "//srv//a:b c/", "ssh://me@host:2222/srv/a:b c" },
	{ "ssh://Me@HOST:22/x", URL_SSH, "Me", "HOST", 22, "/x", "ssh://Me@host/x" },
};

START_TEST(good_ones)
{
	char form[PATH_MAX + URL_HOST_MAX];
	struct url url, again;
	const char *why;

	ck_assert(url_is(good[_i].text));
	ck_assert_int_eq(url_parse(good[_i].text, &url, &why), 0);
	ck_assert_int_eq(url.scheme, good[_i].scheme);
	ck_assert_str_eq(url.user, good[_i].user);
	ck_assert_str_eq(url.host, good[_i].host);
	ck_assert_uint_eq(url.port, good[_i].port);
	ck_assert_str_eq(url.path, good[_i].path);
	ck_assert_int_eq(url_format(&url, form, sizeof(form)), 0);
	ck_assert_str_eq(form, good[_i].form);
	/* One spelling: its own. */
	ck_assert_int_eq(url_parse(form, &again, &why), 0);
	ck_assert_int_eq(url_format(&again, form, sizeof(form)), 0);
	ck_assert_str_eq(form, good[_i].form);
	ck_assert_int_eq(url_format(&url, form, 5), -ENAMETOOLONG);
}
END_TEST

static const struct { const char *text, *why; } bad[] = {
	{ "/srv/mirror", "neither" },
	{ "http://host/x", "neither" },
	{ "mend://", "no host" },
	{ "mend://host", "no export" },
	{ "mend://host/", "no export" },
	{ "mend://host/a/b", "no export" },
	{ "mend://host/-a", "no export" },
	{ "mend://host/a b", "no export" },
	{ "mend:///x", "no host" },
	{ "mend://-oProxyCommand=x/x", "no host" },
	{ "mend://a@host/x", "no host" },
	{ "mend://host:/x", "port" },
	{ "mend://host:0/x", "port" },
	{ "mend://host:65536/x", "port" },
	{ "mend://host:7x/x", "port" },
	{ "mend://::1/x", "no host" },
	{ "mend://[::1/x", "brackets" },
	{ "mend://[]/x", "brackets" },
	{ "mend://[::1]7/x", "port" },
	{ "ssh://host", "no directory" },
	{ "ssh://host/", "no directory" },
	{ "ssh://host//", "no directory" },
	{ "ssh://@host/x", "no user" },
	{ "ssh://-l@host/x", "no user" },
	{ "ssh://-host/x", "no host" },
	{ "ssh://a b/x", "no host" },
	{ "ssh://host/a\nb", "control" },
};

START_TEST(bad_ones)
{
	struct url url;
	const char *why;

	ck_assert_int_eq(url_parse(bad[_i].text, &url, &why), -EINVAL);
	ck_assert_msg(strstr(why, bad[_i].why) != NULL, "%s: %s", bad[_i].text, why);
}
END_TEST

START_TEST(long_ones)
{
	char text[2 * PATH_MAX] = "ssh://host/";
	struct url url;
	const char *why;

	memset(text + strlen(text), 'x', PATH_MAX);
	ck_assert_int_eq(url_parse(text, &url, &why), -EINVAL);
	memset(text, 0, sizeof(text));
	memcpy(text, "mend://", 7);
	memset(text + 7, 'h', URL_HOST_MAX);
	memcpy(text + 7 + URL_HOST_MAX, "/x", 3);
	ck_assert_int_eq(url_parse(text, &url, &why), 0);
	memcpy(text + 7 + URL_HOST_MAX, "h/x", 4);
	ck_assert_int_eq(url_parse(text, &url, &why), -EINVAL);
}
END_TEST

START_TEST(colons_of_a_url)
{
	ck_assert_uint_eq(url_authority("mend://host:7/x:/b"), 13);
	ck_assert_uint_eq(url_authority("mend://[::1]:7/x"), 14);
	ck_assert_uint_eq(url_authority("http://h/x"), 8);
	ck_assert_uint_eq(url_authority("mend://host"), 11);
	ck_assert_uint_eq(url_authority("/a:b://c"), 0);
	ck_assert_uint_eq(url_authority("a:b"), 0);
	ck_assert_uint_eq(url_authority("://x/"), 0);
	ck_assert(!url_is("./mend://host/x"));
	ck_assert(!url_is("http://h/x"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("url");
	TCase *tcase = tcase_create("url");

	tcase_add_loop_test(tcase, good_ones, 0, sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(tcase, bad_ones, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tcase, long_ones);
	tcase_add_test(tcase, colons_of_a_url);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
