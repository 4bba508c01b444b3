/*
 * check/report -- what was found, what may be done about it, and the sums.
 *
 * Each finding has a code that never changes its meaning (the list is in
 * fsck.mendfs(8)), and each code a class that says who may have it mended.
 * Lines are written by a sink, text or JSON.
 *
 * Locking: inside; any thread may report and ask.
 */

#ifndef CHECK_REPORT_H
#define CHECK_REPORT_H

#include <stdbool.h>
#include <stdint.h>

enum report_code {
	LABEL_MISSING, LABEL_SPOILED, MEMBER_MISSING, REPLICA_BEHIND, REPLICA_ROLLED_BACK,
	REPLICA_FORKED, STOPPED_UNCLEANLY, INTENT_SPOILED, NEXT_ID_LOW,
	BLOCK_ROT, BLOCK_WRITTEN, BLOCK_LOST, SIZE_WRONG, DATA_UNREADABLE,
	NAME_MISSING, NAME_ADDED, NAME_CHANGED, NAMES_UNPROVED,
	RECORD_MISSING, RECORD_SPOILED, RECORD_DIFFERS, RECORD_UNPROVED,
	TAGS_SPOILED, TAGS_SUM, TAGS_LOST,
	META_CHANGED, MTIME_CHANGED, META_UNPROVED, META_DIFFERS,
	FILE_TORN, NAMES_TORN,
	LINK_BROKEN, LINK_COUNT, ID_TWICE,
	TAGS_ORPHAN, LEFTOVER, CORNER_FOREIGN,
	INODE_UNREADABLE,
	REPORT_CODES
};

enum report_class {
	CLASS_SAFE,		/* mending loses nothing: -p and -y */
	CLASS_FULL,		/* something is believed without a proof, or put aside: -y */
	CLASS_NEVER,		/* nothing that could be done here */
	CLASS_NOTE		/* worth knowing, and no fault */
};

enum report_outcome { OUTCOME_LEFT, OUTCOME_MENDED, OUTCOME_NOTED };

/* Who may have it done. */
enum report_repair { REPAIR_NONE, REPAIR_SAFE, REPAIR_ALL, REPAIR_ASK };

#define REPORT_NO_OFFSET UINT64_MAX

struct report_finding {
	enum report_code code;
	const char *path;	/* from the volume's top, without a slash before it; NULL: not about a name */
	const char *replica;	/* the replica's path; NULL: not about one */
	uint64_t offset, length;	/* bytes; REPORT_NO_OFFSET: not about a place in a file */
	const char *detail;	/* what is said beyond the code's own text, or NULL */
	enum report_outcome outcome;
	int error;		/* negative errno why mending failed, or 0 */
};

struct report_sums {
	uint64_t files, directories, others;	/* looked at */
	uint64_t bytes;				/* verified, on all replicas together */
	uint64_t mended, left, notes;
	uint64_t unverifiable;			/* links and special files that nothing proves the owner of */
};

struct report_sink {
	void (*start)(void *arg, const char *const *replicas, unsigned count, enum report_repair repair);
	void (*finding)(void *arg, const struct report_finding *finding);
	void (*message)(void *arg, const char *text);	/* operational: why something cannot be done */
	void (*summary)(void *arg, const struct report_sums *sums, int exit_bits);
	/* Ask whether findings of this kind are to be mended; NULL: nobody to ask. */
	bool (*ask)(void *arg, enum report_code code);
	void *arg;
};

struct report;

int report_new(const struct report_sink *sink, enum report_repair repair, struct report **report);
void report_free(struct report *report);

/* report_name(code): "F101"; report_text(code): "block does not match its tag". */
const char *report_name(enum report_code code);
const char *report_text(enum report_code code);
/* report_find(name, code): the reverse of report_name; false: there is none. */
bool report_find(const char *name, enum report_code *code);
enum report_class report_class(enum report_code code);

/* report_may(report, code): is a finding of this code to be mended? */
bool report_may(struct report *report, enum report_code code);
/* report_may_as(report, code, class): the same, where the case has another class than its code. */
bool report_may_as(struct report *report, enum report_code code, enum report_class class);

/* report_add(report, finding): write it and count it. */
void report_add(struct report *report, const struct report_finding *finding);

/* report_failed(report, format, ...): something could not be done at all (exit bit 8). */
void report_failed(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The counts of what was looked at. */
enum report_count { COUNT_FILES, COUNT_DIRECTORIES, COUNT_OTHERS, COUNT_BYTES, COUNT_UNVERIFIABLE };
void report_count(struct report *report, enum report_count which, uint64_t by);
void report_get(struct report *report, struct report_sums *sums);
/* report_left(report, code): findings of this code that were left. */
uint64_t report_left(struct report *report, enum report_code code);

/* report_finish(report, cancelled): write the summary; returns fsck(8)'s exit bits. */
int report_finish(struct report *report, bool cancelled);

#define EXIT_MENDED 1
#define EXIT_LEFT 4
#define EXIT_OPERATIONAL 8
#define EXIT_USAGE 16
#define EXIT_CANCELLED 32
#define EXIT_LIBRARY 128

#endif
