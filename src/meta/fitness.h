/*
 * meta/fitness -- can a file system hold a replica?
 *
 * What can be found out by looking, or on the top directory itself, is found
 * out when the replica is opened and locked (replica/dir).  The rest takes
 * names, which are made in .mendfs and removed again: so it is tried when
 * .mendfs has just been made, and something is about to be kept there.
 */

#ifndef META_FITNESS_H
#define META_FITNESS_H

#include <stddef.h>

#include "replica/replica.h"

#define FITNESS_WHY_MAX 256

/*
 * fitness_check(r, meta, why):
 * Try on replica ${r}, in its directory ${meta}, what its file system has to
 * do: names and attributes as they are given, byte for byte; a renaming that
 * replaces, by which a file stays itself; modes; fsync of files and
 * directories.  Nothing is left behind.
 *
 * -EOPNOTSUPP: it does not; ${why}, FITNESS_WHY_MAX bytes, says in one line
 * what is missing and what to do.  Other errors are the disk's, with a line as well.
 */
int fitness_check(struct replica *r, replica_handle meta, char *why);

#endif
