/*
 * lend/jobs -- the requests of one session that wait for a disk.
 *
 * They are begun in the order in which they came, some at a time, by threads of
 * util/aside.  None of them changes anything that a later request could see.
 */

#ifndef LEND_JOBS_H
#define LEND_JOBS_H

#include <pthread.h>
#include <stdbool.h>

#include "lend/handles.h"
#include "proto/message.h"
#include "util/aside.h"

#define JOBS_WORKERS_MAX 16

struct jobs;

struct job {
	struct job *next;
	struct proto_request q;		/* nothing in it points anywhere */
	replica_handle handle;		/* REPLICA_NONE: it needs none */
	struct handle *held;		/* what must stay open meanwhile, or NULL */
};

struct worker { struct aside_job aside; struct jobs *jobs; bool busy; };

struct jobs {
	/* Do the job, or if ${cancelled} only what is owed to it, and free it. */
	void (*run)(struct jobs *jobs, struct job *job, bool cancelled);
	unsigned waiting_max, workers_max;
	pthread_mutex_t mutex;		/* all below */
	pthread_cond_t changed;
	struct job *first, *last;	/* not begun */
	unsigned waiting;		/* not ended */
	bool cancelled;
	struct worker workers[JOBS_WORKERS_MAX];
};

void jobs_init(struct jobs *jobs);
void jobs_destroy(struct jobs *jobs);
/* jobs_full(jobs): would jobs_add() wait? */
bool jobs_full(struct jobs *jobs);
/* jobs_add(jobs, job): begin it, or have it begun later; waits while there are too many. */
void jobs_add(struct jobs *jobs, struct job *job);
/* jobs_wait(jobs): until all have ended. */
void jobs_wait(struct jobs *jobs);
/* jobs_cancel(jobs): those that have not begun never will. */
void jobs_cancel(struct jobs *jobs);
unsigned jobs_waiting(struct jobs *jobs);

#endif
