#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/copy.h"
#include "meta/listing.h"
#include "meta/quarantine.h"
#include "util/clock.h"
#include "util/hashmap.h"
#include "util/log.h"
#include "volume/moves.h"

/* Keys of what has no id: these bits are never an id's. */
#define KEY_SPECIAL (UINT64_C(1) << 63)
#define KEY_PATH (UINT64_C(3) << 62)
/* Rounds over all that stands in two places: a directory may have to wait for another to leave it. */
#define ROUNDS_MAX 4

/* One name of something on one member. */
struct spot {
	struct spot *next;
	struct thing *thing;
	struct spot *below;		/* next in the list of all */
	unsigned member;
	ino_t ino;			/* there */
	uint64_t parent;		/* key of its directory */
	char *path;			/* from the top, without a slash before it */
};

/* What several members may have, under whatever names. */
struct thing {
	struct hashmap_link by_key;
	struct spot *spots;
	mode_t type;
};

struct moves {
	struct volume *v;
	struct hashmap things;
	struct spot *all;
	struct spot *nameless;		/* regular files without a record, by next */
	bool again;			/* something has to wait for the next round */
	unsigned made;
};

/* FNV-1a. */
static uint64_t
hash(const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	while (len-- > 0)
		sum = (sum ^ *at++) * UINT64_C(0x100000001b3);
	return sum;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static char *
join(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s%s%s", dir, *dir != '\0' ? "/" : "", name) < 0 ? NULL : path;
}

static struct thing *
thing_find(const struct moves *moves, uint64_t key)
{
	struct hashmap_link *link = hashmap_find(&moves->things, key);

	return link == NULL ? NULL : hashmap_entry(link, struct thing, by_key);
}

static struct spot *
spot_new(struct thing *thing, unsigned member, const struct stat *st, uint64_t parent, const char *path)
{
	struct spot *spot;

	if ((spot = calloc(1, sizeof(*spot))) == NULL || (spot->path = strdup(path)) == NULL) {
		free(spot);
		return NULL;
	}
	spot->thing = thing;
	spot->member = member;
	spot->ino = st->st_ino;
	spot->parent = parent;
	return spot;
}

static void
spot_add(struct moves *moves, struct thing *thing, struct spot *spot)
{
	spot->thing = thing;
	spot->next = thing->spots;
	thing->spots = spot;
	spot->below = moves->all;
	moves->all = spot;
}

static int
note_nameless(struct moves *moves, unsigned member, const struct stat *st, uint64_t parent, const char *path)
{
	struct spot *spot;

	if ((spot = spot_new(NULL, member, st, parent, path)) == NULL)
		return -ENOMEM;
	spot->next = moves->nameless;
	moves->nameless = spot;
	return 0;
}

static int
note(struct moves *moves, unsigned member, uint64_t key, const struct stat *st, uint64_t parent, const char *path)
{
	struct thing *thing = thing_find(moves, key);
	struct spot *spot;

	if (thing == NULL) {
		if ((thing = calloc(1, sizeof(*thing))) == NULL)
			return -ENOMEM;
		thing->type = st->st_mode & S_IFMT;
		hashmap_insert(&moves->things, &thing->by_key, key);
	}
	if ((spot = spot_new(thing, member, st, parent, path)) == NULL)
		return -ENOMEM;
	spot_add(moves, thing, spot);
	return 0;
}

static void
thing_free(struct hashmap_link *link, void *arg)
{
	struct thing *thing = hashmap_entry(link, struct thing, by_key);
	struct spot *spot;

	(void)arg;
	while ((spot = thing->spots) != NULL) {
		thing->spots = spot->next;
		free(spot->path);
		free(spot);
	}
	free(thing);
}

/* ---- looking */

/* What stands for something: its id, or what it is. 0: a file without a record. */
static uint64_t
key_of(struct moves *moves, struct replica *r, struct replica_at at, const char *path, struct stat *st)
{
	uint8_t bytes[RECORD_SIZE_MAX], ident[DIGEST_SIZE];
	struct replica_info info = { .record = bytes, .skip_xattrs = true };
	char target[PATH_MAX + 1] = "";
	struct record record;
	mode_t mode;

	memset(st, 0, sizeof(*st));
	if (r->ops->load(r, at, &info) != 0)
		return 0;
	*st = info.st;
	mode = st->st_mode;
	if (S_ISREG(mode) || S_ISDIR(mode)) {
		if (info.record_len > 0 &&
		    record_decode(&moves->v->digest, bytes, (size_t)info.record_len, &record) == 0 &&
		    (record.kind == RECORD_DIRECTORY) == S_ISDIR(mode))
			return record.id;
		return S_ISDIR(mode) ? hash(path, strlen(path)) | KEY_PATH : 0;
	}
	if (S_ISLNK(mode) && r->ops->readlink(r, at, target, sizeof(target)) != 0)
		return 0;
	record_name(&moves->v->digest, "", mode, 0, S_ISLNK(mode) ? target : NULL,
	    S_ISCHR(mode) || S_ISBLK(mode) ? st->st_rdev : 0, ident);
	return (hash(ident, DIGEST_SIZE) & ~KEY_PATH) | KEY_SPECIAL;
}

struct found { char *name; unsigned char type; };
struct listed { struct found *found; size_t count, room; bool top; };

static int
listed_add(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	struct listed *listed = arg;
	struct found *grown;
	size_t room;

	(void)ino;
	if (listed->top && strcmp(name, REPLICA_META) == 0)
		return 0;
	if (listed->count == listed->room) {
		room = listed->room == 0 ? 32 : 2 * listed->room;
		if ((grown = reallocarray(listed->found, room, sizeof(*grown))) == NULL)
			return -ENOMEM;
		listed->found = grown;
		listed->room = room;
	}
	if ((listed->found[listed->count].name = strdup(name)) == NULL)
		return -ENOMEM;
	listed->found[listed->count++].type = d_type;
	return 0;
}

static void
listed_free(struct listed *listed)
{
	size_t i;

	for (i = 0; i < listed->count; i++)
		free(listed->found[i].name);
	free(listed->found);
}

static int collect(struct moves *moves, struct member *m, replica_handle dir, const char *path, uint64_t key, bool dirty);

static int
collect_name(struct moves *moves, struct member *m, struct replica_at at, unsigned char d_type, const char *path,
    uint64_t parent, bool dirty)
{
	bool below = dirty;
	replica_handle handle;
	struct stat st;
	uint64_t key;
	int rc = 0;

	/* Of a directory at rest only what lies below is of interest. */
	if (!dirty && d_type != DT_DIR && d_type != DT_UNKNOWN)
		return 0;
	key = key_of(moves, m->r, at, path, &st);
	if (S_ISDIR(st.st_mode) && key < NODE_ID_BORROWED)
		below = intent_was_dirty(moves->v->intent, key);
	if (key != 0 && (dirty || (S_ISDIR(st.st_mode) && below)))
		rc = note(moves, m->index, key, &st, parent, path);
	else if (key == 0 && dirty && S_ISREG(st.st_mode))
		rc = note_nameless(moves, m->index, &st, parent, path);
	if (rc == 0 && S_ISDIR(st.st_mode) && m->r->ops->dir_open(m->r, at.handle, at.name, &handle) == 0) {
		rc = collect(moves, m, handle, path, key, below);
		m->r->ops->dir_close(m->r, handle);
	}
	return rc;
}

static int
collect(struct moves *moves, struct member *m, replica_handle dir, const char *path, uint64_t key, bool dirty)
{
	struct listed listed = { .top = dir == REPLICA_ROOT };
	char *below;
	size_t i;
	int rc;

	rc = m->r->ops->list(m->r, dir, listed_add, &listed);
	for (i = 0; rc == 0 && i < listed.count; i++) {
		if ((below = join(path, listed.found[i].name)) == NULL) {
			rc = -ENOMEM;
			break;
		}
		rc = collect_name(moves, m, (struct replica_at){ dir, listed.found[i].name }, listed.found[i].type, below, key, dirty);
		free(below);
	}
	listed_free(&listed);
	return rc;
}

/* ---- moving */

static struct spot *
spot_on(const struct thing *thing, unsigned member)
{
	struct spot *spot;

	for (spot = thing->spots; spot != NULL && spot->member != member; spot = spot->next)
		continue;
	return spot;
}

static bool
same_place(const struct spot *a, const struct spot *b)
{
	return a->parent == b->parent && strcmp(base_name(a->path), base_name(b->path)) == 0;
}

/* A place that member ${from} has and ${to} has not, or NULL. */
static struct spot *
spot_alone(const struct thing *thing, unsigned from, unsigned to)
{
	struct spot *a, *b;

	for (a = thing->spots; a != NULL; a = a->next) {
		if (a->member != from)
			continue;
		for (b = thing->spots; b != NULL && (b->member != to || !same_place(a, b)); b = b->next)
			continue;
		if (b == NULL)
			return a;
	}
	return NULL;
}

/* The lowest member that has it. */
static unsigned
lowest(const struct thing *thing)
{
	const struct spot *spot;
	unsigned low = UINT_MAX;

	for (spot = thing->spots; spot != NULL; spot = spot->next) {
		if (spot->member < low)
			low = spot->member;
	}
	return low;
}

static bool
has_id(const struct spot *spot)
{
	return spot->thing->by_key.key < NODE_ID_BORROWED;
}

/*
 * What another member than the spot's has in the same place: a file or
 * directory with an id, the lowest member's; else the same directory, it
 * being another's, of a lower member.
 */
static struct spot *
known_there(const struct moves *moves, const struct spot *spot, mode_t type)
{
	struct spot *one, *known = NULL;

	for (one = moves->all; one != NULL; one = one->below) {
		if (one->member == spot->member || one->thing->type != type || one->thing == spot->thing || !same_place(one, spot))
			continue;
		if (!has_id(one) && one->member > spot->member)
			continue;
		if (known == NULL || (has_id(one) && !has_id(known)) ||
		    (has_id(one) == has_id(known) && one->member < known->member))
			known = one;
	}
	return known;
}

static void
parent_renamed(struct spot *spot, uint64_t from, uint64_t to)
{
	if (spot->parent == from)
		spot->parent = to;
}

/* The same for directories, and for what is in them.  Returns whether any was found. */
static bool
name_directories(struct moves *moves)
{
	struct spot *spot, *known, *one, **at;
	bool any = false;
	uint64_t key;

	for (spot = moves->all; spot != NULL; spot = spot->below) {
		key = spot->thing->by_key.key;
		if (!S_ISDIR(spot->thing->type) || has_id(spot) || (known = known_there(moves, spot, S_IFDIR)) == NULL)
			continue;
		for (at = &spot->thing->spots; *at != spot; at = &(*at)->next)
			continue;
		*at = spot->next;
		spot->thing = known->thing;
		spot->next = known->thing->spots;
		known->thing->spots = spot;
		for (one = moves->all; one != NULL; one = one->below)
			parent_renamed(one, key, known->thing->by_key.key);
		for (one = moves->nameless; one != NULL; one = one->next)
			parent_renamed(one, key, known->thing->by_key.key);
		any = true;
	}
	return any;
}

/* Does the spot's member have the thing as another inode? */
static bool
has_other(const struct thing *thing, const struct spot *spot)
{
	const struct spot *one;

	for (one = thing->spots; one != NULL; one = one->next) {
		if (one->member == spot->member && one->ino != spot->ino)
			return true;
	}
	return false;
}

/* A file whose record did not reach the disk is what another member knows by it, under the same name. */
static void
name_nameless(struct moves *moves)
{
	struct spot *spot, *known;

	while (name_directories(moves))
		continue;
	while ((spot = moves->nameless) != NULL) {
		moves->nameless = spot->next;
		known = known_there(moves, spot, S_IFREG);
		/* Unless the member has that one elsewhere: then this is another, made just now. */
		if (known != NULL && has_other(known->thing, spot))
			known = NULL;
		if (known != NULL) {
			spot_add(moves, known->thing, spot);
			continue;
		}
		free(spot->path);
		free(spot);
	}
}

/* It stands at ${new} now, and all below with it. */
static int
spot_moved(struct moves *moves, struct spot *spot, uint64_t parent, const char *new)
{
	size_t len = strlen(spot->path);
	struct spot *one;
	char *path;

	for (one = moves->all; S_ISDIR(spot->thing->type) && one != NULL; one = one->below) {
		if (one->member != spot->member || strncmp(one->path, spot->path, len) != 0 || one->path[len] != '/')
			continue;
		if (asprintf(&path, "%s%s", new, one->path + len) < 0)
			return -ENOMEM;
		free(one->path);
		one->path = path;
	}
	if ((path = strdup(new)) == NULL)
		return -ENOMEM;
	free(spot->path);
	spot->path = path;
	spot->parent = parent;
	return 0;
}

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
	struct spot *like = spot_on(thing, lowest(thing));
	struct member *source = &moves->v->members[like->member];
	const struct copy c = { .digest = &moves->v->digest, .src = source->r, .dst = m->r,
	    .src_tags = source->tags, .dst_tags = m->tags };
	struct replica_at from = { REPLICA_NONE, base_name(like->path) }, to = { REPLICA_NONE, base_name(like->path) };
	struct stat st = { .st_mode = S_IFDIR };
	char *parent = NULL;
	int rc;

	*path = NULL;
	if ((rc = path_on(moves, m, like->parent, &parent)) != 0 || (rc = open_parent(source->r, like->path, &from.handle)) != 0 ||
	    (rc = listing_open_path(m->r, parent, &to.handle)) != 0)
		goto done;
	if ((rc = copy_make(&c, from, to.handle, to.name)) != 0 || (rc = copy_finish(&c, from, to)) != 0)
		goto done;
	if ((*path = join(parent, to.name)) == NULL)
		rc = -ENOMEM;
	else
		rc = note(moves, m->index, thing->by_key.key, &st, like->parent, *path);

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
	struct thing *thing = thing_find(moves, key);
	struct spot *spot;

	if (key == VOLUME_ROOT_ID)
		return (*path = strdup("")) == NULL ? -ENOMEM : 0;
	if (thing == NULL || !S_ISDIR(thing->type))
		return -ENOENT;
	if ((spot = spot_on(thing, m->index)) == NULL)
		return make_directory(moves, m, thing, path);
	return (*path = strdup(spot->path)) == NULL ? -ENOMEM : 0;
}

