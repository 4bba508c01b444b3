#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>

#include "volume/change.h"
#include "volume/files.h"
#include "volume/handles.h"
#include "volume/ids.h"
#include "volume/load.h"
#include "volume/members.h"
#include "volume/pages.h"
#include "volume/store.h"
#include "volume/xattrs.h"
#include "volume/ways.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

static bool
is_acl(const char *name)
{
	return strcmp(name, ACL_ACCESS) == 0 || strcmp(name, ACL_DEFAULT) == 0;
}

/* The kernel leaves it to us to say which names there can be; other file systems' answers come from itself. */
static int
name_possible(const char *name)
{
	static const char *const spaces[] = { "user.", "trusted.", "security." };
	size_t i, len;

	for (i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		len = strlen(spaces[i]);
		if (strncmp(name, spaces[i], len) == 0)
			return name[len] == '\0' ? -EINVAL : 0;
	}
	return is_acl(name) ? 0 : -EOPNOTSUPP;
}

/* What is not mirrored does not exist, as seen through the mount. */
static int
name_allowed(const char *name)
{
	int rc;

	if ((rc = name_possible(name)) != 0)
		return rc;
	if (strcmp(name, RECORD_XATTR) == 0 || strcmp(name, INDEX_XATTR) == 0)
		return -EPERM;
	return record_xattr_mirrored(name) ? 0 : -EOPNOTSUPP;
}

/* Reading: any member whose attributes are proved. ${m} stays reached by ${place}. */
static int
place_proved(struct volume *v, struct node *node, struct member **m, struct handles_place *place)
{
	int rc;

	if ((rc = change_meta_before(v, node, m)) != 0)
		return rc;
	return handles_at(v, *m, node, place);
}

/* One member's answer, or another one's if it is lost over it. ${name} NULL: the list.  Tree lock, node's lock. */
static ssize_t
read_any(struct volume *v, struct node *node, const char *name, void *buf, size_t size)
{
	struct handles_place place;
	struct member *m;
	ssize_t n;

	do {
		m = NULL;
		if ((n = place_proved(v, node, &m, &place)) == 0) {
			n = name != NULL ? m->r->ops->xattr_get(m->r, place.at, name, buf, size) :
			    m->r->ops->xattr_list(m->r, place.at, buf, size);
			handles_at_done(v, &place);
		}
	} while (n < 0 && m != NULL && members_settle(v, m, (int)n, "reading extended attributes") > 0 &&
	    members_in_sync(v) > 0);
	return n;
}

ssize_t
xattrs_get(struct volume *v, struct node *node, const char *name, void *value, size_t size)
{
	ssize_t n;

	if ((n = name_possible(name)) != 0)
		return n;
	if (name_allowed(name) != 0)
		return -ENODATA;
	if (!node->has_xattrs)
		return -ENODATA;
	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_rdlock(&node->lock);
	n = read_any(v, node, name, value, size);
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	return n == -EOPNOTSUPP ? -ENODATA : n;
}

/* Take the names that are not shown out of a list; its new length. */
static ssize_t
list_filter(char *list, ssize_t len, bool privileged)
{
	char *from = list, *to = list;
	size_t one;

	while (from < list + len) {
		one = strlen(from) + 1;
		if (record_xattr_mirrored(from) && (privileged || strncmp(from, "trusted.", 8) != 0)) {
			memmove(to, from, one);
			to += one;
		}
		from += one;
	}
	return to - list;
}

ssize_t
xattrs_list(struct volume *v, struct node *node, char *list, size_t size, bool privileged)
{
	char all[XATTR_LIST_MAX];
	ssize_t n;

	if (!node->has_xattrs)
		return 0;
	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_rdlock(&node->lock);
	n = read_any(v, node, NULL, all, sizeof(all));
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	if (n <= 0)
		return n;
	n = list_filter(all, n, privileged);
	if (size == 0)
		return n;
	if ((size_t)n > size)
		return -ERANGE;
	memcpy(list, all, (size_t)n);
	return n;
}

/* One attribute's change, and what was there before. */
struct xattr_change {
	const char *name;
	const void *value;
	size_t len;
	int flags;
	ssize_t old_len;		/* < 0: it did not exist */
	char old[XATTR_SIZE_MAX];
};

static int
set_call(void *arg, struct member *m, struct replica_at at)
{
	const struct xattr_change *c = arg;

	return m->r->ops->xattr_set(m->r, at, c->name, c->value, c->len, c->flags);
}

static int
remove_call(void *arg, struct member *m, struct replica_at at)
{
	const struct xattr_change *c = arg;

	return m->r->ops->xattr_remove(m->r, at, c->name);
}

static int
restore_call(void *arg, struct member *m, struct replica_at at)
{
	const struct xattr_change *c = arg;

	if (c->old_len < 0)
		return m->r->ops->xattr_remove(m->r, at, c->name);
	return m->r->ops->xattr_set(m->r, at, c->name, c->old, (size_t)c->old_len, 0);
}

