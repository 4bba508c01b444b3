#include <errno.h>

#include "replica/replica.h"

#include "../check_main.h"

START_TEST(names)
{
	ck_assert(replica_name_valid("a"));
	ck_assert(replica_name_valid("..."));
	ck_assert(replica_name_valid(".a"));
	ck_assert(replica_name_valid("..a"));
	ck_assert(replica_name_valid("\xff\n\x01"));
	ck_assert(replica_name_valid(REPLICA_META));
	ck_assert(!replica_name_valid(NULL));
	ck_assert(!replica_name_valid(""));
	ck_assert(!replica_name_valid("."));
	ck_assert(!replica_name_valid(".."));
	ck_assert(!replica_name_valid("/"));
	ck_assert(!replica_name_valid("a/b"));
	ck_assert(!replica_name_valid("a/"));
	ck_assert(!replica_name_valid("/a"));
}
END_TEST

START_TEST(errors)
{
	static const int own[] = { ENOSPC, EDQUOT, EFBIG, EEXIST, ENOENT, ENAMETOOLONG, ENOTEMPTY,
		EPERM, EACCES, EMLINK, ENODATA, ERANGE, EXDEV, EOPNOTSUPP, ENOMEM, EMFILE, EBADMSG, EINVAL };
	static const int against[] = { EIO, EROFS, ENXIO, ENODEV, ESTALE, ENOTCONN, ETIMEDOUT,
		EUCLEAN, EBADF, EHOSTDOWN, ENOMEDIUM };
	size_t i;

	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		ck_assert_msg(replica_error_is_own(own[i]), "%d", own[i]);
		ck_assert_msg(replica_error_is_own(-own[i]), "%d", own[i]);
	}
	for (i = 0; i < sizeof(against) / sizeof(against[0]); i++) {
		ck_assert_msg(!replica_error_is_own(against[i]), "%d", against[i]);
		ck_assert_msg(!replica_error_is_own(-against[i]), "%d", against[i]);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("replica");
	TCase *tcase = tcase_create("replica");

	tcase_add_test(tcase, names);
	tcase_add_test(tcase, errors);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
