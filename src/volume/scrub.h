/*
 * volume/scrub -- all that the volume holds, on every member, proved while it is in use.
 *
 * A run goes through the tree in the order of the names, directories first
 * themselves, then what is in them.  Each name is looked at on all members:
 * what it stands for, record, owner, mode, xattrs, link target; the names of a
 * directory by its digest; of files every page of tags and every block, as the
 * disks hold them, whatever is cached.  What cannot be read so is what the
 * stores' file systems keep in memory of their own: names and inodes.
 *
 * It first looks and reports, then mends what is proved elsewhere, then looks
 * again.  A block that fails is looked at again with its file's lock held
 * exclusively, so that nothing is found which is only being changed.
 *
 * There is at most one scrub of a volume, with a resume point that outlives
 * the mount (scrub_start and what follows it); any number of other runs may be
 * going on beside it (scrub_run).
 */

#ifndef VOLUME_SCRUB_H
#define VOLUME_SCRUB_H

#include "format/scrubstate.h"
#include "volume/volume.h"

enum scrub_code {
	SCRUB_BLOCK_ROT, SCRUB_BLOCK_WRITTEN, SCRUB_BLOCK_LOST, SCRUB_SIZE_WRONG, SCRUB_BLOCK_UNREADABLE,
	SCRUB_NAME_MISSING, SCRUB_NAME_ADDED, SCRUB_NAME_CHANGED, SCRUB_NAMES_UNPROVED,
	SCRUB_RECORD_MISSING, SCRUB_RECORD_SPOILED, SCRUB_RECORD_DIFFERS, SCRUB_RECORD_UNPROVED,
	SCRUB_TAGS_SPOILED, SCRUB_META_CHANGED, SCRUB_MTIME_CHANGED, SCRUB_META_UNPROVED, SCRUB_META_DIFFERS,
	SCRUB_INODE_UNREADABLE,
	SCRUB_CODES
};

#define SCRUB_NO_OFFSET UINT64_MAX

struct scrub_finding {
	enum scrub_code code;
	const char *path;		/* from the volume's top, without a slash before it */
	const char *replica;		/* the replica's path; NULL: about all of them */
	uint64_t offset, length;	/* bytes; SCRUB_NO_OFFSET: not about a place in a file */
	bool mended;
	int error;			/* negative errno, or 0 */
};

struct scrub_options {
	const char *path;		/* what is looked at, with all below: from the top, "" for all */
	bool mend;
	uint64_t rate;			/* bytes a second of each member's data; 0: no limit */
	unsigned sample;		/* how many of 10,000 pages' blocks are looked at; 0: all */
	uint64_t seed;			/* which ones they are */
	const struct scrub_position *from;	/* NULL: the beginning */
	/* Called by several threads, one at a time. */
	void (*finding)(void *arg, const struct scrub_finding *finding);
	/* Called often, by the thread that called scrub_run: is it to end? */
	bool (*stop)(void *arg);
	/*
	 * Called now and then, by it too: ${path} is being looked at; all before
	 * ${at}, unless NULL, is done.  NULL: nobody wants to know.
	 */
	void (*step)(void *arg, const struct scrub_totals *totals, const char *path, const struct scrub_position *at);
	void *arg;
};

/*
 * scrub_run(volume, options, totals, at):
 * Adds to ${totals}.  0: all of it was looked at; -ECANCELED: it ended at
 * ${at}, where another run can begin; -ENOENT: there is no such path; -EAGAIN:
 * an unclean stop is not reconciled as far as it could be, which fsck.mendfs
 * has to do; other errors: it could not go on from ${at}, and a message was logged.
 */
int scrub_run(struct volume *volume, const struct scrub_options *options, struct scrub_totals *totals,
    struct scrub_position *at);

struct scrub_request {
	const char *path;		/* as above */
	uint64_t rate;
	unsigned sample;
	uint64_t time_ms;		/* after so long it pauses by itself; 0: never */
};

/*
 * scrub_start(volume, request):
 * In a thread of its own, mending.  One of the same path that was paused, or cut
 * off, goes on where it was.  -EALREADY: one is running; -EBUSY: one of
 * another path waits to be resumed, or stopped; -EROFS: mounted read-only.
 */
int scrub_start(struct volume *volume, const struct scrub_request *request);
/* scrub_resume(volume, request): the same for one that was paused, whatever its path; rate and time are of ${request}.  -ENOENT: there is none. */
int scrub_resume(struct volume *volume, const struct scrub_request *request);
/* scrub_pause(volume): it ends, and can be resumed.  -ENOENT: none is running. */
int scrub_pause(struct volume *volume);
/* scrub_stop(volume): it ends, or is no longer waiting, and is forgotten.  -ENOENT: there is none. */
int scrub_stop(struct volume *volume);
/* scrub_status(volume, state): as it is at this moment.  0, or why the last one could not go on. */
int scrub_status(struct volume *volume, struct scrub_state *state);

/* scrub_new(volume): with what the members say of an earlier one. */
int scrub_new(struct volume *volume);
/* scrub_free(volume): ends it as a pause would. */
void scrub_free(struct volume *volume);

#endif
