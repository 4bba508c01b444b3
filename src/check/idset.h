/*
 * check/idset -- a set of file ids, which come in sequence: a bitmap in pieces.
 *
 * Locking: inside.
 */

#ifndef CHECK_IDSET_H
#define CHECK_IDSET_H

#include <stdbool.h>
#include <stdint.h>

struct idset;

int idset_new(struct idset **set);
void idset_free(struct idset *set);
/* idset_add(set, id): 1 if it was in the set already, 0 if not, -ENOMEM. */
int idset_add(struct idset *set, uint64_t id);
bool idset_has(struct idset *set, uint64_t id);
/* idset_highest(set): the highest id ever added, or 0. */
uint64_t idset_highest(struct idset *set);

#endif
