/* Replies, to the operation that the first byte says; and the entries of a list. */

#include "proto/message.h"

#include "fuzz.h"

/* What is read from it reads the same when it has been written again. */
static void
again(unsigned op, const struct proto_reply *p)
{
	static uint8_t wire[PROTO_HEAD_MAX + PROTO_DATA_MAX];
	struct proto_reply q;
	int len;

	len = proto_reply_encode(op, p, wire, PROTO_HEAD_MAX);
	FUZZ_ASSERT(len > 0);
	if (p->result >= 0 && p->data_len > 0)
		memcpy(wire + len, p->data, p->data_len);
	FUZZ_ASSERT(proto_reply_decode(op, wire, (size_t)len + p->data_len, &q) == len + (int)p->data_len);
	FUZZ_ASSERT(q.id == p->id && q.result == p->result && q.record == p->record && q.flags == p->flags && q.offset == p->offset);
	FUZZ_ASSERT(q.data_len == p->data_len && memcmp(&q.st, &p->st, sizeof(q.st)) == 0 && memcmp(&q.vfs, &p->vfs, sizeof(q.vfs)) == 0);
}

static void
entries(const struct proto_reply *p)
{
	struct proto_entry entry;
	struct buf_reader r;

	buf_reader_init(&r, p->data, p->data_len);
	while (proto_entry_get(&r, &entry) == 1)
		FUZZ_ASSERT(strlen(entry.name) > 0 && strlen(entry.name) <= 255 && strchr(entry.name, '/') == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct proto_reply p;
	uint8_t *copy;
	size_t at = 0;
	uint32_t id;
	int used;

	if (len < 1)
		return 0;
	copy = fuzz_copy(data + 1, len - 1);
	while ((used = proto_reply_decode(data[0], copy + at, len - 1 - at, &p)) > 0) {
		FUZZ_ASSERT(proto_reply_id(copy + at, len - 1 - at, &id) == used && id == p.id);
		again(data[0], &p);
		if (data[0] == PROTO_LIST && p.result >= 0)
			entries(&p);
		at += (size_t)used;
	}
	free(copy);
	return 0;
}
