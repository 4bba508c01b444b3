#include "check/report.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct { const char *name, *text; enum report_class class; } codes[REPORT_CODES] = {
	[LABEL_MISSING] = { "F001", "no label", CLASS_SAFE },
	[LABEL_SPOILED] = { "F002", "the label is spoiled", CLASS_SAFE },
	[MEMBER_MISSING] = { "F003", "a member of the volume was not given", CLASS_NOTE },
	[REPLICA_BEHIND] = { "F004", "replica is behind: the others went on without it", CLASS_SAFE },
	[REPLICA_ROLLED_BACK] = { "F005", "replica is older than the others have seen it", CLASS_SAFE },
	[REPLICA_FORKED] = { "F006", "replicas went on without each other", CLASS_NEVER },
	[STOPPED_UNCLEANLY] = { "F007", "the volume was not unmounted cleanly", CLASS_SAFE },
	[INTENT_SPOILED] = { "F008", "the intent bitmap is spoiled", CLASS_SAFE },
	[NEXT_ID_LOW] = { "F009", "the label gives out file ids that are in use", CLASS_SAFE },
	[BLOCK_ROT] = { "F101", "block does not match its tag", CLASS_SAFE },
	[BLOCK_WRITTEN] = { "F102", "block was written from outside", CLASS_SAFE },
	[BLOCK_LOST] = { "F103", "no copy of the block matches its tag", CLASS_NEVER },
	[SIZE_WRONG] = { "F104", "length is not the record's", CLASS_SAFE },
	[DATA_UNREADABLE] = { "F105", "block cannot be read", CLASS_SAFE },
	[NAME_MISSING] = { "F201", "name is missing", CLASS_SAFE },
	[NAME_ADDED] = { "F202", "name does not belong", CLASS_FULL },
	[NAME_CHANGED] = { "F203", "name stands for something else", CLASS_SAFE },
	[NAMES_UNPROVED] = { "F204", "names do not match the directory's digest", CLASS_FULL },
	[RECORD_MISSING] = { "F301", "record is missing", CLASS_SAFE },
	[RECORD_SPOILED] = { "F302", "record is spoiled", CLASS_SAFE },
	[RECORD_DIFFERS] = { "F303", "record is not the newest", CLASS_SAFE },
	[RECORD_UNPROVED] = { "F304", "no replica has a valid record", CLASS_FULL },
	[TAGS_SPOILED] = { "F305", "page of tags is spoiled", CLASS_SAFE },
	[TAGS_SUM] = { "F306", "pages of tags do not add up to the record", CLASS_FULL },
	[TAGS_LOST] = { "F307", "no copy of the page of tags is valid", CLASS_FULL },
	[META_CHANGED] = { "F401", "owner, mode or extended attributes were changed", CLASS_SAFE },
	[MTIME_CHANGED] = { "F402", "modification time is not the record's", CLASS_SAFE },
	[META_UNPROVED] = { "F403", "owner, mode or extended attributes match no record", CLASS_FULL },
	[META_DIFFERS] = { "F404", "replicas differ in what nothing proves", CLASS_FULL },
	[FILE_TORN] = { "F501", "file was torn by an unclean stop", CLASS_SAFE },
	[NAMES_TORN] = { "F502", "directory was torn by an unclean stop", CLASS_SAFE },
	[LINK_BROKEN] = { "F601", "hard link is a file of its own", CLASS_SAFE },
	[LINK_COUNT] = { "F602", "file has links outside the volume", CLASS_NEVER },
	[ID_TWICE] = { "F603", "file id is used by another file too", CLASS_NEVER },
	[TAGS_ORPHAN] = { "F701", "tags of a file that does not exist", CLASS_SAFE },
	[LEFTOVER] = { "F702", "left over from an interrupted change", CLASS_SAFE },
	[CORNER_FOREIGN] = { "F703", "unknown file in .mendfs", CLASS_NOTE },
	[INODE_UNREADABLE] = { "F801", "cannot be read", CLASS_NEVER },
};

struct report {
	const struct report_sink *sink;
	enum report_repair repair;
	pthread_mutex_t mutex;		/* the sink, answers, mended, left, notes */
	enum { NOT_ASKED, SAID_YES, SAID_NO } answers[REPORT_CODES];
	uint64_t mended, left, notes;
	uint64_t left_of[REPORT_CODES];
	bool failed;
	atomic_ullong counts[COUNT_UNVERIFIABLE + 1];
};

