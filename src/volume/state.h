/*
 * volume/state -- the structs that the files of this folder share.
 *
 * Terms.  A member is one of the volume's replicas.  It is in sync until it
 * fails; then it is away, until it is found again and was resynced.  Nobody but
 * volume/away and volume/resync touches a member that is not in sync.
 *
 * Invariants:
 *  1. What a node says (attributes, tags) is what every member in sync holds,
 *     or what its record will say at the next store: nodes, not disks, are the
 *     truth while mounted.
 *  2. A reply to a change is sent when every member in sync has it, or was
 *     marked lost in the labels of all others, durably.
 *  3. A tag is only computed over bytes that came from the writer or were
 *     proved by the tag before.
 *  4. A member's bytes reach a reader only if they match their tag.
 *  5. A node that changes while a member is away is noted for it (volume/missed)
 *     before its lock, or the tree's, is given back.
 *
 * Lock order: roster, tree, then node->lock (a directory's before its child's), then
 * settle_lock, heal_lock, file->mutex, then one of the leaf locks (label, missed,
 * nodes, dirs, dirty, absent; one after the other in this order).
 * Reading and writing data takes no tree lock.
 */

#ifndef VOLUME_STATE_H
#define VOLUME_STATE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "format/label.h"
#include "format/pending.h"
#include "hash/digest.h"
#include "meta/intent.h"
#include "meta/tags.h"
#include "replica/open.h"
#include "replica/replica.h"
#include "util/hashmap.h"
#include "util/lane.h"
#include "util/list.h"
#include "util/roll.h"
#include "volume/node.h"

#define BLOCK DIGEST_BLOCK_SIZE
#define VOLUME_ROOT_ID 1
/* Ids of what carries no record: this bit, the member's number, its inode number. */
#define NODE_ID_BORROWED (UINT64_C(1) << 63)
/* Tag pages that all open files together keep; one page serves 1 MiB of data. */
#define VOLUME_TAG_PAGES_MAX 4096
/* Directories whose handles are kept open. */
#define VOLUME_DIRS_MAX 256
/* Blocks of a file whose tags stay with its node: those that find room in ext4's inodes. */
#define NODE_TAGS_KEPT 2
/* Files whose handles and tags are kept; fewer where the process may open less. */
#define VOLUME_FILES_MAX 1024
/* Nodes waiting for the flusher; beyond, it is woken before its time. */
#define VOLUME_DIRTY_MAX 4096
/* Nodes noted for members that are away; beyond, they are compared as a whole. */
#define VOLUME_MISSED_MAX 65536

enum member_state {
	MEMBER_IN_SYNC,
	MEMBER_AWAY,		/* failed, or not there */
	MEMBER_BACK,		/* there again, and behind: about to be resynced */
	MEMBER_RESYNCING,
	MEMBER_REMOVED		/* none any more; its place stays empty until the next mount */
};

/* What a member that is not in sync missed, besides the nodes that are noted for it. Missed lock. */
struct lack {
	bool everything;	/* nothing is known of it: all is compared, to the byte */
	bool walk;		/* what it missed is not known by name: the whole tree is gone through */
	bool loaded;		/* entries came from a log and wait to be found */
	struct pending pending;	/* by id and name; suspect ones may be spoiled */
	uint64_t *suspects;	/* sorted ids of files of which blocks may be spoiled, wherever they are */
	size_t suspect_count;
};

struct member {
	struct volume *volume;
	unsigned index;
	struct uuid uuid;
	char name[LABEL_NAME_MAX];	/* as the labels have it */
	struct replica *r;		/* NULL: was not named at this mount */
	replica_handle meta;		/* .mendfs */
	replica_handle tags;		/* .mendfs/tags */
	struct label label;		/* label lock */
	_Atomic int state;
	struct lane *lane;		/* NULL before volume_start */
	bool given_up;			/* in sync, but without an answer; give-up lock */

