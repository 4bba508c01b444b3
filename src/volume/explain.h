/*
 * volume/explain -- what each replica has of one file, and what would be made of it.
 *
 * Looks only: nothing is mended, no time changes, no record is written.  The
 * replicas' disks are read past the cache where their file systems can do that.
 *
 * Locking: the tree lock, shared, while names and records are looked at; then
 * the node's, shared, for a page of tags and its data (1 MiB) at a time.
 */

#ifndef VOLUME_EXPLAIN_H
#define VOLUME_EXPLAIN_H

#include "volume/volume.h"

#define EXPLAIN_RUNS_MAX 64	/* of bad blocks that are listed; all are counted */
#define EXPLAIN_NAMES_MAX 64	/* names that not all replicas have; all are counted */

enum explain_state {
	EXPLAIN_SOUND,
	EXPLAIN_AWAY,		/* not in sync: it was not looked at */
	EXPLAIN_UNREADABLE,
	EXPLAIN_MISSING,
	EXPLAIN_TYPE,		/* something of another type stands there */
	EXPLAIN_OTHER,		/* another file: by its record */
	EXPLAIN_NO_RECORD,
	EXPLAIN_SPOILED,	/* the record fails its check */
	EXPLAIN_OLDER,		/* the record is sound, and of an older generation */
	EXPLAIN_NEWER,		/* of a newer one than the program knows of: somebody else wrote it */
	EXPLAIN_META,		/* owner, mode or xattrs are not what the record says, or others have */
	EXPLAIN_SIZE		/* its length is not the record's */
};

/* Blocks, in order. */
struct explain_run { uint64_t first, count; };
struct explain_runs {
	uint64_t blocks;		/* in all */
	unsigned count;			/* of those that are listed */
	struct explain_run run[EXPLAIN_RUNS_MAX];
};

struct explain_replica {
	char *path;
	enum explain_state state;
	int error;			/* why it is unreadable, or its data is: a negative errno value */
	bool present;			/* valid are: */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t size;
	struct timespec mtime;
	bool has_record;		/* sound: */
	uint64_t id, generation;
	bool seal_broken;		/* written since by something else */
	bool data_read;
	struct explain_runs bad;	/* do not match their tags */
	uint64_t bad_pages;		/* of tags */
	uint64_t names_missing;		/* of a directory: names that others have */
};

struct explain_name { char *name; uint32_t present; /* a bit a replica */ };

/* Why ${reader} is read. */
enum explain_reason {
	EXPLAIN_NOBODY,
	EXPLAIN_ONLY,		/* it alone is in sync */
	EXPLAIN_FIRST,		/* read=first */
	EXPLAIN_TURN,		/* read=round-robin: the next in turn */
	EXPLAIN_HOME,		/* its id is this replica's */
	EXPLAIN_LOAD,		/* the home has much more to do, or is slower */
	EXPLAIN_NEAR,		/* the only one on this machine */
	EXPLAIN_OPEN		/* the file is open there */
};

struct explanation {
	mode_t mode;			/* the type is sure, if ${source} or ${known} */
	bool known;			/* in memory: what that says is right */
	bool to_store;			/* its record will be written in a moment */
	bool torn;			/* an unclean stop may have torn it: blocks are settled as they are read */
	bool changing;			/* it changed faster than it could be read: some blocks were not looked at */
	bool mends;			/* the volume mends (it is not mounted read-only) */
	uint64_t id, generation, size;	/* 0: unknown */
	int source;			/* whose record is right; -1: none is proved */
	int reader;			/* or -1 */
	enum explain_reason why;
	uint64_t home;			/* the number among those in sync, counted from 0, that the id leads to */
	struct explain_runs lost;	/* match their tags on no replica */
	uint64_t unproved;		/* blocks whose tag no replica could say */
	uint64_t names, names_differ;	/* of a directory: all, and those that some replicas lack */
	unsigned name_count;
	struct explain_name name[EXPLAIN_NAMES_MAX];
	unsigned count, in_sync;
	struct explain_replica replicas[VOLUME_REPLICAS_MAX];
};

/*
 * volume_explain(volume, path, stopped, arg, explanation):
 * ${path} is the way from the top, "" for the top itself.  ${stopped} is asked
 * now and then whether to go on.  On success ${*explanation} is the caller's,
 * for explain_free.  -ENOENT: no replica has it.  -EINVAL: no such path can
 * be.  -ECANCELED, -ENOMEM, -EIO (no replica is left).
 */
int volume_explain(struct volume *volume, const char *path, bool (*stopped)(void *arg), void *arg,
    struct explanation **explanation);
void explain_free(struct explanation *explanation);

/* explain_sound(explanation): all replicas are in sync, and have the same, proved. */
bool explain_sound(const struct explanation *explanation);

#endif
