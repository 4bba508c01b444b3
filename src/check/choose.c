#include "check/choose.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* The next combination, as an odometer turns; ${sum} is kept up.  False: all were seen. */
static bool
turn(struct choose_slot *slots, unsigned count, uint8_t *sum)
{
	struct choose_slot *slot;

	for (unsigned i = count; i-- > 0;) {
		slot = &slots[i];
		digest_xor(sum, slot->option[slot->chosen]);
		slot->chosen = (slot->chosen + 1) % slot->option_count;
		digest_xor(sum, slot->option[slot->chosen]);
		if (slot->chosen != 0)
			return true;
	}
	return false;
}

unsigned
choose_option(struct choose_slot *slot, const uint8_t *digest)
{
	unsigned i;

	for (i = 0; i < slot->option_count; i++) {
		if (memcmp(slot->option[i], digest, DIGEST_SIZE) == 0)
			return i;
	}
	assert(i < CHOOSE_OPTIONS_MAX);
	memcpy(slot->option[i], digest, DIGEST_SIZE);
	slot->option_count++;
	return i;
}

/* Choose all as one replica has it; does the sum come out? */
static bool
try_replica(struct choose_slot *slots, unsigned count, unsigned replica, const uint8_t *target)
{
	uint8_t sum[DIGEST_SIZE] = { 0 };

	for (unsigned i = 0; i < count; i++) {
		slots[i].chosen = slots[i].of[replica];
		digest_xor(sum, slots[i].option[slots[i].chosen]);
	}
	return memcmp(sum, target, DIGEST_SIZE) == 0;
}

int
choose_sum(struct choose_slot *slots, unsigned count, unsigned replicas, const uint8_t *target)
{
	uint8_t sum[DIGEST_SIZE] = { 0 };
	uint64_t tries = 0;

	for (unsigned r = 0; r < replicas; r++) {
		if (try_replica(slots, count, r, target))
			return 0;
	}
	for (unsigned i = 0; i < count; i++) {
		slots[i].chosen = 0;
		digest_xor(sum, slots[i].option[0]);
	}
	do {
		if (memcmp(sum, target, DIGEST_SIZE) == 0)
			return 0;
	} while (++tries < CHOOSE_TRIES_MAX && turn(slots, count, sum));
	for (unsigned i = 0; i < count; i++)
		slots[i].chosen = 0;
	return -ENOENT;
}
