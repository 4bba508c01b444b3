/*
 * volume/pages -- the tags files of large files, on all members.
 */

#ifndef VOLUME_PAGES_H
#define VOLUME_PAGES_H

#include "volume/state.h"

/* pages_load(context, index, page): pages for meta/tags, from the first member whose page passes; bad ones are mended. */
struct pages_context { struct volume *volume; struct node *node; struct file *file; };
int pages_load(void *context, uint64_t index, uint8_t *page);

/* pages_write(context, index, page): to all members in sync (for tags_each_dirty). */
int pages_write(void *context, uint64_t index, const uint8_t *page);

/* pages_read(volume, member, node, file, index, page): one member's page as it is; zeros where there is none.  -EBADMSG: fails its check. */
int pages_read(struct volume *volume, struct member *m, const struct node *node, struct file *file,
    uint64_t index, uint8_t *page);

/* pages_next(context, index, found): for tags_source, what any member has. */
int pages_next(void *context, uint64_t index, uint64_t *found);

/*
 * pages_reserve(volume, node, file, index):
 * A page is about to hold something: take its room on all members, so that it
 * can be stored later.  -ENOSPC, -EDQUOT: there is none.
 */
int pages_reserve(struct volume *volume, const struct node *node, struct file *file, uint64_t index);

/*
 * pages_give_up(volume, node, file):
 * Tags moved out of the record, and there is no room for them: they move in
 * again, and what was made of a tags file goes.
 */
void pages_give_up(struct volume *volume, struct node *node, struct file *file);

/* pages_cut(volume, node, file, count): the tags files have ${count} pages left. */
void pages_cut(struct volume *volume, const struct node *node, struct file *file, uint64_t count);

/*
 * pages_equalise(volume, node, file, index):
 * Of a torn file: have the page that pages_load takes on all members; where no
 * member has a sound one, at the next store.  Node lock, exclusively.
 */
void pages_equalise(struct volume *volume, struct node *node, struct file *file, uint64_t index);
/* pages_prove(volume, node, file, index): look at a page on all members, and mend. */
void pages_prove(struct volume *volume, struct node *node, struct file *file, uint64_t index);

/* pages_remove(volume, id): the file is gone, or small again. */
void pages_remove(struct volume *volume, uint64_t id);

/*
 * pages_open_all(volume, node, file):
 * Have a handle on the tags file, if ${node} has one, on each member, to sync
 * it by; who wrote it may have been let go since.  Node lock, exclusively.
 */
int pages_open_all(struct volume *volume, const struct node *node, struct file *file);

/* pages_close(volume, file): close its handles. */
void pages_close(struct volume *volume, struct file *file);

#endif
