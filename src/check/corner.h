/*
 * check/corner -- what lies in .mendfs and belongs to nothing.
 */

#ifndef CHECK_CORNER_H
#define CHECK_CORNER_H

#include "check/state.h"

/*
 * corner_check(c):
 * After the walk, which noted the ids that have tags files.  If not everything
 * could be seen, tags that seem to be nobody's are left alone.
 */
void corner_check(struct check *c);

#endif
