#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/copy.h"
#include "meta/listing.h"
#include "meta/quarantine.h"
#include "util/clock.h"
#include "util/log.h"
#include "volume/moves.h"
#include "volume/spots.h"

/* Rounds over all that stands in two places: a directory may have to wait for another to leave it. */
#define ROUNDS_MAX 4

struct moves {
	struct volume *v;
	struct spots spots;
	bool again;			/* something has to wait for the next round */
	unsigned made;
};

static int
open_parent(struct replica *r, const char *path, replica_handle *dir)
{
	char *copy = strdup(path), *slash;
	int rc;

	if (copy == NULL)
		return -ENOMEM;
	slash = strrchr(copy, '/');
	if (slash != NULL)
		*slash = '\0';
	rc = listing_open_path(r, slash == NULL ? "" : copy, dir);
	free(copy);
	return rc;
}

static int path_on(struct moves *moves, struct member *m, uint64_t key, char **path);

/* A directory that the member lacks: made as another has it, to be filled. */
static int
make_directory(struct moves *moves, struct member *m, struct thing *thing, char **path)
{
	struct spot *like = spots_on(thing, spots_lowest(thing));
	struct member *source = &moves->v->members[like->member];
	const struct copy c = { .digest = &moves->v->digest, .src = source->r, .dst = m->r,
	    .src_tags = source->tags, .dst_tags = m->tags };
	struct replica_at from = { REPLICA_NONE, spots_name(like->path) }, to = { REPLICA_NONE, spots_name(like->path) };
	struct stat st = { .st_mode = S_IFDIR };
	char *parent = NULL;
	int rc;

	*path = NULL;
	if ((rc = path_on(moves, m, like->parent, &parent)) != 0 || (rc = open_parent(source->r, like->path, &from.handle)) != 0 ||
	    (rc = listing_open_path(m->r, parent, &to.handle)) != 0)
		goto done;
	if ((rc = copy_make(&c, from, to.handle, to.name)) != 0 || (rc = copy_finish(&c, from, to)) != 0)
		goto done;
	if ((*path = spots_join(parent, to.name)) == NULL)
		rc = -ENOMEM;
	else
		rc = spots_note(&moves->spots, m->index, thing->by_key.key, &st, like->parent, *path);

done:
	if (to.handle != REPLICA_NONE)
		listing_close(m->r, to.handle);
	if (from.handle != REPLICA_NONE)
		listing_close(source->r, from.handle);
	free(parent);
	if (rc != 0) {
		free(*path);
		*path = NULL;
	}
	return rc;
}

/* Where directory ${key} stands on the member; malloc'd. */
static int
path_on(struct moves *moves, struct member *m, uint64_t key, char **path)
{
	struct thing *thing = spots_find(&moves->spots, key);
	struct spot *spot;

	if (key == VOLUME_ROOT_ID)
		return (*path = strdup("")) == NULL ? -ENOMEM : 0;
	if (thing == NULL || !S_ISDIR(thing->type))
		return -ENOENT;
	if ((spot = spots_on(thing, m->index)) == NULL)
		return make_directory(moves, m, thing, path);
	return (*path = strdup(spot->path)) == NULL ? -ENOMEM : 0;
}

/* Has what stands there on the member a place elsewhere, to which it is to go? */
static bool
is_to_go(const struct spot *spot)
{
	unsigned low = spots_lowest(spot->thing), member = spot->member;
	struct spot *one, *twin = NULL;

	for (one = spot->thing->spots; one != NULL; one = one->next) {
		if (one->member == low && spots_same_place(one, spot))
			twin = one;
	}
	return low != member && twin == NULL && spots_alone(spot->thing, low, member) != NULL;
}

/*
 * Is what stands in the way what the renaming replaced on member ${low}, where
 * it is no more?  Then it goes here as it went there.  (One change of names at
 * a time is under way, so nothing else can have been in that place.)
 */
