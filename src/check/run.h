/*
 * check/run -- findings about blocks, joined where they follow each other.
 */

#ifndef CHECK_RUN_H
#define CHECK_RUN_H

#include "check/state.h"

struct run {
	struct subject *s;
	int member;			/* -1: about all */
	enum report_code code;
	enum report_outcome outcome;
	uint64_t offset, length;	/* length 0: nothing yet */
};

void run_init(struct run *run, struct subject *s, int member);
/* run_add(run, code, outcome, offset, length): joins it, or reports what there was and starts anew. */
void run_add(struct run *run, enum report_code code, enum report_outcome outcome,
    uint64_t offset, uint64_t length);
void run_flush(struct run *run);

#endif
