/*
 * volume/explain_private -- what the explain*.c files share; nobody else's.
 */

#ifndef VOLUME_EXPLAIN_PRIVATE_H
#define VOLUME_EXPLAIN_PRIVATE_H

#include "format/record.h"
#include "meta/judge.h"
#include "volume/explain.h"
#include "volume/state.h"

struct explain {
	struct volume *v;
	struct explanation *out;
	bool (*stopped)(void *arg);
	void *arg;
	struct replica *r[VOLUME_REPLICAS_MAX];		/* NULL: is not looked at */
	replica_handle dir[VOLUME_REPLICAS_MAX];	/* what it is in, */
	replica_handle file[VOLUME_REPLICAS_MAX];	/* it itself, */
	replica_handle tags[VOLUME_REPLICAS_MAX];	/* and its tags file */
	struct replica_at at[VOLUME_REPLICAS_MAX];
	struct judge_fact facts[VOLUME_REPLICAS_MAX];
	uint8_t bytes[VOLUME_REPLICAS_MAX][RECORD_SIZE_MAX];
	char *target[VOLUME_REPLICAS_MAX];		/* of a link */

	/* The record that is right, as a disk has it; generation 0: none is known. */
	struct record record;
	uint8_t record_bytes[RECORD_SIZE_MAX];
};

/* explain_record(x, generation): find the file's record of that generation, 0: the newest.  Tree lock. */
bool explain_record(struct explain *x, uint64_t generation);

/* explain_data(x): compare the blocks of a file on all replicas with their tags. */
int explain_data(struct explain *x);

/* explain_names(x): compare the names in a directory.  Tree lock. */
int explain_names(struct explain *x);

#endif
