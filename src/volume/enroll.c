#include "volume/enroll.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/roster.h"
#include "meta/fitness.h"
#include "meta/label.h"
#include "meta/listing.h"
#include "meta/meta.h"
#include "replica/open.h"
#include "util/log.h"
#include "volume/away.h"
#include "volume/files.h"
#include "volume/members.h"
#include "volume/missed.h"
#include "volume/mount.h"
#include "volume/volume.h"

#define LET_GO_TRIES 200	/* of LET_GO_US: the keeper comes round twice a second */
#define LET_GO_US 50000

static int __attribute__((format(printf, 3, 4)))
refuse(char *why, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, VOLUME_WHY_MAX, format, args);
	va_end(args);
	return rc;
}

/* ---- a directory that is to be a replica */

static int
refuse_open(char *why, const char *path, int rc)
{
	char what[REPLICA_OPEN_WHY_MAX];

	replica_open_explain(path, rc, what);
	return refuse(why, rc, "%s: %s", path, what);
}

/* Neither within another replica or the mountpoint, nor around one. */
static int
check_paths(struct volume *v, const char *path, const char *mountpoint, char *why)
{
	const struct member *m;

	if (mount_path_within(path, mountpoint))
		return refuse(why, -EINVAL, "%s: lies within the mountpoint %s; use a directory elsewhere", path, mountpoint);
	if (mount_path_within(mountpoint, path))
		return refuse(why, -EINVAL, "%s: the mountpoint %s lies within it; use a directory elsewhere", path, mountpoint);
	for (m = v->members; m < v->members + v->member_count; m++) {
		if (m->r == NULL || member_removed(m))
			continue;
		if (strcmp(path, m->r->path) == 0)
			return refuse(why, -EEXIST, "%s: is a replica of this volume already (%s)", path, m->name);
		if (mount_path_within(path, m->r->path) || mount_path_within(m->r->path, path))
			return refuse(why, -EINVAL, "%s: one replica must not lie within another (%s); use directories apart", path, m->r->path);
	}
	return 0;
}

/* A bind mount has a path of its own, and is the same directory. */
static int
check_root(struct volume *v, struct replica *r, char *why)
{
	const struct replica_at top = { REPLICA_ROOT, NULL };
	struct stat mine, other;
	struct member *m;
	int rc;

	if ((rc = r->ops->stat(r, top, &mine)) != 0)
		return refuse_open(why, r->path, rc);
	/* On another machine the same numbers say nothing; there the lock tells. */
	for_each_member(v, m) {
		if (replica_open_local(r->path) && replica_open_local(m->r->path) &&
		    m->r->ops->stat(m->r, top, &other) == 0 && other.st_dev == mine.st_dev && other.st_ino == mine.st_ino)
			return refuse(why, -EINVAL, "%s: the same directory as %s", r->path, m->r->path);
	}
	return 0;
}

/* The member that the label is of, or NULL. */
static struct member *
member_of(struct volume *v, const struct label *label)
{
	struct member *m;

	for (m = v->members; m < v->members + v->member_count; m++) {
		if (!member_removed(m) && uuid_equal(&m->uuid, &label->replica))
			return m;
	}
	return NULL;
}

/* ${*known}: a member whose replica this is; else NULL: it may become one. */
static int
check_label(struct volume *v, struct replica *r, struct member **known, char *why)
{
	const struct member *first = members_first(v);
	struct label label;
	int rc;

	*known = NULL;
	if ((rc = label_read(r, &label)) == -ENOENT)
		return 0;
	if (rc != 0)
		return refuse(why, rc, "%s: its label cannot be read: %s; if nothing there is wanted delete its .mendfs", r->path, strerror(-rc));
	if (first != NULL && uuid_equal(&label.volume, &first->label.volume)) {
		if (roster_removed(&label) || (*known = member_of(v, &label)) != NULL)
			return 0;
		/* Its adding was broken off. */
		if (roster_unfilled(&label))
			return 0;
		return refuse(why, -EINVAL, "%s: was a replica of this volume and is none any more; empty it, .mendfs as well, to add it again", r->path);
	}
	if (label.events <= 1 && label.moving)
		return 0;
	return refuse(why, -EINVAL, "%s: belongs to another volume; if nothing there is wanted empty it, .mendfs as well", r->path);
}

