#include "check/idset.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "util/hashmap.h"

#define PIECE_BITS (1u << 15)

struct piece { struct hashmap_link by_number; uint64_t words[PIECE_BITS / 64]; };

struct idset { pthread_mutex_t mutex; struct hashmap pieces; uint64_t highest; };

int
idset_new(struct idset **out)
{
	struct idset *set;
	int rc;

	if ((set = calloc(1, sizeof(*set))) == NULL)
		return -ENOMEM;
	if ((rc = hashmap_init(&set->pieces)) != 0) {
		free(set);
		return rc;
	}
	pthread_mutex_init(&set->mutex, NULL);
	*out = set;
	return 0;
}

static void
free_piece(struct hashmap_link *link, void *arg)
{
	(void)arg;
	free(hashmap_entry(link, struct piece, by_number));
}

void
idset_free(struct idset *set)
{
	if (set == NULL)
		return;
	hashmap_each(&set->pieces, free_piece, NULL);
	hashmap_free(&set->pieces);
	pthread_mutex_destroy(&set->mutex);
	free(set);
}

static struct piece *
find(struct idset *set, uint64_t id, bool make)
{
	struct hashmap_link *link = hashmap_find(&set->pieces, id / PIECE_BITS);
	struct piece *piece;

	if (link != NULL)
		return hashmap_entry(link, struct piece, by_number);
	if (!make || (piece = calloc(1, sizeof(*piece))) == NULL)
		return NULL;
	hashmap_insert(&set->pieces, &piece->by_number, id / PIECE_BITS);
	return piece;
}

int
idset_add(struct idset *set, uint64_t id)
{
	uint64_t bit = UINT64_C(1) << (id % 64), *word;
	struct piece *piece;
	int rc = -ENOMEM;

	pthread_mutex_lock(&set->mutex);
	if ((piece = find(set, id, true)) != NULL) {
		word = &piece->words[id % PIECE_BITS / 64];
		rc = (*word & bit) != 0;
		*word |= bit;
		if (id > set->highest)
			set->highest = id;
	}
	pthread_mutex_unlock(&set->mutex);
	return rc;
}

bool
idset_has(struct idset *set, uint64_t id)
{
	struct piece *piece;
	bool has;

	pthread_mutex_lock(&set->mutex);
	piece = find(set, id, false);
	has = piece != NULL && (piece->words[id % PIECE_BITS / 64] >> (id % 64) & 1) != 0;
	pthread_mutex_unlock(&set->mutex);
	return has;
}

uint64_t
idset_highest(struct idset *set)
{
	uint64_t highest;

	pthread_mutex_lock(&set->mutex);
	highest = set->highest;
	pthread_mutex_unlock(&set->mutex);
	return highest;
}
