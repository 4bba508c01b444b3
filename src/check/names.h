/*
 * check/names -- the names of one directory on all members, and who is right.
 *
 * The directory's record holds the XOR of the digests of its entries.  A
 * listing, or a mixture of listings, that adds up to it is proved.
 */

#ifndef CHECK_NAMES_H
#define CHECK_NAMES_H

#include "check/state.h"
#include "meta/listing.h"

enum seen_state {
	SEEN_AWAY,		/* the member has not got the directory, or cannot read it */
	SEEN_ABSENT,		/* no such name */
	SEEN_UNKNOWN,		/* a file or directory without a valid record */
	SEEN_KNOWN		/* ident is valid */
};

/* What one member has under a name. */
struct seen {
	enum seen_state state;
	mode_t mode;
	nlink_t nlink;
	ino_t ino;
	uint64_t id;
	uint64_t rdev;
	uint8_t ident[DIGEST_SIZE];
};

struct entry {
	const char *name;
	struct seen *seen;		/* one for each member */
	struct want want;
	bool belongs;			/* false: no member is to have it */
	bool leaving;			/* what stands here belongs elsewhere, and is moved from there */
};

struct names {
	struct place *place;
	struct listing lists[MEMBERS_MAX];
	bool readable[MEMBERS_MAX];
	struct entry *entries;		/* sorted by name */
	size_t count;
	struct seen *seen;		/* of all entries */
	bool proved;			/* all wants are */
	bool agreed;			/* every member has what is wanted, and nothing else */
	uint8_t sum[DIGEST_SIZE];	/* of what is wanted, if all of it is known */
};

/* names_read(place, names): -ENOMEM.  What cannot be read is reported.  Free with names_free in any case. */
int names_read(struct place *place, struct names *names);
void names_free(struct names *names);

/*
 * names_judge(names, record, dirty):
 * Set what is wanted of each entry.  ${record}: the directory's, or NULL if
 * nothing proves one.  ${dirty}: names may have been torn: none is taken away.
 */
void names_judge(struct names *names, const struct record *record, bool dirty);

/* names_ident(names, entry, out): the digest of ${entry} as it is wanted; its type and id must be known. */
void names_ident(const struct names *names, const struct entry *entry, uint8_t *out);

/* names_fits(entry, i): has member ${i} what is wanted? */
bool names_fits(const struct entry *entry, unsigned i);

#endif
