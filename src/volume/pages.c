#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "meta/tagfile.h"
#include "util/log.h"
#include "volume/events.h"
#include "volume/look.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/pages.h"
#include "volume/room.h"
#include "volume/torn.h"

/* Open the tags file on one member, once. File mutex or node lock exclusively. */
static int
pages_open(struct member *m, uint64_t id, struct file *file, bool writable)
{
	replica_handle *handle = &file->tags_handle[m->index];
	int rc;

	if (*handle >= 0 && (file->tags_writable[m->index] || !writable))
		return 0;
	if (*handle >= 0)
		m->r->ops->close(m->r, *handle);
	*handle = REPLICA_NONE;
	if ((rc = tagfile_open(m->r, m->tags, id, writable, handle)) != 0)
		*handle = REPLICA_NONE;
	file->tags_writable[m->index] = writable;
	return rc;
}

int
pages_read(struct volume *v, struct member *m, const struct node *node, struct file *file,
    uint64_t index, uint8_t *page)
{
	int rc;

	memset(page, 0, TAGPAGE_SIZE);
	if ((rc = pages_open(m, node_key(node), file, false)) != 0)
		return rc == -ENOENT ? 0 : rc;
	return tagfile_read(m->r, file->tags_handle[m->index], &v->digest, node_key(node), index, page);
}

/* Write a page to one member. */
static int
page_write(struct member *m, const struct node *node, struct file *file, uint64_t index, const uint8_t *page)
{
	int rc = pages_open(m, node_key(node), file, true);

	return rc != 0 ? rc : tagfile_write(m->r, file->tags_handle[m->index], index, page);
}

/* The same, before the record that vouches for it: to one that is far away it is on its way when this returns. */
static int
page_store(struct member *m, const struct node *node, struct file *file, uint64_t index, const uint8_t *page)
{
	int rc = pages_open(m, node_key(node), file, true);

	if (rc != 0)
		return rc;
	room_begin_late(m);
	return tagfile_write(m->r, file->tags_handle[m->index], index, page);
}

static void
page_mend(struct volume *v, struct member *m, struct node *node, struct file *file, uint64_t index, const uint8_t *page)
{
	int rc = page_write(m, node, file, index, page);
	char path[NODES_PATH_MAX];

	nodes_path(v, node, path, sizeof(path));
	if (rc == 0) {
		atomic_fetch_add(&m->mended, 1);
		events_emit(v, &(struct event){ .kind = EVENT_MENDED, .replica = m->r->path, .path = path, .detail = "a page of tags" });
		log_warning("mended tags of %s: page %" PRIu64 " on replica %s", path, index, m->r->path);
	} else if (members_settle(v, m, rc, "mending tags") < 0) {
		log_warning("%s: cannot mend tags page %" PRIu64 " on replica %s: %s", path, index, m->r->path, strerror(-rc));
	}
}

/* XOR of the checks of all pages that one member has; -EBADMSG if any is spoiled. */
static int
disk_sum(struct volume *v, struct member *m, struct node *node, struct file *file, uint8_t *sum)
{
	uint8_t page[TAGPAGE_SIZE];
	uint64_t index = 0;
	int64_t at;
	int rc;

	memset(sum, 0, DIGEST_SIZE);
	if ((rc = pages_open(m, node_key(node), file, false)) != 0)
		return rc == -ENOENT ? 0 : rc;
	for (;; index++) {
		at = m->r->ops->seek(m->r, file->tags_handle[m->index], index * TAGPAGE_SIZE, SEEK_DATA);
		if (at < 0)
			return at == -ENXIO ? 0 : (int)at;
		index = (uint64_t)at / TAGPAGE_SIZE;
		if ((rc = pages_read(v, m, node, file, index, page)) != 0)
			return rc;
		digest_xor(sum, tagpage_sum(page));
	}
}

/*
 * A page of zeros says that all its blocks are zeros, and so does one that
 * was lost.  The record's sum over all pages tells them apart: once it is
 * found on some member, what is zeros there is meant to be.
 */
static bool
zeros_are_meant(struct volume *v, struct node *node, struct file *file)
{
	uint8_t sum[DIGEST_SIZE];
	struct member *m;

	if (file->sum_proved || digest_is_zero(tags_sum(file->tags)))
		return true;
	for_each_member(v, m) {
		if (disk_sum(v, m, node, file, sum) == 0 && digest_equal(sum, tags_sum(file->tags)))
			file->sum_proved = true;
	}
	return file->sum_proved;
}

