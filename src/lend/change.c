#include "lend/change.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>

/* What the request is about, and how its size changes. */
enum effect {
	NOTHING,	/* that is worth counting */
	CONTENT,	/* an inode's own, by handle or by name */
	ADDS_NAME,	/* and perhaps an inode */
	TAKES_NAME,	/* and perhaps an inode's last one */
	NAMELESS	/* an inode */
};

static enum effect
effect_of(const struct proto_request *q)
{
	switch (q->op) {
	case PROTO_PWRITE:
	case PROTO_TRUNCATE:
	case PROTO_FALLOCATE:
	case PROTO_STORE:
	case PROTO_XATTR_SET:
	case PROTO_XATTR_REMOVE:
		return CONTENT;
	case PROTO_CREATE:
	case PROTO_LINK:
		return ADDS_NAME;
	case PROTO_UNLINK:
	case PROTO_RENAME:
		return TAKES_NAME;
	case PROTO_TMPFILE:
		return NAMELESS;
	default:
		return NOTHING;
	}
}

/* Bytes that it may need, at most; what only a record needs is not refused. */
static uint64_t
need_of(const struct proto_request *q)
{
	switch (q->op) {
	case PROTO_PWRITE:
	case PROTO_XATTR_SET:
		return q->data_len;
	case PROTO_FALLOCATE:
		return (q->flags & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE)) != 0 ? 0 : q->len;
	case PROTO_CREATE:
		return QUOTA_NAME + strlen(q->text);
	case PROTO_LINK:
	case PROTO_TMPFILE:
		return QUOTA_NAME;
	default:
		return 0;
	}
}

/* Does it lie where all blocks are there already? */
static bool
overwrites(const struct change *c)
{
	const struct proto_request *q = c->what->q;

	return q->op == PROTO_PWRITE && c->known && q->offset <= INT64_MAX - q->data_len &&
	    q->offset + q->data_len <= (uint64_t)c->before.st_size && quota_size(&c->before) >= (uint64_t)c->before.st_size;
}

static void
look_before(struct change *c, enum effect effect)
{
	const struct proto_request *q = c->what->q;
	struct replica_at at = { .handle = c->what->handle, .name = q->name };

	if (effect != CONTENT && effect != TAKES_NAME)
		return;
	/* An exchange takes no name; any other renaming takes the one that was there. */
	if (q->op == PROTO_RENAME) {
		if ((q->flags & PROTO_RENAME_EXCHANGE) != 0)
			return;
		at = (struct replica_at){ .handle = c->what->to, .name = q->to_name };
	}
	c->known = c->r->ops->stat(c->r, at, &c->before) == 0;
}

int
change_begin(struct change *c, struct quota *quota, struct replica *r, const struct change_request *what)
{
	uint64_t need;

	c->quota = quota;
	c->r = r;
	c->what = what;
	c->known = false;
	if (quota == NULL)
		return 0;
	/* What takes a name needs no room: change_end() always follows. */
	if (effect_of(what->q) == TAKES_NAME)
		quota_enter(quota);
	look_before(c, effect_of(what->q));
	if ((need = need_of(what->q)) == 0 || overwrites(c))
		return 0;
	return quota_room(quota, need);
}

/* A name went, and with its last one the inode, unless somebody has it open. */
static void
name_went(struct change *c)
{
	const struct stat *st = &c->before;
	const bool last = S_ISDIR(st->st_mode) || st->st_nlink <= 1;
	struct replica_at at = { .handle = c->what->to, .name = c->what->q->to_name };
	struct stat now;

	if (!c->known)
		return;
	/* A renaming between two names of one file does nothing at all. */
	if (c->what->q->op == PROTO_RENAME) {
		if (c->r->ops->stat(c->r, at, &now) == 0 && now.st_ino == st->st_ino && now.st_dev == st->st_dev)
			return;
	}
	quota_add(c->quota, -QUOTA_NAME - (last && !quota_is_held(c->quota, st) ? (int64_t)quota_size(st) : 0));
}

static void
size_changed(struct change *c)
{
	const struct replica_at at = { .handle = c->what->handle, .name = c->what->q->name };
	struct stat now;

	if (c->known && c->r->ops->stat(c->r, at, &now) == 0)
		quota_add(c->quota, (int64_t)quota_size(&now) - (int64_t)quota_size(&c->before));
}

static void
inode_came(struct change *c, struct replica_at at)
{
	struct stat st;

	if (c->r->ops->stat(c->r, at, &st) == 0)
		quota_add(c->quota, (int64_t)quota_size(&st));
}

void
change_end(struct change *c, int rc, replica_handle made)
{
	const struct replica_at named = { .handle = c->what->handle, .name = c->what->q->name };
	const struct replica_at held = { .handle = made, .name = NULL };

	if (c->quota == NULL)
		return;
	switch (effect_of(c->what->q)) {
	case CONTENT:
		/* Also when it failed: it may have been half done. */
		size_changed(c);
		break;
	case ADDS_NAME:
		if (rc < 0)
			break;
		quota_add(c->quota, QUOTA_NAME);
		if (c->what->q->op == PROTO_CREATE)
			inode_came(c, named);
		break;
	case TAKES_NAME:
		if (rc >= 0)
			name_went(c);
		quota_leave(c->quota);
		break;
	case NAMELESS:
		if (rc >= 0)
			inode_came(c, held);
		break;
	case NOTHING:
		break;
	}
}

void
change_opened(struct quota *quota, struct replica *r, replica_handle handle)
{
	const struct replica_at at = { .handle = handle, .name = NULL };
	struct stat st;

	if (quota != NULL && r->ops->stat(r, at, &st) == 0)
		quota_hold(quota, &st);
}

void
change_close(struct quota *quota, struct replica *r, replica_handle handle, void (*close)(struct replica *, replica_handle))
{
	const struct replica_at at = { .handle = handle, .name = NULL };
	struct stat st;

	if (quota == NULL) {
		close(r, handle);
		return;
	}
	quota_enter(quota);
	if (r->ops->stat(r, at, &st) == 0 && quota_release(quota, &st) && st.st_nlink == 0)
		quota_add(quota, -(int64_t)quota_size(&st));
	close(r, handle);
	quota_leave(quota);
}
