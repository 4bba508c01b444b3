/*
 * check/links -- files with several names, looked at when all names are known.
 */

#ifndef CHECK_LINKS_H
#define CHECK_LINKS_H

#include "check/names.h"

struct links;

int links_new(struct check *c, struct links **links);
void links_free(struct links *links);
/* links_add(links, place, entry): note one name of a file that has, on some member, several.  -ENOMEM. */
int links_add(struct links *links, const struct place *place, const struct entry *entry);
/* links_check(links): check and mend each of them once, and that its names are names of one file. */
void links_check(struct links *links);

#endif
