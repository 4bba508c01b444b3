#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/copy.h"
#include "meta/gather.h"
#include "meta/listing.h"
#include "meta/quarantine.h"
#include "meta/stamp.h"
#include "util/log.h"
#include "volume/events.h"
#include "volume/files.h"
#include "volume/handles.h"
#include "volume/load.h"
#include "volume/look.h"
#include "volume/members.h"
#include "volume/moves.h"
#include "volume/nodes.h"
#include "volume/reconcile.h"
#include "volume/settle.h"
#include "volume/store.h"

/* Files with several names that were made anew after an unclean stop, and are kept in mind until the walk is through. */
#define REMADE_MAX 1024

/* All that is known while one name is settled. */
struct ask {
	struct volume *v;
	struct node *dir;		/* NULL: the top directory itself */
	const char *name;
	bool dirty;
	struct judge_fact facts[VOLUME_REPLICAS_MAX];
	struct replica_at at[VOLUME_REPLICAS_MAX];
	char *targets[VOLUME_REPLICAS_MAX];
	bool pinned[VOLUME_REPLICAS_MAX];
	uint8_t *records;		/* RECORD_SIZE_MAX bytes a member */
	struct judge_verdict verdict;
	struct torn *torn;		/* a regular file's, whose blocks are settled later; */
	struct judge_fact begun;	/* then what its node is made from */
	char path[NODES_PATH_MAX + NAME_MAX + 2];
};

static void
ask_path(struct ask *a)
{
	char dir[NODES_PATH_MAX];

	if (a->dir == NULL)
		snprintf(a->path, sizeof(a->path), "/");
	else
		snprintf(a->path, sizeof(a->path), "%s/%s",
		    a->dir == a->v->root ? "" : nodes_path(a->v, a->dir, dir, sizeof(dir)), a->name);
}

/* The directory itself may be missing on a member: have it mended first, once. */
static int
ask_place(struct ask *a, struct member *m)
{
	struct replica_at *at = &a->at[m->index];
	int rc;

	at->name = a->name;
	if (a->dir == NULL) {
		at->handle = REPLICA_ROOT;
		return 0;
	}
	rc = handles_dir(a->v, m, a->dir, &at->handle);
	if ((rc == -ENOENT || rc == -ENOTDIR) && load_mend_node(a->v, a->dir) == 0)
		rc = handles_dir(a->v, m, a->dir, &at->handle);
	a->pinned[m->index] = rc == 0;
	return rc;
}

static char *
read_target(struct member *m, struct replica_at at)
{
	char *target;

	if ((target = malloc(PATH_MAX)) == NULL)
		return NULL;
	if (m->r->ops->readlink(m->r, at, target, PATH_MAX) != 0) {
		free(target);
		return NULL;
	}
	return target;
}

static void
ask_member(struct ask *a, struct member *m)
{
	struct judge_fact *fact = &a->facts[m->index];
	int rc;

	fact->record_error = -ENODATA;
	if ((rc = ask_place(a, m)) != 0) {
		fact->asked = members_settle(a->v, m, rc, "looking up a name") <= 0;
		fact->error = rc;
		return;
	}
	gather_fact(m->r, a->at[m->index], &a->v->digest, a->records + m->index * RECORD_SIZE_MAX, fact);
	if (fact->error != 0 && !replica_error_is_own(fact->error)) {
		members_lose(a->v, m, fact->error, "looking up a name");
		fact->asked = false;
	} else if (fact->error == 0 && S_ISLNK(fact->st.st_mode)) {
		a->targets[m->index] = read_target(m, a->at[m->index]);
	}
	if (fact->error == 0 && fact->record_error == 0 && a->v->was_unclean)
		a->dirty = a->dirty || intent_was_dirty(a->v->intent, fact->record.id);
}

static int
ask_all(struct ask *a)
{
	struct member *m;

	if ((a->records = malloc((size_t)VOLUME_REPLICAS_MAX * RECORD_SIZE_MAX)) == NULL)
		return -ENOMEM;
	a->dirty = a->v->was_unclean &&
	    intent_was_dirty(a->v->intent, a->dir == NULL ? VOLUME_ROOT_ID : node_key(a->dir));
	for_each_member(a->v, m)
		ask_member(a, m);
	return 0;
}

