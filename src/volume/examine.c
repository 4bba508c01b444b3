#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "format/roster.h"
#include "meta/label.h"
#include "replica/open.h"
#include "util/log.h"
#include "volume/mount.h"

static void
explain_open(const char *path, int rc)
{
	char why[REPLICA_OPEN_WHY_MAX];

	replica_open_explain(path, rc, why);
	log_error("%s: %s", path, why);
}

bool
mount_path_within(const char *inner, const char *outer)
{
	size_t len = strlen(outer);

	if (strcmp(outer, "/") == 0)
		return true;
	return strncmp(inner, outer, len) == 0 && (inner[len] == '\0' || inner[len] == '/');
}

static int
compare_paths(const struct mount *mount, unsigned which)
{
	const char *mine = mount->candidates[which].real, *other;
	unsigned i;

	for (i = 0; i < which; i++) {
		other = mount->candidates[i].real;
		if (strcmp(mine, other) == 0) {
			log_error("%s: given twice; each replica is to be named once", mount->names[which]);
			return -EINVAL;
		}
		if (mount_path_within(mine, other) || mount_path_within(other, mine)) {
			log_error("%s: one replica must not lie within another (%s); use directories apart",
			    mount->names[which], mount->names[i]);
			return -EINVAL;
		}
	}
	return 0;
}

/* A bind mount has a path of its own, and is the same directory. */
static int
compare_roots(struct mount *mount, unsigned which)
{
	struct candidate *c = &mount->candidates[which], *other;
	const struct replica_at root = { .handle = REPLICA_ROOT };
	struct stat st;
	int rc;

	if ((rc = c->r->ops->stat(c->r, root, &st)) != 0) {
		explain_open(mount->names[which], rc);
		return rc;
	}
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	/* On another machine the same numbers say nothing; there the lock tells. */
	for (other = mount->candidates; other < c && replica_open_local(c->real); other++) {
		if (other->absent || !replica_open_local(other->real) || other->dev != c->dev || other->ino != c->ino)
			continue;
		log_error("%s: the same directory as %s; each replica is to be named once",
		    mount->names[which], mount->names[other - mount->candidates]);
		return -EINVAL;
	}
	return 0;
}

static int
compare_mountpoint(const struct mount *mount, const struct candidate *c, const char *path)
{
	char real[PATH_MAX];

	if (!replica_open_local(c->real) || mount->options->mountpoint == NULL || realpath(mount->options->mountpoint, real) == NULL)
		return 0;
	if (mount_path_within(real, c->real)) {
		log_error("%s: the mountpoint lies within replica %s; use a mountpoint elsewhere",
		    mount->options->mountpoint, path);
		return -EINVAL;
	}
	if (mount_path_within(c->real, real)) {
		log_error("%s: the replica lies within the mountpoint %s; use a directory elsewhere",
		    path, mount->options->mountpoint);
		return -EINVAL;
	}
	return 0;
}

struct look { unsigned names; bool lost_found; };

static int
look_call(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	struct look *look = arg;

	(void)ino;
	if (strcmp(name, REPLICA_META) == 0)
		return 0;
	if (strcmp(name, "lost+found") == 0 && d_type == DT_DIR)
		look->lost_found = true;
	else
		look->names++;
	return 0;
}

static int
count_call(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	(void)name;
	(void)d_type;
	(void)ino;
	++*(unsigned *)arg;
	return 0;
}

int
mount_is_empty(struct replica *r, bool *empty)
{
	struct look look = { 0, false };
	replica_handle dir;
	unsigned found = 0;
	int rc;

	if ((rc = r->ops->list(r, REPLICA_ROOT, look_call, &look)) != 0)
		return rc;
	if (look.lost_found && (rc = r->ops->dir_open(r, REPLICA_ROOT, "lost+found", &dir)) == 0) {
		rc = r->ops->list(r, dir, count_call, &found);
		r->ops->dir_close(r, dir);
	}
	*empty = look.names == 0 && found == 0;
	return rc;
}

static int
examine_label(struct candidate *c, const char *path)
{
	c->label_error = label_read(c->r, &c->label);
	if (c->label_error == -EPROTONOSUPPORT) {
		log_error("%s: its label has format version %u, this program knows version %d; use a newer mendfs",
		    path, c->label.version, LABEL_VERSION);
		return -EPROTONOSUPPORT;
	}
	if (c->label_error == 0 && roster_removed(&c->label)) {
		log_error("%s: was removed from its volume; its files are left as they are. To use it for a volume of its own, delete "
		    "its .mendfs and mount it with -o adopt; to give it back, empty it and use mendctl add", path);
		return -EPROTONOSUPPORT;
	}
	if (c->label_error == 0 && c->label.write_features != 0) {
		log_error("%s: uses features (%#llx) that this program does not know; use a newer mendfs",
		    path, (unsigned long long)c->label.write_features);
		return -EPROTONOSUPPORT;
	}
	/* Forming a volume was interrupted: nothing was ever written to it. */
	if (c->label_error == 0 && c->label.events <= 1 && c->label.moving)
		c->label_error = -ENOENT;
	c->written = label_time(c->r);
	return mount_is_empty(c->r, &c->empty);
}

