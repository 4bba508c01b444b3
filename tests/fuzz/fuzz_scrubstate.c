/* What scrubstate_decode takes comes back from scrubstate_encode; FUZZ_SEAL adds the check line. */

#include "format/scrubstate.h"
#include "hash/digest.h"

#include "fuzz.h"

static void
try(const char *text, size_t len)
{
	static char first[SCRUBSTATE_SIZE_MAX], second[SCRUBSTATE_SIZE_MAX];
	static struct scrub_state state, back;
	int n;

	if (scrubstate_decode(text, len, &state) != 0)
		return;
	n = scrubstate_encode(&state, first, sizeof(first));
	FUZZ_ASSERT(n > 0);
	FUZZ_ASSERT(scrubstate_decode(first, (size_t)n, &back) == 0);
	FUZZ_ASSERT(scrubstate_encode(&back, second, sizeof(second)) == n);
	FUZZ_ASSERT(memcmp(first, second, (size_t)n) == 0);
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
	digest_bytes(&plain, DIGEST_SCRUB, data + 1, len - 1, check);
	at = len - 1 + (size_t)sprintf(text + len - 1, "check = ");
	for (size_t i = 0; i < sizeof(check); i++)
		at += (size_t)sprintf(text + at, "%02x", check[i]);
	text[at++] = '\n';
	try(text, at);
	free(text);
	return 0;
}
