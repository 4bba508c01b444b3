#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "volume/attrs.h"
#include "volume/change.h"
#include "volume/files.h"
#include "volume/handles.h"
#include "volume/load.h"
#include "volume/members.h"
#include "volume/names.h"
#include "volume/namesop.h"
#include "volume/nodes.h"
#include "volume/patrol.h"
#include "volume/rolls.h"
#include "volume/show.h"
#include "volume/room.h"
#include "volume/store.h"
#include "volume/walk.h"
#include "volume/ways.h"

/* Our own corner of the top directory is nobody's business. */
static bool
hidden(const struct volume *v, const struct node *dir, const char *name)
{
	return dir == v->root && strcmp(name, REPLICA_META) == 0;
}

/* May a name be made or removed here? */
static int
name_allowed(struct volume *v, const struct node *dir, const char *name)
{
	int rc;

	if ((rc = change_allowed(v)) != 0)
		return rc;
	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	if (hidden(v, dir, name))
		return -EPERM;
	return dir->nlink == 0 ? -ENOENT : 0;
}

static void
entry_digest(const struct volume *v, const struct node *node, const char *name, uint8_t *out)
{
	record_name(&v->digest, name, node->mode, node_has_record(node) ? node_key(node) : 0, node->target, node->rdev, out);
}

/* A name came or went: the directory's digest, times and size. Tree lock, exclusively. */
static void
dir_changed(struct volume *v, struct node *dir, const struct node *node, const char *name, bool came)
{
	int subdirs = S_ISDIR(node->mode) ? (came ? 1 : -1) : 0;
	uint8_t one[DIGEST_SIZE];

	entry_digest(v, node, name, one);
	rolls_changed(v, dir, name, came);
	pthread_rwlock_wrlock(&dir->lock);
	digest_xor(dir->names, one);
	/* Some file systems don't count subdirectories, and say 1. */
	if (dir->nlink >= 2)
		dir->nlink = (nlink_t)((long)dir->nlink + subdirs);
	dir->blocks_stale = true;
	dir->unsynced = true;
	change_times(dir, true);
	store_later(v, dir);
	pthread_rwlock_unlock(&dir->lock);
}

/* A node lost a name. Tree lock, exclusively. */
static void
node_unlinked(struct volume *v, struct node *node)
{
	bool gone, tags;

	pthread_rwlock_wrlock(&node->lock);
	if (S_ISDIR(node->mode))
		node->nlink = 0;
	else if (node->nlink > 0)
		node->nlink--;
	gone = node->nlink == 0;
	tags = gone && node->paged;
	change_times(node, false);
	if (gone) {
		files_nameless(v, node);
		room_leaving(v, node);
	} else {
		store_later(v, node);
	}
	pthread_rwlock_unlock(&node->lock);
	if (gone) {
		store_leave(v, node);
		patrol_leave(v, node);
		nodes_unhash(v, node);
		atomic_store(&v->walk_gone, true);
		/* It may have got a tags file since that was marked. */
		if (tags)
			(void)ways_mark_astray(v);
	} else {
		walk_note(v, node);
	}
}

/* Is this the only name by which the node is known? It may have others that nobody looked up. */
static bool
last_known_name(struct volume *v, const struct node *node)
{
	bool last;

	pthread_mutex_lock(&v->nodes_lock);
	last = node->links == NULL || node->links->next == NULL;
	pthread_mutex_unlock(&v->nodes_lock);
	return last;
}

/*
 * The last name that leads to a node is about to go.  Somebody may have the
 * file open, or be just opening what the name stood for; if it has further
 * names, its record is still to be stored.
 */
static int
keep_reachable(struct volume *v, struct node *node, struct node *dir, const char *name)
{
	int rc = 0;

	if (S_ISDIR(node->mode) || !last_known_name(v, node))
		return 0;
	pthread_rwlock_wrlock(&node->lock);
	if (node->nlink > 1 || (S_ISREG(node->mode) && !files_ready(v, node, FILES_READ_ALL)))
		rc = handles_pin(v, node, dir, name);
	pthread_rwlock_unlock(&node->lock);
	return rc;
}