const char *
mount_lock_why(int rc)
{
	if (rc == -EWOULDBLOCK)
		return "in use by another mount or check of the volume; unmount it, or wait for it to end";
	if (rc == -ENOLCK)
		return "its file system has no locks that keep others out; mount it with flock(2) (NFS: version 4, without nolock)";
	return "cannot be locked; check the disk, and that its file system has flock(2)";
}

static int
examine_one(struct mount *mount, unsigned i)
{
	char why[REPLICA_OPEN_WHY_MAX];
	const struct replica_open_options opening = { .read_only = mount->options->read_only, .peer = mount->peer, .why = why };
	const char *path = mount->names[i];
	struct candidate *c = &mount->candidates[i];
	int rc;

	if ((rc = replica_open_real(path, &c->real)) != 0) {
		if (replica_open_local(path))
			log_error("%s: %s; is the disk mounted and the path right?", path, strerror(-rc));
		else
			explain_open(path, rc);
		return rc;
	}
	if ((rc = compare_paths(mount, i)) != 0 || (rc = compare_mountpoint(mount, c, path)) != 0)
		return rc;
	if ((rc = replica_open(c->real, &opening, &c->r)) != 0) {
		log_error("%s: %s", path, why);
		return rc;
	}
	if ((rc = compare_roots(mount, i)) != 0)
		return rc;
	if (mount->options->wrap != NULL && (rc = mount->options->wrap(mount->options->wrap_arg, i, &c->r)) != 0)
		return rc;
	if ((rc = replica_lock_wait(c->r, !mount->options->read_only)) != 0) {
		log_error("%s: %s", path, mount_lock_why(rc));
		return rc == -EWOULDBLOCK ? -EBUSY : rc;
	}
	if ((rc = examine_label(c, path)) != 0 && rc != -EPROTONOSUPPORT)
		explain_open(path, rc);
	return rc;
}

/* The whole path of what does not exist, malloc'd. */
static char *
path_of_nothing(const char *path)
{
	char here[PATH_MAX], *whole;

	if (*path == '/')
		return strdup(path);
	if (getcwd(here, sizeof(here)) == NULL || asprintf(&whole, "%s/%s", here, path) < 0)
		return NULL;
	return whole;
}

/* It is not there, or does not answer: is that what -o degraded is for? */
static bool
go_without(struct mount *mount, unsigned i, int error)
{
	struct candidate *c = &mount->candidates[i];

	if (!mount->options->degraded || (error != -ENOENT && error != -ENOTDIR && replica_error_is_own(error)))
		return false;
	if (c->real == NULL && (c->real = path_of_nothing(mount->names[i])) == NULL)
		return false;
	if (c->r != NULL)
		c->r->ops->free(c->r);
	c->r = NULL;
	c->absent = c->skipped = true;
	c->label_error = -ENODEV;
	log_warning("%s: going on without it (-o degraded)%s", mount->names[i],
	    mount->options->read_only ? "" : "; it is taken in when it is there");
	return true;
}

/*
 * Members are asked, and changed, in the order of their numbers: those on this
 * machine come first, whatever the order on the command line.
 */
static void
order_names(struct mount *mount)
{
	unsigned i, far, count = 0;

	for (far = 0; far < 2; far++) {
		for (i = 0; i < mount->options->replica_count; i++) {
			if (replica_open_local(mount->options->replicas[i]) == (far == 0))
				mount->names[count++] = mount->options->replicas[i];
		}
	}
}

int
mount_examine(struct mount *mount)
{
	unsigned i;
	int rc;

	/* Whatever this mount does to a replica far away is known there as one mount's. */
	mount->peer = mount->options->peer;
	mount->peer.timeout_ms = mount->options->timeout_ms;
	if (getrandom(mount->peer.instance, PEER_INSTANCE_SIZE, 0) != PEER_INSTANCE_SIZE) {
		rc = -errno;
		log_error("no random numbers: %s", strerror(-rc));
		return rc;
	}
	order_names(mount);
	for (i = 0; i < mount->options->replica_count; i++) {
		mount->count++;
		if ((rc = examine_one(mount, i)) != 0 && !go_without(mount, i, rc))
			return rc;
	}
	mount->forming = true;
	for (i = 0; i < mount->count; i++) {
		if (mount->candidates[i].label_error != -ENOENT)
			mount->forming = false;
	}
	return 0;
}

void
mount_done(struct mount *mount)
{
	unsigned i;

	for (i = 0; i < mount->count; i++) {
		if (mount->candidates[i].r != NULL)
			mount->candidates[i].r->ops->free(mount->candidates[i].r);
		free(mount->candidates[i].real);
	}
}
