#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/scrubstate.h"

#include "../check_main.h"

static char text[SCRUBSTATE_SIZE_MAX];

static const struct scrub_state full = {
	.doing = SCRUB_PAUSED, .path = "a b/\n\xff", .rate = UINT64_MAX, .seed = 77, .sample = 1000, .saved = 9,
	.at = { "a b/\n\xff/= x", 255 },
	.run = { { 1, 2, 3, 4, 5, 6, 7 }, 1700000000, 0 },
	.last = { { 11, 12, 13, 14, 15, 16, 17 }, 1600000000, 1600000001 }
};

START_TEST(round_trips)
{
	static const struct scrub_state empty;
	struct scrub_state long_paths = { .doing = SCRUB_RUNNING }, back;
	const struct scrub_state *states[] = { &empty, &full, &long_paths };
	int len;

	memset(long_paths.path, 'p', PATH_MAX - 1);
	memset(long_paths.at.path, 'q', PATH_MAX - 1);
	for (size_t i = 0; i < 3; i++) {
		len = scrubstate_encode(states[i], text, sizeof(text));
		ck_assert_int_gt(len, 0);
		ck_assert_int_eq(scrubstate_decode(text, (size_t)len, &back), 0);
		ck_assert_mem_eq(&back, states[i], sizeof(back));
	}
	ck_assert_int_eq(scrubstate_encode(&full, text, 100), -ENOSPC);
	ck_assert_int_eq(scrubstate_encode(&full, text, (size_t)scrubstate_encode(&full, text, sizeof(text))), -ENOSPC);
}
END_TEST

START_TEST(known)
{
	struct scrub_state state = { .doing = SCRUB_RUNNING, .at = { "d/f", 510 } };

	ck_assert_int_gt(scrubstate_encode(&state, text, sizeof(text)), 0);
	ck_assert_ptr_eq(strstr(text, "mendfs scrub 1\ndoing = running\npath = \nat = 642f66\nsaved = 0\n"), text);
	ck_assert_ptr_nonnull(strstr(text, "\nblock = 510\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nlast-left = 0\ncheck = "));
}
END_TEST

/* Any bit of it, and any length of it. */
START_TEST(spoiled)
{
	struct scrub_state back;
	int len = scrubstate_encode(&full, text, sizeof(text));

	for (int i = 0; i < len; i++) {
		ck_assert_int_eq(scrubstate_decode(text, (size_t)i, &back), -EBADMSG);
		text[i] = (char)(text[i] ^ 1 << i % 8);
		ck_assert_int_eq(scrubstate_decode(text, (size_t)len, &back), -EBADMSG);
		ck_assert_int_eq(back.doing, SCRUB_NONE);
		text[i] = (char)(text[i] ^ 1 << i % 8);
	}
	ck_assert_int_eq(scrubstate_decode(text, (size_t)len, &back), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scrubstate");
	TCase *tcase = tcase_create("scrubstate");

	tcase_add_test(tcase, round_trips);
	tcase_add_test(tcase, known);
	tcase_add_test(tcase, spoiled);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
