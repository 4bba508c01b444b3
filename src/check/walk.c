#include "check/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check/accept.h"
#include "check/file.h"
#include "check/links.h"
#include "check/mendnames.h"
#include "check/names.h"
#include "check/place.h"
#include "check/subject.h"
#include "meta/listing.h"

struct job { struct place *place; struct want want; char name[]; };

bool
walk_is_dirty(const struct check *c, const struct want *want)
{
	if (c->intent == NULL)
		return false;
	/* What had no id before this run is as its directory is. */
	if (want->id == 0 || want->id >= c->id_limit)
		return want->dirty;
	return intent_was_dirty(c->intent, want->id);
}

static void
no_memory(struct check *c)
{
	atomic_store(&c->incomplete, true);
	report_failed(c->report, "out of memory");
}

static void
run_job(void *arg)
{
	struct job *job = arg;
	struct check *c = job->place->c;
	struct subject *s;

	if (subject_new(job->place, job->name, &job->want, &s) != 0) {
		no_memory(c);
	} else {
		s->dirty = walk_is_dirty(c, &job->want);
		if (!check_stopped(c))
			file_check(s);
		subject_free(s);
	}
	place_put(job->place);
	free(job);
}

static void
add_job(struct place *place, const struct entry *entry)
{
	size_t len = strlen(entry->name) + 1;
	struct job *job;

	if ((job = malloc(sizeof(*job) + len)) == NULL) {
		no_memory(place->c);
		return;
	}
	place_hold(place);
	job->place = place;
	job->want = entry->want;
	memcpy(job->name, entry->name, len);
	pool_add(place->c->pool, run_job, job);
}

static bool
has_several_names(const struct check *c, const struct entry *entry)
{
	for (unsigned i = 0; i < c->count; i++) {
		if (entry->seen[i].state != SEEN_AWAY && entry->seen[i].state != SEEN_ABSENT &&
		    entry->seen[i].nlink > 1 && !S_ISDIR(entry->seen[i].mode))
			return true;
	}
	return false;
}

/* A second name for an id: of a file, a hard link gone wrong perhaps; its names are sought later. */
static void
note_id(struct place *place, const struct entry *entry)
{
	struct check *c = place->c;
	struct report_finding finding = { .code = ID_TWICE, .offset = REPORT_NO_OFFSET };
	char *path;
	int rc;

	if (entry->want.id == 0)
		return;
	if ((rc = idset_add(c->ids, entry->want.id)) < 0)
		no_memory(c);
	if (rc != 1)
		return;
	if (!S_ISDIR(entry->want.type)) {
		c->any_twice = true;
		if (idset_add(c->twice, entry->want.id) < 0)
			no_memory(c);
		return;
	}
	path = place_join(place, entry->name);
	finding.path = path != NULL ? path : entry->name;
	report_add(c->report, &finding);
	free(path);
}

static void walk_place(struct place *place, struct subject *dir, const struct record *record);

/* A record that may be believed: the source's, or a valid one whose metadata alone is in doubt. */
static const struct record *
settle_directory(struct subject *s)
{
	enum report_code code;
	int newest;
	bool may;
	int rc;

	subject_load(s);
	if (s->verdict.source >= 0)
		return &s->facts[s->verdict.source].record;
	if ((newest = subject_newest(s)) < 0) {
		code = s->dirty ? FILE_TORN : RECORD_UNPROVED;
		may = s->want->id != 0 && report_may(s->c->report, code);
		rc = may ? accept_directory(s, s->want->id) : 0;
		subject_found(s, code, s->c->count == 1 ? 0 : -1, subject_mended(rc, may), rc, NULL);
		if (may && rc == 0)
			subject_load(s);
		return s->verdict.source < 0 ? NULL : &s->facts[s->verdict.source].record;
	}
	code = s->dirty ? FILE_TORN : META_UNPROVED;
	may = report_may(s->c->report, code);
	rc = may ? accept_meta(s, (unsigned)newest) : 0;
	subject_found(s, code, s->c->count == 1 ? 0 : -1, subject_mended(rc, may), rc, NULL);
	if (may && rc == 0)
		subject_load(s);
	newest = s->verdict.source >= 0 ? s->verdict.source : subject_newest(s);
	return newest < 0 ? NULL : &s->facts[newest].record;
}

