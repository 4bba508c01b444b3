/*
 * volume/scrub_private -- what the scrub*.c files share.
 *
 * One thread, that of scrub_run, goes through the tree and looks at names.  The
 * data of files it gives out to lanes, one or two threads a member, a page's
 * blocks at a time, a few megabytes ahead of them.
 *
 * A look-up that finds damage would mend it at once, and nobody would hear of
 * it: all of these threads look only (volume/look), but where they mend.
 */

#ifndef VOLUME_SCRUB_PRIVATE_H
#define VOLUME_SCRUB_PRIVATE_H

#include "format/tagpage.h"
#include "util/hashmap.h"
#include "volume/scrub.h"
#include "volume/state.h"

/* What was found about one thing on one member: a bit for each code. */
#define SCRUB_BIT(code) (UINT32_C(1) << (code))

/* A file whose data is being proved. */
struct scrub_file {
	atomic_uint refs;
	struct node *node;
	char *path;
	bool opened;			/* it came into use by this */
	bool whole;			/* all of it is looked at */
	bool unsealed[VOLUME_REPLICAS_MAX];	/* somebody wrote to the copy */
	_Atomic bool told[VOLUME_REPLICAS_MAX];	/* something was found in its data */
	bool kept[VOLUME_REPLICAS_MAX];	/* what was written is in quarantine; node lock */
	_Atomic bool left;		/* something could not be mended */
};

#define SCRUB_TASK_BLOCKS TAGPAGE_TAGS	/* no task needs two pages of tags */
#define SCRUB_TASK_BYTES (SCRUB_TASK_BLOCKS * BLOCK)
#define SCRUB_AHEAD_PAGES 64		/* of the tags file, read at once */

/* A page's blocks of one member's copy, for its lanes. */
struct scrub_task { struct scrub_file *file; uint64_t first; unsigned count; uint64_t bytes; };

#define SCRUB_QUEUE 6			/* tasks of a member that are given out ahead, of 1 MiB at most */
#define SCRUB_LANES 2			/* threads a member: one reads while the other digests */

struct scrub_queue {
	struct member *m;
	pthread_cond_t filled;
	struct scrub_task tasks[SCRUB_QUEUE];
	unsigned first, count, busy;	/* run's mutex, as all but m */
	uint64_t due_ns;		/* when the next bytes may be read, for the rate */
};

struct scrub_run {
	struct volume *v;
	const struct scrub_options *options;
	struct scrub_totals *totals;	/* finding_mutex */
	pthread_mutex_t mutex;		/* queues */
	pthread_cond_t drained;		/* some task is done */
	bool ends;			/* no more tasks come; mutex */
	_Atomic bool hurry;		/* it was stopped: what was given out is done without regard to the rate */
	pthread_mutex_t finding_mutex;	/* totals, and calls of finding; a leaf */
	struct scrub_queue *queues;	/* one for each member that there was at the beginning */
	unsigned queue_count;
	unsigned lane_count;
	pthread_t *lanes;

	/* The walking thread's: */
	char *path;			/* of what is being looked at */
	size_t path_len, path_room;
	char *resume_path;		/* memory of: */
	char *resume;			/* the rest of the way to where it begins; NULL: it is there */
	uint64_t resume_block;
	uint64_t stopped_block;		/* the first of the file at ${path} that was not given out */
	uint64_t stepped_ms, saved_ms;
	struct scrub_totals shown;
	struct hashmap linked;		/* files with several names whose data was looked at */
	struct scrub_look *look;	/* scrub_names */
};

/* One thread: what it has open, of one file at a time, on its member. */
struct scrub_lane {
	struct scrub_run *run;
	struct scrub_queue *queue;
	struct member *m;
	struct replica *r;		/* that it was opened on; the member's may be another by now */
	uint64_t id;			/* of the file; 0: none is open */
	replica_handle data, tags;
	uint64_t page_first, page_count;	/* what of the tags file is in ${pages} */
	uint8_t *blocks, *pages;	/* aligned: SCRUB_TASK_BYTES, and SCRUB_AHEAD_PAGES pages */
	uint8_t wanted[SCRUB_TASK_BLOCKS * DIGEST_SIZE];
};

