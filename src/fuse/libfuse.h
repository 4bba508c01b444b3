/*
 * fuse/libfuse -- libfuse's low-level interface.
 *
 * Written for 3.14 and for 3.17, which calls it 317 and whose one difference
 * that matters is in fuse/device.
 */

#ifndef FUSE_LIBFUSE_H
#define FUSE_LIBFUSE_H

#define FUSE_USE_VERSION 317
#include <fuse_lowlevel.h>

#endif
