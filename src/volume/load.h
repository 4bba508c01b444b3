/*
 * volume/load -- from what the members hold to a node.
 *
 * The first look-up of a name reads one member, and is done if its record
 * proves what is found.  Else, and for what carries no record, all members
 * are asked, meta/judge decides, and those that are wrong are mended on the spot.
 */

#ifndef VOLUME_LOAD_H
#define VOLUME_LOAD_H

#include "volume/state.h"

/*
 * load_name(volume, dir, name, node):
 * The node of a name, with one more reference for the caller, and known by
 * the name from then on.  -ENOENT: no member in sync has it.  -EIO: nothing
 * proves what is there.  Tree lock, shared will do; not dir's own.
 */
int load_name(struct volume *volume, struct node *dir, const char *name, struct node **node);

/* load_root(volume): volume->root. */
int load_root(struct volume *volume);

/*
 * load_mend(volume, dir, name):
 * Have the members that lack ${name}, or have something else there, mended.
 * As load_name, but yields nothing.
 */
int load_mend(struct volume *volume, struct node *dir, const char *name);

/* load_mend_node(volume, node): the same by a name of ${node}; -ESTALE if it has none. */
int load_mend_node(struct volume *volume, struct node *node);

/*
 * load_entry(volume, dir, name, member, ino, type, id, digest):
 * What a listing has to say of a name: its id (0 on error), its ${type}, which may
 * come in as 0, and, unless ${digest} is NULL, its part of the directory's names
 * digest.  From the node if there is one, else from what ${member}, the first
 * one in sync, has under the name, with inode number ${ino}.  Tree lock.
 */
int load_entry(struct volume *volume, struct node *dir, const char *name, struct member *m, ino_t ino,
    mode_t *type, uint64_t *id, uint8_t *digest);

/* load_entry_known(...): what the node says of one of its names, as above; false: there is none. */
bool load_entry_known(struct volume *volume, struct node *dir, const char *name, mode_t *type, uint64_t *id, uint8_t *digest);

/* load_absent_forget(volume): names are about to be made or mended.  Tree lock. */
void load_absent_forget(struct volume *volume);

/* load_borrowed_id(member, ino): the id of what carries no record. */
uint64_t load_borrowed_id(const struct member *m, ino_t ino);

#endif
