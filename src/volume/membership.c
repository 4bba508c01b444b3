#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "format/roster.h"
#include "util/log.h"
#include "volume/mount.h"

/* No label, or a spoiled one, where others have one. */
static int
judge_unlabelled(struct mount *mount, struct candidate *c)
{
	if (c->label_error == 0 || c->absent)
		return 0;
	if (c->label_error == -ENOENT && c->empty && mount->options->degraded) {
		log_warning("%s: empty, while other replicas named here belong to a volume; is its disk mounted? Going on without it (-o degraded)", c->real);
		c->absent = c->skipped = true;
		return 0;
	}
	if (c->label_error == -ENOENT) {
		log_error("%s: %s, while other replicas named here belong to a volume; is its disk mounted? "
		    "Leave it out with -o degraded, or restore it with fsck.mendfs", c->real,
		    c->empty ? "empty" : "holds files but no label");
		return -ENODATA;
	}
	if (mount->options->degraded) {
		log_warning("%s: its label is damaged; going on without it (-o degraded)", c->real);
		c->skipped = true;
		return 0;
	}
	log_error("%s: its label is damaged (%s); repair it with fsck.mendfs -p and all replicas of the volume, "
	    "or mount the others with -o degraded", c->real, strerror(-c->label_error));
	return c->label_error;
}

/* ${c} has not all that the others have. */
static int
judge_older(struct mount *mount, struct candidate *c, const char *what, bool rolled_back)
{
	if (!mount->options->read_only) {
		if (!c->behind)
			log_warning("%s: %s; it will be brought up to date while mounted", c->real, what);
		c->behind = true;
		c->rolled_back = c->rolled_back || rolled_back;
		return 0;
	}
	if (mount->options->degraded) {
		log_warning("%s: %s; going on without it (-o degraded)", c->real, what);
		c->skipped = true;
		return 0;
	}
	log_error("%s: %s; bring it up to date with fsck.mendfs -p and all replicas, or leave it out with -o degraded",
	    c->real, what);
	return -ESTALE;
}

/* Up to which event it went, and when that was written. */
static void
side_text(const struct candidate *c, char *buf, size_t size)
{
	char when[32];
	struct tm tm;

	strftime(when, sizeof(when), "%F %T", localtime_r(&c->written, &tm));
	snprintf(buf, size, "%s (replica %s) until event %" PRIu64 ", %s", c->real, label_name(&c->label), c->label.events, when);
}

static int
refuse_fork(struct candidate *a, struct candidate *b)
{
	const struct label_member *of_b = label_member(&a->label, &b->label.replica), *of_a = label_member(&b->label, &a->label.replica);
	char one[PATH_MAX + 256], other[PATH_MAX + 256];
	uint64_t parted = of_b != NULL ? of_b->seen : 0;

	if (of_a != NULL && of_a->seen > parted)
		parted = of_a->seen;
	side_text(a, one, sizeof(one));
	side_text(b, other, sizeof(other));
	log_error("a fork: since event %" PRIu64 ", the last that they have in common, each of these was changed without the other: %s; %s; "
	    "look at each with -o ro,degraded, then say which is to be kept: mendctl resolve --keep NAME REPLICA...; "
	    "what only the other has goes to its quarantine", parted, one, other);
	return -EINVAL;
}

static int
judge_pair(struct mount *mount, struct candidate *a, struct candidate *b)
{
	enum label_relation relation = label_relate(&a->label, &b->label);
	static const char behind[] = "is behind: the volume was changed without it";
	static const char older[] = "is older than the others have seen it: restored from an old copy";

	if (uuid_equal(&a->label.replica, &b->label.replica)) {
		log_error("%s: a copy of replica %s; a copy of a replica is no second one", b->real, a->real);
		return -EINVAL;
	}
	switch (relation) {
	case LABEL_STRANGERS:
		/* One was removed, the other added since: the lists tell which (judge_members). */
		if (uuid_equal(&a->label.volume, &b->label.volume))
			return 0;
		log_error("%s: does not belong to the volume of %s; name replicas of one volume", b->real, a->real);
		return -EINVAL;
	case LABEL_FORKED:
		return refuse_fork(a, b);
	case LABEL_A_BEHIND:
		return judge_older(mount, a, behind, false);
	case LABEL_B_BEHIND:
		return judge_older(mount, b, behind, false);
	case LABEL_A_ROLLED_BACK:
		return judge_older(mount, a, older, true);
	case LABEL_B_ROLLED_BACK:
		return judge_older(mount, b, older, true);
	case LABEL_IN_SYNC:
		break;
	}
	return 0;
}

