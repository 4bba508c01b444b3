/*
 * Random numbers that are the same in each run: SplitMix64 (Steele, Lea,
 * Flood, 2014).
 */

#ifndef TESTS_UNIT_RANDOM_H
#define TESTS_UNIT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random { uint64_t state; };

static inline uint64_t
random_u64(struct random *random)
{
	uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* A number below ${limit}. */
static inline uint64_t
random_below(struct random *random, uint64_t limit)
{
	return random_u64(random) % limit;
}

/* Any number of bits is as likely as any other: small numbers come up, too. */
static inline uint64_t
random_wide(struct random *random)
{
	uint64_t bits = random_below(random, 65);

	return bits == 0 ? 0 : random_u64(random) >> (64 - bits);
}

static inline void
random_bytes(struct random *random, void *out, size_t len)
{
	uint8_t *bytes = out;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)random_u64(random);
}

#endif
