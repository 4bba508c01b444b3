/*
 * meta/quarantine -- where a losing version goes, so that nothing is thrown away.
 *
 * Disk format: doc/FORMAT.md, "Quarantine".
 */

#ifndef META_QUARANTINE_H
#define META_QUARANTINE_H

#include <time.h>

#include "replica/replica.h"

#define QUARANTINE_PATH REPLICA_META "/quarantine"
#define QUARANTINE_DATA "data"		/* in its slot: the version itself */
#define QUARANTINE_SLOT_MAX 64		/* bytes of a slot's name, with the NUL */

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

/* A version that is kept. */
struct quarantine_version {
	const char *slot;		/* WHEN-N, unique on its replica */
	char *path;			/* where it stood, from the volume's top, with a leading slash; "": not known */
	char *reason;			/* "": not known */
	time_t when;			/* when it was put aside; 0: not known */
	mode_t mode;
	uint64_t size;			/* bytes of all files in it */
};

/* A return other than 0 ends the listing with that result; ${version} is good until then. */
typedef int quarantine_call(void *arg, const struct quarantine_version *version);

/*
 * quarantine_list(r, call, arg):
 * Each version that is kept whole, in the order of slots.  One without an
 * origin that can be read is among them.  A replica without a quarantine has none.
 */
int quarantine_list(struct replica *r, quarantine_call *call, void *arg);

/*
 * quarantine_purge(r, slot):
 * Remove a version for good.  -ENOENT: there is none.  Cut off, it is no
 * version any more, and what is left goes with quarantine_sweep.
 */
int quarantine_purge(struct replica *r, const char *slot);
/* quarantine_sweep(r): what purges that were cut off have left. */
int quarantine_sweep(struct replica *r);

#endif
