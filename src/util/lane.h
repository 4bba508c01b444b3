/*
 * util/lane -- a thread that does one thing after the other.
 *
 * Whatever waits for a disk (fsync, large writes) goes to one lane a replica,
 * so that replicas work in parallel and a slow one is waited for only once.
 *
 *	struct lane_batch batch;
 *	lane_batch_init(&batch);
 *	for each replica: lane_submit(lane[i], &job[i], &batch);
 *	... own work ...
 *	lane_batch_wait(&batch);
 */

#ifndef UTIL_LANE_H
#define UTIL_LANE_H

#include <pthread.h>

struct lane;
struct lane_batch { pthread_mutex_t mutex; pthread_cond_t done; unsigned pending; };

/*
 * A job is the caller's memory and stays valid until its batch was waited
 * for.  ${run} is called once, in the lane's thread; it keeps its result in
 * the struct that embeds the job.
 */
struct lane_job {
	void (*run)(struct lane_job *job);
	struct lane_batch *batch;	/* lane's */
	struct lane_job *next;		/* lane's */
};

/* lane_new(name, lane): start the thread, named ${name} (15 bytes).  -ENOMEM, -EAGAIN. */
int lane_new(const char *name, struct lane **lane);
/* lane_free(lane): do what is queued, end the thread.  NULL is fine. */
void lane_free(struct lane *lane);
void lane_batch_init(struct lane_batch *batch);
/* lane_submit(lane, job, batch): queue ${job}; never fails, never waits. */
void lane_submit(struct lane *lane, struct lane_job *job, struct lane_batch *batch);
/* lane_batch_wait(batch): return when all jobs of the batch ran; frees its insides. */
void lane_batch_wait(struct lane_batch *batch);

#endif
