#include "check/labels.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "format/roster.h"
#include "meta/gather.h"
#include "meta/label.h"

static void
found(struct check *c, enum report_code code, const char *replica, enum report_outcome outcome, const char *detail)
{
	const struct report_finding finding = {
		.code = code, .replica = replica, .offset = REPORT_NO_OFFSET,
		.outcome = outcome, .detail = detail,
	};

	report_add(c->report, &finding);
}

static int
compare_pair(struct check *c, struct member *a, struct member *b)
{
	char detail[4200];

	if (uuid_equal(&a->label.replica, &b->label.replica) && uuid_equal(&a->label.volume, &b->label.volume)) {
		report_failed(c->report, "%s: a copy of replica %s; a copy of a replica is no second one",
		    b->r->path, a->r->path);
		return -EINVAL;
	}
	switch (label_relate(&a->label, &b->label)) {
	case LABEL_IN_SYNC:
		return 0;
	case LABEL_A_BEHIND:
		a->behind = a->stale = true;
		return 0;
	case LABEL_B_BEHIND:
		b->behind = b->stale = true;
		return 0;
	case LABEL_A_ROLLED_BACK:
		a->rolled_back = a->stale = true;
		return 0;
	case LABEL_B_ROLLED_BACK:
		b->rolled_back = b->stale = true;
		return 0;
	case LABEL_FORKED:
		snprintf(detail, sizeof(detail), "each has changes that the other never saw: look at %s and %s alone, then say which "
		    "is to be kept with mendctl resolve --keep", a->r->path, b->r->path);
		found(c, REPLICA_FORKED, b->r->path, OUTCOME_LEFT, detail);
		return -ECANCELED;
	case LABEL_STRANGERS:
		/* One was removed, the other added since: the newest list tells which. */
		if (uuid_equal(&a->label.volume, &b->label.volume))
			return 0;
		break;
	}
	report_failed(c->report, "%s: does not belong to the volume of %s; name replicas of one volume",
	    b->r->path, a->r->path);
	return -EINVAL;
}

/* The replica is none of this run's any more. */
static void
strike(struct check *c, unsigned i)
{
	struct member *m = &c->members[i];

	m->r->ops->free(m->r);
	memmove(m, m + 1, (c->count - i - 1) * sizeof(*m));
	c->count--;
	memset(&c->members[c->count], 0, sizeof(*m));
	for (unsigned k = i; k < c->count; k++)
		c->members[k].index = k;
}

/*
 * Replicas that were never in sync are never a source.  Of one that lost a
 * fork all that differs is to be kept, which the mount does.
 */
static int
judge_unfilled(struct check *c)
{
	char path[4096];
	unsigned i = 0;

	while (i < c->count) {
		struct member *m = &c->members[i];

		if (!m->labelled || !roster_unfilled(&m->label)) {
			i++;
		} else if (!roster_given_up(&m->label)) {
			m->behind = m->stale = true;
			i++;
		} else if (c->count > 1) {
			snprintf(path, sizeof(path), "%s", m->r->path);
			found(c, REPLICA_BEHIND, path, OUTCOME_LEFT, "left out: it lost when a fork was settled; "
			    "the mount brings it up to date, and keeps what it has of its own");
			strike(c, i);
		} else {
			break;
		}
	}
	for (i = 0; i < c->count && c->members[i].labelled && roster_unfilled(&c->members[i].label); i++)
		continue;
	if (i < c->count)
		return 0;
	report_failed(c->report, "%s: holds no whole copy of the volume yet; name a replica that does", c->members[0].r->path);
	return -ENODATA;
}

/* The newest label knows who is a member: those in sync take its list. */
static int
take_list(struct check *c, const struct label *newest)
{
	struct member *m;

	for (m = c->members; m < c->members + c->count; m++) {
		if (!m->labelled)
			continue;
		if (!roster_has(newest, &m->label.replica)) {
			report_failed(c->report, "%s: is no replica of the volume any more: it was removed, or its adding was broken off; leave it out",
			    m->r->path);
			return -EINVAL;
		}
		if (!m->stale)
			roster_take(&m->label, newest);
	}
	return 0;
}

