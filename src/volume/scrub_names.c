/* Names, and what they stand for, on all members. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/copy.h"
#include "meta/gather.h"
#include "util/log.h"
#include "volume/events.h"
#include "volume/files.h"
#include "volume/handles.h"
#include "volume/load.h"
#include "volume/look.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/patrol.h"
#include "volume/records.h"
#include "volume/scrub_private.h"
#include "volume/settle.h"
#include "volume/store.h"
#include "volume/torn.h"

/* What all members say about one name. */
struct scrub_look {
	struct node *dir;		/* NULL: the top directory itself */
	const char *name;
	struct node *node;
	struct replica_at at[VOLUME_REPLICAS_MAX];
	bool pinned[VOLUME_REPLICAS_MAX];
	struct judge_fact facts[VOLUME_REPLICAS_MAX];
	uint8_t record[VOLUME_REPLICAS_MAX][RECORD_SIZE_MAX];
	uint32_t found[VOLUME_REPLICAS_MAX];
	int error[VOLUME_REPLICAS_MAX];
	bool unsure;			/* nothing tells whether the name is to be there */
	/* Whose names match the digest that the directory had: */
	uint64_t proved_dir;
	uint8_t proved_names[DIGEST_SIZE];
	uint32_t proved;
};

int
scrub_names_init(struct scrub_run *run)
{
	return (run->look = calloc(1, sizeof(*run->look))) == NULL ? -ENOMEM : 0;
}

void
scrub_names_free(struct scrub_run *run)
{
	free(run->look);
}

/* Where it is on a member; the directory may be missing there. */
static int
place(struct scrub_run *run, struct member *m)
{
	struct scrub_look *k = run->look;
	int rc;

	k->at[m->index] = (struct replica_at){ REPLICA_ROOT, k->name };
	if (k->dir == NULL)
		return 0;
	rc = handles_dir(run->v, m, k->dir, &k->at[m->index].handle);
	k->pinned[m->index] = rc == 0;
	return rc == -ENOTDIR ? -ENOENT : rc;
}

static void
ask(struct scrub_run *run)
{
	struct scrub_look *k = run->look;
	struct judge_fact *fact;
	struct member *m;
	int rc;

	memset(k->facts, 0, sizeof(k->facts));
	memset(k->pinned, 0, sizeof(k->pinned));
	for_each_member(run->v, m) {
		fact = &k->facts[m->index];
		if ((rc = place(run, m)) == 0)
			gather_fact(m->r, k->at[m->index], &run->v->digest, k->record[m->index], fact);
		else
			fact->error = rc;
		/* One that fails is lost, and no longer ours to look at. */
		fact->asked = fact->error == 0 || members_settle(run->v, m, fact->error, "scrubbing") <= 0;
	}
}

static void
ask_done(struct scrub_run *run)
{
	unsigned i;

	for (i = 0; i < run->v->member_count; i++) {
		if (run->look->pinned[i])
			handles_done(run->v, run->look->dir);
		run->look->pinned[i] = false;
	}
}

/* What stands there carries no record: does it look as the node does? */
static uint32_t
compare_special(struct scrub_run *run, struct member *m)
{
	struct scrub_look *k = run->look;
	const struct stat *st = &k->facts[m->index].st;
	const struct node *node = k->node;
	char target[PATH_MAX];

	if (S_ISLNK(node->mode) && (m->r->ops->readlink(m->r, k->at[m->index], target, sizeof(target)) != 0 ||
	    strcmp(target, node->target) != 0))
		return SCRUB_BIT(SCRUB_NAME_CHANGED);
	if ((S_ISCHR(node->mode) || S_ISBLK(node->mode)) && st->st_rdev != node->rdev)
		return SCRUB_BIT(SCRUB_NAME_CHANGED);
	if (st->st_uid != node->uid || st->st_gid != node->gid ||
	    (!S_ISLNK(node->mode) && st->st_mode != node->mode))
		return SCRUB_BIT(SCRUB_META_DIFFERS);
	return 0;
}

/* The node is clean: what it says is what each member should. */
static uint32_t
compare_recorded(const struct node *node, const struct judge_fact *fact)
{
	uint32_t found = 0;

	if (fact->record_error != 0)
		return SCRUB_BIT(fact->record_error == -ENODATA ? SCRUB_RECORD_MISSING : SCRUB_RECORD_SPOILED);
	if (fact->record.generation != node->generation)
		return SCRUB_BIT(SCRUB_RECORD_DIFFERS);
	if (!fact->meta_matches)
		found |= SCRUB_BIT(SCRUB_META_CHANGED);
	if (S_ISREG(node->mode) && (uint64_t)fact->st.st_size != node->size)
		found |= SCRUB_BIT(SCRUB_SIZE_WRONG);
	if (fact->st.st_mtim.tv_sec != node->mtime.tv_sec || fact->st.st_mtim.tv_nsec != node->mtime.tv_nsec)
		found |= SCRUB_BIT(SCRUB_MTIME_CHANGED);
	return found;
}

