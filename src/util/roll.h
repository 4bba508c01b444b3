/*
 * util/roll -- a set of names, of which only hashes are kept.
 *
 * Names with the same hash count each by itself, so what the roll does not have
 * is certainly not in the set; what it has may be in it.  8 to 32 bytes a name.
 *
 * Locking: none inside.
 */

#ifndef UTIL_ROLL_H
#define UTIL_ROLL_H

#include <stdbool.h>
#include <stddef.h>

/* More names than this are not worth their memory; or than that, where to ask anew takes long. */
#define ROLL_MAX 4096
#define ROLL_FAR_MAX 65536

struct roll;

/* roll_new(max): an empty one, for ${max} names at most, or NULL without memory.  roll_free(NULL) is no error. */
struct roll *roll_new(size_t max);
void roll_free(struct roll *roll);

/*
 * roll_add(roll, name): a name that is not in the set came.  -ENOMEM; -E2BIG:
 * there are as many as there may be.  Then the roll lacks it, and is of no more use.
 */
int roll_add(struct roll *roll, const char *name);

/* roll_remove(roll, name): a name of the set went; false: it was not in the roll. */
bool roll_remove(struct roll *roll, const char *name);

/* roll_may_have(roll, name): false: it is not in the set. */
bool roll_may_have(const struct roll *roll, const char *name);

#endif
