#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"
#include "util/stall.h"
#include "volume/blocks.h"
#include "volume/change.h"
#include "volume/file.h"
#include "volume/files.h"
#include "volume/members.h"
#include "volume/missed.h"
#include "volume/nodes.h"
#include "volume/pages.h"
#include "volume/room.h"
#include "volume/store.h"
#include "volume/write.h"
#include "volume/ways.h"

/* Take the node's lock, exclusively, with the file ready to be changed. */
static int
lock_for_writing(struct volume *v, struct node *node)
{
	int rc;

	for (;;) {
		pthread_rwlock_wrlock(&node->lock);
		/* First: while it is noted nobody joins, for whom it would have to be ready too. */
		missed_note(v, node);
		if (files_ready(v, node, FILES_WRITE))
			return 0;
		pthread_rwlock_unlock(&node->lock);
		if ((rc = files_use(v, node, FILES_WRITE)) != 0)
			return rc;
	}
}

static ssize_t
write_once(struct volume *v, struct node *node, const void *data, size_t len, uint64_t offset, unsigned how, bool *appends)
{
	ssize_t n;
	int rc;

	if ((rc = change_allowed(v)) != 0)
		return rc;
	members_wait(v);
	if ((rc = lock_for_writing(v, node)) != 0)
		return rc;
	if ((rc = ways_mark(v, node)) != 0)
		n = rc;
	else if ((how & FILE_KILL_PRIV) && (rc = change_kill_priv(v, node, false)) != 0)
		n = rc;
	else {
		*appends = offset == node->size;
		n = write_locked(v, node, data, len, offset);
	}
	pthread_rwlock_unlock(&node->lock);
	return n;
}

/* Written, but not made durable for want of room: who appends again must not find it there. */
static void
take_back(struct volume *v, struct node *node, uint64_t offset, size_t len)
{
	if (lock_for_writing(v, node) != 0)
		return;
	if (node->size == offset + len)
		(void)write_size(v, node, offset);
	pthread_rwlock_unlock(&node->lock);
}

ssize_t
file_write(struct volume *v, struct node *node, const void *data, size_t len, uint64_t offset, unsigned how)
{
	bool appends = false;
	ssize_t n;
	int rc;

	do {
		n = write_once(v, node, data, len, offset, how, &appends);
	} while (n == -ENOSPC && room_comes(v));
	if (n <= 0 || (how & FILE_SYNC) == 0 || (rc = file_fsync(v, node, true)) == 0)
		return n;
	if (appends && room_lacks(rc))
		take_back(v, node, offset, (size_t)n);
	return rc;
}

struct sync_job { struct lane_job job; struct member *m; replica_handle file, tags; int rc; };

static void
sync_run(struct lane_job *job)
{
	struct sync_job *s = (struct sync_job *)(void *)job;

	s->rc = s->tags >= 0 ? s->m->r->ops->fsync(s->m->r, s->tags, true) : 0;
	if (s->rc == 0)
		s->rc = s->m->r->ops->fsync(s->m->r, s->file, false);
}

/* fsync(2) on all members at once; the file is open everywhere.  Node lock, shared. */
static int
sync_all(struct volume *v, struct node *node)
{
	struct sync_job jobs[VOLUME_REPLICAS_MAX];
	struct file *file = node->file;
	struct lane_batch batch;
	struct member *m;
	unsigned count = 0, i;
	int rc = 0, one;

	stall_ahead();
	lane_batch_init(&batch);
	for_each_member(v, m) {
		jobs[count] = (struct sync_job){ .job.run = sync_run, .m = m, .file = file->handle[m->index],
		    .tags = node->paged ? file->tags_handle[m->index] : REPLICA_NONE };
		if (count > 0 && m->lane != NULL)
			lane_submit(m->lane, &jobs[count].job, &batch);
		count++;
	}
	for (i = 0; i < count; i++) {
		if (i == 0 || jobs[i].m->lane == NULL)
			sync_run(&jobs[i].job);
	}
	lane_batch_wait(&batch);
	for (i = 0; i < count; i++) {
		if ((one = members_settle(v, jobs[i].m, jobs[i].rc, "fsync")) < 0)
			rc = one;
	}
	return rc == 0 && members_in_sync(v) == 0 ? -EIO : rc;
}

/* Is there anything that is not known to be durable?  Another fsync may be at it, and not through yet. */
static bool
sync_needed(const struct node *node)
{
	return node->dirty || node->unsynced || (node->file != NULL && node->file->holds > 0);
}

