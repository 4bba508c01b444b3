/*
 * fuse/serve -- one mount from its volume's opening to its closing.
 */

#ifndef FUSE_SERVE_H
#define FUSE_SERVE_H

#include "fuse/options.h"

/*
 * serve(options):
 * Open the volume, mount it, go to the background unless told otherwise, serve
 * until unmounted, close.  Returns 0 or a negative errno value, already
 * logged.  In the background only the daemon returns; the process that the
 * user started exits inside, as soon as the mount works or has failed.
 */
int serve(const struct options *options);

#endif
