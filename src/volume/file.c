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
#include "volume/patrol.h"
#include "volume/store.h"
#include "volume/write.h"

/* One member will do for reading: the file's own, or the next that can. */
static int
open_for_reading(struct volume *v, struct node *node)
{
	struct member *m;

	for (m = v->members; m < v->members + v->member_count; m++) {
		if (node->file->handle[m->index] >= 0 && member_in_sync(m))
			return 0;
	}
	if ((m = members_for_read(v, node_key(node))) == NULL)
		return -EIO;
	if (files_open_one(v, node, m, false) == 0)
		return 0;
	/* Whoever can't, is found out there. */
	return files_open_all(v, node, false);
}

static int
open_locked(struct volume *v, struct node *node, bool writable)
{
	int rc;

	if (!S_ISREG(node->mode))
		return -EINVAL;
	/* Looked up, and then removed: the kernel looks up again. */
	if (node->nlink == 0 && node->file == NULL && node->pins == NULL)
		return -ESTALE;
	if ((rc = files_attach(v, node)) != 0)
		return rc;
	rc = writable ? files_open_all(v, node, true) : open_for_reading(v, node);
	if (rc == 0)
		patrol_opened(v, node);
	if (rc != 0) {
		if (node->file->users == 0 && !node->dirty)
			files_detach(v, node);
		return rc;
	}
	node->file->users++;
	node->file->writers += writable;
	return 0;
}

static int
truncate_opened(struct volume *v, struct node *node)
{
	int rc;

	members_wait(v);
	pthread_rwlock_wrlock(&node->lock);
	missed_note(v, node);
	if ((rc = members_mark(v, node_key(node), node_key(node))) == 0)
		rc = write_size(v, node, 0);
	pthread_rwlock_unlock(&node->lock);
	return rc;
}

int
file_open(struct volume *v, struct node *node, bool writable, bool truncate)
{
	int rc;

	writable = writable || truncate;
	if (writable && (rc = change_allowed(v)) != 0)
		return rc;
	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	rc = open_locked(v, node, writable);
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	if (rc != 0 || !truncate)
		return rc;
	if ((rc = truncate_opened(v, node)) != 0)
		file_release(v, node, writable);
	return rc;
}

/* Store the record by the open handles, if there are any on all members; else it is the flusher's business. */
static int
store_open(struct volume *v, struct node *node)
{
	struct member *m;

	if (!node->dirty || node->file == NULL)
		return 0;
	for_each_member(v, m) {
		if (node->file->handle[m->index] < 0)
			return 0;
	}
	return store_now(v, node);
}

void
file_release(struct volume *v, struct node *node, bool writable)
{
	char path[NODES_PATH_MAX];
	int rc;

	pthread_rwlock_wrlock(&node->lock);
	node->file->writers -= writable;
	if (--node->file->users == 0) {
		if (node->nlink == 0)
			node->dirty = false;
		else if ((rc = store_open(v, node)) != 0)
			log_error("%s: cannot store its record at close: %s; it is tried again",
			    nodes_path(v, node, path, sizeof(path)), strerror(-rc));
		/* What is still to be stored keeps it until the flusher was there. */
		if (!node->dirty)
			files_detach(v, node);
	}
	pthread_rwlock_unlock(&node->lock);
}

ssize_t
file_write(struct volume *v, struct node *node, const void *data, size_t len, uint64_t offset, bool kill_priv, bool sync)
{
	ssize_t n;
	int rc;

	if ((rc = change_allowed(v)) != 0)
		return rc;
	members_wait(v);
	pthread_rwlock_wrlock(&node->lock);
	missed_note(v, node);
	if (node->file == NULL)
		n = -EBADF;
	else if ((rc = members_mark(v, node_key(node), node_key(node))) != 0)
		n = rc;
	else if (kill_priv && (rc = change_kill_priv(v, node)) != 0)
		n = rc;
	else
		n = write_locked(v, node, data, len, offset);
	pthread_rwlock_unlock(&node->lock);
	if (n > 0 && sync && (rc = file_fsync(v, node, true)) != 0)
		return rc;
	return n;
}

