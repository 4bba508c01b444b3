/*
 * volume/store -- keeping the records on the members up to date.
 */

#ifndef VOLUME_STORE_H
#define VOLUME_STORE_H

#include "volume/state.h"

/*
 * store_later(volume, node):
 * The record is out of date: the flusher will store it within a second, if
 * nobody does so before.  Node lock, exclusively (or the tree lock for a
 * directory that was just changed by its holder).  For what carries no record
 * it is done at once; there the tree lock is held as well.
 */
void store_later(struct volume *volume, struct node *node);

/*
 * store_leave(volume, node):
 * It has lost its last name, and shall not be kept for the flusher's sake: its
 * space is to be free once nobody uses it.  Tree lock, exclusively; the caller
 * has a reference.
 */
void store_leave(struct volume *volume, struct node *node);

/*
 * store_now(volume, node):
 * Store tags, times and record on all members in sync, if out of date.  Node
 * lock exclusively; the tree lock too unless the file is open for writing.
 * On error the node stays dirty and the old record, or the new one, stands.
 */
int store_now(struct volume *volume, struct node *node);
/*
 * store_unsealed(volume, node):
 * The same without the times, half as many calls: for what is about to change
 * again, and stays dirty.  Its region's bit is set, so that after a crash
 * nobody takes the missing seal for an edit.
 */
int store_unsealed(struct volume *volume, struct node *node);
/* store_times(volume, node): the times alone, at once; locks as above.  The node stays dirty. */
int store_times(struct volume *volume, struct node *node);

/* store_all(volume): everything that waits for the flusher; returns the first error. */
int store_all(struct volume *volume);

/* store_encode(volume, node, record, out): ${record} with the node's attributes, encoded to RECORD_SIZE_MAX bytes; its length. */
int store_encode(struct volume *volume, const struct node *node, struct record *record, uint8_t *out);

/* store_flusher(volume): the thread that does it all in time (pthread_create). */
void *store_flusher(void *volume);

#endif
