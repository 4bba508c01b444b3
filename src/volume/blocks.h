/*
 * volume/blocks -- proved blocks: reading, falling over, mending.
 */

#ifndef VOLUME_BLOCKS_H
#define VOLUME_BLOCKS_H

#include "volume/state.h"

/*
 * blocks_read(volume, node, first, count, data):
 * Read ${count} blocks from ${first} on, the last one padded with zeros, into
 * ${data} of ${count} * BLOCK bytes; each proved by its tag.  Copies that do
 * not match are mended.  The file is open; node lock, shared will do.
 * -EIO: no member has a copy that matches.  -EAGAIN: other members are needed
 * and the file is not open there (files_open_all, without the node lock).
 */
int blocks_read(struct volume *volume, struct node *node, uint64_t first, uint64_t count, uint8_t *data);

/*
 * blocks_mend(volume, node, index, data):
 * Find the proved copy of one block, on any member, copy it to ${data} (BLOCK
 * bytes), and write it over copies that do not match.  Errors as blocks_read.
 */
int blocks_mend(struct volume *volume, struct node *node, uint64_t index, uint8_t *data);

/* blocks_match(volume, tag, data, len): is this the block, of ${len} bytes, that ${tag} stands for? */
bool blocks_match(const struct volume *volume, const uint8_t *tag, const uint8_t *data, size_t len);

/*
 * blocks_mend_bad(volume, node, index, bad, data):
 * The same where it is known that the disks of the marked members hold
 * something else, whatever of it is cached: they are written in any case.
 * Their cached pages may be the source.  The file is open on all members;
 * node lock, exclusively.
 */
int blocks_mend_bad(struct volume *volume, struct node *node, uint64_t index, const bool *bad, uint8_t *data);

/* blocks_match(volume, tag, data, len): is this the block, of ${len} bytes, that ${tag} stands for? */
bool blocks_match(const struct volume *volume, const uint8_t *tag, const uint8_t *data, size_t len);

/*
 * blocks_prove(volume, node, member, first, count):
 * Read one member's copy of up to FILE_IO_MAX / BLOCK blocks, and mend those
 * that do not match.  The file is open on all members; node lock.
 */
void blocks_prove(struct volume *volume, struct node *node, struct member *m, uint64_t first, uint64_t count);

/* blocks_tags(volume, node, first, count, out): the tags of ${count} blocks.  The file is open; node lock. */
int blocks_tags(struct volume *volume, struct node *node, uint64_t first, uint64_t count, uint8_t *out);

/* Memory of the calling thread, kept between calls: FILE_IO_MAX and a block at either end. */
uint8_t *blocks_scratch(void);
/* Two blocks more, for the edges of a write. */
uint8_t *blocks_scratch_edges(void);

/*
 * blocks_seek_data(volume, node, offset), blocks_seek_hole(volume, node, offset):
 * SEEK_DATA and SEEK_HOLE from ${offset}, before the end of file: the offset
 * found, -ENXIO or another error.  A hole is one member's and the tags'; what
 * has a tag other than that of zeros is data.  Node lock, shared.
 */
int64_t blocks_seek_data(struct volume *volume, struct node *node, uint64_t offset);
int64_t blocks_seek_hole(struct volume *volume, struct node *node, uint64_t offset);

/* blocks_forget(volume): what was kept in mind of lost blocks. */
void blocks_forget(struct volume *volume);

/*
 * blocks_tags_there(volume, member, handle, first, count, tags):
 * The tags of ${count} blocks from ${first} on, as the far end has them; how many of the bytes
 * lie before the end of its copy.  -EOPNOTSUPP: they can be had by reading only.
 */
ssize_t blocks_tags_there(struct volume *volume, struct member *member, replica_handle handle, uint64_t first, uint64_t count,
    uint8_t *tags);

/*
 * blocks_match_there(volume, member, handle, node, first, count, tags):
 * Do the ${count} blocks from ${first} on of a copy have these ${tags}, and does it end where the
 * node does?  Asked where the copy is, if that is far away, so that no data
 * travel.  False: they do not, or it cannot be said; then look at the data.  Node lock.
 */
bool blocks_match_there(struct volume *volume, struct member *member, replica_handle handle, const struct node *node,
    uint64_t first, uint64_t count, const uint8_t *tags);

#endif
