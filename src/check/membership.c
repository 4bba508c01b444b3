#include "check/membership.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/labels.h"
#include "format/roster.h"
#include "meta/gather.h"
#include "meta/keyfile.h"
#include "meta/label.h"
#include "meta/listing.h"
#include "meta/meta.h"
#include "replica/open.h"

static int
open_replica(struct check *c, const char *path)
{
	char why[REPLICA_OPEN_WHY_MAX];
	const struct replica_open_options opening = { .read_only = !c->repairing, .why = why };
	struct member *m = &c->members[c->count];
	int rc;

	m->meta = m->tags = REPLICA_NONE;
	if ((rc = replica_open(path, &opening, &m->r)) != 0) {
		report_failed(c->report, "%s: %s", path, why);
		return rc;
	}
	m->index = c->count++;
	return 0;
}

static int
refuse_repeated(struct check *c)
{
	const struct replica_at top = { REPLICA_ROOT, NULL };
	struct stat st[MEMBERS_MAX];
	int rc;

	for (unsigned i = 0; i < c->count; i++) {
		if ((rc = c->members[i].r->ops->stat(c->members[i].r, top, &st[i])) != 0)
			return rc;
		for (unsigned k = 0; k < i; k++) {
			/* On another machine the same numbers say nothing; there the lock tells. */
			if (!replica_open_local(c->members[i].r->path) || !replica_open_local(c->members[k].r->path) ||
			    st[i].st_dev != st[k].st_dev || st[i].st_ino != st[k].st_ino)
				continue;
			report_failed(c->report, "%s: given twice", c->members[i].r->path);
			return -EINVAL;
		}
	}
	return 0;
}

static int
lock_and_read(struct check *c, struct member *m)
{
	int rc;

	if ((rc = replica_lock_wait(m->r, c->repairing)) != 0) {
		if (rc == -EWOULDBLOCK)
			report_failed(c->report, "%s: in use by a mount or another check; unmount first", m->r->path);
		else if (rc == -ENOLCK)
			report_failed(c->report, "%s: its file system has no locks that keep others out; mount it with flock(2)", m->r->path);
		else
			report_failed(c->report, "%s: cannot be locked: %s", m->r->path, strerror(-rc));
		return rc;
	}
	m->label_error = label_read(m->r, &m->label);
	m->labelled = m->label_error == 0;
	if (m->label_error == -EPROTONOSUPPORT) {
		report_failed(c->report, "%s: made by a later version of mendfs (format %u)", m->r->path,
		    m->label.version);
		return -EPROTONOSUPPORT;
	}
	if (m->labelled && roster_removed(&m->label)) {
		report_failed(c->report, "%s: was removed from its volume; leave it out", m->r->path);
		return -EINVAL;
	}
	if (m->labelled && (m->label.write_features != 0 || (c->repairing && m->label.read_features != 0))) {
		report_failed(c->report, "%s: uses features of a later version of mendfs", m->r->path);
		return -EPROTONOSUPPORT;
	}
	return 0;
}

static int
open_meta(struct check *c, struct member *m)
{
	int rc;

	rc = meta_open(m->r, c->repairing, &m->meta);
	if (rc == 0)
		rc = meta_subdir(m->r, m->meta, "tags", c->repairing, &m->tags);
	if (rc == 0 || rc == -ENOENT)
		return 0;
	report_failed(c->report, "%s/" REPLICA_META ": %s", m->r->path, strerror(-rc));
	return rc;
}

static int
load_key(struct check *c, const struct label *label)
{
	uint8_t known[DIGEST_SIZE];
	char why[512];
	int rc;

	c->digest.codec = label->codec;
	if (label->codec != DIGEST_BLAKE2B)
		return 0;
	if (c->options->key_file == NULL) {
		report_failed(c->report, "the volume has a key (codec blake2b): name its file with --key-file");
		return -ENOKEY;
	}
	if ((rc = keyfile_read(c->options->key_file, c->digest.key, why, sizeof(why))) != 0) {
		report_failed(c->report, "%s", why);
		return rc;
	}
	digest_bytes(&c->digest, DIGEST_KEY, "", 0, known);
	if (!digest_equal(known, label->key_check)) {
		report_failed(c->report, "key file %s: not the key of this volume", c->options->key_file);
		return -EKEYREJECTED;
	}
	return 0;
}

/* The bits of an unclean volume; of a clean one, only whether they can be read. */
static int
load_intent(struct check *c)
{
	struct report_finding finding = { .code = INTENT_SPOILED, .offset = REPORT_NO_OFFSET };
	int64_t highest;
	int rc;

	if ((rc = intent_new(&c->digest, &c->intent)) != 0)
		return rc;
	for (unsigned i = 0; i < c->count; i++) {
		rc = intent_load(c->intent, c->members[i].r);
		if (rc == 0)
			continue;
		if (rc > 0)
			c->intent_spoiled[i] = true;
		else if (rc != -ENOENT)
			report_failed(c->report, "%s: cannot read the intent bitmap: %s",
			    c->members[i].r->path, strerror(-rc));
		finding.replica = c->members[i].r->path;
		if (rc > 0 && !c->repairing)
			report_add(c->report, &finding);
	}
	highest = c->unclean ? intent_highest(c->intent) : -1;
	if (highest >= 0 && ((uint64_t)highest + 1) * INTENT_REGION > c->id_limit)
		c->id_limit = ((uint64_t)highest + 1) * INTENT_REGION;
	atomic_init(&c->next_id, c->id_limit);
	if (!c->unclean) {
		intent_free(c->intent);
		c->intent = NULL;
	}
	return 0;
}