int
report_new(const struct report_sink *sink, enum report_repair repair, struct report **out)
{
	struct report *report;

	if ((report = calloc(1, sizeof(*report))) == NULL)
		return -ENOMEM;
	report->sink = sink;
	report->repair = repair;
	pthread_mutex_init(&report->mutex, NULL);
	*out = report;
	return 0;
}

void
report_free(struct report *report)
{
	if (report == NULL)
		return;
	pthread_mutex_destroy(&report->mutex);
	free(report);
}

const char *
report_name(enum report_code code)
{
	return codes[code].name;
}

const char *
report_text(enum report_code code)
{
	return codes[code].text;
}

bool
report_find(const char *name, enum report_code *code)
{
	unsigned i;

	for (i = 0; i < REPORT_CODES; i++) {
		if (strcmp(codes[i].name, name) == 0) {
			*code = (enum report_code)i;
			return true;
		}
	}
	return false;
}

enum report_class
report_class(enum report_code code)
{
	return codes[code].class;
}

/* Ask once for each kind; the answer holds for all that follow. */
static bool
ask(struct report *report, enum report_code code)
{
	bool yes;

	pthread_mutex_lock(&report->mutex);
	if (report->answers[code] == NOT_ASKED && report->sink->ask != NULL)
		report->answers[code] = report->sink->ask(report->sink->arg, code) ? SAID_YES : SAID_NO;
	yes = report->answers[code] == SAID_YES;
	pthread_mutex_unlock(&report->mutex);
	return yes;
}

bool
report_may_as(struct report *report, enum report_code code, enum report_class class)
{
	if (class == CLASS_NEVER || class == CLASS_NOTE)
		return false;
	switch (report->repair) {
	case REPAIR_NONE:
		return false;
	case REPAIR_SAFE:
		return class == CLASS_SAFE;
	case REPAIR_ALL:
		return true;
	case REPAIR_ASK:
		return ask(report, code);
	}
	return false;
}

bool
report_may(struct report *report, enum report_code code)
{
	return report_may_as(report, code, codes[code].class);
}

void
report_add(struct report *report, const struct report_finding *finding)
{
	pthread_mutex_lock(&report->mutex);
	switch (finding->outcome) {
	case OUTCOME_LEFT:
		report->left++;
		report->left_of[finding->code]++;
		break;
	case OUTCOME_MENDED:
		report->mended++;
		break;
	case OUTCOME_NOTED:
		report->notes++;
		break;
	}
	report->sink->finding(report->sink->arg, finding);
	pthread_mutex_unlock(&report->mutex);
}

void
report_failed(struct report *report, const char *format, ...)
{
	char text[8192];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pthread_mutex_lock(&report->mutex);
	report->failed = true;
	report->sink->message(report->sink->arg, text);
	pthread_mutex_unlock(&report->mutex);
}

void
report_count(struct report *report, enum report_count which, uint64_t by)
{
	atomic_fetch_add_explicit(&report->counts[which], by, memory_order_relaxed);
}

void
report_get(struct report *report, struct report_sums *sums)
{
	sums->files = atomic_load(&report->counts[COUNT_FILES]);
	sums->directories = atomic_load(&report->counts[COUNT_DIRECTORIES]);
	sums->others = atomic_load(&report->counts[COUNT_OTHERS]);
	sums->bytes = atomic_load(&report->counts[COUNT_BYTES]);
	sums->unverifiable = atomic_load(&report->counts[COUNT_UNVERIFIABLE]);
	pthread_mutex_lock(&report->mutex);
	sums->mended = report->mended;
	sums->left = report->left;
	sums->notes = report->notes;
	pthread_mutex_unlock(&report->mutex);
}

uint64_t
report_left(struct report *report, enum report_code code)
{
	uint64_t left;

	pthread_mutex_lock(&report->mutex);
	left = report->left_of[code];
	pthread_mutex_unlock(&report->mutex);
	return left;
}

int
report_finish(struct report *report, bool cancelled)
{
	struct report_sums sums;
	int bits = 0;

	report_get(report, &sums);
	if (sums.mended > 0)
		bits |= EXIT_MENDED;
	if (sums.left > 0)
		bits |= EXIT_LEFT;
	if (report->failed)
		bits |= EXIT_OPERATIONAL;
	if (cancelled)
		bits |= EXIT_CANCELLED;
	report->sink->summary(report->sink->arg, &sums, bits);
	return bits;
}