/* What the members have for one page, and which of them are to be mended with it. */
struct survey {
	uint8_t page[TAGPAGE_SIZE];	/* a good one, or what is left of a spoiled one */
	enum { PAGE_NONE, PAGE_ZEROS, PAGE_SPOILED, PAGE_GOOD } best;
	bool zeros[VOLUME_REPLICAS_MAX], spoiled[VOLUME_REPLICAS_MAX];
	bool any_zeros;
};

/* What one member has. */
static void
survey_ask(struct volume *v, struct member *m, struct node *node, struct file *file, uint64_t index, struct survey *s)
{
	uint8_t page[TAGPAGE_SIZE];
	int rc, found;

	rc = pages_read(v, m, node, file, index, page);
	found = rc == -EBADMSG ? PAGE_SPOILED : rc != 0 ? PAGE_NONE :
	    digest_zeros(page, TAGPAGE_SIZE) ? PAGE_ZEROS : PAGE_GOOD;
	s->zeros[m->index] = found == PAGE_ZEROS;
	/* A bad spot of a disk is good again once it is written to. */
	s->spoiled[m->index] = found == PAGE_SPOILED || rc == -EIO;
	if (rc < 0 && !s->spoiled[m->index])
		members_settle(v, m, rc, "reading tags");
	s->any_zeros = s->any_zeros || found == PAGE_ZEROS;
	if (found > (int)s->best) {
		memcpy(s->page, page, TAGPAGE_SIZE);
		s->best = found;
	}
}

/*
 * Ask all members: a page serves a megabyte of data, and nobody else looks at
 * the others' copies.  ${all}: those that are far away, too, although it is
 * good on this machine.
 */
static void
survey_take(struct volume *v, struct node *node, struct file *file, uint64_t index, bool all, struct survey *s)
{
	struct member *nearest = members_nearest(v), *m;

	memset(s, 0, sizeof(*s));
	if (nearest != NULL)
		survey_ask(v, nearest, node, file, index, s);
	for_each_member(v, m) {
		if (m != nearest && (!m->r->far || all || s->best != PAGE_GOOD))
			survey_ask(v, m, node, file, index, s);
	}
	/* Zeros that the sum vouches for are as good as any page. */
	if (s->best != PAGE_GOOD && s->any_zeros && (torn_now(v, node) || zeros_are_meant(v, node, file))) {
		memset(s->page, 0, TAGPAGE_SIZE);
		memset(s->zeros, 0, sizeof(s->zeros));
		s->best = PAGE_GOOD;
	}
}

static void
survey_mend(struct volume *v, struct node *node, struct file *file, uint64_t index, const struct survey *s)
{
	struct member *m;

	if (look_only(v) || s->best != PAGE_GOOD)
		return;
	for_each_member(v, m) {
		if (s->spoiled[m->index] || s->zeros[m->index])
			page_mend(v, m, node, file, index, s->page);
	}
}

/*
 * A page that nobody can prove.  A block that matches a tag of it is proved
 * even so, for damage makes no other block's tag; but it may well make zeros.
 * Those become a tag that no block has: the block is refused until it is
 * written.
 */
static void
page_distrust(uint8_t *page)
{
	uint8_t *tag;
	unsigned slot;

	for (slot = 0; slot < TAGPAGE_TAGS; slot++) {
		tag = tagpage_tag(page, slot);
		if (digest_is_zero(tag))
			memset(tag, 0xff, DIGEST_SIZE);
	}
}

int
pages_load(void *arg, uint64_t index, uint8_t *page)
{
	struct pages_context *c = arg;
	struct survey s;

	survey_take(c->volume, c->node, c->file, index, false, &s);
	if (s.best == PAGE_NONE)
		return -EIO;
	memcpy(page, s.page, TAGPAGE_SIZE);
	if (s.best != PAGE_GOOD)
		page_distrust(page);
	survey_mend(c->volume, c->node, c->file, index, &s);
	return 0;
}

void
pages_prove(struct volume *v, struct node *node, struct file *file, uint64_t index)
{
	struct survey s;

	survey_take(v, node, file, index, true, &s);
	survey_mend(v, node, file, index, &s);
}

