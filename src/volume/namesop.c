#include <errno.h>
#include <stdio.h>

#include "util/log.h"
#include "volume/handles.h"
#include "volume/load.h"
#include "volume/members.h"
#include "volume/missed.h"
#include "volume/namesop.h"
#include "volume/nodes.h"
#include "volume/rolls.h"

typedef int call(struct volume *v, struct namesop *op, struct member *m, replica_handle dir, replica_handle new_dir);

/* On a member that is far away it may be begun only: replica_finish; ${answered} as replica_begin has it. */
static int
call_begin(struct volume *v, struct namesop *op, struct member *m, call *c, bool answered)
{
	replica_handle dir, new_dir = REPLICA_NONE;
	int rc;

	if ((rc = handles_dir(v, m, op->dir, &dir)) != 0)
		return rc;
	if (op->new_dir == NULL || (rc = handles_dir(v, m, op->new_dir, &new_dir)) == 0) {
		replica_begin(m->r, answered);
		rc = c(v, op, m, dir, new_dir);
		if (op->new_dir != NULL)
			handles_done(v, op->new_dir);
	}
	handles_done(v, op->dir);
	return rc;
}

static int
call_one(struct volume *v, struct namesop *op, struct member *m, call *c)
{
	return (int)replica_finish(m->r, call_begin(v, op, m, c, false));
}

/* Those members that are far away are all asked before any is waited for, after those on this machine. */
struct far { struct member *m; int rc; };

static unsigned
call_far(struct volume *v, struct namesop *op, call *c, struct far far[VOLUME_REPLICAS_MAX])
{
	const bool answered = op->done > 0;
	struct member *m;
	unsigned count = 0, i;

	for_each_member(v, m) {
		if (m->r->far)
			far[count++] = (struct far){ m, call_begin(v, op, m, c, answered) };
	}
	for (i = 0; i < count; i++)
		far[i].rc = (int)replica_finish(far[i].m->r, far[i].rc);
	return count;
}

/* What should be there is not: put it there from the others. */
static void
mend_names(struct volume *v, struct namesop *op)
{
	load_mend_node(v, op->dir);
	if (op->new_dir != NULL)
		load_mend_node(v, op->new_dir);
	if (op->node != NULL)
		load_mend_node(v, op->node);
	if (op->name != NULL && op->new == NULL && op->node == NULL)
		load_mend(v, op->dir, op->name);
}

/* Who fails in the midst of it may have done it, whatever comes of it on the others. */
static void
note(struct volume *v, const struct namesop *op)
{
	missed_note(v, op->dir);
	if (op->new_dir != NULL)
		missed_note(v, op->new_dir);
}

/* Take it back on the members that have done it, a bit each. */
static void
undo_all(struct volume *v, struct namesop *op, uint32_t have, call *undo)
{
	struct member *m;

	for_each_member(v, m) {
		if (undo != NULL && (have & 1u << m->index) != 0)
			call_one(v, op, m, undo);
	}
}

/*
 * One round over all members, those on this machine one after the other in the
 * order of their numbers, then the others; an error that is the request's own
 * is undone.
 */
static int
each_once(struct volume *v, struct namesop *op, call *c, call *undo, const char *doing)
{
	struct far far[VOLUME_REPLICAS_MAX];
	unsigned count, i;
	struct member *m;
	uint32_t have = 0;
	int rc, refused = 0;

	op->done = 0;
	note(v, op);
	for_each_member(v, m) {
		if (m->r->far)
			continue;
		rc = call_one(v, op, m, c);
		if ((rc = members_settle(v, m, rc, doing)) < 0) {
			undo_all(v, op, have, undo);
			return rc;
		}
		have |= rc == 0 ? 1u << m->index : 0;
		op->done += rc == 0;
	}
	count = call_far(v, op, c, far);
	for (i = 0; i < count; i++) {
		if ((rc = members_settle(v, far[i].m, far[i].rc, doing)) < 0)
			refused = rc;
		have |= rc == 0 ? 1u << far[i].m->index : 0;
		op->done += rc == 0;
	}
	if (refused != 0) {
		undo_all(v, op, have, undo);
		return refused;
	}
	return op->done > 0 ? 0 : -EIO;
}

static int
each(struct volume *v, struct namesop *op, call *c, call *undo, const char *doing)
{
	int rc;

	load_absent_forget(v);
	rc = each_once(v, op, c, undo, doing);
	if (rc == -ENOENT || rc == -ENOTDIR) {
		mend_names(v, op);
		rc = each_once(v, op, c, undo, doing);
	}
	/* What was undone may not be gone everywhere. */
	if (rc != 0) {
		rolls_forget(v, op->dir);
		if (op->new_dir != NULL)
			rolls_forget(v, op->new_dir);
	}
	return rc;
}

