/*
 * check/accept -- believing what nothing proves.
 *
 * Each function makes one member's version of a subject the newest proved one,
 * by giving it a record of a higher generation.  The caller then starts over,
 * and mends the others from it.
 *
 * Errors: 0 or a negative errno value.
 */

#ifndef CHECK_ACCEPT_H
#define CHECK_ACCEPT_H

#include "check/state.h"

/* accept_generation(s): one more than any valid record of the subject has. */
uint64_t accept_generation(const struct subject *s);

/* accept_meta(s, i): member ${i}'s owner, mode and xattrs; its valid record else stands. */
int accept_meta(struct subject *s, unsigned i);

/* accept_file(s, i, id): member ${i}'s regular file, data and all, under ${id}. */
int accept_file(struct subject *s, unsigned i, uint64_t id);

/*
 * accept_directory(s, id):
 * A directory without any valid record, as the lowest member up to date has
 * it, under ${id}.  Its record says that it is empty: its names are to be
 * accepted next.
 */
int accept_directory(struct subject *s, uint64_t id);

/*
 * accept_choose(s, own, which):
 * Whose copy of a torn file is to be taken?  One whose data matches its own
 * record comes first (${own}: true), the newest of them; else copies that
 * agree; else the lowest-numbered.  -ENOENT: there is none.
 */
int accept_choose(struct subject *s, bool *own, unsigned *which);

/*
 * accept_begin(c):
 * Once before the first record is made: the labels of all given members say,
 * durably, that the volume moves on, so that a member that is not here will be
 * known to be behind.
 */
int accept_begin(struct check *c);

#endif
