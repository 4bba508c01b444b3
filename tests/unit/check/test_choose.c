#include <errno.h>
#include <string.h>

#include "check/choose.h"

#include "../check_main.h"

/* A digest that is told by one number. */
static void
digest_of(unsigned number, uint8_t *out)
{
	memset(out, 0, DIGEST_SIZE);
	memcpy(out, &number, sizeof(number));
	out[DIGEST_SIZE - 1] = (uint8_t)(number * 37);
}

static void
add(struct choose_slot *slot, unsigned replica, unsigned number)
{
	uint8_t digest[DIGEST_SIZE];

	digest_of(number, digest);
	slot->of[replica] = (uint8_t)choose_option(slot, digest);
}

static void
sum_of(uint8_t *sum, unsigned a, unsigned b, unsigned c)
{
	uint8_t one[DIGEST_SIZE];

	digest_of(a, sum);
	digest_of(b, one);
	digest_xor(sum, one);
	digest_of(c, one);
	digest_xor(sum, one);
}

START_TEST(options_are_joined)
{
	struct choose_slot slot = { 0 };

	add(&slot, 0, 5);
	add(&slot, 1, 9);
	add(&slot, 2, 5);
	ck_assert_uint_eq(slot.option_count, 2);
	ck_assert_uint_eq(slot.of[2], 0);
}
END_TEST

START_TEST(a_whole_replica)
{
	struct choose_slot slots[3] = { { 0 } };
	uint8_t sum[DIGEST_SIZE];

	for (unsigned i = 0; i < 3; i++) {
		add(&slots[i], 0, 10 + i);
		add(&slots[i], 1, 20 + i);
	}
	sum_of(sum, 20, 21, 22);
	ck_assert_int_eq(choose_sum(slots, 3, 2, sum), 0);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(slots[i].chosen, slots[i].of[1]);
}
END_TEST

START_TEST(a_mixture)
{
	struct choose_slot slots[3] = { { 0 } };
	uint8_t sum[DIGEST_SIZE];

	for (unsigned i = 0; i < 3; i++) {
		add(&slots[i], 0, 1 << (2 * i));
		add(&slots[i], 1, 2 << (2 * i));
	}
	sum_of(sum, 1, 2 << 2, 1 << 4);
	ck_assert_int_eq(choose_sum(slots, 3, 2, sum), 0);
	ck_assert_uint_eq(slots[0].chosen, slots[0].of[0]);
	ck_assert_uint_eq(slots[1].chosen, slots[1].of[1]);
	ck_assert_uint_eq(slots[2].chosen, slots[2].of[0]);
}
END_TEST

START_TEST(nothing_fits)
{
	struct choose_slot slots[2] = { { 0 } };
	uint8_t sum[DIGEST_SIZE];

	add(&slots[0], 0, 1);
	add(&slots[0], 1, 2);
	add(&slots[1], 0, 4);
	digest_of(7777, sum);
	ck_assert_int_eq(choose_sum(slots, 2, 2, sum), -ENOENT);
	ck_assert_uint_eq(slots[0].chosen, 0);
	ck_assert_uint_eq(slots[1].chosen, 0);

	/* No slots at all add up to nothing. */
	memset(sum, 0, sizeof(sum));
	ck_assert_int_eq(choose_sum(NULL, 0, 2, sum), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("check/choose");
	TCase *tcase = tcase_create("choose_sum");

	tcase_add_test(tcase, options_are_joined);
	tcase_add_test(tcase, a_whole_replica);
	tcase_add_test(tcase, a_mixture);
	tcase_add_test(tcase, nothing_fits);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