int
file_flush(struct volume *v, struct node *node)
{
	int rc;

	pthread_rwlock_wrlock(&node->lock);
	rc = store_open(v, node);
	pthread_rwlock_unlock(&node->lock);
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
sync_all(struct volume *v, struct node *node, bool tags)
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
		    .tags = tags ? file->tags_handle[m->index] : REPLICA_NONE };
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

/* Store the record; is there anything to be made durable? */
static int
sync_begin(struct volume *v, struct node *node, bool *needed, bool *tags)
{
	int rc = 0;

	*needed = *tags = false;
	pthread_rwlock_rdlock(&v->tree);
	pthread_rwlock_wrlock(&node->lock);
	if (node->file == NULL)
		rc = -EBADF;
	else if ((node->dirty || node->unsynced) && (rc = files_open_all(v, node, false)) == 0 &&
	    (rc = store_now(v, node)) == 0) {
		*needed = true;
		*tags = node->file->tags_written;
		/* From here on a write is one for the next fsync. */
		node->unsynced = node->file->tags_written = false;
	}
	pthread_rwlock_unlock(&node->lock);
	pthread_rwlock_unlock(&v->tree);
	return rc;
}

int
file_fsync(struct volume *v, struct node *node, bool data_only)
{
	bool needed, tags;
	int rc;

	/* The record goes with the data, always: without it they are not proved. */
	(void)data_only;
	if ((rc = sync_begin(v, node, &needed, &tags)) != 0 || !needed)
		return rc;
	pthread_rwlock_rdlock(&node->lock);
	rc = sync_all(v, node, tags);
	if (rc == 0 && !node->unsynced && !node->dirty)
		missed_clean(node);
	pthread_rwlock_unlock(&node->lock);
	if (rc != 0) {
		pthread_rwlock_wrlock(&node->lock);
		node->unsynced = true;
		node->file->tags_written = node->file->tags_written || tags;
		pthread_rwlock_unlock(&node->lock);
	}
	return rc;
}

int
file_fallocate(struct volume *v, struct node *node, int mode, uint64_t offset, uint64_t len, bool kill_priv)
{
	int rc;

	if ((rc = change_allowed(v)) != 0)
		return rc;
	members_wait(v);
	pthread_rwlock_wrlock(&node->lock);
	missed_note(v, node);
	if (node->file == NULL)
		rc = -EBADF;
	else if ((rc = members_mark(v, node_key(node), node_key(node))) == 0 &&
	    (!kill_priv || (rc = change_kill_priv(v, node)) == 0))
		rc = write_fallocate(v, node, mode, offset, len);
	pthread_rwlock_unlock(&node->lock);
	return rc;
}

int64_t
file_seek(struct volume *v, struct node *node, uint64_t offset, int whence)
{
	struct member *m;
	int64_t rc = -EIO;

	pthread_rwlock_rdlock(&node->lock);
	if (offset >= node->size) {
		rc = -ENXIO;
		goto done;
	}
	for_each_member(v, m) {
		if (node->file == NULL || node->file->handle[m->index] < 0)
			continue;
		rc = m->r->ops->seek(m->r, node->file->handle[m->index], offset, whence);
		/* The end of file is ours to say. */
		if (rc > (int64_t)node->size)
			rc = (int64_t)node->size;
		if (rc >= 0 || rc == -ENXIO)
			break;
	}

done:
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
		w = file_write(v, out, data, (size_t)n, out_offset + done, kill_priv, false);
		if (w <= 0)
			return done > 0 ? (ssize_t)done : w;
		done += (size_t)w;
		/* One request at a time in the daemon's thread, not gigabytes. */
		if (w < n || done >= 16 * (size_t)FILE_IO_MAX)
			break;
	}
	return (ssize_t)done;
}