/* scrub_report(run, finding): count it and pass it on. */
void scrub_report(struct scrub_run *run, const struct scrub_finding *finding);

/*
 * scrub_name(run, dir, name, node, unsealed):
 * Look at one name on all members, and mend; NULL, NULL: the top directory.  0,
 * with a reference on ${node}; ${unsealed}: which copies of a file were written to.
 * -ENOENT: it is gone, or may not belong there; -EIO: nothing proves it, which was reported.
 */
int scrub_name(struct scrub_run *run, struct node *dir, const char *name, struct node **node, bool *unsealed);
/* scrub_names_add(run, node, name, sum): what a name adds to its directory's digest. */
void scrub_names_add(struct scrub_run *run, const struct node *node, const char *name, uint8_t *sum);
/* scrub_names_digest(run, dir, sum): do the names, of which ${sum} were found, match the directory's digest?  Reported if not. */
void scrub_names_digest(struct scrub_run *run, struct node *dir, const uint8_t *sum);
int scrub_names_init(struct scrub_run *run);
void scrub_names_free(struct scrub_run *run);

/* scrub_data_start(run): the lanes; scrub_data_end(run): wait for them. */
int scrub_data_start(struct scrub_run *run);
void scrub_data_end(struct scrub_run *run);
/* scrub_data_hurry(run): it was stopped: what was given out is done without regard to the rate. */
void scrub_data_hurry(struct scrub_run *run);
/* scrub_data_drain(run): wait until all that was given out is done. */
void scrub_data_drain(struct scrub_run *run);
/*
 * scrub_data(run, node, unsealed, block):
 * Give out the data of a file from ${*block} on.  -ECANCELED: stopped, with ${*block} the first that was not given out.
 */
int scrub_data(struct scrub_run *run, struct node *node, const bool *unsealed, uint64_t *block);

/* scrub_prove(lane, task): are the copy of its member and its page of tags as they should be?  Else scrub_mend. */
void scrub_prove(struct scrub_lane *l, const struct scrub_task *task);
/*
 * scrub_mend(lane, file, first, count):
 * Something of it did not match, or could not be opened: look again while
 * nobody changes it, report, and mend.
 */
void scrub_mend(struct scrub_lane *l, struct scrub_file *f, uint64_t first, unsigned count);
/* scrub_lane_close(lane): what it has open. */
void scrub_lane_close(struct scrub_lane *l);
/* scrub_open_data(volume, member, node, handle): for what the disk holds.  Tree lock, node lock. */
int scrub_open_data(struct volume *v, struct member *m, struct node *node, replica_handle *handle);
/* scrub_page_right(lane, node, index, count): is the page sound, and does it say what is in lane->wanted of its first ${count} blocks?  Node lock. */
bool scrub_page_right(struct scrub_lane *l, const struct node *node, uint64_t index, unsigned count);
/* scrub_blocks_look(lane, node, first, count, bad): how many blocks do not match lane->wanted; which, unless ${bad} is NULL.  Node lock. */
unsigned scrub_blocks_look(struct scrub_lane *l, const struct node *node, uint64_t first, unsigned count, bool *bad);
/* scrub_block_len(node, index): how many bytes of a block lie before the end of file. */
size_t scrub_block_len(const struct node *node, uint64_t index);
/* scrub_clip(node, first, count): how many blocks of a task the file still has. */
unsigned scrub_clip(const struct node *node, uint64_t first, unsigned count);

/* scrub_waits(run): the thread that goes through the tree waits for lanes: have it told how far they are, and hurry if it is to end. */
void scrub_waits(struct scrub_run *run);

/* scrub_stopped(run): is it to end?  Saves the position (${block} of the file at run->path) now and then. */
bool scrub_stopped(struct scrub_run *run, uint64_t block);

#endif
