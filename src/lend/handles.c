#include "lend/handles.h"

#include <errno.h>
#include <stdlib.h>

#include "lend/change.h"
#include "proto/message.h"

#define ROOM_START 32

void
handles_init(struct handles *h, struct replica *r, struct quota *quota, uint32_t limit)
{
	h->r = r;
	h->quota = quota;
	h->root.inner = REPLICA_ROOT;
	h->root.file = false;
	atomic_init(&h->root.holders, 1);
	h->table = NULL;
	h->room = 0;
	h->limit = limit;
	h->count = 0;
}

static int
grow(struct handles *h, uint32_t number)
{
	struct handle **table;
	size_t room = h->room == 0 ? ROOM_START : h->room;

	while (room <= number)
		room *= 2;
	if (room > h->limit)
		room = h->limit;
	if ((table = realloc(h->table, room * sizeof(*table))) == NULL)
		return -ENOMEM;
	for (size_t i = h->room; i < room; i++)
		table[i] = NULL;
	h->table = table;
	h->room = room;
	return 0;
}

int
handles_reserve(struct handles *h, uint32_t number, struct handle **handle)
{
	struct handle *made;

	if (number >= h->limit)
		return -EMFILE;
	if (number >= h->room && grow(h, number) != 0)
		return -ENOMEM;
	if (number == PROTO_ROOT || h->table[number] != NULL)
		return -EBADF;
	if ((made = calloc(1, sizeof(*made))) == NULL)
		return -ENOMEM;
	atomic_init(&made->holders, 1);
	*handle = made;
	return 0;
}

void
handles_put(struct handles *h, uint32_t number, struct handle *handle)
{
	h->table[number] = handle;
	h->count++;
	change_opened(h->quota, h->r, handle->inner);
}

struct handle *
handles_find(struct handles *h, uint32_t number)
{
	if (number == PROTO_ROOT)
		return &h->root;
	return number < h->room ? h->table[number] : NULL;
}

void
handles_hold(struct handle *handle)
{
	atomic_fetch_add(&handle->holders, 1);
}

void
handles_let_go(struct handles *h, struct handle *handle)
{
	/* Never the root: the session itself holds it. */
	if (atomic_fetch_sub(&handle->holders, 1) != 1)
		return;
	change_close(h->quota, h->r, handle->inner, handle->file ? h->r->ops->close : h->r->ops->dir_close);
	free(handle);
}

int
handles_close(struct handles *h, uint32_t number, bool file)
{
	struct handle *handle;

	if (number == PROTO_ROOT || (handle = handles_find(h, number)) == NULL || handle->file != file)
		return -EBADF;
	h->table[number] = NULL;
	h->count--;
	handles_let_go(h, handle);
	return 0;
}

void
handles_close_all(struct handles *h)
{
	for (size_t i = 0; i < h->room; i++)
		if (h->table[i] != NULL)
			handles_let_go(h, h->table[i]);
	free(h->table);
	h->table = NULL;
	h->room = 0;
	h->count = 0;
}