int
names_lookup(struct volume *v, struct node *dir, const char *name, struct node **out, struct stat *st)
{
	struct node *node = NULL;
	int rc = 0;

	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	if (hidden(v, dir, name))
		return -ENOENT;
	pthread_rwlock_rdlock(&v->tree);
	if (strcmp(name, ".") == 0 || (strcmp(name, "..") == 0 && dir == v->root)) {
		nodes_hold(v, node = dir);
	} else if (strcmp(name, "..") == 0) {
		node = dir->links == NULL ? NULL : dir->links->dir;
		if (node == NULL)
			rc = -ESTALE;
		else
			nodes_hold(v, node);
	} else if (dir->nlink == 0) {
		rc = -ENOENT;
	} else {
		rc = load_name(v, dir, name, &node);
	}
	pthread_rwlock_unlock(&v->tree);
	if (rc != 0)
		return rc;
	*out = node;
	return attrs_get(v, node, st);
}

/* Owner and mode of a new name, as POSIX and the directory's ACL have it. */
static void
new_owner(const struct volume *v, const struct node *dir, const struct volume_caller *caller, struct replica_new *new)
{
	new->uid = caller->uid;
	new->gid = dir->mode & S_ISGID ? dir->gid : caller->gid;
	if (S_ISDIR(new->mode) && dir->mode & S_ISGID)
		new->mode |= S_ISGID;
	new->inherit = dir->default_acl && !S_ISLNK(new->mode);
	if (!new->inherit && !S_ISLNK(new->mode))
		new->mode &= ~(caller->umask & 0777);
	new->owned = new->uid == v->euid && new->gid == v->egid && !(dir->mode & S_ISGID);
}

/* What the members made of it, where it is not just what was asked for. */
static int
made_attributes(struct volume *v, struct node *node, const struct replica_new *new)
{
	uint8_t none[DIGEST_SIZE] = { 0 };
	struct handles_place place;
	struct member *m;
	struct stat st;
	int rc;

	node->uid = new->uid;
	node->gid = new->gid;
	node->rdev = S_ISCHR(new->mode) || S_ISBLK(new->mode) ? new->rdev : 0;
	node->nlink = 1;
	change_times(node, true);
	node->atime = node->mtime;
	node->unsynced = true;
	if (S_ISLNK(new->mode))
		node->size = strlen(new->target);
	if (S_ISDIR(new->mode))
		node->nlink = 2;
	node->blocks_stale = S_ISDIR(new->mode) || S_ISLNK(new->mode);
	node->meta = record_meta(&v->digest, node->uid, node->gid, node->mode, none);
	if (!new->inherit)
		return 0;

	node->has_xattrs = true;
	node->default_acl = S_ISDIR(new->mode);
	while ((m = members_first(v)) != NULL) {
		if ((rc = handles_at(v, m, node, &place)) == 0) {
			rc = m->r->ops->stat(m->r, place.at, &st);
			handles_at_done(v, &place);
		}
		if (rc == 0) {
			node->mode = st.st_mode;
			return change_meta_after(v, node, m);
		}
		if ((rc = members_settle(v, m, rc, "looking at a new name")) < 0)
			return rc;
	}
	return -EIO;
}

/* The id of what carries no record is that of its inode on the first member. */
static int
made_id(struct volume *v, struct node *dir, const char *name, uint64_t *id)
{
	struct replica_at at = { .name = name };
	struct member *m;
	struct stat st;
	int rc;

	while ((m = members_first(v)) != NULL) {
		if ((rc = handles_dir(v, m, dir, &at.handle)) == 0) {
			if ((rc = m->r->ops->stat(m->r, at, &st)) == 0)
				*id = load_borrowed_id(m, st.st_ino);
			handles_done(v, dir);
		}
		if (rc == 0 || (rc = members_settle(v, m, rc, "looking at a new name")) < 0)
			return rc;
	}
	return -EIO;
}

/* The node of a name that was just made on all members. */
static int
made_node(struct volume *v, struct node *dir, const char *name, struct replica_new *new, uint64_t id,
    struct file **file, struct node **out)
{
	struct node *node, *added;
	int rc;