int
labels_compare(struct check *c, const struct label **label)
{
	struct member *a, *b, *end;
	bool spoiled = false;
	int rc = 0, one;

	*label = NULL;
	if ((one = judge_unfilled(c)) != 0)
		return one;
	end = c->members + c->count;
	for (a = c->members; a < end; a++) {
		spoiled = spoiled || (!a->labelled && a->label_error != -ENOENT);
		for (b = a + 1; b < end; b++) {
			if (!a->labelled || !b->labelled || (a->stale && b->stale) || (one = compare_pair(c, a, b)) == 0)
				continue;
			if (one != -ECANCELED)
				return one;
			rc = one;
		}
	}
	for (a = c->members; a < end; a++) {
		if (a->labelled && !a->stale && (*label == NULL || a->label.events > (*label)->events))
			*label = &a->label;
	}
	if (rc == 0 && *label != NULL)
		rc = take_list(c, *label);
	if (rc != 0 || *label != NULL)
		return rc;
	if (!spoiled) {
		report_failed(c->report, "%s: not a replica: it has no label", c->members[0].r->path);
		return -ENOENT;
	}
	/* Without any label not even the codec is known. */
	for (a = c->members; a < end; a++)
		found(c, a->label_error == -ENOENT ? LABEL_MISSING : LABEL_SPOILED, a->r->path, OUTCOME_LEFT,
		    "give a replica of the volume whose label is whole");
	return -ECANCELED;
}

static bool
is_given(const struct check *c, const struct uuid *uuid)
{
	for (unsigned i = 0; i < c->count; i++) {
		if (c->members[i].labelled && uuid_equal(&c->members[i].label.replica, uuid))
			return true;
	}
	return false;
}

/* Does the top directory carry a record of this volume? */
static bool
has_root_record(struct check *c, struct member *m)
{
	uint8_t bytes[RECORD_SIZE_MAX];
	struct judge_fact fact;

	gather_fact(m->r, (struct replica_at){ REPLICA_ROOT, NULL }, &c->digest, bytes, &fact);
	return fact.error == 0 && fact.record_error == 0 && fact.record.id == ROOT_ID;
}

static unsigned
count_unlabelled(const struct check *c)
{
	unsigned count = 0;

	for (unsigned i = 0; i < c->count; i++)
		count += !c->members[i].labelled;
	return count;
}

/* What is left of the list of members once those that have a label are struck out. */
static unsigned
free_members(const struct check *c, const struct label *label, const struct label_member **free)
{
	unsigned count = 0;

	for (unsigned k = 0; k < label->member_count; k++) {
		if (!is_given(c, &label->members[k].uuid))
			free[count++] = &label->members[k];
	}
	return count;
}

static void
leave_out(struct check *c, unsigned i)
{
	const struct member *m = &c->members[i];

	found(c, m->label_error == -ENOENT ? LABEL_MISSING : LABEL_SPOILED, m->r->path, OUTCOME_LEFT,
	    "left out: nothing on it is known to be of this volume; -y makes it a replica again");
	strike(c, i);
}

/* What a member in sync knows, as the label of another member. */
static void
take_over(struct member *m, const struct label *label, const struct uuid *as)
{
	struct uuid uuid = *as;
	struct label_member *own;

	m->label = *label;
	m->label.replica = uuid;
	if ((own = label_member(&m->label, &uuid)) != NULL)
		own->seen = 0;
}

