#include "check/subject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check/place.h"
#include "meta/gather.h"
#include "meta/quarantine.h"
#include "meta/stamp.h"

int
subject_new(struct place *place, const char *name, const struct want *want, struct subject **out)
{
	struct check *c = place->c;
	struct subject *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return -ENOMEM;
	s->records = calloc(c->count, sizeof(*s->records));
	s->path = place_join(place, name);
	if (s->records == NULL || s->path == NULL) {
		subject_free(s);
		return -ENOMEM;
	}
	s->c = c;
	s->place = place;
	s->name = name;
	s->want = want;
	for (unsigned i = 0; i < c->count; i++) {
		s->at[i] = (struct replica_at){ place->handle[i], name };
		s->asked[i] = place->handle[i] != REPLICA_NONE;
	}
	*out = s;
	return 0;
}

void
subject_free(struct subject *s)
{
	if (s == NULL)
		return;
	free(s->records);
	free(s->path);
	free(s);
}

/* A link with another target, a device with another number. */
static bool
other_target(const struct subject *s, unsigned i)
{
	uint8_t ident[DIGEST_SIZE];

	if (digest_is_zero(s->want->ident))
		return false;
	return stamp_name(s->c->members[i].r, s->at[i].handle, s->at[i].name, &s->facts[i].st, 0,
	    &s->c->digest, ident) != 0 || memcmp(ident, s->want->ident, DIGEST_SIZE) != 0;
}

/* Is what stands there not what is wanted?  Then what else it says does not count. */
static enum judge_state
stranger(const struct subject *s, unsigned i)
{
	const struct judge_fact *fact = &s->facts[i];

	if (!fact->asked || fact->error != 0 || !s->want->known)
		return JUDGE_GOOD;
	if ((fact->st.st_mode & S_IFMT) != s->want->type)
		return JUDGE_TYPE;
	if (s->want->id != 0 && fact->record_error == 0 && fact->record.id != s->want->id)
		return JUDGE_OTHER;
	if (!S_ISREG(s->want->type) && !S_ISDIR(s->want->type) && other_target(s, i))
		return JUDGE_OTHER;
	return JUDGE_GOOD;
}

/* Call judge_inode with members up to date before those behind, who so win no tie. */
static void
judge_in_order(struct subject *s, const bool *mute)
{
	struct judge_fact facts[MEMBERS_MAX];
	struct judge_verdict verdict;
	unsigned order[MEMBERS_MAX] = { 0 }, count = 0;

	for (int stale = 0; stale <= 1; stale++) {
		for (unsigned i = 0; i < s->c->count; i++) {
			if (s->c->members[i].stale == (stale != 0))
				order[count++] = i;
		}
	}
	for (unsigned k = 0; k < count; k++) {
		facts[k] = s->facts[order[k]];
		facts[k].asked = facts[k].asked && !mute[order[k]];
	}
	judge_inode(facts, count, s->dirty, &verdict);
	s->verdict.source = verdict.source < 0 ? -1 : (int)order[verdict.source];
	s->verdict.torn = verdict.torn < 0 ? -1 : (int)order[verdict.torn];
	s->verdict.unanimous = verdict.unanimous;
	for (unsigned k = 0; k < count; k++)
		s->verdict.state[order[k]] = verdict.state[k];
}

/* Judge without strangers, and see to it that the source is nobody who is behind. */
static void
judge(struct subject *s)
{
	enum judge_state strange[MEMBERS_MAX] = { JUDGE_AWAY };
	bool mute[MEMBERS_MAX] = { false }, stale;
	unsigned i;
	int model;

	for (i = 0; i < s->c->count; i++) {
		strange[i] = stranger(s, i);
		mute[i] = strange[i] != JUDGE_GOOD;
	}
	judge_in_order(s, mute);
	model = s->verdict.source >= 0 ? s->verdict.source : s->verdict.torn;
	if ((stale = model >= 0 && s->c->members[model].stale)) {
		/* An old version is proved to be old, not to be right. */
		for (i = 0; i < s->c->count; i++)
			mute[i] = mute[i] || s->c->members[i].stale;
		judge_in_order(s, mute);
	}
	for (i = 0; i < s->c->count; i++) {
		if (strange[i] != JUDGE_GOOD)
			s->verdict.state[i] = strange[i];
		else if (stale && s->c->members[i].stale && s->asked[i])
			s->verdict.state[i] = s->facts[i].error == 0 ? JUDGE_RECORD : JUDGE_MISSING;
	}
}

