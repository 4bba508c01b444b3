/*
 * check/walk -- the directories, depth first, on all members at once.
 */

#ifndef CHECK_WALK_H
#define CHECK_WALK_H

#include "check/state.h"

/*
 * walk_tree(c):
 * Check all directories from the top on, and hand files to the pool and names
 * of files with several to c->links.  Returns when the pool is done, too.
 */
void walk_tree(struct check *c);

/* walk_is_dirty(c, want): might what is wanted have been torn by an unclean stop? */
bool walk_is_dirty(const struct check *c, const struct want *want);

#endif