static int
check_room(struct replica *r, char *why)
{
	struct statvfs st;
	bool empty;
	int rc;

	if ((rc = mount_is_empty(r, &empty)) != 0)
		return refuse_open(why, r->path, rc);
	if (!empty)
		return refuse(why, -ENOTEMPTY, "%s: holds files; a replica that is added must be empty", r->path);
	if (r->ops->statfs(r, &st) == 0 && (uint64_t)st.f_bfree * st.f_frsize < MOUNT_ROOM_MIN)
		return refuse(why, -ENOSPC, "%s: less than %d KiB are free there, too little for a replica; use a larger file system, or free some space",
		    r->path, MOUNT_ROOM_MIN / 1024);
	return 0;
}

/* Open it, locked.  What it is a replica of already is told by ${*known}, then without a lock. */
static int
open_new(struct volume *v, const char *path, const char *mountpoint, struct replica **out, struct member **known, char *why)
{
	char what[REPLICA_OPEN_WHY_MAX];
	const struct replica_open_options opening = { .peer = v->peer, .why = what };
	struct replica *r;
	int rc;

	if ((rc = check_paths(v, path, mountpoint, why)) != 0)
		return rc;
	if ((rc = replica_open(path, &opening, &r)) != 0)
		return refuse(why, rc, "%s: %s", path, what);
	if ((rc = check_root(v, r, why)) == 0 && (rc = check_label(v, r, known, why)) == 0 && *known == NULL &&
	    (rc = check_room(r, why)) == 0) {
		if (v->wrap != NULL)
			rc = v->wrap(v->wrap_arg, v->member_count, &r);
		if (rc == 0 && (rc = r->ops->lock(r, true)) != 0)
			refuse(why, rc, "%s: %s", path, mount_lock_why(rc));
	}
	if (rc != 0)
		r->ops->free(r);
	else
		*out = r;
	return rc;
}

/* ---- adding */

/* Directories of .mendfs, and no lost+found; as when a volume is formed. */
static int
prepare(struct replica *r, char *why)
{
	char what[FITNESS_WHY_MAX];
	int rc;

	if ((rc = r->ops->unlink(r, REPLICA_ROOT, "lost+found", true)) != 0 && rc != -ENOENT)
		return refuse(why, rc, "%s: cannot be written to: %s", r->path, strerror(-rc));
	if ((rc = mount_form_meta(r, what)) == 0)
		return 0;
	if (rc != -EWOULDBLOCK)
		mount_form_undo(r);
	return refuse(why, rc, "%s: %s", r->path, what);
}

/* The new member's own label, durably. */
static int
write_new_label(struct volume *v, struct member *m, char *why)
{
	struct label list;
	struct member *first;
	int rc = -EIO;

	pthread_mutex_lock(&v->label_lock);
	if ((first = members_first(v)) != NULL) {
		list = first->label;
		roster_name(&list, m->name);
		rc = roster_add(&list, &m->uuid, m->name);
	}
	pthread_mutex_unlock(&v->label_lock);
	if (rc == -ENOSPC)
		return refuse(why, rc, "%s: the volume has %d replicas, and can have no more; remove one first", m->r->path, LABEL_MEMBERS_MAX);
	if (rc != 0)
		return refuse(why, rc, "no replica is in sync");
	roster_new(&list, &m->uuid, &m->label);
	if ((rc = label_write(m->r, &m->label)) != 0)
		return refuse(why, rc, "%s: cannot write the label: %s", m->r->path, strerror(-rc));
	return 0;
}