void
subject_load(struct subject *s)
{
	struct check *c = s->c;

	for (unsigned i = 0; i < c->count; i++) {
		memset(&s->facts[i], 0, sizeof(s->facts[i]));
		if (s->asked[i])
			gather_fact(c->members[i].r, s->at[i], &c->digest, s->records[i], &s->facts[i]);
	}
	judge(s);
}

bool
subject_present(const struct subject *s, unsigned i)
{
	if (!s->asked[i] || s->facts[i].error != 0)
		return false;
	return s->verdict.state[i] != JUDGE_TYPE && s->verdict.state[i] != JUDGE_OTHER;
}

int
subject_newest(const struct subject *s)
{
	int best = -1;

	for (unsigned i = 0; i < s->c->count; i++) {
		if (!subject_present(s, i) || s->c->members[i].stale || s->facts[i].record_error != 0)
			continue;
		if ((s->facts[i].record.kind == RECORD_DIRECTORY) != S_ISDIR(s->facts[i].st.st_mode))
			continue;
		if (best < 0 || s->facts[i].record.generation > s->facts[best].record.generation)
			best = (int)i;
	}
	return best;
}

void
subject_copy(const struct subject *s, unsigned from, unsigned to, struct copy *copy)
{
	copy->digest = &s->c->digest;
	copy->src = s->c->members[from].r;
	copy->dst = s->c->members[to].r;
	copy->src_tags = s->c->members[from].tags;
	copy->dst_tags = s->c->members[to].tags;
}

enum report_class
subject_class(const struct subject *s)
{
	return s->want->proved || s->want->dirty || s->dirty ? CLASS_SAFE : CLASS_FULL;
}

void
subject_found(const struct subject *s, enum report_code code, int member,
    enum report_outcome outcome, int error, const char *detail)
{
	struct report_finding finding = {
		.code = code, .path = s->path, .offset = REPORT_NO_OFFSET,
		.detail = detail, .outcome = outcome, .error = error,
	};

	if (member >= 0)
		finding.replica = s->c->members[member].r->path;
	report_add(s->c->report, &finding);
}

enum report_outcome
subject_mended(int rc, bool may)
{
	return may && rc == 0 ? OUTCOME_MENDED : OUTCOME_LEFT;
}

static int
put_aside(struct subject *s, unsigned i, const char *reason)
{
	struct member *m = &s->c->members[i];
	int rc;

	rc = quarantine_move(m->r, s->at[i].handle, s->at[i].name, s->path, reason);
	if (rc == 0)
		atomic_store(&s->c->touched, true);
	return rc;
}

static int
make_one(struct subject *s, unsigned model, unsigned i, bool in_the_way)
{
	struct copy copy;
	int rc;

	if (in_the_way && (rc = put_aside(s, i, report_text(NAME_CHANGED))) != 0)
		return rc;
	subject_copy(s, model, i, &copy);
	atomic_store(&s->place->touched[i], true);
	atomic_store(&s->c->touched, true);
	if ((rc = copy_make(&copy, s->at[model], s->at[i].handle, s->at[i].name)) != 0)
		return rc;
	s->fresh[i] = true;
	if (S_ISREG(s->facts[model].st.st_mode) || S_ISDIR(s->facts[model].st.st_mode))
		return 0;
	return copy_finish(&copy, s->at[model], s->at[i]);
}

void
subject_make(struct subject *s, unsigned model)
{
	enum report_code code;
	bool may, there;
	int rc;

	for (unsigned i = 0; i < s->c->count; i++) {
		there = s->verdict.state[i] == JUDGE_TYPE || s->verdict.state[i] == JUDGE_OTHER;
		if (!s->asked[i] || (!there && s->verdict.state[i] != JUDGE_MISSING))
			continue;
		code = there ? NAME_CHANGED : NAME_MISSING;
		may = report_may_as(s->c->report, code, subject_class(s));
		rc = may ? make_one(s, model, i, there) : 0;
		if (there || !s->place->fresh[i] || rc != 0)
			subject_found(s, code, (int)i, subject_mended(rc, may), rc, NULL);
	}
}

static const char *
what_differs(const struct stat *found, const struct stat *want)
{
	bool owner = found->st_uid != want->st_uid || found->st_gid != want->st_gid;
	bool mode = found->st_mode != want->st_mode;

	if (owner && mode)
		return "owner and mode";
	if (owner)
		return "owner";
	return mode ? "mode" : "extended attributes";
}

static int
store_record(struct subject *s, unsigned i, const struct record *record, bool with_record, bool with_atime)
{
	struct replica_times times = { .atime.tv_nsec = UTIME_OMIT, .mtime = record->mtime };
	struct member *m = &s->c->members[i];
	uint8_t bytes[RECORD_SIZE_MAX];
	int len = 0;

	if (with_atime)
		times.atime = s->facts[s->verdict.source].st.st_atim;
	if (with_record && (len = record_encode(&s->c->digest, record, bytes, sizeof(bytes))) < 0)
		return len;
	atomic_store(&s->c->touched, true);
	return m->r->ops->store(m->r, s->at[i], &times, bytes, (size_t)len);
}

