#include "check/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/corner.h"
#include "check/links.h"
#include "check/membership.h"
#include "check/mendnames.h"
#include "check/moves.h"
#include "check/progress.h"
#include "check/state.h"
#include "check/walk.h"

#define THREADS_MAX 16
#define QUEUE_ROOM 256

/* Two a replica keep its disk busy; more than that, and than processors, helps nobody. */
static unsigned
thread_count(const struct check_options *options)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned threads = 2 * options->replica_count;

	if (options->threads > 0)
		return options->threads < THREADS_MAX ? options->threads : THREADS_MAX;
	if (processors > (long)threads)
		threads = (unsigned)processors;
	return threads < THREADS_MAX ? threads : THREADS_MAX;
}

static int
prepare(struct check *c)
{
	int rc;

	if ((rc = idset_new(&c->ids)) != 0 || (rc = idset_new(&c->paged)) != 0 ||
	    (rc = idset_new(&c->twice)) != 0 || (rc = hashmap_init(&c->adopted)) != 0 ||
	    (rc = links_new(c, &c->links)) != 0 || (rc = progress_new(c, &c->progress)) != 0)
		return rc;
	return pool_new(thread_count(c->options), QUEUE_ROOM, &c->pool);
}

static void
release(struct check *c)
{
	pool_free(c->pool);
	progress_free(c->progress);
	links_free(c->links);
	hashmap_each(&c->adopted, mendnames_forget, NULL);
	hashmap_free(&c->adopted);
	moves_free(c->moves);
	idset_free(c->twice);
	idset_free(c->paged);
	idset_free(c->ids);
	membership_close(c);
	pthread_mutex_destroy(&c->events_lock);
}

static void
check_all(struct check *c)
{
	int rc;

	if ((rc = prepare(c)) != 0 || (rc = moves_collect(c, &c->moves)) != 0) {
		report_failed(c->report, "%s", strerror(-rc));
		return;
	}
	walk_tree(c);
	progress_pass(c->progress, 2);
	links_check(c->links);
	if (!check_stopped(c))
		corner_check(c);
	if (check_stopped(c))
		atomic_store(&c->incomplete, true);
	membership_finish(c);
	progress_pass(c->progress, 0);
}

int
check_run(const struct check_options *options)
{
	struct check *c;
	int rc, bits;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return EXIT_OPERATIONAL;
	c->options = options;
	c->repairing = options->repair != REPAIR_NONE;
	pthread_mutex_init(&c->events_lock, NULL);
	if (report_new(options->sink, options->repair, &c->report) != 0) {
		pthread_mutex_destroy(&c->events_lock);
		free(c);
		return EXIT_OPERATIONAL;
	}
	options->sink->start(options->sink->arg, options->replicas, options->replica_count, options->repair);
	rc = membership_open(c);
	if (rc == 0)
		check_all(c);
	bits = report_finish(c->report, check_stopped(c));
	if (rc != 0 && bits == 0)
		bits = EXIT_OPERATIONAL;
	release(c);
	report_free(c->report);
	free(c);
	return bits;
}
