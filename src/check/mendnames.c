#include "check/mendnames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/accept.h"
#include "check/moves.h"
#include "check/place.h"
#include "check/subject.h"
#include "meta/quarantine.h"
#include "meta/stamp.h"

static void
found(const struct names *n, const char *name, enum report_code code, int member,
    enum report_outcome outcome, int error, const char *detail)
{
	char *path = place_join(n->place, name);
	struct report_finding finding = {
		.code = code, .path = path != NULL ? path : name, .offset = REPORT_NO_OFFSET,
		.outcome = outcome, .error = error, .detail = detail,
	};

	if (member >= 0)
		finding.replica = n->place->c->members[member].r->path;
	report_add(n->place->c->report, &finding);
	free(path);
}

/* What stood under one name stands under another: its digest is another. */
static void
rename_seen(const struct names *n, const char *name, struct seen *seen)
{
	if (seen->state == SEEN_KNOWN && (S_ISREG(seen->mode) || S_ISDIR(seen->mode)))
		record_name(&n->place->c->digest, name, seen->mode, seen->id, NULL, 0, seen->ident);
}

static int
move(struct names *n, unsigned i, struct entry *from, struct entry *to)
{
	struct check *c = n->place->c;
	struct replica *r = c->members[i].r;
	replica_handle dir = n->place->handle[i];
	bool exchange = to->seen[i].state != SEEN_ABSENT;
	struct seen old;
	int rc;

	rc = r->ops->rename(r, dir, from->name, dir, to->name,
	    exchange ? RENAME_EXCHANGE : RENAME_NOREPLACE);
	if (rc != 0)
		return rc;
	atomic_store(&n->place->touched[i], true);
	atomic_store(&c->touched, true);
	old = to->seen[i];
	to->seen[i] = from->seen[i];
	from->seen[i] = old;
	rename_seen(n, to->name, &to->seen[i]);
	rename_seen(n, from->name, &from->seen[i]);
	return 0;
}

/* Where on member ${i} stands, under a name it should not have, what ${to} is to have? */
static struct entry *
misplaced(struct names *n, unsigned i, const struct entry *to)
{
	struct entry *from;

	for (size_t e = 0; e < n->count; e++) {
		from = &n->entries[e];
		if (from != to && from->seen[i].state == SEEN_KNOWN && !names_fits(from, i) &&
		    from->seen[i].id == to->want.id && (from->seen[i].mode & S_IFMT) == to->want.type)
			return from;
	}
	return NULL;
}

static void
move_to(struct names *n, unsigned i, struct entry *to)
{
	struct entry *from;
	char *detail = NULL;
	int rc;

	if (!to->belongs || to->want.id == 0 || names_fits(to, i) || to->seen[i].state == SEEN_UNKNOWN)
		return;
	if ((from = misplaced(n, i, to)) == NULL)
		return;
	if (!report_may_as(n->place->c->report, NAME_CHANGED, CLASS_SAFE))
		return;		/* told as missing here, and as not belonging there */
	rc = move(n, i, from, to);
	if (asprintf(&detail, "it stood under the name \"%s\"", from->name) < 0)
		detail = NULL;
	found(n, to->name, NAME_CHANGED, (int)i, subject_mended(rc, true), rc, detail);
	free(detail);
}

/* Bring a file here from where a cut off renaming left it on member ${i}. */
static int
fetch(struct names *n, unsigned i, struct entry *to, const char *from)
{
	struct check *c = n->place->c;
	struct replica *r = c->members[i].r;
	const char *slash = strrchr(from, '/');
	char *path = strndup(from, slash != NULL ? (size_t)(slash - from) : 0);
	struct place *source;
	int rc;

	if (path == NULL || place_open(c, path, &source) != 0) {
		free(path);
		return -ENOMEM;
	}
	free(path);
	rc = -ENOENT;
	if (source->handle[i] != REPLICA_NONE)
		rc = r->ops->rename(r, source->handle[i], slash != NULL ? slash + 1 : from,
		    n->place->handle[i], to->name, RENAME_NOREPLACE);
	if (rc == 0) {
		atomic_store(&source->touched[i], true);
		atomic_store(&n->place->touched[i], true);
		atomic_store(&c->touched, true);
		to->seen[i].state = SEEN_KNOWN;
		to->seen[i].nlink = 1;
		to->seen[i].mode = to->want.type;
		to->seen[i].id = to->want.id;
		memcpy(to->seen[i].ident, to->want.ident, DIGEST_SIZE);
	}
	place_put(source);
	return rc;
}

