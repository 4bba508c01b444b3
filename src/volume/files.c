#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "volume/files.h"
#include "volume/handles.h"
#include "volume/load.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/pages.h"
#include "volume/records.h"
#include "volume/torn.h"

#define TRIM_TO 16		/* pages that a file keeps when there are too many in all */

int
files_from(struct volume *v, const struct record *record, struct file **out)
{
	struct file *file;
	unsigned i;

	if ((file = calloc(1, sizeof(*file))) == NULL)
		return -ENOMEM;
	pthread_mutex_init(&file->mutex, NULL);
	for (i = 0; i < VOLUME_REPLICAS_MAX; i++)
		file->handle[i] = file->tags_handle[i] = REPLICA_NONE;
	file->edge_index = UINT64_MAX;
	if (tags_new(&v->digest, record, &file->tags) != 0) {
		files_unload(v, file);
		return -ENOMEM;
	}
	*out = file;
	return 0;
}

int
files_new(struct volume *v, struct file **file)
{
	const struct record empty = { .kind = RECORD_INLINE };

	return files_from(v, &empty, file);
}

int
files_load(struct volume *v, struct node *node, struct file **out)
{
	uint8_t data[RECORD_SIZE_MAX];
	struct record record;
	int rc;

	/* Generation 0: made in this mount, and no record was stored yet. */
	if (node->generation == 0)
		return files_new(v, out);
	if (node->torn != NULL)
		return torn_load(v, node, out);
	if ((rc = records_find(v, node, data, &record)) != 0)
		return rc;
	return files_from(v, &record, out);
}

void
files_unload(struct volume *v, struct file *file)
{
	struct member *m;

	for (m = v->members; m < v->members + v->member_count; m++) {
		if (file->handle[m->index] >= 0)
			m->r->ops->close(m->r, file->handle[m->index]);
	}
	pages_close(v, file);
	atomic_fetch_sub(&v->tag_pages, file->pages_counted);
	tags_free(file->tags);
	free(file->edge);
	pthread_mutex_destroy(&file->mutex);
	free(file);
}

int
files_attach(struct volume *v, struct node *node)
{
	return node->file != NULL ? 0 : files_load(v, node, &node->file);
}

void
files_detach(struct volume *v, struct node *node)
{
	files_unload(v, node->file);
	node->file = NULL;
	if (node->nlink == 0 && node->paged && node->pins == NULL)
		pages_remove(v, node_key(node));
}

/* Somebody cut or extended the copy: its length first, its blocks as they are read. */
static int
length_mend(struct volume *v, struct node *node, struct member *m, replica_handle handle, bool writable, off_t found)
{
	const struct replica_times seal = { .atime.tv_nsec = UTIME_OMIT, .mtime = node->mtime };
	const struct replica_at at = { .handle = handle };
	replica_handle own = REPLICA_NONE;
	char path[NODES_PATH_MAX];
	int rc = 0;

	if (!writable)
		rc = m->r->ops->open(m->r, at, true, &own, NULL);
	if (rc == 0)
		rc = m->r->ops->truncate(m->r, writable ? handle : own, node->size);
	if (rc == 0 && !node->dirty)
		rc = m->r->ops->store(m->r, at, &seal, NULL, 0);
	if (own >= 0)
		m->r->ops->close(m->r, own);
	nodes_path(v, node, path, sizeof(path));
	if (rc == 0) {
		atomic_fetch_add(&m->mended, 1);
		log_warning("mended %s: its length on replica %s was %lld, and is %" PRIu64,
		    path, m->r->path, (long long)found, node->size);
	}
	return rc;
}

static int
open_at(struct volume *v, struct node *node, struct member *m, bool writable, replica_handle *handle, struct stat *st)
{
	struct handles_place place;
	int rc;

	if ((rc = handles_at(v, m, node, &place)) != 0)
		return rc;
	rc = m->r->ops->open(m->r, place.at, writable, handle, st);
	handles_at_done(v, &place);
	return rc;
}

int
files_open_one(struct volume *v, struct node *node, struct member *m, bool writable)
{
	struct file *file = node->file;
	replica_handle handle;
	struct stat st;
	int rc;

	if (file->handle[m->index] >= 0 && (file->writable[m->index] || !writable))
		return 0;
	rc = open_at(v, node, m, writable, &handle, &st);
	if ((rc == -ENOENT || rc == -ENOTDIR || rc == -ESTALE || rc == -ELOOP) &&
	    file->handle[m->index] < 0 && load_mend_node(v, node) == 0)
		rc = open_at(v, node, m, writable, &handle, &st);
	if (rc != 0)
		return rc;
	if ((uint64_t)st.st_size != node->size && !v->no_writes &&
	    (rc = length_mend(v, node, m, handle, writable, st.st_size)) != 0) {
		m->r->ops->close(m->r, handle);
		return rc;
	}
	if (file->handle[m->index] >= 0)
		m->r->ops->close(m->r, file->handle[m->index]);
	file->handle[m->index] = handle;
	file->writable[m->index] = writable;
	return 0;
}

int
files_open_all(struct volume *v, struct node *node, bool writable)
{
	struct member *m;
	int rc;

	for_each_member(v, m) {
		rc = files_open_one(v, node, m, writable);
		/* Without a name, a way to it may be missing for no fault of the member's. */
		if ((rc == -ESTALE || rc == -ENOENT) && node->links == NULL)
			return -ESTALE;
		/* For a file that another member has, "not there" speaks against this one. */
		if (rc == -ENOENT || rc == -ENOTDIR)
			rc = -ESTALE;
		if ((rc = members_settle(v, m, rc, "opening a file")) < 0)
			return rc;
	}
	return members_in_sync(v) > 0 ? 0 : -EIO;
}

void
files_account(struct volume *v, struct file *file)
{
	uint64_t now = tags_page_count(file->tags);

	if (now > file->pages_counted &&
	    atomic_load(&v->tag_pages) + now - file->pages_counted > VOLUME_TAG_PAGES_MAX) {
		tags_trim(file->tags, TRIM_TO);
		now = tags_page_count(file->tags);
	}
	if (now != file->pages_counted)
		atomic_fetch_add(&v->tag_pages, now - file->pages_counted);
	file->pages_counted = now;
}

void
files_edge_forget(struct file *file, uint64_t first, uint64_t count)
{
	if (file->edge_index >= first && file->edge_index - first < count)
		file->edge_index = UINT64_MAX;
}
