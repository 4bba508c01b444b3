/*
 * volume/change -- the steps that all changes of one node have in common.
 *
 * The caller holds the node's lock exclusively, and the tree lock unless the
 * file is open.
 */

#ifndef VOLUME_CHANGE_H
#define VOLUME_CHANGE_H

#include "volume/state.h"

/* change_allowed(volume): 0, or -EROFS. */
int change_allowed(const struct volume *volume);

/* change_times(node, mtime): ctime, and mtime if asked, are now. */
void change_times(struct node *node, bool mtime);

/*
 * change_each(volume, node, call, arg, doing):
 * Do ${call} on all members in sync, one after the other.  An error that is
 * the request's own ends it and is returned (the members before have the
 * change: ${undo}, if not NULL, is called for them); other errors lose the member.
 */
typedef int change_call(void *arg, struct member *m, struct replica_at at);
int change_each(struct volume *volume, struct node *node, change_call *call, change_call *undo, void *arg,
    const char *doing);

/* change_back(volume, node, undo, arg, have): call ${undo} for those members in sync whose bit is in ${have}, whatever comes of it. */
void change_back(struct volume *volume, struct node *node, change_call *undo, void *arg, uint32_t have);

/* change_mode(volume, node, mode): chmod on all members, and the node. */
int change_mode(struct volume *volume, struct node *node, mode_t mode);

/* change_drop_capability(volume, node): remove security.capability, if it is there, on all members. */
int change_drop_capability(struct volume *volume, struct node *node);

/*
 * change_kill_priv(volume, node, outsider):
 * Somebody unprivileged changes the file: no set-id bits, no capabilities any
 * more.  Set-group-id without group execution stays, but for an ${outsider}.
 */
int change_kill_priv(struct volume *volume, struct node *node, bool outsider);

/*
 * change_data_before(volume, node):
 * The members' own kernels drop security.capability when data is written,
 * whoever writes.  So it is dropped before, where the record can follow.
 * The file is open on all members.
 */
int change_data_before(struct volume *volume, struct node *node);

/*
 * change_meta_before(volume, node), change_meta_after(volume, node):
 * Around a change of owner, mode or xattrs: the first proves what is there (on
 * some member, so that nothing false is digested: -EIO), the second digests
 * what is there now, and has it stored later.
 */
int change_meta_before(struct volume *volume, struct node *node, struct member **proved);
int change_meta_after(struct volume *volume, struct node *node, struct member *proved);

#endif
