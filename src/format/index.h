/*
 * format/index -- which file id each inode number of a directory stands for.
 *
 * Disk format: doc/FORMAT.md, "Index".  It is a hint: nothing in it is believed
 * but what, with the names, adds up to the directory's digest of names.  Pure.
 */

#ifndef FORMAT_INDEX_H
#define FORMAT_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define INDEX_XATTR "user.mendfs.ids"
/* Bytes: it shares an ext4 block of attributes, and is to leave the user half of it. */
#define INDEX_SIZE_MAX 2048
/* The least that an entry takes is two bytes. */
#define INDEX_ENTRIES_MAX ((INDEX_SIZE_MAX - 1) / 2)

struct index_entry {
	uint64_t ino;		/* on the replica that holds the index */
	uint64_t id;
};

/*
 * index_encode(entries, count, out):
 * Encode ${count} entries, sorted by ${ino}, each of which stands there once,
 * into INDEX_SIZE_MAX bytes; returns the length.  The last ones may find no room.
 */
size_t index_encode(const struct index_entry *entries, size_t count, uint8_t *out);

/*
 * index_decode(data, len, entries):
 * Decode into room for INDEX_ENTRIES_MAX entries; returns how many there are,
 * sorted as above, or -EBADMSG.
 */
int index_decode(const uint8_t *data, size_t len, struct index_entry *entries);

/* index_find(entries, count, ino): the id that ${ino} stands for, or 0. */
uint64_t index_find(const struct index_entry *entries, size_t count, uint64_t ino);

#endif
