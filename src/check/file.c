#include "check/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check/accept.h"
#include "check/blocks.h"
#include "check/pages.h"
#include "check/subject.h"

/* Each round but the last ends with a version accepted, which then is proved. */
#define ROUNDS_MAX 4

/* Cut or extend copies to the record's length; what is cut off is kept. */
static void
mend_sizes(struct subject *s, const struct record *record)
{
	struct replica_privs privs;
	replica_handle file;
	struct replica *r;
	bool may, news;
	int rc;

	for (unsigned i = 0; i < s->c->count; i++) {
		if (!s->fresh[i] && (!subject_present(s, i) || (uint64_t)s->facts[i].st.st_size == record->size))
			continue;
		/* With an old record the length is old too. */
		news = !s->fresh[i] && !(s->verdict.state[i] == JUDGE_RECORD && s->facts[i].record_error == 0);
		may = s->c->repairing && (!news || report_may(s->c->report, SIZE_WRONG));
		rc = 0;
		if (may && !subject_expendable(s, i, record))
			rc = subject_keep(s, i, report_text(SIZE_WRONG));
		r = s->c->members[i].r;
		if (may && rc == 0 && (rc = r->ops->open(r, s->at[i], true, &file, NULL)) == 0) {
			replica_privs_get(r, s->at[i], &privs);
			if ((rc = r->ops->truncate(r, file, record->size)) == 0)
				rc = replica_privs_put(r, s->at[i], &privs);
			r->ops->close(r, file);
			s->written[i] = true;
			atomic_store(&s->c->touched, true);
		}
		if (!news && rc == 0)
			continue;
		s->told[i] = true;
		subject_found(s, SIZE_WRONG, (int)i, subject_mended(rc, may), rc, NULL);
	}
}

/* Nothing proves the record, or not all of the data: take one version?  True: start over. */
static bool
settle(struct subject *s, enum report_code code, enum report_class class)
{
	char detail[256];
	unsigned which = 0;
	bool own = false, may;
	uint64_t id = s->want->id;
	int rc;

	may = id != 0 && report_may_as(s->c->report, code, class);
	rc = accept_choose(s, &own, &which);
	if (rc == 0)
		snprintf(detail, sizeof(detail), "the copy on %s %s", s->c->members[which].r->path,
		    own ? "matches its own record" : "is the one to take");
	if (rc == 0 && may) {
		/* Its record may stand, but must be the newest; or it is made anew. */
		rc = own ? accept_meta(s, which) : accept_file(s, which, id);
	}
	subject_found(s, code, -1, subject_mended(rc, may), rc == -ENOENT ? 0 : rc,
	    rc == 0 ? detail : NULL);
	return may && rc == 0;
}

/* A valid record, but no member's metadata is what it says. */
static bool
settle_meta(struct subject *s, int newest)
{
	enum report_code code = s->dirty ? FILE_TORN : META_UNPROVED;
	bool may = report_may(s->c->report, code);
	int rc = may ? accept_meta(s, (unsigned)newest) : 0;

	subject_found(s, code, s->c->count == 1 ? 0 : -1, subject_mended(rc, may), rc, NULL);
	return may && rc == 0;
}

static bool
all_lost(const struct subject *s)
{
	for (unsigned i = 0; i < s->c->count; i++) {
		if (s->asked[i] && s->facts[i].error == 0)
			return false;
	}
	return true;
}

static void
report_unreadable(const struct subject *s)
{
	for (unsigned i = 0; i < s->c->count; i++) {
		if (!s->asked[i] || s->facts[i].error == 0 || s->facts[i].error == -ENOENT)
			continue;
		atomic_store(&s->c->incomplete, true);
		subject_found(s, INODE_UNREADABLE, (int)i, OUTCOME_LEFT, s->facts[i].error, NULL);
	}
}

/*
 * Has no member the length that the record says?  Then all of them were written
 * to after it was stored: what was acknowledged stands behind its end.
 */
static bool
outgrown(const struct subject *s, const struct record *record)
{
	for (unsigned i = 0; i < s->c->count; i++) {
		if (s->asked[i] && s->facts[i].error == 0 && S_ISREG(s->facts[i].st.st_mode) &&
		    (uint64_t)s->facts[i].st.st_size == record->size)
			return false;
	}
	return true;
}

/*
 * In a dirty region blocks that are lost mean that the file is torn.  That is
 * to be known before anything is mended: another member's copy may be whole.
 */
