/*
 * lend/handles -- the handles of one session, by the client's own numbers.
 *
 * The table belongs to the thread that receives.  What it finds there another
 * thread may go on using: a handle is held by each that does, and closed on the
 * replica when it has been closed by the client and nobody holds it.
 */

#ifndef LEND_HANDLES_H
#define LEND_HANDLES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lend/quota.h"
#include "replica/replica.h"

struct handle {
	replica_handle inner;
	bool file;			/* from open or create: closed with close, else with dir_close */
	atomic_uint holders;		/* the table is one */
};

struct handles {
	struct replica *r;
	struct quota *quota;		/* told of what handles keep, or NULL */
	struct handle root;		/* PROTO_ROOT; in no table, never closed */
	struct handle **table;		/* by number; NULL: free */
	size_t room;			/* of the table, which grows up to ... */
	uint32_t limit;			/* ... this */
	atomic_uint count;
};

void handles_init(struct handles *h, struct replica *r, struct quota *quota, uint32_t limit);

/*
 * handles_reserve(h, number, handle):
 * Get one ready for ${number}, so that nothing can fail once it is opened:
 * then handles_put(), else free().  -EMFILE: the number is above the limit;
 * -EBADF: it is in use, or the root's; -ENOMEM.
 */
int handles_reserve(struct handles *h, uint32_t number, struct handle **handle);
void handles_put(struct handles *h, uint32_t number, struct handle *handle);

/* handles_find(h, number): NULL: no such handle. */
struct handle *handles_find(struct handles *h, uint32_t number);
/* handles_hold(handle), handles_let_go(h, handle): by any thread; the last one closes it. */
void handles_hold(struct handle *handle);
void handles_let_go(struct handles *h, struct handle *handle);
/* handles_close(h, number, file): -EBADF: no such handle, or one of the other kind. */
int handles_close(struct handles *h, uint32_t number, bool file);
/* handles_close_all(h): nobody holds any. */
void handles_close_all(struct handles *h);

#endif
