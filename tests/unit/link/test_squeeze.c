/*
 * When compressing pays, as a table of figures; and that it comes back.
 */

#include <errno.h>

#include "link/squeeze.h"
#include "link/wire.h"

#include "pair.h"

#define LEN 100000
#define SLOW_WIRE 80000		/* picoseconds a byte: 100 Mbit/s */
#define QUICK_WIRE 300		/* memory */

/* How many of ${count} frames are tried if each trial ends like this. */
static unsigned
trials(struct squeeze_rule *rule, unsigned count, size_t packed, uint64_t took_ns, uint64_t wire_cost)
{
	unsigned tried = 0;

	for (unsigned i = 0; i < count; i++) {
		if (!squeeze_rule_try(rule, LEN))
			continue;
		tried++;
		squeeze_rule_result(rule, LEN, packed, took_ns, wire_cost);
	}
	return tried;
}

START_TEST(rule)
{
	struct squeeze_rule r;

	squeeze_rule_init(&r);
	ck_assert(!squeeze_rule_try(&r, SQUEEZE_LEN_MIN - 1));
	ck_assert(squeeze_rule_try(&r, SQUEEZE_LEN_MIN));
	/* 2 ns a byte: it pays where a byte saved takes 80, not where it takes 0.3. */
	ck_assert_uint_eq(trials(&r, 1000, LEN / 2, 200000, SLOW_WIRE), 1000);
	squeeze_rule_init(&r);
	ck_assert_uint_lt(trials(&r, 100000, LEN / 2, 200000, QUICK_WIRE), 60);
	/* Zeros, a hundred times quicker, pay even there. */
	squeeze_rule_init(&r);
	ck_assert_uint_eq(trials(&r, 1000, LEN / 1000, 2000, QUICK_WIRE), 1000);
	/* What gets no smaller pays nowhere. */
	squeeze_rule_init(&r);
	ck_assert_uint_lt(trials(&r, 100000, LEN, 50000, SLOW_WIRE), 60);
}
END_TEST

/* 4 trials, then one after 64 frames, 128, 256, ... 4,096; and all of them again as soon as one pays. */
START_TEST(back_off)
{
	struct squeeze_rule r;
	unsigned skipped;

	squeeze_rule_init(&r);
	ck_assert_uint_eq(trials(&r, SQUEEZE_POOR_MAX, LEN, 50000, SLOW_WIRE), SQUEEZE_POOR_MAX);
	for (unsigned want = SQUEEZE_SKIP_MIN; want <= 4 * SQUEEZE_SKIP_MAX; want *= 2) {
		for (skipped = 0; !squeeze_rule_try(&r, LEN); skipped++)
			;
		ck_assert_uint_eq(skipped, want < SQUEEZE_SKIP_MAX ? want : SQUEEZE_SKIP_MAX);
		squeeze_rule_result(&r, LEN, LEN, 50000, SLOW_WIRE);
	}
	while (!squeeze_rule_try(&r, LEN))
		;
	squeeze_rule_result(&r, LEN, LEN / 10, 50000, SLOW_WIRE);
	ck_assert_uint_eq(trials(&r, 100, LEN / 10, 50000, SLOW_WIRE), 100);
}
END_TEST

START_TEST(wire)
{
	uint64_t cost = 0;
	int fds[2];

	wire_average(&cost, WIRE_SAMPLE_MIN - 1, 1000000);
	ck_assert_uint_eq(cost, 0);
	for (int i = 0; i < 200; i++)
		wire_average(&cost, 100000, 8000000);
	ck_assert_uint_gt(cost, 79000);
	ck_assert_uint_le(cost, 80000);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_uint_eq(wire_delivery_cost(fds[0]), 0);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(there_and_back)
{
	static const size_t sizes[] = { 512, 4096, 131072, LINK_FRAME_MAX };
	struct squeeze *s;
	struct unsqueeze *u;
	const uint8_t *packed;
	uint8_t *body, *data = malloc(LINK_FRAME_MAX);
	uint64_t took_ns;
	size_t len, packed_len;

	ck_assert_int_eq(squeeze_new(&s), 0);
	ck_assert_int_eq(unsqueeze_new(&u), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		for (size_t at = 0; at < sizes[i]; at++)
			data[at] = (uint8_t)(at / 100);
		memcpy(squeeze_input(s), data, sizes[i]);
		packed_len = squeeze_pack(s, sizes[i], &packed, &took_ns);
		ck_assert_uint_lt(packed_len, sizes[i]);
		ck_assert_int_eq(unsqueeze(u, packed, packed_len, &body, &len), 0);
		ck_assert_uint_eq(len, sizes[i]);
		ck_assert_mem_eq(body, data, len);
		squeeze_idle(s);
		unsqueeze_idle(u);
	}
	free(data);
	data = pattern(4096, 1);
	memcpy(squeeze_input(s), data, 4096);
	ck_assert_uint_eq(squeeze_pack(s, 4096, &packed, &took_ns), 4096);
	free(data);
	squeeze_free(s);
	unsqueeze_free(u);
}
END_TEST

/* Cut, changed, lengthened: an error or other bytes, never more of them than was said. */
START_TEST(spoiled_input)
{
	struct squeeze *s;
	struct unsqueeze *u;
	const uint8_t *packed;
	uint8_t *body, spoiled[4096];
	uint64_t took_ns;
	size_t len, packed_len;
	int rc;

	ck_assert_int_eq(squeeze_new(&s), 0);
	ck_assert_int_eq(unsqueeze_new(&u), 0);
	for (size_t at = 0; at < 4000; at++)
		squeeze_input(s)[at] = (uint8_t)(at / 37);
	packed_len = squeeze_pack(s, 4000, &packed, &took_ns);
	ck_assert_uint_lt(packed_len, 4000);
	for (size_t i = 0; i < packed_len; i++)
		ck_assert_int_eq(unsqueeze(u, packed, i, &body, &len), -EPROTO);
	memcpy(spoiled, packed, packed_len);
	spoiled[packed_len] = 0;
	ck_assert_int_eq(unsqueeze(u, spoiled, packed_len + 1, &body, &len), -EPROTO);
	for (size_t i = 0; i < packed_len; i++) {
		spoiled[i] ^= 0x10;
		rc = unsqueeze(u, spoiled, packed_len, &body, &len);
		ck_assert(rc == -EPROTO || (rc == 0 && len <= LINK_FRAME_MAX));
		spoiled[i] ^= 0x10;
	}
	squeeze_free(s);
	unsqueeze_free(u);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("link/squeeze");
	TCase *tc = tcase_create("squeeze");

	tcase_add_test(tc, rule);
	tcase_add_test(tc, back_off);
	tcase_add_test(tc, wire);
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, spoiled_input);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
