/*
 * check/blocks -- every block of every member's copy against its proved tag.
 *
 * A large file is cut into ranges that idle threads of the pool take on too.
 */

#ifndef CHECK_BLOCKS_H
#define CHECK_BLOCKS_H

#include "check/pages.h"
#include "check/state.h"

struct blocks_result {
	uint64_t lost;			/* blocks that no member's copy is right of */
	uint64_t unproved;		/* blocks without a tag */
	int error;			/* -ENOMEM, or why a file could not be opened at all */
};

/*
 * blocks_verify(s, record, pages, only_count, result):
 * Verify, report, and mend wrong copies from right ones where that may be
 * done; s->written and s->told are set.  With ${only_count} nothing is
 * reported or changed, ${result} is all.
 */
void blocks_verify(struct subject *s, const struct record *record, struct pages *pages,
    bool only_count, struct blocks_result *result);

#endif
