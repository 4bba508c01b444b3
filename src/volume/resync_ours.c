/* What an attempt has made or written on the member, by its inodes there. */

#include <stdlib.h>

#include "volume/resync_private.h"

struct ours {
	struct hashmap_link by_ino;
	unsigned turn;			/* how often it was begun */
	bool sealed;
};

static struct ours *
find(const struct resync *r, ino_t ino)
{
	struct hashmap_link *link = hashmap_find(&r->ours, ino);

	return link == NULL ? NULL : hashmap_entry(link, struct ours, by_ino);
}

unsigned
resync_ours(struct resync *r, const struct stat *st)
{
	struct ours *ours = find(r, st->st_ino);

	if (ours == NULL) {
		if ((ours = calloc(1, sizeof(*ours))) == NULL)
			return 0;
		hashmap_insert(&r->ours, &ours->by_ino, st->st_ino);
	}
	ours->sealed = false;
	return ++ours->turn;
}

bool
resync_ours_again(const struct resync *r, ino_t ino, unsigned turn)
{
	const struct ours *ours = find(r, ino);

	return ours != NULL && ours->turn != turn;
}

void
resync_ours_sealed(struct resync *r, ino_t ino)
{
	struct ours *ours = find(r, ino);

	if (ours != NULL)
		ours->sealed = true;
}

bool
resync_is_sealed(const struct resync *r, const struct stat *st)
{
	const struct ours *ours = find(r, st->st_ino);

	return ours != NULL && ours->sealed;
}

bool
resync_is_ours(const struct resync *r, const struct stat *st)
{
	return find(r, st->st_ino) != NULL;
}

bool
resync_foreign(const struct resync *r, const struct stat *st)
{
	int64_t changed = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;

	if (resync_is_ours(r, st))
		return false;
	/* Lost before this mount: nobody knows when. */
	return atomic_load(&r->m->returns) == 0 || changed > atomic_load(&r->m->away_since);
}

static void
free_one(struct hashmap_link *link, void *arg)
{
	(void)arg;
	free(hashmap_entry(link, struct ours, by_ino));
}

void
resync_ours_free(struct resync *r)
{
	hashmap_each(&r->ours, free_one, NULL);
	hashmap_free(&r->ours);
}