void
pages_equalise(struct volume *v, struct node *node, struct file *file, uint64_t index)
{
	struct pages_context context = { v, node, file };
	const struct tags_source source = { pages_load, pages_next, &context };
	uint8_t page[TAGPAGE_SIZE];
	struct survey s;
	struct member *m;

	if (v->no_writes)
		return;
	survey_take(v, node, file, index, true, &s);
	if (s.best != PAGE_GOOD) {
		/* Made anew from the data, and stored with the record. */
		(void)tags_soil(file->tags, &source, index);
		return;
	}
	for_each_member(v, m) {
		if (pages_read(v, m, node, file, index, page) == 0 && memcmp(page, s.page, TAGPAGE_SIZE) == 0)
			continue;
		members_settle(v, m, page_write(m, node, file, index, s.page), "reconciling tags");
	}
}

int
pages_next(void *arg, uint64_t index, uint64_t *found)
{
	struct pages_context *c = arg;
	struct member *m;
	int64_t at;
	int rc;

	*found = UINT64_MAX;
	for_each_member(c->volume, m) {
		if ((rc = pages_open(m, node_key(c->node), c->file, false)) == -ENOENT)
			continue;
		at = rc != 0 ? rc : m->r->ops->seek(m->r, c->file->tags_handle[m->index], index * TAGPAGE_SIZE, SEEK_DATA);
		if (at == -ENXIO)
			continue;
		if (at < 0)
			return (int)at;
		if ((uint64_t)at / TAGPAGE_SIZE < *found)
			*found = (uint64_t)at / TAGPAGE_SIZE;
	}
	return 0;
}

int
pages_reserve(struct volume *v, const struct node *node, struct file *file, uint64_t index)
{
	struct member *m;
	int rc;

	for_each_member(v, m) {
		/* Far away it would be waited for; if the page finds no room there, that replica is behind. */
		if (m->r->far)
			continue;
		if ((rc = pages_open(m, node_key(node), file, true)) == 0)
			rc = m->r->ops->fallocate(m->r, file->tags_handle[m->index], FALLOC_FL_KEEP_SIZE,
			    index * TAGPAGE_SIZE, TAGPAGE_SIZE);
		/* Where it cannot be done, the page is tried when it is stored. */
		if (rc == -EOPNOTSUPP)
			rc = 0;
		if ((rc = members_settle(v, m, rc, "reserving room for tags")) < 0)
			return rc;
	}
	return 0;
}

void
pages_give_up(struct volume *v, struct node *node, struct file *file)
{
	/* Without memory they stay pages, which the next store tries to write. */
	if (tags_page_in(file->tags, (node->size + BLOCK - 1) / BLOCK) != 0)
		return;
	pages_close(v, file);
	pages_remove(v, node_key(node));
	node->paged = false;
}

void
pages_cut(struct volume *v, const struct node *node, struct file *file, uint64_t count)
{
	struct member *m;
	int rc;

	for_each_member(v, m) {
		/* One that was never written has nothing to be cut. */
		if (pages_open(m, node_key(node), file, false) == -ENOENT)
			continue;
		if ((rc = pages_open(m, node_key(node), file, true)) == 0)
			rc = m->r->ops->truncate(m->r, file->tags_handle[m->index], count * TAGPAGE_SIZE);
		members_settle(v, m, rc, "cutting a tags file");
	}
}

int
pages_write(void *arg, uint64_t index, const uint8_t *page)
{
	struct pages_context *c = arg;
	struct member *m;
	int rc;

	for_each_member(c->volume, m) {
		rc = page_store(m, c->node, c->file, index, page);
		if ((rc = members_settle(c->volume, m, rc, "writing tags")) < 0)
			return rc;
	}
	return members_in_sync(c->volume) > 0 ? 0 : -EIO;
}

int
pages_open_all(struct volume *v, const struct node *node, struct file *file)
{
	struct member *m;
	int rc;

	for_each_member(v, m) {
		if (!node->paged || (rc = pages_open(m, node_key(node), file, false)) == -ENOENT)
			continue;
		if ((rc = members_settle(v, m, rc, "opening a tags file")) < 0)
			return rc;
	}
	return members_in_sync(v) > 0 ? 0 : -EIO;
}

void
pages_remove(struct volume *v, uint64_t id)
{
	struct member *m;

	/* What stays behind is an orphan: fsck removes it. */
	for_each_member(v, m)
		members_settle(v, m, tagfile_remove(m->r, m->tags, id), "removing a tags file");
}

void
pages_close(struct volume *v, struct file *file)
{
	struct member *m;

	for (m = v->members; m < v->members + v->member_count; m++) {
		if (file->tags_handle[m->index] >= 0)
			m->r->ops->close(m->r, file->tags_handle[m->index]);
		file->tags_handle[m->index] = REPLICA_NONE;
	}
}
