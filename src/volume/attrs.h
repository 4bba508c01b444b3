/*
 * volume/attrs -- attributes: owner, mode, times, size.
 */

#ifndef VOLUME_ATTRS_H
#define VOLUME_ATTRS_H

#include "volume/node.h"

/* Which members of a struct stat attrs_set takes. */
#define ATTRS_MODE	(1u << 0)
#define ATTRS_UID	(1u << 1)
#define ATTRS_GID	(1u << 2)
#define ATTRS_SIZE	(1u << 3)
#define ATTRS_ATIME	(1u << 4)
#define ATTRS_MTIME	(1u << 5)
#define ATTRS_ATIME_NOW	(1u << 6)
#define ATTRS_MTIME_NOW	(1u << 7)
#define ATTRS_KILL_PRIV	(1u << 8)	/* chown or truncate by others than root: clear set-id bits and security.capability */

int attrs_get(struct volume *volume, struct node *node, struct stat *st);
int attrs_set(struct volume *volume, struct node *node, const struct stat *want, unsigned mask, struct stat *st);
/* attrs_readlink: the link's target, into ${buf} of ${size} bytes. */
int attrs_readlink(struct volume *volume, struct node *node, char *buf, size_t size);

#endif
