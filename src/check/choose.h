/*
 * check/choose -- which of several versions add up to a known sum?
 *
 * Names of a directory, and pages of tags, are proved together by the XOR of
 * their digests.  Where replicas differ, the right choice is the one that
 * makes the sum come out; with 128 bits a wrong one does not.  Pure.
 */

#ifndef CHECK_CHOOSE_H
#define CHECK_CHOOSE_H

#include <stdint.h>

#include "hash/digest.h"

#define CHOOSE_OPTIONS_MAX 18		/* one a replica, nothing, and one made anew */
#define CHOOSE_REPLICAS_MAX 16
#define CHOOSE_TRIES_MAX (UINT64_C(1) << 20)

struct choose_slot {
	unsigned option_count;		/* at least 1 */
	uint8_t option[CHOOSE_OPTIONS_MAX][DIGEST_SIZE];
	uint8_t of[CHOOSE_REPLICAS_MAX];	/* which option each replica stands for */
	unsigned chosen;		/* out */
};

/*
 * choose_option(slot, digest):
 * The number of the option ${digest}, which is added if it is not there yet.
 */
unsigned choose_option(struct choose_slot *slot, const uint8_t *digest);

/*
 * choose_sum(slots, count, replicas, target):
 * Choose one option of each slot so that their XOR is ${target}: those of each of
 * the ${replicas} as a whole, then combinations.  Options that come first are
 * tried first, and slots that come last are varied first, up to
 * CHOOSE_TRIES_MAX.  0, or -ENOENT: none of those tried fits (${chosen} is
 * then 0 everywhere).
 */
int choose_sum(struct choose_slot *slots, unsigned count, unsigned replicas, const uint8_t *target);

#endif
