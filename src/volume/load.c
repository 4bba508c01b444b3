#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/gather.h"
#include "meta/stamp.h"
#include "volume/handles.h"
#include "volume/load.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/patrol.h"
#include "volume/rolls.h"
#include "volume/settle.h"

#define ACL_DEFAULT "system.posix_acl_default"

uint64_t
load_borrowed_id(const struct member *m, ino_t ino)
{
	/* A member that came back has other inodes under numbers that nodes may still go by. */
	return NODE_ID_BORROWED | (uint64_t)(m->index | (atomic_load(&m->returns) & 7) << 4) << 56 | (ino & ((UINT64_C(1) << 56) - 1));
}

/* Does what one member says need no second opinion? */
static bool
proved(struct volume *v, const struct node *dir, const struct judge_fact *fact)
{
	enum record_kind kind;

	if (fact->error != 0 || fact->record_error != 0 || !fact->meta_matches)
		return false;
	kind = fact->record.kind;
	if (S_ISDIR(fact->st.st_mode) ? kind != RECORD_DIRECTORY : kind == RECORD_DIRECTORY)
		return false;
	if (S_ISREG(fact->st.st_mode) && (uint64_t)fact->st.st_size != fact->record.size)
		return false;
	return !v->was_unclean || (!intent_was_dirty(v->intent, fact->record.id) &&
	    !intent_was_dirty(v->intent, node_key(dir)));
}

static void
attributes_from(struct node *node, const struct judge_fact *fact)
{
	const struct stat *st = &fact->st;

	node->uid = st->st_uid;
	node->gid = st->st_gid;
	node->mode = st->st_mode;
	node->rdev = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode) ? st->st_rdev : 0;
	node->nlink = st->st_nlink;
	node->size = (uint64_t)st->st_size;
	node->blocks = (uint64_t)st->st_blocks;
	node->atime = st->st_atim;
	node->mtime = st->st_mtim;
	node->ctime = st->st_ctim;
	node->has_xattrs = fact->xattrs;
	if (fact->record_error != 0)
		return;
	node->mtime = fact->record.mtime;
	node->ctime = fact->record.ctime;
	node->generation = fact->record.generation;
	node->meta = fact->record.meta;
	node->paged = fact->record.kind == RECORD_PAGED;
	if (S_ISREG(st->st_mode))
		node->size = fact->record.size;
	if (fact->record.kind == RECORD_INLINE && fact->record.tag_count <= NODE_TAGS_KEPT &&
	    (fact->record.tags != NULL || fact->record.tag_count == 0)) {
		node->kept_generation = node->generation;
		node->kept_count = (uint8_t)fact->record.tag_count;
		if (node->kept_count > 0)
			memcpy(node->kept_tags, fact->record.tags, node->kept_count * DIGEST_SIZE);
	}
	if (S_ISDIR(st->st_mode))
		memcpy(node->names, fact->record.sum, DIGEST_SIZE);
}

/* A new node, or the one that is known by the id already. */
static int
node_from(struct volume *v, struct member *m, struct replica_at at, const struct judge_fact *fact, char **target,
    struct settled *settled, struct node **out)
{
	bool has_record = S_ISREG(fact->st.st_mode) || S_ISDIR(fact->st.st_mode);
	uint64_t id = has_record ? fact->record.id : load_borrowed_id(m, fact->st.st_ino);
	struct node *node;
	int rc;

	if (has_record && fact->record_error != 0)
		return -EIO;
	if ((rc = nodes_new(id, fact->st.st_mode, &node)) != 0)
		return rc;
	attributes_from(node, fact);
	/* It may have been changed before it was forgotten, or by a daemon that was killed: the first fsync is to tell. */
	node->unsynced = !v->no_writes;
	if (settled != NULL) {
		node->torn = settled->torn;
		settled->torn = NULL;
		node->names_stale = settled->dirty && S_ISDIR(node->mode) && intent_was_dirty(v->intent, id);
	}
	if (S_ISDIR(node->mode) && node->has_xattrs)
		node->default_acl = m->r->ops->xattr_get(m->r, at, ACL_DEFAULT, NULL, 0) > 0;
	node->target = *target;
	*target = NULL;
	*out = nodes_add(v, node);
	if (((*out)->mode & S_IFMT) != (fact->st.st_mode & S_IFMT)) {
		/* A record that speaks of another file. */
		nodes_put(v, *out);
		return -EIO;
	}
	return 0;
}

