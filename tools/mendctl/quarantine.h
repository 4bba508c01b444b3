/*
 * mendctl/quarantine -- what the files of that command share.
 */

#ifndef MENDCTL_QUARANTINE_H
#define MENDCTL_QUARANTINE_H

#include "kept.h"

/*
 * restore_version(version, mountpoint, as):
 * Copy it into the volume, by way of the mount, so that all replicas have it:
 * to ${as}, a path from the volume's top, or, if that is NULL, to where it
 * stood, or beside it under another name.  It never replaces anything, and
 * has its name only when it is whole.  The exit status; tells what it did.
 */
int restore_version(const struct kept_version *version, const char *mountpoint, const char *as);

#endif
