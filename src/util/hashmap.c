#include "util/hashmap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define SIZE_START 16		/* slots of an empty table; a power of two, as all sizes */
#define SHRINK_AT 8		/* slots a member, above which the table is halved */

/*
 * Keys are handed out in sequence, or are addresses: neither spreads over the
 * low bits.  The finalizer of SplitMix64 (Steele, Lea, Flood, 2014).
 */
static uint64_t
mix(uint64_t key)
{
	key = (key ^ key >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	key = (key ^ key >> 27) * UINT64_C(0x94d049bb133111eb);
	return key ^ key >> 31;
}

static struct hashmap_link **
slot_of(struct hashmap_link **table, size_t size, uint64_t key)
{
	return &table[mix(key) & (size - 1)];
}

/* Move all members to a table of ${size} slots; if there is no memory, don't. */
static void
resize(struct hashmap *map, size_t size)
{
	struct hashmap_link **table, **slot, *link;

	if ((table = calloc(size, sizeof(*table))) == NULL)
		return;
	for (size_t i = 0; i < map->size; i++) {
		while ((link = map->table[i]) != NULL) {
			map->table[i] = link->next;
			slot = slot_of(table, size, link->key);
			link->next = *slot;
			*slot = link;
		}
	}
	free(map->table);
	map->table = table;
	map->size = size;
}

static void
shrink(struct hashmap *map)
{
	while (map->size > SIZE_START && map->size / SHRINK_AT > map->count) {
		size_t before = map->size;

		resize(map, map->size / 2);
		if (map->size == before)
			break;
	}
}

int
hashmap_init(struct hashmap *map)
{
	map->size = SIZE_START;
	map->count = 0;
	map->walking = false;
	if ((map->table = calloc(map->size, sizeof(*map->table))) == NULL)
		return -ENOMEM;
	return 0;
}

void
hashmap_free(struct hashmap *map)
{
	free(map->table);
	map->table = NULL;
	map->size = map->count = 0;
}

struct hashmap_link *
hashmap_find(const struct hashmap *map, uint64_t key)
{
	struct hashmap_link *link = *slot_of(map->table, map->size, key);

	while (link != NULL && link->key != key)
		link = link->next;
	return link;
}

void
hashmap_insert(struct hashmap *map, struct hashmap_link *link, uint64_t key)
{
	struct hashmap_link **slot;

	assert(!map->walking);

	if (map->count >= map->size)
		resize(map, map->size * 2);
	slot = slot_of(map->table, map->size, key);
	link->key = key;
	link->next = *slot;
	*slot = link;
	map->count++;
}

void
hashmap_remove(struct hashmap *map, struct hashmap_link *link)
{
	struct hashmap_link **at = slot_of(map->table, map->size, link->key);

	while (*at != link) {
		assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = link->next;
	link->next = NULL;
	map->count--;

	/* A walk has its place in this table: it shrinks the table when done. */
	if (!map->walking)
		shrink(map);
}

void
hashmap_each(struct hashmap *map, void (*call)(struct hashmap_link *, void *), void *arg)
{
	struct hashmap_link *link, *next;

	assert(!map->walking);

	map->walking = true;
	for (size_t i = 0; i < map->size; i++) {
		for (link = map->table[i]; link != NULL; link = next) {
			next = link->next;
			call(link, arg);
		}
	}
	map->walking = false;
	shrink(map);
}