/* The slow way: everybody is asked. */
static int
load_settled(struct volume *v, struct node *dir, const char *name, struct node **node)
{
	struct settled settled;
	struct replica_at at = { REPLICA_ROOT, NULL };
	int rc;

	for (;;) {
		if ((rc = settle_name(v, dir, name, &settled)) != 0)
			goto done;
		if (dir == NULL || (rc = handles_dir(v, settled.source, dir, &at.handle)) == 0)
			break;
		/* Lost since it was asked: ask those that are left. */
		if ((rc = members_settle(v, settled.source, rc, "looking up a name")) < 0)
			goto done;
		settle_free(&settled);
	}
	at.name = name;
	rc = node_from(v, settled.source, at, &settled.fact, &settled.target, &settled, node);
	if (dir != NULL)
		handles_done(v, dir);

done:
	settle_free(&settled);
	return rc;
}

/*
 * A record proves a file, but not that this is its name: somebody may have
 * exchanged two files on one member.  So one other member is asked for the
 * record that it has under the name: they are the same to the byte.
 */
static bool
named_alike(struct volume *v, struct node *dir, const char *name, const struct member *asked,
    const uint8_t *record)
{
	struct replica_at at = { .name = name };
	uint8_t other[RECORD_SIZE_MAX];
	struct member *m;
	ssize_t len;

	for_each_member(v, m) {
		/* Nobody is asked far away where all names were proved together once, with what they stand for. */
		if (m == asked || (m->r->far && rolls_known(v, dir)))
			continue;
		if (handles_dir(v, m, dir, &at.handle) != 0)
			return false;
		len = m->r->ops->xattr_get(m->r, at, RECORD_XATTR, other, sizeof(other));
		handles_done(v, dir);
		return len > 0 && memcmp(other, record, (size_t)len) == 0;
	}
	return true;
}

/* The fast way: one member proves what it has.  -EAGAIN: it does not.  -ENOENT: it has no such name. */
static int
load_proved(struct volume *v, struct node *dir, const char *name, struct member **asked, struct node **node)
{
	uint8_t record[RECORD_SIZE_MAX];
	struct judge_fact fact;
	struct replica_at at = { .name = name };
	struct member *m;
	char *target = NULL;
	int rc;

	if ((*asked = m = members_for_read(v, node_key(dir))) == NULL)
		return -EIO;
	if (handles_dir(v, m, dir, &at.handle) != 0)
		return -EAGAIN;
	gather_fact_quick(m->r, at, &v->digest, record, &fact);
	rc = fact.error == -ENOENT ? -ENOENT : -EAGAIN;
	if (fact.error == 0 && fact.record_error == 0 && !named_alike(v, dir, name, m, record)) {
		handles_done(v, dir);
		return -EAGAIN;
	}
	if (fact.error == 0 && fact.record_error == 0 && (*node = nodes_get(v, fact.record.id)) != NULL) {
		/* Known by another name: what is in memory is newer. */
		if (((*node)->mode & S_IFMT) == (fact.st.st_mode & S_IFMT))
			rc = 0;
		else
			nodes_put(v, *node);
	} else if (proved(v, dir, &fact)) {
		rc = node_from(v, m, at, &fact, &target, NULL, node);
	}
	handles_done(v, dir);
	return rc;
}

/* One member has no such name: has any other? */
static bool
nowhere_else(struct volume *v, struct node *dir, const char *name, const struct member *asked)
{
	struct replica_at at = { .name = name };
	struct member *m;
	struct stat st;
	int rc;

	for_each_member(v, m) {
		if (m == asked)
			continue;
		if (handles_dir(v, m, dir, &at.handle) != 0)
			return false;
		rc = m->r->ops->stat(m->r, at, &st);
		handles_done(v, dir);
		if (rc != -ENOENT)
			return false;
	}
	return true;
}

/*
 * A name that is looked up in vain is often made next, or renamed to: then
 * nobody is asked a second time.  Tree lock, so that no name comes meanwhile.
 */
static bool
absent_known(struct volume *v, const struct node *dir, const char *name)
{
	bool known;

	pthread_mutex_lock(&v->absent_lock);
	known = v->absent_dir == node_key(dir) && strcmp(v->absent_name, name) == 0;
	pthread_mutex_unlock(&v->absent_lock);
	return known;
}

static void
absent_note(struct volume *v, const struct node *dir, const char *name)
{
	pthread_mutex_lock(&v->absent_lock);
	v->absent_dir = node_key(dir);
	(void)snprintf(v->absent_name, sizeof(v->absent_name), "%s", name);
	pthread_mutex_unlock(&v->absent_lock);
}

