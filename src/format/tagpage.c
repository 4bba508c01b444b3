#include "format/tagpage.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "util/buf.h"

#define TAGS_SIZE (TAGPAGE_TAGS * DIGEST_SIZE)

_Static_assert(TAGS_SIZE + DIGEST_SIZE == TAGPAGE_SIZE, "tags and check fill a page");

/*
 * The check of a page: over its tags with the file's id and the page's index
 * in the place of the check, which makes exactly one page to digest.
 */
static void
page_check(const struct digest *digest, uint64_t id, uint64_t index, const uint8_t *page, uint8_t *check)
{
	uint8_t sealed[TAGPAGE_SIZE];
	struct buf_writer w;

	memcpy(sealed, page, TAGS_SIZE);
	buf_writer_init(&w, sealed + TAGS_SIZE, DIGEST_SIZE);
	buf_put_u64(&w, id);
	buf_put_u64(&w, index);
	assert(!w.failed && w.left == 0);
	digest_bytes(digest, DIGEST_PAGE, sealed, sizeof(sealed), check);
}

/* A page without tags is a hole, and has no check. */
static bool
is_hole(const uint8_t *page)
{
	return digest_zeros(page, TAGS_SIZE);
}

void
tagpage_seal(const struct digest *digest, uint64_t id, uint64_t index, uint8_t *page)
{
	if (is_hole(page))
		memset(page + TAGS_SIZE, 0, DIGEST_SIZE);
	else
		page_check(digest, id, index, page, page + TAGS_SIZE);
}

int
tagpage_check(const struct digest *digest, uint64_t id, uint64_t index, const uint8_t *page)
{
	uint8_t check[DIGEST_SIZE] = { 0 };

	if (!is_hole(page))
		page_check(digest, id, index, page, check);
	return digest_equal(check, page + TAGS_SIZE) ? 0 : -EBADMSG;
}

uint8_t *
tagpage_tag(uint8_t *page, unsigned slot)
{
	assert(slot < TAGPAGE_TAGS);

	return page + slot * DIGEST_SIZE;
}

const uint8_t *
tagpage_sum(const uint8_t *page)
{
	return page + TAGS_SIZE;
}
