#include "volume/explain.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "meta/gather.h"
#include "meta/listing.h"
#include "meta/tagfile.h"
#include "volume/explain_private.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/torn.h"

/* What is right, to hold the replicas' facts against. */
struct want {
	mode_t mode;
	uint64_t id, generation, size;
	struct timespec mtime;
	int model;			/* of what has no record: whom the others are compared with */
	bool dirty;			/* what disks have may be older, in any way but the type */
};

static bool
has_record(mode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode);
}

/* ---- what the replicas say */

/* The way to what ${path} is in; its last component is x->at's name. */
static int
split(const char *path, char **parent, const char **name)
{
	const char *slash = strrchr(path, '/');

	/* ".mendfs" is our own corner: nobody sees it. */
	if (strncmp(path, REPLICA_META, strlen(REPLICA_META)) == 0 &&
	    (path[strlen(REPLICA_META)] == '/' || path[strlen(REPLICA_META)] == '\0'))
		return -ENOENT;
	*name = slash != NULL ? slash + 1 : path;
	if (*path != '\0' && !replica_name_valid(*name))
		return -EINVAL;
	*parent = strndup(path, slash != NULL ? (size_t)(slash - path) : 0);
	return *parent == NULL ? -ENOMEM : 0;
}

/* Its target, so that links can be compared. */
static void
read_target(struct explain *x, unsigned i)
{
	char target[PATH_MAX];

	if (x->r[i]->ops->readlink(x->r[i], x->at[i], target, sizeof(target)) == 0)
		x->target[i] = strdup(target);
}

static void
gather_one(struct explain *x, unsigned i, const char *parent, const char *name)
{
	struct judge_fact *fact = &x->facts[i];
	struct replica *r = x->r[i];
	int rc;

	fact->asked = true;
	x->out->replicas[i].error = 0;
	if ((rc = listing_open_path(r, parent, &x->dir[i])) != 0) {
		x->dir[i] = REPLICA_NONE;
		fact->error = rc == -ENOTDIR ? -ENOENT : rc;
		return;
	}
	x->at[i] = (struct replica_at){ x->dir[i], *name == '\0' ? NULL : name };
	gather_fact(r, x->at[i], &x->v->digest, x->bytes[i], fact);
	if (fact->error != 0)
		return;
	if (S_ISLNK(fact->st.st_mode))
		read_target(x, i);
	if (S_ISREG(fact->st.st_mode) && (rc = r->ops->open_direct(r, x->at[i], &x->file[i])) != 0) {
		x->file[i] = REPLICA_NONE;
		x->out->replicas[i].error = rc;
	}
}

/* ---- which is right */

/* The node that is known by this path, with a reference, or NULL.  Tree lock. */
static struct node *
known_by_path(struct volume *v, const char *path)
{
	struct node *at = v->root, *below;
	char *copy, *name, *rest;

	nodes_hold(v, at);
	if ((copy = strdup(path)) == NULL) {
		nodes_put(v, at);
		return NULL;
	}
	for (name = strtok_r(copy, "/", &rest); at != NULL && name != NULL; name = strtok_r(NULL, "/", &rest)) {
		below = nodes_find(v, at, name);
		nodes_put(v, at);
		at = below;
	}
	free(copy);
	return at;
}

static bool
any_dirty(const struct explain *x)
{
	unsigned i;

	for (i = 0; x->v->was_unclean && i < x->out->count; i++) {
		if (x->facts[i].asked && x->facts[i].error == 0 && x->facts[i].record_error == 0 &&
		    intent_was_dirty(x->v->intent, x->facts[i].record.id))
			return true;
	}
	return false;
}

/* Node lock. */
static void
want_from_node(struct explain *x, const struct node *node, struct want *want)
{
	struct explanation *out = x->out;

	*want = (struct want){ .mode = node->mode, .id = node_key(node), .generation = node->generation, .size = node->size,
	    .mtime = node->mtime, .model = -1, .dirty = node->dirty || (has_record(node->mode) && node->generation == 0) };
	out->torn = torn_now(x->v, node);
	out->known = true;
	out->to_store = want->dirty;
}

/* What the mount would settle on.  False: nothing. */
static bool
want_from_verdict(struct explain *x, const struct judge_verdict *verdict, struct want *want)
{
	int which = verdict->source >= 0 ? verdict->source : verdict->torn;
	const struct judge_fact *fact;

	if (which < 0)
		return false;
	fact = &x->facts[which];
	*want = (struct want){ .mode = fact->st.st_mode, .size = (uint64_t)fact->st.st_size, .mtime = fact->st.st_mtim, .model = which };
	if (has_record(want->mode) && fact->record_error == 0) {
		want->id = fact->record.id;
		want->generation = fact->record.generation;
		want->mtime = fact->record.mtime;
		if (S_ISREG(want->mode))
			want->size = fact->record.size;
	}
	return true;
}

