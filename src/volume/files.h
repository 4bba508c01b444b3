/*
 * volume/files -- what hangs on a node while its file is in use: tags, and
 * handles on the members.
 *
 * The kernel was told not to tell of open(2) (fuse/ops_file): what is needed
 * comes with the first read or write, and goes when the flusher has found the
 * file unused for a round, or when there are too many.  The file of a node
 * without a name stays until the kernel forgets the node.
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
/* files_attach_as(volume, node, record): the same, its record having been read. */
int files_attach_as(struct volume *volume, struct node *node, const struct record *record);
/* files_attach_new(volume, node, file): the same for a file that was just made, with its handles. */
void files_attach_new(struct volume *volume, struct node *node, struct file *file);
/* files_detach(volume, node): nobody needs it now, and all is stored.  Node lock exclusively. */
void files_detach(struct volume *volume, struct node *node);
/* files_nameless(volume, node): its last name went: node->file, if any, stays until files_bury.  Node lock exclusively. */
void files_nameless(struct volume *volume, struct node *node);
/* files_bury(volume, node): nobody can reach the node any more: close all, and drop a nameless file's tags. */
void files_bury(struct volume *volume, struct node *node);

/*
 * files_limit(volume): how many files may be kept, by what the process may
 * open.  To be called before there are threads.
 */
void files_limit(struct volume *volume);
/* files_trim(volume): detach what was not used since the last call (the flusher). */
void files_trim(struct volume *volume);

enum files_access {
	FILES_READ,		/* open on one member at least */
	FILES_READ_ALL,		/* open on all members */
	FILES_WRITE		/* open for writing on all members */
};
/* files_ready(volume, node, access): is it so already?  Node lock, shared will do. */
bool files_ready(struct volume *volume, struct node *node, enum files_access access);
/*
 * files_use(volume, node, access):
 * See to it; when the node's lock is taken again the file may be gone again,
 * however unlikely: ask files_ready.  Takes tree and node lock.  -EIO: it
 * cannot be proved, or opened.  -ESTALE: nothing leads to it any more.
 */
int files_use(struct volume *volume, struct node *node, enum files_access access);
/* files_use_locked: with the tree lock and the node's, exclusively, held. */
int files_use_locked(struct volume *volume, struct node *node, enum files_access access);
/* files_mend_lengths(volume, node): where it is open, give the file its length again.  Node lock exclusively. */
void files_mend_lengths(struct volume *volume, struct node *node);
/* files_writable(file): is any member's handle for writing? */
bool files_writable(const struct file *file);

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
