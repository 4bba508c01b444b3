#include "meta/pending.h"
#include "replica/fault.h"

#include "../replica/scratch.h"

static const struct digest digest = { .codec = DIGEST_XXH3 };
static struct uuid uuid;

static void
setup(void)
{
	struct replica *wrapped;

	scratch_setup();
	ck_assert_int_eq(fault_replica_new(r, &wrapped), 0);
	r = wrapped;
	uuid_generate(&uuid);
}

static void
expect_lost(uint64_t lost)
{
	struct pending back;

	ck_assert_int_eq(pending_read(r, &digest, &uuid, &back), 0);
	ck_assert_uint_eq(back.lost, lost);
	pending_free(&back);
}

START_TEST(write_read_remove)
{
	struct pending p = { .lost = 3 }, back;

	ck_assert_int_eq(pending_read(r, &digest, &uuid, &back), -ENOENT);
	ck_assert_int_eq(pending_remove(r, &uuid), 0);
	ck_assert_int_eq(pending_write(r, &digest, &uuid, &p), 0);
	expect_lost(3);
	p.lost = 4;
	ck_assert_int_eq(pending_write(r, &digest, &uuid, &p), 0);
	expect_lost(4);
	ck_assert_int_eq(pending_remove(r, &uuid), 0);
	ck_assert_int_eq(pending_read(r, &digest, &uuid, &back), -ENOENT);
}
END_TEST

START_TEST(spoiled)
{
	struct pending p = { .lost = 3 }, back;
	char name[UUID_TEXT_SIZE], path[128];

	ck_assert_int_eq(pending_write(r, &digest, &uuid, &p), 0);
	uuid_format(&uuid, name);
	snprintf(path, sizeof(path), ".mendfs/pending/%s", name);
	ck_assert_int_eq(truncate(under(path), 9), 0);
	ck_assert_int_eq(pending_read(r, &digest, &uuid, &back), -EBADMSG);
	ck_assert_int_eq(unlink(under(path)), 0);
	ck_assert_int_eq(symlink("/etc/passwd", under(path)), 0);
	ck_assert_int_eq(pending_read(r, &digest, &uuid, &back), -EBADMSG);
	ck_assert_int_eq(pending_write(r, &digest, &uuid, &p), 0);
	expect_lost(3);
}
END_TEST

/* The old log or the new one. */
START_TEST(each_failure)
{
	struct fault_rule rule = { .ops = FAULT_ALL, .times = 1, .error = EIO };
	struct pending p = { .lost = 1 }, back;

	ck_assert_int_eq(pending_write(r, &digest, &uuid, &p), 0);
	for (rule.nth = 1;; rule.nth++) {
		fault_set(r, &rule);
		p.lost++;
		(void)pending_write(r, &digest, &uuid, &p);
		if (fault_hits(r) == 0)
			break;
		fault_set(r, NULL);
		ck_assert_int_eq(pending_read(r, &digest, &uuid, &back), 0);
		ck_assert_uint_le(back.lost, p.lost);
		pending_free(&back);
	}
	fault_set(r, NULL);
	expect_lost(p.lost);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pending");
	TCase *tcase = tcase_create("pending");

	tcase_add_checked_fixture(tcase, setup, scratch_teardown);
	tcase_add_test(tcase, write_read_remove);
	tcase_add_test(tcase, spoiled);
	tcase_add_test(tcase, each_failure);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
