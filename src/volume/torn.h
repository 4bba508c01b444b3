/*
 * volume/torn -- a regular file of a dirty region, block by block.
 *
 * After an unclean stop nothing is known of such a file's data but what its
 * records say, and each member may have another one.  Its node is made at once,
 * from the newest; blocks are settled as they are read, and all of them in the
 * background (volume/walk).  For each block the first of these stands, and all
 * copies become it:
 *
 *  1. a copy that matches the tag of the newest record;
 *  2. a copy that matches the tag of its own, older one;
 *  3. copies that agree;
 *  4. the lowest-numbered one that can be read, reported.
 *
 * Only 3 and 4 make a new tag.
 */

#ifndef VOLUME_TORN_H
#define VOLUME_TORN_H

#include "volume/state.h"

/* What the members' records said when the node was made. */
struct torn {
	bool sealed;			/* all had the same one, and the file's mtime was its: likely at rest */
	bool reported;
	unsigned newest;		/* the member whose record is the node's */
	int len[VOLUME_REPLICAS_MAX];	/* 0: none that is sound, or another file's */
	uint8_t bytes[][RECORD_SIZE_MAX];	/* one a member */
};

/*
 * torn_now(volume, node):
 * May blocks be taken that no record proves?  Not once all is reconciled, though
 * a node that was looked up meanwhile still has ${torn}.
 */
static inline bool
torn_now(const struct volume *volume, const struct node *node)
{
	return node->torn != NULL && intent_was_dirty(volume->intent, node_key(node));
}

/* torn_new(volume): without records.  NULL: no memory.  free(3) frees it. */
struct torn *torn_new(const struct volume *volume);

/*
 * torn_load(volume, node, file):
 * The tags as the newest record has them, for as many blocks as the node has.
 * Tree lock, and the node's, exclusively.
 */
int torn_load(struct volume *volume, struct node *node, struct file **file);

/* torn_stored(torn, record, len): the newest record is this one now, on all members. */
void torn_stored(struct torn *torn, const uint8_t *record, size_t len);

/*
 * torn_choose(volume, node, index, tag, data):
 * No copy of the block matches ${tag}: choose one by rules 2 to 4, give it its
 * tag, and copy it to ${data}.  NULL: no member could read the block.  The
 * file is open on all; heal lock, file mutex.
 */
struct member *torn_choose(struct volume *volume, struct node *node, uint64_t index, uint8_t *tag, uint8_t *data);

/*
 * torn_finish(volume, node):
 * Settle all blocks, on all members.  Takes the locks piece by piece; returns
 * early, with -ECANCELED, when the volume is about to be closed.
 */
int torn_finish(struct volume *volume, struct node *node);

#endif
