/*
 * meta/meta -- the .mendfs directory of a replica: handles and small files.
 */

#ifndef META_META_H
#define META_META_H

#include "replica/replica.h"

#define META_NAME_MAX 64

/*
 * meta_open(r, create, dir):
 * Get a handle on .mendfs; with ${create} make it (mode 0700), durably, if missing.
 * -ENOENT if it is missing.  Close with r->ops->dir_close.
 */
int meta_open(struct replica *r, bool create, replica_handle *dir);

/*
 * meta_subdir(r, dir, name, create, sub):
 * The same for a directory below.
 */
int meta_subdir(struct replica *r, replica_handle dir, const char *name, bool create, replica_handle *sub);

/*
 * meta_read_file(r, dir, name, buf, size):
 * Read the whole of a small file.  Returns its length; -EFBIG if it is longer
 * than ${size}, -ESTALE if it is not a regular file.
 */
ssize_t meta_read_file(struct replica *r, replica_handle dir, const char *name, void *buf, size_t size);

/*
 * meta_write(r, file, data, len, offset):
 * Write all of it to an open file, or return the error that stopped it.
 */
int meta_write(struct replica *r, replica_handle file, const void *data, size_t len, uint64_t offset);

/*
 * meta_replace_file(r, dir, name, data, len):
 * Write "${name}.new", make it durable, rename it over ${name}, make the
 * directory durable.  A crash leaves the old or the new content, and perhaps a
 * "${name}.new", which the next call does away with.  On error the old content
 * stands, unless it was making the directory durable that failed.  ${name} is
 * at most META_NAME_MAX bytes.
 */
int meta_replace_file(struct replica *r, replica_handle dir, const char *name, const void *data, size_t len);

#endif