void
load_absent_forget(struct volume *v)
{
	pthread_mutex_lock(&v->absent_lock);
	v->absent_dir = 0;
	pthread_mutex_unlock(&v->absent_lock);
}

int
load_name(struct volume *v, struct node *dir, const char *name, struct node **out)
{
	struct member *asked;
	struct node *node;
	int rc;

	if ((node = nodes_find(v, dir, name)) != NULL) {
		*out = node;
		return 0;
	}
	if (absent_known(v, dir, name))
		return -ENOENT;
	/* A second opinion would come from far away: the directory's own digest gives one at home. */
	if (members_near(v) == 1 && members_in_sync(v) > 1)
		rolls_learn(v, dir);
	if (rolls_absent(v, dir, name))
		return -ENOENT;
	rc = load_proved(v, dir, name, &asked, &node);
	if (rc == -EAGAIN || (rc == -ENOENT && !nowhere_else(v, dir, name, asked)))
		rc = load_settled(v, dir, name, &node);
	if (rc == -ENOENT) {
		absent_note(v, dir, name);
		rolls_vain(v, dir);
	}
	if (rc != 0)
		return rc;
	if ((rc = nodes_link(v, node, dir, name)) != 0) {
		nodes_put(v, node);
		return rc;
	}
	patrol_found(v, node);
	*out = node;
	return 0;
}

int
load_root(struct volume *v)
{
	int rc;

	if ((rc = load_settled(v, NULL, NULL, &v->root)) != 0)
		return rc;
	if (node_key(v->root) != VOLUME_ROOT_ID || !S_ISDIR(v->root->mode))
		return -EIO;
	/* .mendfs is no subdirectory that anybody sees. */
	if (v->root->nlink > 2)
		v->root->nlink--;
	return 0;
}

int
load_mend(struct volume *v, struct node *dir, const char *name)
{
	struct settled settled;
	int rc = settle_name(v, dir, name, &settled);

	settle_free(&settled);
	return rc;
}

int
load_mend_node(struct volume *v, struct node *node)
{
	struct node *dir = NULL;
	char *name = NULL;
	int rc;

	pthread_mutex_lock(&v->nodes_lock);
	if (node->links != NULL) {
		dir = node->links->dir;
		name = strdup(node->links->name);
	}
	pthread_mutex_unlock(&v->nodes_lock);
	/* The root alone has no name. */
	if (node == v->root)
		rc = load_mend(v, NULL, NULL);
	else if (dir == NULL || name == NULL)
		rc = -ESTALE;
	else
		rc = load_mend(v, dir, name);
	free(name);
	return rc;
}

bool
load_entry_known(struct volume *v, struct node *dir, const char *name, mode_t *type, uint64_t *id, uint8_t *digest)
{
	struct node *node;

	if ((node = nodes_find(v, dir, name)) == NULL)
		return false;
	*id = node_key(node);
	*type = node->mode & S_IFMT;
	if (digest != NULL)
		record_name(&v->digest, name, node->mode, node_has_record(node) ? *id : 0, node->target, node->rdev, digest);
	nodes_put(v, node);
	return true;
}

int
load_entry(struct volume *v, struct node *dir, const char *name, struct member *m, ino_t ino,
    mode_t *type, uint64_t *id, uint8_t *digest)
{
	uint8_t data[RECORD_SIZE_MAX];
	struct replica_at at = { .name = name };
	struct record record = { .id = 0 };
	struct stat st = { .st_mode = *type };
	ssize_t len;
	int rc;

	if (load_entry_known(v, dir, name, type, id, digest))
		return 0;
	*id = 0;
	if ((rc = handles_dir(v, m, dir, &at.handle)) != 0)
		return rc;
	if ((*type == 0 || (digest != NULL && (S_ISCHR(*type) || S_ISBLK(*type)))) &&
	    (rc = m->r->ops->stat(m->r, at, &st)) != 0)
		goto done;
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		len = m->r->ops->xattr_get(m->r, at, RECORD_XATTR, data, sizeof(data));
		rc = len < 0 ? (int)len : record_decode(&v->digest, data, (size_t)len, &record);
		if (rc == 0 && (record.kind == RECORD_DIRECTORY) != S_ISDIR(st.st_mode))
			rc = -EBADMSG;
	}
	if (rc == 0 && digest != NULL)
		rc = stamp_name(m->r, at.handle, name, &st, record.id, &v->digest, digest);
	if (rc == 0) {
		*type = st.st_mode & S_IFMT;
		*id = record.id != 0 ? record.id : load_borrowed_id(m, ino);
	}

done:
	handles_done(v, dir);
	return rc;
}
