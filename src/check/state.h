/*
 * check/state -- the structs that the files of this folder share.
 *
 * Terms.  A member is one of the replicas given.  A place is one directory on
 * all members at once; a subject is one inode on all members at once.
 *
 * Invariants:
 *  1. Without repairing, replicas are open read-only and nothing is written.
 *  2. Bytes are written to a user's file only if their tag proves them, or
 *     after the version they replace was put into quarantine or is known to be
 *     rot, or older than its successor.
 *  3. A record is made for what nothing proves only where report_may() allows
 *     what its finding's class asks for.
 *  4. The label is marked clean after everything else is durable.
 *
 * Threads: one walks directories; a pool looks at files.  A place is shared by
 * those who hold a reference; its last holder gives the directory its times
 * back, for mending names changes them.
 */

#ifndef CHECK_STATE_H
#define CHECK_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "check/check.h"
#include "check/idset.h"
#include "check/pool.h"
#include "check/report.h"
#include "format/label.h"
#include "meta/copy.h"
#include "meta/intent.h"
#include "meta/judge.h"
#include "replica/replica.h"
#include "util/hashmap.h"

#define MEMBERS_MAX LABEL_MEMBERS_MAX
#define ROOT_ID 1
#define BLOCK DIGEST_BLOCK_SIZE
/* Ids that one run may give out: the labels say so before it gives out the first. */
#define IDS_RESERVED (UINT64_C(1) << 20)

struct links;
struct moves;
struct progress;

struct member {
	unsigned index;
	struct replica *r;
	replica_handle meta, tags;	/* .mendfs, .mendfs/tags; or REPLICA_NONE */
	struct label label;
	bool labelled;			/* label is as read, and valid */
	int label_error;		/* why not */
	bool stale;			/* behind, rolled back or without a label: never a source */
	bool behind, rolled_back;
	enum report_class label_class;	/* who may have its label made anew */
};

struct check {
	const struct check_options *options;
	struct report *report;
	bool repairing;
	struct digest digest;
	struct member members[MEMBERS_MAX];
	unsigned count;
	bool unclean;
	struct intent *intent;		/* what was dirty; NULL if clean */
	struct pool *pool;
	struct progress *progress;
	struct idset *ids;		/* of all files and directories seen */
	struct idset *paged;		/* of those with a tags file */
	struct links *links;
	struct moves *moves;		/* what an unclean stop left in two places; may be NULL */
	struct idset *twice;		/* ids that more than one file has */
	bool any_twice, collecting;	/* the second walk, which looks for those only */
	struct hashmap adopted;		/* files with several names that got an id: by inode number */
	_Atomic uint64_t next_id;	/* for what is adopted */
	uint64_t id_limit;		/* no id above was ever given out, as far as known */
	bool intent_spoiled[MEMBERS_MAX];
	bool next_id_low;		/* ids beyond id_limit are in use */
	atomic_bool events_begun;	/* the labels say that this volume moves on */
	pthread_mutex_t events_lock;
	atomic_bool incomplete;		/* not all was seen: don't conclude from absence */
	atomic_bool touched;		/* something was written */
};

struct place {
	atomic_uint refs;
	struct check *c;
	char *path;			/* from the top, "" for it */
	replica_handle handle[MEMBERS_MAX];	/* REPLICA_NONE: not there */
	bool fresh[MEMBERS_MAX];	/* made in this run: what is missing below is no news */
	atomic_bool touched[MEMBERS_MAX];	/* names were changed: times are to be set */
};

/* What a name is to stand for. */
struct want {
	bool known;			/* false: nothing is known but that it is there */
	bool proved;			/* the directory's digest says so */
	bool dirty;			/* the directory may be torn */
	mode_t type;
	uint64_t id;			/* of a file or directory; 0: unknown */
	uint8_t ident[DIGEST_SIZE];	/* the entry's digest, if known */
};

struct subject {
	struct check *c;
	struct place *place;		/* the directory of the (first) name */
	const char *name;
	char *path;
	const struct want *want;
	bool dirty;			/* torn is admissible */
	struct replica_at at[MEMBERS_MAX];	/* where it is, or is to be, on each member */
	bool asked[MEMBERS_MAX];	/* its directory is there */
	bool fresh[MEMBERS_MAX];	/* made by us just now: empty, without record */
	bool kept[MEMBERS_MAX];		/* this version was put into quarantine */
	bool written[MEMBERS_MAX];	/* data was written */
	bool told[MEMBERS_MAX];		/* its data was found to be wrong, and reported */
	struct judge_fact facts[MEMBERS_MAX];
	struct judge_verdict verdict;
	uint8_t (*records)[RECORD_SIZE_MAX];
};

static inline bool
check_stopped(const struct check *c)
{
	return c->options->stop != NULL && atomic_load_explicit(c->options->stop, memory_order_relaxed);
}

#endif
