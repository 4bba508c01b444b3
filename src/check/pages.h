/*
 * check/pages -- the proved tags of one file, from all members together.
 *
 * For a small file they stand in its record.  For a large one each member has
 * a tags file; a page is proved by its own check and by adding up, with all
 * others, to the record's sum.  A page that no member has whole is made anew
 * from the data, and the sum proves that it is the right one.
 *
 * Locking: pages_load may be called by several threads at once.
 */

#ifndef CHECK_PAGES_H
#define CHECK_PAGES_H

#include "check/state.h"

struct pages;

/*
 * pages_new(s, record, pages):
 * Find the right pages of all those that the members of ${s} have, for a file of
 * ${record}; both must outlive it.  Fails with -ENOMEM only.
 */
int pages_new(struct subject *s, const struct record *record, struct pages **pages);
void pages_free(struct pages *pages);

/* pages_proved(pages): do they add up to the record? */
bool pages_proved(const struct pages *pages);

/*
 * pages_mend(pages):
 * Report pages that are not the right ones, and write the right ones where
 * that may be done.  Also makes the tags files of members that have none.
 */
void pages_mend(struct pages *pages);

/*
 * pages_load(pages, first, count, tags):
 * Copy the tags of ${count} blocks from ${first} on, all of one page.
 * -ENODATA: no member has that page.
 */
int pages_load(const struct pages *pages, uint64_t first, unsigned count, uint8_t *tags);

#endif
