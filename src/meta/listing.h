/*
 * meta/listing -- the names in one directory of one replica, in order.
 */

#ifndef META_LISTING_H
#define META_LISTING_H

#include <stdbool.h>
#include <stddef.h>

#include "replica/replica.h"

struct listing {
	char **names;		/* sorted bytewise */
	size_t count;
	size_t room;
};

/*
 * listing_read(r, dir, listing):
 * Read all names in ${dir}; for REPLICA_ROOT without REPLICA_META.  On error
 * ${listing} is empty.  Free with listing_free in either case.
 */
int listing_read(struct replica *r, replica_handle dir, struct listing *listing);
void listing_free(struct listing *listing);

/* listing_join(all, more): what is in ${more}, which is empty then, and not in ${all}, goes there.  -ENOMEM: neither has changed. */
int listing_join(struct listing *all, struct listing *more);

/*
 * listing_open_path(r, path, dir):
 * Open the directory ${path}, components separated by slashes, "" for the top
 * one (then REPLICA_ROOT).  No symbolic link is followed.
 */
int listing_open_path(struct replica *r, const char *path, replica_handle *dir);

/* listing_close(r, dir): dir_close, but harmless for REPLICA_ROOT and REPLICA_NONE. */
void listing_close(struct replica *r, replica_handle dir);

#endif
