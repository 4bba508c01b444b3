#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "meta/adopt.h"
#include "meta/fitness.h"
#include "meta/label.h"
#include "meta/meta.h"
#include "util/log.h"
#include "volume/mount.h"
#include "volume/state.h"

static void
label_new(struct mount *mount, struct label *label)
{
	unsigned i;

	memset(label, 0, sizeof(*label));
	label->version = LABEL_VERSION;
	label->codec = mount->digest.codec;
	if (label->codec == DIGEST_BLAKE2B)
		digest_bytes(&mount->digest, DIGEST_KEY, "", 0, label->key_check);
	uuid_generate(&label->volume);
	label->events = 1;
	label->moving = true;
	label->clean = true;
	label->member_count = mount->count;
	for (i = 0; i < mount->count; i++) {
		uuid_generate(&label->members[i].uuid);
		snprintf(label->members[i].name, LABEL_NAME_MAX, "r%u", i);
	}
}

/* mkfs.ext4's empty lost+found: fsck of the disk makes it again when it needs it. */
static int
clear_lost_found(struct candidate *c)
{
	int rc = c->r->ops->unlink(c->r, REPLICA_ROOT, "lost+found", true);

	return rc == -ENOENT ? 0 : rc;
}

/* The records of the first tree, and the same tree on all others. */
static int
form_trees(struct mount *mount, uint64_t *next_id)
{
	char where[ADOPT_PATH_MAX] = "";
	struct candidate *c = mount->candidates;
	unsigned i;
	int rc;

	for (i = 0; i < mount->count; i++) {
		if (mount->candidates[i].empty && (rc = clear_lost_found(&mount->candidates[i])) != 0) {
			log_error("%s/lost+found: cannot be removed: %s", mount->candidates[i].real, strerror(-rc));
			return rc;
		}
	}
	if ((rc = adopt_tree(c->r, &mount->digest, VOLUME_ROOT_ID + 1, next_id, where)) != 0) {
		log_error("%s: cannot take in %s: %s", c->real, where, strerror(-rc));
		return rc;
	}
	for (i = 1; i < mount->count; i++) {
		if ((rc = adopt_copy(c->r, mount->candidates[i].r, &mount->digest, where)) != 0) {
			log_error("%s: cannot copy %s there: %s", mount->candidates[i].real, where, strerror(-rc));
			return rc;
		}
	}
	return 0;
}

int
mount_form_meta(struct replica *r, char *why)
{
	replica_handle meta, tags;
	int rc;

	if ((rc = meta_open(r, true, &meta)) != 0) {
		(void)snprintf(why, FITNESS_WHY_MAX, "cannot make .mendfs: %s", strerror(-rc));
		return rc;
	}
	if ((rc = fitness_check(r, meta, why)) != 0)
		goto done;
	/* There is something now that other machines know the lock by. */
	if (!r->far && (rc = r->ops->lock(r, true)) != 0) {
		(void)snprintf(why, FITNESS_WHY_MAX, "%s", mount_lock_why(rc));
		goto done;
	}
	if ((rc = meta_subdir(r, meta, "tags", true, &tags)) == 0)
		r->ops->dir_close(r, tags);
	else
		(void)snprintf(why, FITNESS_WHY_MAX, "cannot make .mendfs/tags: %s", strerror(-rc));

done:
	r->ops->dir_close(r, meta);
	return rc;
}

void
mount_form_undo(struct replica *r)
{
	replica_handle meta;

	if (meta_open(r, false, &meta) != 0)
		return;
	(void)r->ops->unlink(r, meta, "tags", true);
	(void)r->ops->unlink(r, meta, "lock", false);
	r->ops->dir_close(r, meta);
	(void)r->ops->unlink(r, REPLICA_ROOT, REPLICA_META, true);
}

/* All of them, or none. */
static int
form_all_meta(struct mount *mount)
{
	char why[FITNESS_WHY_MAX];
	unsigned i;
	int rc;

	for (i = 0; i < mount->count; i++) {
		if ((rc = mount_form_meta(mount->candidates[i].r, why)) == 0)
			continue;
		log_error("%s: %s", mount->candidates[i].real, why);
		/* Another machine is forming a volume there just now: what is there is its own. */
		if (rc != -EWOULDBLOCK)
			i++;
		while (i-- > 0)
			mount_form_undo(mount->candidates[i].r);
		return rc;
	}
	return 0;
}

/*
 * Labels last, and as moving: until all have one and the first mount's event
 * is on all of them, an interruption leaves what the same command forms anew.
 */
int
mount_form(struct mount *mount)
{
	const struct replica_at top = { REPLICA_ROOT, NULL };
	struct replica_times times = { .atime.tv_nsec = UTIME_OMIT };
	struct stat before;
	struct label label;
	uint64_t next_id;
	unsigned i;
	int restored, rc;

	/* Making .mendfs is no change that anybody shall see: adopting takes the times as they were. */
	if ((rc = mount->candidates[0].r->ops->stat(mount->candidates[0].r, top, &before)) != 0)
		return rc;
	rc = form_all_meta(mount);
	times.mtime = before.st_mtim;
	if (!mount->candidates[0].empty &&
	    (restored = mount->candidates[0].r->ops->store(mount->candidates[0].r, top, &times, NULL, 0)) != 0 && rc == 0)
		rc = restored;
	if (rc != 0)
		return rc;
	if ((rc = form_trees(mount, &next_id)) != 0)
		return rc;
	label_new(mount, &label);
	label.next_id = next_id;
	for (i = 0; i < mount->count; i++) {
		struct candidate *c = &mount->candidates[i];

		label.replica = label.members[i].uuid;
		if ((rc = label_write(c->r, &label)) != 0) {
			log_error("%s: cannot write the label: %s", c->real, strerror(-rc));
			return rc;
		}
		c->label = label;
		c->label_error = 0;
	}
	log_info("formed a new volume of %u replica%s", mount->count, mount->count == 1 ? "" : "s");
	return 0;
}