static void
ask_free(struct ask *a)
{
	unsigned i;

	for (i = 0; i < a->v->member_count; i++) {
		if (a->pinned[i])
			handles_done(a->v, a->dir);
		free(a->targets[i]);
	}
	free(a->torn);
	free(a->records);
}

/* The verdict where it is known which file the name stands for: ${id}, of type ${type}. */
static bool
judge_by_id(struct ask *a, uint64_t id, mode_t type)
{
	struct judge_verdict *verdict = &a->verdict;
	struct judge_fact *fact;
	enum judge_state *state;
	struct member *m;

	verdict->source = verdict->torn = -1;
	verdict->unanimous = true;
	for_each_member(a->v, m) {
		state = &verdict->state[m->index];
		fact = &a->facts[m->index];
		*state = !fact->asked ? JUDGE_AWAY : fact->error != 0 ? JUDGE_MISSING :
		    (fact->st.st_mode & S_IFMT) != type ? JUDGE_TYPE :
		    fact->record_error == 0 && fact->record.id != id ? JUDGE_OTHER :
		    fact->record_error != 0 ? JUDGE_RECORD : JUDGE_GOOD;
		if (*state == JUDGE_GOOD && verdict->source < 0)
			verdict->source = (int)m->index;
		verdict->unanimous = verdict->unanimous && *state == JUDGE_GOOD;
	}
	return verdict->source >= 0;
}

static bool
has_valid_record(const struct judge_fact *fact)
{
	return fact->asked && fact->error == 0 && fact->record_error == 0;
}

/*
 * A node in memory is the truth, whatever the records on the disks say by now:
 * they may be out of date for a second.
 */
static bool
judge_by_node(struct ask *a)
{
	struct node *node = NULL;
	struct member *m;
	bool found;

	for_each_member(a->v, m) {
		if (node == NULL && has_valid_record(&a->facts[m->index]))
			node = nodes_get(a->v, a->facts[m->index].record.id);
	}
	if (node == NULL)
		return false;
	found = judge_by_id(a, node_key(node), node->mode & S_IFMT);
	nodes_put(a->v, node);
	return found;
}

/* Do members have different files there, each with a valid record? */
static bool
ids_differ(const struct ask *a)
{
	uint64_t id = 0;
	unsigned i;

	for (i = 0; i < a->v->member_count; i++) {
		if (!has_valid_record(&a->facts[i]))
			continue;
		if (id != 0 && a->facts[i].record.id != id)
			return true;
		id = a->facts[i].record.id;
	}
	return false;
}

/* Files were exchanged on some member: the one whose names match the directory's digest is right. */
static bool
judge_by_digest(struct ask *a)
{
	const struct judge_fact *fact;
	struct member *m;

	for_each_member(a->v, m) {
		fact = &a->facts[m->index];
		if (a->dir != NULL && has_valid_record(fact) && settle_prove(a->v, m, a->dir) == 0)
			return judge_by_id(a, fact->record.id, fact->st.st_mode & S_IFMT);
	}
	return false;
}

/* The name does not belong here: it goes to quarantine wherever it is. */
static int
put_aside(struct ask *a)
{
	struct member *m;

	for_each_member(a->v, m) {
		if (a->facts[m->index].error == 0 && !look_only(a->v) &&
		    quarantine_move(m->r, a->at[m->index].handle, a->name, a->path, "the directory's digest does not know it") == 0)
			log_warning("%s: added on replica %s by something else than mendfs: moved to quarantine", a->path, m->r->path);
	}
	return -ENOENT;
}

/* What carries no record is proved by the directory's digest, where members disagree or there is but one. */
static int
judge_links(struct ask *a)
{
	struct judge_verdict *verdict = &a->verdict;
	struct member *source = &a->v->members[verdict->source], *m;
	bool agree = members_in_sync(a->v) > 1;

	for_each_member(a->v, m) {
		const char *target = a->targets[m->index], *want = a->targets[verdict->source];

		if (verdict->state[m->index] == JUDGE_GOOD && S_ISLNK(a->facts[m->index].st.st_mode) &&
		    (target == NULL || want == NULL || strcmp(target, want) != 0))
			verdict->state[m->index] = JUDGE_TYPE;
		agree = agree && verdict->state[m->index] == JUDGE_GOOD;
	}
	if (agree || a->dirty || a->dir == NULL)
		return 0;
	if (a->v->member_count == 1 && a->dir->proved)
		return 0;
	for_each_member(a->v, m) {
		if (settle_prove(a->v, m, a->dir) != 0)
			continue;
		a->dir->proved = true;
		if (a->facts[m->index].error == -ENOENT)
			return put_aside(a);
		if (m != source) {
			enum judge_state was = verdict->state[m->index];

			/* The other side is right: judge again from there. */
			verdict->source = (int)m->index;
			verdict->state[source->index] = was == JUDGE_META ? JUDGE_META : JUDGE_TYPE;
			verdict->state[m->index] = JUDGE_GOOD;
		}
		verdict->unanimous = false;
		return 0;
	}
	log_error("%s: the names of its directory match their digest on no replica; run fsck.mendfs", a->path);
	return -EIO;
}

