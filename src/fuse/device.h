/*
 * fuse/device -- the session's own reading and writing of /dev/fuse.
 */

#ifndef FUSE_DEVICE_H
#define FUSE_DEVICE_H

#include "fuse/libfuse.h"

/*
 * device_attach(session):
 * From now on ${session}, which is mounted and whose userdata is a struct
 * front, reads and writes through fuse/wire.  Returns 0 or a negative errno
 * value.
 */
int device_attach(struct fuse_session *session);

#endif