	/* Not in sync: */
	struct lack lack;
	_Atomic int64_t away_since;	/* nanoseconds since 1970 */
	_Atomic unsigned returns;	/* how often it was taken in again */
	struct guard_opening *opening;	/* what stands at its path, being opened; keeper's */
	struct replica **retired;	/* what it was before, still spoken of; keeper's */
	unsigned retired_count;
	atomic_bool let_go;		/* nothing of ours is open there any more; keeper's */
	char why_away[REPLICA_OPEN_WHY_MAX];	/* why it could not be opened when it was last looked for; status lock */
	_Atomic int64_t linked_since;	/* one that is far away: when it was connected; seconds since 1970 */
	bool unfit;			/* what stands there was found unfit, and this was said; keeper's */
	struct member *replaces;	/* to be removed when this one is in sync; roster lock */
	uint64_t probe_ms, wait_ms;	/* when it is looked for, and how long after that again; keeper's */
	_Atomic uint64_t resync_done, resync_total;
	_Atomic bool resync_walks;	/* the total is an estimate */
	_Atomic bool wants_room;	/* its resync found none, and waits for some */

	/* For choosing and for the administrator; races lose a count at worst. */
	atomic_uint in_flight;
	atomic_ullong latency_ns;	/* moving average of uncached reads */
	atomic_ullong reads, read_bytes, writes, written_bytes;
	atomic_ullong blocks_bad, mended, unmended;
	_Atomic int64_t synced_since;	/* when it joined in this mount; 0: was there from the start; nanoseconds since 1970 */
	_Atomic uint64_t space_total, space_free, inodes_total, inodes_free;	/* bytes; as volume/status last saw it */
};

struct volume {
	struct digest digest;
	struct uuid uuid;
	struct events *events;		/* NULL: nobody wants to be told */
	struct member members[VOLUME_REPLICAS_MAX];
	_Atomic unsigned member_count;	/* grows under the tree lock, exclusively, when all of the new one is set up */
	enum volume_read_policy read_policy;
	unsigned min_replicas;
	unsigned timeout_ms;		/* 0: none */
	bool watch_all;
	struct peer_options peer;	/* for replicas on other machines */
	pthread_mutex_t give_up_lock;	/* a leaf */
	uid_t euid;			/* the process's own */
	gid_t egid;
	_Atomic bool read_only;
	int (*wrap)(void *arg, unsigned index, struct replica **r);	/* as volume_options have it */
	void *wrap_arg;
	bool opened;			/* all is set up: to be closed cleanly */
	bool no_writes;			/* mounted read-only: nothing is mended either */
	bool was_unclean;		/* the last stop was unclean: intent tells where */
	struct hashmap remade;		/* files with several names, made anew on a member; settle lock */
	bool moves_complete;		/* renamings that it cut off were looked for; settle lock */
	atomic_uint turn;		/* VOLUME_READ_ROUND_ROBIN */

	pthread_mutex_t roster_lock;	/* who is a member; before all others */
	struct awaited { char *name; struct guard_opening *opening; uint64_t probe_ms, wait_ms; }
	    awaited[VOLUME_REPLICAS_MAX];	/* named at the mount, and not there (volume/awaited); NULL: taken in.  Keeper's */
	unsigned awaited_count;
	_Atomic(struct member *) resyncing;	/* what the resyncer is at */
	pthread_mutex_t label_lock;	/* labels, on disk too */
	struct intent *intent;
	uint64_t first_id;		/* the first that this mount gives */
	_Atomic uint64_t next_id;
	_Atomic uint64_t ids_reserved;	/* the labels say that ids below may be in use */

	pthread_mutex_t absent_lock;	/* a leaf; directories' rolls; the name last found to be on no member: */
	uint64_t absent_dir;		/* by its id; 0: none */
	char absent_name[NAME_MAX + 1];

	pthread_rwlock_t tree;		/* names: links, dir->names, handles of directories by name */

	pthread_mutex_t nodes_lock;	/* by_id, by_name, references */
	struct hashmap by_id;
	struct hashmap by_name;
	struct list_link all;		/* nodes, in no order */
	struct node *root;
	uint64_t forgotten;		/* nodes freed since memory was last given back */

	pthread_mutex_t dirs_lock;	/* handles of directories */
	struct list_link dirs;		/* least recently used first */
	unsigned dirs_open;

	pthread_mutex_t dirty_lock;
	struct list_link dirty;		/* oldest first */
	unsigned dirty_count;
	struct list_link files;		/* nodes with a file and a name; dirty lock */
	unsigned files_count;
	unsigned files_max;
	struct list_link patrol;	/* files whose other copies are to be proved; dirty lock */
	unsigned patrol_count;

