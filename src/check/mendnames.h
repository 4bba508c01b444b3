/*
 * check/mendnames -- giving the members of a directory the names that are wanted.
 */

#ifndef CHECK_MENDNAMES_H
#define CHECK_MENDNAMES_H

#include "check/names.h"

/*
 * mendnames_move(names):
 * Where a member has what is wanted, but under another name of the same
 * directory, rename it there.  What was moved is seen under its new name.
 */
void mendnames_move(struct names *names);

/* mendnames_forget(link, arg): free a member of c->adopted; for hashmap_each. */
void mendnames_forget(struct hashmap_link *link, void *arg);

/* mendnames_remove(names): put aside what does not belong. */
void mendnames_remove(struct names *names);

/*
 * mendnames_accept(names, dir, record):
 * The names are not proved: report it, and if it may be, make a record that says what is
 * wanted, on all members.  ${dir}: the directory as a subject; ${record}: the
 * one it has, or NULL.  Files without an id get one.
 */
void mendnames_accept(struct names *names, struct subject *dir, const struct record *record);

#endif
