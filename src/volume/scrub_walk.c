/* The way through the tree. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/tagpage.h"
#include "meta/listing.h"
#include "util/clock.h"
#include "util/log.h"
#include "volume/dir.h"
#include "volume/handles.h"
#include "volume/load.h"
#include "volume/look.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/scrub_private.h"

#define STEP_MS 200			/* between two calls of step */
#define SAVE_MS 5000			/* between two of them that tell where to go on; what was given out is waited for */
#define LINKED_MAX 65536		/* files with several names that are kept in mind; others are read again by each */
#define WAIT_MS 100			/* while an unclean stop is reconciled */

void
scrub_report(struct scrub_run *run, const struct scrub_finding *finding)
{
	pthread_mutex_lock(&run->finding_mutex);
	run->totals->bad++;
	if (finding->mended)
		run->totals->mended++;
	else
		run->totals->left++;
	run->options->finding(run->options->arg, finding);
	pthread_mutex_unlock(&run->finding_mutex);
}

/* ---- the path of what is looked at */

static int
path_push(struct scrub_run *run, const char *name, size_t *before)
{
	size_t len = strlen(name), need = run->path_len + len + 2;
	char *grown;

	*before = run->path_len;
	if (need > run->path_room) {
		if ((grown = realloc(run->path, need * 2)) == NULL)
			return -ENOMEM;
		run->path = grown;
		run->path_room = need * 2;
	}
	if (run->path_len > 0)
		run->path[run->path_len++] = '/';
	memcpy(run->path + run->path_len, name, len + 1);
	run->path_len += len;
	return 0;
}

static void
path_pop(struct scrub_run *run, size_t before)
{
	run->path_len = before;
	run->path[before] = '\0';
}

/* ---- stopping, and going on */

/* Where it is; of a path that finds no room, the directory from which it does: that is done again. */
static void
position_get(const struct scrub_run *run, uint64_t block, struct scrub_position *at)
{
	size_t len = run->path_len;

	at->block = block;
	while (len >= sizeof(at->path)) {
		at->block = 0;
		while (len > 0 && run->path[len] != '/')
			len--;
	}
	memcpy(at->path, run->path, len);
	at->path[len] = '\0';
}

static void
tell(struct scrub_run *run, const struct scrub_position *at)
{
	if (run->options->step == NULL)
		return;
	pthread_mutex_lock(&run->finding_mutex);
	run->shown = *run->totals;
	pthread_mutex_unlock(&run->finding_mutex);
	run->options->step(run->options->arg, &run->shown, run->path, at);
	run->stepped_ms = clock_monotonic_ms();
}

void
scrub_waits(struct scrub_run *run)
{
	if (run->options->stop(run->options->arg))
		scrub_data_hurry(run);
	if (clock_monotonic_ms() - run->stepped_ms >= STEP_MS)
		tell(run, NULL);
}

bool
scrub_stopped(struct scrub_run *run, uint64_t block)
{
	struct scrub_position at;
	uint64_t now = clock_monotonic_ms();

	if (atomic_load(&run->hurry) || run->options->stop(run->options->arg)) {
		run->stopped_block = block;
		scrub_data_hurry(run);
		return true;
	}
	if (run->options->step != NULL && now - run->saved_ms >= SAVE_MS) {
		scrub_data_drain(run);
		position_get(run, block, &at);
		tell(run, &at);
		run->saved_ms = clock_monotonic_ms();
	} else if (now - run->stepped_ms >= STEP_MS) {
		tell(run, NULL);
	}
	return false;
}

/*
 * Of the way to where an earlier run ended: is ${name} before, on, or behind it?
 * <0: it was done; 0: it is on the way, with what of it is left; >0: begin here.
 */
static int
resume_order(struct scrub_run *run, const char *name, bool *last)
{
	const char *slash;
	size_t len;
	int order;

	*last = false;
	if (run->resume == NULL)
		return 1;
	slash = strchr(run->resume, '/');
	len = slash != NULL ? (size_t)(slash - run->resume) : strlen(run->resume);
	order = strncmp(name, run->resume, len);
	if (order == 0 && name[len] != '\0')
		order = 1;
	if (order > 0)
		run->resume = NULL;
	else if (order == 0) {
		*last = slash == NULL;
		run->resume = slash != NULL ? run->resume + (slash - run->resume) + 1 : NULL;
	}
	return order;
}

/* ---- names */

