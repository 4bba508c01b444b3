#include <errno.h>
#include <string.h>

#include "meta/gather.h"
#include "util/clock.h"
#include "util/log.h"
#include "volume/change.h"
#include "volume/handles.h"
#include "volume/load.h"
#include "volume/members.h"
#include "volume/missed.h"
#include "volume/nodes.h"
#include "volume/store.h"

int
change_allowed(const struct volume *v)
{
	return volume_read_only(v) ? -EROFS : 0;
}

void
change_times(struct node *node, bool mtime)
{
	clock_now(&node->ctime);
	if (mtime)
		node->mtime = node->ctime;
}

/* On one that is far away it is waited for, or, for call_finish, only begun; answered: as replica_begin has it. */
enum how { WAITED, BEGUN, BEGUN_ANSWERED };

/* One member's turn. */
static int
call_once(struct volume *v, struct node *node, struct member *m, change_call *call, void *arg, enum how how)
{
	struct handles_place place;
	int rc;

	if ((rc = handles_at(v, m, node, &place)) != 0)
		return rc;
	if (how != WAITED)
		replica_begin(m->r, how == BEGUN_ANSWERED);
	rc = call(arg, m, place.at);
	handles_at_done(v, &place);
	return rc;
}

/* What came of it; a name that is missing there is mended, and it is done once more. */
static int
call_finish(struct volume *v, struct node *node, struct member *m, change_call *call, void *arg, int rc)
{
	rc = (int)replica_finish(m->r, rc);
	if ((rc == -ENOENT || rc == -ENOTDIR) && load_mend_node(v, node) == 0)
		rc = call_once(v, node, m, call, arg, WAITED);
	return rc;
}

static int
call_one(struct volume *v, struct node *node, struct member *m, change_call *call, void *arg)
{
	return call_finish(v, node, m, call, arg, call_once(v, node, m, call, arg, WAITED));
}

void
change_back(struct volume *v, struct node *node, change_call *undo, void *arg, uint32_t have)
{
	struct member *m;

	/* Where it cannot be done the member differs from the others, and is mended from them. */
	for_each_member(v, m) {
		if ((have & 1u << m->index) != 0)
			(void)call_one(v, node, m, undo, arg);
	}
}

int
change_each(struct volume *v, struct node *node, change_call *call, change_call *undo, void *arg, const char *doing)
{
	struct { struct member *m; int rc; } far[VOLUME_REPLICAS_MAX];
	unsigned count = 0, i;
	uint32_t have = 0;
	struct member *m;
	enum how how;
	int rc = 0, one;

	missed_note(v, node);
	for_each_member(v, m) {
		if (m->r->far)
			continue;
		if ((rc = members_settle(v, m, call_one(v, node, m, call, arg), doing)) < 0)
			break;
		have |= rc == 0 ? 1u << m->index : 0;
	}
	/* Those that are far away are all asked before any is waited for. */
	how = have != 0 ? BEGUN_ANSWERED : BEGUN;
	for_each_member(v, m) {
		if (rc >= 0 && m->r->far) {
			far[count].m = m;
			far[count++].rc = call_once(v, node, m, call, arg, how);
		}
	}
	for (i = 0; i < count; i++) {
		one = call_finish(v, node, far[i].m, call, arg, far[i].rc);
		if ((one = members_settle(v, far[i].m, one, doing)) < 0)
			rc = one;
		have |= one == 0 ? 1u << far[i].m->index : 0;
	}
	if (rc < 0 && undo != NULL)
		change_back(v, node, undo, arg, have);
	return rc < 0 ? rc : have != 0 ? 0 : -EIO;
}

struct mode_change { mode_t to, from; };

static int
chmod_call(void *arg, struct member *m, struct replica_at at)
{
	const struct mode_change *c = arg;

	return m->r->ops->chmod(m->r, at, c->to & 07777);
}

static int
chmod_undo(void *arg, struct member *m, struct replica_at at)
{
	const struct mode_change *c = arg;

	return m->r->ops->chmod(m->r, at, c->from & 07777);
}

int
change_mode(struct volume *v, struct node *node, mode_t mode)
{
	struct mode_change change = { mode, node->mode };
	int rc;

	mode &= 07777;
	if ((rc = change_each(v, node, chmod_call, chmod_undo, &change, "changing a mode")) == 0)
		node->mode = (node->mode & S_IFMT) | mode;
	return rc;
}

