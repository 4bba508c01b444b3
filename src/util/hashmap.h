/*
 * util/hashmap -- an intrusive map from 64-bit keys to structs.
 *
 * The struct embeds a hashmap_link; the map allocates nothing but its table,
 * which doubles as it fills and halves as it empties (so that memory is given
 * back after a large tree was walked and forgotten).
 *
 * Locking: none inside.
 */

#ifndef UTIL_HASHMAP_H
#define UTIL_HASHMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hashmap_link { struct hashmap_link *next; uint64_t key; };
struct hashmap { struct hashmap_link **table; size_t size, count; bool walking; };

#define hashmap_entry(link, type, member) \
	((type *)(void *)((char *)(link) - offsetof(type, member)))

/* hashmap_init(map): empty, with room for a few.  Fails with -ENOMEM. */
int hashmap_init(struct hashmap *map);
/* hashmap_free(map): frees the table; members are their owners' matter. */
void hashmap_free(struct hashmap *map);
/* hashmap_find(map, key): the member with ${key}, or NULL. */
struct hashmap_link *hashmap_find(const struct hashmap *map, uint64_t key);
/*
 * hashmap_insert(map, link, key):
 * Add a member whose key is not in the map yet.  Cannot fail: if the table
 * cannot grow for want of memory, the map gets slower instead.
 */
void hashmap_insert(struct hashmap *map, struct hashmap_link *link, uint64_t key);
/* hashmap_remove(map, link): take out a member that is in the map. */
void hashmap_remove(struct hashmap *map, struct hashmap_link *link);
/*
 * hashmap_each(map, call, arg):
 * Call ${call} once for each member, in no order; it may remove the member it
 * was given, nothing else.
 */
void hashmap_each(struct hashmap *map, void (*call)(struct hashmap_link *, void *), void *arg);

#endif
