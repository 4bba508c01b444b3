/*
 * format/tagpage -- one page of the tags file of a large file.
 *
 * Disk format: doc/FORMAT.md, "Tags".  A page is TAGPAGE_SIZE bytes: the tags
 * of TAGPAGE_TAGS consecutive blocks, then a check over them, the file's id
 * and the page's index.  A page of zeros is a hole: no block is anything but
 * zeros, and there is no check.  Pure.
 */

#ifndef FORMAT_TAGPAGE_H
#define FORMAT_TAGPAGE_H

#include <stdint.h>

#include "hash/digest.h"

#define TAGPAGE_SIZE 4096
#define TAGPAGE_TAGS 255

/* tagpage_seal(digest, id, index, page): compute and store the page's check. */
void tagpage_seal(const struct digest *digest, uint64_t id, uint64_t index, uint8_t *page);
/* tagpage_check(digest, id, index, page): 0, or -EBADMSG if it fails its check. */
int tagpage_check(const struct digest *digest, uint64_t id, uint64_t index, const uint8_t *page);
/* tagpage_tag(page, slot): where the tag of block ${slot} < TAGPAGE_TAGS stands. */
uint8_t *tagpage_tag(uint8_t *page, unsigned slot);
/* tagpage_sum(page): where the page's check stands, DIGEST_SIZE bytes. */
const uint8_t *tagpage_sum(const uint8_t *page);

#endif
