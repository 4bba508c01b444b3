/*
 * volume/missed -- what members that are not in sync lack.
 *
 * In memory it is kept by node: a bit for each member that is away.  Nodes are
 * noted by all that change them, cost nothing while nobody is away, and are
 * taken off by volume/resync.  What outlives the mount is a log on each member
 * in sync (format/pending), written when a member is lost and completed at the
 * clean end of the mount: after any other end the tree is gone through.
 */

#ifndef VOLUME_MISSED_H
#define VOLUME_MISSED_H

#include "volume/state.h"

/*
 * missed_note(volume, node):
 * ${node} changes, or has changed.  Its lock, or the tree's, is held exclusively from
 * before a change until after it was noted.
 */
void missed_note(struct volume *volume, struct node *node);
/* missed_clean(node): all of its changes up to now are durable on all members in sync. */
void missed_clean(struct node *node);

/* missed_gone(volume, node): it has no name any more. The caller has a reference. */
void missed_gone(struct volume *volume, struct node *node);
/* missed_forget(volume, node): the node is being freed. Nodes lock. */
void missed_forget(struct volume *volume, const struct node *node);

/*
 * missed_sync_begins(volume), missed_synced(volume, epoch):
 * Everything is about to be made durable on all members in sync; and it was.
 */
uint32_t missed_sync_begins(struct volume *volume);
void missed_synced(struct volume *volume, uint32_t epoch);

/* missed_away(volume, member): from now on nodes are noted for it. Label lock. */
void missed_away(struct volume *volume, struct member *member);

/*
 * missed_begin(volume, member):
 * ${member} was just lost: what was written to it, and was not made durable
 * there, may be anything.  Note it all.
 */
void missed_begin(struct volume *volume, struct member *member);

/*
 * missed_take(volume, member, nodes, count):
 * Take all nodes that are noted for ${member} off its list: ${*nodes} is an
 * array of ${*count}, each with a reference of the caller's, to be freed. -ENOMEM.
 */
int missed_take(struct volume *volume, struct member *member, struct node ***nodes, size_t *count);
/* missed_done(volume, member, node): ${node}, whose lock is held, is about to be brought up to date. */
void missed_done(struct volume *volume, struct member *member, struct node *node);
/* missed_again(volume, member, node): it could not be. */
void missed_again(struct volume *volume, struct member *member, struct node *node);
void missed_mark_suspect(const struct member *member, struct node *node);
bool missed_is(const struct member *member, const struct node *node);
/* missed_count(volume, member): how many nodes are noted. */
unsigned missed_count(struct volume *volume, const struct member *member);
/* missed_suspect(volume, member, node): may blocks differ of which the member's own record does not tell? */
bool missed_suspect(struct volume *volume, const struct member *member, const struct node *node);
bool missed_suspect_id(struct volume *volume, const struct member *member, uint64_t id);
/* missed_walk(volume, member, walk): it misses more than is noted: the whole tree is to be gone through; or no more. */
void missed_walk(struct volume *volume, struct member *member, bool walk);

/*
 * missed_join(volume, member):
 * If nothing is noted for it, ${member} is in sync from now on.  False: something is.
 */
bool missed_join(struct volume *volume, struct member *member);

/* missed_leave(volume, member): it is no member any more: nothing is noted for it. */
void missed_leave(struct volume *volume, struct member *member);

/* missed_load(volume, member): at mount: what the logs of those in sync say that ${member} missed. */
void missed_load(struct volume *volume, struct member *member);
/*
 * missed_save(volume, closed):
 * Write the logs for all members that are away to those in sync, and remove
 * all others.  ${closed}: the event that ended the mount cleanly, or 0.
 */
void missed_save(struct volume *volume, uint64_t closed);
/* missed_free(volume): no more of it. */
void missed_free(struct volume *volume);

#endif
