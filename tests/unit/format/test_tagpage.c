#include <errno.h>
#include <string.h>

#include "format/tagpage.h"

#include "../check_main.h"
#include "../hex.h"
#include "../random.h"

static struct digest digest;
static uint8_t page[TAGPAGE_SIZE];

/* Each test runs with both codecs: _i is 0 or 1. */
static void
use(int codec)
{
	memset(&digest, 0, sizeof(digest));
	digest.codec = codec == 0 ? DIGEST_XXH3 : DIGEST_BLAKE2B;
	for (unsigned i = 0; i < DIGEST_KEY_SIZE && codec == 1; i++)
		digest.key[i] = (uint8_t)i;
	memset(page, 0, sizeof(page));
}

START_TEST(places)
{
	use(0);
	ck_assert_ptr_eq(tagpage_tag(page, 0), page);
	ck_assert_ptr_eq(tagpage_tag(page, 1), page + DIGEST_SIZE);
	ck_assert_ptr_eq(tagpage_tag(page, TAGPAGE_TAGS - 1), page + TAGPAGE_SIZE - 2 * DIGEST_SIZE);
	ck_assert_ptr_eq(tagpage_sum(page), page + TAGPAGE_SIZE - DIGEST_SIZE);
}
END_TEST

/* Computed apart from this program. */
START_TEST(known)
{
	use(1);
	for (unsigned i = 0; i < DIGEST_SIZE; i++)
		tagpage_tag(page, 0)[i] = (uint8_t)(i + 1);
	memset(tagpage_tag(page, TAGPAGE_TAGS - 1), 0x77, DIGEST_SIZE);
	tagpage_seal(&digest, 9, 3, page);
	ck_assert_str_eq(hex(tagpage_sum(page), DIGEST_SIZE), "dafce33c4890e793225a6713f3d57f0c");
	ck_assert_int_eq(tagpage_check(&digest, 9, 3, page), 0);
}
END_TEST

START_TEST(bound_to_file_and_place)
{
	struct random random = { .state = 6 };

	use(_i);
	random_bytes(&random, page, sizeof(page));
	ck_assert_int_eq(tagpage_check(&digest, 9, 3, page), -EBADMSG);
	tagpage_seal(&digest, 9, 3, page);
	ck_assert_int_eq(tagpage_check(&digest, 9, 3, page), 0);
	ck_assert_int_eq(tagpage_check(&digest, 9, 4, page), -EBADMSG);
	ck_assert_int_eq(tagpage_check(&digest, 8, 3, page), -EBADMSG);
	ck_assert_int_eq(tagpage_check(&digest, 3, 9, page), -EBADMSG);
	ck_assert_int_eq(tagpage_check(&digest, 9 + (UINT64_C(1) << 63), 3, page), -EBADMSG);
}
END_TEST

START_TEST(holes)
{
	static const uint8_t zeros[TAGPAGE_SIZE];

	use(_i);
	ck_assert_int_eq(tagpage_check(&digest, 9, 3, page), 0);
	tagpage_seal(&digest, 9, 3, page);
	ck_assert_mem_eq(page, zeros, sizeof(page));

	/* A page whose last tag went is a hole again. */
	tagpage_tag(page, 200)[5] = 1;
	tagpage_seal(&digest, 9, 3, page);
	ck_assert(!digest_is_zero(tagpage_sum(page)));
	tagpage_tag(page, 200)[5] = 0;
	ck_assert_int_eq(tagpage_check(&digest, 9, 3, page), -EBADMSG);
	tagpage_seal(&digest, 9, 3, page);
	ck_assert_mem_eq(page, zeros, sizeof(page));
}
END_TEST

START_TEST(spoiled)
{
	struct random random = { .state = 7 };

	use(_i);
	random_bytes(&random, page, 1000);
	tagpage_seal(&digest, 1, 0, page);
	for (size_t bit = 0; bit < sizeof(page) * 8; bit++) {
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(tagpage_check(&digest, 1, 0, page), -EBADMSG);
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}

	/* In a hole, too. */
	memset(page, 0, sizeof(page));
	for (size_t bit = 0; bit < sizeof(page) * 8; bit++) {
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(tagpage_check(&digest, 1, 0, page), -EBADMSG);
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}
END_TEST

START_TEST(half_a_page_is_none)
{
	struct random random = { .state = 8 };
	uint8_t before[TAGPAGE_SIZE], torn[TAGPAGE_SIZE];

	use(_i);
	random_bytes(&random, before, sizeof(before));
	tagpage_seal(&digest, 1, 0, before);
	random_bytes(&random, page, sizeof(page));
	tagpage_seal(&digest, 1, 0, page);
	for (size_t at = 1; at < sizeof(page); at++) {
		memcpy(torn, page, at);
		memcpy(torn + at, before + at, sizeof(torn) - at);
		ck_assert_int_eq(tagpage_check(&digest, 1, 0, torn), -EBADMSG);
		memset(torn + at, 0, sizeof(torn) - at);
		ck_assert_int_eq(tagpage_check(&digest, 1, 0, torn), -EBADMSG);
	}
}
END_TEST

START_TEST(random_round_trips)
{
	struct random random = { .state = 9 };

	use(_i);
	for (int i = 0; i < 2000; i++) {
		uint64_t id = random_wide(&random), index = random_wide(&random);

		memset(page, 0, sizeof(page));
		random_bytes(&random, tagpage_tag(page, (unsigned)random_below(&random, TAGPAGE_TAGS)), DIGEST_SIZE);
		tagpage_seal(&digest, id, index, page);
		ck_assert_int_eq(tagpage_check(&digest, id, index, page), 0);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tagpage");
	TCase *tcase = tcase_create("tagpage");

	tcase_add_test(tcase, places);
	tcase_add_test(tcase, known);
	tcase_add_loop_test(tcase, bound_to_file_and_place, 0, 2);
	tcase_add_loop_test(tcase, holes, 0, 2);
	tcase_add_loop_test(tcase, spoiled, 0, 2);
	tcase_add_loop_test(tcase, half_a_page_is_none, 0, 2);
	tcase_add_loop_test(tcase, random_round_trips, 0, 2);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
