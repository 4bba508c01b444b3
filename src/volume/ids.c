#include "volume/ids.h"

#include <errno.h>
#include <stdlib.h>

#include "volume/handles.h"
#include "volume/look.h"

void
ids_load(struct volume *v, struct member *m, struct node *dir, struct ids *ids)
{
	uint8_t data[INDEX_SIZE_MAX];
	struct handles_place place;
	ssize_t len;
	int count;

	ids->count = 0;
	if (handles_at(v, m, dir, &place) != 0)
		return;
	len = m->r->ops->xattr_get(m->r, place.at, INDEX_XATTR, data, sizeof(data));
	handles_at_done(v, &place);
	if (len > 0 && (count = index_decode(data, (size_t)len, ids->entries)) > 0)
		ids->count = (size_t)count;
}

static int
entry_order(const void *left, const void *right)
{
	const struct index_entry *a = left, *b = right;

	return a->ino < b->ino ? -1 : a->ino > b->ino;
}

/* Each inode number once; -EINVAL: they tell nothing apart here. */
static int
sort(struct index_entry *entries, size_t *count)
{
	size_t i, kept = 0;

	qsort(entries, *count, sizeof(*entries), entry_order);
	for (i = 0; i < *count; i++) {
		if (kept == 0 || entries[i].ino != entries[kept - 1].ino)
			entries[kept++] = entries[i];
		else if (entries[i].id != entries[kept - 1].id)
			return -EINVAL;
	}
	*count = kept;
	return kept > 0 && entries[0].ino != 0 ? 0 : -EINVAL;
}

void
ids_keep(struct volume *v, struct member *m, struct node *dir, struct index_entry *entries, size_t count)
{
	uint8_t data[INDEX_SIZE_MAX];
	struct handles_place place;

	if (volume_read_only(v) || v->no_writes || look_only(v) || sort(entries, &count) != 0)
		return;
	if (handles_at(v, m, dir, &place) != 0)
		return;
	(void)m->r->ops->xattr_set(m->r, place.at, INDEX_XATTR, data, index_encode(entries, count, data), 0);
	handles_at_done(v, &place);
}

void
ids_drop(struct volume *v, struct node *dir)
{
	struct handles_place place;
	struct member *m;

	for_each_member(v, m) {
		if (handles_at(v, m, dir, &place) != 0)
			continue;
		(void)m->r->ops->xattr_remove(m->r, place.at, INDEX_XATTR);
		handles_at_done(v, &place);
	}
}