	if (id == 0 && (rc = made_id(v, dir, name, &id)) != 0)
		return rc;
	if ((rc = nodes_new(id, new->mode, &node)) != 0)
		return rc;
	if (S_ISLNK(new->mode) && (node->target = strdup(new->target)) == NULL) {
		nodes_put(v, node);
		return -ENOMEM;
	}
	added = node;
	node = nodes_add(v, node);
	if (node != added && node_has_record(node)) {
		/* An id is never given twice; should it be, no file takes another's place. */
		nodes_put(v, node);
		return -EIO;
	}
	node->file = *file;
	if ((name != NULL && (rc = nodes_link(v, node, dir, name)) != 0) ||
	    (rc = made_attributes(v, node, new)) != 0) {
		node->file = NULL;
		nodes_put(v, node);
		return rc;
	}
	if (*file != NULL)
		files_attach_new(v, node, *file);
	if (S_ISDIR(node->mode) && dir->nlink < 2)
		node->nlink = 1;
	if (S_ISDIR(node->mode))
		rolls_begin(v, node);
	*file = NULL;
	pthread_rwlock_wrlock(&node->lock);
	store_later(v, node);
	pthread_rwlock_unlock(&node->lock);
	*out = node;
	return 0;
}

/* Make a name of any kind; ${open}: a regular file, left open for writing. */
static int
make_once(struct volume *v, struct node *dir, const char *name, struct replica_new *new, const struct volume_caller *caller,
    bool open, struct node **out, struct stat *st)
{
	struct namesop op = { .dir = dir, .name = name, .new = new };
	struct file *file = NULL;
	uint64_t id = 0;
	int rc;

	if ((rc = name_allowed(v, dir, name)) != 0)
		return rc;
	rc = S_ISREG(new->mode) || S_ISDIR(new->mode) ? ways_new_id(v, dir, &id) : ways_mark(v, dir);
	if (rc != 0)
		return rc;
	if (open && (rc = files_new(v, &file)) != 0)
		return rc;
	op.file = file;

	pthread_rwlock_wrlock(&v->tree);
	new_owner(v, dir, caller, new);
	if ((rc = dir->nlink == 0 ? -ENOENT : 0) == 0 && (rc = namesop_create(v, &op)) == 0) {
		if ((rc = made_node(v, dir, name, new, id, &file, out)) != 0)
			namesop_uncreate(v, &op);
	}
	if (rc == 0) {
		dir_changed(v, dir, *out, name, true);
		pthread_rwlock_wrlock(&(*out)->lock);
		show_attributes(v, *out, st);
		pthread_rwlock_unlock(&(*out)->lock);
	}
	pthread_rwlock_unlock(&v->tree);
	if (file != NULL)
		files_unload(v, file);
	return rc;
}

static int
make(struct volume *v, struct node *dir, const char *name, struct replica_new *new, const struct volume_caller *caller,
    bool open, struct node **node, struct stat *st)
{
	int rc;

	do {
		rc = make_once(v, dir, name, new, caller, open, node, st);
	} while (rc == -ENOSPC && room_comes(v));
	return rc;
}

int
names_create(struct volume *v, struct node *dir, const char *name, mode_t mode,
    const struct volume_caller *caller, struct node **node, struct stat *st)
{
	struct replica_new new = { .mode = S_IFREG | (mode & 07777) };

	return make(v, dir, name, &new, caller, true, node, st);
}

int
names_mknod(struct volume *v, struct node *dir, const char *name, mode_t mode, dev_t rdev,
    const struct volume_caller *caller, struct node **node, struct stat *st)
{
	struct replica_new new = { .mode = mode & S_IFMT ? mode : S_IFREG | mode, .rdev = rdev };

	if (S_ISDIR(new.mode) || S_ISLNK(new.mode))
		return -EINVAL;
	/* It is written to next, as a rule: to open it on a member that is far away would then be waited for. */
	return make(v, dir, name, &new, caller, S_ISREG(new.mode) && members_near(v) < members_in_sync(v), node, st);
}

int
names_mkdir(struct volume *v, struct node *dir, const char *name, mode_t mode,
    const struct volume_caller *caller, struct node **node, struct stat *st)
{
	struct replica_new new = { .mode = S_IFDIR | (mode & 07777) };

	return make(v, dir, name, &new, caller, false, node, st);
}

int
names_symlink(struct volume *v, const char *target, struct node *dir, const char *name,
    const struct volume_caller *caller, struct node **node, struct stat *st)
{
	struct replica_new new = { .mode = S_IFLNK | 0777, .target = target };

	if (*target == '\0')
		return -ENOENT;
	return make(v, dir, name, &new, caller, false, node, st);
}

