/* What decodes is, byte for byte, what is encoded of it. */

#include "format/pending.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct pending pending;
	struct digest digest;
	uint8_t *copy, *again;
	size_t again_len;

	if (len < 1)
		return 0;
	digest = fuzz_digest(data[0]);
	if (data[0] & FUZZ_SEAL) {
		copy = malloc(len - 1 + DIGEST_SIZE);
		FUZZ_ASSERT(copy != NULL);
		memcpy(copy, data + 1, len - 1);
		digest_bytes(&digest, DIGEST_PENDING, copy, len - 1, copy + len - 1);
		len += DIGEST_SIZE;
	} else {
		copy = fuzz_copy(data + 1, len - 1);
	}
	len--;
	if (pending_decode(&digest, copy, len, &pending) == 0) {
		FUZZ_ASSERT(pending_encode(&digest, &pending, &again, &again_len) == 0);
		FUZZ_ASSERT(again_len == len && memcmp(again, copy, len) == 0);
		free(again);
		pending_free(&pending);
	}
	free(copy);
	return 0;
}