/* The member's inode of a file with several names, that was made anew under one of them. */
struct remade { struct hashmap_link by_key; struct member *m; replica_handle handle; };

static uint64_t
remade_key(const struct member *m, uint64_t id)
{
	return id * VOLUME_REPLICAS_MAX + m->index;
}

static void
remade_free(struct hashmap_link *link, void *arg)
{
	struct remade *remade = hashmap_entry(link, struct remade, by_key);

	hashmap_remove(arg, link);
	remade->m->r->ops->dir_close(remade->m->r, remade->handle);
	free(remade);
}

void
settle_forget(struct volume *v)
{
	pthread_mutex_lock(&v->settle_lock);
	hashmap_each(&v->remade, remade_free, &v->remade);
	pthread_mutex_unlock(&v->settle_lock);
}

/* Its other names are to be links to it: keep a way there, by which name comes whenever. */
static void
remade_note(struct ask *a, struct member *m, const struct judge_fact *good)
{
	const struct replica_at at = a->at[m->index];
	struct remade *remade;

	if (!a->dirty || !S_ISREG(good->st.st_mode) || good->st.st_nlink < 2 || good->record_error != 0 ||
	    a->v->remade.count >= REMADE_MAX || hashmap_find(&a->v->remade, remade_key(m, good->record.id)) != NULL ||
	    (remade = malloc(sizeof(*remade))) == NULL)
		return;
	remade->m = m;
	if (m->r->ops->pin(m->r, at.handle, at.name, &remade->handle) != 0)
		free(remade);
	else
		hashmap_insert(&a->v->remade, &remade->by_key, remade_key(m, good->record.id));
}

static bool
link_remade(struct ask *a, struct member *m, const struct judge_fact *good)
{
	struct replica_at from = { .name = NULL };
	struct hashmap_link *link;

	if (!S_ISREG(good->st.st_mode) || good->record_error != 0 ||
	    (link = hashmap_find(&a->v->remade, remade_key(m, good->record.id))) == NULL)
		return false;
	from.handle = hashmap_entry(link, struct remade, by_key)->handle;
	/* Without a name left it is none to link to. */
	return m->r->ops->link(m->r, from, a->at[m->index].handle, a->name) == 0;
}

/* Another name of the same file that the member has as well. */
static bool
link_instead(struct ask *a, struct member *m, const struct judge_fact *good)
{
	const struct link *link;
	struct replica_at from;
	struct node *node;
	bool linked = false;

	if (good->record_error != 0 || (node = nodes_get(a->v, good->record.id)) == NULL)
		return false;
	pthread_mutex_lock(&a->v->nodes_lock);
	link = node->links;
	pthread_mutex_unlock(&a->v->nodes_lock);
	if (!S_ISDIR(node->mode) && link != NULL && handles_dir(a->v, m, link->dir, &from.handle) == 0) {
		from.name = link->name;
		linked = m->r->ops->link(m->r, from, a->at[m->index].handle, a->name) == 0;
		handles_done(a->v, link->dir);
	}
	nodes_put(a->v, node);
	return linked;
}

/* A directory that is made anew: the handle that leads to the old one is of no use. */
static void
forget_handle(struct ask *a, struct member *m, const struct judge_fact *good)
{
	struct node *node;

	if (good->record_error != 0 || (node = nodes_get(a->v, good->record.id)) == NULL)
		return;
	handles_drop(a->v, m, node);
	nodes_put(a->v, node);
}

