#include <errno.h>
#include <string.h>

#include "format/index.h"

#include "../check_main.h"

static struct index_entry entries[INDEX_ENTRIES_MAX + 10], got[INDEX_ENTRIES_MAX];
static uint8_t data[INDEX_SIZE_MAX];

START_TEST(to_the_byte)
{
	static const uint8_t want[] = { 1, 0xac, 2, 20, 1, 2, 5, 17 };

	entries[0] = (struct index_entry){ 300, 10 };
	entries[1] = (struct index_entry){ 301, 11 };
	entries[2] = (struct index_entry){ 306, 2 };
	ck_assert_uint_eq(index_encode(entries, 3, data), sizeof(want));
	ck_assert_mem_eq(data, want, sizeof(want));
	ck_assert_int_eq(index_decode(data, sizeof(want), got), 3);
	ck_assert_mem_eq(got, entries, 3 * sizeof(*got));
	ck_assert_uint_eq(index_find(got, 3, 301), 11);
	ck_assert_uint_eq(index_find(got, 3, 299), 0);
	ck_assert_uint_eq(index_find(got, 3, 302), 0);
	ck_assert_uint_eq(index_find(got, 3, 307), 0);
	ck_assert_uint_eq(index_encode(entries, 0, data), 1);
	ck_assert_int_eq(index_decode(data, 1, got), 0);
}
END_TEST

START_TEST(as_many_as_find_room)
{
	size_t i, len;
	int count;

	for (i = 0; i < INDEX_ENTRIES_MAX + 10; i++)
		entries[i] = (struct index_entry){ i + 1, i + 1 };
	len = index_encode(entries, INDEX_ENTRIES_MAX + 10, data);
	ck_assert_uint_le(len, INDEX_SIZE_MAX);
	ck_assert_int_eq(index_decode(data, len, got), INDEX_ENTRIES_MAX);
	/* None in part. */
	for (i = 0; i < INDEX_ENTRIES_MAX + 10; i++)
		entries[i] = (struct index_entry){ (i + 1) << 40, INT64_MAX - i };
	len = index_encode(entries, INDEX_ENTRIES_MAX + 10, data);
	ck_assert_uint_le(len, INDEX_SIZE_MAX);
	count = index_decode(data, len, got);
	ck_assert_int_gt(count, 100);
	ck_assert_mem_eq(got, entries, (size_t)count * sizeof(*got));
}
END_TEST

START_TEST(refused)
{
	static const uint8_t bad[][4] = {
		{ 2, 1, 2 },		/* a later version */
		{ 1, 0, 2 },		/* no inode number */
		{ 1, 1, 0 },		/* no id */
		{ 1, 1, 1 },		/* -1 */
		{ 1, 0x81, 0x00 },	/* a needless byte */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(index_decode(bad[i], 3, got), -EBADMSG);
	ck_assert_int_eq(index_decode(bad[0], 0, got), -EBADMSG);
	data[0] = 1;
	data[1] = 5;
	ck_assert_int_eq(index_decode(data, 2, got), -EBADMSG);
	memset(data, 1, sizeof(data));
	ck_assert_int_eq(index_decode(data, sizeof(data), got), -EBADMSG);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("index");
	TCase *tcase = tcase_create("index");

	tcase_add_test(tcase, to_the_byte);
	tcase_add_test(tcase, as_many_as_find_room);
	tcase_add_test(tcase, refused);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
