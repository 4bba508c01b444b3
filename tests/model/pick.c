#include <fcntl.h>
#include <string.h>

#include "oracle.h"

struct inode *
pick_inode(struct world *world, mode_t type)
{
	struct inode *inode;
	unsigned i;

	for (i = 0; i < 40; i++) {
		inode = world->inodes[random_below(world, world->inode_count)];
		if ((type == 0 || (inode->mode & S_IFMT) == type) && (inode->name_count > 0 || inode == world->root))
			return inode;
	}
	return NULL;
}

struct inode *
pick_directory(struct world *world)
{
	struct inode *inode = pick_inode(world, S_IFDIR);

	return inode != NULL ? inode : world->root;
}

struct entry *
pick_entry(struct world *world, mode_t type)
{
	struct entry *entry;
	unsigned i;

	for (i = 0; i < 40 && world->entry_count > 0; i++) {
		entry = world->entries[random_below(world, world->entry_count)];
		if (type == 0 || (entry->inode->mode & S_IFMT) == type)
			return entry;
	}
	return NULL;
}

struct handle *
pick_handle(struct world *world, int access)
{
	struct handle *handle;
	unsigned i;
	int mode;

	for (i = 0; i < 20 && world->handle_count > 0; i++) {
		handle = &world->handles[random_below(world, world->handle_count)];
		mode = handle->flags & O_ACCMODE;
		if (access < 0 || mode == O_RDWR || mode == access)
			return handle;
	}
	return NULL;
}

static void
raw_name(struct world *world, char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		do
			name[i] = (char)random_bits(world);
		while (name[i] == '\0' || name[i] == '/');
	name[len] = '\0';
}

void
pick_name(struct world *world, const struct inode *dir, char *name)
{
	uint64_t kind = random_below(world, 100);

	if (kind < 25 && dir->child_count > 0) {
		strcpy(name, dir->children[random_below(world, dir->child_count)]->name);
	} else if (kind < 60) {
		/* Few names, so that they meet. */
		snprintf(name, NAME_BYTES_MAX, "%c%u", "fdlx"[random_below(world, 4)], (unsigned)random_below(world, 60));
	} else if (kind < 90) {
		raw_name(world, name, 1 + random_below(world, 30));
	} else if (kind < 98) {
		raw_name(world, name, NAME_BYTES_MAX - random_below(world, 60));
	} else {
		raw_name(world, name, NAME_BYTES_MAX + 1);
	}
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, ".mendfs") == 0)
		strcpy(name, "dot");
}

bool
name_fits(const struct inode *dir, const char *name)
{
	char path[PATH_BYTES_MAX];

	dir_path(dir, name, path);
	return strlen(path) < PATH_BYTES_LIMIT && inode_depth(dir) < DEPTH_LIMIT;
}

int
name_error(const char *name)
{

	return strlen(name) > NAME_BYTES_MAX ? ENAMETOOLONG : 0;
}

void
pick_limit(struct world *world, struct inode *inode)
{
	uint64_t kind = random_below(world, 100);

	inode->limit = LIMIT_SMALL;
	if (kind < 20)
		inode->limit = LIMIT_MEDIUM;
	else if (kind < 28 && world->large_count < 16)
		inode->limit = LIMIT_LARGE;
	/* All of a file that a lost replica may have had in its cache is compared when it is back. */
	else if (kind < 31 && world->large_count < (world->options->members_go ? 1 : 16))
		inode->limit = LIMIT_SPARSE;
	if (inode->limit > LIMIT_MEDIUM)
		world->large_count++;
}

static uint64_t
pick_offset(struct world *world, const struct inode *inode)
{
	uint64_t size = inode->data.size, limit = inode->limit;

	switch (random_below(world, 6)) {
	case 0:
		return size;
	case 1:
		return random_below(world, size + 1) / 4096 * 4096;
	case 2:
		if (limit > LIMIT_LARGE)
			return (random_below(world, 3) << 30) + random_below(world, 64 << 10);
		return random_below(world, limit);
	case 3:
		return size + random_below(world, 9000);
	default:
		return random_below(world, size + 1);
	}
}

void
pick_range(struct world *world, const struct inode *inode, uint64_t *offset, size_t *len)
{
	uint64_t most = inode->limit > LIMIT_LARGE ? 65536 : inode->limit / 4 > SCRATCH / 2 ? SCRATCH / 2 : inode->limit / 4;

	*offset = pick_offset(world, inode);
	switch (random_below(world, 10)) {
	case 0: case 1: case 2: case 3:
		*len = 1 + random_below(world, 100);
		break;
	case 4: case 5: case 6:
		*len = 1 + random_below(world, 9000);
		break;
	case 7: case 8:
		*len = 4096 * (1 + random_below(world, 4));
		break;
	default:
		*len = 1 + random_below(world, most);
	}
	if (*offset >= inode->limit)
		*offset = inode->limit - 1;
	if (*len > inode->limit - *offset)
		*len = inode->limit - *offset;
}
