/*
 * meta/pending -- logs of what absent replicas missed, .mendfs/pending/UUID on each of the others.
 *
 * Errors: 0 or a negative errno value.
 *
 * Locking: none inside.
 */

#ifndef META_PENDING_H
#define META_PENDING_H

#include "format/pending.h"
#include "replica/replica.h"
#include "util/uuid.h"

/* pending_read(r, digest, uuid, pending): -ENOENT: there is none; else as pending_decode. */
int pending_read(struct replica *r, const struct digest *digest, const struct uuid *uuid, struct pending *pending);
/* pending_write(r, digest, uuid, pending): replace it, durably. */
int pending_write(struct replica *r, const struct digest *digest, const struct uuid *uuid, const struct pending *pending);
/* pending_remove(r, uuid): durably; harmless if there is none. */
int pending_remove(struct replica *r, const struct uuid *uuid);

#endif