/* Those that were never in sync have nothing to say in what follows. */
static int
judge_unfilled(struct mount *mount)
{
	struct candidate *c, *end = mount->candidates + mount->count;
	unsigned whole = 0;
	int rc;

	for (c = mount->candidates; c < end; c++)
		whole += c->label_error == 0 && !c->skipped && !roster_unfilled(&c->label);
	for (c = mount->candidates; c < end; c++) {
		if (c->label_error != 0 || c->skipped || !roster_unfilled(&c->label))
			continue;
		if (whole == 0) {
			log_error("%s: holds no whole copy of the volume yet; name a replica that does", c->real);
			return -ENODATA;
		}
		if ((rc = judge_older(mount, c, roster_given_up(&c->label) ? "lost when a fork was settled" : "was added, and is not filled yet", false)) != 0)
			return rc;
	}
	return 0;
}

static int
judge_pairs(struct mount *mount)
{
	struct candidate *a, *b, *end = mount->candidates + mount->count;
	int rc;

	for (a = mount->candidates; a < end; a++) {
		for (b = a + 1; b < end; b++) {
			/* Two that are behind a third have nothing to tell each other. */
			if (!a->skipped && !b->skipped && !(a->behind && b->behind) && (rc = judge_pair(mount, a, b)) != 0)
				return rc;
		}
	}
	return 0;
}

/* The label that knows best who is a member: the newest of those in sync; or NULL. */
static struct candidate *
newest(struct mount *mount)
{
	struct candidate *c, *best = NULL;

	for (c = mount->candidates; c < mount->candidates + mount->count; c++) {
		if (c->label_error != 0 || c->skipped || c->behind)
			continue;
		if (best == NULL || c->label.events > best->label.events)
			best = c;
	}
	return best;
}

/* Is each of them one still? A removal that was cut off is one. */
static int
judge_members(struct mount *mount, const struct candidate *best)
{
	struct candidate *c;

	for (c = mount->candidates; c < mount->candidates + mount->count; c++) {
		if (c->label_error != 0 || c->skipped)
			continue;
		if (!roster_has(&best->label, &c->label.replica)) {
			log_error("%s: is no replica of the volume of %s any more: it was removed, or its adding was broken off; leave it out, "
			    "or empty it and add it again with mendctl add", c->real, best->real);
			return -EINVAL;
		}
		if (!c->behind)
			roster_take(&c->label, &best->label);
	}
	return 0;
}

static bool
is_candidate(const struct mount *mount, const struct uuid *uuid)
{
	unsigned i;

	for (i = 0; i < mount->count; i++) {
		if (mount->candidates[i].label_error == 0 && uuid_equal(&mount->candidates[i].label.replica, uuid))
			return true;
	}
	return false;
}

/* Was it ever in sync, by any label? */
static bool
ever_seen(struct mount *mount, const struct uuid *uuid)
{
	const struct label_member *member;
	unsigned i;

	for (i = 0; i < mount->count; i++) {
		if (mount->candidates[i].label_error == 0 && (member = label_member(&mount->candidates[i].label, uuid)) != NULL && member->seen > 0)
			return true;
	}
	return false;
}

/* Are all members there? */
static int
judge_missing(struct mount *mount, const struct label *label)
{
	const struct label_member *member;
	unsigned i;

	for (i = 0; i < label->member_count; i++) {
		member = &label->members[i];
		if (is_candidate(mount, &member->uuid))
			continue;
		if (!ever_seen(mount, &member->uuid)) {
			/* Nobody has relied on it yet. */
			log_warning("replica %s, which was added and was never filled, is missing; name it too, or mendctl add or remove it", member->name);
			continue;
		}
		if (!mount->options->degraded) {
			log_error("replica %s of the volume is missing; name it too, or go without it with -o degraded", member->name);
			return -ENODEV;
		}
		log_warning("replica %s of the volume is missing; going on without it (-o degraded)", member->name);
	}
	return 0;
}