/* By ${node}, else by what the disks prove.  False: nobody knows what is right. */
static bool
find_want(struct explain *x, const struct node *node, struct want *want)
{
	struct judge_verdict verdict;
	bool found;

	x->out->torn = any_dirty(x);
	judge_inode(x->facts, x->out->count, x->out->torn, &verdict);
	found = want_from_verdict(x, &verdict, want);
	if (node == NULL)
		return found;
	want_from_node(x, node, want);
	if (!has_record(want->mode))
		want->model = verdict.source;
	return true;
}

bool
explain_record(struct explain *x, uint64_t generation)
{
	struct record record;
	uint8_t data[RECORD_SIZE_MAX];
	uint64_t newest = 0;
	struct member *m;
	ssize_t len;
	unsigned i;

	for (i = 0; i < x->out->count; i++) {
		if (x->file[i] == REPLICA_NONE || !member_in_sync(&x->v->members[i]))
			continue;
		len = x->r[i]->ops->xattr_get(x->r[i], (struct replica_at){ .handle = x->file[i] }, RECORD_XATTR, data, sizeof(data));
		if (len < 0 || record_decode(&x->v->digest, data, (size_t)len, &record) != 0 || record.id != x->out->id ||
		    record.kind == RECORD_DIRECTORY || (generation != 0 && record.generation != generation) || record.generation <= newest)
			continue;
		newest = record.generation;
		memcpy(x->record_bytes, data, (size_t)len);
		if (record_decode(&x->v->digest, x->record_bytes, (size_t)len, &x->record) != 0)
			newest = 0;
	}
	if (newest == 0) {
		x->record.generation = 0;
		return false;
	}
	for (i = 0; i < x->out->count && x->record.kind == RECORD_PAGED; i++) {
		m = &x->v->members[i];
		if (x->file[i] != REPLICA_NONE && x->tags[i] == REPLICA_NONE && member_in_sync(m) && m->r == x->r[i] &&
		    tagfile_open_direct(x->r[i], m->tags, x->record.id, &x->tags[i]) != 0)
			x->tags[i] = REPLICA_NONE;
	}
	return true;
}

/* ---- replica by replica */

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Links and special files: nothing but what the others have vouches for them. */
static enum explain_state
state_of_other(const struct explain *x, unsigned i, const struct want *want)
{
	const struct stat *st = &x->facts[i].st, *model;

	if (want->model < 0)
		return EXPLAIN_SOUND;
	model = &x->facts[want->model].st;
	return st->st_mode == model->st_mode && st->st_uid == model->st_uid && st->st_gid == model->st_gid &&
	    st->st_rdev == model->st_rdev && same_text(x->target[i], x->target[want->model]) ? EXPLAIN_SOUND : EXPLAIN_META;
}

static enum explain_state
state_of_record(const struct judge_fact *fact, const struct want *want)
{
	const struct record *record = &fact->record;

	/* Made a moment ago: no record was stored yet. */
	if (fact->record_error == -ENODATA)
		return want->dirty && want->generation == 0 ? EXPLAIN_SOUND : EXPLAIN_NO_RECORD;
	if (fact->record_error != 0)
		return EXPLAIN_SPOILED;
	if (record->id != want->id || (record->kind == RECORD_DIRECTORY) != S_ISDIR(fact->st.st_mode))
		return EXPLAIN_OTHER;
	if (record->generation > want->generation)
		return want->dirty ? EXPLAIN_SOUND : EXPLAIN_NEWER;
	if (record->generation < want->generation)
		return EXPLAIN_OLDER;
	if (want->dirty)
		return EXPLAIN_SOUND;
	if (!fact->meta_matches)
		return EXPLAIN_META;
	return S_ISREG(fact->st.st_mode) && (uint64_t)fact->st.st_size != want->size ? EXPLAIN_SIZE : EXPLAIN_SOUND;
}

/* ${want} NULL: nobody knows. */
static enum explain_state
state_of(const struct explain *x, unsigned i, const struct want *want)
{
	const struct judge_fact *fact = &x->facts[i];

	if (x->r[i] == NULL)
		return EXPLAIN_AWAY;
	if (fact->error != 0)
		return fact->error == -ENOENT ? EXPLAIN_MISSING : EXPLAIN_UNREADABLE;
	if (want == NULL)
		return !has_record(fact->st.st_mode) ? EXPLAIN_SOUND : fact->record_error == -ENODATA ? EXPLAIN_NO_RECORD :
		    fact->record_error != 0 ? EXPLAIN_SPOILED : EXPLAIN_META;
	if (((fact->st.st_mode ^ want->mode) & S_IFMT) != 0)
		return EXPLAIN_TYPE;
	return has_record(want->mode) ? state_of_record(fact, want) : state_of_other(x, i, want);
}

