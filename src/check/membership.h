/*
 * check/membership -- labels, who belongs to whom, and the intent bitmap.
 */

#ifndef CHECK_MEMBERSHIP_H
#define CHECK_MEMBERSHIP_H

#include "check/state.h"

/*
 * membership_open(c):
 * Open, lock and compare the replicas of c->options.  0: go on; -ECANCELED:
 * what was found and reported forbids it; else it was reported by report_failed.
 */
int membership_open(struct check *c);
void membership_close(struct check *c);

/* membership_move(c): the labels of all members say that a new event begins, durably. */
int membership_move(struct check *c);

/*
 * membership_finish(c):
 * After all is mended and durable: labels mended, members that were behind in
 * sync, the volume clean, the intent empty.
 */
void membership_finish(struct check *c);

#endif