/* An ACL changes the mode's bits as well, by the file system's rule. */
static int
mode_again(struct volume *v, struct node *node, struct member *proved, bool kill_sgid)
{
	struct handles_place place;
	struct stat st;
	int rc;

	/* It may have been lost over the change: then any that has it. */
	if (!member_in_sync(proved) && (proved = members_first(v)) == NULL)
		return -EIO;
	if ((rc = handles_at(v, proved, node, &place)) != 0)
		return rc;
	rc = proved->r->ops->stat(proved->r, place.at, &st);
	handles_at_done(v, &place);
	if (rc != 0)
		return rc;
	node->mode = (node->mode & S_IFMT) | (st.st_mode & 07777);
	return kill_sgid && (node->mode & S_ISGID) ? change_mode(v, node, node->mode & ~(mode_t)S_ISGID) : 0;
}

/* The tags of a file move out of its record, a directory's index goes: they leave the room to the user's attribute. */
static int
make_room(struct volume *v, struct node *node)
{
	bool opened = node->file == NULL;
	int rc;

	if (S_ISDIR(node->mode)) {
		ids_drop(v, node);
		return 0;
	}
	/* A record of the least size has nothing to give. */
	if (!S_ISREG(node->mode) || node->paged || node->size <= BLOCK)
		return -ENOSPC;
	if ((rc = files_attach(v, node)) != 0)
		return rc;
	if ((rc = tags_page_out(node->file->tags)) == 0) {
		node->dirty = true;
		if ((rc = store_now(v, node)) != 0)
			pages_give_up(v, node, node->file);
	}
	if (opened && !node->dirty)
		files_detach(v, node);
	return rc;
}

static int
xattr_change(struct volume *v, struct node *node, struct xattr_change *c, change_call *call, bool kill_sgid)
{
	bool had = node->has_xattrs;
	struct handles_place place;
	struct member *proved;
	int rc;

	if ((rc = change_meta_before(v, node, &proved)) != 0 ||
	    (rc = handles_at(v, proved, node, &place)) != 0)
		return rc;
	c->old_len = proved->r->ops->xattr_get(proved->r, place.at, c->name, c->old, sizeof(c->old));
	handles_at_done(v, &place);
	/* ext4 counts an ACL's removal as done, whether there was one or not; it is no change, then. */
	if (call == remove_call && c->old_len == -ENODATA)
		return -ENODATA;

	/*
	 * The record first, if there is none yet: once it has its room it keeps
	 * it, and the attribute that leaves none fails.
	 */
	if (node->generation == 0 && node_has_record(node)) {
		node->dirty = true;
		if ((rc = store_now(v, node)) != 0)
			return rc;
	}
	node->has_xattrs = true;
	node->no_capability = false;
	rc = change_each(v, node, call, restore_call, c, "changing an extended attribute");
	if (rc == -ENOSPC && make_room(v, node) == 0)
		rc = change_each(v, node, call, restore_call, c, "changing an extended attribute");
	if (rc == 0 && strcmp(c->name, ACL_ACCESS) == 0)
		rc = mode_again(v, node, proved, kill_sgid);
	if (rc != 0) {
		node->has_xattrs = had;
		return rc;
	}
	if (strcmp(c->name, ACL_DEFAULT) == 0)
		node->default_acl = call == set_call && c->len > 4;
	node->unsynced = true;
	return change_meta_after(v, node, proved);
}

static int
xattr_change_lock(struct volume *v, struct node *node, struct xattr_change *c, change_call *call, bool kill_sgid)
{
	int rc;

	if ((rc = name_allowed(c->name)) != 0 || (rc = change_allowed(v)) != 0)
		return rc;
	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	if ((rc = ways_mark(v, node)) == 0)
		rc = xattr_change(v, node, c, call, kill_sgid);
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	return rc;
}

int
xattrs_set(struct volume *v, struct node *node, const char *name, const void *value, size_t len, int flags, bool kill_sgid)
{
	struct xattr_change c = { .name = name, .value = value, .len = len, .flags = flags };

	return xattr_change_lock(v, node, &c, set_call, kill_sgid);
}

int
xattrs_remove(struct volume *v, struct node *node, const char *name)
{
	struct xattr_change c = { .name = name };
	int rc;

	if ((rc = name_possible(name)) != 0 || (rc = change_allowed(v)) != 0)
		return rc;
	/* Of what is not mirrored, there is nothing to remove; but the record is there. */
	if ((rc = name_allowed(name)) != 0)
		return rc == -EPERM ? rc : -ENODATA;
	rc = node->has_xattrs ? xattr_change_lock(v, node, &c, remove_call, false) : -ENODATA;
	/* To remove an ACL that is not there is no error. */
	return rc == -ENODATA && is_acl(name) ? 0 : rc;
}
