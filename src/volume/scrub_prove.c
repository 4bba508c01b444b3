/* One member's copy of some blocks, and of the page of their tags, as the disk has them. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "meta/tagfile.h"
#include "volume/blocks.h"
#include "volume/handles.h"
#include "volume/scrub_private.h"
#include "volume/torn.h"

/* ---- what a lane has open */

void
scrub_lane_close(struct scrub_lane *l)
{
	if (l->data != REPLICA_NONE)
		l->r->ops->close(l->r, l->data);
	if (l->tags != REPLICA_NONE)
		l->r->ops->close(l->r, l->tags);
	l->data = l->tags = REPLICA_NONE;
	l->page_count = 0;
	l->id = 0;
}

/* Tree lock, node lock. */
int
scrub_open_data(struct volume *v, struct member *m, struct node *node, replica_handle *handle)
{
	struct handles_place place;
	int rc;

	*handle = REPLICA_NONE;
	if ((rc = handles_at(v, m, node, &place)) != 0)
		return rc;
	rc = m->r->ops->open_direct(m->r, place.at, handle);
	handles_at_done(v, &place);
	return rc;
}

static int
lane_open(struct scrub_lane *l, struct node *node)
{
	struct volume *v = l->run->v;
	int rc = 0;

	if (l->id == node_key(node) && l->r == l->m->r)
		return 0;
	scrub_lane_close(l);
	l->r = l->m->r;
	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_rdlock(&node->lock);
	rc = scrub_open_data(v, l->m, node, &l->data);
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	if (rc == 0)
		l->id = node_key(node);
	return rc;
}

/* ---- pages of tags */

/* -ENOENT: there is no tags file. */
static int
tags_open(struct scrub_lane *l, uint64_t id)
{
	return l->tags != REPLICA_NONE ? 0 : tagfile_open_direct(l->m->r, l->m->tags, id, &l->tags);
}

/*
 * Is the page of a member that is far away what it is to be?  Asked there, so
 * that it need not travel.  False: it is not, or it cannot be said; then look at it.
 */
static bool
page_right_there(struct scrub_lane *l, const struct node *node, uint64_t index, unsigned count)
{
	static const struct digest plain = { .codec = DIGEST_XXH3 };
	uint8_t page[TAGPAGE_SIZE] = { 0 }, tag[DIGEST_SIZE], there[DIGEST_SIZE];

	/* Of nothing but zeros there may be no page. */
	if (l->r->ops->digest == NULL || node->dirty || digest_zeros(l->wanted, (size_t)count * DIGEST_SIZE) ||
	    tags_open(l, node_key(node)) != 0)
		return false;
	memcpy(tagpage_tag(page, 0), l->wanted, (size_t)count * DIGEST_SIZE);
	tagpage_seal(&l->run->v->digest, node_key(node), index, page);
	digest_tag(&plain, page, sizeof(page), tag);
	return l->r->ops->digest(l->r, l->tags, there, 1, index * TAGPAGE_SIZE) == TAGPAGE_SIZE &&
	    memcmp(tag, there, DIGEST_SIZE) == 0;
}

/* One page as the disk has it; zeros where there is none. */
static int
page_read(struct scrub_lane *l, uint64_t id, uint64_t index, const uint8_t **page)
{
	ssize_t n = 0;
	int rc;

	if (index >= l->page_first && index - l->page_first < l->page_count) {
		*page = l->pages + (index - l->page_first) * TAGPAGE_SIZE;
		return 0;
	}
	if ((rc = tags_open(l, id)) != 0 && rc != -ENOENT)
		return rc;
	memset(l->pages, 0, SCRUB_AHEAD_PAGES * TAGPAGE_SIZE);
	if (l->tags != REPLICA_NONE)
		n = l->r->ops->pread(l->r, l->tags, l->pages, SCRUB_AHEAD_PAGES * TAGPAGE_SIZE, index * TAGPAGE_SIZE);
	if (n < 0)
		return (int)n;
	l->page_first = index;
	l->page_count = SCRUB_AHEAD_PAGES;
	*page = l->pages;
	return 0;
}

