/*
 * volume/ids -- a directory's index (format/index): the ids of its files without a look at each.
 *
 * A listing needs the id of every name, and to read all records takes longer
 * than all the rest of it.  So a member keeps what a listing has found out, in
 * an attribute of the directory.  Nothing is believed of it by itself: what it
 * says must add up, with the names, to the directory's digest of names.
 */

#ifndef VOLUME_IDS_H
#define VOLUME_IDS_H

#include "format/index.h"
#include "volume/state.h"

struct ids {
	size_t count;
	struct index_entry entries[INDEX_ENTRIES_MAX];
};

/* ids_load(volume, member, dir, ids): what the member has of it, be it nothing.  Tree lock. */
void ids_load(struct volume *volume, struct member *m, struct node *dir, struct ids *ids);

/*
 * ids_keep(volume, member, dir, entries, count):
 * Keep the index of ${count} entries, which are sorted here, on the member, if
 * it can be: no room for it is no error.  Tree lock.
 */
void ids_keep(struct volume *volume, struct member *m, struct node *dir, struct index_entry *entries, size_t count);

/* ids_drop(volume, dir): on all members, for somebody needs the room.  Tree lock. */
void ids_drop(struct volume *volume, struct node *dir);

#endif
