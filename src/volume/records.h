/*
 * volume/records -- the records of a node as the members hold them.
 *
 * Tree lock; node lock.  The node is clean: what its record should say is on disk.
 */

#ifndef VOLUME_RECORDS_H
#define VOLUME_RECORDS_H

#include "volume/state.h"

/*
 * records_find(volume, node, data, record):
 * Read the record of a file into ${data}, RECORD_SIZE_MAX bytes, that record->tags
 * points into: the first that is the node's.  Those that were found not to be
 * are mended.  -EIO: no member has it.
 */
int records_find(struct volume *volume, struct node *node, uint8_t *data, struct record *record);

/* records_read: the same for a directory as well; ${*len} bytes. */
int records_read(struct volume *volume, struct node *node, uint8_t *data, struct record *record, size_t *len);

/*
 * records_now(volume, node, data, record, len):
 * The same, and nobody is asked if the node tells all that the record says.  Node lock, exclusively.
 */
int records_now(struct volume *volume, struct node *node, uint8_t *data, struct record *record, size_t *len);

/* records_prove(volume, node): look at the record on all members, and mend. */
void records_prove(struct volume *volume, struct node *node);

#endif