int
names_tmpfile(struct volume *v, struct node *dir, mode_t mode,
    const struct volume_caller *caller, struct node **node, struct stat *st)
{
	struct replica_new new = { .mode = S_IFREG | (mode & 07777) };
	struct namesop op = { .dir = dir, .new = &new };
	struct file *file;
	uint64_t id;
	int rc;

	if ((rc = change_allowed(v)) != 0 || (rc = ways_new_id(v, dir, &id)) != 0 ||
	    (rc = files_new(v, &file)) != 0)
		return rc;
	op.file = file;
	pthread_rwlock_wrlock(&v->tree);
	new_owner(v, dir, caller, &new);
	if ((rc = namesop_tmpfile(v, &op)) == 0)
		rc = made_node(v, dir, NULL, &new, id, &file, node);
	if (rc == 0) {
		pthread_rwlock_wrlock(&(*node)->lock);
		(*node)->nlink = 0;
		files_nameless(v, *node);
		show_attributes(v, *node, st);
		pthread_rwlock_unlock(&(*node)->lock);
		store_leave(v, *node);
	}
	pthread_rwlock_unlock(&v->tree);
	if (file != NULL)
		files_unload(v, file);
	return rc;
}

/*
 * By its id a file is known again, should a crash cut a change of its names
 * off.  One that was made a moment ago has no record yet.  Tree lock, exclusively.
 * ${must}: it has to have one, whether there is room for it or not.
 */
static int
give_record(struct volume *v, struct node *node, bool must)
{
	int rc;

	pthread_rwlock_wrlock(&node->lock);
	rc = node_has_record(node) && node->generation == 0 && node->nlink > 0 ? store_unsealed(v, node) : 0;
	pthread_rwlock_unlock(&node->lock);
	/* For want of room nobody shall be kept from changing names: it is tried again. */
	return !must && (rc == -ENOSPC || rc == -EDQUOT) ? 0 : rc;
}

/* What is replaced on some members, and then not on another one, comes back from there; without a record it is not believed. */
static bool
record_needed(const struct volume *v, const struct namesop *op)
{
	return !(op->flags & RENAME_EXCHANGE) && members_in_sync(v) > 1;
}

static int
link_mark(struct volume *v, struct node *dir, struct node *node)
{
	int rc;

	pthread_rwlock_rdlock(&node->lock);
	rc = ways_mark_names(v, dir, node);
	pthread_rwlock_unlock(&node->lock);
	return rc;
}

int
names_link(struct volume *v, struct node *node, struct node *dir, const char *name, struct stat *st)
{
	struct namesop op = { .dir = dir, .name = name, .node = node };
	int rc;

	if ((rc = name_allowed(v, dir, name)) != 0)
		return rc;
	if (S_ISDIR(node->mode))
		return -EPERM;
	pthread_rwlock_wrlock(&v->tree);
	if ((rc = link_mark(v, dir, node)) != 0 || (rc = give_record(v, node, false)) != 0) {
		pthread_rwlock_unlock(&v->tree);
		return rc;
	}
	/* Its handles are a way to it: nobody may close them meanwhile. */
	pthread_rwlock_wrlock(&node->lock);
	rc = dir->nlink == 0 ? -ENOENT : namesop_link(v, &op);
	pthread_rwlock_unlock(&node->lock);
	if (rc == 0 && (rc = nodes_link(v, node, dir, name)) != 0)
		namesop_uncreate(v, &op);
	if (rc == 0) {
		dir_changed(v, dir, node, name, true);
		walk_note(v, node);
		pthread_rwlock_wrlock(&node->lock);
		node->nlink++;
		node->unsynced = true;
		change_times(node, false);
		store_later(v, node);
		nodes_hold(v, node);
		show_attributes(v, node, st);
		pthread_rwlock_unlock(&node->lock);
	}
	pthread_rwlock_unlock(&v->tree);
	return rc;
}

static int
remove_name(struct volume *v, struct node *dir, const char *name, bool is_dir)
{
	struct namesop op = { .dir = dir, .name = name, .is_dir = is_dir };
	struct node *node;
	int rc;

	if ((rc = name_allowed(v, dir, name)) != 0)
		return rc;
	pthread_rwlock_wrlock(&v->tree);
	if ((rc = load_name(v, dir, name, &node)) != 0)
		goto unlock;
	if (S_ISDIR(node->mode) != is_dir)
		rc = is_dir ? -ENOTDIR : -EISDIR;
	else if ((rc = ways_mark(v, dir)) == 0)
		rc = ways_mark_removal(v, node, dir, name);
	if (rc == 0 && (rc = keep_reachable(v, node, dir, name)) == 0 && (rc = namesop_unlink(v, &op)) == 0) {
		dir_changed(v, dir, node, name, false);
		nodes_unlink(v, node, dir, name);
		node_unlinked(v, node);
	}
	nodes_put(v, node);

unlock:
	pthread_rwlock_unlock(&v->tree);
	return rc;
}

