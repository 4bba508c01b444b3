#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "format/record.h"

#include "../check_main.h"
#include "../hex.h"
#include "../random.h"

static struct digest digest;
static uint8_t tags[RECORD_TAGS_MAX * DIGEST_SIZE];

/* Each test runs with both codecs: _i is 0 or 1. */
static void
use(int codec)
{
	memset(&digest, 0, sizeof(digest));
	digest.codec = codec == 0 ? DIGEST_XXH3 : DIGEST_BLAKE2B;
	for (unsigned i = 0; i < DIGEST_KEY_SIZE && codec == 1; i++)
		digest.key[i] = (uint8_t)i;
	for (unsigned i = 0; i < sizeof(tags); i++)
		tags[i] = (uint8_t)(i + 1);
}

/* A file as they come, of ${blocks} blocks. */
static struct record
a_file(uint32_t blocks)
{
	struct record record = {
		.kind = RECORD_INLINE,
		.generation = 300,
		.id = 100000,
		.size = (uint64_t)blocks * DIGEST_BLOCK_SIZE,
		.mtime = { 1700000000, 123456789 },
		.ctime = { 1700000000, 123456789 },
		.meta = 0xdeadbeef,
		.tag_count = blocks,
		.tags = tags,
	};

	return record;
}

static struct record
a_directory(void)
{
	struct record record = {
		.kind = RECORD_DIRECTORY,
		.generation = 7,
		.id = 1,
		.mtime = { -5, 999999999 },
		.ctime = { 1700000000, 0 },
		.meta = 0x01020304,
	};

	for (unsigned i = 0; i < DIGEST_SIZE; i++)
		record.sum[i] = (uint8_t)i;
	return record;
}

static struct record
a_large_file(void)
{
	struct record record = {
		.kind = RECORD_PAGED,
		.generation = UINT64_C(1) << 40,
		.id = 5,
		.size = UINT64_C(1) << 41,
	};

	memset(record.sum, 0xff, sizeof(record.sum));
	return record;
}

static void
assert_same(const struct record *a, const struct record *b)
{
	ck_assert_int_eq(a->kind, b->kind);
	ck_assert_uint_eq(a->generation, b->generation);
	ck_assert_uint_eq(a->id, b->id);
	ck_assert_uint_eq(a->size, b->size);
	ck_assert_int_eq(a->mtime.tv_sec, b->mtime.tv_sec);
	ck_assert_int_eq(a->mtime.tv_nsec, b->mtime.tv_nsec);
	ck_assert_int_eq(a->ctime.tv_sec, b->ctime.tv_sec);
	ck_assert_int_eq(a->ctime.tv_nsec, b->ctime.tv_nsec);
	ck_assert_uint_eq(a->meta, b->meta);
	ck_assert_uint_eq(a->tag_count, b->tag_count);
	if (a->kind != RECORD_INLINE)
		ck_assert_mem_eq(a->sum, b->sum, DIGEST_SIZE);
	else if (a->tag_count > 0)
		ck_assert_mem_eq(a->tags, b->tags, a->tag_count * DIGEST_SIZE);
}

static int
encode(const struct record *record, uint8_t *out)
{
	return record_encode(&digest, record, out, RECORD_SIZE_MAX);
}

/* Encode, decode, compare; returns the length. */
static int
round_trip(const struct record *record)
{
	uint8_t data[RECORD_SIZE_MAX], again[RECORD_SIZE_MAX];
	struct record decoded;
	int len;

	len = encode(record, data);
	ck_assert_int_ge(len, RECORD_SIZE_MIN);
	ck_assert_int_eq(record_decode(&digest, data, (size_t)len, &decoded), 0);
	assert_same(record, &decoded);
	ck_assert_int_eq(encode(&decoded, again), len);
	ck_assert_mem_eq(data, again, (size_t)len);
	return len;
}

/* Give ${data} the check that fits it, as a careful forger without a key could. */
static void
reseal(uint8_t *data, size_t len)
{
	uint8_t check[DIGEST_SIZE];

	digest_bytes(&digest, DIGEST_RECORD, data, len - 8, check);
	memcpy(data + len - 8, check, 8);
}