static bool
sealed(const struct subject *s, unsigned i, const struct record *record)
{
	const struct timespec *mtime = &s->facts[i].st.st_mtim;

	return mtime->tv_sec == record->mtime.tv_sec && mtime->tv_nsec == record->mtime.tv_nsec;
}

static enum report_code
record_code(const struct judge_fact *fact)
{
	if (fact->record_error == 0)
		return RECORD_DIFFERS;
	return fact->record_error == -ENODATA ? RECORD_MISSING : RECORD_SPOILED;
}

static int
copy_meta_to(struct subject *s, unsigned i)
{
	struct copy copy;

	if ((unsigned)s->verdict.source == i)
		return 0;
	subject_copy(s, (unsigned)s->verdict.source, i, &copy);
	atomic_store(&s->c->touched, true);
	return copy_meta(&copy, s->at[s->verdict.source], s->at[i]);
}

static void
finish_record(struct subject *s, unsigned i, const struct record *record)
{
	enum report_code code = record_code(&s->facts[i]);
	bool may = report_may(s->c->report, code);
	int rc = 0;

	if (may && (rc = copy_meta_to(s, i)) == 0)
		rc = store_record(s, i, record, true, false);
	subject_found(s, code, (int)i, subject_mended(rc, may), rc,
	    s->facts[i].record_error == -EMEDIUMTYPE ? "it is of another codec" : NULL);
}

static void
finish_meta(struct subject *s, unsigned i, const struct record *record)
{
	bool may = report_may(s->c->report, META_CHANGED);
	const char *what = what_differs(&s->facts[i].st, &s->facts[s->verdict.source].st);
	int rc = 0;

	if (may && (rc = copy_meta_to(s, i)) == 0)
		rc = store_record(s, i, record, false, false);
	subject_found(s, META_CHANGED, (int)i, subject_mended(rc, may), rc, what);
}

/* Only the time may be wrong, or nothing at all. */
static void
finish_time(struct subject *s, unsigned i, const struct record *record)
{
	bool may;
	int rc = 0;

	if (s->written[i]) {
		/* Writing takes a capability away, and moves the time: both are as they were again. */
		if (s->facts[i].xattrs)
			rc = copy_meta_to(s, i);
		if (rc == 0)
			rc = store_record(s, i, record, false, false);
		if (rc != 0)
			subject_found(s, MTIME_CHANGED, (int)i, OUTCOME_LEFT, rc, NULL);
		return;
	}
	if (s->told[i] || sealed(s, i, record))
		return;
	may = report_may(s->c->report, MTIME_CHANGED);
	rc = may ? store_record(s, i, record, false, false) : 0;
	subject_found(s, MTIME_CHANGED, (int)i, subject_mended(rc, may), rc, NULL);
}

static void
finish_fresh(struct subject *s, unsigned i, const struct record *record)
{
	int rc;

	if ((rc = copy_meta_to(s, i)) == 0)
		rc = store_record(s, i, record, true, true);
	if (rc != 0)
		subject_found(s, RECORD_MISSING, (int)i, OUTCOME_LEFT, rc, NULL);
}

void
subject_finish(struct subject *s, const struct record *record)
{
	for (unsigned i = 0; i < s->c->count; i++) {
		if (s->fresh[i])
			finish_fresh(s, i, record);
		else if (!subject_present(s, i))
			continue;
		else if (s->verdict.state[i] == JUDGE_RECORD)
			finish_record(s, i, record);
		else if (s->verdict.state[i] == JUDGE_META)
			finish_meta(s, i, record);
		else if (!S_ISDIR(s->facts[i].st.st_mode))
			finish_time(s, i, record);
	}
}

int
subject_keep(struct subject *s, unsigned i, const char *reason)
{
	struct member *m = &s->c->members[i];
	int rc;

	if (s->kept[i] || s->fresh[i])
		return 0;
	rc = quarantine_copy(m->r, s->at[i], s->path, reason);
	s->kept[i] = rc == 0;
	return rc;
}

bool
subject_expendable(const struct subject *s, unsigned i, const struct record *record)
{
	const struct judge_fact *fact = &s->facts[i];

	if (s->fresh[i] || sealed(s, i, record))
		return true;
	return fact->record_error == 0 && fact->record.generation < record->generation &&
	    sealed(s, i, &fact->record);
}
