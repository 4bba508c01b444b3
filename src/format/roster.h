/*
 * format/roster -- who is a member: the lists in labels, and how they change.
 *
 * Disk format and order of writing: doc/FORMAT.md 4a.  Pure.
 *
 * A replica that was never in sync has a label of its own kind:
 *	new: events 0.  It was added, and is being filled.
 *	given up: events 1, not moving.  It lost a fork; what it holds besides is to be kept.
 * Neither ever has anything of its own towards another one.
 */

#ifndef FORMAT_ROSTER_H
#define FORMAT_ROSTER_H

#include "format/label.h"

/* A write-feature: this replica was removed from its volume; for nobody to use. */
#define LABEL_REMOVED UINT64_C(1)

/* roster_unfilled(label): the replica was never in sync: new, or given up. */
bool roster_unfilled(const struct label *label);
/* roster_given_up(label): it lost a fork. */
bool roster_given_up(const struct label *label);
/* roster_removed(label): it was removed, and no more than that is strange about it. */
bool roster_removed(const struct label *label);

/* roster_has(label, uuid): is it on the list? */
bool roster_has(const struct label *label, const struct uuid *uuid);

/*
 * roster_add(label, uuid, name):
 * One more member, not seen yet; one that is on the list stays as it is.  -ENOSPC: the list is full.
 */
int roster_add(struct label *label, const struct uuid *uuid, const char *name);
/* roster_remove(label, uuid): off the list; not the label's own. */
void roster_remove(struct label *label, const struct uuid *uuid);
/* roster_replace(label, old, new): ${new}, not seen yet, in the place and under the name of ${old}. */
void roster_replace(struct label *label, const struct uuid *old, const struct uuid *new);

/*
 * roster_take(label, from):
 * The list of ${from}, on which ${label}'s own uuid is; what ${label} has seen
 * of each stays.
 */
void roster_take(struct label *label, const struct label *from);

/* roster_name(label, name): the first of "r0", "r1", ... that no member has; LABEL_NAME_MAX bytes. */
void roster_name(const struct label *label, char *name);

/*
 * roster_successor(old, new):
 * The uuid as which a replica that lost a fork comes back: always the same for
 * the same ${old}, so that a settling that was cut off can be done again.
 */
void roster_successor(const struct uuid *old, struct uuid *new);

/* roster_new(of, uuid, label), roster_give_up(of, uuid, label): the label of the member ${uuid} on ${of}'s list. */
void roster_new(const struct label *of, const struct uuid *uuid, struct label *label);
void roster_give_up(const struct label *of, const struct uuid *uuid, struct label *label);

#endif