static void
clear(struct member *m)
{
	lane_free(m->lane);
	if (m->tags != REPLICA_NONE)
		m->r->ops->dir_close(m->r, m->tags);
	if (m->meta != REPLICA_NONE)
		m->r->ops->dir_close(m->r, m->meta);
	m->r->ops->free(m->r);
	memset(m, 0, sizeof(*m));
}

/* All of it is there before anybody can see it; the resyncer does not take it yet. */
static void
publish(struct volume *v, struct member *m)
{
	atomic_store(&m->state, MEMBER_RESYNCING);
	m->lack.everything = m->lack.walk = true;
	/* Whoever goes through the members under the tree lock finds as many at its end as at its beginning. */
	pthread_rwlock_wrlock(&v->tree);
	missed_away(v, m);
	v->member_count++;
	pthread_rwlock_unlock(&v->tree);
	files_limit(v);
}

/* ${r} is the new member's. */
static int
add_new(struct volume *v, struct replica *r, struct member **out, char *why)
{
	struct member *m = &v->members[v->member_count];
	char name[16];
	int rc;

	m->index = v->member_count;
	m->volume = v;
	m->r = r;
	atomic_store(&m->linked_since, (int64_t)time(NULL));
	m->meta = m->tags = REPLICA_NONE;
	uuid_generate(&m->uuid);
	snprintf(name, sizeof(name), "replica %u", m->index);
	if (v->flusher_runs && (rc = members_guard(v, m, &m->r)) != 0) {
		refuse(why, rc, "%s: %s", m->r->path, strerror(-rc));
		goto fail;
	}
	if ((rc = prepare(m->r, why)) != 0 || (rc = write_new_label(v, m, why)) != 0)
		goto fail;
	if ((rc = lane_new(name, &m->lane)) != 0 || (rc = away_open(m, false)) != 0) {
		refuse(why, rc, "%s: %s", m->r->path, strerror(-rc));
		goto fail;
	}
	publish(v, m);
	if ((rc = members_enlist(v, m)) != 0) {
		atomic_store(&m->state, MEMBER_REMOVED);
		missed_leave(v, m);
		return refuse(why, rc, "no replica is in sync any more");
	}
	log_info("%s: added as replica %s; it is about to be filled", m->r->path, m->name);
	atomic_store(&m->state, MEMBER_BACK);
	*out = m;
	return 0;

fail:
	clear(m);
	return rc;
}

/* A member that was not there at the mount, or not named: from now on it is looked for at this place. */
static int
attach(struct volume *v, struct member *m, struct replica *r, char *why)
{
	struct replica **retired;
	struct label label;
	char name[16];
	int rc;

	if ((rc = label_read(r, &label)) != 0) {
		r->ops->free(r);
		return refuse(why, rc, "%s: its label cannot be read: %s", m->name, strerror(-rc));
	}
	snprintf(name, sizeof(name), "replica %u", m->index);
	if ((retired = realloc(m->retired, (m->retired_count + 1) * sizeof(*retired))) != NULL)
		m->retired = retired;
	if (retired == NULL || lane_new(name, &m->lane) != 0) {
		r->ops->free(r);
		return refuse(why, -ENOMEM, "out of memory");
	}
	/* The keeper opens it anew. */
	r->ops->retire(r, false);
	m->let_go = true;
	pthread_mutex_lock(&v->label_lock);
	m->label = label;
	/* As in volume/away: volume/status looks without a lock. */
	__atomic_store_n(&m->r, r, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&v->label_lock);
	log_info("%s: is replica %s, which was not there at the mount; looking at it now", r->path, m->name);
	volume_hurry(v);
	return 0;
}

