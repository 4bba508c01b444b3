/* What intent_decode takes is what intent_encode makes; what it refuses has all bits set. */

#include "format/intent.h"

#include "fuzz.h"

#define BITS_SIZE (INTENT_SECTOR_BITS / 8)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t sector[INTENT_SECTOR_SIZE] = { 0 }, again[INTENT_SECTOR_SIZE], bits[BITS_SIZE];
	struct digest digest;
	enum intent_kind kind;
	uint32_t index;

	if (len < 1 + 4)
		return 0;
	digest = fuzz_digest(data[0]);
	memcpy(&index, data + 1, 4);
	memcpy(sector, data + 5, len - 5 < sizeof(sector) ? len - 5 : sizeof(sector));
	if (data[0] & FUZZ_SEAL)
		digest_bytes(&digest, DIGEST_INTENT, sector, INTENT_SECTOR_SIZE - DIGEST_SIZE,
		    sector + INTENT_SECTOR_SIZE - DIGEST_SIZE);
	for (kind = INTENT_REGIONS; kind <= INTENT_WAYS; kind++) {
		if (intent_decode(&digest, kind, index, sector, bits) != 0) {
			for (size_t i = 0; i < sizeof(bits); i++)
				FUZZ_ASSERT(bits[i] == 0xff);
		} else if (digest_zeros(sector, sizeof(sector))) {
			FUZZ_ASSERT(digest_zeros(bits, sizeof(bits)));
		} else {
			FUZZ_ASSERT(intent_is_kind(kind, sector));
			intent_encode(&digest, kind, index, bits, again);
			FUZZ_ASSERT(memcmp(sector, again, sizeof(again)) == 0);
		}
	}
	return 0;
}
