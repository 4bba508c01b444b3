#include "meta/fitness.h"
#include "meta/meta.h"
#include "replica/fault.h"

#include "../replica/scratch.h"

static replica_handle meta;

static void
setup(void)
{
	scratch_setup();
	ck_assert_int_eq(meta_open(r, true, &meta), 0);
}

static void
teardown(void)
{
	r->ops->dir_close(r, meta);
	scratch_teardown();
}

static int
count_call(void *arg, const char *name, unsigned char d_type, uint64_t ino)
{
	(void)name;
	(void)d_type;
	(void)ino;
	++*(unsigned *)arg;
	return 0;
}

static unsigned
names_left(void)
{
	unsigned count = 0;

	ck_assert_int_eq(r->ops->list(r, meta, count_call, &count), 0);
	return count;
}

START_TEST(a_fit_one_is_left_as_it_was)
{
	char why[FITNESS_WHY_MAX];

	ck_assert_int_eq(fitness_check(r, meta, why), 0);
	ck_assert_uint_eq(names_left(), 0);
}
END_TEST

START_TEST(what_was_cut_off_does_not_matter)
{
	const struct replica_new new = { .mode = S_IFREG | 0600, .owned = true };
	char why[FITNESS_WHY_MAX];

	ck_assert_int_eq(r->ops->create(r, meta, "probe.new", &new, NULL), 0);
	ck_assert_int_eq(r->ops->create(r, meta, "other.new", &new, NULL), 0);
	ck_assert_int_eq(fitness_check(r, meta, why), 0);
	ck_assert_uint_eq(names_left(), 0);
}
END_TEST

/* Whatever fails, there is a line for it, and nothing stays. */
START_TEST(each_step_may_fail)
{
	static const int errors[] = { EIO, EOPNOTSUPP, EINVAL, EPERM };
	struct replica *inner = r;
	char why[FITNESS_WHY_MAX];
	unsigned n, error;
	int rc = -1;

	ck_assert_int_eq(fault_replica_new(inner, &r), 0);
	for (error = 0; error < sizeof(errors) / sizeof(errors[0]); error++) {
		for (n = 1;; n++) {
			fault_set(r, &(struct fault_rule){ .ops = FAULT_CHANGES & ~FAULT_MASK(FAULT_UNLINK), .nth = n, .error = errors[error] });
			why[0] = '\0';
			rc = fitness_check(r, meta, why);
			if (fault_hits(r) == 0)
				break;
			ck_assert_int_lt(rc, 0);
			ck_assert_uint_gt(strlen(why), 10);
			ck_assert_ptr_null(strchr(why, '\n'));
			ck_assert_uint_eq(names_left(), 0);
		}
		ck_assert_int_eq(rc, 0);
		ck_assert_uint_gt(n, 8);
	}
	fault_set(r, &(struct fault_rule){ .ops = 0 });
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("meta/fitness");
	TCase *tcase = tcase_create("fitness");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_fit_one_is_left_as_it_was);
	tcase_add_test(tcase, what_was_cut_off_does_not_matter);
	tcase_add_test(tcase, each_step_may_fail);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
