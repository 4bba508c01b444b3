/*
 * fuse/caller -- what the kernel knows of a caller, and a request does not say.
 */

#ifndef FUSE_CALLER_H
#define FUSE_CALLER_H

#include "fuse/front.h"
#include "volume/node.h"

/*
 * caller_outside(req, node):
 * Is the file set-group-id without group execution, and the caller neither
 * root nor in its group?  Then a change takes the bit away, which it leaves
 * to others.  False where the caller's groups cannot be learnt, which is
 * what a mount seen from another PID namespace gives.
 */
bool caller_outside(fuse_req_t req, struct node *node);

/*
 * caller_stranger(req, node):
 * Is the caller neither root nor the file's owner, and may nobody else write
 * it?  Others are taken for writers, whose writes clear set-id bits.
 */
bool caller_stranger(fuse_req_t req, struct node *node);

#endif