static bool
was_replaced(const struct spot *there, unsigned low, const struct stat *st)
{
	/* A link is nothing but its name, and a file with others stays. */
	if ((!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) || (S_ISREG(st->st_mode) && st->st_nlink > 1))
		return true;
	return there == NULL || spots_on(there->thing, low) == NULL;
}

/* Rename over what is there, or put that aside first. */
static int
rename_over(struct member *m, struct replica_at from, struct replica_at to, bool replaced, const char *path)
{
	int rc = -EEXIST;

	if (replaced)
		rc = m->r->ops->rename(m->r, from.handle, from.name, to.handle, to.name, 0);
	/* Something else than could have been replaced. */
	if (rc != -EEXIST && rc != -ENOTEMPTY && rc != -EISDIR && rc != -ENOTDIR)
		return rc;
	if ((rc = quarantine_move(m->r, to.handle, to.name, path, "another file was renamed over it when the volume stopped")) != 0)
		return rc;
	return m->r->ops->rename(m->r, from.handle, from.name, to.handle, to.name, 0);
}

/* ${spot} goes to ${name} in ${dir}, which is ${path}: what stands there makes room. */
static int
move_into(struct moves *moves, struct member *m, struct spot *spot, const struct spot *want, replica_handle dir, const char *path)
{
	const char *name = spots_name(want->path), *from;
	struct spot *there;
	replica_handle old = REPLICA_NONE;
	struct stat st;
	uint64_t parent = spot->parent;
	char *was = NULL;
	bool exchange;
	int rc;

	for (there = moves->spots.all; there != NULL; there = there->below) {
		if (there->member == m->index && there != spot && spots_same_place(there, want))
			break;
	}
	if ((rc = open_parent(m->r, spot->path, &old)) != 0)
		return rc;
	if ((was = strdup(spot->path)) == NULL) {
		rc = -ENOMEM;
		goto done;
	}
	from = spots_name(was);
	exchange = there != NULL && is_to_go(there);
	if (exchange || m->r->ops->stat(m->r, (struct replica_at){ dir, name }, &st) != 0)
		rc = m->r->ops->rename(m->r, old, from, dir, name, exchange ? RENAME_EXCHANGE : 0);
	else
		rc = rename_over(m, (struct replica_at){ old, from }, (struct replica_at){ dir, name },
		    was_replaced(there, want->member, &st), path);
	if (rc != 0)
		goto done;
	if ((rc = spots_moved(&moves->spots, spot, want->parent, path)) == 0 && exchange)
		rc = spots_moved(&moves->spots, there, parent, was);
	moves->made++;
	log_warning("/%s: the renaming from /%s, cut off by the unclean stop, is completed on replica %s, as on %s",
	    path, was, m->r->path, moves->v->members[want->member].r->path);

done:
	if (old != REPLICA_NONE)
		listing_close(m->r, old);
	free(was);
	return rc;
}

/* A further name of what the member has. */
static int
link_into(struct moves *moves, struct member *m, const struct spot *spot, const struct spot *want, replica_handle dir, const char *path)
{
	struct replica_at from = { REPLICA_NONE, spots_name(spot->path) };
	const struct stat st = { .st_mode = spot->thing->type, .st_ino = spot->ino };
	int rc;

	if ((rc = open_parent(m->r, spot->path, &from.handle)) != 0)
		return rc;
	rc = m->r->ops->link(m->r, from, dir, spots_name(want->path));
	listing_close(m->r, from.handle);
	if (rc != 0)
		return rc;
	moves->made++;
	log_warning("/%s: the link, cut off by the unclean stop, is completed on replica %s, as on %s",
	    path, m->r->path, moves->v->members[want->member].r->path);
	return spots_note(&moves->spots, m->index, spot->thing->by_key.key, &st, want->parent, path);
}

