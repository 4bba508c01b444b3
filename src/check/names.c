#include "check/names.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "check/choose.h"
#include "check/moves.h"
#include "check/place.h"
#include "meta/stamp.h"

/* Names that members may differ in and still be sorted out together. */
#define SLOTS_MAX 8192
/* Entries among which two that were added are looked for. */
#define PAIRS_MAX 4000
/* Entries among which two that were exchanged are. */
#define EXCHANGE_MAX 1000
/* Ids that are tried for a file whose record is lost everywhere. */
#define IDS_MAX (UINT64_C(1) << 24)

static void
report_unreadable(struct place *place, unsigned i, int error)
{
	struct report_finding finding = {
		.code = INODE_UNREADABLE, .path = place->path, .replica = place->c->members[i].r->path,
		.offset = REPORT_NO_OFFSET, .outcome = OUTCOME_LEFT, .error = error,
	};

	atomic_store(&place->c->incomplete, true);
	report_add(place->c->report, &finding);
}

/* Look at one name on one member. */
static void
look(struct check *c, struct replica *r, struct replica_at at, struct seen *seen)
{
	uint8_t bytes[RECORD_SIZE_MAX];
	struct replica_info info = { .record = bytes, .skip_xattrs = true };
	struct record record;
	bool carries;

	seen->state = SEEN_UNKNOWN;
	if (r->ops->load(r, at, &info) != 0)
		return;
	seen->mode = info.st.st_mode;
	seen->nlink = info.st.st_nlink;
	seen->ino = info.st.st_ino;
	seen->rdev = S_ISCHR(seen->mode) || S_ISBLK(seen->mode) ? info.st.st_rdev : 0;
	carries = S_ISREG(seen->mode) || S_ISDIR(seen->mode);
	if (carries) {
		if (info.record_len < 0 ||
		    record_decode(&c->digest, bytes, (size_t)info.record_len, &record) != 0)
			return;
		if ((record.kind == RECORD_DIRECTORY) != S_ISDIR(seen->mode))
			return;
		seen->id = record.id;
	}
	if (stamp_name(r, at.handle, at.name, &info.st, seen->id, &c->digest, seen->ident) == 0)
		seen->state = SEEN_KNOWN;
}

/* The least name that is not merged yet, or NULL. */
static const char *
least(const struct names *n, const size_t *next)
{
	const char *name, *best = NULL;

	for (unsigned i = 0; i < n->place->c->count; i++) {
		if (next[i] == n->lists[i].count)
			continue;
		name = n->lists[i].names[next[i]];
		if (best == NULL || strcmp(name, best) < 0)
			best = name;
	}
	return best;
}

static void
merge_entry(struct names *n, size_t *next, const char *name)
{
	struct place *place = n->place;
	struct check *c = place->c;
	struct entry *entry = &n->entries[n->count];

	entry->name = name;
	entry->seen = &n->seen[n->count * c->count];
	n->count++;
	for (unsigned i = 0; i < c->count; i++) {
		if (!n->readable[i])
			continue;
		entry->seen[i].state = SEEN_ABSENT;
		if (next[i] == n->lists[i].count || strcmp(n->lists[i].names[next[i]], name) != 0)
			continue;
		next[i]++;
		look(c, c->members[i].r, (struct replica_at){ place->handle[i], name }, &entry->seen[i]);
	}
}

int
names_read(struct place *place, struct names *n)
{
	struct check *c = place->c;
	size_t next[MEMBERS_MAX] = { 0 }, room = 0;
	const char *name;
	int rc;

	assert(c->count > 0);

	memset(n, 0, sizeof(*n));
	n->place = place;
	for (unsigned i = 0; i < c->count; i++) {
		if (place->handle[i] == REPLICA_NONE)
			continue;
		if ((rc = listing_read(c->members[i].r, place->handle[i], &n->lists[i])) != 0)
			report_unreadable(place, i, rc);
		n->readable[i] = rc == 0;
		room += n->lists[i].count;
	}
	/* Room for each name once a member; what is alike is joined. */
	n->entries = calloc(room + 1, sizeof(*n->entries));
	n->seen = calloc((room + 1) * c->count, sizeof(*n->seen));
	if (n->entries == NULL || n->seen == NULL)
		return -ENOMEM;
	while ((name = least(n, next)) != NULL)
		merge_entry(n, next, name);
	return 0;
}