/* Computed apart from this program. */
START_TEST(known_bytes)
{
	uint8_t data[RECORD_SIZE_MAX];
	struct record record;

	use(1);
	record = a_file(2);
	record.size = 5000;
	ck_assert_int_eq(encode(&record, data), 64);
	ck_assert_str_eq(hex(data, 64),
	    "012200ac02a08d06882780c49fd50c15cd5b07efbeadde0102030405060708090a0b0c0d0e0f10"
	    "1112131415161718191a1b1c1d1e1f200027f9a9e58ee3974c");
	record = a_directory();
	ck_assert_int_eq(encode(&record, data), 64);
	ck_assert_str_eq(hex(data, 64),
	    "01120107010009ffc99a3b80c49fd50c0000000004030201000102030405060708090a0b0c0d0e0f"
	    "0000000000000000000000000000000030aec6391b907542");
	record = a_large_file();
	ck_assert_int_eq(encode(&record, data), 64);
	ck_assert_str_eq(hex(data, 64),
	    "01320080808080802005808080808040000000000000000000ffffffffffffffffffffffffffffffff"
	    "00000000000000000000000000000020d04129f7c5955c");
}
END_TEST

START_TEST(typical_sizes)
{
	struct record record;

	use(_i);
	for (uint32_t blocks = 0; blocks <= 2; blocks++) {
		record = a_file(blocks);
		ck_assert_int_eq(round_trip(&record), RECORD_SIZE_MIN);
	}
	/* One block, changed in its metadata since it was written. */
	record = a_file(1);
	record.ctime.tv_nsec++;
	ck_assert_int_eq(round_trip(&record), RECORD_SIZE_MIN);
	record = a_file(3);
	ck_assert_int_eq(round_trip(&record), RECORD_SIZE_MIN - 1 + DIGEST_SIZE);
	record = a_file(RECORD_TAGS_MAX);
	ck_assert_int_le(round_trip(&record), RECORD_SIZE_MAX);
	record = a_directory();
	ck_assert_int_eq(round_trip(&record), RECORD_SIZE_MIN);
	record = a_large_file();
	ck_assert_int_eq(round_trip(&record), RECORD_SIZE_MIN);
}
END_TEST

START_TEST(the_largest_fits)
{
	struct record record;

	use(_i);
	record = a_file(RECORD_TAGS_MAX);
	record.generation = record.id = INT64_MAX;
	record.mtime = (struct timespec){ INT64_MIN, 999999999 };
	record.ctime = (struct timespec){ INT64_MAX, 999999999 };
	ck_assert_int_eq(round_trip(&record), RECORD_SIZE_MAX);
	record = a_large_file();
	record.generation = record.id = record.size = INT64_MAX;
	record.mtime = (struct timespec){ INT64_MAX, 999999999 };
	round_trip(&record);
}
END_TEST

START_TEST(random_round_trips)
{
	struct random random = { .state = 4 };
	struct record record;

	use(_i);
	for (int i = 0; i < 5000; i++) {
		random_bytes(&random, tags, sizeof(tags));
		memset(&record, 0, sizeof(record));
		record.kind = (enum record_kind)(1 + random_below(&random, 3));
		record.generation = random_wide(&random) >> 1;
		record.id = (random_wide(&random) >> 1) | 1;
		record.mtime.tv_sec = (time_t)random_wide(&random);
		record.mtime.tv_nsec = (long)random_below(&random, 1000000000);
		record.ctime = record.mtime;
		if (random_below(&random, 2) == 0)
			record.ctime.tv_sec = (time_t)random_wide(&random);
		record.meta = (uint32_t)random_u64(&random);
		random_bytes(&random, record.sum, sizeof(record.sum));
		if (record.kind == RECORD_INLINE) {
			record.size = random_below(&random, RECORD_TAGS_MAX * DIGEST_BLOCK_SIZE + 1);
			record.tag_count = (uint32_t)((record.size + DIGEST_BLOCK_SIZE - 1) / DIGEST_BLOCK_SIZE);
			record.tags = tags;
		} else if (record.kind == RECORD_PAGED) {
			record.size = random_wide(&random) >> 1;
		}
		round_trip(&record);
	}
}
END_TEST