/* Have ${spot} of the member, or a further name of it, stand where ${want} does. */
static int
complete_one(struct moves *moves, struct member *m, struct spot *spot, const struct spot *want, bool rename)
{
	char *parent = NULL, *path = NULL;
	replica_handle dir = REPLICA_NONE;
	int rc;

	if ((rc = path_on(moves, m, want->parent, &parent)) == 0 && (rc = listing_open_path(m->r, parent, &dir)) == 0) {
		if ((path = spots_join(parent, spots_name(want->path))) == NULL)
			rc = -ENOMEM;
		else
			rc = rename ? move_into(moves, m, spot, want, dir, path) : link_into(moves, m, spot, want, dir, path);
	}
	if (dir != REPLICA_NONE)
		listing_close(m->r, dir);
	free(path);
	free(parent);
	return rc;
}

/* One thing on one member, held against the lowest that has it. */
static int
complete_on(struct moves *moves, struct thing *thing, struct member *low, struct member *m)
{
	struct spot *want, *extra, *have;
	int rc = 0;

	while (rc == 0 && (want = spots_alone(thing, low->index, m->index)) != NULL) {
		if ((extra = spots_alone(thing, m->index, low->index)) != NULL)
			rc = complete_one(moves, m, extra, want, true);
		else if (!S_ISDIR(thing->type) && (have = spots_linked_on(thing, want, m->index)) != NULL)
			rc = complete_one(moves, m, have, want, false);
		else
			return 0;
	}
	while (rc == 0 && !S_ISDIR(thing->type) && (extra = spots_alone(thing, m->index, low->index)) != NULL &&
	    (have = spots_linked_on(thing, extra, low->index)) != NULL) {
		rc = complete_one(moves, low, have, extra, false);
		/* The members before this one lack it, too. */
		moves->again = true;
	}
	return rc;
}

static void
complete_thing(struct hashmap_link *link, void *arg)
{
	struct thing *thing = hashmap_entry(link, struct thing, by_key);
	struct moves *moves = arg;
	struct member *low, *m;
	int rc;

	/* One that turned out to be another. */
	if (thing->spots == NULL)
		return;
	low = &moves->v->members[spots_lowest(thing)];

	for_each_member(moves->v, m) {
		if (m == low || spots_on(thing, m->index) == NULL)
			continue;
		if ((rc = complete_on(moves, thing, low, m)) == 0)
			continue;
		moves->again = true;
		log_info("/%s: not renamed on replica %s yet: %s", spots_on(thing, m->index)->path, m->r->path, strerror(-rc));
	}
}

/* hashmap_each allows no additions, and a directory may have to be made: so the things are listed first. */
struct queue { struct hashmap_link **links; size_t count; };

static void
queue_add(struct hashmap_link *link, void *arg)
{
	struct queue *queue = arg;

	queue->links[queue->count++] = link;
}

static int
complete_all(struct moves *moves)
{
	struct queue queue = { .count = 0 };
	size_t i;

	if ((queue.links = malloc((moves->spots.things.count + 1) * sizeof(struct hashmap_link *))) == NULL)
		return -ENOMEM;
	hashmap_each(&moves->spots.things, queue_add, &queue);
	moves->again = false;
	for (i = 0; i < queue.count; i++)
		complete_thing(queue.links[i], moves);
	free(queue.links);
	return 0;
}

void
moves_complete(struct volume *v)
{
	struct moves moves = { .v = v };
	uint64_t start = clock_monotonic_ms();
	int rc, round;

	if (v->moves_complete || v->no_writes)
		return;
	v->moves_complete = true;
	if ((rc = spots_collect(v, &moves.spots)) != 0)
		goto failed;
	for (round = 0; rc == 0 && round < ROUNDS_MAX && (round == 0 || moves.again); round++)
		rc = complete_all(&moves);
	spots_free(&moves.spots);
	log_info("a change of names was cut off: all directories that were in use were looked at in %llu ms, %u names put right",
	    (unsigned long long)(clock_monotonic_ms() - start), moves.made);

failed:
	if (rc != 0)
		log_warning("looking for renamings that were cut off: %s; names are completed one by one", strerror(-rc));
}
