#include <dirent.h>
#include <limits.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volume/spots.h"

/* Keys of what has no id: these bits are never an id's. */
#define KEY_SPECIAL (UINT64_C(1) << 63)
#define KEY_PATH (UINT64_C(3) << 62)

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

const char *
spots_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

char *
spots_join(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s%s%s", dir, *dir != '\0' ? "/" : "", name) < 0 ? NULL : path;
}

struct thing *
spots_find(const struct spots *s, uint64_t key)
{
	struct hashmap_link *link = hashmap_find(&s->things, key);

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
spot_add(struct spots *s, struct thing *thing, struct spot *spot)
{
	spot->thing = thing;
	spot->next = thing->spots;
	thing->spots = spot;
	spot->below = s->all;
	s->all = spot;
}

static int
note_nameless(struct spots *s, unsigned member, const struct stat *st, uint64_t parent, const char *path)
{
	struct spot *spot;

	if ((spot = spot_new(NULL, member, st, parent, path)) == NULL)
		return -ENOMEM;
	spot->next = s->nameless;
	s->nameless = spot;
	return 0;
}

int
spots_note(struct spots *s, unsigned member, uint64_t key, const struct stat *st, uint64_t parent, const char *path)
{
	struct thing *thing = spots_find(s, key);
	struct spot *spot;

	if (thing == NULL) {
		if ((thing = calloc(1, sizeof(*thing))) == NULL)
			return -ENOMEM;
		thing->type = st->st_mode & S_IFMT;
		hashmap_insert(&s->things, &thing->by_key, key);
	}
	if ((spot = spot_new(thing, member, st, parent, path)) == NULL)
		return -ENOMEM;
	spot_add(s, thing, spot);
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

/* What stands for something: its id, or what it is. 0: a file without a record. */
static uint64_t
key_of(struct spots *s, struct replica *r, struct replica_at at, const char *path, struct stat *st)
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
		    record_decode(&s->v->digest, bytes, (size_t)info.record_len, &record) == 0 &&
		    (record.kind == RECORD_DIRECTORY) == S_ISDIR(mode))
			return record.id;
		return S_ISDIR(mode) ? hash(path, strlen(path)) | KEY_PATH : 0;
	}
	if (S_ISLNK(mode) && r->ops->readlink(r, at, target, sizeof(target)) != 0)
		return 0;
	record_name(&s->v->digest, "", mode, 0, S_ISLNK(mode) ? target : NULL,
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

static int collect(struct spots *s, struct member *m, replica_handle dir, const char *path, uint64_t key, bool dirty);

/* May anything below it have been in the midst of a change?  ${below}: its own names may. */
static bool
is_on_way(const struct spots *s, uint64_t key, bool below)
{
	return below || key >= NODE_ID_BORROWED || intent_astray(s->v->intent) || intent_was_dirty(s->v->intent, INTENT_WAY | key);
}

static int
collect_name(struct spots *s, struct member *m, struct replica_at at, unsigned char d_type, const char *path,
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
	key = key_of(s, m->r, at, path, &st);
	if (S_ISDIR(st.st_mode) && key < NODE_ID_BORROWED)
		below = intent_was_dirty(s->v->intent, key);
	if (key != 0 && (dirty || (S_ISDIR(st.st_mode) && below)))
		rc = spots_note(s, m->index, key, &st, parent, path);
	else if (key == 0 && dirty && S_ISREG(st.st_mode))
		rc = note_nameless(s, m->index, &st, parent, path);
	if (rc == 0 && S_ISDIR(st.st_mode) && is_on_way(s, key, below) && m->r->ops->dir_open(m->r, at.handle, at.name, &handle) == 0) {
		rc = collect(s, m, handle, path, key, below);
		m->r->ops->dir_close(m->r, handle);
	}
	return rc;
}

static int
collect(struct spots *s, struct member *m, replica_handle dir, const char *path, uint64_t key, bool dirty)
{
	struct listed listed = { .top = dir == REPLICA_ROOT };
	char *below;
	size_t i;
	int rc;

	rc = m->r->ops->list(m->r, dir, listed_add, &listed);
	for (i = 0; rc == 0 && i < listed.count; i++) {
		if ((below = spots_join(path, listed.found[i].name)) == NULL) {
			rc = -ENOMEM;
			break;
		}
		rc = collect_name(s, m, (struct replica_at){ dir, listed.found[i].name }, listed.found[i].type, below, key, dirty);
		free(below);
	}
	listed_free(&listed);
	return rc;
}

struct spot *
spots_on(const struct thing *thing, unsigned member)
{
	struct spot *spot;

	for (spot = thing->spots; spot != NULL && spot->member != member; spot = spot->next)
		continue;
	return spot;
}

bool
spots_same_place(const struct spot *a, const struct spot *b)
{
	return a->parent == b->parent && strcmp(spots_name(a->path), spots_name(b->path)) == 0;
}

/* A place that member ${from} has and ${to} has not, or NULL. */
struct spot *
spots_alone(const struct thing *thing, unsigned from, unsigned to)
{
	struct spot *a, *b;

	for (a = thing->spots; a != NULL; a = a->next) {
		if (a->member != from)
			continue;
		for (b = thing->spots; b != NULL && (b->member != to || !spots_same_place(a, b)); b = b->next)
			continue;
		if (b == NULL)
			return a;
	}
	return NULL;
}

/* The lowest member that has it. */
unsigned
spots_lowest(const struct thing *thing)
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
known_there(const struct spots *s, const struct spot *spot, mode_t type)
{
	struct spot *one, *known = NULL;

	for (one = s->all; one != NULL; one = one->below) {
		if (one->member == spot->member || one->thing->type != type || one->thing == spot->thing || !spots_same_place(one, spot))
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
name_directories(struct spots *s)
{
	struct spot *spot, *known, *one, **at;
	bool any = false;
	uint64_t key;

	for (spot = s->all; spot != NULL; spot = spot->below) {
		key = spot->thing->by_key.key;
		if (!S_ISDIR(spot->thing->type) || has_id(spot) || (known = known_there(s, spot, S_IFDIR)) == NULL)
			continue;
		for (at = &spot->thing->spots; *at != spot; at = &(*at)->next)
			continue;
		*at = spot->next;
		spot->thing = known->thing;
		spot->next = known->thing->spots;
		known->thing->spots = spot;
		for (one = s->all; one != NULL; one = one->below)
			parent_renamed(one, key, known->thing->by_key.key);
		for (one = s->nameless; one != NULL; one = one->next)
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
name_nameless(struct spots *s)
{
	struct spot *spot, *known;

	while (name_directories(s))
		continue;
	while ((spot = s->nameless) != NULL) {
		s->nameless = spot->next;
		known = known_there(s, spot, S_IFREG);
		/* Unless the member has that one elsewhere: then this is another, made just now. */
		if (known != NULL && has_other(known->thing, spot))
			known = NULL;
		if (known != NULL) {
			spot_add(s, known->thing, spot);
			continue;
		}
		free(spot->path);
		free(spot);
	}
}

/* It stands at ${new} now, and all below with it. */
int
spots_moved(struct spots *s, struct spot *spot, uint64_t parent, const char *new)
{
	size_t len = strlen(spot->path);
	struct spot *one;
	char *path;

	for (one = s->all; S_ISDIR(spot->thing->type) && one != NULL; one = one->below) {
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

/* Of the same member's spots of a thing: another name of the inode at ${spot} that ${other} has too; that one there. */
struct spot *
spots_linked_on(const struct thing *thing, const struct spot *spot, unsigned other)
{
	struct spot *one, *there;

	for (one = thing->spots; one != NULL; one = one->next) {
		if (one == spot || one->member != spot->member || one->ino != spot->ino)
			continue;
		for (there = thing->spots; there != NULL; there = there->next) {
			if (there->member == other && spots_same_place(there, one))
				return there;
		}
	}
	return NULL;
}

int
spots_collect(struct volume *v, struct spots *s)
{
	struct member *m;
	int rc;

	memset(s, 0, sizeof(*s));
	s->v = v;
	if ((rc = hashmap_init(&s->things)) != 0)
		return rc;
	for_each_member(v, m) {
		if (rc == 0)
			rc = collect(s, m, REPLICA_ROOT, "", VOLUME_ROOT_ID, intent_was_dirty(v->intent, VOLUME_ROOT_ID));
	}
	name_nameless(s);
	if (rc != 0)
		spots_free(s);
	return rc;
}

void
spots_free(struct spots *s)
{
	hashmap_each(&s->things, thing_free, NULL);
	hashmap_free(&s->things);
}
