/*
 * volume/xattrs -- extended attributes, POSIX ACLs among them.
 *
 * Results as the l*xattr(2) calls'; size 0 asks for the length.  The record
 * is not among them.
 */

#ifndef VOLUME_XATTRS_H
#define VOLUME_XATTRS_H

#include "volume/node.h"

ssize_t xattrs_get(struct volume *volume, struct node *node, const char *name, void *value, size_t size);
/*
 * ${flags} XATTR_CREATE, XATTR_REPLACE.  ${kill_sgid}: the caller changes the
 * access ACL and is neither in the file's group nor privileged (FUSE's
 * FUSE_SETXATTR_ACL_KILL_SGID).
 */
int xattrs_set(struct volume *volume, struct node *node, const char *name, const void *value, size_t len, int flags, bool kill_sgid);
/* ${privileged}: the caller may see trusted.* as well. */
ssize_t xattrs_list(struct volume *volume, struct node *node, char *list, size_t size, bool privileged);
int xattrs_remove(struct volume *volume, struct node *node, const char *name);

#endif