/* Is the file open for writing? (A hint: whoever opens it now waits for the name to be mended, or finds it so.) */
static bool
is_open(struct ask *a, const struct judge_fact *good)
{
	struct node *node;
	bool open = false;

	if (!S_ISREG(good->st.st_mode) || good->record_error != 0 || (node = nodes_get(a->v, good->record.id)) == NULL)
		return false;
	if (pthread_rwlock_tryrdlock(&node->lock) == 0) {
		open = node->file != NULL && files_writable(node->file);
		pthread_rwlock_unlock(&node->lock);
	}
	nodes_put(a->v, node);
	return open;
}

/* Make the name anew on ${m}. */
static int
mend_missing(struct ask *a, struct member *m, const struct copy *c, struct replica_at from)
{
	const struct judge_fact *good = &a->facts[a->verdict.source];
	struct replica_at to = a->at[m->index];
	int rc;

	if (link_instead(a, m, good) || link_remade(a, m, good))
		return 0;
	if (is_open(a, good)) {
		/* Its handle there leads to what was removed: what is written to it would be lost. */
		members_lose(a->v, m, -ESTALE, "mending a file that is open");
		return 0;
	}
	if (!S_ISDIR(good->st.st_mode) && a->torn == NULL && (rc = copy_node(c, from, to.handle, a->name)) != -EBADMSG)
		return rc;

	/* A directory's names follow as they are looked up; a file with a bad block is copied as it is. */
	if (!S_ISDIR(good->st.st_mode) && (rc = m->r->ops->unlink(m->r, to.handle, a->name, false)) != 0 && rc != -ENOENT)
		return rc;
	if ((rc = copy_make(c, from, to.handle, a->name)) != 0)
		return rc;
	if (S_ISDIR(good->st.st_mode))
		forget_handle(a, m, good);
	if (S_ISREG(good->st.st_mode) && (rc = copy_data(c, from, to, NULL)) != 0)
		return rc;
	/* A torn file's tags are made again where they are spoiled. */
	if (S_ISREG(good->st.st_mode) && good->record_error == 0 && (rc = copy_tags(c, &good->record)) != 0 &&
	    (a->torn == NULL || rc != -EBADMSG))
		return rc;
	return copy_finish(c, from, to);
}

static const char *
state_text(enum judge_state state)
{
	switch (state) {
	case JUDGE_MISSING: return "it was missing";
	case JUDGE_TYPE: return "something else stood there";
	case JUDGE_OTHER: return "another file stood there";
	case JUDGE_RECORD: return "its record was missing or damaged";
	case JUDGE_META: return "its owner, mode or attributes were changed";
	default: return "it differed";
	}
}

/* A name that was put right changed the directory's mtime there: its seal again, unless it is to be stored anyway. */
static int
seal_directory(struct ask *a, struct member *m)
{
	struct replica_times seal = { .atime.tv_nsec = UTIME_OMIT };
	const struct replica_at at = { .handle = a->at[m->index].handle };

	if (a->dir == NULL || pthread_rwlock_tryrdlock(&a->dir->lock) != 0)
		return 0;
	seal.mtime = a->dir->mtime;
	pthread_rwlock_unlock(&a->dir->lock);
	return m->r->ops->store(m->r, at, &seal, NULL, 0);
}

/* What the unclean stop cut off is completed; what is spoiled, or was exchanged, is mended. */
static void
report_mended(struct ask *a, struct member *m, enum judge_state state, const struct member *source)
{
	bool cut_off = a->dirty && a->facts[m->index].record_error != -EBADMSG &&
	    (state == JUDGE_MISSING || state == JUDGE_RECORD || state == JUDGE_META);

	if (cut_off) {
		log_info("%s: was being changed when the volume stopped; on replica %s now as on %s", a->path, m->r->path, source->r->path);
		return;
	}
	atomic_fetch_add(&m->mended, 1);
	events_emit(a->v, &(struct event){ .kind = EVENT_MENDED, .replica = m->r->path, .path = a->path,
	    .detail = state_text(state) });
	log_warning("mended %s on replica %s from replica %s: %s", a->path, m->r->path, source->r->path, state_text(state));
}

