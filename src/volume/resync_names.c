/* Directories: which names stand for what. */

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "meta/gather.h"
#include "volume/load.h"
#include "volume/members.h"
#include "volume/missed.h"
#include "volume/nodes.h"
#include "volume/resync_private.h"
#include "volume/store.h"

/* A file says at once whose it is, or it would pass for somebody else's if we were cut off. */
static int
made_file(struct resync *r, struct node *node, replica_handle handle, const char *name)
{
	const struct replica_at at = { handle, name };
	struct stat st;
	int rc;

	if (r->m->r->ops->stat(r->m->r, at, &st) == 0)
		(void)resync_ours(r, &st);
	if ((rc = resync_draft(r, node, at)) != 0)
		(void)r->m->r->ops->unlink(r->m->r, handle, name, false);
	return rc;
}

/* What has no attributes but what its node says. */
static int
make_bare(const struct copy *c, const struct node *node, replica_handle handle, const char *name)
{
	const struct stat st = { .st_mode = node->mode, .st_uid = node->uid, .st_gid = node->gid };
	const struct replica_new new = { .mode = node->mode, .uid = node->uid, .gid = node->gid };
	int rc = c->dst->ops->create(c->dst, handle, name, &new, NULL);

	/* It may have got an ACL from the directory. */
	return rc != 0 ? rc : copy_bare(c, &st, (struct replica_at){ handle, name });
}

/* Make it anew: a file empty, a directory without names. */
static int
make(struct resync *r, struct node *node, replica_handle handle, const char *name)
{
	struct copy c = { .digest = &r->v->digest, .dst = r->m->r, .src_tags = REPLICA_NONE, .dst_tags = REPLICA_NONE };
	struct handles_place place;
	struct member *s;
	int rc = -EIO;

	pthread_rwlock_rdlock(&node->lock);
	if (node_has_record(node) && !node->has_xattrs) {
		rc = make_bare(&c, node, handle, name);
	} else if ((s = resync_source(r, node, &place)) != NULL) {
		c.src = s->r;
		rc = copy_make(&c, place.at, handle, name);
		if (rc == 0 && !node_has_record(node))
			rc = copy_finish(&c, place.at, (struct replica_at){ handle, name });
		handles_at_done(r->v, &place);
	}
	if (rc == 0 && S_ISREG(node->mode))
		rc = made_file(r, node, handle, name);
	pthread_rwlock_unlock(&node->lock);
	r->changed++;
	return rc;
}

/* Has every one of its names been looked up?  The tree lock. */
static bool
names_known(struct resync *r, const struct node *node)
{
	const struct link *link;
	uint64_t known = 0;

	pthread_mutex_lock(&r->v->nodes_lock);
	for (link = node->links; link != NULL; link = link->next)
		known++;
	pthread_mutex_unlock(&r->v->nodes_lock);
	return known >= node->nlink;
}

/*
 * The name is missing: take what was renamed, link what has further names, or
 * make it.  ${*look}: what is there now, or is below, was not looked at yet.
 */
static int
place(struct resync *r, struct node *node, struct node *dir, replica_handle handle, const char *name, bool *fresh, bool *look)
{
	int rc;

	if (node_has_record(node) && (rc = resync_unpark(r, node, dir, handle, name)) != -ENOENT) {
		/* Renamed while a walk went on, it may have come to where the walk had been before the walk came to it. */
		*look = *look || r->walks > 0;
		return rc;
	}
	if (!S_ISDIR(node->mode) && node->nlink > 1) {
		if ((rc = resync_link(r, node, dir, handle, name)) != -ENOENT)
			return rc;
		/*
		 * It may have a name that nobody has looked up: a walk finds all.
		 * But a walk takes long, and what is new meanwhile must not want
		 * another one: what the member has under none of its names is new
		 * there, too, and they are all noted, or it would have one of them.
		 */
		if (!r->walk && !(node_has_record(node) && names_known(r, node)))
			missed_walk(r->v, r->m, true);
	}
	*fresh = *look = true;
	return make(r, node, handle, name);
}