int
labels_assign(struct check *c, const struct label *label)
{
	const struct label_member *free[LABEL_MEMBERS_MAX] = { NULL };
	unsigned unlabelled = count_unlabelled(c), count, next = 0;
	struct label model = *label;
	enum report_code code;
	struct member *m;

	count = free_members(c, &model, free);
	if (unlabelled > count) {
		report_failed(c->report, "more replicas without a label (%u) than the volume misses (%u); leave out what is no replica",
		    unlabelled, count);
		return -EINVAL;
	}
	for (unsigned i = 0; i < c->count;) {
		m = &c->members[i];
		if (m->labelled || next >= count) {
			i++;
			continue;
		}
		/*
		 * Certain is what is the only one left, and full of this volume's
		 * files.  An empty directory may be one whose disk is not mounted.
		 */
		m->label_class = unlabelled == 1 && count == 1 && has_root_record(c, m) ? CLASS_SAFE : CLASS_FULL;
		code = m->label_error == -ENOENT ? LABEL_MISSING : LABEL_SPOILED;
		if (m->label_class == CLASS_FULL && !has_root_record(c, m) && !report_may_as(c->report, code, CLASS_FULL)) {
			leave_out(c, i);
			continue;
		}
		take_over(m, &model, &free[next++]->uuid);
		m->stale = true;
		i++;
	}
	for (; next < count; next++)
		found(c, MEMBER_MISSING, NULL, OUTCOME_NOTED, free[next]->name);
	return 0;
}

/* The uuids of members: all, or only those that are not behind. */
static unsigned
uuids(const struct check *c, bool all, struct uuid *out)
{
	unsigned count = 0;

	for (unsigned i = 0; i < c->count; i++) {
		if (all || !c->members[i].stale)
			out[count++] = c->members[i].label.replica;
	}
	return count;
}

static int
write_labels(struct check *c, bool all)
{
	struct member *m;
	int rc;

	for (m = c->members; m < c->members + c->count; m++) {
		if (!all && m->stale)
			continue;
		if ((rc = label_write(m->r, &m->label)) != 0) {
			report_failed(c->report, "%s: cannot write the label: %s", m->r->path, strerror(-rc));
			return rc;
		}
	}
	return 0;
}

/* The number of the last event that members in sync know of. */
static uint64_t
event_base(const struct check *c)
{
	const struct label *labels[MEMBERS_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < c->count; i++) {
		if (!c->members[i].stale)
			labels[count++] = &c->members[i].label;
	}
	return label_event_base(labels, count);
}

/* Those that join know what the others know of all members. */
static void
join_stale(struct check *c)
{
	struct member *m, *model = c->members;

	while (model->stale)
		model++;
	for (m = c->members; m < c->members + c->count; m++) {
		if (m->stale)
			take_over(m, &model->label, &m->label.replica);
	}
}

/* A crash may have cut off the last event on some: they take that step first. */
static int
catch_up(struct check *c, uint64_t base, const struct uuid *staying, unsigned count)
{
	struct member *m;
	int rc;

	for (m = c->members; m < c->members + c->count; m++) {
		if (m->stale || m->label.events >= base)
			continue;
		label_event_begin(&m->label, base - 1, staying, count);
		if ((rc = label_write(m->r, &m->label)) != 0) {
			report_failed(c->report, "%s: cannot write the label: %s", m->r->path, strerror(-rc));
			return rc;
		}
	}
	return 0;
}

int
labels_event(struct check *c, bool finish)
{
	struct uuid staying[MEMBERS_MAX], in_sync[MEMBERS_MAX];
	unsigned staying_count = uuids(c, false, staying);
	unsigned in_sync_count = uuids(c, finish, in_sync);
	uint64_t base = event_base(c);
	struct member *m;
	int rc;

	if ((rc = catch_up(c, base, staying, staying_count)) != 0)
		return rc;
	if (finish)
		join_stale(c);
	for (m = c->members; m < c->members + c->count; m++) {
		if (finish || !m->stale)
			label_event_begin(&m->label, base, staying, staying_count);
	}
	if ((rc = write_labels(c, finish)) != 0)
		return rc;
	for (m = c->members; m < c->members + c->count; m++) {
		if (!finish && m->stale)
			continue;
		label_event_finish(&m->label, in_sync, in_sync_count);
		m->label.next_id = atomic_load(&c->next_id) + (finish ? 0 : IDS_RESERVED);
		if (finish)
			m->label.clean = true;
	}
	return write_labels(c, finish);
}
