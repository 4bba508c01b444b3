#include <errno.h>

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
	tcase_add_test(tcase, unknown);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