/* Has what stands there on the member a place elsewhere, to which it is to go? */
static bool
is_to_go(const struct moves *moves, const struct spot *spot)
{
	unsigned low = lowest(spot->thing), member = spot->member;
	struct spot *one, *twin = NULL;

	(void)moves;
	for (one = spot->thing->spots; one != NULL; one = one->next) {
		if (one->member == low && same_place(one, spot))
			twin = one;
	}
	return low != member && twin == NULL && spot_alone(spot->thing, low, member) != NULL;
}

/* ${spot} goes to ${name} in ${dir}, which is ${path}: what stands there makes room. */
static int
move_into(struct moves *moves, struct member *m, struct spot *spot, const struct spot *want, replica_handle dir, const char *path)
{
	const char *name = base_name(want->path), *from = base_name(spot->path);
	struct spot *there;
	replica_handle old = REPLICA_NONE;
	struct stat st;
	uint64_t parent = spot->parent;
	char *was = NULL;
	unsigned flags = 0;
	int rc;

	for (there = moves->all; there != NULL; there = there->below) {
		if (there->member == m->index && there != spot && same_place(there, want))
			break;
	}
	if ((rc = open_parent(m->r, spot->path, &old)) != 0)
		return rc;
	if ((was = strdup(spot->path)) == NULL) {
		rc = -ENOMEM;
		goto done;
	}
	from = base_name(was);
	if (there != NULL && is_to_go(moves, there))
		flags = RENAME_EXCHANGE;
	else if (m->r->ops->stat(m->r, (struct replica_at){ dir, name }, &st) == 0 &&
	    (rc = quarantine_move(m->r, dir, name, path, "another file was renamed over it when the volume stopped")) != 0)
		goto done;
	if ((rc = m->r->ops->rename(m->r, old, from, dir, name, flags)) != 0)
		goto done;
	if ((rc = spot_moved(moves, spot, want->parent, path)) == 0 && flags != 0)
		rc = spot_moved(moves, there, parent, was);
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
	struct replica_at from = { REPLICA_NONE, base_name(spot->path) };
	const struct stat st = { .st_mode = spot->thing->type, .st_ino = spot->ino };
	int rc;

	if ((rc = open_parent(m->r, spot->path, &from.handle)) != 0)
		return rc;
	rc = m->r->ops->link(m->r, from, dir, base_name(want->path));
	listing_close(m->r, from.handle);
	if (rc != 0)
		return rc;
	moves->made++;
	log_warning("/%s: the link, cut off by the unclean stop, is completed on replica %s, as on %s",
	    path, m->r->path, moves->v->members[want->member].r->path);
	return note(moves, m->index, spot->thing->by_key.key, &st, want->parent, path);
}

