#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "hash/digest.h"

#include "../check_main.h"
#include "../hex.h"
#include "../random.h"

static const struct digest xxh3 = { .codec = DIGEST_XXH3 };
static struct digest blake2b = { .codec = DIGEST_BLAKE2B };
static uint8_t block[DIGEST_BLOCK_SIZE];

static void
setup(void)
{
	for (unsigned i = 0; i < DIGEST_KEY_SIZE; i++)
		blake2b.key[i] = (uint8_t)i;
	for (unsigned i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i * 7);
}

static const char *
sum(const struct digest *digest, int purpose, const void *data, size_t len)
{
	uint8_t out[DIGEST_SIZE];

	digest_bytes(digest, (enum digest_purpose)purpose, data, len, out);
	return hex(out, sizeof(out));
}

/* xxh128sum's values for seed 0, which is nobody's purpose. */
START_TEST(xxh3_known)
{
	ck_assert_str_eq(sum(&xxh3, 0, "", 0), "99aa06d3014798d86001c324468d497f");
	ck_assert_str_eq(sum(&xxh3, 0, "a", 1), "a96faf705af16834e6c632b61e964e1f");
	ck_assert_str_eq(sum(&xxh3, 0, "abc", 3), "06b05ab6733a618578af5f94892f3950");
	ck_assert_str_eq(sum(&xxh3, 0, block, sizeof(block)), "e0ef0909b1bdd88b8fb047a89e810965");
	ck_assert_str_eq(sum(&xxh3, DIGEST_TAG, "", 0), "d9265cc53bb2b9ae6131b78f753823cd");
	ck_assert_str_eq(sum(&xxh3, DIGEST_TAG, block, sizeof(block)), "63b3521ab13c7cc9ebcfff857f384790");
	ck_assert_str_eq(sum(&xxh3, DIGEST_RECORD, "abc", 3), "d4ca20596514c7a5e2af69bada306fec");
}
END_TEST

/* The code in line against the library's own, for each length. */
START_TEST(xxh3_against_the_library)
{
	XXH128_canonical_t want;

	for (size_t len = 0; len <= sizeof(block); len += len < 600 ? 1 : 97) {
		for (int purpose = DIGEST_TAG; purpose <= DIGEST_KEY; purpose++) {
			XXH128_canonicalFromHash(&want,
			    XXH3_128bits_withSeed(block, len, (XXH64_hash_t)purpose));
			ck_assert_str_eq(sum(&xxh3, purpose, block, len), hex(want.digest, 16));
		}
	}
}
END_TEST

/* From Python's hashlib.blake2b(digest_size=16, key=..., person=b"mendfs" + purpose). */
START_TEST(blake2b_known)
{
	ck_assert_str_eq(sum(&blake2b, DIGEST_TAG, "", 0), "45210dedd72efa93aea5ee696680f4db");
	ck_assert_str_eq(sum(&blake2b, DIGEST_TAG, "abc", 3), "55d053f8983eff7b65829cf1d66f1e7a");
	ck_assert_str_eq(sum(&blake2b, DIGEST_TAG, block, sizeof(block)), "d3d43abb9eddd431d7fe04bff183cd87");
	ck_assert_str_eq(sum(&blake2b, DIGEST_RECORD, "abc", 3), "846e8d9ee5ae51c7f553ccbf52cd630a");
	ck_assert_str_eq(sum(&blake2b, DIGEST_KEY, "", 0), "360acde09095ec8061fb3e9d8fc417cf");
	ck_assert_str_eq(sum(&blake2b, DIGEST_KEY, block, sizeof(block)), "a0047d124429978e5fd1d31f1253e0d6");
}
END_TEST

START_TEST(purposes_and_keys_part)
{
	const struct digest *digests[2] = { &xxh3, &blake2b };
	struct digest other = blake2b;
	char seen[DIGEST_KEY + 1][33];

	for (int d = 0; d < 2; d++) {
		for (int i = DIGEST_TAG; i <= DIGEST_KEY; i++) {
			strcpy(seen[i], sum(digests[d], i, block, sizeof(block)));
			for (int j = DIGEST_TAG; j < i; j++)
				ck_assert_str_ne(seen[i], seen[j]);
		}
	}
	other.key[31] ^= 0x80;
	strcpy(seen[0], sum(&other, DIGEST_TAG, block, sizeof(block)));
	ck_assert_str_ne(seen[0], sum(&blake2b, DIGEST_TAG, block, sizeof(block)));
}
END_TEST

START_TEST(tags)
{
	const struct digest *digest = _i == 0 ? &xxh3 : &blake2b;
	uint8_t padded[DIGEST_BLOCK_SIZE], a[DIGEST_SIZE], b[DIGEST_SIZE];

	digest_tag(digest, block, sizeof(block), a);
	ck_assert_str_eq(hex(a, sizeof(a)), sum(digest, DIGEST_TAG, block, sizeof(block)));

	for (size_t len = 0; len < sizeof(block); len += 63) {
		memset(padded, 0, sizeof(padded));
		memcpy(padded, block, len);
		digest_tag(digest, padded, sizeof(padded), a);
		digest_tag(digest, block, len, b);
		ck_assert_mem_eq(a, b, sizeof(a));
		ck_assert_int_eq(digest_is_zero(a), len <= 1);
	}
}
END_TEST

