#include <errno.h>
#include <string.h>

#include "util/clock.h"
#include "volume/attrs.h"
#include "volume/change.h"
#include "volume/file.h"
#include "volume/files.h"
#include "volume/handles.h"
#include "volume/members.h"
#include "volume/show.h"
#include "volume/store.h"
#include "volume/write.h"
#include "volume/ways.h"

/* What every file system of Linux that keeps nanoseconds can keep: ext4's range. */
#define TIME_MIN (-INT64_C(0x80000000))
#define TIME_MAX INT64_C(0x37fffffff)

/* Space taken is what one member says; sizes of directories too. */
static void
refresh(struct volume *v, struct node *node)
{
	struct member *m = members_for_read(v, node_key(node));
	struct handles_place place;
	struct stat st;

	if (m == NULL || handles_at(v, m, node, &place) != 0)
		return;
	if (m->r->ops->stat(m->r, place.at, &st) == 0) {
		node->blocks = (uint64_t)st.st_blocks;
		if (S_ISDIR(node->mode))
			node->size = (uint64_t)st.st_size;
		node->blocks_stale = false;
	}
	handles_at_done(v, &place);
}

void
show_attributes(struct volume *v, struct node *node, struct stat *st)
{
	if (node->blocks_stale)
		refresh(v, node);
	memset(st, 0, sizeof(*st));
	st->st_ino = node_key(node);
	st->st_mode = node->mode;
	st->st_nlink = node->nlink;
	st->st_uid = node->uid;
	st->st_gid = node->gid;
	st->st_rdev = node->rdev;
	st->st_size = (off_t)node->size;
	st->st_blksize = BLOCK;
	st->st_blocks = (blkcnt_t)node->blocks;
	st->st_atim = node->atime;
	st->st_mtim = node->mtime;
	st->st_ctim = node->ctime;
}

int
attrs_get(struct volume *v, struct node *node, struct stat *st)
{
	bool stale;

	pthread_rwlock_rdlock(&node->lock);
	stale = node->blocks_stale;
	if (!stale)
		show_attributes(v, node, st);
	pthread_rwlock_unlock(&node->lock);
	if (!stale)
		return 0;

	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	show_attributes(v, node, st);
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	return 0;
}

/* What it was before, with its mode, to go back to. */
struct owner { uid_t uid; gid_t gid; uid_t old_uid; gid_t old_gid; mode_t old_mode; };

static int
chown_call(void *arg, struct member *m, struct replica_at at)
{
	const struct owner *owner = arg;

	return m->r->ops->chown(m->r, at, owner->uid, owner->gid);
}

static int
chown_undo(void *arg, struct member *m, struct replica_at at)
{
	const struct owner *owner = arg;
	int rc = m->r->ops->chown(m->r, at, owner->old_uid, owner->old_gid);

	/* Which may clear set-id bits. */
	if (rc == 0 && !S_ISLNK(owner->old_mode))
		rc = m->r->ops->chmod(m->r, at, owner->old_mode & 07777);
	return rc;
}

/* Owner, mode, and the bits that a change of owner takes away. */
static int
set_meta(struct volume *v, struct node *node, const struct stat *want, unsigned mask)
{
	struct owner owner = { mask & ATTRS_UID ? want->st_uid : (uid_t)-1, mask & ATTRS_GID ? want->st_gid : (gid_t)-1,
	    node->uid, node->gid, node->mode };
	mode_t mode = mask & ATTRS_MODE ? want->st_mode & 07777 : node->mode & 07777;
	struct member *proved;
	int rc;

	if ((rc = change_meta_before(v, node, &proved)) != 0)
		return rc;
	if (mask & (ATTRS_UID | ATTRS_GID)) {
		if ((rc = change_each(v, node, chown_call, chown_undo, &owner, "changing an owner")) != 0)
			return rc;
		if (mask & ATTRS_UID)
			node->uid = want->st_uid;
		if (mask & ATTRS_GID)
			node->gid = want->st_gid;
		if (!S_ISDIR(node->mode) && !(mask & ATTRS_MODE)) {
			mode &= ~(mode_t)S_ISUID;
			if ((mode & S_IXGRP) || (mask & ATTRS_KILL_SGID))
				mode &= ~(mode_t)S_ISGID;
		}
	}
	/* chown may have changed the mode on the members: say it again. */
	if (!S_ISLNK(node->mode) && ((mask & ATTRS_MODE) || (mask & (ATTRS_UID | ATTRS_GID) && node->mode & (S_ISUID | S_ISGID)))) {
		if ((rc = change_mode(v, node, mode)) != 0) {
			/* No record tells of half a change. */
			if (mask & (ATTRS_UID | ATTRS_GID))
				change_back(v, node, chown_undo, &owner, UINT32_MAX);
			node->uid = owner.old_uid;
			node->gid = owner.old_gid;
			return rc;
		}
	}
	if ((mask & (ATTRS_UID | ATTRS_GID)) && !S_ISDIR(node->mode) && node->has_xattrs && (rc = change_drop_capability(v, node)) != 0)
		return rc;
	return change_meta_after(v, node, proved);
}