static uint32_t
compare(struct scrub_run *run, struct member *m)
{
	struct scrub_look *k = run->look;
	const struct judge_fact *fact = &k->facts[m->index];
	const struct node *node = k->node;

	if (!fact->asked)
		return 0;
	if (fact->error != 0)
		return SCRUB_BIT(fact->error == -ENOENT ? SCRUB_NAME_MISSING : SCRUB_INODE_UNREADABLE);
	if ((fact->st.st_mode & S_IFMT) != (node->mode & S_IFMT))
		return SCRUB_BIT(SCRUB_NAME_CHANGED);
	if (!node_has_record(node))
		return compare_special(run, m);
	if (fact->record_error == 0 && fact->record.id != node_key(node))
		return SCRUB_BIT(SCRUB_NAME_CHANGED);
	/* What could not be stored just now is not to be expected on a disk. */
	return node->dirty ? 0 : compare_recorded(node, fact);
}

/* The node's lock, with its record stored; shared, unless that had to be done. */
static void
lock_stored(struct volume *v, struct node *node)
{
	pthread_rwlock_rdlock(&node->lock);
	if (!node->dirty)
		return;
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_wrlock(&node->lock);
	(void)store_now(v, node);
}

/* Ask all members, and compare; true: something is wrong on some.  Tree lock. */
static bool
look(struct scrub_run *run)
{
	struct scrub_look *k = run->look;
	struct member *m;
	bool wrong = false;

	memset(k->found, 0, sizeof(k->found));
	lock_stored(run->v, k->node);
	/* What has no name any more, or is not settled after a crash, is others' business. */
	if ((k->node->nlink > 0 || k->dir == NULL) && !torn_now(run->v, k->node)) {
		ask(run);
		for_each_member(run->v, m) {
			k->found[m->index] = compare(run, m);
			k->error[m->index] = k->found[m->index] == SCRUB_BIT(SCRUB_INODE_UNREADABLE) ? k->facts[m->index].error : 0;
			wrong = wrong || k->found[m->index] != 0;
		}
		ask_done(run);
	}
	pthread_rwlock_unlock(&k->node->lock);
	return wrong;
}

/* Whose names match the directory's digest?  Tree lock. */
static uint32_t
names_proved(struct scrub_run *run, struct node *dir)
{
	struct scrub_look *k = run->look;
	struct member *m;

	if (k->proved_dir == node_key(dir) && digest_equal(k->proved_names, dir->names))
		return k->proved;
	k->proved_dir = node_key(dir);
	memcpy(k->proved_names, dir->names, DIGEST_SIZE);
	k->proved = 0;
	for_each_member(run->v, m) {
		if (settle_prove(run->v, m, dir) == 0)
			k->proved |= UINT32_C(1) << m->index;
	}
	return k->proved;
}

/*
 * Some members have the name, others have not, or something else.  Where those
 * whose names are proved have no such name, it does not belong.  That is not
 * mended while the volume is in use, nor what is missing where it may be that
 * the name was added elsewhere.
 */
static void
judge_presence(struct scrub_run *run)
{
	const uint32_t elsewhere = SCRUB_BIT(SCRUB_NAME_MISSING) | SCRUB_BIT(SCRUB_NAME_CHANGED);
	struct scrub_look *k = run->look;
	bool differ = false, belongs = false;
	struct member *m;
	uint32_t proved;

	for_each_member(run->v, m)
		differ = differ || (k->found[m->index] & elsewhere) != 0;
	k->unsure = false;
	if (!differ || k->dir == NULL)
		return;
	proved = names_proved(run, k->dir);
	k->unsure = proved == 0;
	for_each_member(run->v, m)
		belongs = belongs || ((proved >> m->index & 1) != 0 && (k->found[m->index] & elsewhere) == 0);
	if (belongs || proved == 0)
		return;
	for_each_member(run->v, m) {
		if (k->facts[m->index].asked)
			k->found[m->index] = (k->found[m->index] & elsewhere) != 0 ? 0 : SCRUB_BIT(SCRUB_NAME_ADDED);
	}
}

static bool
found_any(const struct scrub_run *run, uint32_t codes)
{
	unsigned i;

	for (i = 0; i < run->v->member_count; i++) {
		if ((run->look->found[i] & codes) != 0)
			return true;
	}
	return false;
}

