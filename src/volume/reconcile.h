/*
 * volume/reconcile -- a regular file that our own crash may have torn.
 *
 * For each block: a copy that matches the newest record wins; else copies that
 * agree; else that of the lowest-numbered member, reported.  Every mixture of
 * old and new blocks on the members so ends in one content on all of them.
 */

#ifndef VOLUME_RECONCILE_H
#define VOLUME_RECONCILE_H

#include "meta/judge.h"
#include "volume/state.h"

/* A copy of the file on one member. */
struct reconcile_copy { struct member *m; struct replica_at at; struct judge_fact *fact; };

/* reconcile_needed(copies, count): is any copy not sealed by the same, valid record? */
bool reconcile_needed(const struct reconcile_copy *copies, unsigned count);

/*
 * reconcile_file(volume, copies, count, source, path):
 * Make all copies equal, and give them a new record.  ${source} is the copy
 * whose owner, mode and xattrs are taken.  ${path} for messages.
 */
int reconcile_file(struct volume *volume, struct reconcile_copy *copies, unsigned count, unsigned source, const char *path);

/* reconcile_bare_directory(volume, copy): give a directory a record that says what is found. */
int reconcile_bare_directory(struct volume *volume, struct reconcile_copy *copy);

#endif
