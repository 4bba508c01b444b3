/*
 * volume/status -- how a volume fares, in numbers.
 *
 * No disk is asked while somebody waits for the answer: space is what the keeper
 * (of a read-only mount the flusher) saw a moment ago, so that the state of a volume can be told while
 * one of its disks does not answer.  Counters count from the mount on.
 */

#ifndef VOLUME_STATUS_H
#define VOLUME_STATUS_H

#include "util/uuid.h"
#include "volume/volume.h"

enum status_state { STATUS_IN_SYNC, STATUS_AWAY, STATUS_BACK, STATUS_RESYNCING };

/* All of one kind of work: how often, how many bytes. */
struct status_work { uint64_t count, bytes; };

struct status_replica {
	unsigned index;			/* among the members */
	char *path;			/* as it was named at the mount, or as the labels name it */
	struct uuid uuid;
	enum status_state state;
	int64_t since;			/* in sync, or not, from when on; seconds since 1970 */
	bool before;			/* it was so when the volume was mounted */

	/* Not in sync: what it misses. */
	uint64_t missed;		/* files and directories that are noted for it, and not yet brought up to date */
	bool walk;			/* it may miss more: all names and records are to be compared, */
	bool everything;		/* and all blocks */
	uint64_t resync_done, resync_total;	/* files and directories of the resync under way */
	uint64_t resync_rate;		/* of these a second, lately; 0: unknown */
	bool resync_estimated;		/* the total is a guess: the number of files on a disk */
	bool wants_room;		/* the last attempt found no room, but for the reserve; it is tried again */

	bool far;			/* on another machine: */
	bool linked;			/* there is a connection, */
	int64_t linked_since;		/* since when; seconds since 1970 */
	char *why_not;			/* else why not, as far as it is known; or NULL */
	uint64_t wire_in, wire_out;	/* bytes of the connection, as they went over the network */
	uint64_t round_trips, round_trip_ns;	/* how often an answer was waited for; a moving average of how long */
	bool lags;			/* ack=fsync */
	uint64_t window_bytes, window_requests;	/* unconfirmed */

	struct status_work reads, writes;
	struct status_work read_rate, write_rate;	/* a second, in the last few seconds */
	uint64_t latency_ns;		/* of a read: a moving average; 0: none yet */
	uint64_t in_flight;		/* reads under way */
	uint64_t blocks_bad;		/* that did not match their checksum, */
	uint64_t mended;		/* and what was put right: blocks, records, lengths, names */
	bool space_known;
	uint64_t space_total, space_free;	/* bytes; free to those who are not root */
	uint64_t inodes_total, inodes_free;	/* 0: its file system does not count them */
};

struct volume_status {
	struct uuid uuid;
	enum digest_codec codec;
	enum volume_read_policy read_policy;
	bool read_only;
	unsigned min_replicas, count, in_sync;
	int64_t mounted_since;		/* seconds since 1970, as all times here */
	int64_t since;			/* redundancy is what it is from when on */
	uint64_t unmendable;		/* different blocks that no replica could prove when they were read */
	uint64_t to_store;		/* files and directories whose record is to be written */
	uint64_t to_prove;		/* files in the patrol's queue */
	uint64_t files_in_use;
	uint64_t regions_dirty;		/* of 1,024 files: what is reconciled if the daemon stops now */
	bool reconciling;		/* after an unclean stop: */
	uint64_t regions_left;		/* dirty since before the mount */
	uint64_t names_done, files_done;
	struct status_replica replicas[VOLUME_REPLICAS_MAX];
};

/* volume_status(volume, status): -ENOMEM; else to be given to status_free. */
int volume_status(struct volume *volume, struct volume_status *status);
void status_free(struct volume_status *status);

/* status_state_name(state): "in-sync", "away", "back", "resyncing". */
const char *status_state_name(enum status_state state);

/* The volume's own: status_start(volume): -ENOMEM.  status_release(volume). */
int status_start(struct volume *volume);
void status_release(struct volume *volume);
/* status_sample(volume): look at counters and space; about once a second, from a thread that may wait for a disk. */
void status_sample(struct volume *volume);

#endif
