/* What label_decode takes is what label_encode makes; FUZZ_SEAL adds the check line. */

#include "format/label.h"

#include "fuzz.h"

static void
try(const char *text, size_t len)
{
	char again[LABEL_TEXT_MAX];
	struct label label;

	if (label_decode(text, len, &label) != 0)
		return;
	FUZZ_ASSERT(label_member(&label, &label.replica) != NULL);
	FUZZ_ASSERT(label_relate(&label, &label) == LABEL_STRANGERS);
	FUZZ_ASSERT(label_encode(&label, again, sizeof(again)) == (int)len);
	FUZZ_ASSERT(memcmp(again, text, len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct digest plain = { .codec = DIGEST_XXH3 };
	uint8_t check[DIGEST_SIZE];
	char *text;
	size_t at;

	if (len < 1)
		return 0;
	if ((data[0] & FUZZ_SEAL) == 0) {
		text = (char *)fuzz_copy(data + 1, len - 1);
		try(text, len - 1);
		free(text);
		return 0;
	}
	text = malloc(len + 64);
	FUZZ_ASSERT(text != NULL);
	memcpy(text, data + 1, len - 1);
	digest_bytes(&plain, DIGEST_LABEL, data + 1, len - 1, check);
	at = len - 1 + (size_t)sprintf(text + len - 1, "check = ");
	for (size_t i = 0; i < sizeof(check); i++)
		at += (size_t)sprintf(text + at, "%02x", check[i]);
	text[at++] = '\n';
	try(text, at);
	free(text);
	return 0;
}
