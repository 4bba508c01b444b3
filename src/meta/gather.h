/*
 * meta/gather -- one replica's facts about one inode, read and digested.
 */

#ifndef META_GATHER_H
#define META_GATHER_H

#include "meta/judge.h"
#include "replica/replica.h"

/*
 * gather_xattrs(r, at, digest, sum):
 * XOR of record_xattr over all mirrored xattrs of the inode into ${sum}.
 * Fails with an errno value, -E2BIG for more than fits in memory bounds.
 */
int gather_xattrs(struct replica *r, struct replica_at at, const struct digest *digest, uint8_t *sum);

/*
 * gather_fact(r, at, digest, buf, fact):
 * Load the inode and judge its record: fills in all of ${fact}.  ${buf},
 * RECORD_SIZE_MAX bytes, is what fact->record.tags points into.  Lists and
 * reads xattrs only if there are any.  Never fails: errors stand in the fact.
 */
void gather_fact(struct replica *r, struct replica_at at, const struct digest *digest,
    uint8_t *buf, struct judge_fact *fact);

/*
 * gather_fact_quick: the same for whoever only shows what is proved.  Where the
 * record says that the inode has no xattrs, and all else matches it, they are
 * not looked for: one that somebody added is not shown, and is left to fsck to find.
 */
void gather_fact_quick(struct replica *r, struct replica_at at, const struct digest *digest,
    uint8_t *buf, struct judge_fact *fact);

#endif
