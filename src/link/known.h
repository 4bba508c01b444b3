/*
 * link/known -- which key a server must have, as ssh's known_hosts.
 *
 * A file of lines "HOST:PORT KEY"; "#" begins a comment.  Nothing is added
 * without being asked for: who believes the key of a first connection
 * believes whoever answered it.
 *
 * Errors: a negative errno value, and in ${why} one line that says what is
 * wrong and what to do.
 */

#ifndef LINK_KNOWN_H
#define LINK_KNOWN_H

#include "link/address.h"
#include "link/key.h"

/*
 * known_find(path, server, key, why, why_size):
 * ${path}: NULL for the default file.  -ENOENT: the server is not in it, or
 * the file is not there; ${why} says how to add it.  -EINVAL: a line that is
 * none.  -EEXIST: two lines with different keys.  -EPERM: others can write it.
 */
int known_find(const char *path, const struct address *server, uint8_t key[LINK_KEY_SIZE], char *why, size_t why_size);

/*
 * known_add(path, server, key, why, why_size):
 * Append a line, durably.  0 as well if the line is there.  -EEXIST: another
 * key is there for this server: somebody must remove that line first.
 */
int known_add(const char *path, const struct address *server, const uint8_t key[LINK_KEY_SIZE], char *why, size_t why_size);

#endif
