/* What record_decode takes is what record_encode makes. */

#include "format/record.h"

#include "fuzz.h"

static void
try(const struct digest *digest, const uint8_t *data, size_t len)
{
	uint8_t again[RECORD_SIZE_MAX];
	struct record record;

	if (record_decode(digest, data, len, &record) != 0)
		return;
	FUZZ_ASSERT(record.id != 0);
	FUZZ_ASSERT(record.tag_count <= RECORD_TAGS_MAX);
	FUZZ_ASSERT(record_encode(digest, &record, again, sizeof(again)) == (int)len);
	FUZZ_ASSERT(memcmp(again, data, len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t check[DIGEST_SIZE], *copy;
	struct digest digest;

	if (len < 1)
		return 0;
	digest = fuzz_digest(data[0]);
	copy = fuzz_copy(data + 1, len - 1);
	if ((data[0] & FUZZ_SEAL) && len - 1 >= 8) {
		digest_bytes(&digest, DIGEST_RECORD, copy, len - 1 - 8, check);
		memcpy(copy + len - 1 - 8, check, 8);
	}
	try(&digest, copy, len - 1);
	free(copy);
	return 0;
}