/* Is what the member has at this name what the node stands for? */
static bool
same_thing(struct resync *r, const struct node *node, struct replica_at at, const struct judge_fact *fact)
{
	char target[PATH_MAX];

	if ((fact->st.st_mode & S_IFMT) != (node->mode & S_IFMT))
		return false;
	/* Without a record it is taken for what it should be, and compared to the byte; unless it has other names too. */
	if (node_has_record(node) && fact->record_error != 0)
		return S_ISDIR(node->mode) || fact->st.st_nlink == 1;
	if (node_has_record(node))
		return fact->record.id == node_key(node);
	if (S_ISLNK(node->mode))
		return node->target != NULL && r->m->r->ops->readlink(r->m->r, at, target, sizeof(target)) == 0 &&
		    strcmp(target, node->target) == 0;
	return !(S_ISCHR(node->mode) || S_ISBLK(node->mode)) || fact->st.st_rdev == node->rdev;
}

/* Links and special files: owner, mode, attributes, times, which the others hold. */
static int
match_bare(struct resync *r, struct node *node, struct replica_at to)
{
	struct copy c = { .digest = &r->v->digest, .dst = r->m->r, .src_tags = REPLICA_NONE, .dst_tags = REPLICA_NONE };
	struct handles_place place;
	struct stat st, now;
	struct member *s;
	int rc;

	if ((s = resync_source(r, node, &place)) == NULL)
		return 0;
	c.src = s->r;
	if ((rc = copy_meta(&c, place.at, to)) == 0 && (rc = s->r->ops->stat(s->r, place.at, &st)) == 0 &&
	    (rc = r->m->r->ops->stat(r->m->r, to, &now)) == 0 &&
	    (st.st_mtim.tv_sec != now.st_mtim.tv_sec || st.st_mtim.tv_nsec != now.st_mtim.tv_nsec))
		rc = copy_finish(&c, place.at, to);
	handles_at_done(r->v, &place);
	return rc;
}

/* One name.  ${*out}: the node, with a reference, if it is to be gone into.  Tree lock. */
static int
match_name(struct resync *r, struct node *dir, replica_handle handle, const char *name, struct node **out, bool *fresh)
{
	const struct replica_at at = { handle, name };
	uint8_t data[RECORD_SIZE_MAX];
	struct judge_fact fact;
	struct node *node;
	bool look = r->deep;
	int rc;

	*out = NULL;
	*fresh = false;
	if ((rc = load_name(r->v, dir, name, &node)) != 0) {
		if (rc != -EIO || members_in_sync(r->v) == 0)
			return rc == -ENOENT ? 0 : rc;
		/* Nobody can prove what it is: an old version must not take its place. */
		r->lost++;
		rc = resync_set_aside(r, dir, handle, name);
		return rc == -ENOENT ? 0 : rc;
	}
	gather_fact(r->m->r, at, &r->v->digest, data, &fact);
	rc = fact.error;
	if (rc == 0 && !same_thing(r, node, at, &fact) && (rc = resync_park(r, dir, handle, name)) == 0)
		rc = -ENOENT;
	if (rc == -ENOENT)
		rc = place(r, node, dir, handle, name, fresh, &look);
	if (rc == 0 && !S_ISDIR(node->mode) && node->nlink > 1)
		rc = resync_links(r, node, dir, handle, name);
	if (rc == 0 && !node_has_record(node) && !*fresh)
		rc = match_bare(r, node, at);
	if (rc == 0 && node_has_record(node) && look)
		*out = node;
	else
		nodes_put(r->v, node);
	return rc > 0 ? 0 : rc;
}

/* Those of ${s} as well, if it is to be reached. */
static int
names_of(struct resync *r, struct node *dir, struct member *s, struct listing *all, unsigned *asked)
{
	replica_handle handle;
	struct listing one;
	int rc;

	if (handles_dir(r->v, s, dir, &handle) != 0)
		return 0;
	rc = listing_read(s->r, handle, &one);
	handles_done(r->v, dir);
	if (rc != 0)
		return rc;
	*asked += 1;
	rc = listing_join(all, &one);
	listing_free(&one);
	return rc;
}

/* Is it known of all of these what they stand for, and are they all that the directory's digest was made of?  Tree lock. */
static bool
names_add_up(struct resync *r, struct node *dir, const struct listing *names)
{
	uint8_t sum[DIGEST_SIZE] = { 0 }, one[DIGEST_SIZE];
	mode_t type = 0;
	uint64_t id;
	size_t i;

	if (dir->names_stale)
		return false;
	for (i = 0; i < names->count; i++) {
		if (!load_entry_known(r->v, dir, names->names[i], &type, &id, one))
			return false;
		digest_xor(sum, one);
	}
	return digest_equal(sum, dir->names);
}

