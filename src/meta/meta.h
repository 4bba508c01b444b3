/*
 * meta/meta -- the .mendfs directory of a replica: handles and small files.
 */

#ifndef META_META_H
#define META_META_H

#include "replica/replica.h"

/*
 * meta_open(r, create, dir):
 * Get a handle on .mendfs; with ${create} make it (mode 0700) if missing.
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
 * Read the whole of a small file.  Returns its length; -EFBIG if it is longer than ${size}.
 */
ssize_t meta_read_file(struct replica *r, replica_handle dir, const char *name, void *buf, size_t size);

/*
 * meta_replace_file(r, dir, name, data, len):
 * Write "${name}.new", make it durable, rename it over ${name}, make the
 * directory durable.  A crash leaves the old or the new content.  On error
 * the old content stands.
 */
int meta_replace_file(struct replica *r, replica_handle dir, const char *name, const void *data, size_t len);

#endif
