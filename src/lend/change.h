/*
 * lend/change -- what requests do to the size of an export.
 *
 *	if ((rc = change_begin(&c, quota, r, &what)) == 0) {
 *		... execute ...
 *		change_end(&c, rc);
 *	}
 *
 * All that changes an export comes from the one session that has the lease, one
 * request after the other.  Without a quota (NULL) nothing of this costs anything.
 */

#ifndef LEND_CHANGE_H
#define LEND_CHANGE_H

#include "lend/quota.h"
#include "proto/message.h"
#include "replica/replica.h"

/* A request, with the replica's own handles for the client's. */
struct change_request {
	const struct proto_request *q;
	replica_handle handle, to;
};

struct change {
	struct quota *quota;		/* NULL: nothing is counted */
	struct replica *r;
	const struct change_request *what;
	struct stat before;		/* of what is changed, or of what loses a name */
	bool known;			/* ${before} was found */
};

/* change_begin(c, quota, r, what): -EDQUOT: it may need more than is left, and is not to be done. */
int change_begin(struct change *c, struct quota *quota, struct replica *r, const struct change_request *what);
/* change_end(c, rc, made): it was done, or failed.  ${made}: TMPFILE's handle. */
void change_end(struct change *c, int rc, replica_handle made);

/* change_opened(quota, r, handle): a handle keeps its inode from now on ... */
void change_opened(struct quota *quota, struct replica *r, replica_handle handle);
/* ... until change_close(quota, r, handle, close), which closes it. */
void change_close(struct quota *quota, struct replica *r, replica_handle handle, void (*close)(struct replica *, replica_handle));

#endif
