#include <errno.h>
#include <stdio.h>

#include "util/roll.h"

#include "../check_main.h"
#include "../random.h"

#define NAMES 3000

static bool inside[NAMES];

static const char *
name_of(unsigned i)
{
	static char name[16];

	snprintf(name, sizeof(name), "name.%u", i);
	return name;
}

/* Names come and go; none that is there is ever said to be absent, and hardly any is wrongly said to be there. */
START_TEST(comes_and_goes)
{
	struct random random = { .state = 7 };
	struct roll *roll = roll_new(ROLL_MAX);
	unsigned step, i, wrong = 0;

	ck_assert_ptr_nonnull(roll);
	for (step = 0; step < 40000; step++) {
		i = (unsigned)(random_u64(&random) % NAMES);
		if (inside[i])
			ck_assert(roll_remove(roll, name_of(i)));
		else
			ck_assert_int_eq(roll_add(roll, name_of(i)), 0);
		inside[i] = !inside[i];
		i = (unsigned)(random_u64(&random) % NAMES);
		ck_assert(!inside[i] || roll_may_have(roll, name_of(i)));
		wrong += !inside[i] && roll_may_have(roll, name_of(i));
	}
	for (i = 0; i < NAMES; i++)
		ck_assert(!inside[i] || roll_may_have(roll, name_of(i)));
	ck_assert_uint_eq(wrong, 0);
	roll_free(roll);
}
END_TEST

/* Two that look alike count as two: one of them goes, and the other is still there. */
START_TEST(alike)
{
	struct roll *roll = roll_new(ROLL_MAX);

	ck_assert(!roll_may_have(roll, "a"));
	ck_assert(!roll_remove(roll, "a"));
	ck_assert_int_eq(roll_add(roll, "a"), 0);
	ck_assert_int_eq(roll_add(roll, "a"), 0);
	ck_assert(roll_remove(roll, "a"));
	ck_assert(roll_may_have(roll, "a"));
	ck_assert(roll_remove(roll, "a"));
	ck_assert(!roll_may_have(roll, "a"));
	ck_assert(!roll_remove(roll, "a"));
	roll_free(roll);
	roll_free(NULL);
}
END_TEST

START_TEST(too_many)
{
	struct roll *roll = roll_new(ROLL_MAX);
	unsigned i;

	for (i = 0; i < ROLL_MAX; i++)
		ck_assert_int_eq(roll_add(roll, name_of(i)), 0);
	ck_assert_int_eq(roll_add(roll, "one more"), -E2BIG);
	roll_free(roll);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("roll");
	TCase *tcase = tcase_create("roll");

	tcase_add_test(tcase, comes_and_goes);
	tcase_add_test(tcase, alike);
	tcase_add_test(tcase, too_many);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
