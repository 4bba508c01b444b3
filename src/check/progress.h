/*
 * check/progress -- how far the verification is, for the caller to show.
 *
 * Pass 1 reads all data; how much there is, is counted meanwhile, on every
 * member, by a thread of its own.  Pass 2 looks at hard links and .mendfs.
 *
 * Locking: inside.
 */

#ifndef CHECK_PROGRESS_H
#define CHECK_PROGRESS_H

#include "check/state.h"

struct progress;

/* progress_new(c, progress): NULL in ${progress} if c->options want none. */
int progress_new(struct check *c, struct progress **progress);
/* progress_free(progress): NULL is fine, as for the others. */
void progress_free(struct progress *progress);
void progress_add(struct progress *progress, uint64_t bytes);
/* progress_pass(progress, pass): the next pass begins; 0: all is done. */
void progress_pass(struct progress *progress, unsigned pass);

#endif