/* Without a look at what is wrong with it. */
static const struct record *
load_directory(struct subject *s)
{
	int newest;

	subject_load(s);
	newest = subject_newest(s);
	return newest < 0 ? NULL : &s->facts[newest].record;
}

/* Handles on the directory where it is, or was made just now. */
static int
open_below(struct subject *s, struct place **out)
{
	struct check *c = s->c;
	int rc;

	if ((rc = place_new(c, s->path, out)) != 0)
		return rc;
	for (unsigned i = 0; i < c->count; i++) {
		if (!s->fresh[i] && !subject_present(s, i))
			continue;
		(*out)->fresh[i] = s->fresh[i];
		/* Opened again to have a handle of its own; the top one has no name. */
		if (s->at[i].name == NULL) {
			(*out)->handle[i] = s->at[i].handle;
			continue;
		}
		rc = c->members[i].r->ops->dir_open(c->members[i].r, s->at[i].handle, s->at[i].name, &(*out)->handle[i]);
		if (rc != 0) {
			(*out)->handle[i] = REPLICA_NONE;
			atomic_store(&c->incomplete, true);
			subject_found(s, INODE_UNREADABLE, (int)i, OUTCOME_LEFT, rc, NULL);
		}
	}
	return 0;
}

/* One directory: itself, then what is in it. */
static void
walk_directory(struct subject *s)
{
	const struct record *record;
	struct record own;
	struct place *below;

	if (!s->c->collecting)
		report_count(s->c->report, COUNT_DIRECTORIES, 1);
	if ((record = s->c->collecting ? load_directory(s) : settle_directory(s)) != NULL) {
		own = *record;
		record = &own;
	}
	if (s->verdict.source >= 0 && !s->c->collecting) {
		subject_make(s, (unsigned)s->verdict.source);
		subject_finish(s, record);
	}
	if (open_below(s, &below) != 0) {
		no_memory(s->c);
		return;
	}
	walk_place(below, s, record);
	place_put(below);
}

static void
walk_below(struct place *place, const struct entry *entry)
{
	struct subject *s;

	if (subject_new(place, entry->name, &entry->want, &s) != 0) {
		no_memory(place->c);
		return;
	}
	s->dirty = walk_is_dirty(place->c, &entry->want);
	walk_directory(s);
	subject_free(s);
}

static bool
member_fits(const struct names *n, unsigned i)
{
	const struct entry *entry;

	for (size_t e = 0; e < n->count; e++) {
		entry = &n->entries[e];
		/* A lost record says nothing about the names. */
		if (!names_fits(entry, i) &&
		    !(entry->belongs && entry->seen[i].state == SEEN_UNKNOWN &&
		    (entry->seen[i].mode & S_IFMT) == entry->want.type))
			return false;
	}
	return true;
}

/* The directory's own seal, on members whose names are right and were not touched. */
static void
check_time(const struct names *n, struct subject *dir, const struct record *record)
{
	struct check *c = n->place->c;
	const struct timespec *mtime;
	bool may;

	for (unsigned i = 0; i < c->count; i++) {
		mtime = &dir->facts[i].st.st_mtim;
		if (!subject_present(dir, i) || dir->verdict.state[i] != JUDGE_GOOD ||
		    (mtime->tv_sec == record->mtime.tv_sec && mtime->tv_nsec == record->mtime.tv_nsec))
			continue;
		if (atomic_load(&n->place->touched[i]) || !member_fits(n, i))
			continue;
		if ((may = report_may(c->report, MTIME_CHANGED)))
			atomic_store(&n->place->touched[i], true);
		subject_found(dir, MTIME_CHANGED, (int)i, subject_mended(0, may), 0, NULL);
	}
}

/*
 * What is proved to be wanted stands on no member under this name, though
 * every one has something there: two names were exchanged.
 */
