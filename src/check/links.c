#include "check/links.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/file.h"
#include "check/place.h"
#include "check/subject.h"
#include "check/walk.h"
#include "meta/quarantine.h"
#include "util/hashmap.h"

/* Files of ids that no record gives: links and special files.  By inode number. */
#define KEY_BORROWED (UINT64_C(1) << 63)

struct link_name {
	struct link_name *next;
	char *dir;
	char *name;
	ino_t ino[MEMBERS_MAX];		/* 0: not there */
};

/* One file. */
struct group {
	struct hashmap_link by_key;
	struct links *links;
	struct want want;
	struct link_name *names;
	unsigned count;
};

struct links { struct check *c; struct hashmap groups; };

int
links_new(struct check *c, struct links **out)
{
	struct links *links;
	int rc;

	if ((links = calloc(1, sizeof(*links))) == NULL)
		return -ENOMEM;
	if ((rc = hashmap_init(&links->groups)) != 0) {
		free(links);
		return rc;
	}
	links->c = c;
	*out = links;
	return 0;
}

static void
free_group(struct hashmap_link *link, void *arg)
{
	struct group *group = hashmap_entry(link, struct group, by_key);
	struct link_name *name;

	(void)arg;
	while ((name = group->names) != NULL) {
		group->names = name->next;
		free(name->dir);
		free(name->name);
		free(name);
	}
	free(group);
}

void
links_free(struct links *links)
{
	if (links == NULL)
		return;
	hashmap_each(&links->groups, free_group, NULL);
	hashmap_free(&links->groups);
	free(links);
}

static uint64_t
key_of(const struct check *c, const struct entry *entry)
{
	if (entry->want.id != 0)
		return entry->want.id;
	for (unsigned i = 0; i < c->count; i++) {
		if (entry->seen[i].ino != 0)
			return KEY_BORROWED | (uint64_t)i << 58 | (entry->seen[i].ino & ((UINT64_C(1) << 58) - 1));
	}
	return KEY_BORROWED;
}

static struct group *
find_group(struct links *links, const struct entry *entry)
{
	uint64_t key = key_of(links->c, entry);
	struct hashmap_link *link = hashmap_find(&links->groups, key);
	struct group *group;

	if (link != NULL)
		return hashmap_entry(link, struct group, by_key);
	if ((group = calloc(1, sizeof(*group))) == NULL)
		return NULL;
	group->links = links;
	group->want = entry->want;
	/* It has several names, and each another digest. */
	memset(group->want.ident, 0, DIGEST_SIZE);
	hashmap_insert(&links->groups, &group->by_key, key);
	return group;
}

int
links_add(struct links *links, const struct place *place, const struct entry *entry)
{
	struct group *group = find_group(links, entry);
	struct link_name *name, **end;

	if (group == NULL || (name = calloc(1, sizeof(*name))) == NULL)
		return -ENOMEM;
	name->dir = strdup(place->path);
	name->name = strdup(entry->name);
	if (name->dir == NULL || name->name == NULL) {
		free(name->dir);
		free(name->name);
		free(name);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < links->c->count; i++) {
		/* What is of another id or type is no name of this file. */
		if (names_fits(entry, i) || entry->seen[i].state == SEEN_UNKNOWN)
			name->ino[i] = entry->seen[i].ino;
	}
	for (end = &group->names; *end != NULL; end = &(*end)->next)
		;
	*end = name;
	group->count++;
	return 0;
}

/* The inode that most of the names stand for on member ${i}; 0: none does. */
static ino_t
main_inode(const struct group *group, unsigned i)
{
	unsigned votes, votes_max = 0;
	ino_t best = 0;

	for (const struct link_name *a = group->names; a != NULL; a = a->next) {
		votes = 0;
		for (const struct link_name *b = group->names; b != NULL; b = b->next)
			votes += a->ino[i] != 0 && a->ino[i] == b->ino[i];
		if (votes > votes_max) {
			votes_max = votes;
			best = a->ino[i];
		}
	}
	return best;
}

/* Where a member has its main inode: a name, with a handle on its directory. */
struct home { const struct link_name *name; struct place *place; };

static const struct link_name *
main_name(const struct group *group, unsigned i)
{
	ino_t ino = main_inode(group, i);

	for (const struct link_name *name = group->names; ino != 0 && name != NULL; name = name->next) {
		if (name->ino[i] == ino)
			return name;
	}
	return group->names;		/* it is to be made under the first one */
}

