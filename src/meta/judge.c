#include "meta/judge.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define REPLICAS_MAX (sizeof(((struct judge_verdict *)NULL)->state) / sizeof(enum judge_state))

static bool
present(const struct judge_fact *fact)
{
	return fact->asked && fact->error == 0;
}

/* Only regular files and directories can carry a record. */
static bool
carries_record(const struct stat *st)
{
	return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode);
}

static bool
same_type(const struct stat *a, const struct stat *b)
{
	if ((a->st_mode & S_IFMT) != (b->st_mode & S_IFMT))
		return false;
	if (S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode))
		return a->st_rdev == b->st_rdev;
	return true;
}

static bool
same_owner(const struct stat *a, const struct stat *b)
{
	return a->st_uid == b->st_uid && a->st_gid == b->st_gid && a->st_mode == b->st_mode;
}

/* Has it a record that may be believed at all: valid, and of this type? */
static bool
recorded(const struct judge_fact *fact)
{
	if (!present(fact) || fact->record_error != 0)
		return false;
	if (fact->record.kind == RECORD_DIRECTORY)
		return S_ISDIR(fact->st.st_mode);
	return S_ISREG(fact->st.st_mode);
}

static bool
proved(const struct judge_fact *fact)
{
	return recorded(fact) && fact->meta_matches;
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool
same_record(const struct record *a, const struct record *b)
{
	if (a->kind != b->kind || a->generation != b->generation || a->id != b->id ||
	    a->size != b->size || a->meta != b->meta)
		return false;
	if (!same_time(&a->mtime, &b->mtime) || !same_time(&a->ctime, &b->ctime))
		return false;
	if (a->kind != RECORD_INLINE)
		return memcmp(a->sum, b->sum, DIGEST_SIZE) == 0;
	if (a->tag_count != b->tag_count)
		return false;
	return a->tag_count == 0 ||
	    memcmp(a->tags, b->tags, (size_t)a->tag_count * DIGEST_SIZE) == 0;
}

/* Of those that ${fits} holds for, the highest generation, then the lowest number. */
static int
newest(const struct judge_fact *facts, unsigned count, bool (*fits)(const struct judge_fact *))
{
	int best = -1;

	for (unsigned i = 0; i < count; i++) {
		if (!fits(&facts[i]))
			continue;
		if (best < 0 || facts[i].record.generation > facts[best].record.generation)
			best = (int)i;
	}
	return best;
}

/* Where all that is there is links and special files: the lowest that most others agree with. */
static int
most_agreed(const struct judge_fact *facts, unsigned count)
{
	unsigned votes, votes_max = 0;
	int best = -1;

	for (unsigned i = 0; i < count; i++) {
		if (!present(&facts[i]))
			continue;
		if (carries_record(&facts[i].st))
			return -1;
		votes = 0;
		for (unsigned k = 0; k < count; k++) {
			if (present(&facts[k]) && same_type(&facts[i].st, &facts[k].st) &&
			    same_owner(&facts[i].st, &facts[k].st))
				votes++;
		}
		if (votes > votes_max) {
			votes_max = votes;
			best = (int)i;
		}
	}
	return best;
}

/* Do all that were asked show the same file, and none a record? */
static bool
never_recorded(const struct judge_fact *facts, unsigned count, int first)
{
	const struct stat *st = &facts[first].st;

	for (unsigned i = 0; i < count; i++) {
		if (!facts[i].asked)
			continue;
		if (facts[i].error != 0 || facts[i].record_error != -ENODATA)
			return false;
		if (!same_type(st, &facts[i].st) || !same_owner(st, &facts[i].st))
			return false;
		if (S_ISREG(st->st_mode) && st->st_size != facts[i].st.st_size)
			return false;
	}
	return true;
}

/* Nothing is proved: what may be taken as it is? */
static int
choose_torn(const struct judge_fact *facts, unsigned count, bool dirty)
{
	int first = -1, best;

	for (unsigned i = 0; i < count && first < 0; i++) {
		if (present(&facts[i]))
			first = (int)i;
	}
	if (first < 0)
		return -1;
	if (never_recorded(facts, count, first))
		return first;
	if (!dirty)
		return -1;
	best = newest(facts, count, recorded);
	return best >= 0 ? best : first;
}

/* What is wrong with a fact by itself, when there is nothing to hold it against. */
static enum judge_state
state_alone(const struct judge_fact *fact)
{
	if (!fact->asked || (fact->error != 0 && fact->error != -ENOENT))
		return JUDGE_AWAY;
	if (fact->error == -ENOENT)
		return JUDGE_MISSING;
	if (!carries_record(&fact->st))
		return JUDGE_TYPE;
	if (!recorded(fact))
		return JUDGE_RECORD;
	return JUDGE_META;
}

static enum judge_state
state_against(const struct judge_fact *fact, const struct judge_fact *source)
{
	enum judge_state alone = state_alone(fact);

	if (alone == JUDGE_AWAY || alone == JUDGE_MISSING || fact == source)
		return fact == source ? JUDGE_GOOD : alone;
	if (!same_type(&fact->st, &source->st))
		return JUDGE_TYPE;
	if (!recorded(source)) {
		if (fact->record_error == 0 && carries_record(&fact->st))
			return JUDGE_RECORD;
		if (!same_owner(&fact->st, &source->st))
			return JUDGE_META;
		if (S_ISREG(fact->st.st_mode) && fact->st.st_size != source->st.st_size)
			return JUDGE_SIZE;
		return JUDGE_GOOD;
	}
	if (recorded(fact) && fact->record.id != source->record.id)
		return JUDGE_OTHER;
	if (!recorded(fact) || !same_record(&fact->record, &source->record))
		return JUDGE_RECORD;
	if (!fact->meta_matches)
		return JUDGE_META;
	return JUDGE_GOOD;
}

/* A regular file's length is held against its record's, the source's own too. */
static bool
wrong_size(const struct judge_fact *fact)
{
	return recorded(fact) && S_ISREG(fact->st.st_mode) &&
	    (uint64_t)fact->st.st_size != fact->record.size;
}

void
judge_inode(const struct judge_fact *facts, unsigned count, bool dirty, struct judge_verdict *verdict)
{
	int model;

	assert(count <= REPLICAS_MAX);

	verdict->source = newest(facts, count, proved);
	if (verdict->source < 0)
		verdict->source = most_agreed(facts, count);
	verdict->torn = -1;
	if (verdict->source < 0)
		verdict->torn = choose_torn(facts, count, dirty);
	model = verdict->source >= 0 ? verdict->source : verdict->torn;

	verdict->unanimous = true;
	for (unsigned i = 0; i < REPLICAS_MAX; i++) {
		verdict->state[i] = JUDGE_AWAY;
		if (i >= count)
			continue;
		if (model < 0)
			verdict->state[i] = state_alone(&facts[i]);
		else
			verdict->state[i] = state_against(&facts[i], &facts[model]);
		if (verdict->state[i] == JUDGE_GOOD && wrong_size(&facts[i]))
			verdict->state[i] = JUDGE_SIZE;
		if (facts[i].asked && verdict->state[i] != JUDGE_GOOD)
			verdict->unanimous = false;
	}
}
