/*
 * replica/dir -- a replica in a local directory.
 *
 * Needs /proc.  The number of system calls of each operation is part of its
 * design: load takes 3, store 2, open 3, create of an open file 1 (2 where the
 * owner must be changed), pread and pwrite 1.
 */

#ifndef REPLICA_DIR_H
#define REPLICA_DIR_H

#include "replica/replica.h"

/*
 * dir_replica_open(path, read_only, replica):
 * Open directory ${path} as a replica.  With ${read_only} nothing is ever
 * written, access times included where the system lets us, and what would
 * write fails with -EROFS.  Sets the process's umask to 0, as create makes
 * files of exactly the mode asked for.
 *
 * Fails with -ENOENT, -ENOTDIR, -EACCES, -ENOMEM; -EOPNOTSUPP if the file
 * system holds no user extended attributes (found by trying, on the directory
 * itself, unless it has a record; not tried with ${read_only}); -ERANGE if it
 * keeps times coarser than nanoseconds (likewise; ext4 with inodes of 128
 * bytes); -EMEDIUMTYPE if it cannot sync a
 * directory (likewise); -EROFS if it is mounted read-only and ${read_only} is not set;
 * -ENOSYS without /proc.
 */
int dir_replica_open(const char *path, bool read_only, struct replica **replica);

#endif
