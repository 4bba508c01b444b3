/*
 * replica/fault -- a replica that fails when it is told to.
 *
 * It wraps another one and passes everything on, handles included, but for
 * what a rule says.  For tests: a fault loop fails the first operation of a
 * scenario, then the second, and so on until the scenario passes untouched:
 *
 *	for (n = 1; ; n++) {
 *		fault_set(r, &(struct fault_rule){ .ops = FAULT_CHANGES, .nth = n, .error = EIO });
 *		... scenario ...
 *		if (fault_hits(r) == 0)
 *			break;
 *	}
 */

#ifndef REPLICA_FAULT_H
#define REPLICA_FAULT_H

#include <pthread.h>

#include "replica/replica.h"

/* A truncate that makes the file longer is FAULT_GROW, a store without a record FAULT_TIMES. */
enum fault_op {
	FAULT_STATFS, FAULT_SYNC, FAULT_DIR_OPEN, FAULT_PIN, FAULT_DIR_SYNC, FAULT_LIST,
	FAULT_LOAD, FAULT_STAT, FAULT_STORE, FAULT_TIMES, FAULT_CREATE, FAULT_TMPFILE,
	FAULT_LINK, FAULT_UNLINK, FAULT_RENAME, FAULT_READLINK, FAULT_CHMOD,
	FAULT_CHOWN, FAULT_XATTR_GET, FAULT_XATTR_SET, FAULT_XATTR_REMOVE,
	FAULT_XATTR_LIST, FAULT_OPEN, FAULT_PREAD, FAULT_PWRITE,
	FAULT_TRUNCATE, FAULT_GROW, FAULT_FALLOCATE, FAULT_SEEK, FAULT_FSYNC, FAULT_LOCK,
	FAULT_OP_COUNT
};

/* Sets of operations are masks. */
#define FAULT_MASK(op) (UINT32_C(1) << (op))
#define FAULT_ALL (FAULT_MASK(FAULT_OP_COUNT) - 1)
#define FAULT_SYNCS (FAULT_MASK(FAULT_SYNC) | FAULT_MASK(FAULT_DIR_SYNC) | FAULT_MASK(FAULT_FSYNC))
#define FAULT_NAMES (FAULT_MASK(FAULT_CREATE) | FAULT_MASK(FAULT_TMPFILE) | FAULT_MASK(FAULT_LINK) | \
	FAULT_MASK(FAULT_UNLINK) | FAULT_MASK(FAULT_RENAME))
#define FAULT_WRITES (FAULT_MASK(FAULT_PWRITE) | FAULT_MASK(FAULT_TRUNCATE) | FAULT_MASK(FAULT_GROW) | FAULT_MASK(FAULT_FALLOCATE))
#define FAULT_ATTRS (FAULT_MASK(FAULT_STORE) | FAULT_MASK(FAULT_TIMES) | FAULT_MASK(FAULT_CHMOD) | FAULT_MASK(FAULT_CHOWN) | \
	FAULT_MASK(FAULT_XATTR_SET) | FAULT_MASK(FAULT_XATTR_REMOVE))
/* What a full disk, a quota or a limit of size may refuse: not removing anything, cutting files off, or setting times. */
#define FAULT_ROOM (FAULT_MASK(FAULT_CREATE) | FAULT_MASK(FAULT_TMPFILE) | FAULT_MASK(FAULT_LINK) | FAULT_MASK(FAULT_RENAME) | \
	FAULT_MASK(FAULT_PWRITE) | FAULT_MASK(FAULT_GROW) | FAULT_MASK(FAULT_FALLOCATE) | FAULT_MASK(FAULT_STORE) | \
	FAULT_MASK(FAULT_CHMOD) | FAULT_MASK(FAULT_CHOWN) | FAULT_MASK(FAULT_XATTR_SET) | FAULT_MASK(FAULT_FSYNC))
#define FAULT_CHANGES (FAULT_NAMES | FAULT_WRITES | FAULT_ATTRS | FAULT_SYNCS)
#define FAULT_READS (FAULT_ALL & ~FAULT_CHANGES)

enum fault_mode {
	FAULT_BEFORE,		/* nothing happens, and the error is returned */
	FAULT_AFTER,		/* it happens, but the error is returned: a lost answer */
	FAULT_SHORT,		/* pwrite writes half, and says so; others as FAULT_BEFORE */
	FAULT_FULL,		/* a disk fills up: the first hit, if a pwrite, writes half, by whole pages; others as FAULT_BEFORE */
	FAULT_HANG		/* it waits until another rule is set, and then happens */
};

/*
 * One power cord for several replicas: they die together.  For a machine that
 * goes down, or a process that is killed, at the nth operation of all that
 * were asked of any of them: that one does not happen, nor any that follows,
 * and all fail with EIO.  What is closed is still closed.
 */
struct fault_plug {
	uint32_t ops;		/* which operations count */
	uint64_t nth;		/* the one that does not happen, counted from 1; 0: none */
	bool half;		/* that one is half done: pwrite of half the bytes, store without the record */
	bool no_syncs;		/* what makes durable does nothing, and says that it did */
	pthread_mutex_t mutex;	/* all below */
	uint64_t seen;
	bool pulled;
	unsigned op;		/* the operation that it was pulled at */
};

struct fault_rule {
	uint32_t ops;		/* which operations it is about */
	uint64_t nth;		/* the first of them that it hits, counted from 1 */
	uint64_t times;		/* how many it hits from there on; 0: all (a dead replica) */
	int error;		/* positive or negative errno value; 0: only the delay */
	enum fault_mode mode;
	unsigned delay_ms;	/* each hit waits so long first */
};

/*
 * fault_replica_new(inner, out):
 * Wrap ${inner}, which then belongs to the wrapper and is freed with it.
 * Fails with -ENOMEM; then ${inner} is still the caller's.
 */
int fault_replica_new(struct replica *inner, struct replica **out);

/*
 * fault_set(r, rule):
 * Follow ${rule} from now on, counting from here; NULL: none.  Whatever hangs goes on.
 */
void fault_set(struct replica *r, const struct fault_rule *rule);

/*
 * fault_join(r, plug):
 * Hang on ${plug}, which must outlive ${r}, from now on; NULL: on none.
 */
void fault_join(struct replica *r, struct fault_plug *plug);

/* fault_hits(r): how often the rule was applied since it was set. */
uint64_t fault_hits(struct replica *r);

/*
 * fault_count(r, ops):
 * How many operations of the set were asked for since the replica was made,
 * or since fault_count_reset.
 */
uint64_t fault_count(struct replica *r, uint32_t ops);
void fault_count_reset(struct replica *r);

/* fault_op_name(op): "pwrite" etc., for messages. */
const char *fault_op_name(enum fault_op op);

#endif
