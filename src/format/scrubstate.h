/*
 * format/scrubstate -- where a scrub is, and how the last one ended.
 *
 * Disk format: doc/FORMAT.md, "Scrub".  Text, as the label, with a check in
 * its last line.  Pure.
 */

#ifndef FORMAT_SCRUBSTATE_H
#define FORMAT_SCRUBSTATE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that any text fits in: two paths in hexadecimal, and numbers. */
#define SCRUBSTATE_SIZE_MAX (4 * PATH_MAX + 2048)

/* From the volume's top, without a slash before it; "": the top itself. */
struct scrub_position {
	char path[PATH_MAX];
	uint64_t block;			/* of a file, the first that is not done */
};

struct scrub_totals {
	uint64_t files, directories, others;
	uint64_t bytes;			/* of data, on all members together */
	uint64_t bad, mended, left;	/* findings: all of them, and what became of them */
};

struct scrub_account {
	struct scrub_totals totals;
	int64_t started, finished;	/* seconds since 1970; 0: not */
};

struct scrub_state {
	enum scrub_doing { SCRUB_NONE, SCRUB_RUNNING, SCRUB_PAUSED } doing;
	/* Of the one that runs or is paused: */
	char path[PATH_MAX];		/* what it goes through */
	uint64_t rate, seed, sample;	/* as in volume/scrub */
	uint64_t saved;			/* how often this was written: of several the highest is the newest */
	struct scrub_position at;
	struct scrub_account run;
	/* The last one that came to its end; started is 0 if there was none. */
	struct scrub_account last;
};

/* scrubstate_encode(state, text, size): the length, without the NUL; -ENOSPC. */
int scrubstate_encode(const struct scrub_state *state, char *text, size_t size);
/* scrubstate_decode(text, len, state): -EBADMSG: spoiled; -EPROTO: of a later version. */
int scrubstate_decode(const char *text, size_t len, struct scrub_state *state);

#endif
