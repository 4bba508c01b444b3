/*
 * meta/tags -- the block tags of one regular file, in memory.
 *
 * A file is cut into blocks of DIGEST_BLOCK_SIZE bytes; a block index counts
 * from 0.  Small files keep all tags in one array, as the record does; large
 * ones keep pages of the tags file, loaded as needed (format/tagpage).
 * Blocks that were never set have the all-zero tag: they are holes.
 *
 * Disk format: doc/FORMAT.md, "Tags".
 *
 * Errors: 0 or a negative errno value; on error nothing has changed.
 *
 * Locking: none inside.  The caller serialises all access.
 */

#ifndef META_TAGS_H
#define META_TAGS_H

#include <stdbool.h>
#include <stdint.h>

#include "format/record.h"
#include "format/tagpage.h"

struct tags;

/* Where pages come from: */
struct tags_source {
	/*
	 * Fill in the TAGPAGE_SIZE bytes of page ${index}, proved by its check; zeros if
	 * the tags file has no such page.  An error is passed on.
	 */
	int (*load)(void *arg, uint64_t index, uint8_t *page);
	/* The first page from ${index} on that is not a hole; UINT64_MAX: there is none. */
	int (*next)(void *arg, uint64_t index, uint64_t *found);
	void *arg;
};

/*
 * tags_new(digest, record, tags):
 * The tags that ${record}, of a file, holds or points to.  ${digest} must
 * outlive them.  Fails with -ENOMEM.
 */
int tags_new(const struct digest *digest, const struct record *record, struct tags **tags);
void tags_free(struct tags *tags);

/* tags_paged(tags): do they need a tags file? */
bool tags_paged(const struct tags *tags);

/*
 * tags_get(tags, source, first, count, out):
 * Copy the tags of ${count} blocks from ${first} on to ${out}.
 */
int tags_get(struct tags *tags, const struct tags_source *source, uint64_t first, uint64_t count, uint8_t *out);

/*
 * tags_next(tags, source, first, end, zero, found):
 * The first block from ${first} on, before ${end}, of which the tag is, or is
 * not, ${zero}; else ${end}.  Pages that hold nothing are not loaded.
 */
int tags_next(struct tags *tags, const struct tags_source *source, uint64_t first, uint64_t end, bool zero,
    uint64_t *found);

/*
 * tags_prepare(tags, source, first, count):
 * Make room for tags_set on these blocks, which then cannot fail: loads pages,
 * and turns an array that gets too long into pages.
 */
int tags_prepare(struct tags *tags, const struct tags_source *source, uint64_t first, uint64_t count);

/* tags_empty(tags, index): does page ${index}, which is in memory, hold nothing yet? */
bool tags_empty(const struct tags *tags, uint64_t index);

/* tags_set(tags, first, count, in): replace tags that tags_prepare made room for. */
void tags_set(struct tags *tags, uint64_t first, uint64_t count, const uint8_t *in);

/* tags_fetch(tags, source, first, count): load what pages hold something for these blocks: tags_clear then cannot fail. */
int tags_fetch(struct tags *tags, const struct tags_source *source, uint64_t first, uint64_t count);

/*
 * tags_clear(tags, source, first, count):
 * The blocks become zeros (a hole was punched).  Only pages that hold something are loaded.
 */
int tags_clear(struct tags *tags, const struct tags_source *source, uint64_t first, uint64_t count);

/*
 * tags_cut(tags, source, count):
 * The file has ${count} blocks left.  Pages behind are forgotten: the caller
 * cuts the tags file to tags_pages(count).
 */
int tags_cut(struct tags *tags, const struct tags_source *source, uint64_t count);

/* tags_pages(count): the number of pages that ${count} blocks take. */
uint64_t tags_pages(uint64_t count);

/* tags_page_out(tags): turn an array into pages, whatever its length (its record found no room). */
int tags_page_out(struct tags *tags);

/* tags_page_in(tags, count): take tags_page_out back, all pages still being in memory; ${count} blocks. -ENOMEM. */
int tags_page_in(struct tags *tags, uint64_t count);

/* tags_inline_again(tags): the file is empty: start over with an array. */
void tags_inline_again(struct tags *tags);

/*
 * tags_each_dirty(tags, write, arg):
 * Seal each page changed since it was last written, and call ${write} with it.
 * Stops at an error.  The pages stay dirty until tags_clean().
 */
int tags_each_dirty(struct tags *tags, uint64_t id,
    int (*write)(void *arg, uint64_t index, const uint8_t *page), void *arg);
void tags_clean(struct tags *tags);

/*
 * tags_fill_record(tags, block_count, record):
 * Set kind, tag_count, tags and sum of ${record}; its tags point into ${tags}.
 * To be called after tags_each_dirty.
 */
void tags_fill_record(const struct tags *tags, uint64_t block_count, struct record *record);

/* tags_sum(tags): the XOR of the checks of all pages in the tags file, DIGEST_SIZE bytes; for tags_paged() only. */
const uint8_t *tags_sum(const struct tags *tags);

/*
 * tags_sum_again(tags, source):
 * Take the sum over the pages as they are, whatever the record said.  Loads all
 * that are not in memory, one at a time.
 */
int tags_sum_again(struct tags *tags, const struct tags_source *source);
/* tags_soil(tags, source, index): have page ${index} written at the next store, changed or not. */
int tags_soil(struct tags *tags, const struct tags_source *source, uint64_t index);

/* tags_trim(tags, page_max): drop clean pages, oldest first, until at most ${page_max} are left. */
void tags_trim(struct tags *tags, uint64_t page_max);
/* tags_page_count(tags): pages in memory. */
uint64_t tags_page_count(const struct tags *tags);

#endif
