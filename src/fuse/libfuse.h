/*
 * fuse/libfuse -- libfuse's low-level interface, at the one version this
 * program is written for.
 */

#ifndef FUSE_LIBFUSE_H
#define FUSE_LIBFUSE_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#endif