	pthread_mutex_t missed_lock;
	_Atomic uint32_t away;		/* a bit for each member that is not in sync; missed lock to change */
	struct list_link missed;	/* nodes noted for some member */
	unsigned missed_count[VOLUME_REPLICAS_MAX];
	unsigned missed_nodes;
	_Atomic uint32_t epoch;		/* how often everything began to be made durable; from 1 on */
	_Atomic uint32_t synced;	/* the last of these that came through */
	struct dropped { uint64_t id; uint32_t changed; } *dropped;	/* freed, that changed since; nodes lock */
	size_t dropped_count;
	uint32_t dropped_too_many;	/* the epoch in which there was no room for one */

	int64_t mounted_since;		/* nanoseconds since 1970 */
	pthread_mutex_t status_lock;	/* a leaf; volume/status's: */
	struct status_samples *samples;
	struct hashmap lost;		/* blocks that no replica proves; heal lock */
	atomic_ullong blocks_lost;	/* how many different ones were met */

	pthread_mutex_t settle_lock;	/* recursive: one settling of names at a time */
	pthread_mutex_t heal_lock;	/* one mending at a time: each block is counted once */
	atomic_ullong tag_pages;

	atomic_uint leaving;		/* files without a name that are not freed yet; volume/room */
	_Atomic uint64_t leaving_ms;	/* when the last one lost its name */

	pthread_t flusher;
	bool flusher_runs;
	bool stop;			/* dirty_lock */
	pthread_cond_t flusher_wake;
	pthread_t keeper, resyncer;	/* volume/away, volume/resync */
	bool keeper_runs, resyncer_runs;
	_Atomic bool keeper_stop;	/* hold lock to set */
	_Atomic bool keeper_hurry;	/* look for all that are away at once; hold lock to set */
	pthread_cond_t keeper_wake;	/* one of these was; hold lock */
	pthread_mutex_t hold_lock;	/* those who wait while a member joins */
	pthread_cond_t hold_ended;
	_Atomic bool hold;
	struct scrub *scrub;		/* volume/scrub; there from volume_start on */
	pthread_mutex_t scrub_lock;	/* one command for it at a time; comes before all others */
	pthread_t walker;		/* reconciles in the background after an unclean stop */
	bool walker_runs;
	_Atomic bool walker_stop;
	_Atomic bool reconciling;	/* the walker is at it, */
	_Atomic uint64_t walked_names, walked_files;	/* and has come so far */
	pthread_mutex_t walk_lock;	/* a leaf: */
	struct node **walk_moved;	/* what is to be settled and got other names meanwhile; holds references */
	size_t walk_moved_count, walk_moved_room;
	_Atomic bool walk_lost;		/* some of these found no room */
	_Atomic bool walk_gone;		/* something lost its last name: its tags are looked after by who has it open */
};

/* One name of a node. */
struct link {
	struct hashmap_link by_name;	/* volume->by_name; nodes lock */
	struct link *next;		/* of the same node; tree lock */
	struct node *node;
	struct node *dir;		/* holds a reference */
	char name[];
};

/* What a directory has besides. */
struct directory {
	struct list_link by_use;	/* dirs lock, as all below but names */
	unsigned pins;
	bool open;			/* has any handle */
	replica_handle handle[VOLUME_REPLICAS_MAX];
	struct roll *roll;		/* its names, all of them; NULL: not known.  Absent lock */
	unsigned vain;			/* how often all members were asked for a name in vain; absent lock */
};

/*
 * What a file in use has besides; the node's lock guards it unless said.  The
 * kernel does not tell of open(2) and the last close(2), so it comes with the
 * first read or write, and goes some time after the last (volume/files).
 */
struct file {
	atomic_bool used;		/* since the flusher looked last */
	unsigned holds;			/* in use without the node's lock: it stays */
	uint64_t patrolled_ms;		/* when it was last queued for the patrol */
	pthread_mutex_t mutex;		/* tags, handles being added, under a shared node lock */
	struct tags *tags;
	replica_handle handle[VOLUME_REPLICAS_MAX];
	bool writable[VOLUME_REPLICAS_MAX];
	replica_handle tags_handle[VOLUME_REPLICAS_MAX];
	bool tags_writable[VOLUME_REPLICAS_MAX];
	bool sum_proved;		/* the tags files' pages match the record's sum, on some member */
	bool keep_pages;		/* no page may be dropped: tags_set is about to come */
	uint64_t pages_counted;		/* this file's part of volume->tag_pages */
	atomic_uint turn;		/* VOLUME_READ_ROUND_ROBIN: whose turn it is, */
	_Atomic uint64_t next_block;	/* and where the last read ended */
	/* The block last written in part, as it is now: what appends merge with. */
	uint64_t edge_index;		/* UINT64_MAX: none */
	uint8_t *edge;			/* BLOCK bytes, or NULL */
};

