/* What did not match: looked at again while nobody changes it, reported, mended. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "meta/quarantine.h"
#include "meta/tagfile.h"
#include "util/log.h"
#include "volume/blocks.h"
#include "volume/files.h"
#include "volume/handles.h"
#include "volume/look.h"
#include "volume/pages.h"
#include "volume/scrub_private.h"
#include "volume/torn.h"

#define KEEP_BYTES (64u << 20)		/* of a file that was written to from outside: copied aside, with its lock held */

static void
mend_page(struct scrub_lane *l, struct node *node, uint64_t index)
{
	struct member *m = l->m;
	replica_handle file;

	/* What is cached of it may be as it should. */
	if (tagfile_open(m->r, m->tags, node_key(node), false, &file) == 0) {
		m->r->ops->drop_cache(m->r, file);
		m->r->ops->close(m->r, file);
	}
	look_end();
	pages_prove(l->run->v, node, node->file, index);
	look_begin();
}

/* Look again, and mend.  Tree lock, node lock exclusively. */
static void
settle_page(struct scrub_lane *l, struct scrub_file *f, uint64_t first, unsigned count)
{
	struct scrub_finding found = { .code = SCRUB_TAGS_SPOILED, .path = f->path, .replica = l->m->r->path,
	    .offset = first * BLOCK, .length = (uint64_t)count * BLOCK };
	uint64_t index = first / TAGPAGE_TAGS;

	l->page_count = 0;
	if (!tags_paged(f->node->file->tags) || scrub_page_right(l, f->node, index, count))
		return;
	if (l->run->options->mend && !l->run->v->no_writes) {
		mend_page(l, f->node, index);
		l->page_count = 0;
		/* It was made just now, perhaps. */
		if (l->tags != REPLICA_NONE)
			l->r->ops->close(l->r, l->tags);
		l->tags = REPLICA_NONE;
		found.mended = scrub_page_right(l, f->node, index, count);
	}
	atomic_store(&f->told[l->m->index], true);
	if (!found.mended)
		atomic_store(&f->left, true);
	scrub_report(l->run, &found);
}

/* What is found bad in one go, of one copy or of all, is one finding. */
struct streak { struct scrub_finding finding; bool any; };

/* While a task is settled: the copies of all members, opened anew. */
struct copies {
	struct scrub_lane *l;
	struct scrub_file *f;
	replica_handle direct[VOLUME_REPLICAS_MAX], cached[VOLUME_REPLICAS_MAX];
	struct streak streaks[VOLUME_REPLICAS_MAX], lost;
	bool bad[VOLUME_REPLICAS_MAX];
	int error[VOLUME_REPLICAS_MAX];	/* of the reading */
};

static void
streak_end(struct scrub_run *run, struct streak *streak)
{
	if (streak->any)
		scrub_report(run, &streak->finding);
	streak->any = false;
}

static void
streak_add(struct scrub_run *run, struct streak *streak, const struct scrub_finding *next)
{
	struct scrub_finding *f = &streak->finding;

	if (streak->any && f->code == next->code && f->mended == next->mended && f->error == next->error &&
	    f->offset + f->length == next->offset) {
		f->length += next->length;
		return;
	}
	streak_end(run, streak);
	*f = *next;
	streak->any = true;
}

static void
copies_open(struct copies *c)
{
	struct volume *v = c->l->run->v;
	struct node *node = c->f->node;
	struct handles_place place;
	struct member *m;
	unsigned i;

	for (i = 0; i < VOLUME_REPLICAS_MAX; i++)
		c->direct[i] = c->cached[i] = REPLICA_NONE;
	for_each_member(v, m) {
		c->error[m->index] = scrub_open_data(v, m, node, &c->direct[m->index]);
		if (handles_at(v, m, node, &place) != 0)
			continue;
		(void)m->r->ops->open(m->r, place.at, false, &c->cached[m->index], NULL);
		handles_at_done(v, &place);
	}
}

static void
copies_close(struct copies *c)
{
	struct volume *v = c->l->run->v;
	struct member *m;

	for (m = v->members; m < v->members + v->member_count; m++) {
		if (c->direct[m->index] != REPLICA_NONE)
			m->r->ops->close(m->r, c->direct[m->index]);
		if (c->cached[m->index] != REPLICA_NONE)
			m->r->ops->close(m->r, c->cached[m->index]);
		streak_end(c->l->run, &c->streaks[m->index]);
	}
	streak_end(c->l->run, &c->lost);
}

static bool
copy_right(struct copies *c, struct member *m, replica_handle handle, uint64_t index)
{
	const uint8_t *tag = c->l->wanted + index % TAGPAGE_TAGS * DIGEST_SIZE;
	size_t len = scrub_block_len(c->f->node, index);
	ssize_t n;

	if (handle == REPLICA_NONE)
		return false;
	n = m->r->ops->pread(m->r, handle, c->l->blocks, BLOCK, index * BLOCK);
	c->error[m->index] = n < 0 ? (int)n : 0;
	return n >= (ssize_t)len && blocks_match(c->l->run->v, tag, c->l->blocks, len);
}

