/*
 * lend/quota -- how large an export may become.
 *
 * What counts: the blocks of each inode, and QUOTA_NAME bytes a name.  It is
 * measured once, by a walk, and kept up to date by what clients change; what
 * others change in the directory meanwhile is not seen.  All sessions on an
 * export share one quota.
 *
 * Threads: all functions may be called from any.
 */

#ifndef LEND_QUOTA_H
#define LEND_QUOTA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "replica/replica.h"

#define QUOTA_NAME 512	/* bytes: so that names alone cannot fill the disk */

struct quota;

/* quota_new(limit, quota): ${limit} in bytes; nothing is used yet.  -ENOMEM. */
int quota_new(uint64_t limit, struct quota **quota);
void quota_free(struct quota *quota);	/* NULL is fine */

/*
 * quota_measure(quota, r):
 * Find out how much is used now, by a walk over the whole replica, which
 * nobody may change meanwhile.  An error of ${r}; then nothing has changed.
 */
int quota_measure(struct quota *quota, struct replica *r);

/* quota_used(quota): bytes. */
uint64_t quota_used(struct quota *quota);

/* quota_statfs(quota, st): as far as the limit goes, show it in what the file system said. */
void quota_statfs(struct quota *quota, struct statvfs *st);

/*
 * What follows is lend/change's, which knows what a request changes.
 */

/*
 * quota_enter(quota), quota_leave(quota):
 * Around what takes a name and what closes a handle, with the counting of it:
 * which of the two was the last that an inode had must be clear.
 */
void quota_enter(struct quota *quota);
void quota_leave(struct quota *quota);
/* quota_room(quota, more): would ${more} bytes go beyond the limit?  -EDQUOT. */
int quota_room(struct quota *quota, uint64_t more);
/* quota_add(quota, bytes): ${bytes}, negative too, are used now; never less than none. */
void quota_add(struct quota *quota, int64_t bytes);
/* quota_size(st): what an inode counts, without its names. */
uint64_t quota_size(const struct stat *st);

/*
 * quota_hold(quota, st), quota_release(quota, st):
 * A handle keeps the inode, which then counts until it is closed, whether it
 * has a name or not.  quota_release returns true if that was its last handle.
 * Without memory for it an inode is not held: what is unlinked while open is
 * then given back too soon.
 */
void quota_hold(struct quota *quota, const struct stat *st);
bool quota_release(struct quota *quota, const struct stat *st);
bool quota_is_held(struct quota *quota, const struct stat *st);

#endif
