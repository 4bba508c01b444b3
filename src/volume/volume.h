/*
 * volume/volume -- one file tree over N replicas: what the mount calls.
 *
 * The way of a request: src/fuse fetches it and calls one function of
 * volume/names, attrs, xattrs, dir, file or volume; that one works on nodes
 * and goes to all replicas (changes) or to one that proves its bytes (reads).
 *
 * Errors are negative errno values.  -EIO: no replica could prove what was
 * asked for.  -EROFS: the volume is read-only, or fell below min_replicas.
 */

#ifndef VOLUME_VOLUME_H
#define VOLUME_VOLUME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "hash/digest.h"
#include "replica/peer.h"

#define VOLUME_REPLICAS_MAX 16

struct replica;
struct events;
struct uuid;

enum volume_read_policy { VOLUME_READ_AUTO, VOLUME_READ_FIRST, VOLUME_READ_ROUND_ROBIN };

struct volume_options {
	const char *const *replicas;	/* paths as the user gave them */
	unsigned replica_count;
	const char *mountpoint;		/* refused inside a replica, and the reverse */
	bool read_only;
	bool degraded;			/* -o degraded: go without missing or stale members */
	bool adopt;			/* -o adopt: take in directories that hold files */
	bool codec_given;		/* else: the volume's, or xxh3 for a new one */
	enum digest_codec codec;
	const char *key_file;		/* NULL: none */
	enum volume_read_policy read_policy;
	unsigned min_replicas;		/* at least 1 */
	unsigned timeout_ms;		/* a replica that gives no answer for so long is lost; 0: none ever */
	struct peer_options peer;	/* for replicas on other machines; its instance is ours to choose */
	bool watch_all;			/* this holds for every call, whatever it costs (replica/guard) */
	struct events *events;		/* where what happens is noted (volume/events), or NULL; outlives the volume */
	/*
	 * NULL, or called with each replica once it is opened, before anything is
	 * read: it may put another in its place that passes on to it (a test's
	 * replica/fault).  An error ends volume_open; ${r} is then still ours.
	 */
	int (*wrap)(void *arg, unsigned index, struct replica **r);
	void *wrap_arg;
};

struct volume;
struct node;

/* Who asks: for the owner of what is made. */
struct volume_caller { uid_t uid; gid_t gid; mode_t umask; };

/*
 * volume_open(options, volume):
 * Open the replicas, lock them, compare their labels, form a new volume of
 * empty directories, adopt, mark all as mounted.  On error one line was logged
 * that says what is wrong and what to do, nothing has changed on any replica,
 * and a negative errno value is returned.  Starts no threads: call
 * volume_start after the process went to the background.
 */
int volume_open(const struct volume_options *options, struct volume **volume);

/* volume_start(volume): start the lanes and the background flusher. */
int volume_start(struct volume *volume);

/*
 * volume_close(volume):
 * Store all records, make everything durable, mark the labels clean, free.
 * Returns 0 or the first error (already logged).
 */
int volume_close(struct volume *volume);

/* volume_uuid(volume): whose replicas these are. */
const struct uuid *volume_uuid(const struct volume *volume);
/* volume_read_only(volume): mounted so, or turned so. */
bool volume_read_only(const struct volume *volume);
/* volume_lags(volume): may replicas that are far away lack what was acknowledged?  Then close(2) waits for them. */
bool volume_lags(const struct volume *volume);
/* volume_root(volume): the top directory; it is never forgotten. */
struct node *volume_root(struct volume *volume);
/* volume_statfs(volume, st): the smallest of all replicas in sync. */
int volume_statfs(struct volume *volume, struct statvfs *st);
/* volume_sync(volume): syncfs: everything durable on all replicas. */
int volume_sync(struct volume *volume);
/*
 * volume_hurry(volume):
 * Look for the members that are away now, not when it is their time, and say
 * again why one that stands there is not taken in.  How many are not in sync.
 */
unsigned volume_hurry(struct volume *volume);
/* One of the volume's replicas, present or not. */
struct volume_replica {
	const char *name;		/* as the labels have it */
	const char *path;		/* NULL: was not named at this mount */
	bool in_sync;
};
/* volume_replicas(volume, call, arg): call ${call} for each; its argument is good until it returns. */
void volume_replicas(struct volume *volume, void (*call)(void *arg, const struct volume_replica *replica), void *arg);

#define VOLUME_WHY_MAX 4096
/*
 * volume_add(volume, path, mountpoint, why), volume_remove(volume, which, why),
 * volume_replace(volume, which, path, mountpoint, why):
 * Membership of a mounted volume (volume/enroll).  ${path}: absolute; an empty
 * directory, which becomes a replica that is being filled, or one of this
 * volume's that was not named at the mount.  ${which}: a replica's name, or its
 * path.  ${why} has VOLUME_WHY_MAX bytes.  0, and durable; or a negative errno value, ${why} says what is wrong
 * and what to do, and nothing has changed.
 */
int volume_add(struct volume *volume, const char *path, const char *mountpoint, char *why);
int volume_remove(struct volume *volume, const char *which, char *why);
/* volume_replace: ${which} stays until the new one is in sync, and is removed then. */
int volume_replace(struct volume *volume, const char *which, const char *path, const char *mountpoint, char *why);
/*
 * volume_purge(volume, which, slot, why):
 * Remove a version from the quarantine of the replica ${which}, its name or
 * path, for good; ${slot} NULL: what purges that were cut off have left.  For
 * who cannot do it himself, since a replica on another machine is changed by
 * the mount alone.  0, or a negative errno value and ${why}, as above.
 */
int volume_purge(struct volume *volume, const char *which, const char *slot, char *why);
/* volume_replica(volume, index): where a replica is, for messages; NULL: there are no more. */
const char *volume_replica(const struct volume *volume, unsigned index);
/* volume_log_status(volume): one line a replica with counts, at level info (SIGUSR1). */
void volume_log_status(struct volume *volume);

#endif
