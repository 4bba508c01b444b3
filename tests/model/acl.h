/*
 * model/acl -- POSIX access control lists as the model understands them.
 *
 * The algorithms are those of the POSIX 1003.1e draft 17 as acl(5) describes
 * them; the encoding is that of the attributes system.posix_acl_access and
 * system.posix_acl_default.
 */

#ifndef MODEL_ACL_H
#define MODEL_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ACL_ACCESS_NAME "system.posix_acl_access"
#define ACL_DEFAULT_NAME "system.posix_acl_default"
#define ACL_ENTRIES_MAX 12
#define ACL_BYTES_MAX (4 + 8 * ACL_ENTRIES_MAX)

struct acl_entry { uint16_t tag, perm; uint32_t id; };

struct acl {
	struct acl_entry entries[ACL_ENTRIES_MAX];
	unsigned count;
};

/* acl_random(acl, random): make up a valid list out of 64 random bits. */
void acl_random(struct acl *acl, uint64_t random);
/* acl_encode(acl, out): ACL_BYTES_MAX bytes of room; returns the length. */
size_t acl_encode(const struct acl *acl, uint8_t *out);
void acl_decode(struct acl *acl, const uint8_t *data, size_t len);
/* acl_trivial(acl): no more than what the mode's nine bits say. */
bool acl_trivial(const struct acl *acl);
/* acl_mode(acl): the nine bits of the mode that go with an access list. */
mode_t acl_mode(const struct acl *acl);
/* acl_chmod(acl, mode): what chmod(2) makes of an access list. */
void acl_chmod(struct acl *acl, mode_t mode);
/* acl_inherit(acl, mode): turn a default list into a new file's access list; changes its mode too. */
void acl_inherit(struct acl *acl, mode_t *mode);

#endif
