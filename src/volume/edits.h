/*
 * volume/edits -- what somebody wrote to a replica behind our back.
 *
 * A copy whose bytes are wrong and whose seal is whole rotted; nobody wants
 * that back.  Where the seal is broken somebody wrote it, and may miss it.
 */

#ifndef VOLUME_EDITS_H
#define VOLUME_EDITS_H

#include "volume/state.h"

/*
 * edits_keep(volume, member, node, handle):
 * The copy of ${node} on ${member}, open as ${handle}, is about to be mended:
 * if it was edited, put that version into the member's quarantine first, and
 * the seal back, so that it is kept once.  Nothing to do for a file that is
 * dirty, whose seal tells nothing.  Node lock, shared.  An error, told in the
 * log: it could not be kept, and must not be mended.
 */
int edits_keep(struct volume *volume, struct member *member, struct node *node, replica_handle handle);

#endif