START_TEST(contradictions_are_not_encoded)
{
	uint8_t out[RECORD_SIZE_MAX];
	struct record record;

	use(_i);
#define REFUSED(start, change) do {			\
	record = start;					\
	change;						\
	ck_assert_int_eq(encode(&record, out), -EINVAL);	\
} while (0)
	REFUSED(a_file(1), record.id = 0);
	REFUSED(a_file(1), record.id = (uint64_t)INT64_MAX + 1);
	REFUSED(a_file(1), record.generation = UINT64_MAX);
	REFUSED(a_file(1), record.size = 0);
	REFUSED(a_file(1), record.size = DIGEST_BLOCK_SIZE + 1);
	REFUSED(a_file(1), record.size = UINT64_MAX);
	REFUSED(a_file(1), record.tag_count = 0);
	REFUSED(a_file(1), record.tag_count = 2);
	REFUSED(a_file(RECORD_TAGS_MAX), record.size++; record.tag_count++);
	REFUSED(a_file(1), record.mtime.tv_nsec = 1000000000);
	REFUSED(a_file(1), record.mtime.tv_nsec = -1);
	REFUSED(a_file(1), record.ctime.tv_nsec = 1000000000);
	REFUSED(a_file(1), record.kind = 0);
	REFUSED(a_file(1), record.kind = 4);
	REFUSED(a_directory(), record.size = 1);
	REFUSED(a_directory(), record.tag_count = 1);
	REFUSED(a_large_file(), record.tag_count = 1);
	REFUSED(a_large_file(), record.size = (uint64_t)INT64_MAX + 1);
}
END_TEST

START_TEST(too_little_room)
{
	uint8_t out[RECORD_SIZE_MAX];
	struct record record;
	int len;

	use(_i);
	for (uint32_t blocks = 0; blocks <= RECORD_TAGS_MAX; blocks += 32) {
		record = a_file(blocks);
		len = encode(&record, out);
		ck_assert_int_gt(len, 0);
		for (int size = 0; size < len; size++) {
			memset(out, 0xaa, sizeof(out));
			ck_assert_int_eq(record_encode(&digest, &record, out, (size_t)size), -ENOSPC);
			ck_assert_uint_eq(out[size], 0xaa);
		}
		ck_assert_int_eq(record_encode(&digest, &record, out, (size_t)len), len);
	}
}
END_TEST