static bool
is_torn(struct subject *s, const struct record *record, struct pages *pages)
{
	struct blocks_result result;

	if (!s->dirty)
		return false;
	if (!pages_proved(pages) || outgrown(s, record))
		return true;
	blocks_verify(s, record, pages, true, &result);
	return result.lost > 0 || result.unproved > 0;
}

static bool
check_pages(struct subject *s, const struct record *record, struct pages *pages)
{
	struct blocks_result result;

	if (is_torn(s, record, pages) && settle(s, FILE_TORN, CLASS_SAFE))
		return true;
	if (!pages_proved(pages) && !s->dirty && settle(s, TAGS_SUM, CLASS_FULL))
		return true;
	mend_sizes(s, record);
	pages_mend(pages);
	blocks_verify(s, record, pages, false, &result);
	if (result.error != 0)
		report_failed(s->c->report, "%s: %s", s->path, strerror(-result.error));
	return false;
}

/* Data against ${record}.  True: a version was accepted, start over. */
static bool
check_data(struct subject *s, const struct record *record)
{
	struct pages *pages;
	bool again;
	int rc;

	if ((rc = pages_new(s, record, &pages)) != 0) {
		report_failed(s->c->report, "%s: %s", s->path, strerror(-rc));
		return false;
	}
	again = check_pages(s, record, pages);
	pages_free(pages);
	return again;
}

static void
note_id(struct subject *s, const struct record *record)
{
	if (record->kind == RECORD_PAGED && idset_add(s->c->paged, record->id) < 0)
		atomic_store(&s->c->incomplete, true);
}

/* One round; true: a version was accepted, start over. */
static bool
check_regular(struct subject *s)
{
	struct record record;
	int newest;

	newest = s->verdict.source >= 0 ? s->verdict.source : subject_newest(s);
	if (newest < 0) {
		if (settle(s, s->dirty ? FILE_TORN : RECORD_UNPROVED, s->dirty ? CLASS_SAFE : CLASS_FULL))
			return true;
		/* A tags file that seems to be nobody's may be its own. */
		atomic_store(&s->c->incomplete, true);
		report_count(s->c->report, COUNT_UNVERIFIABLE, 1);
		return false;
	}
	if (s->verdict.source < 0 && settle_meta(s, newest))
		return true;
	if (s->verdict.source >= 0)
		subject_make(s, (unsigned)newest);
	record = s->facts[newest].record;
	note_id(s, &record);
	if (check_data(s, &record))
		return true;
	if (s->verdict.source >= 0)
		subject_finish(s, &record);
	return false;
}

static bool
same_mtime(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int
mend_other(struct subject *s, unsigned model, unsigned i)
{
	struct copy copy;
	int rc;

	subject_copy(s, model, i, &copy);
	atomic_store(&s->c->touched, true);
	if ((rc = copy_meta(&copy, s->at[model], s->at[i])) != 0)
		return rc;
	return copy_finish(&copy, s->at[model], s->at[i]);
}

/* Links and special files: names and targets are proved by the directory, the rest by nothing. */
static void
check_other(struct subject *s)
{
	unsigned model;
	bool may, differs;
	int rc;

	report_count(s->c->report, COUNT_OTHERS, 1);
	if (s->verdict.source < 0)
		return;
	model = (unsigned)s->verdict.source;
	subject_make(s, model);
	if (s->c->count == 1)
		report_count(s->c->report, COUNT_UNVERIFIABLE, 1);
	for (unsigned i = 0; i < s->c->count; i++) {
		if (i == model || s->fresh[i] || !subject_present(s, i))
			continue;
		differs = s->verdict.state[i] != JUDGE_GOOD;
		if (!differs && same_mtime(&s->facts[i].st, &s->facts[model].st))
			continue;
		may = report_may_as(s->c->report, META_DIFFERS,
		    s->c->members[i].stale ? CLASS_SAFE : CLASS_FULL);
		rc = may ? mend_other(s, model, i) : 0;
		subject_found(s, META_DIFFERS, (int)i, subject_mended(rc, may), rc,
		    differs ? "owner or mode" : "modification time");
	}
}

void
file_check(struct subject *s)
{
	bool again = true;

	for (unsigned round = 0; again && round < ROUNDS_MAX && !check_stopped(s->c); round++) {
		subject_load(s);
		if (all_lost(s)) {
			report_unreadable(s);
			return;
		}
		if (!S_ISREG(s->want->type)) {
			report_unreadable(s);
			check_other(s);
			return;
		}
		again = check_regular(s);
		memset(s->fresh, 0, sizeof(s->fresh));
		memset(s->written, 0, sizeof(s->written));
	}
	report_unreadable(s);
	report_count(s->c->report, COUNT_FILES, 1);
}