/* Have ${spot} of the member, or a further name of it, stand where ${want} does. */
static int
complete_one(struct moves *moves, struct member *m, struct spot *spot, const struct spot *want, bool rename)
{
	char *parent = NULL, *path = NULL;
	replica_handle dir = REPLICA_NONE;
	int rc;

	if ((rc = path_on(moves, m, want->parent, &parent)) == 0 && (rc = listing_open_path(m->r, parent, &dir)) == 0) {
		if ((path = join(parent, base_name(want->path))) == NULL)
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

/* Of the same member's spots of a thing: another name of the inode at ${spot} that ${other} has too; that one there. */
static struct spot *
linked_on(const struct thing *thing, const struct spot *spot, unsigned other)
{
	struct spot *one, *there;

	for (one = thing->spots; one != NULL; one = one->next) {
		if (one == spot || one->member != spot->member || one->ino != spot->ino)
			continue;
		for (there = thing->spots; there != NULL; there = there->next) {
			if (there->member == other && same_place(there, one))
				return there;
		}
	}
	return NULL;
}

/* One thing on one member, held against the lowest that has it. */
static int
complete_on(struct moves *moves, struct thing *thing, struct member *low, struct member *m)
{
	struct spot *want, *extra, *have;
	int rc = 0;

	while (rc == 0 && (want = spot_alone(thing, low->index, m->index)) != NULL) {
		if ((extra = spot_alone(thing, m->index, low->index)) != NULL)
			rc = complete_one(moves, m, extra, want, true);
		else if (!S_ISDIR(thing->type) && (have = linked_on(thing, want, m->index)) != NULL)
			rc = complete_one(moves, m, have, want, false);
		else
			return 0;
	}
	while (rc == 0 && !S_ISDIR(thing->type) && (extra = spot_alone(thing, m->index, low->index)) != NULL &&
	    (have = linked_on(thing, extra, low->index)) != NULL) {
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
	low = &moves->v->members[lowest(thing)];

	for_each_member(moves->v, m) {
		if (m == low || spot_on(thing, m->index) == NULL)
			continue;
		if ((rc = complete_on(moves, thing, low, m)) == 0)
			continue;
		moves->again = true;
		log_info("/%s: not renamed on replica %s yet: %s", spot_on(thing, m->index)->path, m->r->path, strerror(-rc));
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

	if ((queue.links = malloc((moves->things.count + 1) * sizeof(struct hashmap_link *))) == NULL)
		return -ENOMEM;
	hashmap_each(&moves->things, queue_add, &queue);
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
	struct member *m;
	int rc, round;

	if (v->moves_complete || v->no_writes)
		return;
	v->moves_complete = true;
	if ((rc = hashmap_init(&moves.things)) != 0)
		goto failed;
	for_each_member(v, m) {
		if (rc == 0)
			rc = collect(&moves, m, REPLICA_ROOT, "", VOLUME_ROOT_ID, intent_was_dirty(v->intent, VOLUME_ROOT_ID));
	}
	name_nameless(&moves);
	for (round = 0; rc == 0 && round < ROUNDS_MAX && (round == 0 || moves.again); round++)
		rc = complete_all(&moves);
	hashmap_each(&moves.things, thing_free, NULL);
	hashmap_free(&moves.things);
	log_info("a change of names was cut off: all directories that were in use were looked at in %llu ms, %u names put right",
	    (unsigned long long)(clock_monotonic_ms() - start), moves.made);

failed:
	if (rc != 0)
		log_warning("looking for renamings that were cut off: %s; names are completed one by one", strerror(-rc));
}
