#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/jsonline.h"

#include "../check_main.h"

/* A line as it is written. */
static char *
written(json_t *line)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	jsonline_write(out, line);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

START_TEST(fields)
{
	json_t *line = jsonline_new("x");
	char *text;

	jsonline_set_text(line, "text", "a\"b\n");
	jsonline_set_text(line, "none", NULL);
	jsonline_set_number(line, "number", 12);
	jsonline_set_flag(line, "flag", true);
	jsonline_set(line, "null", NULL);
	ck_assert_str_eq(jsonline_get_text(line, "text"), "a\"b\n");
	ck_assert_ptr_null(jsonline_get_text(line, "none"));
	ck_assert_ptr_null(jsonline_get_text(line, "number"));
	ck_assert_uint_eq(jsonline_get_number(line, "number", 1), 12);
	ck_assert_uint_eq(jsonline_get_number(line, "text", 1), 1);
	ck_assert_uint_eq(jsonline_get_number(line, "none", 1), 1);
	ck_assert(jsonline_get_flag(line, "flag"));
	ck_assert(!jsonline_get_flag(line, "number"));
	text = written(line);
	ck_assert_str_eq(text, "{\"type\":\"x\",\"text\":\"a\\\"b\\n\",\"number\":12,\"flag\":true}\n");
	free(text);
}
END_TEST

START_TEST(below_zero)
{
	json_t *line = jsonline_new("x");

	jsonline_set(line, "n", json_integer(-1));
	ck_assert_uint_eq(jsonline_get_number(line, "n", 7), 7);
	json_decref(line);
}
END_TEST

static const struct { const char *bytes, *shown; } names[] = {
	{ "a", "a" }, { "", "" }, { "a b\"", "a b\"" }, { "\xc3\xa4", "\xc3\xa4" }, { "\xff/x\\", "\\377/x\\\\" }, { "\n", "\n" },
};

START_TEST(name)
{
	json_t *line = jsonline_new("x");
	char out[64];

	jsonline_set_name(line, "n", names[_i].bytes);
	ck_assert_str_eq(jsonline_get_text(line, "n"), names[_i].shown);
	ck_assert_int_eq(jsonline_get_name(line, "n", out, sizeof(out)), 0);
	ck_assert_str_eq(out, names[_i].bytes);
	ck_assert_int_eq(jsonline_get_name(line, "n", out, strlen(names[_i].bytes)), -ENAMETOOLONG);
	ck_assert_int_eq(jsonline_get_name(line, "n", out, strlen(names[_i].bytes) + 1), 0);
	json_decref(line);
}
END_TEST

static const struct { const char *hex; int rc; } hexes[] = {
	{ NULL, -ENOENT }, { "6", -EINVAL }, { "6g", -EINVAL }, { "6A", -EINVAL }, { "6100", -EINVAL }, { "61", 0 },
	{ "6162636465666768", -ENAMETOOLONG },
};

START_TEST(not_a_name)
{
	json_t *line = jsonline_new("x");
	char out[8];

	jsonline_set_text(line, "n_hex", hexes[_i].hex);
	ck_assert_int_eq(jsonline_get_name(line, "n", out, sizeof(out)), hexes[_i].rc);
	json_decref(line);
}
END_TEST

START_TEST(no_object)
{
	/* What a peer may send in an object's place. */
	json_t *array = json_array();

	ck_assert_ptr_null(jsonline_get_text(array, "a"));
	ck_assert_ptr_null(jsonline_get_text(NULL, "a"));
	ck_assert_uint_eq(jsonline_get_number(NULL, "a", 3), 3);
	ck_assert(!jsonline_get_flag(array, "a"));
	json_decref(array);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("format/jsonline");
	TCase *cases = tcase_create("jsonline");

	tcase_add_test(cases, fields);
	tcase_add_test(cases, below_zero);
	tcase_add_loop_test(cases, name, 0, sizeof(names) / sizeof(names[0]));
	tcase_add_loop_test(cases, not_a_name, 0, sizeof(hexes) / sizeof(hexes[0]));
	tcase_add_test(cases, no_object);
	suite_add_tcase(suite, cases);
	return check_main(suite);
}