static void
describe(struct explain *x, unsigned i, const struct want *want)
{
	struct explain_replica *r = &x->out->replicas[i];
	const struct judge_fact *fact = &x->facts[i];
	const struct stat *st = &fact->st;

	r->state = state_of(x, i, want);
	if (r->state == EXPLAIN_UNREADABLE)
		r->error = fact->error;
	if (!(r->present = x->r[i] != NULL && fact->error == 0))
		return;
	r->mode = st->st_mode;
	r->uid = st->st_uid;
	r->gid = st->st_gid;
	r->size = (uint64_t)st->st_size;
	r->mtime = st->st_mtim;
	r->has_record = has_record(st->st_mode) && fact->record_error == 0;
	if (r->has_record) {
		r->id = fact->record.id;
		r->generation = fact->record.generation;
		r->seal_broken = S_ISREG(st->st_mode) && (want == NULL || !want->dirty) &&
		    (st->st_mtim.tv_sec != fact->record.mtime.tv_sec || st->st_mtim.tv_nsec != fact->record.mtime.tv_nsec);
	}
	/* Another file's bytes say nothing of this one. */
	if ((r->state == EXPLAIN_TYPE || r->state == EXPLAIN_OTHER) && x->file[i] != REPLICA_NONE) {
		x->r[i]->ops->close(x->r[i], x->file[i]);
		x->file[i] = REPLICA_NONE;
	}
}

/* Which would be read, and why. */
static void
choose_reader(struct explain *x)
{
	static const enum explain_reason reasons[] = {
		[MEMBERS_NONE] = EXPLAIN_NOBODY, [MEMBERS_ONLY] = EXPLAIN_ONLY, [MEMBERS_FIRST] = EXPLAIN_FIRST,
		[MEMBERS_TURN] = EXPLAIN_TURN, [MEMBERS_HOME] = EXPLAIN_HOME, [MEMBERS_LOAD] = EXPLAIN_LOAD,
		[MEMBERS_NEAR] = EXPLAIN_NEAR,
	};
	struct explanation *out = x->out;
	struct member *m = NULL, *open = NULL, *s;
	enum members_reason why = MEMBERS_NONE;
	struct node *node;

	if (out->id != 0)
		m = members_would_read(x->v, out->id, &why);
	out->reader = m != NULL ? (int)m->index : -1;
	out->why = reasons[why];
	/* Among those that are read from, as long as one of them is there. */
	out->in_sync = members_near(x->v) > 0 ? members_near(x->v) : members_in_sync(x->v);
	out->home = out->in_sync > 0 ? out->id % out->in_sync : 0;
	if (m == NULL || (node = nodes_get(x->v, out->id)) == NULL)
		return;
	/* One that is in use is read where it is open. */
	pthread_rwlock_rdlock(&node->lock);
	for_each_member(x->v, s) {
		if (open == NULL && node->file != NULL && node->file->handle[s->index] >= 0)
			open = s;
	}
	if (open != NULL && node->file->handle[m->index] < 0) {
		out->reader = (int)open->index;
		out->why = EXPLAIN_OPEN;
	}
	pthread_rwlock_unlock(&node->lock);
	nodes_put(x->v, node);
}

/* ---- the course of it */