static int
add_locked(struct volume *v, const char *path, const char *mountpoint, struct member **out, char *why)
{
	struct replica *r = NULL;
	struct member *known = NULL;
	int rc;

	if (v->no_writes || members_in_sync(v) == 0)
		return refuse(why, -EROFS, "the volume is read-only, or no replica is in sync: its replicas cannot be changed");
	if ((rc = open_new(v, path, mountpoint, &r, &known, why)) != 0 || r == NULL)
		return rc;
	if (known != NULL && known->r != NULL) {
		r->ops->free(r);
		return refuse(why, -EEXIST, "%s: is replica %s of this volume, which is looked for at %s; bring it there, or mount the volume with its new path",
		    path, known->name, known->r->path);
	}
	if (known != NULL) {
		*out = known;
		return attach(v, known, r, why);
	}
	if (v->member_count == VOLUME_REPLICAS_MAX) {
		r->ops->free(r);
		return refuse(why, -ENOSPC, "%s: %d replicas are the most, those removed since the volume was mounted counted in; "
		    "remove one, or unmount and mount again", path, VOLUME_REPLICAS_MAX);
	}
	return add_new(v, r, out, why);
}

bool
enroll_awaited(struct volume *v, struct replica *r)
{
	char why[VOLUME_WHY_MAX];
	struct member *m = NULL;
	struct label label;
	bool settled = false;

	/* Whoever has it may be waiting for a disk, and the keeper is not to wait with him. */
	if (pthread_mutex_trylock(&v->roster_lock) != 0) {
		r->ops->free(r);
		return false;
	}
	if (label_read(r, &label) == 0 && uuid_equal(&label.volume, &v->uuid))
		m = member_of(v, &label);
	if (m != NULL && m->r == NULL) {
		settled = attach(v, m, r, why) == 0;
	} else {
		/* Somebody named it meanwhile; or it is nothing of ours, and may become so: its disk is not mounted yet. */
		settled = m != NULL;
		r->ops->free(r);
	}
	pthread_mutex_unlock(&v->roster_lock);
	return settled;
}

int
volume_add(struct volume *v, const char *path, const char *mountpoint, char *why)
{
	struct member *m;
	int rc;

	pthread_mutex_lock(&v->roster_lock);
	rc = add_locked(v, path, mountpoint, &m, why);
	pthread_mutex_unlock(&v->roster_lock);
	return rc;
}

/* ---- removing */

struct member *
enroll_find(struct volume *v, const char *which, char *why)
{
	struct member *m, *found = NULL;
	char *real = NULL;
	size_t len;

	(void)replica_open_real(which, &real);
	for (m = v->members; m < v->members + v->member_count; m++) {
		if (member_removed(m))
			continue;
		if (strcmp(m->name, which) == 0 || (m->r != NULL && (strcmp(m->r->path, which) == 0 ||
		    (real != NULL && strcmp(m->r->path, real) == 0))))
			found = m;
	}
	free(real);
	if (found != NULL)
		return found;
	refuse(why, -ENOENT, "%s: no replica of this volume has that name or path; there are", which);
	for (m = v->members; m < v->members + v->member_count; m++) {
		len = strlen(why);
		if (!member_removed(m))
			snprintf(why + len, VOLUME_WHY_MAX - len, "%s %s%s%s%s", m == v->members ? "" : ",", m->name,
			    m->r != NULL ? " (" : "", m->r != NULL ? m->r->path : "", m->r != NULL ? ")" : "");
	}
	return NULL;
}

/* Would enough be left without it? */
static int
check_left(struct volume *v, struct member *m, char *why)
{
	unsigned in_sync = members_in_sync(v);

	if (in_sync == 0 || (member_in_sync(m) && in_sync == 1))
		return refuse(why, -EBUSY, "%s: is the last replica in sync, and cannot be removed", m->name);
	if (!member_in_sync(m))
		return 0;
	if (in_sync - 1 < v->min_replicas)
		return refuse(why, -EBUSY, "%s: without it only %u replicas would be in sync, and min-replicas=%u are wanted", m->name,
		    in_sync - 1, v->min_replicas);
	if (atomic_load(&v->reconciling))
		return refuse(why, -EBUSY, "%s: what an unclean stop left is not reconciled yet, and may need it; try again later", m->name);
	return 0;
}

