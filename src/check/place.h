/*
 * check/place -- a directory on all members at once.
 */

#ifndef CHECK_PLACE_H
#define CHECK_PLACE_H

#include "check/state.h"

/* place_new(c, path, place): with one reference and no handle yet.  -ENOMEM. */
int place_new(struct check *c, const char *path, struct place **place);
/* place_open(c, path, place): with handles on all members that have it, by its path. */
int place_open(struct check *c, const char *path, struct place **place);
void place_hold(struct place *place);
/*
 * place_put(place):
 * Give a reference back.  With the last one, directories whose names were
 * changed get the modification time of their record back.
 */
void place_put(struct place *place);
/* place_join(place, name): the path of a name in it; free it.  NULL: no memory. */
char *place_join(const struct place *place, const char *name);

#endif