void
names_free(struct names *n)
{
	for (unsigned i = 0; i < MEMBERS_MAX; i++)
		listing_free(&n->lists[i]);
	free(n->entries);
	free(n->seen);
	memset(n, 0, sizeof(*n));
}

void
names_ident(const struct names *n, const struct entry *entry, uint8_t *out)
{
	record_name(&n->place->c->digest, entry->name, entry->want.type, entry->want.id, NULL, 0, out);
}

bool
names_fits(const struct entry *entry, unsigned i)
{
	const struct seen *seen = &entry->seen[i];

	if (seen->state == SEEN_AWAY)
		return true;
	if (!entry->belongs)
		return seen->state == SEEN_ABSENT;
	return seen->state == SEEN_KNOWN && entry->want.known &&
	    memcmp(seen->ident, entry->want.ident, DIGEST_SIZE) == 0;
}

/* All that the members say about a name: those behind last, and with a say only if others have one. */
static void
collect(const struct names *n, const struct entry *entry, bool with_absent, struct choose_slot *slot)
{
	static const uint8_t absent[DIGEST_SIZE];
	const struct check *c = n->place->c;

	memset(slot, 0, sizeof(*slot));
	for (int stale = 0; stale <= 1; stale++) {
		for (unsigned i = 0; i < c->count; i++) {
			if (c->members[i].stale != (stale != 0))
				continue;
			if (entry->seen[i].state == SEEN_KNOWN)
				slot->of[i] = (uint8_t)choose_option(slot, entry->seen[i].ident);
			else if (entry->seen[i].state == SEEN_ABSENT && with_absent)
				slot->of[i] = (uint8_t)choose_option(slot, absent);
		}
	}
	if (slot->option_count == 0)
		choose_option(slot, absent);
}

/* Take ${ident} as what is wanted; nothing: the name does not belong. */
static void
want(const struct names *n, struct entry *entry, const uint8_t *ident)
{
	const struct check *c = n->place->c;
	const struct seen *seen;

	entry->belongs = false;
	for (unsigned i = 0; i < c->count; i++) {
		seen = &entry->seen[i];
		if (seen->state != SEEN_KNOWN || memcmp(seen->ident, ident, DIGEST_SIZE) != 0)
			continue;
		entry->belongs = true;
		entry->want.known = true;
		entry->want.type = seen->mode & S_IFMT;
		entry->want.id = seen->id;
		memcpy(entry->want.ident, ident, DIGEST_SIZE);
		return;
	}
}

/* Without a proof: what the lowest member up to date has. */
static void
want_lowest(const struct names *n, struct entry *entry)
{
	const struct check *c = n->place->c;
	const struct seen *best = NULL, *seen;

	for (unsigned i = 0; i < c->count; i++) {
		seen = &entry->seen[i];
		if (c->members[i].stale || seen->state == SEEN_AWAY || seen->state == SEEN_ABSENT)
			continue;
		if (best == NULL || (best->state == SEEN_UNKNOWN && seen->state == SEEN_KNOWN))
			best = seen;
	}
	entry->belongs = best != NULL;
	if (best == NULL)
		return;
	if (best->state == SEEN_KNOWN) {
		want(n, entry, best->ident);
		return;
	}
	entry->want.known = best->mode != 0;
	entry->want.type = best->mode & S_IFMT;
}

/* Names that members differ in. */
struct doubts {
	struct choose_slot *slots;
	struct entry **entries;
	unsigned count, room;
};

static bool
add_doubt(struct doubts *d, struct entry *entry, const struct choose_slot *slot)
{
	struct choose_slot *slots;
	struct entry **entries;
	unsigned room;

	if (d->count == d->room) {
		room = d->room == 0 ? 16 : 2 * d->room;
		if (room > SLOTS_MAX)
			return false;
		if ((slots = reallocarray(d->slots, room, sizeof(*slots))) == NULL)
			return false;
		d->slots = slots;
		if ((entries = reallocarray(d->entries, room, sizeof(struct entry *))) == NULL)
			return false;
		d->entries = entries;
		d->room = room;
	}
	d->slots[d->count] = *slot;
	d->entries[d->count++] = entry;
	return true;
}