static void
mend_member(struct ask *a, struct member *m)
{
	enum judge_state state = a->verdict.state[m->index];
	struct member *source = &a->v->members[a->verdict.source];
	const struct copy c = { .digest = &a->v->digest, .src = source->r, .dst = m->r,
	    .src_tags = source->tags, .dst_tags = m->tags };
	struct replica_at from = a->at[source->index], to = a->at[m->index];
	int rc = 0;

	/* A wrong length is mended with the data, when the file is opened. */
	if (look_only(a->v) || state == JUDGE_GOOD || state == JUDGE_AWAY || state == JUDGE_SIZE || m == source)
		return;
	/* Each copy's own record is kept until its blocks are settled; the rest was made equal. */
	if (a->torn != NULL && (state == JUDGE_RECORD || state == JUDGE_META))
		return;
	if (state == JUDGE_TYPE || state == JUDGE_OTHER)
		rc = quarantine_move(m->r, to.handle, a->name, a->path, state_text(state));
	if (rc == 0 && (state == JUDGE_TYPE || state == JUDGE_OTHER || state == JUDGE_MISSING))
		rc = mend_missing(a, m, &c, from);
	else if (rc == 0 && state == JUDGE_META)
		rc = copy_meta(&c, from, to);
	if (rc == 0 && (state == JUDGE_META || state == JUDGE_RECORD))
		rc = copy_finish(&c, from, to);

	if (rc == 0)
		rc = seal_directory(a, m);
	if (rc == 0) {
		if (state == JUDGE_TYPE || state == JUDGE_OTHER || state == JUDGE_MISSING)
			remade_note(a, m, &a->facts[a->verdict.source]);
		report_mended(a, m, state, source);
	} else if (members_settle(a->v, m, rc, "mending a name") < 0) {
		log_warning("%s: %s on replica %s, and it cannot be mended now: %s", a->path, state_text(state),
		    m->r->path, strerror(-rc));
	}
}

/* A node in memory is what all members have: whatever was torn of it is settled, or about to be. */
static bool
is_known(struct ask *a, uint64_t id)
{
	struct node *node = nodes_get(a->v, id);

	if (node != NULL)
		nodes_put(a->v, node);
	return node != NULL;
}

/* The times of links and special files, which nothing proves: those of the source. */
static void
equalise_times(struct ask *a, struct member *m)
{
	const struct stat *want = &a->facts[a->verdict.source].st, *st = &a->facts[m->index].st;
	const struct replica_times times = { .atime.tv_nsec = UTIME_OMIT, .mtime = want->st_mtim };

	if (look_only(a->v) || a->verdict.state[m->index] != JUDGE_GOOD ||
	    (want->st_mtim.tv_sec == st->st_mtim.tv_sec && want->st_mtim.tv_nsec == st->st_mtim.tv_nsec))
		return;
	members_settle(a->v, m, m->r->ops->store(m->r, a->at[m->index], &times, NULL, 0), "reconciling times");
}

/* What our own crash may have torn: regular files block by block, directories by their names. */
static int
reconcile(struct ask *a, bool *again)
{
	struct reconcile_copy copies[VOLUME_REPLICAS_MAX];
	int chosen = a->verdict.source >= 0 ? a->verdict.source : a->verdict.torn;
	const struct judge_fact *right = &a->facts[chosen];
	mode_t type = right->st.st_mode & S_IFMT;
	unsigned count = 0, source = 0;
	bool recorded = false;
	struct member *m;
	int rc;

	for_each_member(a->v, m) {
		struct judge_fact *fact = &a->facts[m->index];

		if (!fact->asked || fact->error != 0 || (fact->st.st_mode & S_IFMT) != type)
			continue;
		if (right->record_error == 0 && fact->record_error == 0 && fact->record.id != right->record.id)
			continue;
		recorded = recorded || fact->record_error == 0;
		if ((int)m->index == chosen)
			source = count;
		copies[count++] = (struct reconcile_copy){ m, a->at[m->index], fact };
	}
	*again = false;
	if (right->record_error == 0 && is_known(a, right->record.id))
		return 0;
	if (type == S_IFREG && recorded)
		return reconcile_begin(a->v, copies, count, source, a->path, &a->begun, &a->torn);
	if (a->v->no_writes)
		return 0;
	if (type == S_IFREG) {
		rc = reconcile_file(a->v, copies, count, source, a->path);
		*again = rc == 0;
		return rc;
	}
	if (type == S_IFDIR && a->verdict.source < 0) {
		rc = reconcile_bare_directory(a->v, &copies[source]);
		*again = rc == 0;
		return rc;
	}
	return 0;
}

/* Nobody has the name, or nobody can be asked. */
static bool
nowhere(const struct ask *a)
{
	unsigned i;

	for (i = 0; i < a->v->member_count; i++) {
		if (a->facts[i].asked && a->facts[i].error != -ENOENT)
			return false;
	}
	return true;
}