static int
begin(struct explain *x)
{
	struct explanation *out = x->out;
	struct member *m;
	unsigned i;

	out->count = x->v->member_count;
	out->mends = !x->v->no_writes;
	out->source = out->reader = -1;
	for (i = 0; i < out->count; i++) {
		m = &x->v->members[i];
		x->dir[i] = x->file[i] = x->tags[i] = REPLICA_NONE;
		if (member_in_sync(m))
			x->r[i] = m->r;
		if ((out->replicas[i].path = strdup(x->r[i] != NULL ? x->r[i]->path : m->name)) == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* Close all, and forget what was found. */
static void
let_go(struct explain *x)
{
	unsigned i;

	for (i = 0; i < x->out->count; i++) {
		free(x->target[i]);
		x->target[i] = NULL;
		if (x->r[i] == NULL)
			continue;
		if (x->file[i] != REPLICA_NONE)
			x->r[i]->ops->close(x->r[i], x->file[i]);
		if (x->tags[i] != REPLICA_NONE)
			x->r[i]->ops->close(x->r[i], x->tags[i]);
		listing_close(x->r[i], x->dir[i]);
		x->dir[i] = x->file[i] = x->tags[i] = REPLICA_NONE;
	}
}

/* Does any replica have the name, or cannot say? */
static int
found_anywhere(const struct explain *x)
{
	int rc = -EIO;
	unsigned i;

	for (i = 0; i < x->out->count; i++) {
		if (!x->facts[i].asked)
			continue;
		if (x->facts[i].error != -ENOENT)
			return 0;
		rc = -ENOENT;
	}
	return rc;
}

static void
find_source(struct explanation *out, const struct want *want)
{
	unsigned i;

	for (i = 0; want != NULL && i < out->count && out->source < 0; i++) {
		if (out->replicas[i].present && (out->replicas[i].state == EXPLAIN_SOUND || out->replicas[i].state == EXPLAIN_SIZE) &&
		    (want->model < 0 || has_record(want->mode) || want->model == (int)i))
			out->source = (int)i;
	}
}

/* Ask all, and judge.  Tree lock; of a node that is known, its lock too: records do not change meanwhile. */
static bool
look_once(struct explain *x, const struct node *node, const char *parent, const char *name, struct want *want)
{
	struct explanation *out = x->out;
	bool found;
	unsigned i;

	for (i = 0; i < out->count; i++) {
		if (x->r[i] != NULL)
			gather_one(x, i, parent, name);
	}
	if (!(found = found_anywhere(x) == 0 && find_want(x, node, want)))
		want = NULL;
	for (i = 0; i < out->count; i++)
		describe(x, i, want);
	return found;
}

/* Who is right; the same again if that shows that it is known in memory.  Tree lock. */
static bool
look_at(struct explain *x, const char *path, const char *parent, const char *name, struct want *want)
{
	struct node *node = known_by_path(x->v, path);
	bool found;

	if (node == NULL) {
		found = look_once(x, NULL, parent, name, want);
		if (!found || !has_record(want->mode) || (node = nodes_get(x->v, want->id)) == NULL)
			return found;
		/* A record that speaks of another file? */
		if (((node->mode ^ want->mode) & S_IFMT) != 0) {
			nodes_put(x->v, node);
			return found;
		}
		let_go(x);
	}
	pthread_rwlock_rdlock(&node->lock);
	found = look_once(x, node, parent, name, want);
	pthread_rwlock_unlock(&node->lock);
	nodes_put(x->v, node);
	return found;
}

/* Names and records.  Tree lock: no name comes or goes meanwhile. */
static int
look(struct explain *x, const char *path, const char *parent, const char *name)
{
	struct explanation *out = x->out;
	struct want found, *want;
	int rc;

	want = look_at(x, path, parent, name, &found) ? &found : NULL;
	if ((rc = found_anywhere(x)) != 0)
		return rc;
	if (want == NULL)
		return 0;
	out->mode = want->mode;
	out->id = want->id;
	out->generation = want->generation;
	out->size = want->size;
	find_source(out, want);
	if (S_ISREG(want->mode))
		(void)explain_record(x, want->dirty ? 0 : want->generation);
	return S_ISDIR(want->mode) ? explain_names(x) : 0;
}

int
volume_explain(struct volume *v, const char *path, bool (*stopped)(void *arg), void *arg, struct explanation **out)
{
	struct explain *x = NULL;
	char *parent = NULL;
	const char *name;
	int rc;

	if ((rc = split(path, &parent, &name)) != 0)
		return rc;
	if ((x = calloc(1, sizeof(*x))) == NULL || (x->out = calloc(1, sizeof(*x->out))) == NULL) {
		free(x);
		free(parent);
		return -ENOMEM;
	}
	x->v = v;
	x->stopped = stopped;
	x->arg = arg;
	if ((rc = begin(x)) == 0) {
		pthread_rwlock_rdlock(&v->tree);
		rc = look(x, path, parent, name);
		pthread_rwlock_unlock(&v->tree);
	}
	if (rc == 0)
		choose_reader(x);
	if (rc == 0 && S_ISREG(x->out->mode))
		rc = explain_data(x);
	let_go(x);
	if (rc == 0)
		*out = x->out;
	else
		explain_free(x->out);
	free(x);
	free(parent);
	return rc;
}

void
explain_free(struct explanation *out)
{
	unsigned i;

	if (out == NULL)
		return;
	for (i = 0; i < out->count; i++)
		free(out->replicas[i].path);
	for (i = 0; i < out->name_count; i++)
		free(out->name[i].name);
	free(out);
}

bool
explain_sound(const struct explanation *out)
{
	const struct explain_replica *r;

	for (r = out->replicas; r < out->replicas + out->count; r++) {
		if (r->state != EXPLAIN_SOUND || r->error != 0 || r->seal_broken || r->bad.blocks > 0 || r->bad_pages > 0)
			return false;
	}
	return out->source >= 0 && out->names_differ == 0 && out->unproved == 0;
}
