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
#define ATTRS_KILL_SGID	(1u << 9)	/* besides, by one outside of the file's group: set-group-id goes without group execution too */
#define ATTRS_STRANGER	(1u << 10)	/* by neither owner nor root: -EPERM if bits would go, and nobody has it open for writing */
#define ATTRS_CTIME	(1u << 11)	/* nothing else, but that it was asked for is a change */

int attrs_get(struct volume *volume, struct node *node, struct stat *st);
int attrs_set(struct volume *volume, struct node *node, const struct stat *want, unsigned mask, struct stat *st);
/* attrs_readlink: the link's target, into ${buf} of ${size} bytes. */
int attrs_readlink(struct volume *volume, struct node *node, char *buf, size_t size);

#endif
