/*
 * volume/mount -- what comes before the first request: replicas, labels, keys.
 *
 * All that can be wrong is looked at before anything is changed.
 */

#ifndef VOLUME_MOUNT_H
#define VOLUME_MOUNT_H

#include "volume/state.h"

/* Bytes that a label, an intent bitmap and their directories take, with some to spare. */
#define MOUNT_ROOM_MIN (64 * 1024)

/* What one REPLICA argument turned out to be, before it becomes a member. */
struct candidate {
	struct replica *r;
	char *real;			/* absolute path, no links */
	dev_t dev;			/* of the top directory */
	ino_t ino;
	int label_error;		/* 0, or why there is no label; -ENOENT: none */
	struct label label;
	bool empty;			/* no names but .mendfs, or an empty lost+found */
	bool skipped;			/* degraded: left out */
	bool absent;			/* and that because it is not there: it is looked for while mounted */
	bool behind;			/* to be resynced */
	bool rolled_back;		/* and nothing is known of what it misses */
	time_t written;			/* when its label was; 0: not known */
};

struct mount {
	const struct volume_options *options;
	struct peer_options peer;	/* for replicas on other machines, complete */
	const char *names[VOLUME_REPLICAS_MAX];	/* as the user gave them, those on this machine first */
	struct candidate candidates[VOLUME_REPLICAS_MAX];
	unsigned count;
	struct digest digest;
	bool have_key;
	bool forming;			/* no candidate has a label */
	bool read_only;
};

/* mount_examine(mount): open, lock, read labels; compare paths.  Errors are logged. */
int mount_examine(struct mount *mount);
/* mount_judge(mount): labels against each other: may these be mounted together? */
int mount_judge(struct mount *mount);
/* mount_form(mount): make a new volume of them: records, labels. */
int mount_form(struct mount *mount);
/*
 * mount_form_meta(r, why):
 * Make .mendfs on ${r} with what a mount expects there, after its file system
 * was tried (meta/fitness); on error ${why}, FITNESS_WHY_MAX bytes, is one line.
 */
int mount_form_meta(struct replica *r, char *why);
/* mount_form_undo(r): remove what mount_form_meta has made, on whatever it came to. */
void mount_form_undo(struct replica *r);
/* mount_lock_why(rc): what the error ${rc} of taking a replica's lock means, and what to do. */
const char *mount_lock_why(int rc);
/* mount_path_within(inner, outer): is ${inner} the directory ${outer}, or below it?  Both without links. */
bool mount_path_within(const char *inner, const char *outer);
/* mount_is_empty(r, empty): are there no names but .mendfs, or what mkfs.ext4 leaves? */
int mount_is_empty(struct replica *r, bool *empty);
/* mount_done(mount): close what did not become a member. */
void mount_done(struct mount *mount);

/* mount_release(volume): free a volume, whatever of it was set up. */
int mount_release(struct volume *volume);

#endif
