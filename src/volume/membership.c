#include <errno.h>
#include <string.h>

#include "util/log.h"
#include "volume/mount.h"

/* What a label, an intent bitmap and their directories take, with some to spare. */
#define ROOM_MIN (64 * 1024)

/* The first candidate whose label can be read. */
static struct candidate *
first_labelled(struct mount *mount)
{
	unsigned i;

	for (i = 0; i < mount->count; i++) {
		if (mount->candidates[i].label_error == 0)
			return &mount->candidates[i];
	}
	return NULL;
}

/* No label, or a spoiled one, where others have one. */
static int
judge_unlabelled(struct mount *mount, struct candidate *c)
{
	if (c->label_error == 0)
		return 0;
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

static int
judge_pair(struct mount *mount, struct candidate *a, struct candidate *b)
{
	enum label_relation relation = label_relate(&a->label, &b->label);
	struct candidate *older = NULL;
	const char *what = "";

	if (uuid_equal(&a->label.replica, &b->label.replica)) {
		log_error("%s: a copy of replica %s; a copy of a replica is no second one", b->real, a->real);
		return -EINVAL;
	}
	switch (relation) {
	case LABEL_IN_SYNC:
		return 0;
	case LABEL_STRANGERS:
		log_error("%s: does not belong to the volume of %s; name replicas of one volume", b->real, a->real);
		return -EINVAL;
	case LABEL_FORKED:
		log_error("%s and %s: each was changed without the other (a fork); mount one of them alone with -o degraded "
		    "and look which is to be kept", a->real, b->real);
		return -EINVAL;
	case LABEL_A_BEHIND:
	case LABEL_B_BEHIND:
		older = relation == LABEL_A_BEHIND ? a : b;
		what = "is behind: the volume was changed without it";
		break;
	case LABEL_A_ROLLED_BACK:
	case LABEL_B_ROLLED_BACK:
		older = relation == LABEL_A_ROLLED_BACK ? a : b;
		what = "is older than the others have seen it: restored from an old copy";
		break;
	}
	if (!mount->options->read_only) {
		if (!older->behind)
			log_warning("%s: %s; it will be brought up to date while mounted", older->real, what);
		older->behind = true;
		older->rolled_back = older->rolled_back || relation == LABEL_A_ROLLED_BACK || relation == LABEL_B_ROLLED_BACK;
		return 0;
	}
	if (mount->options->degraded) {
		log_warning("%s: %s; going on without it (-o degraded)", older->real, what);
		older->skipped = true;
		return 0;
	}
	log_error("%s: %s; bring it up to date with fsck.mendfs -p and all replicas, or leave it out with -o degraded",
	    older->real, what);
	return -ESTALE;
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

/* Are all members there? */
static int
judge_missing(struct mount *mount, struct label *label)
{
	const struct label_member *member;
	unsigned i, j;
	bool found;

	for (i = 0; i < label->member_count; i++) {
		member = &label->members[i];
		found = false;
		for (j = 0; j < mount->count; j++) {
			found = found || (mount->candidates[j].label_error == 0 &&
			    uuid_equal(&mount->candidates[j].label.replica, &member->uuid));
		}
		if (found)
			continue;
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
		if (c->r->ops->statfs(c->r, &st) == 0 && (uint64_t)st.f_bfree * st.f_frsize < ROOM_MIN) {
			log_error("%s: less than %d KiB are free there, too little for a replica; use a larger file system, or free some space",
			    c->real, ROOM_MIN / 1024);
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
	for (i = 0; i < mount->count; i++) {
		if ((rc = judge_unlabelled(mount, &mount->candidates[i])) != 0)
			return rc;
	}
	if ((rc = judge_pairs(mount)) != 0)
		return rc;
	for (i = 0; i < mount->count; i++) {
		if (mount->candidates[i].label_error == 0 && !mount->candidates[i].skipped && !mount->candidates[i].behind)
			break;
	}
	first = i < mount->count ? &mount->candidates[i] : first_labelled(mount);
	if (first == NULL) {
		log_error("%s: no label of the volume can be read; run fsck.mendfs", mount->candidates[0].real);
		return -EINVAL;
	}
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
