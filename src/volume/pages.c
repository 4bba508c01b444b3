#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "meta/tagfile.h"
#include "util/log.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/pages.h"

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

static void
page_mend(struct volume *v, struct member *m, struct node *node, struct file *file, uint64_t index, const uint8_t *page)
{
	int rc = page_write(m, node, file, index, page);
	char path[NODES_PATH_MAX];

	nodes_path(v, node, path, sizeof(path));
	if (rc == 0) {
		atomic_fetch_add(&m->mended, 1);
		log_warning("mended tags of %s: page %" PRIu64 " on replica %s", path, index, m->r->path);
	} else if (members_settle(v, m, rc, "mending tags") < 0) {
		log_warning("%s: cannot mend tags page %" PRIu64 " on replica %s: %s", path, index, m->r->path, strerror(-rc));
	}
}

/* Do the blocks that page ${index} speaks of hold nothing but zeros, on a member where the file is open? */
static bool
data_is_zeros(struct volume *v, const struct node *node, const struct file *file, uint64_t index)
{
	uint64_t at = index * TAGPAGE_TAGS * BLOCK, end = at + TAGPAGE_TAGS * BLOCK;
	uint8_t block[BLOCK];
	struct member *m;
	ssize_t n;

	for_each_member(v, m) {
		if (file->handle[m->index] < 0)
			continue;
		for (; at < end && at < node->size; at += BLOCK) {
			n = m->r->ops->pread(m->r, file->handle[m->index], block, BLOCK, at);
			if (n < 0 || !digest_zeros(block, (size_t)n))
				return false;
		}
		return true;
	}
	return false;
}

/* What the members have for one page, and which of them are to be mended with it. */
struct survey {
	uint8_t page[TAGPAGE_SIZE];
	enum { PAGE_NONE, PAGE_SPOILED, PAGE_ZEROS, PAGE_GOOD } best;
	bool zeros[VOLUME_REPLICAS_MAX], spoiled[VOLUME_REPLICAS_MAX];
};

/*
 * Ask the members, all of them or up to the first good page.  A page that is
 * missing where another has one is worth less than the other: zeros pass the
 * check too.
 */
static void
survey_take(struct volume *v, struct node *node, struct file *file, uint64_t index, bool all, struct survey *s)
{
	uint8_t page[TAGPAGE_SIZE];
	struct member *m;
	int rc, found;

	memset(s, 0, sizeof(*s));
	for_each_member(v, m) {
		rc = pages_read(v, m, node, file, index, page);
		found = rc == -EBADMSG ? PAGE_SPOILED : rc != 0 ? PAGE_NONE :
		    digest_zeros(page, TAGPAGE_SIZE) ? PAGE_ZEROS : PAGE_GOOD;
		s->zeros[m->index] = found == PAGE_ZEROS;
		s->spoiled[m->index] = found == PAGE_SPOILED;
		if (found > (int)s->best) {
			memcpy(s->page, page, TAGPAGE_SIZE);
			s->best = found;
		}
		if (found == PAGE_GOOD && !all)
			break;
	}
}

static void
survey_mend(struct volume *v, struct node *node, struct file *file, uint64_t index, const struct survey *s)
{
	struct member *m;
	bool any = false;

	for_each_member(v, m)
		any = any || s->spoiled[m->index] || (s->best == PAGE_GOOD && s->zeros[m->index]);
	if (!any || v->no_writes || s->best < PAGE_ZEROS ||
	    (s->best == PAGE_ZEROS && !data_is_zeros(v, node, file, index)))
		return;
	for_each_member(v, m) {
		if (s->spoiled[m->index] || (s->best == PAGE_GOOD && s->zeros[m->index]))
			page_mend(v, m, node, file, index, s->page);
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

	/*
	 * A page that is damaged on each member is taken even so: a block that
	 * matches its tag is proved, for a flipped bit makes no other block's
	 * tag; one that doesn't is refused.
	 */
	memcpy(page, s.page, TAGPAGE_SIZE);
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
	file->tags_written = true;
}

int
pages_write(void *arg, uint64_t index, const uint8_t *page)
{
	struct pages_context *c = arg;
	struct member *m;
	int rc;

	for_each_member(c->volume, m) {
		rc = page_write(m, c->node, c->file, index, page);
		if ((rc = members_settle(c->volume, m, rc, "writing tags")) < 0)
			return rc;
	}
	c->file->tags_written = true;
	return members_in_sync(c->volume) > 0 ? 0 : -EIO;
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
