/*
 * replica/dir -- a replica in a local directory.
 */

#ifndef REPLICA_DIR_H
#define REPLICA_DIR_H

#include "replica/replica.h"

/*
 * dir_replica_open(path, read_only, replica):
 * Open directory ${path} as a replica.  With ${read_only} nothing is ever
 * written, access times included where the system lets us.  Fails with
 * -ENOENT, -ENOTDIR, -EACCES, -ENOMEM; -EOPNOTSUPP if the file system holds no
 * user extended attributes (found by trying, on the directory itself; not
 * tried with ${read_only}); -EROFS if it is mounted read-only and ${read_only} is not set.
 */
int dir_replica_open(const char *path, bool read_only, struct replica **replica);

#endif
