#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/tags.h"
#include "util/hashmap.h"
#include "util/list.h"

struct page {
	struct hashmap_link by_index;
	struct list_link by_age;
	bool dirty;
	uint8_t stored[DIGEST_SIZE];	/* the check that is part of sum */
	uint8_t bytes[TAGPAGE_SIZE];
};

struct tags {
	const struct digest *digest;
	bool paged;

	/* Not paged: */
	uint8_t *array;
	uint64_t array_count;		/* tags there is room for */

	/* Paged: */
	struct hashmap pages;
	struct list_link ages;		/* oldest first */
	uint8_t sum[DIGEST_SIZE];
};

int
tags_new(const struct digest *digest, const struct record *record, struct tags **out)
{
	struct tags *tags;

	if ((tags = calloc(1, sizeof(*tags))) == NULL)
		return -ENOMEM;
	tags->digest = digest;
	list_init(&tags->ages);
	if (record->kind == RECORD_PAGED) {
		if (hashmap_init(&tags->pages) != 0)
			goto fail;
		tags->paged = true;
		memcpy(tags->sum, record->sum, DIGEST_SIZE);
	} else if (record->tag_count > 0) {
		if ((tags->array = malloc((size_t)record->tag_count * DIGEST_SIZE)) == NULL)
			goto fail;
		memcpy(tags->array, record->tags, (size_t)record->tag_count * DIGEST_SIZE);
		tags->array_count = record->tag_count;
	}
	*out = tags;
	return 0;

fail:
	free(tags);
	return -ENOMEM;
}

static void
page_free(struct tags *tags, struct page *page)
{
	hashmap_remove(&tags->pages, &page->by_index);
	list_remove(&page->by_age);
	free(page);
}

static void
pages_free(struct tags *tags)
{
	while (list_linked(&tags->ages))
		page_free(tags, list_entry(tags->ages.next, struct page, by_age));
	hashmap_free(&tags->pages);
}

void
tags_free(struct tags *tags)
{
	if (tags == NULL)
		return;
	if (tags->paged)
		pages_free(tags);
	free(tags->array);
	free(tags);
}

bool
tags_paged(const struct tags *tags)
{
	return tags->paged;
}

static struct page *
page_find(const struct tags *tags, uint64_t index)
{
	struct hashmap_link *link = hashmap_find(&tags->pages, index);

	return link == NULL ? NULL : hashmap_entry(link, struct page, by_index);
}

static struct page *
page_add(struct tags *tags, uint64_t index)
{
	struct page *page;

	if ((page = calloc(1, sizeof(*page))) == NULL)
		return NULL;
	hashmap_insert(&tags->pages, &page->by_index, index);
	list_init(&page->by_age);
	list_append(&tags->ages, &page->by_age);
	return page;
}

/* Get page ${index} into memory. */
static int
page_get(struct tags *tags, const struct tags_source *source, uint64_t index, struct page **out)
{
	struct page *page;
	int rc;

	if ((page = page_find(tags, index)) == NULL) {
		if ((page = page_add(tags, index)) == NULL)
			return -ENOMEM;
		if (source != NULL && (rc = source->load(source->arg, index, page->bytes)) != 0) {
			page_free(tags, page);
			return rc;
		}
		memcpy(page->stored, tagpage_sum(page->bytes), DIGEST_SIZE);
	}
	*out = page;
	return 0;
}

int
tags_get(struct tags *tags, const struct tags_source *source, uint64_t first, uint64_t count, uint8_t *out)
{
	struct page *page;
	uint64_t run;
	int rc;

	while (count > 0) {
		if (tags->paged) {
			if ((rc = page_get(tags, source, first / TAGPAGE_TAGS, &page)) != 0)
				return rc;
			run = TAGPAGE_TAGS - first % TAGPAGE_TAGS;
			if (run > count)
				run = count;
			memcpy(out, tagpage_tag(page->bytes, first % TAGPAGE_TAGS), run * DIGEST_SIZE);
		} else if (first < tags->array_count) {
			run = tags->array_count - first;
			if (run > count)
				run = count;
			memcpy(out, tags->array + first * DIGEST_SIZE, run * DIGEST_SIZE);
		} else {
			run = count;
			memset(out, 0, run * DIGEST_SIZE);
		}
		first += run;
		count -= run;
		out += run * DIGEST_SIZE;
	}
	return 0;
}

