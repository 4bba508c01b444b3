/*
 * meta/intent -- the write-intent bitmap of a volume, kept on all its replicas.
 *
 * It has bits of three kinds, which are all called by ids.  A region's, by any id
 * of it: something there is being changed.  A way's, by INTENT_WAY | id: one of
 * the directories of that region is on the way, from the top, to something that
 * is being changed.  And INTENT_ASTRAY: something is being changed to which no
 * marked way leads.
 *
 * Invariants:
 *  1. A region's bit is durable on every replica in sync before the first
 *     change to any file or directory of the region; and so are those of the
 *     ways to it, or INTENT_ASTRAY.
 *  2. A bit is cleared only after everything written to its region is durable.
 *  3. What cannot be read is taken as set.
 *
 * A sector's bits are counted from the least significant of its first byte.
 *
 * Locking: inside.  The mutex is held while ${write} is called, so it must not
 * come back here; it is not held while ${sync} is called.
 */

#ifndef META_INTENT_H
#define META_INTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "format/intent.h"
#include "replica/replica.h"

#define INTENT_SECTORS_MAX (1u << 20)	/* ids up to some 4 * 10^12: 1,000 new files a second for 130 years */

/* Beside an id, which is below: the bit of the way, not of the region. */
#define INTENT_WAY (UINT64_C(1) << 63)
#define INTENT_ASTRAY UINT64_MAX

/* The files that it is kept in. */
enum intent_part { INTENT_PART_REGIONS, INTENT_PART_WAYS, INTENT_PARTS };

struct intent;

/* intent_new(digest, intent): an empty bitmap in memory.  ${digest} must outlive it. */
int intent_new(const struct digest *digest, struct intent **intent);
void intent_free(struct intent *intent);

/*
 * intent_load(intent, r):
 * Join the bits found on ${r} to the set of regions that were dirty before
 * this mount.  A missing file holds no bits, but regions without any ways are
 * astray.  Returns the number of spoiled sectors (all their bits are set), or an error.
 */
int intent_load(struct intent *intent, struct replica *r);

/*
 * intent_was_dirty(intent, id):
 * Could ${id} have been in the midst of a change when the volume last stopped
 * uncleanly?  INTENT_WAY | id: could directory ${id} be on the way to it?
 */
bool intent_was_dirty(const struct intent *intent, uint64_t id);
/* intent_astray(intent): could something have been in the midst of a change to which no way leads that was marked before this mount? */
bool intent_astray(const struct intent *intent);
/*
 * intent_distrust(intent, id):
 * From now on ${id}'s region counts as dirty before this mount: something that
 * was cut off is given this id.  It is to be marked besides.
 */
void intent_distrust(struct intent *intent, uint64_t id);
/* intent_settle_all(intent): nothing was dirty before this mount (clean volume, or all is reconciled). */
void intent_settle_all(struct intent *intent);
/* intent_any(intent): how many regions were dirty before this mount? */
uint64_t intent_any(const struct intent *intent);
/* intent_count(intent): how many regions are marked, or were dirty before this mount?  Without a lock: as of some moment. */
uint64_t intent_count(const struct intent *intent);
/* intent_highest(intent): the highest region that was dirty before this mount, or -1. */
int64_t intent_highest(const struct intent *intent);

/*
 * intent_marked(intent, id):
 * Is the bit set and durable?  Lock-free, and notes that it was used: the fast
 * path of each write.
 */
bool intent_marked(struct intent *intent, uint64_t id);
/*
 * intent_epoch(intent):
 * Grows with each sweep; from 1 on.  What intent_marked() affirmed after this
 * was asked need not be asked for again as long as it is the same.
 */
uint32_t intent_epoch(const struct intent *intent);

/*
 * intent_mark(intent, ids, count, write, arg):
 * Make these bits durable.  ${write} is called with each changed sector (file,
 * index and bytes), once for all ids that stand in it, and must return 0 only
 * when all replicas in sync have it durably; its error is returned and no more
 * is marked.  -EFBIG: an id beyond what INTENT_SECTORS_MAX can hold.
 */
typedef int intent_write_call(void *arg, enum intent_part part, uint32_t index, const uint8_t *sector);
int intent_mark(struct intent *intent, const uint64_t *ids, size_t count, intent_write_call *write, void *arg);

/*
 * intent_sweep(intent, sync, write, arg):
 * Clear the bits that intent_marked() has not noted since the last
 * sweep.  ${sync} must store and make durable, on all replicas, every change
 * whose intent_marked() or intent_mark() came before the last sweep: if one can
 * be under way for so long, it waits for it.  (From before ${sync} on,
 * intent_marked() denies what is to be cleared, so that later changes mark it
 * anew and lose nothing.)  It is called only if there is a bit to clear, before
 * any is.  Bits that were set before this mount stay until
 * intent_settle_all().  Errors are those of ${sync} and ${write}; whatever the
 * disks then hold, no bit is missing there that intent_marked() affirms.
 */
int intent_sweep(struct intent *intent, int (*sync)(void *arg), intent_write_call *write, void *arg);

/*
 * intent_join(intent, write, join, arg):
 * Write all sectors that have bits set with ${write}, to a replica that is
 * about to be in sync, and call ${join}, before any other bit is set.
 * Returns the first error of either.
 */
int intent_join(struct intent *intent, intent_write_call *write, int (*join)(void *arg), void *arg);

/* intent_write_sector(r, part, index, sector): write one sector on ${r} and make it durable. */
int intent_write_sector(struct replica *r, enum intent_part part, uint32_t index, const uint8_t *sector);
/* intent_reset(r): leave empty files behind, durably (clean unmount). */
int intent_reset(struct replica *r);

#endif