static int
drop_capability_call(void *arg, struct member *m, struct replica_at at)
{
	int rc = m->r->ops->xattr_remove(m->r, at, "security.capability");

	(void)arg;
	return rc == -ENODATA || rc == -EOPNOTSUPP ? 0 : rc;
}

int
change_drop_capability(struct volume *v, struct node *node)
{
	return change_each(v, node, drop_capability_call, NULL, NULL, "dropping capabilities");
}

int
change_kill_priv(struct volume *v, struct node *node, bool outsider)
{
	mode_t kill = 0;
	struct member *proved;
	int rc;

	if (S_ISDIR(node->mode))
		return 0;
	if (node->mode & S_ISUID)
		kill |= S_ISUID;
	if ((node->mode & S_ISGID) && ((node->mode & S_IXGRP) || outsider))
		kill |= S_ISGID;
	if (kill == 0 && !node->has_xattrs)
		return 0;
	if ((rc = change_meta_before(v, node, &proved)) != 0)
		return rc;
	if (kill != 0 && (rc = change_mode(v, node, node->mode & ~kill)) != 0)
		return rc;
	if (node->has_xattrs && (rc = change_drop_capability(v, node)) != 0)
		return rc;
	return change_meta_after(v, node, proved);
}

static bool
has_capability(struct volume *v, struct node *node)
{
	struct handles_place place;
	struct member *m;
	ssize_t n;

	for_each_member(v, m) {
		if (handles_at(v, m, node, &place) != 0)
			continue;
		n = m->r->ops->xattr_get(m->r, place.at, "security.capability", NULL, 0);
		handles_at_done(v, &place);
		if (n >= 0)
			return true;
	}
	return false;
}

int
change_data_before(struct volume *v, struct node *node)
{
	struct member *proved;
	int rc;

	if (!node->has_xattrs || node->no_capability)
		return 0;
	if (has_capability(v, node)) {
		if ((rc = change_meta_before(v, node, &proved)) != 0 || (rc = change_drop_capability(v, node)) != 0 ||
		    (rc = change_meta_after(v, node, proved)) != 0)
			return rc;
	}
	node->no_capability = true;
	return 0;
}

/* The digest of owner, mode and xattrs as ${m} has the latter. */
static int
meta_of(struct volume *v, struct node *node, struct member *m, uint32_t *meta)
{
	uint8_t xattrs[DIGEST_SIZE] = { 0 };
	struct handles_place place;
	int rc = 0;

	if (node->has_xattrs && (rc = handles_at(v, m, node, &place)) == 0) {
		rc = gather_xattrs(m->r, place.at, &v->digest, xattrs);
		handles_at_done(v, &place);
	}
	if (rc == 0)
		*meta = record_meta(&v->digest, node->uid, node->gid, node->mode, xattrs);
	return rc;
}

int
change_meta_before(struct volume *v, struct node *node, struct member **proved)
{
	char path[NODES_PATH_MAX];
	struct member *nearest = members_nearest(v), *m;
	uint32_t meta;

	*proved = NULL;
	if (!node_has_record(node)) {
		*proved = members_for_read(v, 0);
		return *proved == NULL ? -EIO : 0;
	}
	if (nearest != NULL && meta_of(v, node, nearest, &meta) == 0 && meta == node->meta) {
		*proved = nearest;
		return 0;
	}
	for_each_member(v, m) {
		if (m != nearest && meta_of(v, node, m, &meta) == 0 && meta == node->meta) {
			*proved = m;
			return 0;
		}
	}
	log_error("%s: its extended attributes match its record on no replica; run fsck.mendfs",
	    nodes_path(v, node, path, sizeof(path)));
	return -EIO;
}

int
change_meta_after(struct volume *v, struct node *node, struct member *proved)
{
	int rc = 0;

	if (node_has_record(node)) {
		if (!member_in_sync(proved) && (proved = members_for_read(v, 0)) == NULL)
			return -EIO;
		rc = meta_of(v, node, proved, &node->meta);
	}
	if (rc == 0) {
		change_times(node, false);
		store_later(v, node);
	}
	return rc;
}
