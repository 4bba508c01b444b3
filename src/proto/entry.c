/* The entries of a list's data: u64 inode number, u8 type, u32 length, name, 0. */

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "proto/message.h"
#include "proto/name.h"

#define ENTRY_HEAD (8 + 1 + 4)
#define TYPE_MAX 15

void
proto_entry_put(struct buf_writer *w, const struct proto_entry *entry)
{
	const size_t len = strlen(entry->name);

	if (w->left < ENTRY_HEAD + len + 1) {
		w->failed = true;
		return;
	}
	buf_put_u64(w, entry->ino);
	buf_put_u8(w, entry->type);
	buf_put_u32(w, (uint32_t)len);
	buf_put_bytes(w, entry->name, len + 1);
}

int
proto_entry_get(struct buf_reader *r, struct proto_entry *entry)
{
	uint32_t len;

	if (r->left == 0)
		return r->failed ? -EPROTO : 0;
	entry->ino = buf_get_u64(r);
	entry->type = buf_get_u8(r);
	len = buf_get_u32(r);
	if (len > NAME_MAX || (entry->name = (const char *)buf_get_ref(r, len + 1)) == NULL ||
	    memchr(entry->name, '\0', len + 1) != entry->name + len)
		return -EPROTO;
	return entry->type > TYPE_MAX || !proto_name_valid(entry->name, len) ? -EPROTO : 1;
}
