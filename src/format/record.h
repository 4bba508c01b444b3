/*
 * format/record -- the extended attribute that each file and directory carries.
 *
 * Disk format: doc/FORMAT.md, "Record".  Pure: memory in, memory out.
 */

#ifndef FORMAT_RECORD_H
#define FORMAT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "hash/digest.h"

#define RECORD_XATTR "user.mendfs"
#define RECORD_VERSION 1
#define RECORD_TAGS_MAX 128		/* blocks whose tags the record itself holds */
#define RECORD_SIZE_MIN 64		/* shorter ones are padded: an update in place always fits */
#define RECORD_SIZE_MAX (RECORD_SIZE_MIN + RECORD_TAGS_MAX * DIGEST_SIZE)

enum record_kind {
	RECORD_DIRECTORY = 1,	/* sum: the names digest */
	RECORD_INLINE = 2,	/* a file; tags follow in the record */
	RECORD_PAGED = 3	/* a file; tags in its tags file, sum: XOR of its pages' checks */
};

struct record {
	enum record_kind kind;
	uint64_t generation;	/* one more at each store */
	uint64_t id;		/* the file id, never 0 */
	uint64_t size;		/* bytes; 0 for a directory */
	struct timespec mtime;	/* the seal */
	struct timespec ctime;
	uint32_t meta;		/* digest of owner, group, mode, xattrs (see record_meta) */
	uint8_t sum[DIGEST_SIZE];
	uint32_t tag_count;	/* RECORD_INLINE: blocks of size, at most RECORD_TAGS_MAX */
	const uint8_t *tags;	/* tag_count * DIGEST_SIZE bytes, not owned */
};

/*
 * record_encode(digest, record, out, size):
 * Write ${record} to ${out} of ${size} bytes; RECORD_SIZE_MAX always suffices.
 * Returns the length, at least RECORD_SIZE_MIN, or -EINVAL (fields that
 * contradict each other, nsec out of range), -ENOSPC (${size} too small).
 */
int record_encode(const struct digest *digest, const struct record *record,
    uint8_t *out, size_t size);

/*
 * record_decode(digest, data, len, record):
 * Take apart the ${len} bytes at ${data}; ${record}->tags points into them.
 * Errors: -EBADMSG (not a record, or fails its check: with a keyed codec also
 * a record written with another key), -EPROTONOSUPPORT (a later version),
 * -EMEDIUMTYPE (the record's codec is not the volume's).  On error ${record}
 * is unspecified.
 */
int record_decode(const struct digest *digest, const uint8_t *data, size_t len,
    struct record *record);

/*
 * record_meta(digest, uid, gid, mode, xattrs):
 * The digest of what else is mirrored of a file: ${mode} with its type bits,
 * ${xattrs} the XOR of record_xattr of each user-visible attribute.
 */
uint32_t record_meta(const struct digest *digest, uint32_t uid, uint32_t gid,
    uint32_t mode, const uint8_t *xattrs);

/*
 * record_xattr(digest, name, value, len, out):
 * The digest of one extended attribute.
 */
void record_xattr(const struct digest *digest, const char *name,
    const void *value, size_t len, uint8_t *out);

/*
 * record_xattr_mirrored(name):
 * Is this attribute part of the file as users see it (mirrored, digested)?
 * False for the record itself and for what the system sets for its own
 * purposes on each disk (security.selinux, security.ima, security.evm, any
 * name in system.* but the two POSIX ACLs, and trusted.SGI_ACL_FILE and
 * trusted.SGI_ACL_DEFAULT, as which XFS shows the ACLs once more).
 */
bool record_xattr_mirrored(const char *name);

/*
 * record_name(digest, name, mode, id, target, rdev, out):
 * The digest of one directory entry: its name and type, and the id for a file
 * or directory, ${target} for a symbolic link (else NULL), ${rdev} for a
 * device.  XORed into the directory's names digest.
 */
void record_name(const struct digest *digest, const char *name, uint32_t mode,
    uint64_t id, const char *target, uint64_t rdev, uint8_t *out);

#endif