static void
fetch_to(struct names *n, unsigned i, struct entry *to)
{
	char *detail = NULL;
	const char *from;

	if (!to->belongs || to->want.id == 0 || to->seen[i].state != SEEN_ABSENT ||
	    (from = moves_from(n->place->c->moves, to->want.id, i)) == NULL)
		return;
	if (!report_may(n->place->c->report, NAMES_TORN) || fetch(n, i, to, from) != 0)
		return;		/* it is made as any other that is missing */
	if (asprintf(&detail, "renamed from \"%s\"", from) < 0)
		detail = NULL;
	found(n, to->name, NAMES_TORN, (int)i, OUTCOME_MENDED, 0, detail);
	free(detail);
}

void
mendnames_move(struct names *n)
{
	if (!n->place->c->repairing)
		return;
	for (unsigned i = 0; i < n->place->c->count; i++) {
		for (size_t e = 0; e < n->count; e++) {
			move_to(n, i, &n->entries[e]);
			fetch_to(n, i, &n->entries[e]);
		}
	}
}

static void
remove_from(struct names *n, struct entry *entry, unsigned i)
{
	struct check *c = n->place->c;
	struct member *m = &c->members[i];
	enum report_class class = m->stale ? CLASS_SAFE : report_class(NAME_ADDED);
	bool may = report_may_as(c->report, NAME_ADDED, class);
	char *path = NULL;
	int rc = 0;

	if (may && (path = place_join(n->place, entry->name)) == NULL)
		rc = -ENOMEM;
	if (may && rc == 0)
		rc = quarantine_move(m->r, n->place->handle[i], entry->name, path,
		    m->stale ? "removed while this replica was away" : report_text(NAME_ADDED));
	if (may && rc == 0) {
		atomic_store(&n->place->touched[i], true);
		atomic_store(&c->touched, true);
	}
	found(n, entry->name, NAME_ADDED, (int)i, subject_mended(rc, may), rc,
	    entry->seen[i].state == SEEN_UNKNOWN ? "it has no valid record" : NULL);
	free(path);
}

void
mendnames_remove(struct names *n)
{
	struct entry *entry;

	for (size_t e = 0; e < n->count; e++) {
		entry = &n->entries[e];
		for (unsigned i = 0; !entry->belongs && !entry->leaving && i < n->place->c->count; i++) {
			if (entry->seen[i].state == SEEN_KNOWN || entry->seen[i].state == SEEN_UNKNOWN)
				remove_from(n, entry, i);
		}
	}
}

struct adopted { struct hashmap_link by_ino; uint64_t id; };

void
mendnames_forget(struct hashmap_link *link, void *arg)
{
	(void)arg;
	free(hashmap_entry(link, struct adopted, by_ino));
}

static const struct seen *
several_names(const struct names *n, const struct entry *entry)
{
	for (unsigned i = 0; i < n->place->c->count; i++) {
		if (entry->seen[i].state == SEEN_UNKNOWN && entry->seen[i].nlink > 1 && S_ISREG(entry->seen[i].mode))
			return &entry->seen[i];
	}
	return NULL;
}

/* A new id; the same for all names of a file with several. */
static int
new_id(struct names *n, const struct entry *entry, uint64_t *id)
{
	struct check *c = n->place->c;
	const struct seen *several = several_names(n, entry);
	struct hashmap_link *link = several != NULL ? hashmap_find(&c->adopted, several->ino) : NULL;
	struct adopted *adopted;

	if (link != NULL) {
		*id = hashmap_entry(link, struct adopted, by_ino)->id;
		return 0;
	}
	*id = atomic_fetch_add(&c->next_id, 1);
	if (*id >= c->id_limit + IDS_RESERVED)
		return -ENOSPC;
	if (several == NULL)
		return 0;
	if ((adopted = malloc(sizeof(*adopted))) == NULL)
		return -ENOMEM;
	adopted->id = *id;
	hashmap_insert(&c->adopted, &adopted->by_ino, several->ino);
	return 0;
}