/* Is the page sound, and, unless it is about to be written anew, does it say what is known? */
bool
scrub_page_right(struct scrub_lane *l, const struct node *node, uint64_t index, unsigned count)
{
	const uint8_t *page = NULL;
	uint8_t copy[TAGPAGE_SIZE];

	if (page_right_there(l, node, index, count))
		return true;
	if (page_read(l, node_key(node), index, &page) != 0)
		return false;
	memcpy(copy, page, TAGPAGE_SIZE);
	if (!digest_zeros(copy, TAGPAGE_SIZE) && tagpage_check(&l->run->v->digest, node_key(node), index, copy) != 0)
		return false;
	return node->dirty || memcmp(copy, l->wanted, (size_t)count * DIGEST_SIZE) == 0;
}

/* ---- blocks */

size_t
scrub_block_len(const struct node *node, uint64_t index)
{
	uint64_t start = index * BLOCK;

	if (start >= node->size)
		return 0;
	return node->size - start < BLOCK ? (size_t)(node->size - start) : BLOCK;
}

/* How many blocks of a task the file still has. */
unsigned
scrub_clip(const struct node *node, uint64_t first, unsigned count)
{
	uint64_t blocks = (node->size + BLOCK - 1) / BLOCK;

	return first >= blocks ? 0 : blocks - first < count ? (unsigned)(blocks - first) : count;
}

/* Is all of it a hole, and to be one? */
static bool
is_hole(struct scrub_lane *l, uint64_t first, unsigned count)
{
	int64_t data;

	if (!digest_zeros(l->wanted, (size_t)count * DIGEST_SIZE))
		return false;
	data = l->r->ops->seek(l->r, l->data, first * BLOCK, SEEK_DATA);
	return data == -ENXIO || (data >= 0 && (uint64_t)data >= (first + count) * BLOCK);
}

/* Read a task's blocks; how many do not match, of which ${bad}, unless NULL, tells.  Node lock. */
unsigned
scrub_blocks_look(struct scrub_lane *l, const struct node *node, uint64_t first, unsigned count, bool *bad)
{
	unsigned i, wrong = 0;
	bool matches;
	size_t len;
	ssize_t n;

	if (bad != NULL)
		memset(bad, 0, count * sizeof(*bad));
	if (l->data != REPLICA_NONE && is_hole(l, first, count))
		return 0;
	if (l->data != REPLICA_NONE && blocks_match_there(l->run->v, l->m, l->data, node, first, count, l->wanted))
		return 0;
	n = l->data == REPLICA_NONE ? -EIO :
	    l->r->ops->pread(l->r, l->data, l->blocks, (size_t)count * BLOCK, first * BLOCK);
	for (i = 0; i < count; i++) {
		len = scrub_block_len(node, first + i);
		matches = n >= (ssize_t)((size_t)i * BLOCK + len) &&
		    blocks_match(l->run->v, l->wanted + (size_t)i * DIGEST_SIZE, l->blocks + (size_t)i * BLOCK, len);
		wrong += !matches;
		if (bad != NULL)
			bad[i] = !matches;
	}
	return wrong;
}

/* Is it all as it should be?  The node's lock, shared, is held for as long as that is read. */
static bool
task_right(struct scrub_lane *l, struct scrub_file *f, uint64_t first, unsigned count)
{
	struct node *node = f->node;
	struct volume *v = l->run->v;
	bool right = true;

	pthread_rwlock_rdlock(&node->lock);
	count = scrub_clip(node, first, count);
	if (node->nlink > 0 && !torn_now(v, node) && count > 0) {
		right = blocks_tags(v, node, first, count, l->wanted) == 0 &&
		    (!tags_paged(node->file->tags) || scrub_page_right(l, node, first / TAGPAGE_TAGS, count)) &&
		    scrub_blocks_look(l, node, first, count, NULL) == 0;
	}
	pthread_rwlock_unlock(&node->lock);
	return right;
}

void
scrub_prove(struct scrub_lane *l, const struct scrub_task *task)
{
	struct node *node = task->file->node;

	if (!member_in_sync(l->m)) {
		scrub_lane_close(l);
		return;
	}
	if (lane_open(l, node) != 0 || !task_right(l, task->file, task->first, task->count))
		scrub_mend(l, task->file, task->first, task->count);
}