static void
note_limits(struct check *c)
{
	const struct member *m;

	for (m = c->members; m < c->members + c->count; m++) {
		if (!m->labelled || m->stale)
			continue;
		if (!m->label.clean)
			c->unclean = true;
		if (m->label.next_id > c->id_limit)
			c->id_limit = m->label.next_id;
	}
}

int
membership_open(struct check *c)
{
	const struct label *label;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < c->options->replica_count; i++)
		rc = open_replica(c, c->options->replicas[i]);
	if (rc != 0 || (rc = refuse_repeated(c)) != 0)
		return rc;
	for (unsigned i = 0; i < c->count; i++) {
		if ((rc = lock_and_read(c, &c->members[i])) != 0)
			return rc;
	}
	if ((rc = labels_compare(c, &label)) != 0 || (rc = load_key(c, label)) != 0)
		return rc;
	if ((rc = labels_assign(c, label)) != 0)
		return rc;
	for (unsigned i = 0; i < c->count; i++) {
		if ((rc = open_meta(c, &c->members[i])) != 0)
			return rc;
	}
	note_limits(c);
	return load_intent(c);
}

void
membership_close(struct check *c)
{
	struct member *m;

	for (m = c->members; m < c->members + MEMBERS_MAX; m++) {
		if (m->r == NULL)
			continue;
		listing_close(m->r, m->tags);
		listing_close(m->r, m->meta);
		m->r->ops->free(m->r);
		m->r = NULL;
	}
	intent_free(c->intent);
	c->intent = NULL;
}

int
membership_move(struct check *c)
{
	return labels_event(c, false);
}

/* All that was found is mended but what nobody can mend: may the volume be called clean? */
static bool
settled(struct check *c)
{
	struct report_sums sums;

	report_get(c->report, &sums);
	return sums.left == report_left(c->report, BLOCK_LOST) + report_left(c->report, LINK_COUNT);
}

static void
tell(struct check *c, enum report_code code, const struct member *m, enum report_outcome outcome, int error)
{
	const struct report_finding finding = {
		.code = code, .replica = m != NULL ? m->r->path : NULL,
		.offset = REPORT_NO_OFFSET, .outcome = outcome, .error = error,
	};

	report_add(c->report, &finding);
}

/* One line for each thing that a new event, and nothing else, mends. */
static void
tell_all(struct check *c, bool done, int error)
{
	enum report_outcome outcome = done ? OUTCOME_MENDED : OUTCOME_LEFT;
	const struct member *m;

	for (m = c->members; m < c->members + c->count; m++) {
		if (!m->labelled)
			tell(c, m->label_error == -ENOENT ? LABEL_MISSING : LABEL_SPOILED, m, outcome, error);
		if (m->behind || m->rolled_back)
			tell(c, m->behind ? REPLICA_BEHIND : REPLICA_ROLLED_BACK, m, outcome, error);
		if (c->intent_spoiled[m->index] && c->repairing)
			tell(c, INTENT_SPOILED, m, outcome, error);
	}
	if (c->unclean)
		tell(c, STOPPED_UNCLEANLY, NULL, outcome, error);
	if (c->next_id_low)
		tell(c, NEXT_ID_LOW, NULL, outcome, error);
}

static bool
may_finish(struct check *c)
{
	const struct member *m;
	bool may = true;

	for (m = c->members; m < c->members + c->count; m++) {
		if (!m->labelled)
			may = may && report_may_as(c->report, m->label_error == -ENOENT ? LABEL_MISSING : LABEL_SPOILED,
			    m->label_class);
		if (m->behind || m->rolled_back)
			may = may && report_may(c->report, m->behind ? REPLICA_BEHIND : REPLICA_ROLLED_BACK);
	}
	if (c->unclean)
		may = may && report_may(c->report, STOPPED_UNCLEANLY);
	if (c->next_id_low)
		may = may && report_may(c->report, NEXT_ID_LOW);
	return may;
}

static bool
anything_to_finish(struct check *c)
{
	const struct member *m;
	bool any = c->unclean || c->next_id_low || atomic_load(&c->events_begun);

	for (m = c->members; m < c->members + c->count; m++)
		any = any || m->stale || c->intent_spoiled[m->index];
	return any;
}

static int
sync_all(struct check *c)
{
	struct member *m;
	int rc = 0, one;

	for (m = c->members; m < c->members + c->count; m++) {
		if ((one = m->r->ops->sync(m->r)) != 0) {
			report_failed(c->report, "%s: cannot be made durable: %s", m->r->path, strerror(-one));
			rc = one;
		}
	}
	return rc;
}

static int
finish(struct check *c)
{
	struct member *m;
	int rc = 0;

	/* Bits first: a clean label over an old bitmap would be taken as clean anyway. */
	for (m = c->members; rc == 0 && m < c->members + c->count; m++)
		rc = intent_reset(m->r);
	return rc == 0 ? labels_event(c, true) : rc;
}

void
membership_finish(struct check *c)
{
	uint64_t highest = idset_highest(c->ids);
	bool may;
	int rc = 0;

	if (!c->unclean && highest >= c->id_limit && highest >= atomic_load(&c->next_id))
		c->next_id_low = true;
	if (atomic_load(&c->next_id) <= highest)
		atomic_store(&c->next_id, highest + 1);
	if (c->repairing && atomic_load(&c->touched) && (rc = sync_all(c)) != 0)
		return;
	if (!anything_to_finish(c))
		return;
	may = c->repairing && !atomic_load(&c->incomplete) && settled(c) && may_finish(c);
	if (may)
		rc = finish(c);
	tell_all(c, may && rc == 0, rc);
}
