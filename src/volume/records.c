#include <errno.h>
#include <string.h>

#include "util/log.h"
#include "volume/events.h"
#include "volume/handles.h"
#include "volume/look.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/records.h"
#include "volume/store.h"

/* One member's record of the node, if it is the one that the node stands for. */
static int
record_read(struct volume *v, struct member *m, struct node *node, uint8_t *data, struct record *record)
{
	struct handles_place place;
	ssize_t len;
	int rc;

	if ((rc = handles_at(v, m, node, &place)) != 0)
		return rc;
	len = m->r->ops->xattr_get(m->r, place.at, RECORD_XATTR, data, RECORD_SIZE_MAX);
	handles_at_done(v, &place);
	if (len < 0)
		return len == -ENODATA || len == -ERANGE ? -EBADMSG : (int)len;
	/* A version or codec that is not the volume's is damage too: the label has told them. */
	if (record_decode(&v->digest, data, (size_t)len, record) != 0)
		return -EBADMSG;
	/* Another file, or a newer state of this one: nothing to write over without a second look. */
	if (record->id != node_key(node) || record->generation > node->generation)
		return -EXDEV;
	if (record->generation < node->generation || (record->kind == RECORD_DIRECTORY) != S_ISDIR(node->mode))
		return -EBADMSG;
	return (int)len;
}

static void
record_mend(struct volume *v, struct member *m, struct node *node, const uint8_t *data, size_t len)
{
	const struct replica_times seal = { .atime.tv_nsec = UTIME_OMIT, .mtime = node->mtime };
	struct handles_place place;
	char path[NODES_PATH_MAX];
	int rc;

	if ((rc = handles_at(v, m, node, &place)) == 0) {
		rc = m->r->ops->store(m->r, place.at, &seal, data, len);
		handles_at_done(v, &place);
	}
	nodes_path(v, node, path, sizeof(path));
	if (rc == 0) {
		atomic_fetch_add(&m->mended, 1);
		events_emit(v, &(struct event){ .kind = EVENT_MENDED, .replica = m->r->path, .path = path, .detail = "the record" });
		log_warning("mended %s: the record on replica %s", path, m->r->path);
	} else if (members_settle(v, m, rc, "mending a record") < 0) {
		log_warning("%s: cannot mend the record on replica %s: %s", path, m->r->path, strerror(-rc));
	}
}

/* Mend the records of the members that are marked. */
static void
records_mend(struct volume *v, struct node *node, const bool *bad, const uint8_t *data, size_t len)
{
	struct member *m;

	for_each_member(v, m) {
		if (bad[m->index] && !look_only(v))
			record_mend(v, m, node, data, len);
	}
}

int
records_find(struct volume *v, struct node *node, uint8_t *data, struct record *record)
{
	size_t len;

	return records_read(v, node, data, record, &len);
}

int
records_read(struct volume *v, struct node *node, uint8_t *data, struct record *record, size_t *record_len)
{
	struct member *first = members_for_read(v, node_key(node)), *m;
	bool bad[VOLUME_REPLICAS_MAX] = { false };
	char path[NODES_PATH_MAX];
	int len = -EIO;

	if (first == NULL)
		return -EIO;
	if ((len = record_read(v, first, node, data, record)) > 0) {
		*record_len = (size_t)len;
		return 0;
	}
	bad[first->index] = len == -EBADMSG;
	for_each_member(v, m) {
		if (m == first)
			continue;
		if ((len = record_read(v, m, node, data, record)) > 0)
			break;
		bad[m->index] = len == -EBADMSG;
	}
	if (len <= 0) {
		log_error("%s: its record is damaged on every replica; run fsck.mendfs",
		    nodes_path(v, node, path, sizeof(path)));
		return -EIO;
	}
	records_mend(v, node, bad, data, (size_t)len);
	*record_len = (size_t)len;
	return 0;
}

/* The tags of a file that is in use, or so small that they stayed with its node. */
static bool
tags_known(const struct node *node, struct record *record)
{
	if (node->file != NULL) {
		tags_fill_record(node->file->tags, (node->size + BLOCK - 1) / BLOCK, record);
		return true;
	}
	record->kind = RECORD_INLINE;
	record->tag_count = node->kept_count;
	record->tags = node->kept_tags;
	return node->kept_generation == node->generation;
}

int
records_now(struct volume *v, struct node *node, uint8_t *data, struct record *record, size_t *len)
{
	struct record known = { .generation = node->generation };
	bool told = node->generation > 0 && !node->dirty;
	int n;

	if (S_ISREG(node->mode))
		told = told && node->torn == NULL && tags_known(node, &known);
	else
		told = told && !node->names_stale;
	if (!told)
		return records_read(v, node, data, record, len);
	if ((n = store_encode(v, node, &known, data)) < 0)
		return n;
	*len = (size_t)n;
	return record_decode(&v->digest, data, *len, record);
}

void
records_prove(struct volume *v, struct node *node)
{
	uint8_t data[RECORD_SIZE_MAX], other[RECORD_SIZE_MAX];
	bool bad[VOLUME_REPLICAS_MAX] = { false };
	struct record record;
	struct member *m;
	int len, found = 0;

	for_each_member(v, m) {
		len = record_read(v, m, node, found > 0 ? other : data, &record);
		bad[m->index] = len == -EBADMSG;
		if (len > 0 && found == 0)
			found = len;
	}
	if (found > 0)
		records_mend(v, node, bad, data, (size_t)found);
}
