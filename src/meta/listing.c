#include "meta/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reading { struct listing *listing; bool top; };

static int
add_name(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	struct reading *reading = arg;
	struct listing *listing = reading->listing;
	size_t room;
	char **grown;

	(void)d_type;
	(void)ino;
	if (reading->top && strcmp(name, REPLICA_META) == 0)
		return 0;
	if (listing->count == listing->room) {
		room = listing->room == 0 ? 32 : 2 * listing->room;
		if ((grown = reallocarray(listing->names, room, sizeof(char *))) == NULL)
			return -ENOMEM;
		listing->names = grown;
		listing->room = room;
	}
	if ((listing->names[listing->count] = strdup(name)) == NULL)
		return -ENOMEM;
	listing->count++;
	return 0;
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
listing_read(struct replica *r, replica_handle dir, struct listing *listing)
{
	struct reading reading = { listing, dir == REPLICA_ROOT };
	int rc;

	memset(listing, 0, sizeof(*listing));
	if ((rc = r->ops->list(r, dir, add_name, &reading)) != 0) {
		listing_free(listing);
		return rc;
	}
	if (listing->count > 1)
		qsort(listing->names, listing->count, sizeof(char *), by_bytes);
	return 0;
}

int
listing_join(struct listing *all, struct listing *more)
{
	size_t room = all->count + more->count, i = 0, j = 0, count = 0;
	char **names;
	int order;

	if (room == 0)
		return 0;
	if ((names = reallocarray(NULL, room, sizeof(char *))) == NULL)
		return -ENOMEM;
	while (i < all->count || j < more->count) {
		order = i == all->count ? 1 : j == more->count ? -1 : strcmp(all->names[i], more->names[j]);
		names[count++] = order <= 0 ? all->names[i++] : more->names[j++];
		if (order == 0)
			free(more->names[j++]);
	}
	free(all->names);
	free(more->names);
	*all = (struct listing){ names, count, room };
	memset(more, 0, sizeof(*more));
	return 0;
}

void
listing_free(struct listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		free(listing->names[i]);
	free(listing->names);
	memset(listing, 0, sizeof(*listing));
}

int
listing_open_path(struct replica *r, const char *path, replica_handle *dir)
{
	replica_handle at = REPLICA_ROOT, below;
	char *copy, *rest, *name;
	int rc = 0;

	if ((copy = strdup(path)) == NULL)
		return -ENOMEM;
	for (name = strtok_r(copy, "/", &rest); name != NULL; name = strtok_r(NULL, "/", &rest)) {
		rc = r->ops->dir_open(r, at, name, &below);
		listing_close(r, at);
		at = below;
		if (rc != 0)
			break;
	}
	free(copy);
	*dir = rc == 0 ? at : REPLICA_NONE;
	return rc;
}

void
listing_close(struct replica *r, replica_handle dir)
{
	if (dir != REPLICA_ROOT && dir != REPLICA_NONE)
		r->ops->dir_close(r, dir);
}
