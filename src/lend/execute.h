/*
 * lend/execute -- one request, done on the replica.
 */

#ifndef LEND_EXECUTE_H
#define LEND_EXECUTE_H

#include "lend/change.h"
#include "lend/handles.h"
#include "proto/message.h"

/* Which handle a request has to have; with a name always that of a directory. */
enum execute_handle { EXECUTE_NONE, EXECUTE_ANY, EXECUTE_DIR, EXECUTE_FILE };

struct execution {
	struct replica *r;
	struct quota *quota;
	const struct proto_request *q;
	replica_handle handle, to;	/* the replica's, for q's */
	replica_handle made;		/* out: what was opened, or REPLICA_NONE */
	uint8_t *buffer;		/* execute_room() bytes, at a multiple of REPLICA_DIRECT_ALIGN */
	struct proto_reply *reply;	/* out; its data may lie in ${buffer} */
	/* LIST: ${reply} is full, and more of them follow; another value than 0 ends it. */
	int (*more)(struct execution *x);
};

/* execute_handle(q): what q->handle has to be. */
enum execute_handle execute_handle(const struct proto_request *q);
/* execute_room(q): bytes of the buffer that it needs. */
size_t execute_room(const struct proto_request *q);
/* execute(x): the result, which is in the reply, too. */
int execute(struct execution *x);

#endif