int
tags_page_out(struct tags *tags)
{
	struct page *page;
	uint64_t i, run;

	if (tags->paged)
		return 0;
	if (hashmap_init(&tags->pages) != 0)
		return -ENOMEM;
	for (i = 0; i < tags->array_count; i += run) {
		run = tags->array_count - i < TAGPAGE_TAGS ? tags->array_count - i : TAGPAGE_TAGS;
		if ((page = page_add(tags, i / TAGPAGE_TAGS)) == NULL) {
			pages_free(tags);
			return -ENOMEM;
		}
		memcpy(tagpage_tag(page->bytes, 0), tags->array + i * DIGEST_SIZE, run * DIGEST_SIZE);
		page->dirty = true;
	}
	free(tags->array);
	tags->array = NULL;
	tags->array_count = 0;
	memset(tags->sum, 0, DIGEST_SIZE);
	tags->paged = true;
	return 0;
}

int
tags_page_in(struct tags *tags, uint64_t count)
{
	uint64_t room = count > 0 ? count : 1;
	struct page *page;
	uint8_t *array;

	assert(tags->paged && count <= RECORD_TAGS_MAX);
	if ((array = calloc(room, DIGEST_SIZE)) == NULL)
		return -ENOMEM;
	if ((page = page_find(tags, 0)) != NULL)
		memcpy(array, tagpage_tag(page->bytes, 0), count * DIGEST_SIZE);
	pages_free(tags);
	list_init(&tags->ages);
	tags->paged = false;
	tags->array = array;
	tags->array_count = room;
	return 0;
}

void
tags_inline_again(struct tags *tags)
{
	if (tags->paged)
		pages_free(tags);
	tags->paged = false;
	free(tags->array);
	tags->array = NULL;
	tags->array_count = 0;
}

/* Make the array long enough for ${count} tags; longer ones become pages. */
static int
array_grow(struct tags *tags, uint64_t count)
{
	uint8_t *array;
	uint64_t room;

	if (count <= tags->array_count)
		return 0;
	if (count > RECORD_TAGS_MAX)
		return tags_page_out(tags);
	for (room = 2; room < count; room *= 2)
		continue;
	if ((array = realloc(tags->array, room * DIGEST_SIZE)) == NULL)
		return -ENOMEM;
	memset(array + tags->array_count * DIGEST_SIZE, 0, (room - tags->array_count) * DIGEST_SIZE);
	tags->array = array;
	tags->array_count = room;
	return 0;
}

/* The first page from ${index} on that may hold something, in memory or on disk; UINT64_MAX: none. */
static int
page_next(struct tags *tags, const struct tags_source *source, uint64_t index, uint64_t *found)
{
	struct list_link *link;
	uint64_t key;
	int rc;

	if ((rc = source->next(source->arg, index, found)) != 0)
		return rc;
	for (link = tags->ages.next; link != &tags->ages; link = link->next) {
		key = list_entry(link, struct page, by_age)->by_index.key;
		if (key >= index && key < *found)
			*found = key;
	}
	return 0;
}

int
tags_next(struct tags *tags, const struct tags_source *source, uint64_t first, uint64_t end, bool zero, uint64_t *found)
{
	uint8_t some[TAGPAGE_TAGS * DIGEST_SIZE];
	uint64_t count, i, page;
	int rc;

	for (; first < end; first += count) {
		count = TAGPAGE_TAGS - first % TAGPAGE_TAGS;
		if (!zero && tags->paged && page_find(tags, first / TAGPAGE_TAGS) == NULL) {
			if ((rc = page_next(tags, source, first / TAGPAGE_TAGS, &page)) != 0)
				return rc;
			if (page >= tags_pages(end))
				break;
			if (page > first / TAGPAGE_TAGS) {
				count = page * TAGPAGE_TAGS - first;
				continue;
			}
		} else if (!zero && !tags->paged && first >= tags->array_count) {
			break;
		}
		if (count > end - first)
			count = end - first;
		if ((rc = tags_get(tags, source, first, count, some)) != 0)
			return rc;
		for (i = 0; i < count; i++) {
			if (digest_is_zero(some + i * DIGEST_SIZE) == zero) {
				*found = first + i;
				return 0;
			}
		}
	}
	*found = end;
	return 0;
}

