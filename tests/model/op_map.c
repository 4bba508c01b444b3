/*
 * Mappings.
 *
 * What is stored through a shared mapping is the file's at once; when its
 * mtime moves is not said.  So such an inode is fuzzy until it was settled.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "oracle.h"

/* How much of the mapping may be touched: beyond the last page of the file lies SIGBUS. */
static size_t
usable(const struct map *map)
{
	uint64_t size = map->inode->data.size;

	if (size <= map->offset)
		return 0;
	return size - map->offset < map->len ? (size_t)(size - map->offset) : map->len;
}

void
settle(struct world *world, struct inode *inode)
{
	size_t i;

	if (!inode->fuzzy)
		return;
	for (i = 0; i < world->map_count; i++)
		if (world->maps[i].inode == inode)
			expect(world, inode, "msync", msync(world->maps[i].memory, world->maps[i].len, MS_SYNC), 0);
	for (i = 0; i < world->handle_count; i++)
		if (world->handles[i].inode == inode)
			expect(world, inode, "fsync", WITH_ROOM(world, fsync(world->handles[i].fd)), 0);
	check_inode(world, inode);
	inode->fuzzy = false;
}

static void
map_read(struct world *world, const struct map *map)
{
	size_t room = usable(map), at, len;

	if (room == 0)
		return;
	at = random_below(world, room);
	len = 1 + random_below(world, room - at);
	check_data(world, map->inode, map->offset + at, map->memory + at, len, "reading a mapping");
}

static void
map_store(struct world *world, struct map *map)
{
	size_t room = usable(map), at, len;

	if (room == 0)
		return;
	at = random_below(world, room);
	len = 1 + random_below(world, room - at < 6000 ? room - at : 6000);
	random_fill(world, world->scratch, len);
	note(world, map->inode, "store through a mapping, offset %" PRIu64 " len %zu", map->offset + at, len);
	map->inode->fuzzy = true;
	memcpy(map->memory + at, world->scratch, len);
	bytes_write(&map->inode->data, map->offset + at, world->scratch, len);
}

/* What is stored in a private mapping stays there. */
static void
private_once(struct world *world, struct handle *handle, uint64_t offset, size_t len)
{
	struct map map = { .offset = offset, .len = len, .private = true, .inode = handle->inode };
	size_t room = usable(&map);

	note(world, handle->inode, "private mapping of fd %d, offset %" PRIu64 " len %zu", handle->fd, offset, len);
	map.memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, handle->fd, (off_t)offset);
	expect(world, handle->inode, "mmap", map.memory == MAP_FAILED ? -1 : 0, 0);
	map_read(world, &map);
	if (room > 0)
		memset(map.memory, 0x5a, room < 5000 ? room : 5000);
	expect(world, handle->inode, "munmap", munmap(map.memory, len), 0);
	check_contents(world, handle->inode, false);
}

bool
op_map(struct world *world)
{
	struct handle *handle = pick_handle(world, O_RDONLY);
	struct map *map = &world->maps[world->map_count];
	size_t len, unused;
	uint64_t offset;

	if (handle == NULL || handle->inode->data.size == 0)
		return false;
	pick_range(world, handle->inode, &offset, &unused);
	offset = random_below(world, handle->inode->data.size) / 4096 * 4096;
	len = 1 + random_below(world, 100000);
	if ((handle->flags & O_ACCMODE) != O_RDWR || chance(world, 20)) {
		private_once(world, handle, offset, len);
		return true;
	}
	if (world->map_count == MAPS_MAX || world->full)
		return false;
	note(world, handle->inode, "shared mapping of fd %d, offset %" PRIu64 " len %zu", handle->fd, offset, len);
	map->memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, handle->fd, (off_t)offset);
	expect(world, handle->inode, "mmap", map->memory == MAP_FAILED ? -1 : 0, 0);
	map->offset = offset;
	map->len = len;
	map->inode = handle->inode;
	handle->inode->maps++;
	world->map_count++;
	map_read(world, map);
	map_store(world, map);
	return true;
}

bool
op_map_use(struct world *world)
{
	struct map *map;

	if (world->map_count == 0)
		return false;
	map = &world->maps[random_below(world, world->map_count)];
	switch (random_below(world, 6)) {
	case 0:
		note(world, map->inode, "msync");
		expect(world, map->inode, "msync", msync(map->memory, map->len, chance(world, 70) ? MS_SYNC : MS_ASYNC), 0);
		break;
	case 1:
		note(world, map->inode, "munmap, offset %" PRIu64, map->offset);
		if (chance(world, 50))
			settle(world, map->inode);
		map_close(world, map);
		return true;
	case 2: case 3:
		note(world, map->inode, "read through a mapping, offset %" PRIu64, map->offset);
		map_read(world, map);
		break;
	default:
		map_store(world, map);
		if (chance(world, 30))
			check_contents(world, map->inode, chance(world, 30));
	}
	check_inode(world, map->inode);
	return true;
}
