/*
 * meta/tagfile -- tags files on one replica, and tags read block by block.
 *
 * A tags file is .mendfs/tags/xx/ID: xx the low byte of the file's id, ID the
 * id as 16 hexadecimal digits.  ${tags} is a handle on .mendfs/tags
 * throughout, from meta_subdir.
 *
 * Errors: 0 or a negative errno value; -EBADMSG means that a page fails its
 * own check: don't trust, take another replica's.
 *
 * Locking: none inside.
 */

#ifndef META_TAGFILE_H
#define META_TAGFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "format/record.h"
#include "format/tagpage.h"
#include "replica/replica.h"

#define TAGFILE_NAME_SIZE 17

/* tagfile_name(id, name): the ID; tagfile_parse(name, id): the reverse, -EINVAL. */
void tagfile_name(uint64_t id, char name[TAGFILE_NAME_SIZE]);
int tagfile_parse(const char *name, uint64_t *id);

/* tagfile_page_count(size): pages that the tags of a file of ${size} bytes fill. */
uint64_t tagfile_page_count(uint64_t size);

/*
 * tagfile_open(r, tags, id, create, file):
 * Open for reading, or with ${create} for writing too, made if missing.
 * -ENOENT if it is missing.
 */
int tagfile_open(struct replica *r, replica_handle tags, uint64_t id, bool create, replica_handle *file);

/* tagfile_open_direct(r, tags, id, file): for reading what the disk holds (replica_ops.open_direct). */
int tagfile_open_direct(struct replica *r, replica_handle tags, uint64_t id, replica_handle *file);

/* tagfile_remove(r, tags, id): harmless if there is none. */
int tagfile_remove(struct replica *r, replica_handle tags, uint64_t id);

/*
 * tagfile_read(r, file, digest, id, index, page):
 * Read and check one page.  Behind the end of the file pages are holes.
 */
int tagfile_read(struct replica *r, replica_handle file, const struct digest *digest,
    uint64_t id, uint64_t index, uint8_t *page);

/* tagfile_write(r, file, index, page): write one sealed page. */
int tagfile_write(struct replica *r, replica_handle file, uint64_t index, const uint8_t *page);

/*
 * Tags of one file in the order they are asked for, from its record or its
 * tags file.  Pages are proved by their own check, not by the record's sum.
 */
struct tagfile_reader {
	struct replica *r;
	const struct digest *digest;
	const struct record *record;
	replica_handle file;		/* REPLICA_NONE: no tags file, or not needed */
	int open_error;
	uint64_t index;			/* of the page that is here */
	int error;			/* of that page */
	uint8_t page[TAGPAGE_SIZE];
};

/* tagfile_reader_open: never fails; what is wrong is told for each tag.  ${record} must outlive it. */
void tagfile_reader_open(struct tagfile_reader *reader, struct replica *r, replica_handle tags,
    const struct digest *digest, const struct record *record);
void tagfile_reader_close(struct tagfile_reader *reader);
/* tagfile_reader_get(reader, block, tag): copies DIGEST_SIZE bytes to ${tag}. */
int tagfile_reader_get(struct tagfile_reader *reader, uint64_t block, uint8_t *tag);

#endif
