/*
 * meta/copy -- one inode from one replica to another, or within one.
 *
 * What is copied is all that users see of it (data with its holes, owner,
 * mode, mirrored xattrs, times) and its record and tags as they are: a copy
 * vouches for nothing that the original did not.
 *
 * Errors: 0 or a negative errno value; -EBADMSG means that the source's data
 * does not match its tags, or a page of its tags file its check.  What was
 * made up to an error stays; without a record it is proved to nobody.
 *
 * Locking: none inside; nobody else may change the inodes meanwhile.
 */

#ifndef META_COPY_H
#define META_COPY_H

#include "format/record.h"
#include "replica/replica.h"

/* From where to where.  The tags handles, on .mendfs/tags, may be REPLICA_NONE if no large file is copied. */
struct copy {
	const struct digest *digest;
	struct replica *src, *dst;
	replica_handle src_tags, dst_tags;
};

/*
 * copy_make(c, from, dir, name):
 * Make a name of the type, owner, mode and xattrs of ${from}, a symbolic link
 * with its target: a file stays empty, a directory without names.  Needs
 * copy_data and copy_finish afterwards.  Not for hard links: replica_ops.link.
 */
int copy_make(const struct copy *c, struct replica_at from, replica_handle dir, const char *name);

/*
 * copy_data(c, from, to, record):
 * Make the regular file ${to} as long as ${from}, with the same data; holes
 * stay holes.  With ${record}, each block is first proved by its tag, and
 * its length by its size; NULL copies unproved (to put something aside).
 */
int copy_data(const struct copy *c, struct replica_at from, struct replica_at to, const struct record *record);

/*
 * copy_tags(c, record):
 * Make the tags file that ${record} points to, durably.  Nothing to do for others.
 */
int copy_tags(const struct copy *c, const struct record *record);

/* copy_meta(c, from, to): owner, mode and mirrored xattrs, exactly: what ${from} lacks is removed. */
int copy_meta(const struct copy *c, struct replica_at from, struct replica_at to);

/*
 * copy_bare(c, st, to):
 * The same for what is known to have no mirrored xattrs: owner and mode are ${st}'s; c->src is asked for nothing.
 */
int copy_bare(const struct copy *c, const struct stat *st, struct replica_at to);

/* copy_finish(c, from, to): the record, byte for byte, if there is one, and the times.  The last step. */
int copy_finish(const struct copy *c, struct replica_at from, struct replica_at to);

/*
 * copy_node(c, from, dir, name):
 * All of the above for anything but a directory: -EISDIR.  A file must have a valid record (else -EBADMSG).
 */
int copy_node(const struct copy *c, struct replica_at from, replica_handle dir, const char *name);

#endif
