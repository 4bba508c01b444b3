/* Tags files that belong to nobody any more. */

#include <errno.h>
#include <string.h>

#include "meta/listing.h"
#include "volume/members.h"
#include "volume/resync_private.h"

/* One of the 256 folders of tags files. */
static int
orphans_of(struct resync *r, struct member *s, const char *fan)
{
	struct listing theirs = { 0 }, mine = { 0 };
	replica_handle from, to;
	size_t i, j = 0;
	int rc;

	if ((rc = r->m->r->ops->dir_open(r->m->r, r->m->tags, fan, &to)) != 0)
		return rc;
	rc = listing_read(r->m->r, to, &mine);
	/* Only what is known not to be there is nobody's. */
	if (rc == 0 && (rc = s->r->ops->dir_open(s->r, s->tags, fan, &from)) == 0) {
		rc = listing_read(s->r, from, &theirs);
		s->r->ops->dir_close(s->r, from);
	} else if (rc == -ENOENT) {
		rc = 0;
	}
	for (i = 0; rc == 0 && i < mine.count; i++) {
		while (j < theirs.count && strcmp(theirs.names[j], mine.names[i]) < 0)
			j++;
		if (j == theirs.count || strcmp(theirs.names[j], mine.names[i]) != 0)
			rc = r->m->r->ops->unlink(r->m->r, to, mine.names[i], false);
	}
	listing_free(&theirs);
	listing_free(&mine);
	r->m->r->ops->dir_close(r->m->r, to);
	return rc;
}

int
resync_orphans(struct resync *r)
{
	struct listing fans = { 0 };
	struct member *s;
	size_t i;
	int rc;

	if ((s = members_first(r->v)) == NULL)
		return -EIO;
	rc = listing_read(r->m->r, r->m->tags, &fans);
	for (i = 0; rc == 0 && i < fans.count; i++)
		rc = orphans_of(r, s, fans.names[i]);
	listing_free(&fans);
	return rc;
}
