#include <errno.h>
#include <string.h>

#include "format/intent.h"

#include "../check_main.h"
#include "../hex.h"
#include "../random.h"

#define BITS_SIZE (INTENT_SECTOR_BITS / 8)

static struct digest digest;
static uint8_t bits[BITS_SIZE], out[BITS_SIZE], sector[INTENT_SECTOR_SIZE];

/* Each test runs with both codecs: _i is 0 or 1. */
static void
use(int codec)
{
	memset(&digest, 0, sizeof(digest));
	digest.codec = codec == 0 ? DIGEST_XXH3 : DIGEST_BLAKE2B;
	for (unsigned i = 0; i < DIGEST_KEY_SIZE && codec == 1; i++)
		digest.key[i] = (uint8_t)i;
	memset(bits, 0, sizeof(bits));
	memset(out, 0x55, sizeof(out));
}

/* Refused, and nothing is taken as clean. */
static void
assert_refused(uint32_t index)
{
	uint8_t all[BITS_SIZE];

	memset(out, 0, sizeof(out));
	memset(all, 0xff, sizeof(all));
	ck_assert_int_eq(intent_decode(&digest, INTENT_REGIONS, index, sector, out), -EBADMSG);
	ck_assert_mem_eq(out, all, sizeof(all));
}

/* The check was computed apart from this program. */
START_TEST(known)
{
	use(1);
	bits[0] = 1;
	bits[BITS_SIZE - 1] = 0x80;
	intent_encode(&digest, INTENT_REGIONS, 2, bits, sector);
	ck_assert_mem_eq(sector, "MINT\x02\0\0\0\x01\0", 10);
	ck_assert_uint_eq(sector[INTENT_SECTOR_SIZE - DIGEST_SIZE - 1], 0x80);
	ck_assert_str_eq(hex(sector + INTENT_SECTOR_SIZE - DIGEST_SIZE, DIGEST_SIZE),
	    "f48076ef4d0b0564faa851ec5641d488");
}
END_TEST

START_TEST(never_written)
{
	use(_i);
	memset(sector, 0, sizeof(sector));
	ck_assert_int_eq(intent_decode(&digest, INTENT_REGIONS, 5, sector, out), 0);
	ck_assert_mem_eq(out, bits, sizeof(out));
}
END_TEST

START_TEST(round_trips)
{
	struct random random = { .state = 10 };

	use(_i);
	for (int i = 0; i < 2000; i++) {
		uint32_t index = (uint32_t)random_wide(&random);

		memset(bits, i % 3 == 0 ? 0xff : 0, sizeof(bits));
		random_bytes(&random, bits, random_below(&random, sizeof(bits)));
		intent_encode(&digest, INTENT_REGIONS, index, bits, sector);
		ck_assert_int_eq(intent_decode(&digest, INTENT_REGIONS, index, sector, out), 0);
		ck_assert_mem_eq(out, bits, sizeof(out));
		assert_refused(index ^ 1);
	}
}
END_TEST

START_TEST(spoiled)
{
	use(_i);
	bits[7] = 0x42;
	intent_encode(&digest, INTENT_REGIONS, 3, bits, sector);
	for (size_t bit = 0; bit < sizeof(sector) * 8; bit++) {
		sector[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_refused(3);
		sector[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t len = 1; len < sizeof(sector); len++) {
		intent_encode(&digest, INTENT_REGIONS, 3, bits, sector);
		memset(sector + len, 0, sizeof(sector) - len);
		assert_refused(3);
	}
	memset(sector, 0, sizeof(sector));
	sector[100] = 1;
	assert_refused(3);
}
END_TEST

/* With a check that fits, but no magic. */
START_TEST(something_else)
{
	use(_i);
	intent_encode(&digest, INTENT_REGIONS, 3, bits, sector);
	sector[0] ^= 0x20;
	digest_bytes(&digest, DIGEST_INTENT, sector, INTENT_SECTOR_SIZE - DIGEST_SIZE,
	    sector + INTENT_SECTOR_SIZE - DIGEST_SIZE);
	assert_refused(3);
}
END_TEST

/* Each kind says which it is, and is not taken for another. */
START_TEST(kinds)
{
	static const char *const magic[] = { "MINT", "MINW", "MWAY" };
	enum intent_kind kind, other;

	use(_i);
	bits[3] = 0x20;
	for (kind = INTENT_REGIONS; kind <= INTENT_WAYS; kind++) {
		intent_encode(&digest, kind, 9, bits, sector);
		ck_assert_mem_eq(sector, magic[kind], 4);
		for (other = INTENT_REGIONS; other <= INTENT_WAYS; other++) {
			ck_assert_int_eq(intent_is_kind(other, sector), other == kind);
			ck_assert_int_eq(intent_decode(&digest, other, 9, sector, out), other == kind ? 0 : -EBADMSG);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("intent");
	TCase *tcase = tcase_create("intent");

	tcase_add_test(tcase, known);
	tcase_add_loop_test(tcase, never_written, 0, 2);
	tcase_add_loop_test(tcase, round_trips, 0, 2);
	tcase_add_loop_test(tcase, spoiled, 0, 2);
	tcase_add_loop_test(tcase, something_else, 0, 2);
	tcase_add_loop_test(tcase, kinds, 0, 2);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
