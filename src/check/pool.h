/*
 * check/pool -- a few threads that work off a short queue.
 *
 * The queue is bounded, so that the one who walks the tree never runs far
 * ahead of those who read the data.
 */

#ifndef CHECK_POOL_H
#define CHECK_POOL_H

#include <stdbool.h>

struct pool;
typedef void pool_call(void *arg);

/* pool_new(threads, room, pool): -ENOMEM, -EAGAIN. */
int pool_new(unsigned threads, unsigned room, struct pool **pool);
/* pool_free(pool): do what is queued, end the threads.  NULL is fine. */
void pool_free(struct pool *pool);
/* pool_add(pool, call, arg): queue a job; waits while the queue is full.  Not for the pool's own threads. */
void pool_add(struct pool *pool, pool_call *call, void *arg);
/* pool_try(pool, call, arg): queue a job if there is room, never waits. */
bool pool_try(struct pool *pool, pool_call *call, void *arg);
/* pool_drain(pool): return when nothing is queued or running. */
void pool_drain(struct pool *pool);
/* pool_threads(pool): how many. */
unsigned pool_threads(const struct pool *pool);

#endif
