#include "check/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/listing.h"

int
place_new(struct check *c, const char *path, struct place **out)
{
	struct place *place;

	if ((place = calloc(1, sizeof(*place))) == NULL)
		return -ENOMEM;
	if ((place->path = strdup(path)) == NULL) {
		free(place);
		return -ENOMEM;
	}
	place->c = c;
	atomic_init(&place->refs, 1);
	for (unsigned i = 0; i < MEMBERS_MAX; i++)
		place->handle[i] = REPLICA_NONE;
	*out = place;
	return 0;
}

int
place_open(struct check *c, const char *path, struct place **out)
{
	int rc;

	if ((rc = place_new(c, path, out)) != 0)
		return rc;
	for (unsigned i = 0; i < c->count; i++)
		(void)listing_open_path(c->members[i].r, path, &(*out)->handle[i]);
	return 0;
}

void
place_hold(struct place *place)
{
	atomic_fetch_add(&place->refs, 1);
}

/* The seal of a directory whose names were mended: its record's time. */
static void
restore_times(struct replica *r, replica_handle dir, const struct digest *digest)
{
	uint8_t bytes[RECORD_SIZE_MAX];
	struct replica_info info = { .record = bytes };
	struct replica_times times = { .atime.tv_nsec = UTIME_OMIT };
	struct replica_at at = { dir, NULL };
	struct record record;

	if (r->ops->load(r, at, &info) != 0 || info.record_len < 0)
		return;
	if (record_decode(digest, bytes, (size_t)info.record_len, &record) != 0)
		return;
	times.mtime = record.mtime;
	(void)r->ops->store(r, at, &times, NULL, 0);
}

void
place_put(struct place *place)
{
	struct check *c = place->c;

	if (atomic_fetch_sub(&place->refs, 1) != 1)
		return;
	for (unsigned i = 0; i < c->count; i++) {
		if (place->handle[i] == REPLICA_NONE)
			continue;
		if (atomic_load(&place->touched[i]))
			restore_times(c->members[i].r, place->handle[i], &c->digest);
		listing_close(c->members[i].r, place->handle[i]);
	}
	free(place->path);
	free(place);
}

char *
place_join(const struct place *place, const char *name)
{
	char *path;

	if (asprintf(&path, "%s%s%s", place->path, place->path[0] != '\0' ? "/" : "", name) < 0)
		return NULL;
	return path;
}
