#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/errors.h"

#include "../check_main.h"

START_TEST(there_and_back)
{
	static const int some[] = { EPERM, ENOENT, EIO, EAGAIN, ENOSPC, EROFS, EDQUOT, ESTALE, EUCLEAN, ENODATA, ENOTEMPTY,
	    ENAMETOOLONG, EOPNOTSUPP, EWOULDBLOCK, ENOTCONN, ENOLCK, EBADMSG, EXDEV, ELOOP, ERANGE, EREMOTEIO };

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		ck_assert_int_eq(proto_error_decode(proto_error_encode(some[i])), some[i]);
		ck_assert_uint_eq(proto_error_encode(-some[i]), proto_error_encode(some[i]));
	}
}
END_TEST

START_TEST(no_number_twice)
{
	for (int a = 1; a < 200; a++)
		for (int b = 1; b < a; b++)
			if (proto_error_decode((uint32_t)a) != EIO && proto_error_encode(a) != 5)
				ck_assert_uint_ne(proto_error_encode(a), proto_error_encode(b));
}
END_TEST

/* As doc/PROTOCOL.md has them. */
START_TEST(fixed)
{
	ck_assert_uint_eq(proto_error_encode(EPERM), 1);
	ck_assert_uint_eq(proto_error_encode(ENOSPC), 28);
	ck_assert_uint_eq(proto_error_encode(EOPNOTSUPP), 95);
	ck_assert_uint_eq(proto_error_encode(EDQUOT), 122);
}
END_TEST

/* Each number stands in doc/PROTOCOL.md as "number NAME". */
START_TEST(documented)
{
	const char *source = getenv("SOURCE");
	static char text[256 * 1024];
	char path[PATH_MAX], want[64];
	size_t len;
	FILE *file;

	if (source == NULL)
		return;
	snprintf(path, sizeof(path), "%s/doc/PROTOCOL.md", source);
	ck_assert_ptr_nonnull(file = fopen(path, "r"));
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	fclose(file);
	for (int error = 1; error < 200; error++) {
		if (proto_error_decode(proto_error_encode(error)) != error)
			continue;
		snprintf(want, sizeof(want), "| %u %s ", proto_error_encode(error), strerrorname_np(error));
		ck_assert_msg(strstr(text, want) != NULL, "not there: %s", want);
	}
}
END_TEST

START_TEST(unknown)
{
	ck_assert_uint_eq(proto_error_encode(100000), 5);
	ck_assert_int_eq(proto_error_decode(0), EIO);
	ck_assert_int_eq(proto_error_decode(100000), EIO);
	ck_assert_int_eq(proto_error_decode(UINT32_MAX), EIO);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("proto/errors");
	TCase *tcase = tcase_create("errors");

	tcase_add_test(tcase, there_and_back);
	tcase_add_test(tcase, no_number_twice);
	tcase_add_test(tcase, fixed);
	tcase_add_test(tcase, documented);
	tcase_add_test(tcase, unknown);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