/* Is it the key that the volume was made with? */
static int
judge_key(struct mount *mount, const struct label *label)
{
	uint8_t check[DIGEST_SIZE];

	if (mount->options->codec_given && mount->options->codec != label->codec) {
		log_error("codec=%s: the volume was made with codec=%s, which cannot be changed; leave the option out",
		    digest_codec_name(mount->options->codec), digest_codec_name(label->codec));
		return -EINVAL;
	}
	mount->digest.codec = label->codec;
	if (label->codec != DIGEST_BLAKE2B)
		return 0;
	if (!mount->have_key) {
		log_error("the volume has a key (codec blake2b): name its file with -o key-file=PATH");
		return -ENOKEY;
	}
	digest_bytes(&mount->digest, DIGEST_KEY, "", 0, check);
	if (!digest_equal(check, label->key_check)) {
		log_error("key file %s: not the key of this volume", mount->options->key_file);
		return -EKEYREJECTED;
	}
	return 0;
}

static int
judge_forming(struct mount *mount)
{
	struct candidate *c;
	struct statvfs st;
	unsigned i;

	if (mount->options->read_only) {
		log_error("%s: no volume is there yet, and -o ro forbids to make one", mount->candidates[0].real);
		return -EROFS;
	}
	for (i = 0; i < mount->count; i++) {
		c = &mount->candidates[i];
		if (c->r->ops->statfs(c->r, &st) == 0 && (uint64_t)st.f_bfree * st.f_frsize < MOUNT_ROOM_MIN) {
			log_error("%s: less than %d KiB are free there, too little for a replica; use a larger file system, or free some space",
			    c->real, MOUNT_ROOM_MIN / 1024);
			return -ENOSPC;
		}
		if (c->empty || (mount->options->adopt && i == 0))
			continue;
		if (mount->options->adopt)
			log_error("%s: holds files; with -o adopt only the first replica may, whose files are taken in", c->real);
		else
			log_error("%s: holds files that belong to no volume; take those of the first replica in with -o adopt, "
			    "or use empty directories", c->real);
		return -ENOTEMPTY;
	}
	if (mount->digest.codec == DIGEST_BLAKE2B && !mount->have_key) {
		log_error("codec=blake2b needs a key: name its file with -o key-file=PATH");
		return -ENOKEY;
	}
	return 0;
}

/* Some are gone without; there must be a volume among the others, for a new one is not formed of a part. */
static int
judge_absent(struct mount *mount)
{
	const struct candidate *absent = NULL, *c;

	for (c = mount->candidates; c < mount->candidates + mount->count; c++) {
		if (c->absent)
			absent = c;
		else if (c->label_error != -ENOENT)
			return 0;
	}
	if (absent == NULL)
		return 0;
	log_error("%s: is not there, and no other replica that is named belongs to a volume; to form one, all must be there", absent->real);
	return -ENODEV;
}

int
mount_judge(struct mount *mount)
{
	struct candidate *first;
	unsigned i;
	int rc;

	mount->read_only = mount->options->read_only;
	mount->digest.codec = mount->options->codec_given ? mount->options->codec : DIGEST_XXH3;
	if (mount->forming)
		return judge_forming(mount);
	if ((rc = judge_absent(mount)) != 0)
		return rc;
	for (i = 0; i < mount->count; i++) {
		if ((rc = judge_unlabelled(mount, &mount->candidates[i])) != 0)
			return rc;
	}
	if ((rc = judge_unfilled(mount)) != 0 || (rc = judge_pairs(mount)) != 0)
		return rc;
	if ((first = newest(mount)) == NULL) {
		log_error("%s: no label of the volume can be read; run fsck.mendfs", mount->candidates[0].real);
		return -EINVAL;
	}
	if ((rc = judge_members(mount, first)) != 0)
		return rc;
	if (mount->options->adopt)
		log_info("%s: a volume already, nothing to adopt", first->real);
	if ((rc = judge_missing(mount, &first->label)) != 0 || (rc = judge_key(mount, &first->label)) != 0)
		return rc;
	for (i = 0; i < mount->count; i++) {
		if (mount->candidates[i].label_error == 0 && mount->candidates[i].label.read_features != 0 && !mount->read_only) {
			log_warning("%s: uses features (%#llx) that this program can only read: mounted read-only", mount->candidates[i].real,
			    (unsigned long long)mount->candidates[i].label.read_features);
			mount->read_only = true;
		}
	}
	return 0;
}
