/*
 * fuse/conffile -- /etc/mendfs/NAME.conf: lines of KEY = VALUE.
 *
 * Syntax and keys: mendfs.conf(5).
 */

#ifndef FUSE_CONFFILE_H
#define FUSE_CONFFILE_H

#include <stdio.h>

#include "fuse/settings.h"

/*
 * conffile_read(file, path, settings):
 * Take in all lines of ${file}, which errors call ${path}.  -EINVAL: a line is
 * wrong; settings->error names the first.
 */
int conffile_read(FILE *file, const char *path, struct settings *settings);

#endif
