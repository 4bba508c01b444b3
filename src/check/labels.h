/*
 * check/labels -- the labels of the members against each other.
 */

#ifndef CHECK_LABELS_H
#define CHECK_LABELS_H

#include "check/state.h"

/*
 * labels_compare(c, label):
 * Find members that are behind, and refuse what cannot be checked together.
 * ${label}: one that may be believed.  0; -ECANCELED: reported as findings;
 * else told by report_failed.
 */
int labels_compare(struct check *c, const struct label **label);

/*
 * labels_assign(c, label):
 * Decide which members the replicas without a label are, and leave out those
 * that cannot be told; report members that were not given.
 */
int labels_assign(struct check *c, const struct label *label);

/*
 * labels_event(c, finish):
 * A new event on all labels.  Without ${finish}, IDS_RESERVED ids are set
 * aside for this run.  ${finish}: those that were behind are in sync
 * from it on, and the volume is clean.
 */
int labels_event(struct check *c, bool finish);

#endif
