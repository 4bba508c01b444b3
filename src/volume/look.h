/*
 * volume/look -- threads that look for damage, and mend nothing on the way.
 *
 * Whatever reads a name, a record or tags mends what it finds bad.  Who is to
 * tell what was bad, or is not to mend at all, looks first.
 */

#ifndef VOLUME_LOOK_H
#define VOLUME_LOOK_H

#include "volume/state.h"

/* look_begin(), look_end(): from here on the calling thread mends nothing; and does so again. */
void look_begin(void);
void look_end(void);

/* look_only(volume): may the calling thread not mend?  True for all of a volume that is mounted read-only. */
bool look_only(const struct volume *volume);

#endif
