#include <errno.h>
#include <string.h>

#include "util/uuid.h"

#include "../check_main.h"

START_TEST(generated)
{
	struct uuid uuids[200], again;
	char text[UUID_TEXT_SIZE];

	for (size_t i = 0; i < 200; i++) {
		uuid_generate(&uuids[i]);
		ck_assert_uint_eq(uuids[i].bytes[6] >> 4, 4);
		ck_assert_uint_eq(uuids[i].bytes[8] >> 6, 2);
		for (size_t j = 0; j < i; j++)
			ck_assert(!uuid_equal(&uuids[i], &uuids[j]));
		uuid_format(&uuids[i], text);
		ck_assert_uint_eq(strlen(text), UUID_TEXT_SIZE - 1);
		ck_assert_int_eq(uuid_parse(text, &again), 0);
		ck_assert(uuid_equal(&uuids[i], &again));
	}
}
END_TEST

START_TEST(known)
{
	static const struct uuid uuid = { { 0xf8, 0x1d, 0x4f, 0xae, 0x7d, 0xec, 0x11, 0xd0,
	    0xa7, 0x65, 0x00, 0xa0, 0xc9, 0x1e, 0x6b, 0xf6 } };
	char text[UUID_TEXT_SIZE];
	struct uuid parsed;

	uuid_format(&uuid, text);
	ck_assert_str_eq(text, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
	ck_assert_int_eq(uuid_parse("F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", &parsed), 0);
	ck_assert(uuid_equal(&uuid, &parsed));
}
END_TEST

START_TEST(refused)
{
	static const char *const bad[] = {
		"", "-", "f81d4fae",
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf",
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf67",
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf6 ",
		" f81d4fae-7dec-11d0-a765-00a0c91e6bf",
		"f81d4fae-7dec-11d0-a765-00a0c91e6bfg",
		"f81d4fae07dec-11d0-a765-00a0c91e6bf6",
		"f81d4fae-7dec-11d0-a765000a0c91e6bf6",
		"f81d4fa-e7dec-11d0-a765-00a0c91e6bf6",
		"{81d4fae-7dec-11d0-a765-00a0c91e6bf}",
		"f81d4fae7dec11d0a76500a0c91e6bf6",
	};
	struct uuid uuid, before;

	memset(&uuid, 0x55, sizeof(uuid));
	before = uuid;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(uuid_parse(bad[i], &uuid), -EINVAL);
		ck_assert(uuid_equal(&uuid, &before));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("uuid");
	TCase *tcase = tcase_create("uuid");

	tcase_add_test(tcase, generated);
	tcase_add_test(tcase, known);
	tcase_add_test(tcase, refused);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
