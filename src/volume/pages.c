#include <errno.h>
#include <inttypes.h>
#include <string.h>

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

int
pages_load(void *arg, uint64_t index, uint8_t *page)
{
	struct pages_context *c = arg;
	uint8_t raw[TAGPAGE_SIZE];
	bool bad[VOLUME_REPLICAS_MAX] = { false }, found = false, have_raw = false;
	struct member *m;
	int rc = -EIO;

	/*
	 * A page that is missing where another has one is worth less than the
	 * other: zeros pass the check too.
	 */
	for_each_member(c->volume, m) {
		rc = pages_read(c->volume, m, c->node, c->file, index, raw);
		if (rc == -EBADMSG && !have_raw && !found) {
			memcpy(page, raw, TAGPAGE_SIZE);
			have_raw = true;
		}
		bad[m->index] = rc != 0;
		if (rc == 0) {
			memcpy(page, raw, TAGPAGE_SIZE);
			found = true;
			if (!digest_zeros(page, TAGPAGE_SIZE))
				break;
			bad[m->index] = true;
		}
	}
	if (!found) {
		/*
		 * Each copy is damaged somewhere.  A block that matches its tag is
		 * proved even so, for a flipped bit makes no other block's tag; one
		 * that doesn't is refused.
		 */
		return have_raw ? 0 : -EIO;
	}
	/* A page of zeros that was spoiled is written again when it holds something. */
	if (digest_zeros(page, TAGPAGE_SIZE))
		return 0;
	for_each_member(c->volume, m) {
		if (bad[m->index] && !c->volume->no_writes)
			page_mend(c->volume, m, c->node, c->file, index, page);
	}
	return 0;
}

void
pages_prove(struct volume *v, struct node *node, struct file *file, uint64_t index)
{
	uint8_t good[TAGPAGE_SIZE], page[TAGPAGE_SIZE];
	bool bad[VOLUME_REPLICAS_MAX] = { false }, found = false;
	struct member *m;

	/* As in pages_load: zeros are worth less than a page that says something. */
	for_each_member(v, m) {
		bad[m->index] = pages_read(v, m, node, file, index, page) != 0 || digest_zeros(page, TAGPAGE_SIZE);
		if (!bad[m->index] && !found) {
			memcpy(good, page, TAGPAGE_SIZE);
			found = true;
		}
	}
	for_each_member(v, m) {
		if (found && bad[m->index] && !v->no_writes)
			page_mend(v, m, node, file, index, good);
	}
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