static struct timespec
clamp(struct timespec ts)
{
	if (ts.tv_sec < TIME_MIN)
		return (struct timespec){ .tv_sec = TIME_MIN };
	if (ts.tv_sec > TIME_MAX)
		return (struct timespec){ .tv_sec = TIME_MAX };
	return ts;
}

/* Times reach the members with the record, within a second. */
static void
set_times(struct volume *v, struct node *node, const struct stat *want, unsigned mask)
{
	change_times(node, false);
	if (mask & (ATTRS_ATIME | ATTRS_ATIME_NOW)) {
		node->atime = mask & ATTRS_ATIME_NOW ? node->ctime : clamp(want->st_atim);
		node->atime_set = true;
	}
	if (mask & (ATTRS_MTIME | ATTRS_MTIME_NOW))
		node->mtime = mask & ATTRS_MTIME_NOW ? node->ctime : clamp(want->st_mtim);
	node->unsynced = true;
	store_later(v, node);
}

static int
set_size(struct volume *v, struct node *node, uint64_t size)
{
	int rc;

	if (!S_ISREG(node->mode))
		return S_ISDIR(node->mode) ? -EISDIR : -EINVAL;
	if ((rc = files_use_locked(v, node, FILES_WRITE)) != 0)
		return rc;
	return write_size(v, node, size);
}

static int
set_nameless(struct node *node, const struct stat *want, unsigned mask)
{
	if (mask & ATTRS_SIZE)
		return -ESTALE;
	change_times(node, false);
	if (mask & ATTRS_MODE)
		node->mode = (node->mode & S_IFMT) | (want->st_mode & 07777);
	if (mask & ATTRS_UID)
		node->uid = want->st_uid;
	if (mask & ATTRS_GID)
		node->gid = want->st_gid;
	if (mask & (ATTRS_ATIME | ATTRS_ATIME_NOW))
		node->atime = mask & ATTRS_ATIME_NOW ? node->ctime : clamp(want->st_atim);
	if (mask & (ATTRS_MTIME | ATTRS_MTIME_NOW))
		node->mtime = mask & ATTRS_MTIME_NOW ? node->ctime : clamp(want->st_mtim);
	return 0;
}

/* Somebody who may not even write, asking for nothing: a chown to nobody, which is not to clear set-id bits. */
static bool
stranger_refused(const struct node *node, unsigned mask)
{
	if (!(mask & ATTRS_STRANGER) || S_ISDIR(node->mode))
		return false;
	return (node->mode & S_ISUID) ||
	    ((node->mode & S_ISGID) && ((node->mode & S_IXGRP) || (mask & ATTRS_KILL_SGID)));
}

static int
set_locked(struct volume *v, struct node *node, const struct stat *want, unsigned mask)
{
	int rc;

	if (stranger_refused(node, mask))
		return -EPERM;
	/* Neither a name nor a handle leads to it any more: there is only the node left to change. */
	if (node->nlink == 0 && node->file == NULL && node->pins == NULL)
		return set_nameless(node, want, mask);
	if (mask & (ATTRS_MODE | ATTRS_UID | ATTRS_GID)) {
		if ((rc = set_meta(v, node, want, mask)) != 0)
			return rc;
		node->unsynced = true;
	} else if ((mask & ATTRS_KILL_PRIV) && (rc = change_kill_priv(v, node, mask & ATTRS_KILL_SGID)) != 0) {
		return rc;
	}
	if ((mask & ATTRS_SIZE) && (rc = set_size(v, node, (uint64_t)want->st_size)) != 0)
		return rc;
	if (mask & ATTRS_CTIME) {
		change_times(node, false);
		node->unsynced = true;
		store_later(v, node);
	}
	if (!(mask & (ATTRS_ATIME | ATTRS_ATIME_NOW | ATTRS_MTIME | ATTRS_MTIME_NOW)))
		return 0;
	set_times(v, node, want, mask);
	if (!(mask & (ATTRS_ATIME | ATTRS_MTIME)) || !node_has_record(node))
		return 0;
	/*
	 * Times stand nowhere but in the node until they are stored: a killed
	 * process would take them along.  Of a file without a record those of the
	 * members count.
	 */
	rc = S_ISREG(node->mode) && node->generation == 0 ? store_times(v, node) : store_now(v, node);
	return rc == -ENOSPC || rc == -EDQUOT ? 0 : rc;
}

int
attrs_set(struct volume *v, struct node *node, const struct stat *want, unsigned mask, struct stat *st)
{
	int rc;

	if ((rc = change_allowed(v)) != 0)
		return rc;
	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	if ((rc = ways_mark(v, node)) == 0)
		rc = set_locked(v, node, want, mask);
	if (rc == 0)
		show_attributes(v, node, st);
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	return rc;
}

int
attrs_readlink(struct volume *v, struct node *node, char *buf, size_t size)
{
	size_t len;

	(void)v;
	if (!S_ISLNK(node->mode))
		return -EINVAL;
	if ((len = strlen(node->target)) >= size)
		return -ENAMETOOLONG;
	memcpy(buf, node->target, len + 1);
	return 0;
}