/* Owner, mode and attributes as on a member whose record vouches for them.  Tree lock, node lock exclusively. */
static void
mend_meta(struct scrub_run *run)
{
	struct scrub_look *k = run->look;
	struct volume *v = run->v;
	struct member *m, *good = NULL;
	int rc;

	ask(run);
	for_each_member(v, m) {
		if (good == NULL && k->facts[m->index].asked && (compare(run, m) & ~SCRUB_BIT(SCRUB_MTIME_CHANGED)) == 0)
			good = m;
	}
	for_each_member(v, m) {
		const struct copy c = { .digest = &v->digest, .src = good == NULL ? NULL : good->r, .dst = m->r };

		if (good == NULL || (compare(run, m) & SCRUB_BIT(SCRUB_META_CHANGED)) == 0)
			continue;
		rc = copy_meta(&c, k->at[good->index], k->at[m->index]);
		if (rc == 0) {
			atomic_fetch_add(&m->mended, 1);
			events_emit(v, &(struct event){ .kind = EVENT_MENDED, .replica = m->r->path, .path = run->path, .detail = "owner, mode or attributes" });
			log_warning("mended /%s on replica %s from replica %s: its owner, mode or attributes were changed",
			    run->path, m->r->path, good->r->path);
		}
		if (members_settle(v, m, rc, "mending attributes") < 0)
			k->error[m->index] = rc;
	}
	ask_done(run);
}

/* A directory's seal.  Tree lock, node lock exclusively. */
static void
mend_seal(struct scrub_run *run)
{
	const struct replica_times seal = { .atime.tv_nsec = UTIME_OMIT, .mtime = run->look->node->mtime };
	struct scrub_look *k = run->look;
	struct member *m;

	for_each_member(run->v, m) {
		if ((k->found[m->index] & SCRUB_BIT(SCRUB_MTIME_CHANGED)) != 0 && place(run, m) == 0)
			members_settle(run->v, m, m->r->ops->store(m->r, k->at[m->index], &seal, NULL, 0), "sealing a directory");
	}
	ask_done(run);
}

/* The lengths of a file's copies.  Tree lock, node lock exclusively. */
static void
mend_lengths(struct scrub_run *run)
{
	struct node *node = run->look->node;

	if (files_attach(run->v, node) == 0 && files_open_all(run->v, node, false) == 0)
		files_mend_lengths(run->v, node);
}

/* Tree lock. */
static void
mend(struct scrub_run *run)
{
	const uint32_t records = SCRUB_BIT(SCRUB_RECORD_MISSING) | SCRUB_BIT(SCRUB_RECORD_SPOILED) | SCRUB_BIT(SCRUB_RECORD_DIFFERS);
	struct scrub_look *k = run->look;
	struct volume *v = run->v;

	look_end();
	if (found_any(run, SCRUB_BIT(SCRUB_NAME_MISSING) | SCRUB_BIT(SCRUB_NAME_CHANGED)))
		(void)load_mend(v, k->dir, k->name);
	pthread_rwlock_wrlock(&k->node->lock);
	if (!k->node->dirty && (k->node->nlink > 0 || k->dir == NULL)) {
		if (found_any(run, records))
			records_prove(v, k->node);
		if (found_any(run, SCRUB_BIT(SCRUB_META_CHANGED)))
			mend_meta(run);
		if (found_any(run, SCRUB_BIT(SCRUB_SIZE_WRONG)))
			mend_lengths(run);
		if (S_ISDIR(k->node->mode) && found_any(run, SCRUB_BIT(SCRUB_MTIME_CHANGED)))
			mend_seal(run);
	}
	pthread_rwlock_unlock(&k->node->lock);
	look_begin();
}

/* Report what was found before, and whether it is found no more. */
static void
report_found(struct scrub_run *run, const uint32_t *before, const uint32_t *after, bool mended)
{
	struct scrub_look *k = run->look;
	unsigned code;
	struct member *m;

	for_each_member(run->v, m) {
		for (code = 0; code < SCRUB_CODES; code++) {
			const struct scrub_finding f = { .code = (enum scrub_code)code, .path = run->path, .replica = m->r->path,
			    .offset = SCRUB_NO_OFFSET, .error = k->error[m->index],
			    .mended = mended && (after[m->index] & SCRUB_BIT(code)) == 0 };

			if ((before[m->index] & SCRUB_BIT(code)) != 0)
				scrub_report(run, &f);
		}
	}
}

/* A copy of a file that was written to from outside is sealed again when its data is proved. */
static void
take_unsealed(struct scrub_run *run, bool *unsealed)
{
	struct scrub_look *k = run->look;
	unsigned i;

	memset(unsealed, 0, VOLUME_REPLICAS_MAX * sizeof(*unsealed));
	if (!S_ISREG(k->node->mode))
		return;
	for (i = 0; i < run->v->member_count; i++) {
		unsealed[i] = (k->found[i] & SCRUB_BIT(SCRUB_MTIME_CHANGED)) != 0;
		k->found[i] &= ~SCRUB_BIT(SCRUB_MTIME_CHANGED);
	}
}

