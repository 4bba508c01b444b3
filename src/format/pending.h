/*
 * format/pending -- what a replica that is away missed.
 *
 * Disk format: doc/FORMAT.md, "Pending".  Pure: memory in, memory out.
 */

#ifndef FORMAT_PENDING_H
#define FORMAT_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash/digest.h"

#define PENDING_ENTRIES_MAX (1u << 20)
#define PENDING_SIZE_MAX (64u << 20)	/* bytes of a whole log */

/* One name of a file or directory: entries stand in any order, and agree in all but the name. */
struct pending_entry {
	uint64_t id;
	bool missed;		/* false: it only leads to others */
	bool suspect;		/* blocks may differ of which the replica's own record does not tell */
	uint64_t parent;	/* id of the directory; 0: not known, or the top directory itself */
	char *name;		/* in ${parent}; NULL where that is 0 */
};

struct pending {
	bool everything;	/* the replica is to be compared as a whole, to the byte */
	bool walk;		/* not all that was missed stands here: all records are to be compared */
	uint64_t lost;		/* the last event at which the replica was in sync */
	uint64_t closed;	/* the event up to which this is complete; 0: it was never closed */
	struct pending_entry *entries;
	size_t count, room;
};

/* pending_add(pending, entry): append a copy, with a copy of its name.  -ENOMEM, -EFBIG. */
int pending_add(struct pending *pending, const struct pending_entry *entry);
/* pending_free(pending): free the entries; ${pending} is empty then. */
void pending_free(struct pending *pending);

/*
 * pending_encode(digest, pending, out, len):
 * Write it to ${*out}, which is allocated, ${*len} bytes.  -ENOMEM; -EINVAL: a
 * name that is none, or an entry that contradicts itself.
 */
int pending_encode(const struct digest *digest, const struct pending *pending, uint8_t **out, size_t *len);

/*
 * pending_decode(digest, data, len, pending):
 * -EBADMSG (not a log, or spoiled), -EPROTONOSUPPORT (a later version), -ENOMEM;
 * ${pending} is empty then.  Free with pending_free.
 */
int pending_decode(const struct digest *digest, const uint8_t *data, size_t len, struct pending *pending);

#endif
