/*
 * fuse/inodes -- the kernel's node ids and the volume's nodes.
 *
 * A node id is the node's address; the kernel holds a reference on each node
 * whose address it knows.  A freed address may come again for another file, so
 * the generation tells the two apart in file handles.  Because an address that
 * the kernel has forgotten must never be asked for, FUSE_CAP_EXPORT_SUPPORT
 * stays off: handles then work as long as the kernel remembers the file.
 */

#ifndef FUSE_INODES_H
#define FUSE_INODES_H

#include <string.h>

#include "fuse/front.h"
#include "volume/node.h"

static inline struct node *
inodes_node(const struct front *front, fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? volume_root(front->volume) : (struct node *)(uintptr_t)ino;
}

/* inodes_entry(front, node, st, entry): what the kernel is told of a name. */
static inline void
inodes_entry(const struct front *front, struct node *node, const struct stat *st, struct fuse_entry_param *entry)
{
	bool root = node == volume_root(front->volume);

	memset(entry, 0, sizeof(*entry));
	entry->ino = root ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)node;
	entry->generation = root ? 0 : node_id(node);
	entry->attr = *st;
	entry->attr_timeout = FRONT_VALID_S;
	entry->entry_timeout = FRONT_VALID_S;
}

/* inodes_forget(front, ino, count): give back what inodes_entry told of. */
static inline void
inodes_forget(const struct front *front, fuse_ino_t ino, uint64_t count)
{
	if (ino != FUSE_ROOT_ID)
		node_forget(front->volume, inodes_node(front, ino), count);
}

#endif
