#include <sched.h>

#include "util/processors.h"

#include "../check_main.h"

/* taskset(1) leaves a process fewer than the machine has. */
START_TEST(those_that_it_may_run_on)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	ck_assert_int_ge(cpu, 0);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(set), &set), 0);
	ck_assert_uint_eq(processors_count(), 1);
	ck_assert_uint_eq(processors_count(), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("processors");
	TCase *tcase = tcase_create("processors");

	tcase_add_test(tcase, those_that_it_may_run_on);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
