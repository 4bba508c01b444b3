/*
 * volume/namesop -- one change of names, on all members.
 *
 * All or nothing: an error that is the request's own is undone on the members
 * that had done it; any other loses the member.  A name that is missing on
 * one member only is mended there first.  Tree lock, exclusively.
 */

#ifndef VOLUME_NAMESOP_H
#define VOLUME_NAMESOP_H

#include "volume/state.h"

struct namesop {
	struct node *dir, *new_dir;
	const char *name, *new_name;
	const struct replica_new *new;	/* create */
	struct file *file;		/* create: handles go here; may be NULL */
	struct node *node;		/* link: whose name it becomes */
	unsigned flags;			/* rename */
	bool is_dir;			/* unlink: rmdir */
	unsigned done;			/* out: members that have done it, before any undoing */
};

int namesop_create(struct volume *volume, struct namesop *op);
int namesop_tmpfile(struct volume *volume, struct namesop *op);
int namesop_link(struct volume *volume, struct namesop *op);
int namesop_unlink(struct volume *volume, struct namesop *op);
int namesop_rename(struct volume *volume, struct namesop *op);
/* namesop_uncreate: take back what create or link made. */
void namesop_uncreate(struct volume *volume, struct namesop *op);

#endif