static void
link_one(struct check *c, struct place *place, const struct link_name *name, const struct home *home,
    unsigned i, enum report_code code)
{
	struct replica *r = c->members[i].r;
	char *path = place_join(place, name->name);
	struct report_finding finding = {
		.code = code, .path = path, .replica = r->path, .offset = REPORT_NO_OFFSET,
	};
	bool may = report_may(c->report, code);
	int rc = 0;

	if (may && code != NAME_MISSING)
		rc = quarantine_move(r, place->handle[i], name->name, path != NULL ? path : name->name,
		    report_text(code));
	if (may && rc == 0)
		rc = r->ops->link(r, (struct replica_at){ home->place->handle[i], home->name->name },
		    place->handle[i], name->name);
	if (may) {
		atomic_store(&place->touched[i], true);
		atomic_store(&c->touched, true);
	}
	finding.outcome = subject_mended(rc, may);
	finding.error = rc;
	report_add(c->report, &finding);
	free(path);
}

/* One further name on one member: is it a name of the same inode? */
static void
check_name(struct check *c, struct place *place, const struct link_name *name, const struct home *home,
    unsigned i)
{
	struct replica *r = c->members[i].r;
	struct stat first, st;
	int rc;

	if (place->handle[i] == REPLICA_NONE || home->place == NULL ||
	    home->place->handle[i] == REPLICA_NONE || name == home->name)
		return;
	if (r->ops->stat(r, (struct replica_at){ home->place->handle[i], home->name->name }, &first) != 0)
		return;
	rc = r->ops->stat(r, (struct replica_at){ place->handle[i], name->name }, &st);
	if (rc == -ENOENT)
		link_one(c, place, name, home, i, NAME_MISSING);
	else if (rc == 0 && (st.st_ino != first.st_ino || st.st_dev != first.st_dev))
		link_one(c, place, name, home, i, name->ino[i] != 0 ? LINK_BROKEN : NAME_CHANGED);
}

static void
check_names(struct group *group, const struct home *homes)
{
	struct check *c = group->links->c;
	struct place *place;

	for (const struct link_name *name = group->names; name != NULL; name = name->next) {
		if (place_open(c, name->dir, &place) != 0)
			return;
		for (unsigned i = 0; i < c->count; i++)
			check_name(c, place, name, &homes[i], i);
		place_put(place);
	}
}

static void
check_count(struct group *group, struct subject *s)
{
	struct check *c = group->links->c;
	char detail[64];
	struct stat st;

	for (unsigned i = 0; i < c->count; i++) {
		if (!s->asked[i] || c->members[i].r->ops->stat(c->members[i].r, s->at[i], &st) != 0)
			continue;
		if (st.st_nlink <= group->count)
			continue;
		snprintf(detail, sizeof(detail), "%llu links, %u names",
		    (unsigned long long)st.st_nlink, group->count);
		subject_found(s, LINK_COUNT, (int)i, OUTCOME_LEFT, 0, detail);
	}
}

static void
check_file(struct group *group, struct home *homes)
{
	struct check *c = group->links->c;
	struct subject *s;

	if (homes[0].place == NULL || subject_new(homes[0].place, homes[0].name->name, &group->want, &s) != 0)
		return;
	for (unsigned i = 0; i < c->count; i++) {
		s->asked[i] = homes[i].place != NULL && homes[i].place->handle[i] != REPLICA_NONE;
		if (s->asked[i])
			s->at[i] = (struct replica_at){ homes[i].place->handle[i], homes[i].name->name };
	}
	s->dirty = walk_is_dirty(c, &group->want);
	file_check(s);
	check_names(group, homes);
	check_count(group, s);
	subject_free(s);
}

static void
check_group(struct hashmap_link *link, void *arg)
{
	struct group *group = hashmap_entry(link, struct group, by_key);
	struct check *c = group->links->c;
	struct home homes[MEMBERS_MAX] = { { NULL, NULL } };

	(void)arg;
	if (check_stopped(c))
		return;
	if (group->want.id != 0)
		(void)idset_add(c->ids, group->want.id);
	for (unsigned i = 0; i < c->count; i++) {
		homes[i].name = main_name(group, i);
		if (place_open(c, homes[i].name->dir, &homes[i].place) != 0)
			homes[i].place = NULL;
	}
	check_file(group, homes);
	for (unsigned i = 0; i < c->count; i++) {
		if (homes[i].place == NULL)
			continue;
		/* Names are made on its own member only. */
		atomic_store(&homes[i].place->touched[i], c->repairing);
		place_put(homes[i].place);
	}
}

void
links_check(struct links *links)
{
	hashmap_each(&links->groups, check_group, NULL);
}
