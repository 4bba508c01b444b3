#include <endian.h>
#include <string.h>

#include "acl.h"

enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };

#define NO_ID 0xffffffffu

static void
add(struct acl *acl, unsigned tag, unsigned perm, uint32_t id)
{

	acl->entries[acl->count++] = (struct acl_entry){ (uint16_t)tag, (uint16_t)(perm & 7), id };
}

void
acl_random(struct acl *acl, uint64_t random)
{
	unsigned users = random & 3, groups = random >> 2 & 3, i;

	random >>= 8;
	acl->count = 0;
	add(acl, USER_OBJ, (unsigned)random, NO_ID);
	for (i = 0; i < users; i++)
		add(acl, USER, (unsigned)(random >> (3 + i * 3)), 1000 + i);
	add(acl, GROUP_OBJ, (unsigned)(random >> 12), NO_ID);
	for (i = 0; i < groups; i++)
		add(acl, GROUP, (unsigned)(random >> (15 + i * 3)), 2000 + i);
	if (users + groups > 0 || (random >> 40 & 3) == 0)
		add(acl, MASK, (unsigned)(random >> 24), NO_ID);
	add(acl, OTHER, (unsigned)(random >> 27), NO_ID);
}

size_t
acl_encode(const struct acl *acl, uint8_t *out)
{
	uint32_t word = htole32(2);
	uint16_t half;
	unsigned i;

	memcpy(out, &word, 4);
	for (i = 0; i < acl->count; i++) {
		half = htole16(acl->entries[i].tag);
		memcpy(out + 4 + 8 * i, &half, 2);
		half = htole16(acl->entries[i].perm);
		memcpy(out + 6 + 8 * i, &half, 2);
		word = htole32(acl->entries[i].id);
		memcpy(out + 8 + 8 * i, &word, 4);
	}
	return 4 + 8 * (size_t)acl->count;
}

void
acl_decode(struct acl *acl, const uint8_t *data, size_t len)
{
	uint32_t word;
	uint16_t half;
	unsigned i;

	acl->count = 0;
	for (i = 0; 4 + 8 * (size_t)(i + 1) <= len && i < ACL_ENTRIES_MAX; i++) {
		memcpy(&half, data + 4 + 8 * i, 2);
		acl->entries[i].tag = le16toh(half);
		memcpy(&half, data + 6 + 8 * i, 2);
		acl->entries[i].perm = le16toh(half);
		memcpy(&word, data + 8 + 8 * i, 4);
		acl->entries[i].id = le32toh(word);
		acl->count++;
	}
}

bool
acl_trivial(const struct acl *acl)
{

	return acl->count == 3;
}

static struct acl_entry *
find(struct acl *acl, unsigned tag)
{
	unsigned i;

	for (i = 0; i < acl->count; i++)
		if (acl->entries[i].tag == tag)
			return &acl->entries[i];
	return NULL;
}

/* The entry that the group bits of the mode stand for. */
static struct acl_entry *
group_class(struct acl *acl)
{
	struct acl_entry *mask = find(acl, MASK);

	return mask != NULL ? mask : find(acl, GROUP_OBJ);
}

mode_t
acl_mode(const struct acl *acl)
{
	struct acl copy = *acl;

	return (mode_t)(find(&copy, USER_OBJ)->perm << 6 | group_class(&copy)->perm << 3 | find(&copy, OTHER)->perm);
}

void
acl_chmod(struct acl *acl, mode_t mode)
{

	find(acl, USER_OBJ)->perm = mode >> 6 & 7;
	group_class(acl)->perm = mode >> 3 & 7;
	find(acl, OTHER)->perm = mode & 7;
}

void
acl_inherit(struct acl *acl, mode_t *mode)
{

	find(acl, USER_OBJ)->perm &= *mode >> 6 & 7;
	group_class(acl)->perm &= *mode >> 3 & 7;
	find(acl, OTHER)->perm &= *mode & 7;
	*mode = (*mode & ~(mode_t)0777) | acl_mode(acl);
}