struct node {
	struct hashmap_link by_id;	/* nodes lock; key: the id */
	uint64_t refs;			/* nodes lock: kernel, links below, users, lists */
	struct list_link dirty_link;	/* dirty lock */
	struct list_link patrol_link;	/* dirty lock */
	struct list_link all_link;	/* nodes lock */
	struct list_link missed_link;	/* missed lock */
	_Atomic uint32_t missed;	/* the members it is noted for; missed lock to change */
	_Atomic uint32_t suspect;	/* of these, where more than its record tells may differ */
	_Atomic uint32_t changed;	/* the epoch of its last change; 0: none since it was made durable */
	struct list_link files_link;	/* dirty lock */

	struct link *links;		/* tree lock */
	bool hashed;			/* in by_id; nodes lock */
	_Atomic uint32_t placed;	/* the intent's epoch in which the way to it was marked (volume/ways), and a file's region with it */

	pthread_rwlock_t lock;		/* all below */
	_Atomic mode_t mode;		/* its type never changes, and is looked at without the lock */
	uid_t uid;
	gid_t gid;
	dev_t rdev;
	nlink_t nlink;			/* 0: no name is left */
	uint64_t size;
	uint64_t blocks;		/* of 512 bytes, as shown */
	struct timespec atime, mtime, ctime;
	uint64_t generation;
	uint32_t meta;
	_Atomic bool dirty;		/* the record on disk is out of date */
	bool unsynced;			/* written since the last fsync, or not known */
	bool leaving;			/* counted in volume->leaving */
	bool blocks_stale;		/* size on disk changed: ask before it is shown */
	bool atime_set;			/* by utimensat: to be stored */
	_Atomic bool has_xattrs;	/* looked at without the lock */
	bool no_capability;		/* looked for, and not there, while has_xattrs */
	bool default_acl;		/* a directory's; valid if has_xattrs */
	bool paged;			/* has, or may have, a tags file */
	uint64_t reported;		/* the block last reported as lost, counted from 1; 0: none */
	uint64_t patrol_next;		/* the patrol: the block that comes next, */
	uint64_t patrol_stop;		/* the one where it began, and ends when it has come round, */
	bool patrol_wrapped;		/* whether it has passed the end of the file since, */
	bool patrol_seal;		/* and whether a seal was broken and is to be put back then */
	bool moved;			/* a directory's parent is another since it was last opened */
	bool proved;			/* a directory's names were proved against its digest */
	bool names_stale;		/* a directory of a dirty region: ${names} may lag behind, until the walker was there */
	struct torn *torn;		/* a file of a dirty region: its blocks are not all settled; NULL: at rest */
	uint8_t names[DIGEST_SIZE];	/* a directory's names digest; tree lock */
	struct directory *directory;
	struct file *file;		/* NULL: not in use */
	uint64_t kept_generation;	/* of the record that the tags below are from; 0: none */
	uint8_t kept_count;
	uint8_t kept_tags[NODE_TAGS_KEPT * DIGEST_SIZE];	/* a very small file's, which so needs no second look at its record */
	replica_handle *pins;		/* the way to a file whose last known name went; NULL: none */
	char *target;			/* a symbolic link's; never changes */
};

static inline uint64_t
node_key(const struct node *node)
{
	return node->by_id.key;
}

static inline bool
node_has_record(const struct node *node)
{
	return S_ISREG(node->mode) || S_ISDIR(node->mode);
}

static inline bool
member_in_sync(const struct member *m)
{
	return atomic_load_explicit(&m->state, memory_order_acquire) == MEMBER_IN_SYNC;
}

/* member_turn(m, from, to): if its state is ${from} it is ${to} from now on; else somebody was faster. */
static inline bool
member_turn(struct member *m, int from, int to)
{
	return atomic_compare_exchange_strong(&m->state, &from, to);
}

static inline bool
member_removed(const struct member *m)
{
	return atomic_load_explicit(&m->state, memory_order_acquire) == MEMBER_REMOVED;
}

/* for_each_member(v, m): those in sync, lowest number first. */
#define for_each_member(v, m)						\
	for ((m) = (v)->members; (m) < (v)->members + (v)->member_count; (m)++)	\
		if (!member_in_sync(m)) { continue; } else

#endif