static void
each_bit_and_length(const struct record *record)
{
	uint8_t data[RECORD_SIZE_MAX + 1];
	struct record decoded;
	int len, rc;

	memset(data, 0, sizeof(data));
	len = encode(record, data);
	ck_assert_int_gt(len, 0);
	for (int bit = 0; bit < len * 8; bit++) {
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rc = record_decode(&digest, data, (size_t)len, &decoded);
		ck_assert_int_lt(rc, 0);
		if (bit >= 16)
			ck_assert_int_eq(rc, -EBADMSG);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (int cut = 0; cut < len; cut++)
		ck_assert_int_eq(record_decode(&digest, data, (size_t)cut, &decoded), -EBADMSG);
	ck_assert_int_eq(record_decode(&digest, data, (size_t)len + 1, &decoded), -EBADMSG);
	ck_assert_int_eq(record_decode(&digest, data, (size_t)len, &decoded), 0);
}

START_TEST(spoiled)
{
	struct record record;

	use(_i);
	record = a_directory();
	each_bit_and_length(&record);
	record = a_large_file();
	each_bit_and_length(&record);
	record = a_file(0);
	each_bit_and_length(&record);
	record = a_file(2);
	each_bit_and_length(&record);
	record = a_file(RECORD_TAGS_MAX);
	each_bit_and_length(&record);
}
END_TEST

/* Bits flipped and the check made to fit: refused, or another record that stands by itself. */
START_TEST(strict_behind_the_check)
{
	uint8_t data[RECORD_SIZE_MAX], again[RECORD_SIZE_MAX];
	struct random random = { .state = 5 };
	struct record record, decoded;
	int len, bit;

	use(_i);
	for (int i = 0; i < 8000; i++) {
		record = i % 3 == 0 ? a_directory() : i % 3 == 1 ? a_large_file() : a_file((uint32_t)i % 5);
		len = encode(&record, data);
		for (uint64_t flips = 1 + random_below(&random, 3); flips > 0; flips--) {
			bit = (int)random_below(&random, (uint64_t)(len - 8) * 8);
			data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		reseal(data, (size_t)len);
		if (record_decode(&digest, data, (size_t)len, &decoded) != 0)
			continue;
		ck_assert_int_eq(encode(&decoded, again), len);
		ck_assert_mem_eq(data, again, (size_t)len);
	}
}
END_TEST

START_TEST(refused_behind_the_check)
{
	uint8_t data[RECORD_SIZE_MAX + 16] = { 0 };
	struct record record, decoded;
	int len;

	use(_i);

	/* Something in the padding. */
	record = a_file(0);
	len = encode(&record, data);
	data[50] = 1;
	reseal(data, (size_t)len);
	ck_assert_int_eq(record_decode(&digest, data, (size_t)len, &decoded), -EBADMSG);

	/* Padding where none is needed. */
	record = a_file(2);
	len = encode(&record, data);
	memset(data + len - 8, 0, 9);
	reseal(data, (size_t)len + 1);
	ck_assert_int_eq(record_decode(&digest, data, (size_t)len + 1, &decoded), -EBADMSG);

	/* Trailing junk behind all tags. */
	record = a_file(4);
	len = encode(&record, data);
	memset(data + len - 8, 7, 16);
	reseal(data, (size_t)len + DIGEST_SIZE);
	ck_assert_int_eq(record_decode(&digest, data, (size_t)len + DIGEST_SIZE, &decoded), -EBADMSG);

	/* A flag nobody knows. */
	record = a_file(0);
	len = encode(&record, data);
	data[2] = 2;
	reseal(data, (size_t)len);
	ck_assert_int_eq(record_decode(&digest, data, (size_t)len, &decoded), -EBADMSG);
}
END_TEST

START_TEST(other_versions_and_codecs)
{
	uint8_t data[RECORD_SIZE_MAX];
	struct record record, decoded;
	int len;

	use(_i);
	record = a_file(1);
	len = encode(&record, data);
	digest.codec = _i == 0 ? DIGEST_BLAKE2B : DIGEST_XXH3;
	ck_assert_int_eq(record_decode(&digest, data, (size_t)len, &decoded), -EMEDIUMTYPE);
	use(_i);
	digest.key[0] ^= 1;
	ck_assert_int_eq(record_decode(&digest, data, (size_t)len, &decoded), _i == 0 ? 0 : -EBADMSG);
	use(_i);
	data[0] = RECORD_VERSION + 1;
	ck_assert_int_eq(record_decode(&digest, data, (size_t)len, &decoded), -EPROTONOSUPPORT);
	ck_assert_int_eq(record_decode(&digest, data, 3, &decoded), -EPROTONOSUPPORT);
	data[0] = 0;
	reseal(data, (size_t)len);
	ck_assert_int_eq(record_decode(&digest, data, (size_t)len, &decoded), -EBADMSG);
}
END_TEST

/* Computed apart from this program. */
START_TEST(known_digests)
{
	uint8_t out[DIGEST_SIZE];

	use(1);
	record_name(&digest, "hello", S_IFREG | 0644, 7, NULL, 0, out);
	ck_assert_str_eq(hex(out, sizeof(out)), "f3574600138c03010c874a27b6a10af0");
	record_name(&digest, "hello", S_IFREG | 0600, 7, NULL, 0, out);
	ck_assert_str_eq(hex(out, sizeof(out)), "f3574600138c03010c874a27b6a10af0");
	record_name(&digest, "l\xff", S_IFLNK | 0777, 0, "../x", 0, out);
	ck_assert_str_eq(hex(out, sizeof(out)), "1ee0b7bb2b2a0db4a436031d8d46efb9");
	record_name(&digest, "d", S_IFCHR | 0600, 0, NULL, 0x103, out);
	ck_assert_str_eq(hex(out, sizeof(out)), "e4e093478420b907b8379af0c583a3d3");
	record_xattr(&digest, "user.a", "value", 6, out);
	ck_assert_str_eq(hex(out, sizeof(out)), "da8af9031ee39345b197ba998c828fb8");
	ck_assert_uint_eq(record_meta(&digest, 1000, 100, S_IFREG | 0644, out), 0x543cd93b);
}
END_TEST

/* Whatever differs in an entry differs in its digest. */
START_TEST(names_part)
{
	static const struct {
		const char *name;
		uint32_t mode;
		uint64_t id;
		const char *target;
		uint64_t rdev;
	} entries[] = {
		{ "a", S_IFREG, 2, NULL, 0 },
		{ "b", S_IFREG, 2, NULL, 0 },
		{ "a", S_IFREG, 3, NULL, 0 },
		{ "a", S_IFDIR, 2, NULL, 0 },
		{ "a", S_IFLNK, 0, "", 0 },
		{ "a", S_IFLNK, 0, "b", 0 },
		{ "ab", S_IFLNK, 0, "", 0 },
		{ "a", S_IFIFO, 0, NULL, 0 },
		{ "a", S_IFSOCK, 0, NULL, 0 },
		{ "a", S_IFCHR, 0, NULL, 2 },
		{ "a", S_IFBLK, 0, NULL, 2 },
		{ "a", S_IFBLK, 0, NULL, 3 },
	};
	enum { COUNT = sizeof(entries) / sizeof(entries[0]) };
	uint8_t sums[COUNT][DIGEST_SIZE];

	use(_i);
	for (size_t i = 0; i < COUNT; i++) {
		record_name(&digest, entries[i].name, entries[i].mode, entries[i].id,
		    entries[i].target, entries[i].rdev, sums[i]);
		for (size_t j = 0; j < i; j++)
			ck_assert_mem_ne(sums[i], sums[j], DIGEST_SIZE);
	}
}
END_TEST

START_TEST(metadata_parts)
{
	uint8_t none[DIGEST_SIZE] = { 0 }, a[DIGEST_SIZE], b[DIGEST_SIZE];
	uint32_t plain;

	use(_i);
	plain = record_meta(&digest, 1, 2, 0100644, none);
	ck_assert_uint_ne(plain, record_meta(&digest, 2, 1, 0100644, none));
	ck_assert_uint_ne(plain, record_meta(&digest, 1, 3, 0100644, none));
	ck_assert_uint_ne(plain, record_meta(&digest, 1, 2, 0104644, none));
	ck_assert_uint_eq(plain, record_meta(&digest, 1, 2, 0100644, none));
	record_xattr(&digest, "user.a", "b", 1, a);
	ck_assert_uint_ne(plain, record_meta(&digest, 1, 2, 0100644, a));

	record_xattr(&digest, "user.ab", "", 0, b);
	ck_assert_mem_ne(a, b, DIGEST_SIZE);
	record_xattr(&digest, "user.b", "a", 1, b);
	ck_assert_mem_ne(a, b, DIGEST_SIZE);
	record_xattr(&digest, "user.a", "b\0", 2, b);
	ck_assert_mem_ne(a, b, DIGEST_SIZE);
	record_xattr(&digest, "user.a", NULL, 0, b);
	ck_assert_mem_ne(a, b, DIGEST_SIZE);
}
END_TEST

START_TEST(mirrored_attributes)
{
	static const char *const yes[] = {
		"user.a", "user.mendfs2", "user.mendf", "user.", "trusted.a", "security.capability",
		"security.selinuxx", "system.posix_acl_access", "system.posix_acl_default",
	};
	static const char *const no[] = {
		"user.mendfs", "security.selinux", "security.ima", "security.evm",
		"trusted.SGI_ACL_FILE", "trusted.SGI_ACL_DEFAULT", "system.", "system.posix_acl", "system.nfs4_acl", "system.data",
	};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		ck_assert_msg(record_xattr_mirrored(yes[i]), "%s", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		ck_assert_msg(!record_xattr_mirrored(no[i]), "%s", no[i]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("record");
	TCase *tcase = tcase_create("record");

	tcase_add_test(tcase, known_bytes);
	tcase_add_loop_test(tcase, typical_sizes, 0, 2);
	tcase_add_loop_test(tcase, the_largest_fits, 0, 2);
	tcase_add_loop_test(tcase, random_round_trips, 0, 2);
	tcase_add_loop_test(tcase, contradictions_are_not_encoded, 0, 2);
	tcase_add_loop_test(tcase, too_little_room, 0, 2);
	tcase_add_loop_test(tcase, spoiled, 0, 2);
	tcase_add_loop_test(tcase, strict_behind_the_check, 0, 2);
	tcase_add_loop_test(tcase, refused_behind_the_check, 0, 2);
	tcase_add_loop_test(tcase, other_versions_and_codecs, 0, 2);
	tcase_add_test(tcase, known_digests);
	tcase_add_loop_test(tcase, names_part, 0, 2);
	tcase_add_loop_test(tcase, metadata_parts, 0, 2);
	tcase_add_test(tcase, mirrored_attributes);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
