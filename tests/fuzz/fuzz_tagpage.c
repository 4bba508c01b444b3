/* A page that passes its check is what tagpage_seal makes, and of no other place. */

#include "format/tagpage.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t page[TAGPAGE_SIZE] = { 0 }, again[TAGPAGE_SIZE];
	struct digest digest;
	uint64_t id, index;

	if (len < 1 + 16)
		return 0;
	digest = fuzz_digest(data[0]);
	memcpy(&id, data + 1, 8);
	memcpy(&index, data + 9, 8);
	memcpy(page, data + 17, len - 17 < sizeof(page) ? len - 17 : sizeof(page));
	if (data[0] & FUZZ_SEAL) {
		tagpage_seal(&digest, id, index, page);
		FUZZ_ASSERT(tagpage_check(&digest, id, index, page) == 0);
	}
	if (tagpage_check(&digest, id, index, page) != 0)
		return 0;
	memcpy(again, page, sizeof(again));
	tagpage_seal(&digest, id, index, again);
	FUZZ_ASSERT(memcmp(page, again, sizeof(page)) == 0);
	if (!digest_zeros(page, sizeof(page)))
		FUZZ_ASSERT(tagpage_check(&digest, id, index + 1, page) != 0);
	return 0;
}