/* Store the record; if an fsync is needed the file is held until sync_end. */
static int
sync_begin(struct volume *v, struct node *node, bool *needed)
{
	int rc = 0;

	*needed = false;
	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	if (sync_needed(node) && (rc = files_use_locked(v, node, FILES_READ_ALL)) == 0 &&
	    (rc = store_now(v, node)) == 0 && (rc = pages_open_all(v, node, node->file)) == 0) {
		*needed = true;
		node->file->holds++;
		/* From here on a write is one for the next fsync. */
		node->unsynced = false;
		/* And from here on a disk may spoil it: who merges with it is to prove it. */
		node->file->edge_index = UINT64_MAX;
	}
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	return rc;
}

static void
sync_end(struct node *node, bool failed)
{
	pthread_rwlock_wrlock(&node->lock);
	node->file->holds--;
	node->unsynced = node->unsynced || failed;
	pthread_rwlock_unlock(&node->lock);
}

int
file_fsync(struct volume *v, struct node *node, bool data_only)
{
	bool needed;
	int rc;

	/* The record goes with the data, always: without it they are not proved. */
	(void)data_only;
	if ((rc = sync_begin(v, node, &needed)) != 0 || !needed)
		return rc;
	pthread_rwlock_rdlock(&node->lock);
	rc = sync_all(v, node);
	if (rc == 0 && !node->unsynced && !node->dirty)
		missed_clean(node);
	pthread_rwlock_unlock(&node->lock);
	sync_end(node, rc != 0);
	return rc;
}

static int
fallocate_once(struct volume *v, struct node *node, int mode, uint64_t offset, uint64_t len, bool kill_priv)
{
	int rc;

	if ((rc = change_allowed(v)) != 0)
		return rc;
	members_wait(v);
	if ((rc = lock_for_writing(v, node)) != 0)
		return rc;
	if ((rc = ways_mark(v, node)) == 0 &&
	    (!kill_priv || (rc = change_kill_priv(v, node, false)) == 0))
		rc = write_fallocate(v, node, mode, offset, len);
	pthread_rwlock_unlock(&node->lock);
	return rc;
}

int
file_fallocate(struct volume *v, struct node *node, int mode, uint64_t offset, uint64_t len, bool kill_priv)
{
	int rc;

	do {
		rc = fallocate_once(v, node, mode, offset, len, kill_priv);
	} while (rc == -ENOSPC && room_comes(v));
	return rc;
}

int64_t
file_seek(struct volume *v, struct node *node, uint64_t offset, int whence)
{
	int64_t rc;

	pthread_rwlock_rdlock(&node->lock);
	while (!files_ready(v, node, FILES_READ)) {
		pthread_rwlock_unlock(&node->lock);
		if ((rc = files_use(v, node, FILES_READ)) != 0)
			return rc;
		pthread_rwlock_rdlock(&node->lock);
	}
	if (offset >= node->size)
		rc = -ENXIO;
	else if (whence == SEEK_DATA)
		rc = blocks_seek_data(v, node, offset);
	else
		rc = blocks_seek_hole(v, node, offset);
	pthread_rwlock_unlock(&node->lock);
	return rc;
}

ssize_t
file_copy(struct volume *v, struct node *in, uint64_t in_offset, struct node *out, uint64_t out_offset,
    size_t len, bool kill_priv)
{
	const void *data;
	size_t done = 0, part;
	ssize_t n, w;

	if (in == out && in_offset < out_offset + len && out_offset < in_offset + len)
		return -EINVAL;
	while (done < len) {
		part = len - done < FILE_IO_MAX ? len - done : FILE_IO_MAX;
		if ((n = file_read(v, in, in_offset + done, part, &data)) <= 0)
			return done > 0 ? (ssize_t)done : n;
		w = file_write(v, out, data, (size_t)n, out_offset + done, kill_priv ? FILE_KILL_PRIV : 0);
		if (w <= 0)
			return done > 0 ? (ssize_t)done : w;
		done += (size_t)w;
		/* One request at a time in the daemon's thread, not gigabytes. */
		if (w < n || done >= 16 * (size_t)FILE_IO_MAX)
			break;
	}
	return (ssize_t)done;
}

int
file_flush(struct volume *v, struct node *node)
{
	struct member *m;
	bool changed;

	if (!S_ISREG(node->mode))
		return 0;
	pthread_rwlock_rdlock(&node->lock);
	changed = node->unsynced;
	pthread_rwlock_unlock(&node->lock);
	if (!changed)
		return 0;
	for_each_member(v, m) {
		if (m->r->ops->settle != NULL)
			(void)members_settle(v, m, m->r->ops->settle(m->r), "waiting for what lags behind");
	}
	return members_in_sync(v) > 0 ? 0 : -EIO;
}