int
tags_prepare(struct tags *tags, const struct tags_source *source, uint64_t first, uint64_t count)
{
	struct page *page;
	uint64_t index;
	int rc;

	if (count == 0)
		return 0;
	if (!tags->paged && (rc = array_grow(tags, first + count)) != 0)
		return rc;
	if (!tags->paged)
		return 0;
	for (index = first / TAGPAGE_TAGS; index <= (first + count - 1) / TAGPAGE_TAGS; index++) {
		if ((rc = page_get(tags, source, index, &page)) != 0)
			return rc;
	}
	return 0;
}

bool
tags_empty(const struct tags *tags, uint64_t index)
{
	const struct page *page = page_find(tags, index);

	return page != NULL && digest_zeros(page->bytes, TAGPAGE_SIZE);
}

void
tags_set(struct tags *tags, uint64_t first, uint64_t count, const uint8_t *in)
{
	struct page *page;
	uint64_t run;

	if (!tags->paged) {
		assert(first + count <= tags->array_count);
		memcpy(tags->array + first * DIGEST_SIZE, in, count * DIGEST_SIZE);
		return;
	}
	for (; count > 0; first += run, count -= run, in += run * DIGEST_SIZE) {
		page = page_find(tags, first / TAGPAGE_TAGS);
		assert(page != NULL);
		run = TAGPAGE_TAGS - first % TAGPAGE_TAGS;
		if (run > count)
			run = count;
		memcpy(tagpage_tag(page->bytes, first % TAGPAGE_TAGS), in, run * DIGEST_SIZE);
		page->dirty = true;
	}
}

uint64_t
tags_pages(uint64_t count)
{
	return count / TAGPAGE_TAGS + (count % TAGPAGE_TAGS != 0);
}

static void
array_clear(struct tags *tags, uint64_t first, uint64_t end)
{
	if (end > tags->array_count)
		end = tags->array_count;
	if (first < end)
		memset(tags->array + first * DIGEST_SIZE, 0, (end - first) * DIGEST_SIZE);
}

/* The blocks of one page that lie in [first, end) become zeros. */
static void
page_clear(struct page *page, uint64_t first, uint64_t end)
{
	uint64_t start = page->by_index.key * TAGPAGE_TAGS, from, to;

	from = start < first ? first - start : 0;
	to = end - start < TAGPAGE_TAGS ? end - start : TAGPAGE_TAGS;
	if (digest_zeros(tagpage_tag(page->bytes, (unsigned)from), (to - from) * DIGEST_SIZE))
		return;
	memset(tagpage_tag(page->bytes, (unsigned)from), 0, (to - from) * DIGEST_SIZE);
	page->dirty = true;
}

int
tags_fetch(struct tags *tags, const struct tags_source *source, uint64_t first, uint64_t count)
{
	uint64_t end = first + count, index, at = first / TAGPAGE_TAGS;
	struct page *page;
	int rc;

	if (!tags->paged)
		return 0;
	while ((rc = source->next(source->arg, at, &index)) == 0 && index < tags_pages(end)) {
		if ((rc = page_get(tags, source, index, &page)) != 0)
			return rc;
		at = index + 1;
	}
	return rc;
}

int
tags_clear(struct tags *tags, const struct tags_source *source, uint64_t first, uint64_t count)
{
	uint64_t end = first + count, index;
	struct list_link *link;
	struct page *page;
	int rc;

	if (!tags->paged) {
		array_clear(tags, first, end);
		return 0;
	}

	/* Load first, so that an error leaves all as it was. */
	if ((rc = tags_fetch(tags, source, first, count)) != 0)
		return rc;
	for (link = tags->ages.next; link != &tags->ages; link = link->next) {
		page = list_entry(link, struct page, by_age);
		index = page->by_index.key;
		if (index >= first / TAGPAGE_TAGS && index < tags_pages(end))
			page_clear(page, first, end);
	}
	return 0;
}