/* Do members differ in what stands there, and is it known well enough to be found elsewhere? */
static bool
may_be_moved(const struct ask *a)
{
	const struct judge_fact *first = NULL, *fact;
	bool differ = false, known = false, recorded = false, unrecorded = false;
	const struct member *m;

	for_each_member(a->v, m) {
		fact = &a->facts[m->index];
		if (!fact->asked)
			continue;
		if (first == NULL)
			first = fact;
		differ = differ || (fact->error == 0) != (first->error == 0);
		if (fact->error != 0)
			continue;
		recorded = recorded || fact->record_error == 0;
		unrecorded = unrecorded || (S_ISREG(fact->st.st_mode) && fact->record_error != 0);
		known = known || fact->record_error == 0 || (!S_ISREG(fact->st.st_mode) && !S_ISDIR(fact->st.st_mode));
		/* A link that was cut off shows in the count. */
		differ = differ || (first->error == 0 && !S_ISDIR(fact->st.st_mode) && fact->st.st_nlink != first->st.st_nlink);
		differ = differ || (first->error == 0 && ((fact->st.st_mode & S_IFMT) != (first->st.st_mode & S_IFMT) ||
		    (a->targets[m->index] != NULL && a->targets[first - a->facts] != NULL &&
		    strcmp(a->targets[m->index], a->targets[first - a->facts]) != 0)));
	}
	/* One without a record may be another file, made a moment ago. */
	return known && (differ || ids_differ(a) || (recorded && unrecorded));
}

/* After an unclean stop: the file that the lowest member has, as for renamings. */
static void
judge_by_lowest(struct ask *a)
{
	const struct member *m;

	for_each_member(a->v, m) {
		const struct judge_fact *fact = &a->facts[m->index];

		if (has_valid_record(fact) && judge_by_id(a, fact->record.id, fact->st.st_mode & S_IFMT))
			return;
	}
}

/* Links and special files have no record to miss. */
static bool
may_be_torn(const struct ask *a)
{
	mode_t mode = a->facts[a->verdict.torn].st.st_mode;

	return a->dirty || (!S_ISREG(mode) && !S_ISDIR(mode));
}

static int
decide(struct ask *a, bool *again)
{
	int rc;

	*again = false;
	if (nowhere(a))
		return members_in_sync(a->v) > 0 ? -ENOENT : -EIO;
	if (a->dirty && !a->v->moves_complete && !a->v->no_writes && may_be_moved(a)) {
		moves_complete(a->v);
		*again = true;
		return 0;
	}
	if (ids_differ(a) && a->dirty) {
		judge_by_lowest(a);
	} else if (ids_differ(a)) {
		if (judge_by_digest(a))
			return 0;
		log_error("%s: another file on each replica, and the names of its directory match their digest on none; "
		    "run fsck.mendfs", a->path);
		return -EIO;
	} else if (judge_by_node(a)) {
		return 0;
	} else {
		judge_inode(a->facts, a->v->member_count, a->dirty, &a->verdict);
	}
	/* Torn is what our own crash leaves, nothing else: a file put there by hand is fsck's to take in. */
	if (a->verdict.source < 0 && (a->verdict.torn < 0 || !may_be_torn(a))) {
		log_error("%s: no replica can prove it: the record is missing, damaged, or does not match what is found; "
		    "run fsck.mendfs to see and settle it", a->path);
		return -EIO;
	}
	if (a->dirty && (rc = reconcile(a, again)) != 0)
		return rc;
	if (*again)
		return 0;
	if (a->verdict.source < 0)
		a->verdict.source = a->verdict.torn;
	return S_ISREG(a->facts[a->verdict.source].st.st_mode) || S_ISDIR(a->facts[a->verdict.source].st.st_mode) ?
	    0 : judge_links(a);
}

