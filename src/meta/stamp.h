/*
 * meta/stamp -- making records for what is there: adopting, and accepting.
 *
 * A stamp vouches for bytes that nothing else vouches for.  It is made when a
 * tree is taken into a volume, or when somebody decided to believe what he
 * sees; never in the course of mending.
 *
 * Errors: 0 or a negative errno value.
 *
 * Locking: none inside; nobody else may change the inode meanwhile.
 */

#ifndef META_STAMP_H
#define META_STAMP_H

#include "format/record.h"
#include "replica/replica.h"

/*
 * stamp_file(r, tags, at, digest, record, buf):
 * Digest the regular file's data and metadata and store its record.  On entry
 * ${record} has id and generation set; the rest is filled in: the file's own
 * mtime becomes the seal.  ${buf}, RECORD_TAGS_MAX * DIGEST_SIZE bytes, is
 * where record->tags will point.  A large file's tags file under ${tags}
 * (handle on .mendfs/tags) is written anew and made durable first.
 * -ESTALE: the file changed meanwhile.
 */
int stamp_file(struct replica *r, replica_handle tags, struct replica_at at,
    const struct digest *digest, struct record *record, uint8_t *buf);

/*
 * stamp_directory(r, at, digest, record):
 * The same for a directory, whose names digest is record->sum on entry.
 */
int stamp_directory(struct replica *r, struct replica_at at, const struct digest *digest,
    struct record *record);

/*
 * stamp_meta(r, at, digest, st, meta):
 * The meta digest of the inode as it is, ${st} being its attributes.
 */
int stamp_meta(struct replica *r, struct replica_at at, const struct digest *digest,
    const struct stat *st, uint32_t *meta);

/*
 * stamp_name(r, dir, name, st, id, digest, out):
 * The digest of one directory entry as it is (record_name); reads a symbolic
 * link's target.  ${id} counts for files and directories only.
 */
int stamp_name(struct replica *r, replica_handle dir, const char *name, const struct stat *st,
    uint64_t id, const struct digest *digest, uint8_t *out);

#endif
