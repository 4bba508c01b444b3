/*
 * volume/dir -- reading directories.
 */

#ifndef VOLUME_DIR_H
#define VOLUME_DIR_H

#include "volume/node.h"

struct dir;		/* one opendir(2): the names as they were, proved by the directory's digest */

/* Shown for a name whose record could not be read just now. */
#define DIR_ID_UNKNOWN UINT32_MAX

struct dir_entry {
	const char *name;	/* valid until dir_close */
	uint64_t id;		/* as st_ino */
	mode_t type;		/* S_IFMT bits */
	uint64_t next;		/* offset of the entry behind this one: never 0 */
};

int dir_open(struct volume *volume, struct node *node, struct dir **dir);
/*
 * dir_cacheable(node):
 * May a listing that the kernel cached earlier still be shown at this
 * opendir(2)?  Not at the first after the directory moved: its ".." is another.
 */
bool dir_cacheable(struct node *node);
void dir_close(struct volume *volume, struct dir *dir);
/*
 * dir_read(volume, dir, offset, entry, want_id):
 * The entry behind ${offset} (0: the first), "." and ".." included.  1, or 0 at
 * the end.  Offsets depend on the names alone, and so are good for any listing.
 * Offset 0 takes a new snapshot if one was read before (rewinddir).  Names made
 * or removed since may or may not show; others show exactly once.  Who looks the
 * name up anyway can do without the id, which may take a system call.
 */
int dir_read(struct volume *volume, struct dir *dir, uint64_t offset, struct dir_entry *entry, bool want_id);
/*
 * dir_names_proved(volume, node, most, call, arg):
 * Call ${call} for each name of the directory, if one member's names, ${most}
 * of them at most, add up to its digest; until it fails.  -EBADMSG: they do not, or
 * are more.  Tree lock.
 */
int dir_names_proved(struct volume *volume, struct node *node, size_t most, int (*call)(void *arg, const char *name), void *arg);
int dir_fsync(struct volume *volume, struct node *node);

#endif
