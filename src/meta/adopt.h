/*
 * meta/adopt -- taking a tree of plain files into a volume.
 *
 * Offline work on locked replicas: before the labels are written, so that an
 * interruption leaves directories that still hold files and no label, and the
 * same command starts over.
 *
 * Errors: 0 or a negative errno value, and ${where}, if not NULL, is then
 * filled with the path that it happened at (ADOPT_PATH_MAX bytes).
 */

#ifndef META_ADOPT_H
#define META_ADOPT_H

#include "hash/digest.h"
#include "replica/replica.h"

#define ADOPT_PATH_MAX 4096
#define ADOPT_ROOT_ID 1

/*
 * adopt_tree(r, digest, first_id, next_id, where):
 * Give every file and directory an id, the top one ADOPT_ROOT_ID, others from
 * ${first_id} > ADOPT_ROOT_ID on in the order of their paths, hard links one
 * between them; digest them, and store records, the present mtimes becoming
 * the seals.  ${next_id} is the first id that is free then.  Records and tags
 * files of an earlier attempt, or of another volume, are replaced.  Also makes
 * the records of an empty tree.  -EXDEV: something is mounted below.
 */
int adopt_tree(struct replica *r, const struct digest *digest, uint64_t first_id,
    uint64_t *next_id, char *where);

/*
 * adopt_copy(src, dst, digest, where):
 * Make ${dst}, empty but for .mendfs, equal to ${src}, whose records are whole.
 * Every block is proved on the way.  While it runs .mendfs/adopting exists on
 * ${dst}, durably: with it, names that are there are an interrupted attempt's
 * and are completed or made anew; without it they are somebody's files, and
 * the answer is -ENOTEMPTY before anything has changed.
 */
int adopt_copy(struct replica *src, struct replica *dst, const struct digest *digest, char *where);

#endif
