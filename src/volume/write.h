/*
 * volume/write -- changing data: what file_write, file_fallocate and truncation share.
 */

#ifndef VOLUME_WRITE_H
#define VOLUME_WRITE_H

#include "volume/state.h"

/*
 * write_locked(volume, node, data, len, offset):
 * Write to all members in sync.  The file is open for writing on all of them;
 * node lock exclusively.  Returns the number of bytes, or an error.
 */
ssize_t write_locked(struct volume *volume, struct node *node, const uint8_t *data, size_t len, uint64_t offset);

/* write_size(volume, node, size): cut or extend.  As write_locked. */
int write_size(struct volume *volume, struct node *node, uint64_t size);

/* write_fallocate(volume, node, mode, offset, len): as write_locked. */
int write_fallocate(struct volume *volume, struct node *node, int mode, uint64_t offset, uint64_t len);

#endif
