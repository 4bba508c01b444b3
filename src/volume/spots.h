/*
 * volume/spots -- where things stand on each member, after an unclean stop.
 *
 * A thing is a file or directory, by its id, or links and special files that
 * are alike.  Of each, all names in directories of dirty regions are noted, on
 * all members.  What has no record yet on one member is what another knows by
 * one, in the same place.
 *
 * Memory: some 150 bytes for each name in a directory of a dirty region, for as
 * long as renamings are looked for.  Tree lock and settle lock.
 */

#ifndef VOLUME_SPOTS_H
#define VOLUME_SPOTS_H

#include "util/hashmap.h"
#include "volume/state.h"

/* One name of something on one member. */
struct spot {
	struct spot *next;		/* of the same thing */
	struct spot *below;		/* in the list of all */
	struct thing *thing;
	unsigned member;
	ino_t ino;			/* there */
	uint64_t parent;		/* key of its directory */
	char *path;			/* from the top, without a slash before it */
};

/* What several members may have, under whatever names. */
struct thing {
	struct hashmap_link by_key;	/* key: the id, from NODE_ID_BORROWED on something else */
	struct spot *spots;
	mode_t type;
};

struct spots {
	struct volume *v;
	struct hashmap things;
	struct spot *all;
	struct spot *nameless;		/* while collecting: files without a record, by next */
};

/* spots_collect(volume, spots): walk all members.  -ENOMEM, or why a directory cannot be read; then there is nothing to free. */
int spots_collect(struct volume *volume, struct spots *spots);
void spots_free(struct spots *spots);

/* spots_note(spots, member, key, st, parent, path): something more; of ${st} type and inode number are taken.  -ENOMEM. */
int spots_note(struct spots *spots, unsigned member, uint64_t key, const struct stat *st, uint64_t parent, const char *path);
/* spots_moved(spots, spot, parent, path): it stands at ${path} now, in directory ${parent}, and all below with it.  -ENOMEM. */
int spots_moved(struct spots *spots, struct spot *spot, uint64_t parent, const char *path);

struct thing *spots_find(const struct spots *spots, uint64_t key);
/* spots_lowest(thing): the lowest member that has it. */
unsigned spots_lowest(const struct thing *thing);
/* spots_on(thing, member): a spot of the member's, or NULL. */
struct spot *spots_on(const struct thing *thing, unsigned member);
bool spots_same_place(const struct spot *a, const struct spot *b);
/* spots_alone(thing, from, to): a place where member ${from} has it and ${to} has not, or NULL. */
struct spot *spots_alone(const struct thing *thing, unsigned from, unsigned to);
/* spots_linked_on(thing, spot, other): another name of the inode at ${spot} that member ${other} has too: that one there, or NULL. */
struct spot *spots_linked_on(const struct thing *thing, const struct spot *spot, unsigned other);

/* spots_name(path): its last component.  spots_join(dir, name): a path; malloc'd, or NULL. */
const char *spots_name(const char *path);
char *spots_join(const char *dir, const char *name);

#endif
