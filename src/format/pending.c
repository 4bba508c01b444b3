#include "format/pending.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"

#define MAGIC UINT32_C(0x444e504d)	/* "MPND" on disk */
#define PENDING_VERSION 1
#define HEAD_MAX (4 + 1 + 1 + 3 * 10)
#define ENTRY_MAX (10 + 1 + 10 + 2)	/* without the name */

enum { FLAG_EVERYTHING = 1, FLAG_WALK = 2 };
enum { ENTRY_MISSED = 1, ENTRY_SUSPECT = 2 };

static bool
name_valid(const char *name, size_t len)
{
	if (len == 0 || len > NAME_MAX || memchr(name, '/', len) != NULL || memchr(name, '\0', len) != NULL)
		return false;
	return !(len == 1 && name[0] == '.') && !(len == 2 && name[0] == '.' && name[1] == '.');
}

int
pending_add(struct pending *p, const struct pending_entry *entry)
{
	struct pending_entry *grown;
	size_t room;
	char *name = NULL;

	if (p->count >= PENDING_ENTRIES_MAX)
		return -EFBIG;
	if (p->count == p->room) {
		room = p->room == 0 ? 64 : 2 * p->room;
		if ((grown = realloc(p->entries, room * sizeof(*grown))) == NULL)
			return -ENOMEM;
		p->entries = grown;
		p->room = room;
	}
	if (entry->name != NULL && (name = strdup(entry->name)) == NULL)
		return -ENOMEM;
	p->entries[p->count] = *entry;
	p->entries[p->count++].name = name;
	return 0;
}

void
pending_free(struct pending *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->entries[i].name);
	free(p->entries);
	memset(p, 0, sizeof(*p));
}

static int
put_entry(struct buf_writer *w, const struct pending_entry *e)
{
	size_t len = e->name != NULL ? strlen(e->name) : 0;

	if (e->id == 0 || (e->parent != 0) != (e->name != NULL) || (e->name != NULL && !name_valid(e->name, len)))
		return -EINVAL;
	buf_put_varint(w, e->id);
	buf_put_u8(w, (uint8_t)((e->missed ? ENTRY_MISSED : 0) | (e->suspect ? ENTRY_SUSPECT : 0)));
	buf_put_varint(w, e->parent);
	buf_put_varint(w, len);
	buf_put_bytes(w, e->name != NULL ? e->name : "", len);
	return 0;
}

int
pending_encode(const struct digest *digest, const struct pending *p, uint8_t **out, size_t *len)
{
	size_t room = HEAD_MAX + DIGEST_SIZE;
	struct buf_writer w;
	uint8_t *data;
	int rc = 0;

	for (size_t i = 0; i < p->count; i++)
		room += ENTRY_MAX + (p->entries[i].name != NULL ? strlen(p->entries[i].name) : 0);
	if ((data = malloc(room)) == NULL)
		return -ENOMEM;
	buf_writer_init(&w, data, room - DIGEST_SIZE);
	buf_put_u32(&w, MAGIC);
	buf_put_u8(&w, PENDING_VERSION);
	buf_put_u8(&w, (uint8_t)((p->everything ? FLAG_EVERYTHING : 0) | (p->walk ? FLAG_WALK : 0)));
	buf_put_varint(&w, p->lost);
	buf_put_varint(&w, p->closed);
	buf_put_varint(&w, p->count);
	for (size_t i = 0; rc == 0 && i < p->count; i++)
		rc = put_entry(&w, &p->entries[i]);
	if (rc != 0 || w.failed) {
		free(data);
		return rc != 0 ? rc : -EINVAL;
	}
	*len = (size_t)(w.at - data);
	digest_bytes(digest, DIGEST_PENDING, data, *len, w.at);
	*len += DIGEST_SIZE;
	*out = data;
	return 0;
}

static int
get_entry(struct buf_reader *r, struct pending *p)
{
	struct pending_entry e = { 0 };
	char name[NAME_MAX + 1];
	uint8_t flags;
	uint64_t len;

	e.id = buf_get_varint(r);
	flags = buf_get_u8(r);
	e.missed = flags & ENTRY_MISSED;
	e.suspect = flags & ENTRY_SUSPECT;
	e.parent = buf_get_varint(r);
	len = buf_get_varint(r);
	if (r->failed || e.id == 0 || (flags & ~(ENTRY_MISSED | ENTRY_SUSPECT)) != 0 || len > NAME_MAX || (e.parent != 0) != (len != 0))
		return -EBADMSG;
	if (len > 0) {
		buf_get_bytes(r, name, len);
		name[len] = '\0';
		if (r->failed || !name_valid(name, len))
			return -EBADMSG;
		e.name = name;
	}
	return pending_add(p, &e);
}

int
pending_decode(const struct digest *digest, const uint8_t *data, size_t len, struct pending *p)
{
	uint8_t check[DIGEST_SIZE], version, flags;
	struct buf_reader r;
	uint64_t count;
	int rc = 0;

	memset(p, 0, sizeof(*p));
	if (len < DIGEST_SIZE)
		return -EBADMSG;
	len -= DIGEST_SIZE;
	digest_bytes(digest, DIGEST_PENDING, data, len, check);
	if (!digest_equal(check, data + len))
		return -EBADMSG;
	buf_reader_init(&r, data, len);
	if (buf_get_u32(&r) != MAGIC)
		return -EBADMSG;
	if ((version = buf_get_u8(&r)) != PENDING_VERSION)
		return version > PENDING_VERSION ? -EPROTONOSUPPORT : -EBADMSG;
	flags = buf_get_u8(&r);
	p->everything = flags & FLAG_EVERYTHING;
	p->walk = flags & FLAG_WALK;
	p->lost = buf_get_varint(&r);
	p->closed = buf_get_varint(&r);
	count = buf_get_varint(&r);
	if (r.failed || (flags & ~(FLAG_EVERYTHING | FLAG_WALK)) != 0 || count > PENDING_ENTRIES_MAX)
		rc = -EBADMSG;
	for (uint64_t i = 0; rc == 0 && i < count; i++)
		rc = get_entry(&r, p);
	if (rc == 0 && r.left != 0)
		rc = -EBADMSG;
	if (rc != 0)
		pending_free(p);
	return rc;
}