/* Try to make the names add up to ${sum} by choosing between the members; ${diff}: by how much they do not. */
static bool
choose(struct names *n, const uint8_t *sum, bool dirty, uint8_t *diff)
{
	struct doubts doubts = { 0 };
	struct choose_slot slot;
	bool proved;

	memcpy(diff, sum, DIGEST_SIZE);
	for (size_t e = 0; e < n->count; e++) {
		collect(n, &n->entries[e], !dirty, &slot);
		if (slot.option_count > 1 && add_doubt(&doubts, &n->entries[e], &slot))
			continue;
		want(n, &n->entries[e], slot.option[0]);
		digest_xor(diff, slot.option[0]);
	}
	proved = choose_sum(doubts.slots, doubts.count, n->place->c->count, diff) == 0;
	for (unsigned k = 0; k < doubts.count; k++) {
		want(n, doubts.entries[k], doubts.slots[k].option[doubts.slots[k].chosen]);
		digest_xor(diff, doubts.slots[k].option[doubts.slots[k].chosen]);
	}
	free(doubts.entries);
	free(doubts.slots);
	return proved;
}

/* All that is too much is one name, or two: which? */
static bool
find_added(struct names *n, const uint8_t *diff)
{
	uint8_t rest[DIGEST_SIZE];

	for (size_t a = 0; a < n->count; a++) {
		if (!n->entries[a].belongs || memcmp(n->entries[a].want.ident, diff, DIGEST_SIZE) != 0)
			continue;
		n->entries[a].belongs = false;
		return true;
	}
	for (size_t a = 0; a < n->count && n->count <= PAIRS_MAX; a++) {
		memcpy(rest, diff, DIGEST_SIZE);
		digest_xor(rest, n->entries[a].want.ident);
		for (size_t b = a + 1; b < n->count && n->entries[a].belongs; b++) {
			if (!n->entries[b].belongs || memcmp(n->entries[b].want.ident, rest, DIGEST_SIZE) != 0)
				continue;
			n->entries[a].belongs = n->entries[b].belongs = false;
			return true;
		}
	}
	return false;
}

/* Can two names have been exchanged?  Files with files, directories with directories. */
static bool
exchanged(const struct names *n, const struct entry *a, const struct entry *b, const uint8_t *diff)
{
	const struct digest *digest = &n->place->c->digest;
	uint8_t sum[DIGEST_SIZE], one[DIGEST_SIZE];

	if (!a->belongs || !b->belongs || a->want.id == 0 || b->want.id == 0)
		return false;
	memcpy(sum, a->want.ident, DIGEST_SIZE);
	digest_xor(sum, b->want.ident);
	record_name(digest, a->name, b->want.type, b->want.id, NULL, 0, one);
	digest_xor(sum, one);
	record_name(digest, b->name, a->want.type, a->want.id, NULL, 0, one);
	digest_xor(sum, one);
	return memcmp(sum, diff, DIGEST_SIZE) == 0;
}

/* Two names were exchanged: which? */
static bool
find_exchanged(struct names *n, const uint8_t *diff)
{
	struct want old;

	for (size_t a = 0; n->count <= EXCHANGE_MAX && a < n->count; a++) {
		for (size_t b = a + 1; b < n->count; b++) {
			if (!exchanged(n, &n->entries[a], &n->entries[b], diff))
				continue;
			old = n->entries[a].want;
			n->entries[a].want = n->entries[b].want;
			n->entries[b].want = old;
			names_ident(n, &n->entries[a], n->entries[a].want.ident);
			names_ident(n, &n->entries[b], n->entries[b].want.ident);
			return true;
		}
	}
	return false;
}

/* Does any member have it, but none a valid record? */
static const struct seen *
unknown(const struct names *n, const struct entry *entry)
{
	const struct seen *found = NULL;

	for (unsigned i = 0; i < n->place->c->count; i++) {
		if (entry->seen[i].state == SEEN_KNOWN)
			return NULL;
		if (entry->seen[i].state == SEEN_UNKNOWN && found == NULL && entry->seen[i].mode != 0)
			found = &entry->seen[i];
	}
	return found;
}

/*
 * All but one name are known: then its digest is known too, and with it, of
 * all ids ever given out, its own.
 */
