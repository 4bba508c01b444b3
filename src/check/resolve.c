#include "check/resolve.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "format/roster.h"
#include "meta/label.h"
#include "meta/pending.h"
#include "replica/open.h"
#include "util/log.h"

#define SIDES_MAX LABEL_MEMBERS_MAX

/* One of the replicas given. */
struct side {
	const char *path;
	struct replica *r;
	struct label label;
	struct stat st;
	bool staying;			/* it, or in sync with what is kept */
	bool loser;
	struct uuid old, new;		/* a loser's uuids */
};

struct fork {
	struct side sides[SIDES_MAX];
	unsigned count;
	struct side *kept;
};

#define for_each_side(f, s) for ((s) = (f)->sides; (s) < (f)->sides + (f)->count; (s)++)

static int
open_side(struct fork *f, const char *path)
{
	const struct replica_at top = { REPLICA_ROOT, NULL };
	char why[REPLICA_OPEN_WHY_MAX];
	const struct replica_open_options opening = { .why = why };
	struct side *s = &f->sides[f->count], *other;
	int rc;

	s->path = path;
	if ((rc = replica_open(path, &opening, &s->r)) != 0) {
		log_error("%s: %s", path, why);
		return rc;
	}
	f->count++;
	if ((rc = s->r->ops->stat(s->r, top, &s->st)) != 0) {
		log_error("%s: %s", path, strerror(-rc));
		return rc;
	}
	for (other = f->sides; other < s; other++) {
		/* On another machine the same numbers say nothing; there the lock tells. */
		if (!replica_open_local(other->path) || !replica_open_local(path) || other->st.st_dev != s->st.st_dev || other->st.st_ino != s->st.st_ino)
			continue;
		log_error("%s: given twice", path);
		return -EINVAL;
	}
	if ((rc = replica_lock_wait(s->r, true)) != 0) {
		log_error("%s: in use by a mount or a check; unmount first", path);
		return rc;
	}
	if ((rc = label_read(s->r, &s->label)) != 0) {
		log_error("%s: its label cannot be read: %s; fsck.mendfs may mend it", path, strerror(-rc));
		return rc;
	}
	if (roster_removed(&s->label)) {
		log_error("%s: was removed from its volume; leave it out", path);
		return -EINVAL;
	}
	if (s->label.write_features != 0 || s->label.read_features != 0) {
		log_error("%s: uses features of a later version of mendfs", path);
		return -EPROTONOSUPPORT;
	}
	return 0;
}

/* A path, as given or however it is written, else a name. */
static int
find_kept(struct fork *f, const char *keep)
{
	char *real = NULL, *other;
	struct side *s;
	unsigned named = 0;

	(void)replica_open_real(keep, &real);
	for_each_side(f, s) {
		other = NULL;
		if (real != NULL && replica_open_real(s->path, &other) == 0 && strcmp(real, other) == 0)
			f->kept = s;
		free(other);
	}
	free(real);
	if (f->kept != NULL)
		return 0;
	for_each_side(f, s) {
		if (strcmp(label_name(&s->label), keep) != 0)
			continue;
		f->kept = s;
		named++;
	}
	if (named == 1)
		return 0;
	log_error("%s: %s; the replicas given are:", keep, named == 0 ? "none of the replicas given has that path or name" :
	    "more than one of the replicas given has that name: give its path");
	for_each_side(f, s)
		log_error("  %s, by name %s", s->path, label_name(&s->label));
	return -EINVAL;
}

static int
judge_side(struct fork *f, struct side *s)
{
	const struct label *kept = &f->kept->label;
	enum label_relation relation;

	s->old = s->label.replica;
	roster_successor(&s->old, &s->new);
	if (!uuid_equal(&s->label.volume, &kept->volume) || uuid_equal(&s->label.replica, &kept->replica)) {
		log_error("%s: does not belong to the volume of %s; name replicas of one volume", s->path, f->kept->path);
		return -EINVAL;
	}
	relation = label_relate(kept, &s->label);
	/* It was about to be settled so before. */
	if (roster_has(kept, &s->new))
		relation = LABEL_FORKED;
	switch (relation) {
	case LABEL_FORKED:
		s->loser = true;
		return 0;
	case LABEL_IN_SYNC:
		s->staying = true;
		return 0;
	case LABEL_B_BEHIND:
	case LABEL_B_ROLLED_BACK:
		return 0;
	case LABEL_A_BEHIND:
	case LABEL_A_ROLLED_BACK:
		log_error("%s: has all that %s has, and more: there is no choice between these two; keep %s", s->path, f->kept->path, s->path);
		return -EINVAL;
	case LABEL_STRANGERS:
		break;
	}
	log_error("%s: is no member of the volume of %s any more; leave it out", s->path, f->kept->path);
	return -EINVAL;
}

