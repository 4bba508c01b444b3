#include <string.h>

#include "util/buf.h"

#include "../check_main.h"
#include "../random.h"

static const struct {
	uint64_t value;
	size_t len;
} varints[] = {
	{ 0, 1 }, { 1, 1 }, { 0x7f, 1 }, { 0x80, 2 }, { 0x3fff, 2 }, { 0x4000, 3 },
	{ 0x1fffff, 3 }, { 0x200000, 4 }, { UINT32_MAX, 5 }, { INT64_MAX, 9 },
	{ (uint64_t)INT64_MAX + 1, 10 }, { UINT64_MAX, 10 },
};

START_TEST(integers_are_little_endian)
{
	static const uint8_t want[] = {
		0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04,
		0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08,
	};
	uint8_t data[sizeof(want)];
	struct buf_writer w;
	struct buf_reader r;

	buf_writer_init(&w, data, sizeof(data));
	buf_put_u8(&w, 0x01);
	buf_put_u16(&w, 0x0203);
	buf_put_u32(&w, 0x04050607);
	buf_put_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
	ck_assert(!w.failed);
	ck_assert_uint_eq(w.left, 0);
	ck_assert_mem_eq(data, want, sizeof(want));

	buf_reader_init(&r, data, sizeof(data));
	ck_assert_uint_eq(buf_get_u8(&r), 0x01);
	ck_assert_uint_eq(buf_get_u16(&r), 0x0203);
	ck_assert_uint_eq(buf_get_u32(&r), 0x04050607);
	ck_assert_uint_eq(buf_get_u64(&r), UINT64_C(0x08090a0b0c0d0e0f));
	ck_assert(!r.failed);
	ck_assert_uint_eq(r.left, 0);
}
END_TEST

START_TEST(reading_past_the_end_fails_for_good)
{
	uint8_t data[4] = { 1, 2, 3, 4 }, out[3] = { 9, 9, 9 };
	struct buf_reader r;

	buf_reader_init(&r, data, sizeof(data));
	ck_assert_uint_eq(buf_get_u8(&r), 1);
	ck_assert_uint_eq(buf_get_u32(&r), 0);
	ck_assert(r.failed);
	ck_assert_uint_eq(buf_get_u8(&r), 0);
	ck_assert_uint_eq(buf_get_varint(&r), 0);
	ck_assert_int_eq(buf_get_signed(&r), 0);
	ck_assert_ptr_null(buf_get_ref(&r, 1));
	buf_get_bytes(&r, out, sizeof(out));
	ck_assert(out[0] == 0 && out[1] == 0 && out[2] == 0);
	ck_assert(r.failed);
}
END_TEST

START_TEST(writing_past_the_end_is_dropped_for_good)
{
	uint8_t data[6] = { 0, 0, 0, 0, 0xaa, 0xaa };
	struct buf_writer w;

	buf_writer_init(&w, data, 4);
	buf_put_u16(&w, 0x1111);
	buf_put_u32(&w, 0xffffffff);
	ck_assert(w.failed);
	buf_put_u8(&w, 0xff);
	buf_put_bytes(&w, "x", 1);
	ck_assert(w.failed);
	ck_assert_mem_eq(data, "\x11\x11\0\0\xaa\xaa", 6);
}
END_TEST

START_TEST(references_and_bytes)
{
	uint8_t data[4] = { 1, 2, 3, 4 }, out[2];
	struct buf_reader r;

	buf_reader_init(&r, data, sizeof(data));
	ck_assert_ptr_eq(buf_get_ref(&r, 2), data);
	buf_get_bytes(&r, out, 2);
	ck_assert_mem_eq(out, data + 2, 2);
	ck_assert_ptr_eq(buf_get_ref(&r, 0), data + 4);
	ck_assert(!r.failed);
	ck_assert_ptr_null(buf_get_ref(&r, 1));
	ck_assert(r.failed);
}
END_TEST

START_TEST(nothing_of_nothing)
{
	struct buf_reader r;
	struct buf_writer w;

	buf_reader_init(&r, NULL, 0);
	buf_get_bytes(&r, NULL, 0);
	buf_get_ref(&r, 0);
	ck_assert(!r.failed);
	buf_writer_init(&w, NULL, 0);
	buf_put_bytes(&w, NULL, 0);
	ck_assert(!w.failed);
	buf_put_u8(&w, 1);
	ck_assert(w.failed);
}
END_TEST

