#include <stdlib.h>
#include <string.h>

#include "util/text.h"

#include "../check_main.h"

static void
expect_escaped(const char *bytes, const char *want)
{
	char *text = NULL, back[64];
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	text_escape(out, bytes);
	fclose(out);
	ck_assert_str_eq(text, want);
	snprintf(back, sizeof(back), "%s", text);
	text_unescape(back);
	ck_assert_str_eq(back, bytes);
	free(text);
}

START_TEST(there_and_back)
{
	expect_escaped("", "");
	expect_escaped("plain name", "plain name");
	expect_escaped("a\nb\tc", "a\\012b\\011c");
	expect_escaped("\\", "\\\\");
	expect_escaped("\\012", "\\\\012");
	expect_escaped("\\\\\n", "\\\\\\\\\\012");
	expect_escaped("\xff\x7f\xc3\xa4", "\\377\\177\\303\\244");
}
END_TEST

/* What was not written by us comes through as it is. */
START_TEST(not_ours)
{
	char text[] = "a\\b \\9 \\12 \\400 \\";

	text_unescape(text);
	ck_assert_str_eq(text, "a\\b \\9 \\12 \\400 \\");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("text");
	TCase *tcase = tcase_create("text");

	tcase_add_test(tcase, there_and_back);
	tcase_add_test(tcase, not_ours);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