static bool
find_id(struct names *n, const uint8_t *diff)
{
	const struct check *c = n->place->c;
	uint64_t limit = c->id_limit < IDS_MAX ? c->id_limit : IDS_MAX;
	struct entry *lost = NULL;
	const struct seen *seen, *of = NULL;
	uint8_t ident[DIGEST_SIZE];

	for (size_t e = 0; e < n->count; e++) {
		if ((seen = unknown(n, &n->entries[e])) == NULL)
			continue;
		if (lost != NULL)
			return false;
		lost = &n->entries[e];
		of = seen;
	}
	for (uint64_t id = ROOT_ID + 1; lost != NULL && id <= limit; id++) {
		record_name(&c->digest, lost->name, of->mode, id, NULL, 0, ident);
		if (memcmp(ident, diff, DIGEST_SIZE) != 0)
			continue;
		lost->belongs = true;
		lost->want.known = true;
		lost->want.type = of->mode & S_IFMT;
		lost->want.id = id;
		memcpy(lost->want.ident, ident, DIGEST_SIZE);
		return true;
	}
	return false;
}

static bool
prove(struct names *n, const struct record *record, bool dirty)
{
	uint8_t diff[DIGEST_SIZE];

	if (choose(n, record->sum, dirty, diff)) {
		if (!dirty)
			return true;
		/* What has no record yet may be new: it is not to be taken away. */
		for (size_t e = 0; e < n->count; e++) {
			if (!n->entries[e].belongs)
				return false;
		}
		return true;
	}
	if (find_id(n, diff))
		return true;
	return !dirty && (find_added(n, diff) || find_exchanged(n, diff));
}

/*
 * A renaming in flight shows one id under two names of the directory.  The
 * lowest member's stands.
 */
static void
finish_renames(struct names *n)
{
	struct entry *a, *b;

	for (size_t x = 0; x < n->count; x++) {
		a = &n->entries[x];
		if (!a->belongs || a->want.id == 0 || names_fits(a, 0) || a->seen[0].state != SEEN_ABSENT)
			continue;
		for (size_t y = 0; y < n->count; y++) {
			b = &n->entries[y];
			if (b != a && b->belongs && b->want.id == a->want.id &&
			    b->want.type == a->want.type && names_fits(b, 0)) {
				a->belongs = false;
				break;
			}
		}
	}
}

/* Has some member another file under the name?  Then it was no renaming alone. */
static bool
contested(const struct names *n, const struct entry *entry)
{
	for (unsigned i = 0; i < n->place->c->count; i++) {
		if (entry->seen[i].state == SEEN_UNKNOWN ||
		    (entry->seen[i].state == SEEN_KNOWN && entry->seen[i].id != entry->want.id))
			return true;
	}
	return false;
}

/*
 * What a renaming that was cut off left in two places belongs to one, whatever
 * the directories' digests say: each may be the old one.
 */
static void
apply_moves(struct names *n)
{
	struct entry *entry;
	char *path;

	for (size_t e = 0; n->place->c->moves != NULL && e < n->count; e++) {
		entry = &n->entries[e];
		if ((path = place_join(n->place, entry->name)) == NULL)
			continue;
		switch (moves_ask(n->place->c->moves, entry->want.id, path)) {
		case MOVES_NONE:
			break;
		case MOVES_STAYS:
			n->proved = n->proved && entry->belongs;
			entry->belongs = true;
			break;
		case MOVES_GOES:
			if (contested(n, entry))
				break;
			n->proved = n->proved && !entry->belongs;
			entry->belongs = false;
			entry->leaving = true;
			break;
		}
		free(path);
	}
	for (size_t e = 0; e < n->count; e++)
		n->entries[e].want.proved = n->proved;
}

static void
sum_up(struct names *n)
{
	n->agreed = true;
	memset(n->sum, 0, DIGEST_SIZE);
	for (size_t e = 0; e < n->count; e++) {
		if (n->entries[e].belongs)
			digest_xor(n->sum, n->entries[e].want.ident);
		for (unsigned i = 0; i < n->place->c->count; i++)
			n->agreed = n->agreed && names_fits(&n->entries[e], i);
	}
}

void
names_judge(struct names *n, const struct record *record, bool dirty)
{
	n->proved = record != NULL && prove(n, record, dirty);
	for (size_t e = 0; e < n->count; e++) {
		n->entries[e].want.proved = n->proved;
		n->entries[e].want.dirty = dirty;
		if (!n->proved)
			want_lowest(n, &n->entries[e]);
	}
	apply_moves(n);
	if (!n->proved && dirty)
		finish_renames(n);
	sum_up(n);
}
