/*
 * control/server -- the daemon's ear for mendctl: a socket that only its own
 * user, and root, can talk to.
 */

#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include <sys/types.h>

#include "volume/volume.h"

struct control;

/*
 * control_start(volume, mountpoint, dev, control):
 * Listen; ${dev} is the mount's device number.  What a daemon that was killed
 * left in the socket's place is replaced.  On error, a negative errno value, a
 * message was logged.  ${mountpoint} must outlive it.
 */
int control_start(struct volume *volume, const char *mountpoint, dev_t dev, struct control **control);

/* control_stop(control): hang up, wait for commands that are under way, remove the socket.  NULL is fine. */
void control_stop(struct control *control);

#endif
