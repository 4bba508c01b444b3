#include <stdatomic.h>

#include "check/idset.h"
#include "check/pool.h"

#include "../check_main.h"

static atomic_uint ran;

static void
count(void *arg)
{
	(void)arg;
	atomic_fetch_add(&ran, 1);
}

START_TEST(all_jobs_run)
{
	struct pool *pool;

	atomic_store(&ran, 0);
	ck_assert_int_eq(pool_new(3, 4, &pool), 0);
	ck_assert_uint_eq(pool_threads(pool), 3);
	for (unsigned i = 0; i < 1000; i++)
		pool_add(pool, count, NULL);
	pool_drain(pool);
	ck_assert_uint_eq(atomic_load(&ran), 1000);

	/* What is queued when the pool ends is done, too. */
	pool_add(pool, count, NULL);
	pool_add(pool, count, NULL);
	pool_free(pool);
	ck_assert_uint_eq(atomic_load(&ran), 1002);
	pool_free(NULL);
}
END_TEST

START_TEST(ids)
{
	struct idset *set;

	ck_assert_int_eq(idset_new(&set), 0);
	ck_assert(!idset_has(set, 1));
	ck_assert_uint_eq(idset_highest(set), 0);
	for (uint64_t id = 1; id < 100000; id += 3)
		ck_assert_int_eq(idset_add(set, id), 0);
	ck_assert_int_eq(idset_add(set, 4), 1);
	ck_assert_int_eq(idset_add(set, UINT64_C(1) << 60), 0);
	ck_assert(idset_has(set, 99997));
	ck_assert(!idset_has(set, 99998));
	ck_assert(idset_has(set, UINT64_C(1) << 60));
	ck_assert_uint_eq(idset_highest(set), UINT64_C(1) << 60);
	idset_free(set);
	idset_free(NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("check/pool");
	TCase *tcase = tcase_create("pool");

	tcase_add_test(tcase, all_jobs_run);
	tcase_add_test(tcase, ids);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
