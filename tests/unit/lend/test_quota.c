/* The limit of an export's size. */

#include "rig.h"

#define KIB 1024
#define CALL(rig, ...) rig_call(rig, (struct proto_request){ __VA_ARGS__ })
#define FILE_MODE .mode = S_IFREG | 0600, .flags = PROTO_CREATE_OWNED

static uint8_t data[256 * KIB];
static struct quota *quota;
static struct rig a;

static void
ready(uint64_t limit)
{
	memset(data, 'x', sizeof(data));
	ck_assert_int_eq(quota_new(limit, &quota), 0);
	ck_assert_int_eq(quota_measure(quota, r), 0);
	rig_ready(&a, &(struct session_options){ .quota = quota });
}

static void
done(void)
{
	rig_stop(&a);
	quota_free(quota);
}

static int
write_at(uint32_t handle, uint64_t offset, size_t len)
{
	return CALL(&a, .op = PROTO_PWRITE, .handle = handle, .offset = offset, .data = data, .data_len = len);
}

/* What was counted along the way is what a walk finds. */
static void
check_count(void)
{
	struct quota *again;

	ck_assert_int_eq(quota_new(0, &again), 0);
	ck_assert_int_eq(quota_measure(again, r), 0);
	ck_assert_uint_eq(quota_used(quota), quota_used(again));
	quota_free(again);
}

START_TEST(measured)
{
	replica_handle d = make_dir("d", 0755), file;

	file = make_file("f", 0600);
	memset(data, 'x', sizeof(data));
	ck_assert_int_eq(r->ops->pwrite(r, file, data, 100 * KIB, 0), 100 * KIB);
	r->ops->close(r, file);
	/* Two names of one file, in a directory below. */
	ck_assert_int_eq(r->ops->link(r, named(REPLICA_ROOT, "f"), d, "g"), 0);
	r->ops->dir_close(r, d);
	ready(1000 * KIB);
	ck_assert_uint_ge(quota_used(quota), 100 * KIB + 3 * QUOTA_NAME);
	ck_assert_uint_lt(quota_used(quota), 130 * KIB);
	done();
}
END_TEST

START_TEST(writes_beyond_are_refused)
{
	ready(200 * KIB);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, .name = "f", .opened = 1, FILE_MODE), 0);
	ck_assert_int_eq(write_at(1, 0, 150 * KIB), 150 * KIB);
	check_count();
	ck_assert_int_eq(write_at(1, 150 * KIB, 100 * KIB), -EDQUOT);
	/* What is there may be overwritten still, and a file cut off. */
	ck_assert_int_eq(write_at(1, 0, 100 * KIB), 100 * KIB);
	ck_assert_int_eq(CALL(&a, .op = PROTO_FALLOCATE, .handle = 1, .offset = 0, .len = 1000 * KIB), -EDQUOT);
	ck_assert_int_eq(CALL(&a, .op = PROTO_XATTR_SET, .handle = 1, .text = "user.a", .data = data, .data_len = 60 * KIB), -EDQUOT);
	ck_assert_int_eq(CALL(&a, .op = PROTO_TRUNCATE, .handle = 1, .offset = 0), 0);
	check_count();
	ck_assert_int_eq(write_at(1, 0, 100 * KIB), 100 * KIB);
	done();
}
END_TEST

START_TEST(statfs_shows_it)
{
	ready(200 * KIB);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, .name = "f", .opened = 1, FILE_MODE), 0);
	ck_assert_int_eq(write_at(1, 0, 100 * KIB), 100 * KIB);
	ck_assert_int_eq(CALL(&a, .op = PROTO_STATFS), 0);
	ck_assert_uint_eq(got.p.vfs.f_blocks, 200 * KIB / got.p.vfs.f_frsize);
	ck_assert_uint_le(got.p.vfs.f_bavail * got.p.vfs.f_frsize, 100 * KIB);
	ck_assert_uint_le(got.p.vfs.f_bfree * got.p.vfs.f_frsize, 100 * KIB);
	done();
}
END_TEST

START_TEST(names_come_and_go)
{
	ready(10000 * KIB);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, .name = "f", .opened = 1, FILE_MODE), 0);
	ck_assert_int_eq(write_at(1, 0, 100 * KIB), 100 * KIB);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CLOSE, .handle = 1), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_LINK, .name = "f", .to_name = "g"), 0);
	check_count();
	/* A renaming between two names of one file does nothing. */
	ck_assert_int_eq(CALL(&a, .op = PROTO_RENAME, .name = "f", .to_name = "g"), 0);
	check_count();
	ck_assert_int_eq(CALL(&a, .op = PROTO_UNLINK, .name = "f"), 0);
	check_count();
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, .name = "h", .opened = PROTO_NONE, FILE_MODE), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_RENAME, .name = "h", .to_name = "g", .flags = PROTO_RENAME_EXCHANGE), 0);
	check_count();
	ck_assert_int_eq(CALL(&a, .op = PROTO_RENAME, .name = "g", .to_name = "h"), 0);
	check_count();
	ck_assert_int_eq(CALL(&a, .op = PROTO_UNLINK, .name = "h"), 0);
	check_count();
	ck_assert_int_eq(CALL(&a, .op = PROTO_UNLINK, .name = "h"), -ENOENT);
	check_count();
	done();
}
END_TEST

/* What has no name any more counts until it is closed: or there would be a way around the limit. */
START_TEST(unlinked_while_open)
{
	uint64_t empty;

	ready(200 * KIB);
	empty = quota_used(quota);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, .name = "f", .opened = 1, FILE_MODE), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PIN, .name = "f", .opened = 2), 0);
	ck_assert_int_eq(write_at(1, 0, 150 * KIB), 150 * KIB);
	ck_assert_int_eq(CALL(&a, .op = PROTO_UNLINK, .name = "f"), 0);
	ck_assert_uint_ge(quota_used(quota), empty + 150 * KIB);
	ck_assert_int_eq(write_at(1, 150 * KIB, 100 * KIB), -EDQUOT);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CLOSE, .handle = 1), 0);
	ck_assert_uint_ge(quota_used(quota), empty + 150 * KIB);
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIR_CLOSE, .handle = 2), 0);
	ck_assert_uint_eq(quota_used(quota), empty);
	done();
}
END_TEST

/* Names alone cannot fill a disk. */
START_TEST(names_are_counted)
{
	char name[32];
	int rc = 0;
	unsigned i;

	ready(100 * KIB);
	for (i = 0; i < 1000 && rc == 0; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		rc = CALL(&a, .op = PROTO_CREATE, .name = name, .opened = PROTO_NONE, FILE_MODE);
	}
	ck_assert_int_eq(rc, -EDQUOT);
	ck_assert_int_eq(CALL(&a, .op = PROTO_LINK, .name = "f0", .to_name = "another"), -EDQUOT);
	ck_assert_int_eq(CALL(&a, .op = PROTO_UNLINK, .name = "f0"), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_LINK, .name = "f1", .to_name = "another"), 0);
	done();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lend/quota");
	TCase *tcase = tcase_create("quota");

	tcase_add_checked_fixture(tcase, scratch_setup, scratch_teardown);
	tcase_add_test(tcase, measured);
	tcase_add_test(tcase, writes_beyond_are_refused);
	tcase_add_test(tcase, statfs_shows_it);
	tcase_add_test(tcase, names_come_and_go);
	tcase_add_test(tcase, unlinked_while_open);
	tcase_add_test(tcase, names_are_counted);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