/* The names that any member has, each once, in order.  Tree lock. */
static int
names_all(struct scrub_run *run, struct node *dir, struct listing *all)
{
	struct listing one = { 0 };
	replica_handle handle;
	struct member *m;
	int rc = 0;

	memset(all, 0, sizeof(*all));
	for_each_member(run->v, m) {
		rc = handles_dir(run->v, m, dir, &handle);
		/* Where it is missing, and was not mended, is nothing to be listed. */
		if (rc == -ENOENT || rc == -ENOTDIR) {
			rc = 0;
			continue;
		}
		if (rc == 0) {
			rc = listing_read(m->r, handle, &one);
			handles_done(run->v, dir);
		}
		if ((rc = members_settle(run->v, m, rc, "scrubbing")) < 0)
			break;
		if (rc == 0)
			rc = listing_join(all, &one);
		listing_free(&one);
		if (rc < 0)
			break;
		rc = 0;
	}
	if (rc != 0)
		listing_free(all);
	return rc;
}

static int walk_directory(struct scrub_run *run, struct node *dir);

/* A file with several names is read once. */
static bool
was_read(struct scrub_run *run, struct node *node)
{
	struct hashmap_link *link;
	nlink_t nlink;

	pthread_rwlock_rdlock(&node->lock);
	nlink = node->nlink;
	pthread_rwlock_unlock(&node->lock);
	if (nlink < 2)
		return false;
	if (hashmap_find(&run->linked, node_key(node)) != NULL)
		return true;
	if (run->linked.count < LINKED_MAX && (link = calloc(1, sizeof(*link))) != NULL)
		hashmap_insert(&run->linked, link, node_key(node));
	return false;
}

static void
linked_free(struct hashmap_link *link, void *arg)
{
	(void)arg;
	free(link);
}

static void
count_node(struct scrub_run *run, const struct node *node)
{
	pthread_mutex_lock(&run->finding_mutex);
	if (S_ISREG(node->mode))
		run->totals->files++;
	else if (S_ISDIR(node->mode))
		run->totals->directories++;
	else
		run->totals->others++;
	pthread_mutex_unlock(&run->finding_mutex);
}

/* What is behind a name: the data of a file, the names of a directory. */
static int
walk_below(struct scrub_run *run, struct node *node, const bool *unsealed, uint64_t block)
{
	if (S_ISDIR(node->mode))
		return walk_directory(run, node);
	if (S_ISREG(node->mode) && !was_read(run, node))
		return scrub_data(run, node, unsealed, &block);
	return 0;
}

/* One name of a directory, at run->path. */
static int
walk_name(struct scrub_run *run, struct node *dir, const char *name, uint8_t *sum)
{
	bool unsealed[VOLUME_REPLICAS_MAX] = { false }, last;
	struct node *node;
	uint64_t block = 0;
	int order, rc;

	if ((order = resume_order(run, name, &last)) < 0)
		return 0;
	if (order == 0 && last) {
		block = run->resume_block;
		run->resume_block = 0;
	}
	if (scrub_stopped(run, block))
		return -ECANCELED;
	if ((rc = scrub_name(run, dir, name, &node, unsealed)) != 0)
		return rc == -ENOMEM ? rc : 0;
	if (sum != NULL)
		scrub_names_add(run, node, name, sum);
	/* A directory on the way to where an earlier run ended was counted by that. */
	if (S_ISDIR(node->mode) && (order > 0 || last))
		count_node(run, node);
	rc = walk_below(run, node, unsealed, block);
	if (!S_ISDIR(node->mode) && rc == 0)
		count_node(run, node);
	if (order == 0)
		run->resume = NULL;
	nodes_put(run->v, node);
	return rc;
}

static int
walk_directory(struct scrub_run *run, struct node *dir)
{
	uint8_t sum[DIGEST_SIZE] = { 0 };
	struct listing names;
	size_t i, before;
	int rc;

	pthread_rwlock_rdlock(&run->v->tree);
	rc = dir->nlink > 0 ? names_all(run, dir, &names) : -ENOENT;
	pthread_rwlock_unlock(&run->v->tree);
	if (rc != 0)
		return rc == -ENOMEM ? rc : 0;
	for (i = 0; i < names.count && rc == 0; i++) {
		if ((rc = path_push(run, names.names[i], &before)) != 0)
			break;
		/* Where it is stopped, the path is where it goes on. */
		if ((rc = walk_name(run, dir, names.names[i], sum)) == 0)
			path_pop(run, before);
	}
	listing_free(&names);
	if (rc == 0)
		scrub_names_digest(run, dir, sum);
	return rc;
}

/* ---- where it begins */

