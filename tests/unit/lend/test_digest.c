/* Tags made where the data is. */

#include "hash/digest.h"
#include "lend/digest.h"

#include "rig.h"

#define BLOCK DIGEST_BLOCK_SIZE
#define BLOCKS 300		/* more than one piece */
#define CALL(rig, ...) rig_call(rig, (struct proto_request){ __VA_ARGS__ })

static const struct digest digest = { .codec = DIGEST_XXH3 };
static uint8_t data[BLOCKS * BLOCK];
static struct rig a;

/* A file of ${len} bytes, whose third block is zeros, open as 1, and past the cache as 2. */
static void
file_of(size_t len)
{
	replica_handle file = make_file("f", 0600);

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i / BLOCK + i);
	memset(data + 2 * BLOCK, 0, BLOCK);
	ck_assert_int_eq(r->ops->pwrite(r, file, data, len, 0), (ssize_t)len);
	r->ops->close(r, file);
	rig_ready(&a, &(struct session_options){ .workers = 2 });
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN, .name = "f", .opened = 1), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN_DIRECT, .name = "f", .opened = 2), 0);
}

/* The tags of ${count} blocks from ${first} on, of a file of ${len} bytes. */
static void
check_tags(uint32_t handle, size_t len, size_t first, uint32_t count)
{
	const size_t from = first * BLOCK, end = from + (size_t)count * BLOCK, there = from >= len ? 0 : (end < len ? end : len) - from;
	uint8_t tag[DIGEST_SIZE];
	size_t piece;

	ck_assert_int_eq(CALL(&a, .op = PROTO_DIGEST, .handle = handle, .codec = DIGEST_XXH3, .offset = from, .count = count), 0);
	ck_assert_uint_eq(got.p.offset, there);
	ck_assert_uint_eq(got.p.data_len, (there + BLOCK - 1) / BLOCK * DIGEST_SIZE);
	for (size_t at = 0; at < there; at += BLOCK) {
		piece = there - at < BLOCK ? there - at : BLOCK;
		digest_tag(&digest, data + from + at, piece, tag);
		ck_assert_mem_eq(got.data + at / BLOCK * DIGEST_SIZE, tag, DIGEST_SIZE);
	}
}

START_TEST(tags_are_those_of_the_data)
{
	const size_t len = (BLOCKS - 1) * BLOCK + 100;

	file_of(len);
	for (uint32_t handle = 1; handle <= 2; handle++) {
		check_tags(handle, len, 0, 1);
		check_tags(handle, len, 0, BLOCKS);
		check_tags(handle, len, 2, 1);
		check_tags(handle, len, 5, 64);
		check_tags(handle, len, BLOCKS - 1, PROTO_DIGEST_BLOCKS_MAX);
		check_tags(handle, len, BLOCKS, 1);
		check_tags(handle, len, 1000, 3);
	}
	rig_stop(&a);
}
END_TEST

START_TEST(whole_blocks_to_the_end)
{
	file_of(64 * BLOCK);
	check_tags(1, 64 * BLOCK, 0, 64);
	check_tags(2, 64 * BLOCK, 0, 65);
	ck_assert(digest_is_zero(got.data + 2 * DIGEST_SIZE));
	rig_stop(&a);
}
END_TEST

START_TEST(refused)
{
	file_of(BLOCK);
	/* The key never leaves the mount. */
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIGEST, .handle = 1, .codec = DIGEST_BLAKE2B, .count = 1), -EOPNOTSUPP);
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIGEST, .handle = 1, .codec = 77, .count = 1), -EOPNOTSUPP);
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIGEST, .handle = 1, .codec = DIGEST_XXH3, .count = 0), -EINVAL);
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIGEST, .handle = 1, .codec = DIGEST_XXH3, .offset = 5, .count = 1), -EINVAL);
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIGEST, .handle = 1, .codec = DIGEST_XXH3, .offset = UINT64_MAX - 4095, .count = 1), -EINVAL);
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIGEST, .handle = PROTO_ROOT, .codec = DIGEST_XXH3, .count = 1), -EBADF);
	fault_set(a.r, &(struct fault_rule){ .ops = FAULT_MASK(FAULT_PREAD), .nth = 1, .error = EIO });
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIGEST, .handle = 1, .codec = DIGEST_XXH3, .count = 1), -EIO);
	rig_stop(&a);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lend/digest");
	TCase *tcase = tcase_create("digest");

	tcase_add_checked_fixture(tcase, scratch_setup, scratch_teardown);
	tcase_add_test(tcase, tags_are_those_of_the_data);
	tcase_add_test(tcase, whole_blocks_to_the_end);
	tcase_add_test(tcase, refused);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
