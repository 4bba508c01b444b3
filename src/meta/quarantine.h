/*
 * meta/quarantine -- where a losing version goes, so that nothing is thrown away.
 *
 * Disk format: doc/FORMAT.md, "Quarantine".
 */

#ifndef META_QUARANTINE_H
#define META_QUARANTINE_H

#include "replica/replica.h"

/*
 * quarantine_move(r, dir, name, path, reason):
 * Move ${name} in ${dir}, whatever it is, to .mendfs/quarantine/<when>-<n>/data
 * of the same replica, beside a text "origin" that says where it stood
 * (${path}, from the volume's top), when and why it was moved.  A file with
 * further names is copied, and loses this one.  On error the name stands where
 * it stood.
 */
int quarantine_move(struct replica *r, replica_handle dir, const char *name, const char *path, const char *reason);

/*
 * quarantine_copy(r, at, path, reason):
 * The same for the present content of a regular file that stays where it is,
 * durably.
 */
int quarantine_copy(struct replica *r, struct replica_at at, const char *path, const char *reason);

#endif
