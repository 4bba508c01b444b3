/*
 * meta/judge -- which replica is right about one inode?
 *
 * Pure: the facts are gathered by the caller (the mount on a first look-up
 * that did not pass, fsck for each name), the verdict is carried out by it.
 * It speaks of the inode as a whole: type, record, owner, mode, xattrs, size.
 * Each block of data is proved by its tag, and is no matter of judge's.
 */

#ifndef META_JUDGE_H
#define META_JUDGE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "format/record.h"

/* What one replica says about a name. */
struct judge_fact {
	bool asked;		/* false: the replica is away; ignored */
	int error;		/* 0; -ENOENT: has no such name; else why it could not be read */
	struct stat st;		/* valid if error is 0 */
	int record_error;	/* 0, or -ENODATA, -EBADMSG, ... : why there is no record */
	struct record record;	/* valid if record_error is 0 */
	bool xattrs;		/* has mirrored extended attributes */
	bool meta_matches;	/* record.meta is that of owner, group, mode, xattrs found */
};

enum judge_state {
	JUDGE_AWAY,		/* not asked, or could not be read */
	JUDGE_GOOD,		/* as the source */
	JUDGE_MISSING,		/* has no such name */
	JUDGE_TYPE,		/* something of another type stands there */
	JUDGE_OTHER,		/* another file: its valid record has another id */
	JUDGE_RECORD,		/* record missing, spoiled, or not the source's */
	JUDGE_META,		/* owner, mode or xattrs are not what the record says */
	JUDGE_SIZE		/* length is not the record's (a file's data was cut or extended) */
};

struct judge_verdict {
	/* The replica whose record and metadata are proved; -1: there is none. */
	int source;
	/*
	 * No replica is proved, but the volume stopped uncleanly in this file's
	 * region (or all of them agree that it never had a record): the replica
	 * to take as it is.  -1: none; then the answer is -EIO.
	 */
	int torn;
	enum judge_state state[16];	/* of each replica, relative to source or torn */
	bool unanimous;			/* all that were asked are JUDGE_GOOD */
};

/*
 * judge_inode(facts, count, dirty, verdict):
 * Proved means: valid record, matching type, meta_matches; among several the
 * highest generation wins, then the lowest number.  For what carries no record (links,
 * special files) the facts are only compared: the source is the lowest that
 * agrees with most of the others (type, target is the caller's matter, rdev, owner, mode).  ${dirty}: torn is
 * admissible; then a valid record with another meta comes before one without
 * a record, and a higher generation before a lower one.
 */
void judge_inode(const struct judge_fact *facts, unsigned count, bool dirty, struct judge_verdict *verdict);

#endif