static int
settle_once(struct ask *a, struct settled *result, bool *again)
{
	struct member *m;
	int rc;

	if ((rc = ask_all(a)) != 0 || (rc = decide(a, again)) != 0 || *again)
		return rc;
	for_each_member(a->v, m)
		mend_member(a, m);
	for_each_member(a->v, m) {
		if (a->dirty && !S_ISREG(a->facts[a->verdict.source].st.st_mode) && !S_ISDIR(a->facts[a->verdict.source].st.st_mode))
			equalise_times(a, m);
	}

	result->source = &a->v->members[a->verdict.source];
	result->fact = a->facts[a->verdict.source];
	memcpy(result->record, a->records + result->source->index * RECORD_SIZE_MAX, RECORD_SIZE_MAX);
	if (a->torn != NULL)
		result->fact = a->begun;
	result->torn = a->torn;
	a->torn = NULL;
	result->fact.record.tags = NULL;
	result->dirty = a->dirty;
	result->target = a->targets[result->source->index];
	a->targets[result->source->index] = NULL;
	if (S_ISLNK(result->fact.st.st_mode) && result->target == NULL)
		return -EIO;
	return 0;
}

int
settle_name(struct volume *v, struct node *dir, const char *name, struct settled *result)
{
	struct ask *a;
	bool again = true;
	int rc = -EIO, tries;

	memset(result, 0, sizeof(*result));

	/* It may be made where it is missing, and others moved away from where they do not belong. */
	load_absent_forget(v);
	/* What was reconciled is asked once more: by then it must be proved. */
	pthread_mutex_lock(&v->settle_lock);
	for (tries = 0; again && tries < 4; tries++) {
		if ((a = calloc(1, sizeof(*a))) == NULL) {
			rc = -ENOMEM;
			break;
		}
		a->v = v;
		a->dir = dir;
		a->name = name;
		ask_path(a);
		rc = settle_once(a, result, &again);
		ask_free(a);
		free(a);
		if (rc != 0)
			break;
	}
	pthread_mutex_unlock(&v->settle_lock);
	return rc == 0 && again ? -EIO : rc;
}

void
settle_free(struct settled *result)
{
	free(result->torn);
	result->torn = NULL;
	free(result->target);
	result->target = NULL;
}

/* The digest of one name as ${m} has it, the id being the node's where there is one. */
static int
entry_digest(struct volume *v, struct member *m, struct node *dir, replica_handle handle, const char *name, uint8_t *out)
{
	const struct replica_at at = { handle, name };
	uint8_t record[RECORD_SIZE_MAX];
	struct judge_fact fact;
	struct node *node;
	uint64_t id = 0;

	gather_fact(m->r, at, &v->digest, record, &fact);
	if (fact.error != 0)
		return fact.error;
	if ((node = nodes_find(v, dir, name)) != NULL) {
		id = node_key(node);
		nodes_put(v, node);
	} else if (fact.record_error == 0) {
		id = fact.record.id;
	}
	return stamp_name(m->r, handle, name, &fact.st, id, &v->digest, out);
}

int
settle_prove(struct volume *v, struct member *m, struct node *dir)
{
	uint8_t sum[DIGEST_SIZE] = { 0 }, one[DIGEST_SIZE];
	struct listing listing = { 0 };
	replica_handle handle;
	size_t i;
	int rc;

	if ((rc = handles_dir(v, m, dir, &handle)) != 0)
		return rc;
	rc = listing_read(m->r, handle, &listing);
	for (i = 0; rc == 0 && i < listing.count; i++) {
		if ((rc = entry_digest(v, m, dir, handle, listing.names[i], one)) == 0)
			digest_xor(sum, one);
	}
	listing_free(&listing);
	handles_done(v, dir);
	return rc != 0 ? rc : digest_equal(sum, dir->names) ? 0 : -EBADMSG;
}

int
settle_digest(struct volume *v, struct node *node)
{
	uint8_t sum[DIGEST_SIZE] = { 0 }, one[DIGEST_SIZE];
	struct listing listing = { 0 };
	replica_handle handle;
	struct member *m;
	size_t i;
	int rc;

	if ((m = members_for_read(v, node_key(node))) == NULL)
		return -EIO;
	if ((rc = handles_dir(v, m, node, &handle)) != 0)
		return rc;
	rc = listing_read(m->r, handle, &listing);
	for (i = 0; rc == 0 && i < listing.count; i++) {
		if ((rc = entry_digest(v, m, node, handle, listing.names[i], one)) == 0)
			digest_xor(sum, one);
	}
	listing_free(&listing);
	handles_done(v, node);
	if (rc != 0)
		return rc;
	pthread_rwlock_wrlock(&node->lock);
	memcpy(node->names, sum, DIGEST_SIZE);
	node->names_stale = false;
	store_later(v, node);
	pthread_rwlock_unlock(&node->lock);
	return 0;
}
