#include "check/moves.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/listing.h"
#include "util/hashmap.h"

/* Where a member has a file, if not where the lowest one has it. */
struct elsewhere { struct elsewhere *next; unsigned member; char path[]; };

/* A file that may be torn; of its first place a digest will do. */
struct location {
	struct hashmap_link by_id;
	uint8_t first[DIGEST_SIZE];
	unsigned first_member;
	struct elsewhere *others;
	bool several;			/* one member has it twice: links gone wrong, no renaming */
};

struct moves { struct check *c; struct hashmap locations; int error; };

static void
digest_path(const struct moves *moves, const char *path, uint8_t *out)
{
	digest_bytes(&moves->c->digest, DIGEST_NAME, path, strlen(path), out);
}

static struct location *
find(const struct moves *moves, uint64_t id)
{
	struct hashmap_link *link = hashmap_find(&moves->locations, id);

	return link != NULL ? hashmap_entry(link, struct location, by_id) : NULL;
}

static int
note(struct moves *moves, unsigned member, uint64_t id, const char *path)
{
	struct location *location = find(moves, id);
	struct elsewhere *other;
	uint8_t where[DIGEST_SIZE];
	size_t len;

	digest_path(moves, path, where);
	if (location == NULL) {
		if ((location = calloc(1, sizeof(*location))) == NULL)
			return -ENOMEM;
		memcpy(location->first, where, DIGEST_SIZE);
		location->first_member = member;
		hashmap_insert(&moves->locations, &location->by_id, id);
		return 0;
	}
	if (memcmp(location->first, where, DIGEST_SIZE) == 0)
		return 0;
	if (location->first_member == member || (location->others != NULL && location->others->member == member))
		location->several = true;
	len = strlen(path) + 1;
	if ((other = malloc(sizeof(*other) + len)) == NULL)
		return -ENOMEM;
	other->member = member;
	memcpy(other->path, path, len);
	other->next = location->others;
	location->others = other;
	return 0;
}

static void collect(struct moves *moves, unsigned member, replica_handle dir, const char *path);

static void
collect_name(struct moves *moves, unsigned member, struct replica_at at, const char *path)
{
	struct replica *r = moves->c->members[member].r;
	uint8_t bytes[RECORD_SIZE_MAX];
	struct replica_info info = { .record = bytes, .skip_xattrs = true };
	struct record record;
	replica_handle below;
	bool is_dir;

	if (r->ops->load(r, at, &info) != 0)
		return;
	is_dir = S_ISDIR(info.st.st_mode);
	/* Several names of one file are no renaming. */
	if ((is_dir || (S_ISREG(info.st.st_mode) && info.st.st_nlink == 1)) && info.record_len > 0 &&
	    record_decode(&moves->c->digest, bytes, (size_t)info.record_len, &record) == 0 &&
	    (record.kind == RECORD_DIRECTORY) == is_dir && intent_was_dirty(moves->c->intent, record.id) &&
	    note(moves, member, record.id, path) != 0)
		moves->error = -ENOMEM;
	if (is_dir && r->ops->dir_open(r, at.handle, at.name, &below) == 0) {
		collect(moves, member, below, path);
		r->ops->dir_close(r, below);
	}
}

static void
collect(struct moves *moves, unsigned member, replica_handle dir, const char *path)
{
	struct listing listing;
	char *below;

	if (listing_read(moves->c->members[member].r, dir, &listing) != 0)
		return;
	for (size_t i = 0; i < listing.count && !check_stopped(moves->c); i++) {
		if (asprintf(&below, "%s%s%s", path, path[0] != '\0' ? "/" : "", listing.names[i]) < 0) {
			moves->error = -ENOMEM;
			break;
		}
		collect_name(moves, member, (struct replica_at){ dir, listing.names[i] }, below);
		free(below);
	}
	listing_free(&listing);
}

int
moves_collect(struct check *c, struct moves **out)
{
	struct moves *moves;
	int rc;

	*out = NULL;
	if (c->intent == NULL || c->count < 2)
		return 0;
	if ((moves = calloc(1, sizeof(*moves))) == NULL)
		return -ENOMEM;
	moves->c = c;
	if ((rc = hashmap_init(&moves->locations)) != 0) {
		free(moves);
		return rc;
	}
	for (unsigned i = 0; i < c->count; i++) {
		/* What a member that was away has is old anyway. */
		if (!c->members[i].stale)
			collect(moves, i, REPLICA_ROOT, "");
	}
	if ((rc = moves->error) != 0) {
		moves_free(moves);
		return rc;
	}
	*out = moves;
	return 0;
}

static void
free_location(struct hashmap_link *link, void *arg)
{
	struct location *location = hashmap_entry(link, struct location, by_id);
	struct elsewhere *other;

	(void)arg;
	while ((other = location->others) != NULL) {
		location->others = other->next;
		free(other);
	}
	free(location);
}

void
moves_free(struct moves *moves)
{
	if (moves == NULL)
		return;
	hashmap_each(&moves->locations, free_location, NULL);
	hashmap_free(&moves->locations);
	free(moves);
}

enum moves_answer
moves_ask(const struct moves *moves, uint64_t id, const char *path)
{
	struct location *location;
	uint8_t where[DIGEST_SIZE];

	if (moves == NULL || id == 0 || (location = find(moves, id)) == NULL || location->others == NULL || location->several)
		return MOVES_NONE;
	digest_path(moves, path, where);
	return memcmp(location->first, where, DIGEST_SIZE) == 0 ? MOVES_STAYS : MOVES_GOES;
}

const char *
moves_from(const struct moves *moves, uint64_t id, unsigned member)
{
	struct location *location;

	if (moves == NULL || (location = find(moves, id)) == NULL || location->several)
		return NULL;
	for (const struct elsewhere *other = location->others; other != NULL; other = other->next) {
		if (other->member == member)
			return other->path;
	}
	return NULL;
}
