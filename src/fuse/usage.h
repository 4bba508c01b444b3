/*
 * fuse/usage -- the texts of --help and --version.
 */

#ifndef FUSE_USAGE_H
#define FUSE_USAGE_H

void usage_help(void);
void usage_version(void);

#endif