/* Ids for what has none, and the sum of all that is wanted.  -ENOENT: something stays unknown. */
static int
make_sum(struct names *n)
{
	struct entry *entry;
	int rc;

	memset(n->sum, 0, DIGEST_SIZE);
	for (size_t e = 0; e < n->count; e++) {
		entry = &n->entries[e];
		if (!entry->belongs)
			continue;
		if (!entry->want.known)
			return -ENOENT;
		if (entry->want.id == 0 && (S_ISREG(entry->want.type) || S_ISDIR(entry->want.type))) {
			if ((rc = new_id(n, entry, &entry->want.id)) != 0)
				return rc;
			names_ident(n, entry, entry->want.ident);
		}
		digest_xor(n->sum, entry->want.ident);
	}
	return 0;
}

static int
store_everywhere(struct names *n, struct subject *dir, const struct record *record)
{
	struct check *c = n->place->c;
	struct replica_times times = { .atime.tv_nsec = UTIME_OMIT, .mtime = record->mtime };
	uint8_t bytes[RECORD_SIZE_MAX];
	struct replica *r;
	int len, one, rc = 0;

	if ((len = record_encode(&c->digest, record, bytes, sizeof(bytes))) < 0)
		return len;
	for (unsigned i = 0; i < c->count; i++) {
		if (n->place->handle[i] == REPLICA_NONE)
			continue;
		r = c->members[i].r;
		one = r->ops->store(r, (struct replica_at){ n->place->handle[i], NULL }, &times, bytes, (size_t)len);
		if (one != 0)
			rc = one;
		atomic_store(&c->touched, true);
	}
	(void)dir;
	return rc;
}

/* The directory's next record, on the first that was right, or is there at all. */
static int
accept(struct names *n, struct subject *dir, const struct record *old)
{
	struct check *c = n->place->c;
	struct record record = { 0 };
	unsigned i = 0;
	int rc;

	if ((rc = accept_begin(c)) != 0 || (rc = make_sum(n)) != 0)
		return rc;
	if (old != NULL) {
		record = *old;
	} else {
		while (i < c->count && n->place->handle[i] == REPLICA_NONE)
			i++;
		if (i == c->count || dir->want->id == 0)
			return -ENOENT;
		record.id = dir->want->id;
		memcpy(record.sum, n->sum, DIGEST_SIZE);
		rc = stamp_directory(c->members[i].r, (struct replica_at){ n->place->handle[i], NULL },
		    &c->digest, &record);
		if (rc != 0)
			return rc;
	}
	record.generation = accept_generation(dir);
	memcpy(record.sum, n->sum, DIGEST_SIZE);
	return store_everywhere(n, dir, &record);
}

/* What may help somebody who has to decide: which names have no valid record. */
static char *
suspects(const struct names *n)
{
	char *text = NULL, *longer;
	unsigned count = 0;
	bool doubtful;

	for (size_t e = 0; e < n->count; e++) {
		doubtful = false;
		for (unsigned i = 0; i < n->place->c->count; i++)
			doubtful |= n->entries[e].seen[i].state == SEEN_UNKNOWN;
		if (!doubtful || ++count > 3)
			continue;
		if (asprintf(&longer, "%s%s\"%s\"", text != NULL ? text : "without a valid record: ",
		    text != NULL ? ", " : "", n->entries[e].name) < 0)
			break;
		free(text);
		text = longer;
	}
	if (text == NULL && asprintf(&text, "a name was removed or renamed, or a link target changed") < 0)
		text = NULL;
	return text;
}

static bool
all_known(const struct names *n)
{
	for (size_t e = 0; e < n->count; e++) {
		if (n->entries[e].belongs && digest_is_zero(n->entries[e].want.ident))
			return false;
	}
	return true;
}

void
mendnames_accept(struct names *n, struct subject *dir, const struct record *record)
{
	struct check *c = n->place->c;
	enum report_code code = dir->dirty ? NAMES_TORN : NAMES_UNPROVED;
	bool may = report_may(c->report, code);
	char *detail = NULL;
	int rc = 0;

	/* Torn names that come to the old sum need no new record. */
	if (record != NULL && dir->dirty && all_known(n) && memcmp(n->sum, record->sum, DIGEST_SIZE) == 0)
		return;
	if (!may)
		detail = suspects(n);
	else
		rc = accept(n, dir, record);
	subject_found(dir, code, c->count == 1 ? 0 : -1, subject_mended(rc, may), rc, detail);
	free(detail);
}
