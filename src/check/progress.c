#include "check/progress.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "meta/listing.h"
#include "util/clock.h"

#define SHOW_EVERY_MS 200

struct progress {
	struct check *c;
	pthread_t counter;
	atomic_bool stop, counted;
	atomic_ullong done, total;
	pthread_mutex_t mutex;		/* shown, pass, and calls of show */
	uint64_t shown_ms;
	unsigned pass;
};

static void count_directory(struct progress *p, struct replica *r, replica_handle dir);

static void
count_name(struct progress *p, struct replica *r, replica_handle dir, const char *name)
{
	replica_handle below;
	struct stat st;

	if (r->ops->stat(r, (struct replica_at){ dir, name }, &st) != 0)
		return;
	if (S_ISREG(st.st_mode))
		atomic_fetch_add(&p->total, (unsigned long long)st.st_size / (st.st_nlink > 0 ? st.st_nlink : 1));
	if (!S_ISDIR(st.st_mode) || r->ops->dir_open(r, dir, name, &below) != 0)
		return;
	count_directory(p, r, below);
	r->ops->dir_close(r, below);
}

static void
count_directory(struct progress *p, struct replica *r, replica_handle dir)
{
	struct listing listing;

	if (listing_read(r, dir, &listing) != 0)
		return;
	for (size_t i = 0; i < listing.count && !atomic_load(&p->stop); i++)
		count_name(p, r, dir, listing.names[i]);
	listing_free(&listing);
}

static void *
count_all(void *arg)
{
	struct progress *p = arg;

	for (unsigned i = 0; i < p->c->count; i++)
		count_directory(p, p->c->members[i].r, REPLICA_ROOT);
	atomic_store(&p->counted, true);
	return NULL;
}

int
progress_new(struct check *c, struct progress **out)
{
	struct progress *p;

	*out = NULL;
	if (c->options->progress == NULL)
		return 0;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return -ENOMEM;
	p->c = c;
	p->pass = 1;
	pthread_mutex_init(&p->mutex, NULL);
	if (pthread_create(&p->counter, NULL, count_all, p) != 0) {
		pthread_mutex_destroy(&p->mutex);
		free(p);
		return -EAGAIN;
	}
	*out = p;
	return 0;
}

void
progress_free(struct progress *p)
{
	if (p == NULL)
		return;
	atomic_store(&p->stop, true);
	pthread_join(p->counter, NULL);
	pthread_mutex_destroy(&p->mutex);
	free(p);
}

/* The total is told as 0 until it is known; mutex held. */
static void
show(struct progress *p)
{
	const struct check_progress *to = p->c->options->progress;
	uint64_t done = atomic_load(&p->done), total = atomic_load(&p->total);

	if (!atomic_load(&p->counted))
		total = 0;
	else if (done > total)
		total = done;
	to->show(to->arg, p->pass, done, total);
}

void
progress_add(struct progress *p, uint64_t bytes)
{
	uint64_t now;

	if (p == NULL)
		return;
	atomic_fetch_add(&p->done, bytes);
	now = clock_monotonic_ms();
	if (pthread_mutex_trylock(&p->mutex) != 0)
		return;
	if (now - p->shown_ms >= SHOW_EVERY_MS) {
		p->shown_ms = now;
		show(p);
	}
	pthread_mutex_unlock(&p->mutex);
}

void
progress_pass(struct progress *p, unsigned pass)
{
	const struct check_progress *to;

	if (p == NULL)
		return;
	to = p->c->options->progress;
	pthread_mutex_lock(&p->mutex);
	if (p->pass != 0)
		to->show(to->arg, p->pass, 1, 1);
	p->pass = pass;
	if (pass == 0)
		to->show(to->arg, 0, 1, 1);
	pthread_mutex_unlock(&p->mutex);
}