/* The node of a path's directory, with a reference, and its last name. */
static int
find_parent(struct scrub_run *run, const char *path, struct node **dir, const char **name)
{
	char component[NAME_MAX + 1];
	struct volume *v = run->v;
	struct node *next;
	const char *slash;
	size_t before;
	int rc = 0;

	*dir = v->root;
	nodes_hold(v, v->root);
	pthread_rwlock_rdlock(&v->tree);
	for (; rc == 0 && (slash = strchr(path, '/')) != NULL; path = slash + 1) {
		if ((size_t)(slash - path) >= sizeof(component)) {
			rc = -ENAMETOOLONG;
			break;
		}
		memcpy(component, path, (size_t)(slash - path));
		component[slash - path] = '\0';
		rc = !S_ISDIR((*dir)->mode) ? -ENOTDIR : !replica_name_valid(component) ? -EINVAL : load_name(v, *dir, component, &next);
		if (rc == 0) {
			nodes_put(v, *dir);
			*dir = next;
			rc = path_push(run, component, &before);
		}
	}
	if (rc == 0 && !S_ISDIR((*dir)->mode))
		rc = -ENOTDIR;
	if (rc == 0 && !replica_name_valid(path))
		rc = -EINVAL;
	pthread_rwlock_unlock(&v->tree);
	*name = path;
	if (rc != 0)
		nodes_put(v, *dir);
	return rc;
}

static int
walk_top(struct scrub_run *run)
{
	bool unsealed[VOLUME_REPLICAS_MAX];
	struct node *node;
	int rc;

	if (scrub_stopped(run, 0))
		return -ECANCELED;
	if ((rc = scrub_name(run, NULL, NULL, &node, unsealed)) != 0)
		return rc;
	if (run->resume == NULL)
		count_node(run, node);
	rc = walk_directory(run, node);
	nodes_put(run->v, node);
	return rc;
}

static int
walk_path(struct scrub_run *run, const char *path)
{
	struct node *dir, *node;
	const char *name;
	size_t before;
	int rc;

	if (*path == '\0')
		return walk_top(run);
	if ((rc = find_parent(run, path, &dir, &name)) != 0)
		return rc;
	pthread_rwlock_rdlock(&run->v->tree);
	if ((rc = load_name(run->v, dir, name, &node)) == 0)
		nodes_put(run->v, node);
	pthread_rwlock_unlock(&run->v->tree);
	if (rc != -ENOENT && rc != -ENAMETOOLONG && (rc = path_push(run, name, &before)) == 0)
		rc = walk_name(run, dir, name, NULL);
	nodes_put(run->v, dir);
	return rc;
}

/* Nothing is to be said of what the walker is about to settle. */
static int
wait_reconciled(struct scrub_run *run)
{
	const struct timespec pause = { .tv_nsec = WAIT_MS * 1000000 };

	while (atomic_load(&run->v->reconciling)) {
		if (run->options->stop(run->options->arg))
			return -ECANCELED;
		(void)nanosleep(&pause, NULL);
	}
	return run->v->was_unclean && intent_any(run->v->intent) > 0 ? -EAGAIN : 0;
}

static void
run_from(struct scrub_run *run, const struct scrub_position *from)
{
	size_t above = strlen(run->options->path);

	/* A place outside of what it goes through is no place to begin. */
	if (from == NULL || *from->path == '\0' || strncmp(from->path, run->options->path, above) != 0 ||
	    (above > 0 && from->path[above] != '/' && from->path[above] != '\0'))
		return;
	run->resume_block = from->block - from->block % TAGPAGE_TAGS;
	run->resume = run->resume_path = strdup(from->path);
	/* walk_path compares from the last name of its own path on. */
	while (run->resume != NULL && above > 0 && run->options->path[above - 1] != '/')
		above--;
	if (run->resume != NULL)
		run->resume += above;
}

int
scrub_run(struct volume *v, const struct scrub_options *options, struct scrub_totals *totals, struct scrub_position *at)
{
	struct scrub_run run = { .v = v, .options = options, .totals = totals };
	int rc;

	memset(at, 0, sizeof(*at));
	pthread_mutex_init(&run.finding_mutex, NULL);
	if ((rc = hashmap_init(&run.linked)) != 0) {
		pthread_mutex_destroy(&run.finding_mutex);
		return rc;
	}
	if ((run.path = calloc(1, 1)) == NULL)
		rc = -ENOMEM;
	run.path_room = 1;
	look_begin();
	run_from(&run, options->from);
	if (rc == 0 && (rc = wait_reconciled(&run)) == 0 && (rc = scrub_names_init(&run)) == 0 &&
	    (rc = scrub_data_start(&run)) == 0)
		rc = walk_path(&run, options->path);
	scrub_data_end(&run);
	look_end();
	if (rc != 0 && run.path != NULL)
		position_get(&run, run.stopped_block, at);
	if (options->step != NULL)
		options->step(options->arg, totals, run.path, NULL);
	hashmap_each(&run.linked, linked_free, NULL);
	hashmap_free(&run.linked);
	scrub_names_free(&run);
	free(run.path);
	free(run.resume_path);
	pthread_mutex_destroy(&run.finding_mutex);
	return rc;
}
