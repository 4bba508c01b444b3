/*
 * What the fuzz harnesses share.  An input's first byte says how to take the
 * rest: FUZZ_BLAKE2B, which codec; FUZZ_SEAL, put in the check that fits, so
 * that the code behind the check is reached.
 */

#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash/digest.h"

#define FUZZ_BLAKE2B 1
#define FUZZ_SEAL 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* In a harness whose inputs take long: how many the driver breeds, instead of 20,000. */
extern const unsigned long fuzz_inputs __attribute__((weak));

/* Like assert(), whatever NDEBUG says. */
#define FUZZ_ASSERT(condition) do {						\
	if (!(condition)) {							\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);	\
		abort();							\
	}									\
} while (0)

static inline struct digest
fuzz_digest(uint8_t how)
{
	struct digest digest = { .codec = how & FUZZ_BLAKE2B ? DIGEST_BLAKE2B : DIGEST_XXH3 };

	if (how & FUZZ_BLAKE2B)
		memset(digest.key, 0x42, sizeof(digest.key));
	return digest;
}

/* A copy that ends where its memory ends, for AddressSanitizer to see. */
static inline uint8_t *
fuzz_copy(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	FUZZ_ASSERT(copy != NULL);
	if (len > 0)
		memcpy(copy, data, len);
	return copy;
}

#endif
