/*
 * volume/reconcile -- what our own crash may have torn, as a whole.
 *
 * A regular file with a record on any member gets one length, owner and mode on
 * all at once, and its blocks later (volume/torn).  One that has none yet was
 * made a moment before the stop; it is made equal block by block: copies that
 * agree win, else that of the lowest-numbered member, reported.
 */

#ifndef VOLUME_RECONCILE_H
#define VOLUME_RECONCILE_H

#include "meta/judge.h"
#include "volume/state.h"
#include "volume/torn.h"

/* A copy of the file on one member. */
struct reconcile_copy { struct member *m; struct replica_at at; struct judge_fact *fact; };

/* reconcile_needed(copies, count): is any copy not sealed by the same, valid record? */
bool reconcile_needed(const struct reconcile_copy *copies, unsigned count);

/*
 * reconcile_begin(volume, copies, count, source, path, fact, torn):
 * At least one copy has a sound record.  Make lengths, owners, modes and xattrs
 * equal, the latter three as those of ${source}.  ${fact} is set to what the
 * node is to be made from, ${torn} to what its blocks are to be settled by.
 */
int reconcile_begin(struct volume *volume, struct reconcile_copy *copies, unsigned count, unsigned source,
    const char *path, struct judge_fact *fact, struct torn **torn);

/*
 * reconcile_file(volume, copies, count, source, path):
 * Make all copies equal, and give them a new record.  ${source} is the copy
 * whose owner, mode and xattrs are taken.  ${path} for messages.
 */
int reconcile_file(struct volume *volume, struct reconcile_copy *copies, unsigned count, unsigned source, const char *path);

/* reconcile_bare_directory(volume, copy): give a directory a record that says what is found. */
int reconcile_bare_directory(struct volume *volume, struct reconcile_copy *copy);

#endif