static bool
nowhere(struct names *n, const struct entry *entry)
{
	struct check *c = n->place->c;
	struct report_finding finding = { .code = NAME_CHANGED, .offset = REPORT_NO_OFFSET };
	char *path;

	for (unsigned i = 0; i < c->count; i++) {
		if (entry->seen[i].state == SEEN_UNKNOWN ||
		    (entry->seen[i].state == SEEN_KNOWN && names_fits(entry, i)))
			return false;
	}
	path = place_join(n->place, entry->name);
	finding.path = path != NULL ? path : entry->name;
	for (unsigned i = 0; i < c->count; i++) {
		if (entry->seen[i].state != SEEN_KNOWN)
			continue;
		finding.replica = c->members[i].r->path;
		report_add(c->report, &finding);
	}
	free(path);
	return true;
}

static void
check_entries(struct names *n)
{
	struct place *place = n->place;
	struct check *c = place->c;
	struct entry *entry;

	for (size_t e = 0; e < n->count && !check_stopped(c); e++) {
		entry = &n->entries[e];
		if (!entry->belongs || !entry->want.known || S_ISDIR(entry->want.type) || nowhere(n, entry))
			continue;
		if (has_several_names(c, entry)) {
			if (links_add(c->links, place, entry) != 0)
				no_memory(c);
			continue;
		}
		note_id(place, entry);
		add_job(place, entry);
	}
	for (size_t e = 0; e < n->count && !check_stopped(c); e++) {
		entry = &n->entries[e];
		if (!entry->belongs || !entry->want.known || !S_ISDIR(entry->want.type) || nowhere(n, entry))
			continue;
		note_id(place, entry);
		walk_below(place, entry);
	}
}

/* The second walk: names of files whose id more than one inode has. */
static void
collect_entries(struct names *n)
{
	struct check *c = n->place->c;
	struct entry *entry;

	for (size_t e = 0; e < n->count && !check_stopped(c); e++) {
		entry = &n->entries[e];
		if (!entry->belongs || !entry->want.known)
			continue;
		if (S_ISDIR(entry->want.type))
			walk_below(n->place, entry);
		else if (entry->want.id != 0 && !has_several_names(c, entry) && idset_has(c->twice, entry->want.id) &&
		    links_add(c->links, n->place, entry) != 0)
			no_memory(c);
	}
}

static void
walk_place(struct place *place, struct subject *dir, const struct record *record)
{
	struct names names;

	if (names_read(place, &names) != 0) {
		no_memory(place->c);
		names_free(&names);
		return;
	}
	names_judge(&names, record, dir->dirty);
	if (place->c->collecting) {
		collect_entries(&names);
		names_free(&names);
		return;
	}
	if (!names.proved)
		mendnames_accept(&names, dir, record);
	else if (record != NULL)
		check_time(&names, dir, record);
	if (!names.agreed) {
		mendnames_move(&names);
		mendnames_remove(&names);
	}
	check_entries(&names);
	names_free(&names);
}

static void
walk_once(struct check *c)
{
	const struct want want = { .known = true, .proved = true, .type = S_IFDIR, .id = ROOT_ID };
	struct subject *s = NULL;
	struct place *top;
	if (place_new(c, "", &top) != 0) {
		no_memory(c);
		return;
	}
	for (unsigned i = 0; i < c->count; i++)
		top->handle[i] = REPLICA_ROOT;
	if (subject_new(top, "", &want, &s) != 0) {
		no_memory(c);
	} else {
		for (unsigned i = 0; i < c->count; i++)
			s->at[i].name = NULL;
		s->dirty = walk_is_dirty(c, &want);
		(void)idset_add(c->ids, ROOT_ID);
		walk_directory(s);
	}
	pool_drain(c->pool);
	subject_free(s);
	place_put(top);
}

void
walk_tree(struct check *c)
{
	walk_once(c);
	if (!c->any_twice || check_stopped(c))
		return;
	c->collecting = true;
	walk_once(c);
	c->collecting = false;
}