/* The names that any member in sync has: of one, if that is proved, else of all.  Tree lock. */
static int
source_names(struct resync *r, struct node *dir, struct listing *all)
{
	struct member *nearest = members_nearest(r->v), *s;
	unsigned asked = 0;
	int rc;

	memset(all, 0, sizeof(*all));
	if (nearest != NULL && (rc = names_of(r, dir, nearest, all, &asked)) != 0)
		return rc;
	if (asked > 0 && names_add_up(r, dir, all))
		return 0;
	for_each_member(r->v, s) {
		if (s != nearest && (rc = names_of(r, dir, s, all, &asked)) != 0)
			return rc;
	}
	return asked > 0 ? 0 : -EIO;
}

/* The names on either side; changes from here on are noted. 1: the directory is gone. */
static int
both_names(struct resync *r, struct node *dir, replica_handle handle, struct listing *source, struct listing *mine)
{
	int rc = 0;

	resync_lock(r);
	pthread_rwlock_wrlock(&dir->lock);
	if (dir->nlink == 0)
		rc = 1;
	else if ((rc = store_now(r->v, dir)) == 0)
		missed_done(r->v, r->m, dir);
	pthread_rwlock_unlock(&dir->lock);
	if (rc == 0)
		rc = source_names(r, dir, source);
	resync_unlock(r);
	return rc != 0 ? rc : listing_read(r->m->r, handle, mine);
}

/* A name that both have: the ids of what stands there, 0 where there is no record. */
struct both { uint64_t theirs, mine; bool is_dir; };

/* What memory knows nobody is asked for.  Tree lock. */
static void
their_id(struct resync *r, struct node *dir, const char *name, struct both *both)
{
	struct replica_at at = { .name = name };
	struct member *s;
	struct node *node;

	if ((node = nodes_find(r->v, dir, name)) != NULL) {
		both->theirs = node_has_record(node) ? node_key(node) : 0;
		both->is_dir = S_ISDIR(node->mode);
		nodes_put(r->v, node);
	} else if ((s = members_nearest(r->v)) != NULL && handles_dir(r->v, s, dir, &at.handle) == 0) {
		both->theirs = resync_record_id(r, s->r, at, &both->is_dir);
		handles_done(r->v, dir);
	}
}

/* Does the member have another file or directory at this name? */
static bool
ids_differ(struct resync *r, struct node *dir, replica_handle handle, const char *name, struct both *both)
{
	bool other = false;

	their_id(r, dir, name, both);
	if (both->theirs == 0)
		return false;
	both->mine = resync_record_id(r, r->m->r, (struct replica_at){ handle, name }, &other);
	return both->mine != 0 && both->mine != both->theirs;
}

/*
 * Both have the same there, and nobody has looked at it: so it did not change
 * while the member was away, or it would be noted.
 */
static bool
at_rest(struct resync *r, const struct both *both)
{
	struct node *node;

	if (r->deep || both->theirs == 0 || both->mine != both->theirs)
		return false;
	if ((node = nodes_get(r->v, both->theirs)) == NULL)
		return true;
	nodes_put(r->v, node);
	return false;
}

/* Go into a directory that both have. */
static int
park_below(struct resync *r, struct node *dir, replica_handle handle, const char *name)
{
	replica_handle below;
	struct node *node;
	int rc;

	resync_lock(r);
	rc = load_name(r->v, dir, name, &node);
	resync_unlock(r);
	if (rc != 0)
		return 0;
	if (S_ISDIR(node->mode) && (rc = r->m->r->ops->dir_open(r->m->r, handle, name, &below)) == 0) {
		rc = resync_names(r, node, below, true);
		r->m->r->ops->dir_close(r->m->r, below);
	}
	nodes_put(r->v, node);
	return rc == -ENOENT || rc == -ENOTDIR ? 0 : rc;
}

