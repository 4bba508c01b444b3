/* What decodes is, byte for byte, what is encoded of it; and each entry is found. */

#include "format/index.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct index_entry entries[INDEX_ENTRIES_MAX];
	uint8_t again[INDEX_SIZE_MAX], *copy;
	int count, i;

	/* The first byte says how, to others. */
	if (len < 1)
		return 0;
	copy = fuzz_copy(data + 1, --len);
	count = index_decode(copy, len, entries);
	if (count >= 0) {
		FUZZ_ASSERT(index_encode(entries, (size_t)count, again) == len && memcmp(again, copy, len) == 0);
		for (i = 0; i < count; i++)
			FUZZ_ASSERT(index_find(entries, (size_t)count, entries[i].ino) == entries[i].id);
	}
	free(copy);
	return 0;
}