START_TEST(varint_lengths)
{
	uint8_t data[10];
	struct buf_writer w;
	struct buf_reader r;

	for (size_t i = 0; i < sizeof(varints) / sizeof(varints[0]); i++) {
		buf_writer_init(&w, data, sizeof(data));
		buf_put_varint(&w, varints[i].value);
		ck_assert(!w.failed);
		ck_assert_uint_eq(sizeof(data) - w.left, varints[i].len);

		buf_reader_init(&r, data, varints[i].len);
		ck_assert_uint_eq(buf_get_varint(&r), varints[i].value);
		ck_assert(!r.failed);
		ck_assert_uint_eq(r.left, 0);

		/* Cut off anywhere it is none. */
		for (size_t len = 0; len < varints[i].len; len++) {
			buf_reader_init(&r, data, len);
			ck_assert_uint_eq(buf_get_varint(&r), 0);
			ck_assert(r.failed);
		}
	}
}
END_TEST

START_TEST(varints_that_are_refused)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{ "\x80\x00", 2 },					/* 0, padded */
		{ "\xff\x00", 2 },					/* 127, padded */
		{ "\x80\x80\x80\x00", 4 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10 },	/* 2^64 and more */
		{ "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x03", 10 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11 },	/* an eleventh byte */
		{ "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 10 },	/* 0, padded to the full */
	};
	struct buf_reader r;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_reader_init(&r, bad[i].bytes, bad[i].len);
		ck_assert_uint_eq(buf_get_varint(&r), 0);
		ck_assert_msg(r.failed, "number %zu", i);
	}
}
END_TEST

START_TEST(signed_extremes)
{
	static const int64_t values[] = {
		0, -1, 1, -2, 63, -64, 64, -65, INT32_MIN, INT32_MAX,
		INT64_MAX, INT64_MIN, INT64_MIN + 1,
	};
	static const uint8_t zigzag[] = { 0, 1, 2, 3 };
	uint8_t data[10];
	struct buf_writer w;
	struct buf_reader r;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		buf_writer_init(&w, data, sizeof(data));
		buf_put_signed(&w, values[i]);
		if (i < sizeof(zigzag))
			ck_assert_uint_eq(data[0], zigzag[i]);
		buf_reader_init(&r, data, sizeof(data) - w.left);
		ck_assert_int_eq(buf_get_signed(&r), values[i]);
		ck_assert(!r.failed);
	}
}
END_TEST

START_TEST(random_round_trips)
{
	struct random random = { .state = 1 };
	uint8_t data[64];
	struct buf_writer w;
	struct buf_reader r;

	for (int i = 0; i < 20000; i++) {
		uint64_t a = random_wide(&random), b = random_wide(&random);
		int64_t c = (int64_t)random_wide(&random);

		buf_writer_init(&w, data, sizeof(data));
		buf_put_varint(&w, a);
		buf_put_u64(&w, b);
		buf_put_signed(&w, c);
		buf_put_u16(&w, (uint16_t)a);
		ck_assert(!w.failed);
		buf_reader_init(&r, data, sizeof(data) - w.left);
		ck_assert_uint_eq(buf_get_varint(&r), a);
		ck_assert_uint_eq(buf_get_u64(&r), b);
		ck_assert_int_eq(buf_get_signed(&r), c);
		ck_assert_uint_eq(buf_get_u16(&r), (uint16_t)a);
		ck_assert(!r.failed);
		ck_assert_uint_eq(r.left, 0);
	}
}
END_TEST

/* What decodes from random bytes has just these bytes as its encoding. */
START_TEST(one_encoding_a_value)
{
	struct random random = { .state = 2 };
	uint8_t data[11], again[11];
	struct buf_reader r;
	struct buf_writer w;
	size_t used;
	uint64_t v;

	for (int i = 0; i < 20000; i++) {
		random_bytes(&random, data, sizeof(data));
		/* Longer ones than chance would give. */
		for (size_t at = 0; at < random_below(&random, 11); at++)
			data[at] |= 0x80;
		buf_reader_init(&r, data, sizeof(data));
		v = buf_get_varint(&r);
		if (r.failed)
			continue;
		used = sizeof(data) - r.left;
		buf_writer_init(&w, again, sizeof(again));
		buf_put_varint(&w, v);
		ck_assert_uint_eq(sizeof(again) - w.left, used);
		ck_assert_mem_eq(data, again, used);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("buf");
	TCase *tcase = tcase_create("buf");

	tcase_add_test(tcase, integers_are_little_endian);
	tcase_add_test(tcase, reading_past_the_end_fails_for_good);
	tcase_add_test(tcase, writing_past_the_end_is_dropped_for_good);
	tcase_add_test(tcase, references_and_bytes);
	tcase_add_test(tcase, nothing_of_nothing);
	tcase_add_test(tcase, varint_lengths);
	tcase_add_test(tcase, varints_that_are_refused);
	tcase_add_test(tcase, signed_extremes);
	tcase_add_test(tcase, random_round_trips);
	tcase_add_test(tcase, one_encoding_a_value);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
