#include "check/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct job { pool_call *call; void *arg; };

struct pool {
	pthread_mutex_t mutex;
	pthread_cond_t filled, emptied, idle;
	struct job *queue;		/* a ring of ${room} */
	unsigned room, first, count, running;
	bool stop;
	unsigned thread_count;
	pthread_t threads[];
};

static void *
work(void *arg)
{
	struct pool *pool = arg;
	struct job job;

	pthread_mutex_lock(&pool->mutex);
	for (;;) {
		while (pool->count == 0 && !pool->stop)
			pthread_cond_wait(&pool->filled, &pool->mutex);
		if (pool->count == 0)
			break;
		job = pool->queue[pool->first];
		pool->first = (pool->first + 1) % pool->room;
		pool->count--;
		pool->running++;
		pthread_cond_signal(&pool->emptied);
		pthread_mutex_unlock(&pool->mutex);
		job.call(job.arg);
		pthread_mutex_lock(&pool->mutex);
		if (--pool->running == 0 && pool->count == 0)
			pthread_cond_broadcast(&pool->idle);
	}
	pthread_mutex_unlock(&pool->mutex);
	return NULL;
}

int
pool_new(unsigned threads, unsigned room, struct pool **out)
{
	struct pool *pool;

	if ((pool = calloc(1, sizeof(*pool) + threads * sizeof(pthread_t))) == NULL)
		return -ENOMEM;
	if ((pool->queue = calloc(room, sizeof(*pool->queue))) == NULL) {
		free(pool);
		return -ENOMEM;
	}
	pool->room = room;
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->filled, NULL);
	pthread_cond_init(&pool->emptied, NULL);
	pthread_cond_init(&pool->idle, NULL);
	while (pool->thread_count < threads) {
		if (pthread_create(&pool->threads[pool->thread_count], NULL, work, pool) != 0)
			break;
		pool->thread_count++;
	}
	if (pool->thread_count == 0) {
		pool_free(pool);
		return -EAGAIN;
	}
	*out = pool;
	return 0;
}

void
pool_free(struct pool *pool)
{
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->mutex);
	pool->stop = true;
	pthread_cond_broadcast(&pool->filled);
	pthread_mutex_unlock(&pool->mutex);
	for (unsigned i = 0; i < pool->thread_count; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->idle);
	pthread_cond_destroy(&pool->emptied);
	pthread_cond_destroy(&pool->filled);
	pthread_mutex_destroy(&pool->mutex);
	free(pool->queue);
	free(pool);
}

static void
put(struct pool *pool, pool_call *call, void *arg)
{
	pool->queue[(pool->first + pool->count) % pool->room] = (struct job){ call, arg };
	pool->count++;
	pthread_cond_signal(&pool->filled);
}

void
pool_add(struct pool *pool, pool_call *call, void *arg)
{
	pthread_mutex_lock(&pool->mutex);
	while (pool->count == pool->room)
		pthread_cond_wait(&pool->emptied, &pool->mutex);
	put(pool, call, arg);
	pthread_mutex_unlock(&pool->mutex);
}

bool
pool_try(struct pool *pool, pool_call *call, void *arg)
{
	bool done;

	pthread_mutex_lock(&pool->mutex);
	if ((done = pool->count < pool->room))
		put(pool, call, arg);
	pthread_mutex_unlock(&pool->mutex);
	return done;
}

void
pool_drain(struct pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	while (pool->count > 0 || pool->running > 0)
		pthread_cond_wait(&pool->idle, &pool->mutex);
	pthread_mutex_unlock(&pool->mutex);
}

unsigned
pool_threads(const struct pool *pool)
{
	return pool->thread_count;
}
