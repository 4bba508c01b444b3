/*
 * meta/keyfile -- the volume's key, from a file that only its owner can read.
 */

#ifndef META_KEYFILE_H
#define META_KEYFILE_H

#include <stddef.h>
#include <stdint.h>

#include "hash/digest.h"

/*
 * keyfile_read(path, key, why, why_size):
 * Read DIGEST_KEY_SIZE bytes, or twice as many hexadecimal digits and perhaps
 * a newline.  The file must be a regular one of root's or the caller's, that
 * others can neither read nor write.  On error a negative errno value, and in
 * ${why} one line that says what is wrong and what to do.
 */
int keyfile_read(const char *path, uint8_t key[DIGEST_KEY_SIZE], char *why, size_t why_size);

#endif
