#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "model.h"

static void *
must(void *pointer)
{

	if (pointer == NULL) {
		fprintf(stderr, "oracle: out of memory\n");
		abort();
	}
	return pointer;
}

/* Seeds the generator below: Steele, Lea and Flood's SplitMix. */
static uint64_t
split(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void
random_seed(struct world *world, uint64_t seed)
{
	unsigned i;

	world->seed = seed;
	for (i = 0; i < 4; i++)
		world->random[i] = split(&seed);
}

static uint64_t
rotate(uint64_t x, unsigned by)
{

	return x << by | x >> (64 - by);
}

/* Blackman and Vigna's xoshiro256**. */
uint64_t
random_bits(struct world *world)
{
	uint64_t *s = world->random, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

uint64_t
random_below(struct world *world, uint64_t limit)
{

	return limit == 0 ? 0 : random_bits(world) % limit;
}

bool
chance(struct world *world, unsigned percent)
{

	return random_below(world, 100) < percent;
}

void
random_fill(struct world *world, uint8_t *out, size_t len)
{
	uint64_t bits;
	size_t i;

	switch (random_below(world, 8)) {
	case 0:
		memset(out, 0, len);
		return;
	case 1:
		memset(out, (int)random_below(world, 256), len);
		return;
	case 2:
		/* Whole blocks of zeros between others: their tags are special. */
		memset(out, 0, len);
		for (i = 0; i < len; i += 1 + random_below(world, 20000))
			out[i] = (uint8_t)(1 + random_below(world, 255));
		return;
	default:
		for (i = 0; i < len; i += 8) {
			bits = random_bits(world);
			memcpy(out + i, &bits, len - i < 8 ? len - i : 8);
		}
	}
}

struct inode *
inode_new(struct world *world, mode_t mode)
{
	struct inode *inode = must(calloc(1, sizeof(*inode)));

	inode->mode = mode;
	inode->spoilt = -1;
	if (world->inode_count == world->inode_room) {
		world->inode_room = world->inode_room * 2 + 64;
		world->inodes = must(realloc(world->inodes, world->inode_room * sizeof(*world->inodes)));
	}
	inode->index = world->inode_count;
	world->inodes[world->inode_count++] = inode;
	return inode;
}

static void
inherit_acl(struct inode *inode, const struct xattr *list)
{
	uint8_t raw[ACL_BYTES_MAX];
	mode_t mode = inode->mode;
	struct acl acl;

	acl_decode(&acl, list->value, list->len);
	acl_inherit(&acl, &mode);
	inode->mode = mode;
	if (!acl_trivial(&acl))
		xattr_put(inode, ACL_ACCESS_NAME, raw, acl_encode(&acl, raw));
	if (S_ISDIR(mode))
		xattr_put(inode, ACL_DEFAULT_NAME, list->value, list->len);
}

struct inode *
inode_create(struct world *world, struct inode *dir, mode_t mode, mode_t umask)
{
	struct inode *inode = inode_new(world, mode);
	const struct xattr *list = xattr_find(dir, ACL_DEFAULT_NAME);

	if (S_ISLNK(mode))
		inode->mode = S_IFLNK | 0777;
	else if (list != NULL)
		inherit_acl(inode, list);
	else
		inode->mode &= ~umask;
	if (dir->mode & S_ISGID) {
		inode->gid = dir->gid;
		if (S_ISDIR(mode))
			inode->mode |= S_ISGID;
	}
	if (S_ISDIR(mode))
		inode->nlink = 2;
	time_must(world, inode, TIME_M | TIME_C);
	return inode;
}

void
inode_drop(struct world *world, struct inode *inode)
{
	unsigned i;

	if (inode->name_count > 0 || inode->handles > 0 || inode->maps > 0 || inode == world->root)
		return;
	if (inode->limit > LIMIT_MEDIUM)
		world->large_count--;
	world->inodes[inode->index] = world->inodes[--world->inode_count];
	world->inodes[inode->index]->index = inode->index;
	bytes_free(&inode->data);
	while (inode->xattr_count > 0)
		xattr_drop(inode, inode->xattrs[0].name);
	for (i = 0; i < HISTORY; i++)
		free(inode->history[i]);
	free(inode->xattrs);
	free(inode->children);
	free(inode->names);
	free(inode->target);
	free(inode);
}

void
tree_free(struct world *world)
{
	size_t i;

	for (i = 0; i < world->entry_count; i++) {
		free(world->entries[i]->name);
		free(world->entries[i]);
	}
	world->root = NULL;
	while (world->inode_count > 0) {
		world->inodes[0]->name_count = 0;
		inode_drop(world, world->inodes[0]);
	}
	free(world->entries);
	free(world->inodes);
}

static void
attach(struct entry *entry, struct inode *dir, const char *name)
{

	entry->dir = dir;
	free(entry->name);
	entry->name = must(strdup(name));
	if (dir->child_count == dir->child_room) {
		dir->child_room = dir->child_room * 2 + 8;
		dir->children = must(realloc(dir->children, dir->child_room * sizeof(*dir->children)));
	}
	dir->children[dir->child_count++] = entry;
	if (S_ISDIR(entry->inode->mode))
		dir->nlink++;
}

static void
detach(struct entry *entry)
{
	struct inode *dir = entry->dir;
	size_t i;

	for (i = 0; dir->children[i] != entry; i++)
		continue;
	dir->children[i] = dir->children[--dir->child_count];
	if (S_ISDIR(entry->inode->mode))
		dir->nlink--;
}

static void
name_add(struct inode *inode, struct entry *entry)
{

	inode->names = must(realloc(inode->names, (inode->name_count + 1) * sizeof(*inode->names)));
	inode->names[inode->name_count++] = entry;
}

static void
name_remove(struct inode *inode, struct entry *entry)
{
	size_t i;

	for (i = 0; inode->names[i] != entry; i++)
		continue;
	inode->names[i] = inode->names[--inode->name_count];
}

struct entry *
entry_add(struct world *world, struct inode *dir, const char *name, struct inode *inode)
{
	struct entry *entry = must(calloc(1, sizeof(*entry)));

	if (world->entry_count == world->entry_room) {
		world->entry_room = world->entry_room * 2 + 64;
		world->entries = must(realloc(world->entries, world->entry_room * sizeof(*world->entries)));
	}
	entry->index = world->entry_count;
	world->entries[world->entry_count++] = entry;
	entry->inode = inode;
	attach(entry, dir, name);
	name_add(inode, entry);
	if (!S_ISDIR(inode->mode))
		inode->nlink++;
	return entry;
}

void
entry_remove(struct world *world, struct entry *entry)
{
	struct inode *inode = entry->inode;

	detach(entry);
	name_remove(inode, entry);
	inode->nlink -= S_ISDIR(inode->mode) ? 2 : 1;
	world->entries[entry->index] = world->entries[--world->entry_count];
	world->entries[entry->index]->index = entry->index;
	free(entry->name);
	free(entry);
	inode_drop(world, inode);
}

struct entry *
entry_find(const struct inode *dir, const char *name)
{
	size_t i;

	for (i = 0; i < dir->child_count; i++)
		if (strcmp(dir->children[i]->name, name) == 0)
			return dir->children[i];
	return NULL;
}

void
entry_move(struct entry *entry, struct inode *dir, const char *name)
{

	detach(entry);
	attach(entry, dir, name);
}

void
entry_swap(struct entry *a, struct entry *b)
{
	struct inode *inode = a->inode;

	a->dir->nlink -= S_ISDIR(inode->mode) ? 1 : 0;
	b->dir->nlink -= S_ISDIR(b->inode->mode) ? 1 : 0;
	name_remove(a->inode, a);
	name_remove(b->inode, b);
	a->inode = b->inode;
	b->inode = inode;
	name_add(a->inode, a);
	name_add(b->inode, b);
	a->dir->nlink += S_ISDIR(a->inode->mode) ? 1 : 0;
	b->dir->nlink += S_ISDIR(b->inode->mode) ? 1 : 0;
}

void
dir_path(const struct inode *dir, const char *name, char *out)
{
	char reversed[PATH_BYTES_MAX * 2];
	size_t at = sizeof(reversed) - 1, len;

	reversed[at] = '\0';
	for (;;) {
		if (name != NULL) {
			len = strlen(name);
			at -= len;
			memcpy(reversed + at, name, len);
			reversed[--at] = '/';
		}
		if (dir->name_count == 0)
			break;
		name = dir->names[0]->name;
		dir = dir->names[0]->dir;
	}
	memcpy(out, reversed + at, sizeof(reversed) - at < PATH_BYTES_MAX ? sizeof(reversed) - at : PATH_BYTES_MAX);
	out[PATH_BYTES_MAX - 1] = '\0';
}

bool
inode_is_above(const struct inode *above, const struct inode *inode)
{

	for (;;) {
		if (inode == above)
			return true;
		if (inode->name_count == 0)
			return false;
		inode = inode->names[0]->dir;
	}
}

unsigned
inode_depth(const struct inode *dir)
{
	unsigned depth = 0;

	for (; dir->name_count > 0; dir = dir->names[0]->dir)
		depth++;
	return depth;
}

size_t
inode_reach(const struct inode *inode, unsigned *height)
{
	size_t i, longest = 0, below;
	unsigned tallest = 0, h;

	for (i = 0; i < inode->child_count; i++) {
		below = 1 + strlen(inode->children[i]->name) + inode_reach(inode->children[i]->inode, &h);
		longest = below > longest ? below : longest;
		tallest = h + 1 > tallest ? h + 1 : tallest;
	}
	*height = tallest;
	return longest;
}

struct xattr *
xattr_find(const struct inode *inode, const char *name)
{
	size_t i;

	for (i = 0; i < inode->xattr_count; i++)
		if (strcmp(inode->xattrs[i].name, name) == 0)
			return &inode->xattrs[i];
	return NULL;
}

void
xattr_put(struct inode *inode, const char *name, const void *value, size_t len)
{
	struct xattr *xattr;
	uint8_t *copy = must(malloc(len + 1));

	if (len > 0)
		memcpy(copy, value, len);
	if ((xattr = xattr_find(inode, name)) == NULL) {
		inode->xattrs = must(realloc(inode->xattrs, (inode->xattr_count + 1) * sizeof(*inode->xattrs)));
		xattr = &inode->xattrs[inode->xattr_count++];
		xattr->name = must(strdup(name));
	} else {
		free(xattr->value);
	}
	xattr->value = copy;
	xattr->len = len;
}

void
xattr_drop(struct inode *inode, const char *name)
{
	struct xattr *xattr = xattr_find(inode, name);

	if (xattr == NULL)
		return;
	free(xattr->name);
	free(xattr->value);
	*xattr = inode->xattrs[--inode->xattr_count];
}

size_t
xattr_total(const struct inode *inode)
{
	size_t i, total = 0;

	for (i = 0; i < inode->xattr_count; i++)
		total += 24 + strlen(inode->xattrs[i].name) + inode->xattrs[i].len;
	return total;
}

void
time_must(const struct world *world, struct inode *inode, unsigned which)
{

	inode->must |= which;
	inode->may &= ~which;
	inode->moved = world->began;
}

void
time_may(const struct world *world, struct inode *inode, unsigned which)
{

	/* What must have moved before need not have moved again: keep the earlier bound. */
	if (inode->must == 0 && inode->may == 0)
		inode->moved = world->began;
	inode->may |= which & ~inode->must;
}