/* The name was looked up.  False: it may be that it does not belong.  Tree lock. */
static bool
look_and_mend(struct scrub_run *run, bool *unsealed)
{
	uint32_t before[VOLUME_REPLICAS_MAX];
	struct scrub_look *k = run->look;
	bool belongs, mending;

	if (!look(run)) {
		memset(unsealed, 0, VOLUME_REPLICAS_MAX * sizeof(*unsealed));
		return true;
	}
	judge_presence(run);
	take_unsealed(run, unsealed);
	memcpy(before, k->found, sizeof(before));
	belongs = !k->unsure && !found_any(run, SCRUB_BIT(SCRUB_NAME_ADDED));
	mending = run->options->mend && !run->v->no_writes && belongs;
	if (mending) {
		mend(run);
		(void)look(run);
	}
	report_found(run, before, k->found, mending);
	return belongs;
}

/* No member can prove what stands there: one finding, about all. */
static void
report_unproved(struct scrub_run *run)
{
	struct scrub_look *k = run->look;
	struct scrub_finding f = { .code = SCRUB_RECORD_UNPROVED, .path = run->path, .offset = SCRUB_NO_OFFSET };
	const struct judge_fact *fact;
	uint64_t id = 0;
	bool any = false;
	struct member *m;

	ask(run);
	for_each_member(run->v, m) {
		fact = &k->facts[m->index];
		if (!fact->asked || fact->error != 0)
			continue;
		any = true;
		if (fact->record_error != 0)
			continue;
		f.code = id != 0 && fact->record.id != id ? SCRUB_NAME_CHANGED :
		    f.code == SCRUB_NAME_CHANGED ? f.code : SCRUB_META_UNPROVED;
		id = fact->record.id;
	}
	ask_done(run);
	if (any)
		scrub_report(run, &f);
}

/* A name that may not belong, and that nobody had asked for before us, is no way to the file. */
static void
forget_name(struct scrub_run *run)
{
	struct scrub_look *k = run->look;

	pthread_rwlock_wrlock(&run->v->tree);
	nodes_unlink(run->v, k->node, k->dir, k->name);
	pthread_rwlock_unlock(&run->v->tree);
}

static bool
is_known(struct volume *v, const struct node *dir, const char *name)
{
	struct node *node = nodes_find(v, dir, name);

	if (node != NULL)
		nodes_put(v, node);
	return node != NULL;
}

int
scrub_name(struct scrub_run *run, struct node *dir, const char *name, struct node **out, bool *unsealed)
{
	struct scrub_look *k = run->look;
	struct volume *v = run->v;
	bool known = true, belongs = true;
	int rc = 0;

	*out = NULL;
	k->dir = dir;
	k->name = name;
	k->node = NULL;
	pthread_rwlock_rdlock(&v->tree);
	if (dir == NULL) {
		k->node = v->root;
		nodes_hold(v, v->root);
	} else if (dir->nlink == 0) {
		rc = -ENOENT;
	} else {
		known = is_known(v, dir, name);
		rc = load_name(v, dir, name, &k->node);
	}
	if (rc == 0)
		belongs = look_and_mend(run, unsealed);
	else if (rc == -EIO && members_in_sync(v) > 0)
		report_unproved(run);
	pthread_rwlock_unlock(&v->tree);
	if (!known && !belongs)
		forget_name(run);
	if (rc == 0 && !belongs) {
		nodes_put(v, k->node);
		return -ENOENT;
	}
	*out = k->node;
	return rc;
}

void
scrub_names_add(struct scrub_run *run, const struct node *node, const char *name, uint8_t *sum)
{
	uint8_t one[DIGEST_SIZE];

	record_name(&run->v->digest, name, node->mode, node_has_record(node) ? node_key(node) : 0, node->target, node->rdev, one);
	digest_xor(sum, one);
}

/*
 * Names that came and went while they were gone through do not add up, and
 * neither do some that were reported already: then they are digested in one go.
 */
void
scrub_names_digest(struct scrub_run *run, struct node *dir, const uint8_t *sum)
{
	const struct scrub_finding f = { .code = SCRUB_NAMES_UNPROVED, .path = run->path, .offset = SCRUB_NO_OFFSET };
	struct volume *v = run->v;

	pthread_rwlock_rdlock(&v->tree);
	run->look->proved_dir = 0;
	if (dir->nlink > 0 && !dir->names_stale && !digest_equal(sum, dir->names) &&
	    names_proved(run, dir) == 0 && members_in_sync(v) > 0)
		scrub_report(run, &f);
	pthread_rwlock_unlock(&v->tree);
}