/* Which disks have a bad copy?  Returns whether one has a good one, or, where none has, a cached page. */
static bool
copies_judge(struct copies *c, uint64_t index)
{
	struct volume *v = c->l->run->v;
	bool proved = false;
	struct member *m;

	for_each_member(v, m) {
		c->bad[m->index] = !copy_right(c, m, c->direct[m->index], index);
		proved = proved || !c->bad[m->index];
	}
	for_each_member(v, m)
		proved = proved || copy_right(c, m, c->cached[m->index], index);
	return proved || digest_is_zero(c->l->wanted + index % TAGPAGE_TAGS * DIGEST_SIZE);
}

static void
report_block(struct copies *c, struct member *m, uint64_t index, bool proved, bool mended)
{
	struct scrub_finding f = { .code = SCRUB_BLOCK_LOST, .path = c->f->path,
	    .offset = index * BLOCK, .length = scrub_block_len(c->f->node, index), .mended = mended };

	if (!mended)
		atomic_store(&c->f->left, true);
	if (m == NULL) {
		streak_add(c->l->run, &c->lost, &f);
		return;
	}
	atomic_store(&c->f->told[m->index], true);
	if (!proved)
		return;
	f.replica = m->r->path;
	f.error = mended ? 0 : c->error[m->index];
	f.code = c->error[m->index] != 0 ? SCRUB_BLOCK_UNREADABLE :
	    c->f->unsealed[m->index] ? SCRUB_BLOCK_WRITTEN : SCRUB_BLOCK_ROT;
	streak_add(c->l->run, &c->streaks[m->index], &f);
}

/*
 * What somebody wrote to a copy behind our back is put aside before it is
 * written over.  False: it cannot be, and is left.
 */
static bool
keep_written(struct copies *c)
{
	struct scrub_file *f = c->f;
	struct member *m;
	int rc;

	for_each_member(c->l->run->v, m) {
		if (!c->bad[m->index] || !f->unsealed[m->index] || f->kept[m->index])
			continue;
		rc = f->node->size > KEEP_BYTES ? -EFBIG :
		    quarantine_copy(m->r, (struct replica_at){ .handle = c->cached[m->index] }, f->path, "it was written to from outside");
		if (rc != 0) {
			if (!f->left)
				log_warning("%s: what was written to it on replica %s by something else than mendfs cannot be put into quarantine "
				    "now, so it is not mended: %s; unmount, and run fsck.mendfs -p", f->path, m->r->path, strerror(-rc));
			return false;
		}
		f->kept[m->index] = true;
		log_warning("%s: was written to on replica %s by something else than mendfs: that version is in quarantine",
		    f->path, m->r->path);
	}
	return true;
}

static void
settle_block(struct copies *c, uint64_t index)
{
	struct scrub_run *run = c->l->run;
	struct volume *v = run->v;
	bool proved = copies_judge(c, index), mending, mended;
	uint8_t data[BLOCK];
	struct member *m;

	if (!c->bad[c->l->m->index])
		return;
	/* The lowest of those that have it bad speaks for all. */
	for_each_member(v, m) {
		if (m->index < c->l->m->index && c->bad[m->index])
			return;
	}
	mending = run->options->mend && !v->no_writes && keep_written(c);
	if (mending) {
		look_end();
		if (blocks_mend_bad(v, c->f->node, index, c->bad, data) == 0)
			proved = true;
		look_begin();
	}
	for_each_member(v, m) {
		if (!c->bad[m->index])
			continue;
		mended = mending && copy_right(c, m, c->direct[m->index], index);
		report_block(c, m, index, proved, mended);
	}
	if (!proved)
		report_block(c, NULL, index, false, false);
}

void
scrub_mend(struct scrub_lane *l, struct scrub_file *f, uint64_t first, unsigned count)
{
	struct copies c = { .l = l, .f = f };
	struct node *node = f->node;
	struct volume *v = l->run->v;
	bool bad[SCRUB_TASK_BLOCKS];
	unsigned i;
	int rc = 0;

	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	count = scrub_clip(node, first, count);
	if (node->nlink == 0 || torn_now(v, node) || !member_in_sync(l->m) || count == 0 ||
	    blocks_tags(v, node, first, count, l->wanted) != 0)
		goto done;
	if (l->data == REPLICA_NONE)
		(void)scrub_open_data(v, l->m, node, &l->data);
	settle_page(l, f, first, count);
	/* By now with what a page was mended from. */
	if (blocks_tags(v, node, first, count, l->wanted) != 0 || scrub_blocks_look(l, node, first, count, bad) == 0)
		goto done;
	if (l->run->options->mend && !v->no_writes) {
		look_end();
		rc = files_open_all(v, node, false);
		look_begin();
	}
	if (rc != 0)
		goto done;
	copies_open(&c);
	for (i = 0; i < count && member_in_sync(l->m); i++) {
		if (bad[i])
			settle_block(&c, first + i);
	}
	copies_close(&c);

done:
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	scrub_lane_close(l);
}
