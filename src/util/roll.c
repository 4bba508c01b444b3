#include "util/roll.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define SLOTS_START 16		/* a power of two, as all sizes; at most half of them are taken */

/* Open addressing: a hash stands in the slot that it names, or behind it with no free one (0) between. */
struct roll {
	uint64_t *slots;
	size_t size, count, max;
};

/* FNV-1a, and SplitMix64's last step for the low bits; never 0. */
static uint64_t
hash_of(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	hash ^= hash >> 31;
	return hash != 0 ? hash : 1;
}

/* Where the hash stands, or the free slot where it would. */
static size_t
find(const struct roll *roll, uint64_t hash)
{
	size_t at = hash & (roll->size - 1);

	while (roll->slots[at] != 0 && roll->slots[at] != hash)
		at = (at + 1) & (roll->size - 1);
	return at;
}

static void
put(struct roll *roll, uint64_t hash)
{
	size_t at = hash & (roll->size - 1);

	while (roll->slots[at] != 0)
		at = (at + 1) & (roll->size - 1);
	roll->slots[at] = hash;
}

static int
grow(struct roll *roll)
{
	struct roll larger = { .size = roll->size == 0 ? SLOTS_START : 2 * roll->size };
	size_t i;

	if ((larger.slots = calloc(larger.size, sizeof(*larger.slots))) == NULL)
		return -ENOMEM;
	for (i = 0; i < roll->size; i++) {
		if (roll->slots[i] != 0)
			put(&larger, roll->slots[i]);
	}
	free(roll->slots);
	roll->slots = larger.slots;
	roll->size = larger.size;
	return 0;
}

struct roll *
roll_new(size_t max)
{
	struct roll *roll = calloc(1, sizeof(*roll));

	if (roll != NULL)
		roll->max = max;
	return roll;
}

void
roll_free(struct roll *roll)
{
	if (roll == NULL)
		return;
	free(roll->slots);
	free(roll);
}

int
roll_add(struct roll *roll, const char *name)
{
	int rc;

	if (roll->count >= roll->max)
		return -E2BIG;
	if (2 * (roll->count + 1) > roll->size && (rc = grow(roll)) != 0)
		return rc;
	put(roll, hash_of(name));
	roll->count++;
	return 0;
}

bool
roll_remove(struct roll *roll, const char *name)
{
	uint64_t hash = hash_of(name);
	size_t gap, at, home;

	if (roll->count == 0 || roll->slots[gap = find(roll, hash)] == 0)
		return false;
	/* Those behind move up, unless that would put one before the slot that it names. */
	for (at = (gap + 1) & (roll->size - 1); roll->slots[at] != 0; at = (at + 1) & (roll->size - 1)) {
		home = roll->slots[at] & (roll->size - 1);
		if (((at - home) & (roll->size - 1)) < ((at - gap) & (roll->size - 1)))
			continue;
		roll->slots[gap] = roll->slots[at];
		gap = at;
	}
	roll->slots[gap] = 0;
	roll->count--;
	return true;
}

bool
roll_may_have(const struct roll *roll, const char *name)
{
	return roll->count > 0 && roll->slots[find(roll, hash_of(name))] != 0;
}
