/*
 * link/key -- who a machine is: an X25519 key pair, in a file and as text.
 *
 *	the file    mendfs-secret-key BASE64
 *	for others  mendfs-key:BASE64
 *
 * Errors: a negative errno value, and in ${why} one line that says what is
 * wrong and what to do.
 */

#ifndef LINK_KEY_H
#define LINK_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/link.h"

#define KEY_TEXT_SIZE 56	/* of a public key as text: the prefix, 44 bytes, the NUL */

struct key_pair { uint8_t secret[LINK_KEY_SIZE]; uint8_t public[LINK_KEY_SIZE]; };

/* key_pair_new(pair): a new one, at random. */
void key_pair_new(struct key_pair *pair);
/* key_pair_from(pair, secret): the pair of a secret key. */
void key_pair_from(struct key_pair *pair, const uint8_t secret[LINK_KEY_SIZE]);
/* key_pair_clear(pair): the secret is in memory no more. */
void key_pair_clear(struct key_pair *pair);

/*
 * key_default_path(name, path, size):
 * Where this user's file ${name} is ("key", "known-servers"): what the
 * environment says (MENDFS_KEY, MENDFS_KNOWN_SERVERS), else /etc/mendfs for
 * root, and for others $XDG_CONFIG_HOME/mendfs or ~/.config/mendfs.
 * -ENAMETOOLONG; -ENOENT: no home.
 */
int key_default_path(const char *name, char *path, size_t size);

/* key_make_folder(path): the folders that ${path} is in, those that are missing. */
int key_make_folder(const char *path);

/*
 * key_pair_read(path, pair, why, why_size):
 * ${path}: NULL for the default one.  Refused unless it is a regular file of
 * the caller's or root's, that nobody else can read or write.
 */
int key_pair_read(const char *path, struct key_pair *pair, char *why, size_t why_size);
/* key_pair_write(path, pair, why, why_size): never over a file that is there; the folder is made if it is missing. */
int key_pair_write(const char *path, const struct key_pair *pair, char *why, size_t why_size);

void key_to_text(const uint8_t key[LINK_KEY_SIZE], char text[KEY_TEXT_SIZE]);
/* key_from_text(text, key): -EINVAL: no public key, or none that anybody can have the secret of. */
int key_from_text(const char *text, uint8_t key[LINK_KEY_SIZE]);
/* key_equal(a, b): in a time that tells nothing. */
bool key_equal(const uint8_t a[LINK_KEY_SIZE], const uint8_t b[LINK_KEY_SIZE]);

#endif
