#include "meta/label.h"
#include "replica/fault.h"

#include "../replica/scratch.h"

static struct label label;

static void
setup(void)
{
	struct replica *wrapped;

	scratch_setup();
	ck_assert_int_eq(fault_replica_new(r, &wrapped), 0);
	r = wrapped;

	memset(&label, 0, sizeof(label));
	label.version = LABEL_VERSION;
	uuid_generate(&label.volume);
	uuid_generate(&label.replica);
	label.codec = DIGEST_XXH3;
	label.events = 17;
	label.next_id = 1234;
	label.member_count = 1;
	label.members[0].uuid = label.replica;
	strcpy(label.members[0].name, "r0");
}

static void
expect_events(uint64_t events)
{
	struct label back;

	ck_assert_int_eq(label_read(r, &back), 0);
	ck_assert_uint_eq(back.events, events);
	ck_assert(uuid_equal(&back.volume, &label.volume));
	ck_assert(uuid_equal(&back.replica, &label.replica));
	ck_assert_uint_eq(back.next_id, 1234);
}

static void
put(const char *name, const char *text, size_t len)
{
	int fd;

	ck_assert_int_ge(fd = open(under(name), O_CREAT | O_TRUNC | O_WRONLY, 0600), 0);
	ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
	close(fd);
}

START_TEST(none)
{
	struct label back;

	ck_assert_int_eq(label_read(r, &back), -ENOENT);
	ck_assert_int_eq(mkdir(under(".mendfs"), 0700), 0);
	ck_assert_int_eq(label_read(r, &back), -ENOENT);
	/* A first label that a crash kept from its name. */
	put(".mendfs/label.new", "mend", 4);
	ck_assert_int_eq(label_read(r, &back), -ENOENT);
	ck_assert_int_eq(label_write(r, &label), 0);
	expect_events(17);
}
END_TEST

START_TEST(write_and_read)
{
	ck_assert_int_eq(label_write(r, &label), 0);
	expect_events(17);
	label.events = 18;
	ck_assert_int_eq(label_write(r, &label), 0);
	expect_events(18);
}
END_TEST

START_TEST(leftovers)
{
	ck_assert_int_eq(label_write(r, &label), 0);
	put(".mendfs/label.new", "half a la", 9);
	expect_events(17);
	label.events = 18;
	ck_assert_int_eq(label_write(r, &label), 0);
	expect_events(18);
	ck_assert_int_ne(access(under(".mendfs/label.new"), F_OK), 0);
}
END_TEST

START_TEST(spoiled)
{
	static char large[LABEL_TEXT_MAX + 1];
	struct label back;

	ck_assert_int_eq(label_write(r, &label), 0);
	put(".mendfs/label", "", 0);
	ck_assert_int_eq(label_read(r, &back), -EBADMSG);
	put(".mendfs/label", "mendfs", 6);
	ck_assert_int_eq(label_read(r, &back), -EBADMSG);
	put(".mendfs/label", large, sizeof(large));
	ck_assert_int_eq(label_read(r, &back), -EBADMSG);
	ck_assert_int_eq(unlink(under(".mendfs/label")), 0);
	ck_assert_int_eq(symlink("/etc/passwd", under(".mendfs/label")), 0);
	ck_assert_int_eq(label_read(r, &back), -ESTALE);
	/* A link is replaced like anything else, and its target left alone. */
	ck_assert_int_eq(label_write(r, &label), 0);
	expect_events(17);
}
END_TEST

START_TEST(invalid_is_not_written)
{
	struct label back;

	label.member_count = 0;
	ck_assert_int_eq(label_write(r, &label), -EINVAL);
	ck_assert_int_eq(label_read(r, &back), -ENOENT);
}
END_TEST

START_TEST(each_failure)
{
	struct fault_rule rule = { .ops = FAULT_ALL, .times = 1, .error = ENOSPC };
	struct label back;
	int rc;

	ck_assert_int_eq(label_write(r, &label), 0);
	for (rule.nth = 1; ; rule.nth++) {
		fault_set(r, &rule);
		label.events++;
		rc = label_write(r, &label);
		if (fault_hits(r) == 0)
			break;
		fault_set(r, NULL);
		ck_assert_int_eq(label_read(r, &back), 0);
		/* The room kept for it may have helped; then it is written indeed. */
		if (rc == 0)
			ck_assert_uint_eq(back.events, label.events);
		else
			ck_assert_int_eq(rc, -ENOSPC);
		ck_assert_uint_le(back.events, label.events);
		ck_assert(uuid_equal(&back.volume, &label.volume));
	}
	ck_assert_int_eq(rc, 0);
	fault_set(r, NULL);
	expect_events(label.events);
}
END_TEST

/* No new file, and none that grows: it is written again and again all the same. */
START_TEST(full_disk)
{
	const struct fault_rule full = { .ops = FAULT_MASK(FAULT_CREATE) | FAULT_MASK(FAULT_GROW) | FAULT_MASK(FAULT_FALLOCATE),
	    .nth = 1, .error = ENOSPC };
	int i;

	ck_assert_int_eq(label_write(r, &label), 0);
	fault_set(r, &full);
	for (i = 0; i < 10; i++) {
		label.events++;
		ck_assert_int_eq(label_write(r, &label), 0);
		expect_events(label.events);
	}
	fault_set(r, NULL);
	label.events++;
	ck_assert_int_eq(label_write(r, &label), 0);
	expect_events(label.events);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("meta/label");
	TCase *tcase = tcase_create("label");

	tcase_add_checked_fixture(tcase, setup, scratch_teardown);
	tcase_add_test(tcase, none);
	tcase_add_test(tcase, write_and_read);
	tcase_add_test(tcase, leftovers);
	tcase_add_test(tcase, spoiled);
	tcase_add_test(tcase, invalid_is_not_written);
	tcase_add_test(tcase, each_failure);
	tcase_add_test(tcase, full_disk);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
