/*
 * volume/files -- what hangs on a node while its file is open.
 *
 * Internal to the folder; file.h is what others see.
 */

#ifndef VOLUME_FILES_H
#define VOLUME_FILES_H

#include "volume/state.h"

/*
 * files_load(volume, node, file):
 * Allocate, and get the tags from the first record on a member that is the
 * node's; records that are not are mended.  Nothing is opened, and ${node} is
 * not changed.  Tree lock, node lock.  -EIO: no member has the record.
 */
int files_load(struct volume *volume, struct node *node, struct file **file);
/* files_new(volume, file): the same for a file that is being made: it has no tags yet. */
int files_new(struct volume *volume, struct file **file);
/* files_from(volume, record, file): the same, with the tags of ${record}. */
int files_from(struct volume *volume, const struct record *record, struct file **file);
/* files_unload(volume, file): close all handles and free. */
void files_unload(struct volume *volume, struct file *file);

/* files_attach(volume, node): node->file, unless it is there.  Tree lock; node lock exclusively. */
int files_attach(struct volume *volume, struct node *node);
/* files_detach(volume, node): the last user is gone, and all is stored. */
void files_detach(struct volume *volume, struct node *node);

/*
 * files_open_one(volume, node, member, writable):
 * See to it that the file is open on ${member}: there mended, if its name is
 * missing, something else stands there, or its length is wrong.
 * Tree lock; node lock exclusively, or shared with the file's mutex.
 */
int files_open_one(struct volume *volume, struct node *node, struct member *m, bool writable);
/* files_open_all: on all members in sync; those that fail are lost. */
int files_open_all(struct volume *volume, struct node *node, bool writable);

/* files_account(volume, file): keep the tag pages of all open files within bounds.  As tags' locking. */
void files_account(struct volume *volume, struct file *file);

/* files_edge_forget(file, first, count): the remembered block may have changed. */
void files_edge_forget(struct file *file, uint64_t first, uint64_t count);

#endif