/* The checks of all pages from ${first} on, as they are part of the sum, XORed. */
static int
pages_sum(struct tags *tags, const struct tags_source *source, uint64_t first, uint8_t *sum)
{
	uint8_t bytes[TAGPAGE_SIZE];
	struct list_link *link;
	struct page *page;
	uint64_t index, at = first;
	int rc;

	memset(sum, 0, DIGEST_SIZE);
	while ((rc = source->next(source->arg, at, &index)) == 0 && index != UINT64_MAX) {
		if (page_find(tags, index) == NULL) {
			if ((rc = source->load(source->arg, index, bytes)) != 0)
				return rc;
			digest_xor(sum, tagpage_sum(bytes));
		}
		at = index + 1;
	}
	for (link = tags->ages.next; rc == 0 && link != &tags->ages; link = link->next) {
		page = list_entry(link, struct page, by_age);
		if (page->by_index.key >= first)
			digest_xor(sum, page->stored);
	}
	return rc;
}

int
tags_cut(struct tags *tags, const struct tags_source *source, uint64_t count)
{
	struct page *page, *last = NULL;
	uint64_t gone = tags_pages(count);
	struct list_link *link, *next;
	uint8_t sum[DIGEST_SIZE];
	int rc;

	if (!tags->paged) {
		array_clear(tags, count, UINT64_MAX);
		return 0;
	}
	if ((rc = pages_sum(tags, source, gone, sum)) != 0)
		return rc;
	if (count % TAGPAGE_TAGS != 0 && (rc = page_get(tags, source, gone - 1, &last)) != 0)
		return rc;
	if (last != NULL)
		page_clear(last, count, UINT64_MAX);
	digest_xor(tags->sum, sum);
	for (link = tags->ages.next; link != &tags->ages; link = next) {
		next = link->next;
		page = list_entry(link, struct page, by_age);
		if (page->by_index.key >= gone)
			page_free(tags, page);
	}
	return 0;
}

int
tags_sum_again(struct tags *tags, const struct tags_source *source)
{
	uint8_t sum[DIGEST_SIZE];
	int rc;

	if ((rc = pages_sum(tags, source, 0, sum)) == 0)
		memcpy(tags->sum, sum, DIGEST_SIZE);
	return rc;
}

int
tags_soil(struct tags *tags, const struct tags_source *source, uint64_t index)
{
	struct page *page;
	int rc;

	if ((rc = page_get(tags, source, index, &page)) == 0)
		page->dirty = true;
	return rc;
}

int
tags_each_dirty(struct tags *tags, uint64_t id,
    int (*write)(void *arg, uint64_t index, const uint8_t *page), void *arg)
{
	struct list_link *at;
	struct page *page;
	int rc;

	if (!tags->paged)
		return 0;
	for (at = tags->ages.next; at != &tags->ages; at = at->next) {
		page = list_entry(at, struct page, by_age);
		if (!page->dirty)
			continue;
		tagpage_seal(tags->digest, id, page->by_index.key, page->bytes);
		digest_xor(tags->sum, page->stored);
		memcpy(page->stored, tagpage_sum(page->bytes), DIGEST_SIZE);
		digest_xor(tags->sum, page->stored);
		if ((rc = write(arg, page->by_index.key, page->bytes)) != 0)
			return rc;
	}
	return 0;
}

void
tags_clean(struct tags *tags)
{
	struct list_link *at;

	if (!tags->paged)
		return;
	for (at = tags->ages.next; at != &tags->ages; at = at->next)
		list_entry(at, struct page, by_age)->dirty = false;
}

void
tags_fill_record(const struct tags *tags, uint64_t block_count, struct record *record)
{
	if (tags->paged) {
		record->kind = RECORD_PAGED;
		record->tag_count = 0;
		record->tags = NULL;
		memcpy(record->sum, tags->sum, DIGEST_SIZE);
		return;
	}
	assert(block_count <= tags->array_count);
	record->kind = RECORD_INLINE;
	record->tag_count = (uint32_t)block_count;
	record->tags = tags->array;
	memset(record->sum, 0, DIGEST_SIZE);
}

const uint8_t *
tags_sum(const struct tags *tags)
{
	return tags->sum;
}

void
tags_trim(struct tags *tags, uint64_t page_max)
{
	struct list_link *at, *next;
	struct page *page;

	if (!tags->paged)
		return;
	for (at = tags->ages.next; at != &tags->ages && tags->pages.count > page_max; at = next) {
		next = at->next;
		page = list_entry(at, struct page, by_age);
		if (!page->dirty)
			page_free(tags, page);
	}
}

uint64_t
tags_page_count(const struct tags *tags)
{
	return tags->paged ? tags->pages.count : 0;
}