/* All that was written is on it, and the others' labels can be written: so nothing is given up for nothing. */
static int
remove_member(struct volume *v, struct member *m, char *why)
{
	int rc;

	if (v->no_writes)
		return refuse(why, -EROFS, "the volume is mounted read-only: its replicas cannot be changed");
	if ((rc = check_left(v, m, why)) != 0)
		return rc;
	if ((rc = volume_sync(v)) != 0 || (rc = members_event(v, false)) != 0)
		return refuse(why, rc, "%s: the volume cannot be made durable before: %s", m->name, strerror(-rc));
	if ((rc = check_left(v, m, why)) != 0)
		return rc;
	if ((rc = members_dismiss(v, m)) != 0)
		return refuse(why, rc, "%s: no other replica is left", m->name);
	log_info("replica %s%s%s%s: removed from the volume; its files are left as they are", m->name,
	    m->r != NULL ? " (" : "", m->r != NULL ? m->r->path : "", m->r != NULL ? ")" : "");
	return 0;
}

/* Its file system may be wanted by somebody else at once. */
static void
wait_let_go(struct volume *v, struct member *m)
{
	unsigned i;

	for (i = 0; i < LET_GO_TRIES && m->r != NULL && v->keeper_runs && !atomic_load(&v->keeper_stop) && !m->let_go; i++)
		usleep(LET_GO_US);
}

int
volume_remove(struct volume *v, const char *which, char *why)
{
	struct member *m;
	int rc = -ENOENT;

	pthread_mutex_lock(&v->roster_lock);
	if ((m = enroll_find(v, which, why)) != NULL)
		rc = remove_member(v, m, why);
	pthread_mutex_unlock(&v->roster_lock);
	if (rc == 0)
		wait_let_go(v, m);
	return rc;
}

/* ---- replacing */

/* The member whose replica is at ${path}, or NULL. */
static struct member *
find_path(struct volume *v, const char *path)
{
	struct member *m;

	for (m = v->members; m < v->members + v->member_count; m++) {
		if (!member_removed(m) && m->r != NULL && strcmp(m->r->path, path) == 0)
			return m;
	}
	return NULL;
}

static int
replace_locked(struct volume *v, struct member *old, const char *path, const char *mountpoint, char *why)
{
	/* Asked for before, and cut off: it goes on. */
	struct member *new = find_path(v, path);
	bool filled;
	int rc = 0;

	if (new == old)
		return refuse(why, -EINVAL, "%s: cannot replace itself", path);
	if (new == NULL)
		rc = add_locked(v, path, mountpoint, &new, why);
	if (rc != 0 || new == NULL)
		return rc;
	/* If it is in sync a moment later it waits for the lock. */
	filled = member_in_sync(new);
	new->replaces = filled ? NULL : old;
	return filled ? remove_member(v, old, why) : 0;
}

int
volume_replace(struct volume *v, const char *which, const char *path, const char *mountpoint, char *why)
{
	struct member *old;
	int rc = -ENOENT;

	pthread_mutex_lock(&v->roster_lock);
	if ((old = enroll_find(v, which, why)) != NULL)
		rc = replace_locked(v, old, path, mountpoint, why);
	pthread_mutex_unlock(&v->roster_lock);
	return rc;
}

void
enroll_joined(struct volume *v, struct member *m)
{
	char why[VOLUME_WHY_MAX];
	struct member *old;

	pthread_mutex_lock(&v->roster_lock);
	if ((old = m->replaces) != NULL) {
		m->replaces = NULL;
		if (!member_removed(old) && remove_member(v, old, why) != 0)
			log_warning("replica %s is in sync, and replica %s was to be removed then: %s", m->name, old->name, why);
	}
	pthread_mutex_unlock(&v->roster_lock);
}
