/* Records follow their data, many at a time. */

#include <stdlib.h>

#include "volume/missed.h"
#include "volume/nodes.h"
#include "volume/resync_private.h"

static void
sealed_free(struct resync *r, struct sealed *s)
{
	r->m->r->ops->close(r->m->r, s->handle);
	nodes_put(r->v, s->node);
	free(s->record);
}

/* From ${first} on they got no record: without its seal one would pass for somebody else's work. */
static void
drop_from(struct resync *r, unsigned first)
{
	unsigned i;

	for (i = first; i < r->batch_count; i++) {
		missed_mark_suspect(r->m, r->batch[i].node);
		sealed_free(r, &r->batch[i]);
	}
	r->batch_count = 0;
	r->batch_bytes = 0;
	r->batch_data = false;
}

void
resync_seal_drop(struct resync *r)
{
	drop_from(r, 0);
}

int
resync_seal(struct resync *r)
{
	struct replica *mine = r->m->r;
	struct sealed *s;
	unsigned i = 0;
	int rc = 0;

	/* A record must not reach the disk before what it vouches for. */
	if (r->batch_data)
		rc = mine->ops->sync(mine);
	while (rc == 0 && i < r->batch_count) {
		s = &r->batch[i];
		/* Of what was written since, this record does not tell. */
		if (!resync_ours_again(r, s->ino, s->turn)) {
			if ((rc = mine->ops->store(mine, (struct replica_at){ s->handle, NULL }, &s->times, s->record, s->len)) != 0)
				break;
			resync_ours_sealed(r, s->ino);
		}
		sealed_free(r, s);
		i++;
	}
	drop_from(r, i);
	return rc;
}
