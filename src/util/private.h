/*
 * util/private -- files of keys, which nobody else may read.
 */

#ifndef UTIL_PRIVATE_H
#define UTIL_PRIVATE_H

#include <stddef.h>

/*
 * private_open(path, why, why_size):
 * Open a key file for reading.  It must be a regular file of the caller's or
 * root's, that others can neither read nor write.  Returns a descriptor, or a
 * negative errno value and in ${why} one line that says what is wrong and
 * what to do.
 */
int private_open(const char *path, char *why, size_t why_size);

#endif