static int
create_call(struct volume *v, struct namesop *op, struct member *m, replica_handle dir, replica_handle new_dir)
{
	int rc;

	(void)v;
	(void)new_dir;
	rc = m->r->ops->create(m->r, dir, op->name, op->new, op->file == NULL ? NULL : &op->file->handle[m->index]);
	if ((rc == 0 || rc == -EINPROGRESS) && op->file != NULL)
		op->file->writable[m->index] = true;
	return rc;
}

static int
uncreate_call(struct volume *v, struct namesop *op, struct member *m, replica_handle dir, replica_handle new_dir)
{
	(void)v;
	(void)new_dir;
	return m->r->ops->unlink(m->r, dir, op->name, op->new != NULL && S_ISDIR(op->new->mode));
}

int
namesop_create(struct volume *v, struct namesop *op)
{
	return each(v, op, create_call, uncreate_call, "creating a name");
}

void
namesop_uncreate(struct volume *v, struct namesop *op)
{
	each(v, op, uncreate_call, NULL, "taking back a name");
}

static int
tmpfile_call(struct volume *v, struct namesop *op, struct member *m, replica_handle dir, replica_handle new_dir)
{
	int rc;

	(void)v;
	(void)new_dir;
	if ((rc = m->r->ops->tmpfile(m->r, dir, op->new, &op->file->handle[m->index])) == 0)
		op->file->writable[m->index] = true;
	return rc;
}

int
namesop_tmpfile(struct volume *v, struct namesop *op)
{
	return each(v, op, tmpfile_call, NULL, "creating a file without a name");
}

static int
link_call(struct volume *v, struct namesop *op, struct member *m, replica_handle dir, replica_handle new_dir)
{
	struct handles_place place;
	int rc;

	(void)new_dir;
	if ((rc = handles_at(v, m, op->node, &place)) != 0)
		return rc;
	rc = m->r->ops->link(m->r, place.at, dir, op->name);
	handles_at_done(v, &place);
	return rc;
}

int
namesop_link(struct volume *v, struct namesop *op)
{
	return each(v, op, link_call, uncreate_call, "making a link");
}

static int
unlink_call(struct volume *v, struct namesop *op, struct member *m, replica_handle dir, replica_handle new_dir)
{
	(void)v;
	(void)new_dir;
	return m->r->ops->unlink(m->r, dir, op->name, op->is_dir);
}

/* One member's result; ${missing} counts those that had no such name, which is what is wanted. */
static int
unlink_settle(struct volume *v, struct namesop *op, struct member *m, int rc, unsigned *missing)
{
	if (rc == -ENOENT) {
		++*missing;
		return 0;
	}
	rc = members_settle(v, m, rc, "removing a name");
	op->done += rc == 0;
	return rc;
}

int
namesop_unlink(struct volume *v, struct namesop *op)
{
	struct far far[VOLUME_REPLICAS_MAX];
	unsigned missing = 0, count, i;
	struct member *m;
	int rc = 0, one;

	op->done = 0;
	note(v, op);
	for_each_member(v, m) {
		if (!m->r->far && (rc = unlink_settle(v, op, m, call_one(v, op, m, unlink_call), &missing)) < 0)
			break;
	}
	count = rc < 0 ? 0 : call_far(v, op, unlink_call, far);
	for (i = 0; i < count; i++) {
		if ((one = unlink_settle(v, op, far[i].m, far[i].rc, &missing)) < 0)
			rc = one;
	}
	if (rc < 0) {
		/* Refused by one: those that had done it get it back from there. */
		if (op->done + missing > 0)
			load_mend(v, op->dir, op->name);
		return rc;
	}
	return op->done + missing > 0 ? 0 : -EIO;
}

static int
rename_call(struct volume *v, struct namesop *op, struct member *m, replica_handle dir, replica_handle new_dir)
{
	(void)v;
	return m->r->ops->rename(m->r, dir, op->name, new_dir, op->new_name, op->flags);
}

static int
rename_undo(struct volume *v, struct namesop *op, struct member *m, replica_handle dir, replica_handle new_dir)
{
	(void)v;
	return m->r->ops->rename(m->r, new_dir, op->new_name, dir, op->name, op->flags);
}

int
namesop_rename(struct volume *v, struct namesop *op)
{
	int rc = each(v, op, rename_call, rename_undo, "renaming");

	/* What was replaced on the members that had done it comes back from the one that refused. */
	if (rc != 0 && op->done > 0)
		load_mend(v, op->new_dir, op->new_name);
	return rc;
}
