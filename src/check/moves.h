/*
 * check/moves -- files that an unclean stop left under different names.
 *
 * A renaming that was under way may have reached some members only: one id
 * then stands in two places.  To tell that from a name that is missing, all
 * names have to be known before the first is mended; so an unclean volume is
 * walked twice, and the places of what may be torn are remembered.
 *
 * The place on the lowest-numbered member wins.
 */

#ifndef CHECK_MOVES_H
#define CHECK_MOVES_H

#include "check/state.h"

struct moves;

/* moves_collect(c, moves): walk all members.  NULL in ${moves} if the volume is clean.  -ENOMEM. */
int moves_collect(struct check *c, struct moves **moves);
void moves_free(struct moves *moves);

enum moves_answer { MOVES_NONE, MOVES_STAYS, MOVES_GOES };

/*
 * moves_ask(moves, id, path):
 * Does file ${id} stand in different places, and is ${path} the one where it is
 * to be (STAYS), or another (GOES)?
 */
enum moves_answer moves_ask(const struct moves *moves, uint64_t id, const char *path);

/* moves_from(moves, id, member): where it stands on ${member} instead, or NULL. */
const char *moves_from(const struct moves *moves, uint64_t id, unsigned member);

#endif
