/*
 * fsck/bar -- progress for people: a bar with rate and time left.
 *
 * Locking: inside.
 */

#ifndef FSCK_BAR_H
#define FSCK_BAR_H

#include <stdint.h>
#include <stdio.h>

struct bar;

/* bar_new(out): on a terminal; NULL if there is no memory, and the other functions take that. */
struct bar *bar_new(FILE *out);
void bar_free(struct bar *bar);
/* bar_show(bar, done, total): bytes; ${total} 0: not known yet. */
void bar_show(struct bar *bar, uint64_t done, uint64_t total);
/* bar_clear(bar): take it away, so that a line can be written; the next bar_show brings it back. */
void bar_clear(struct bar *bar);

#endif