static int
judge(struct fork *f)
{
	struct side *s;
	int rc;

	if (roster_unfilled(&f->kept->label)) {
		log_error("%s: holds no whole copy of the volume yet; keep another one", f->kept->path);
		return -EINVAL;
	}
	f->kept->staying = true;
	for_each_side(f, s) {
		if (s != f->kept && (rc = judge_side(f, s)) != 0)
			return rc;
	}
	return 0;
}

static int
write_side(struct side *s)
{
	int rc = label_write(s->r, &s->label);

	if (rc != 0)
		log_error("%s: cannot write the label: %s; do the same again when it can be written", s->path, strerror(-rc));
	return rc;
}

static int
write_staying(struct fork *f)
{
	struct side *s;
	int rc;

	for_each_side(f, s) {
		if (s->staying && (rc = write_side(s)) != 0)
			return rc;
	}
	return 0;
}

/* The list of those that stay has the losers' new uuids; an event of its own (doc/FORMAT.md, 4). */
static int
write_event(struct fork *f)
{
	const struct label *labels[SIDES_MAX];
	struct uuid uuids[SIDES_MAX];
	struct side *s, *loser;
	unsigned count = 0;
	uint64_t base;
	bool lagging = false;
	int rc;

	for_each_side(f, s) {
		if (!s->staying)
			continue;
		uuids[count] = s->label.replica;
		labels[count++] = &s->label;
	}
	base = label_event_base(labels, count);
	for_each_side(f, s) {
		if (!s->staying)
			continue;
		if (s->label.events < base) {
			label_event_begin(&s->label, base - 1, uuids, count);
			lagging = true;
		}
	}
	if (lagging && (rc = write_staying(f)) != 0)
		return rc;
	for_each_side(f, s) {
		if (!s->staying)
			continue;
		for_each_side(f, loser) {
			if (loser->loser)
				roster_replace(&s->label, &loser->old, &loser->new);
		}
		label_event_begin(&s->label, base, uuids, count);
	}
	if ((rc = write_staying(f)) != 0)
		return rc;
	for_each_side(f, s) {
		if (s->staying)
			label_event_finish(&s->label, uuids, count);
	}
	return write_staying(f);
}

/* Those who stay first: until a loser has its new label it is forked, as it was. */
static int
settle(struct fork *f)
{
	struct side *s, *loser;
	int rc;

	if ((rc = write_event(f)) != 0)
		return rc;
	for_each_side(f, loser) {
		if (!loser->loser)
			continue;
		for_each_side(f, s) {
			if (s->staying)
				(void)pending_remove(s->r, &loser->old);
		}
		roster_give_up(&f->kept->label, &loser->new, &loser->label);
		if ((rc = write_side(loser)) != 0)
			return rc;
		log_info("%s: loses to %s: the next mount of the volume with both brings it up to date, and puts its own versions into its quarantine",
		    loser->path, f->kept->path);
	}
	return 0;
}

static bool
any_loser(const struct fork *f)
{
	unsigned i;

	for (i = 0; i < f->count; i++) {
		if (f->sides[i].loser)
			return true;
	}
	return false;
}

int
resolve_fork(const char *const *paths, unsigned count, const char *keep)
{
	struct fork *f;
	struct side *s;
	unsigned i;
	int rc = 0;

	if (count > SIDES_MAX) {
		log_error("%u replicas: a volume has %d at most", count, SIDES_MAX);
		return -EINVAL;
	}
	if ((f = calloc(1, sizeof(*f))) == NULL)
		return -ENOMEM;
	for (i = 0; rc == 0 && i < count; i++)
		rc = open_side(f, paths[i]);
	if (rc == 0 && (rc = find_kept(f, keep)) == 0 && (rc = judge(f)) == 0) {
		if (any_loser(f))
			rc = settle(f);
		else
			log_info("%s: no replica given forked from it: there is nothing to be settled", f->kept->path);
	}
	for_each_side(f, s)
		s->r->ops->free(s->r);
	free(f);
	return rc;
}
