#include <stdbool.h>
#include <string.h>

#include "util/hashmap.h"

#include "../check_main.h"
#include "../random.h"

#define MEMBERS 5000

struct member { int before; struct hashmap_link link; bool inside; int visits; };

static struct member members[MEMBERS];
static struct hashmap map;

/* Keys as they come in life: in sequence, at one distance, and any. */
static uint64_t
key_of(int kind, size_t i)
{
	struct random random = { .state = i };

	switch (kind) {
	case 0:
		return i + 1;
	case 1:
		return (uint64_t)i << 32;
	default:
		return random_u64(&random);
	}
}

static void
setup(void)
{
	memset(members, 0, sizeof(members));
	ck_assert_int_eq(hashmap_init(&map), 0);
}

static void
teardown(void)
{
	hashmap_free(&map);
}

START_TEST(empty)
{
	ck_assert_ptr_null(hashmap_find(&map, 0));
	ck_assert_ptr_null(hashmap_find(&map, UINT64_MAX));
	ck_assert_uint_eq(map.count, 0);
}
END_TEST

START_TEST(against_an_array)
{
	struct random random = { .state = (uint64_t)_i + 1 };
	struct hashmap_link *link;
	size_t count = 0, i;

	/* Fills in the first half, empties in the second. */
	for (int round = 0; round < 30000; round++) {
		i = random_below(&random, MEMBERS);
		link = hashmap_find(&map, key_of(_i, i));
		ck_assert_ptr_eq(link, members[i].inside ? &members[i].link : NULL);
		if (link != NULL)
			ck_assert_ptr_eq(hashmap_entry(link, struct member, link), &members[i]);
		if (random_below(&random, 4) < (round < 15000 ? 3 : 1)) {
			if (!members[i].inside) {
				hashmap_insert(&map, &members[i].link, key_of(_i, i));
				members[i].inside = true;
				count++;
			}
		} else if (members[i].inside) {
			hashmap_remove(&map, &members[i].link);
			members[i].inside = false;
			count--;
		}
		ck_assert_uint_eq(map.count, count);
	}
	for (i = 0; i < MEMBERS; i++) {
		link = hashmap_find(&map, key_of(_i, i));
		ck_assert_ptr_eq(link, members[i].inside ? &members[i].link : NULL);
	}
}
END_TEST

START_TEST(memory_is_given_back)
{
	size_t empty_size = map.size, i;

	for (i = 0; i < MEMBERS; i++)
		hashmap_insert(&map, &members[i].link, key_of(_i, i));
	ck_assert_uint_ge(map.size, MEMBERS / 2);
	for (i = 0; i < MEMBERS; i++)
		hashmap_remove(&map, &members[i].link);
	ck_assert_uint_eq(map.size, empty_size);
}
END_TEST

START_TEST(chains_stay_short)
{
	size_t longest = 0;

	for (size_t i = 0; i < MEMBERS; i++)
		hashmap_insert(&map, &members[i].link, key_of(_i, i));
	for (size_t i = 0; i < map.size; i++) {
		size_t len = 0;

		for (struct hashmap_link *link = map.table[i]; link != NULL; link = link->next)
			len++;
		if (len > longest)
			longest = len;
	}
	ck_assert_uint_le(longest, 10);
}
END_TEST

static void
visit(struct hashmap_link *link, void *arg)
{
	struct member *member = hashmap_entry(link, struct member, link);
	const uint64_t *odd = arg;

	member->visits++;
	if (odd != NULL && link->key % 2 == *odd) {
		hashmap_remove(&map, link);
		member->inside = false;
	}
}

START_TEST(each_may_remove)
{
	uint64_t odd = 1, even = 0;

	for (size_t i = 0; i < MEMBERS; i++) {
		hashmap_insert(&map, &members[i].link, i);
		members[i].inside = true;
	}
	hashmap_each(&map, visit, NULL);
	hashmap_each(&map, visit, &odd);
	for (size_t i = 0; i < MEMBERS; i++) {
		ck_assert_int_eq(members[i].visits, 2);
		ck_assert_int_eq(members[i].inside, i % 2 == 0);
		ck_assert_int_eq(hashmap_find(&map, i) != NULL, members[i].inside);
	}
	ck_assert_uint_eq(map.count, MEMBERS / 2);
	hashmap_each(&map, visit, &even);
	ck_assert_uint_eq(map.count, 0);
	ck_assert_uint_le(map.size, 16);
	for (size_t i = 0; i < MEMBERS; i++)
		ck_assert_int_eq(members[i].visits, i % 2 == 0 ? 3 : 2);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hashmap");
	TCase *tcase = tcase_create("hashmap");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, empty);
	tcase_add_loop_test(tcase, against_an_array, 0, 3);
	tcase_add_loop_test(tcase, memory_is_given_back, 0, 3);
	tcase_add_loop_test(tcase, chains_stay_short, 0, 3);
	tcase_add_test(tcase, each_may_remove);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