int
names_unlink(struct volume *v, struct node *dir, const char *name)
{
	return remove_name(v, dir, name, false);
}

int
names_rmdir(struct volume *v, struct node *dir, const char *name)
{
	return remove_name(v, dir, name, true);
}

static void
touch(struct volume *v, struct node *node, bool moved)
{
	pthread_rwlock_wrlock(&node->lock);
	node->moved = node->moved || moved;
	node->unsynced = true;
	change_times(node, false);
	if (node->nlink > 0)
		store_later(v, node);
	pthread_rwlock_unlock(&node->lock);
}

/* All members have renamed: the nodes follow. ${to}: what stood at the new name, or NULL. */
static int
rename_nodes(struct volume *v, const struct namesop *op, struct node *from, struct node *to)
{
	bool exchange = op->flags & RENAME_EXCHANGE;
	int rc;

	dir_changed(v, op->dir, from, op->name, false);
	nodes_unlink(v, from, op->dir, op->name);
	if (to != NULL) {
		dir_changed(v, op->new_dir, to, op->new_name, false);
		nodes_unlink(v, to, op->new_dir, op->new_name);
	}
	dir_changed(v, op->new_dir, from, op->new_name, true);
	rc = nodes_link(v, from, op->new_dir, op->new_name);
	touch(v, from, op->dir != op->new_dir);
	walk_note(v, from);
	if (exchange) {
		walk_note(v, to);
		dir_changed(v, op->dir, to, op->name, true);
		if (rc == 0)
			rc = nodes_link(v, to, op->dir, op->name);
		touch(v, to, op->dir != op->new_dir);
	} else if (to != NULL) {
		node_unlinked(v, to);
	}
	return rc;
}

static int
rename_mark(struct volume *v, const struct namesop *op, struct node *from, struct node *to)
{
	int rc;

	if ((rc = ways_mark_names(v, op->dir, op->new_dir)) != 0 || (rc = ways_mark(v, from)) != 0 || to == NULL)
		return rc;
	if (!(op->flags & RENAME_EXCHANGE) && (rc = ways_mark_removal(v, to, op->new_dir, op->new_name)) != 0)
		return rc;
	/* It may get a record yet (record_needed). */
	return ways_mark(v, to);
}

static int
rename_locked(struct volume *v, struct namesop *op)
{
	struct node *from = NULL, *to = NULL;
	int rc;

	if ((rc = load_name(v, op->dir, op->name, &from)) != 0)
		return rc;
	rc = load_name(v, op->new_dir, op->new_name, &to);
	if (rc == -ENOENT && !(op->flags & RENAME_EXCHANGE))
		rc = 0;
	else if (rc == 0 && op->flags & RENAME_NOREPLACE)
		rc = -EEXIST;
	/* Two names of one file: nothing happens, and both stay. */
	if (rc != 0 || from == to)
		goto done;
	if ((rc = rename_mark(v, op, from, to)) != 0 || (rc = give_record(v, from, false)) != 0 ||
	    (to != NULL && (rc = give_record(v, to, record_needed(v, op))) != 0))
		goto done;
	if (to != NULL && !(op->flags & RENAME_EXCHANGE) &&
	    (rc = keep_reachable(v, to, op->new_dir, op->new_name)) != 0)
		goto done;
	if ((rc = namesop_rename(v, op)) == 0)
		rc = rename_nodes(v, op, from, to);

done:
	if (to != NULL)
		nodes_put(v, to);
	nodes_put(v, from);
	return rc;
}

int
names_rename(struct volume *v, struct node *dir, const char *name, struct node *new_dir, const char *new_name, unsigned flags)
{
	struct namesop op = { .dir = dir, .name = name, .new_dir = new_dir, .new_name = new_name, .flags = flags };
	int rc;

	if (flags != 0 && flags != RENAME_NOREPLACE && flags != RENAME_EXCHANGE)
		return -EINVAL;
	if ((rc = name_allowed(v, dir, name)) != 0 || (rc = name_allowed(v, new_dir, new_name)) != 0)
		return rc;
	pthread_rwlock_wrlock(&v->tree);
	rc = rename_locked(v, &op);
	pthread_rwlock_unlock(&v->tree);
	return rc;
}
