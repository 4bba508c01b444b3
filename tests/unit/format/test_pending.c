#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "format/pending.h"

#include "../check_main.h"
#include "../hex.h"
#include "../random.h"

static struct digest digest;

/* Each test runs with both codecs: _i is 0 or 1. */
static void
use(int codec)
{
	memset(&digest, 0, sizeof(digest));
	digest.codec = codec == 0 ? DIGEST_XXH3 : DIGEST_BLAKE2B;
	for (unsigned i = 0; i < DIGEST_KEY_SIZE && codec == 1; i++)
		digest.key[i] = (uint8_t)i;
}

static void
put(struct pending *p, uint64_t id, bool missed, bool suspect, uint64_t parent, const char *name)
{
	char copy[NAME_MAX + 2];
	struct pending_entry e = { .id = id, .missed = missed, .suspect = suspect, .parent = parent };

	if (name != NULL)
		e.name = strcpy(copy, name);
	ck_assert_int_eq(pending_add(p, &e), 0);
}

static void
same(const struct pending *a, const struct pending *b)
{
	ck_assert_int_eq(a->everything, b->everything);
	ck_assert_int_eq(a->walk, b->walk);
	ck_assert_uint_eq(a->lost, b->lost);
	ck_assert_uint_eq(a->closed, b->closed);
	ck_assert_uint_eq(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		ck_assert_uint_eq(a->entries[i].id, b->entries[i].id);
		ck_assert_int_eq(a->entries[i].missed, b->entries[i].missed);
		ck_assert_int_eq(a->entries[i].suspect, b->entries[i].suspect);
		ck_assert_uint_eq(a->entries[i].parent, b->entries[i].parent);
		ck_assert_int_eq(a->entries[i].name == NULL, b->entries[i].name == NULL);
		if (a->entries[i].name != NULL)
			ck_assert_str_eq(a->entries[i].name, b->entries[i].name);
	}
}

START_TEST(known)
{
	struct pending p = { .walk = true, .lost = 7, .closed = 300 };
	uint8_t *data;
	size_t len;

	use(0);
	put(&p, 1, true, false, 0, NULL);
	put(&p, 200, true, true, 1, "name");
	ck_assert_int_eq(pending_encode(&digest, &p, &data, &len), 0);
	ck_assert_uint_eq(len, 6 + 1 + 2 + 1 + 4 + (2 + 1 + 1 + 1 + 4) + DIGEST_SIZE);
	ck_assert_str_eq(hex(data, len - DIGEST_SIZE), "4d504e44010207ac0202" "01010000" "c8010301046e616d65");
	free(data);
	pending_free(&p);
}
END_TEST

START_TEST(round_trips)
{
	struct random random = { .state = 3 };
	struct pending back;
	uint8_t *data;
	size_t len;

	use(_i);
	for (int i = 0; i < 200; i++) {
		struct pending p = { .everything = i % 7 == 0, .walk = i % 3 == 0, .lost = random_wide(&random), .closed = random_wide(&random) };
		unsigned count = (unsigned)random_below(&random, 100);
		char name[NAME_MAX + 1];

		for (unsigned k = 0; k < count; k++) {
			size_t letters = 1 + random_below(&random, NAME_MAX);

			memset(name, 'a' + (int)(k % 26), letters);
			name[letters] = '\0';
			put(&p, random_wide(&random) | 1, k & 1, k & 2, k % 5 == 0 ? 0 : random_wide(&random) | 1, k % 5 == 0 ? NULL : name);
		}
		ck_assert_int_eq(pending_encode(&digest, &p, &data, &len), 0);
		ck_assert_int_eq(pending_decode(&digest, data, len, &back), 0);
		same(&p, &back);
		pending_free(&back);
		free(data);
		pending_free(&p);
	}
}
END_TEST

START_TEST(spoiled)
{
	struct pending p = { .lost = 5 }, back;
	uint8_t *data;
	size_t len;

	use(_i);
	put(&p, 9, true, false, 1, "x");
	ck_assert_int_eq(pending_encode(&digest, &p, &data, &len), 0);
	for (size_t i = 0; i < len * 8; i++) {
		data[i / 8] ^= (uint8_t)(1u << i % 8);
		ck_assert_int_eq(pending_decode(&digest, data, len, &back), -EBADMSG);
		ck_assert_uint_eq(back.count, 0);
		data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t i = 0; i < len; i++)
		ck_assert_int_eq(pending_decode(&digest, data, i, &back), -EBADMSG);
	free(data);
	pending_free(&p);
}
END_TEST

/* What contradicts itself is not written, and not believed. */
START_TEST(refused)
{
	static const char *const names[] = { "", ".", "..", "a/b" };
	uint8_t *data;
	size_t len;

	use(0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct pending p = { .lost = 1 };

		put(&p, 2, true, false, 1, names[i]);
		ck_assert_int_eq(pending_encode(&digest, &p, &data, &len), -EINVAL);
		pending_free(&p);
	}
	for (int i = 0; i < 3; i++) {
		struct pending p = { .lost = 1 };

		put(&p, i == 0 ? 0 : 2, true, false, i == 1 ? 0 : 1, i == 2 ? NULL : "x");
		ck_assert_int_eq(pending_encode(&digest, &p, &data, &len), -EINVAL);
		pending_free(&p);
	}
}
END_TEST

START_TEST(later_version)
{
	struct pending p = { .lost = 1 }, back;
	uint8_t *data;
	size_t len;

	use(0);
	ck_assert_int_eq(pending_encode(&digest, &p, &data, &len), 0);
	data[4] = 2;
	digest_bytes(&digest, DIGEST_PENDING, data, len - DIGEST_SIZE, data + len - DIGEST_SIZE);
	ck_assert_int_eq(pending_decode(&digest, data, len, &back), -EPROTONOSUPPORT);
	free(data);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pending");
	TCase *tcase = tcase_create("pending");

	tcase_add_test(tcase, known);
	tcase_add_loop_test(tcase, round_trips, 0, 2);
	tcase_add_loop_test(tcase, spoiled, 0, 2);
	tcase_add_test(tcase, refused);
	tcase_add_test(tcase, later_version);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