/* ${done}: a flag for each name of ${source} at which there is nothing to be done. */
static int
park_all(struct resync *r, struct node *dir, replica_handle handle, const struct listing *source, const struct listing *mine, bool *done)
{
	struct both both;
	size_t i, j = 0;
	int rc = 0, order;

	for (i = 0; rc == 0 && i < mine->count && !resync_stopped(r); i++) {
		while (j < source->count && strcmp(source->names[j], mine->names[i]) < 0)
			j++;
		order = j < source->count ? strcmp(source->names[j], mine->names[i]) : 1;
		memset(&both, 0, sizeof(both));
		resync_lock(r);
		if (order != 0 || ids_differ(r, dir, handle, mine->names[i], &both))
			rc = resync_park(r, dir, handle, mine->names[i]);
		else
			done[j] = at_rest(r, &both);
		resync_unlock(r);
		if (rc == 0 && r->deep && both.is_dir && both.mine == both.theirs)
			rc = park_below(r, dir, handle, mine->names[i]);
	}
	return rc;
}

/* What a name stands for, if it is new, or in a walk. */
static int
go_into(struct resync *r, struct node *node, replica_handle handle, const char *name, bool fresh)
{
	bool deep = r->deep;
	replica_handle below;
	int rc;

	atomic_fetch_add(&r->m->resync_done, 1);
	if (S_ISREG(node->mode)) {
		rc = resync_file(r, node, handle, name, fresh);
		/* Renamed meanwhile: its directory is noted, and comes again. */
		return rc == -ESTALE ? 0 : rc;
	}
	if ((rc = r->m->r->ops->dir_open(r->m->r, handle, name, &below)) != 0)
		return rc;
	/* All that is in a new directory is new there, or is taken from where it was. */
	r->deep = true;
	rc = resync_names(r, node, below, false);
	r->deep = deep;
	r->m->r->ops->dir_close(r->m->r, below);
	return rc;
}

static int
match_all(struct resync *r, struct node *dir, replica_handle handle, const struct listing *source, const bool *done)
{
	struct node *node;
	size_t i;
	bool fresh;
	int rc = 0;

	for (i = 0; rc == 0 && i < source->count; i++) {
		if (resync_stopped(r))
			return -ECANCELED;
		if (done[i])
			continue;
		resync_lock(r);
		rc = match_name(r, dir, handle, source->names[i], &node, &fresh);
		resync_unlock(r);
		if (node != NULL) {
			if (rc == 0)
				rc = go_into(r, node, handle, source->names[i], fresh);
			nodes_put(r->v, node);
		}
	}
	return rc;
}

/*
 * The directory's own metadata and record.  If it changed since it was listed it
 * comes again; but by its record it is known then, and what is below it with it:
 * in one that never rests nothing would be found otherwise.
 */
static int
finish(struct resync *r, struct node *dir, replica_handle handle)
{
	bool marked;
	int rc = 0;

	resync_lock(r);
	pthread_rwlock_wrlock(&dir->lock);
	marked = missed_is(r->m, dir);
	if (dir->nlink > 0 && (rc = store_now(r->v, dir)) == 0) {
		if (!marked)
			missed_done(r->v, r->m, dir);
		rc = resync_inode(r, dir, (struct replica_at){ handle, NULL });
	}
	pthread_rwlock_unlock(&dir->lock);
	resync_unlock(r);
	return rc;
}

/* The names that either side has: put away, and with others put in their place. */
static int
both_matched(struct resync *r, struct node *dir, replica_handle handle, const struct listing *source, const struct listing *mine,
    bool park_only)
{
	bool *done = calloc(source->count + 1, sizeof(*done));
	int rc = -ENOMEM;

	if (done != NULL && (rc = park_all(r, dir, handle, source, mine, done)) == 0 && !park_only &&
	    (rc = match_all(r, dir, handle, source, done)) == 0)
		rc = finish(r, dir, handle);
	free(done);
	return rc;
}

int
resync_names(struct resync *r, struct node *dir, replica_handle handle, bool park_only)
{
	struct listing source = { 0 }, mine = { 0 };
	int rc;

	if ((rc = both_names(r, dir, handle, &source, &mine)) == 0)
		rc = both_matched(r, dir, handle, &source, &mine, park_only);
	listing_free(&source);
	listing_free(&mine);
	return rc > 0 ? 0 : rc;
}