START_TEST(a_block_of_zeros_has_the_zero_tag)
{
	const struct digest *digest = _i == 0 ? &xxh3 : &blake2b;
	uint8_t zeros[DIGEST_BLOCK_SIZE] = { 0 }, tag[DIGEST_SIZE];

	for (size_t len = 0; len <= sizeof(zeros); len += 256) {
		memset(tag, 0xff, sizeof(tag));
		digest_tag(digest, zeros, len, tag);
		ck_assert(digest_is_zero(tag));
	}
	for (size_t bit = 0; bit < sizeof(zeros) * 8; bit += 13) {
		zeros[bit / 8] = (uint8_t)(1 << bit % 8);
		digest_tag(digest, zeros, sizeof(zeros), tag);
		ck_assert(!digest_is_zero(tag));
		zeros[bit / 8] = 0;
	}
}
END_TEST

START_TEST(each_bit_counts)
{
	const struct digest *digest = _i == 0 ? &xxh3 : &blake2b;
	uint8_t tag[DIGEST_SIZE], other[DIGEST_SIZE];

	digest_tag(digest, block, sizeof(block), tag);
	for (size_t bit = 0; bit < sizeof(block) * 8; bit++) {
		block[bit / 8] ^= (uint8_t)(1 << bit % 8);
		digest_tag(digest, block, sizeof(block), other);
		ck_assert(!digest_equal(tag, other));
		block[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}
END_TEST

START_TEST(zeros)
{
	uint8_t data[300] = { 0 };

	/* At any alignment, of any length, with any one byte set. */
	for (size_t start = 0; start < 9; start++) {
		for (size_t len = 0; len < 280; len++) {
			ck_assert(digest_zeros(data + start, len));
			for (size_t at = 0; at < len; at++) {
				data[start + at] = 0x10;
				ck_assert(!digest_zeros(data + start, len));
				data[start + at] = 0;
			}
			data[start + len] = 1;
			ck_assert(digest_zeros(data + start, len));
			data[start + len] = 0;
		}
	}
	memset(data, 1, sizeof(data));
	ck_assert(!digest_zeros(data, sizeof(data)));
	ck_assert(digest_zeros(data, 0));
}
END_TEST

START_TEST(sums)
{
	struct random random = { .state = 3 };
	uint8_t a[DIGEST_SIZE], b[DIGEST_SIZE], c[DIGEST_SIZE];

	for (int i = 0; i < 1000; i++) {
		random_bytes(&random, a, sizeof(a));
		random_bytes(&random, b, sizeof(b));
		memcpy(c, a, sizeof(c));
		digest_xor(c, b);
		ck_assert(!digest_equal(c, a));
		digest_xor(c, a);
		ck_assert(digest_equal(c, b));
		digest_xor(c, b);
		ck_assert(digest_is_zero(c));
	}
	for (int i = 0; i < DIGEST_SIZE; i++) {
		memcpy(b, a, sizeof(b));
		b[i] ^= 0x40;
		ck_assert(!digest_equal(a, b));
		memset(b, 0, sizeof(b));
		b[i] = 0x40;
		ck_assert(!digest_is_zero(b));
	}
}
END_TEST

START_TEST(codec_names)
{
	enum digest_codec codec = 0;

	ck_assert_str_eq(digest_codec_name(DIGEST_XXH3), "xxh3");
	ck_assert_str_eq(digest_codec_name(DIGEST_BLAKE2B), "blake2b");
	ck_assert_ptr_null(digest_codec_name((enum digest_codec)0));
	ck_assert_ptr_null(digest_codec_name((enum digest_codec)3));
	ck_assert_int_eq(digest_codec_parse("xxh3", &codec), 0);
	ck_assert_int_eq(codec, DIGEST_XXH3);
	ck_assert_int_eq(digest_codec_parse("blake2b", &codec), 0);
	ck_assert_int_eq(codec, DIGEST_BLAKE2B);
	ck_assert_int_eq(digest_codec_parse("", &codec), -EINVAL);
	ck_assert_int_eq(digest_codec_parse("XXH3", &codec), -EINVAL);
	ck_assert_int_eq(digest_codec_parse("blake2bp", &codec), -EINVAL);
	ck_assert_int_eq(codec, DIGEST_BLAKE2B);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("digest");
	TCase *tcase = tcase_create("digest");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, xxh3_known);
	tcase_add_test(tcase, xxh3_against_the_library);
	tcase_add_test(tcase, blake2b_known);
	tcase_add_test(tcase, purposes_and_keys_part);
	tcase_add_loop_test(tcase, tags, 0, 2);
	tcase_add_loop_test(tcase, a_block_of_zeros_has_the_zero_tag, 0, 2);
	tcase_add_loop_test(tcase, each_bit_counts, 0, 2);
	tcase_add_test(tcase, zeros);
	tcase_add_test(tcase, sums);
	tcase_add_test(tcase, codec_names);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
