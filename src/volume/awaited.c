#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replica/guard.h"
#include "replica/open.h"
#include "util/clock.h"
#include "volume/awaited.h"
#include "volume/enroll.h"
#include "volume/members.h"

#define WAIT_MS 2000		/* a directory is looked for so often */
#define FAR_MAX_MS 30000	/* a server less and less often, down to this */
#define OPEN_WAIT_MS 200	/* for what may hang; it is looked at again next time */

int
awaited_note(struct volume *v, const struct mount *mount)
{
	struct awaited *a;
	unsigned i;

	for (i = 0; i < mount->count && !mount->read_only; i++) {
		if (!mount->candidates[i].absent)
			continue;
		a = &v->awaited[v->awaited_count];
		if ((a->name = strdup(mount->candidates[i].real)) == NULL)
			return -ENOMEM;
		v->awaited_count++;
	}
	return 0;
}

static void
look_for(struct volume *v, struct awaited *a)
{
	const struct replica_open_options opening = { .peer = v->peer };
	struct replica *r;
	int rc;

	if ((rc = guard_open(&a->opening, a->name, &opening, OPEN_WAIT_MS, &r)) == 0 && enroll_awaited(v, r)) {
		free(a->name);
		a->name = NULL;
		return;
	}
	if (rc == -EINPROGRESS)
		return;
	a->wait_ms = a->wait_ms == 0 || replica_open_local(a->name) ? WAIT_MS : a->wait_ms < FAR_MAX_MS / 2 ? 2 * a->wait_ms : FAR_MAX_MS;
	a->probe_ms = clock_monotonic_ms() + a->wait_ms;
}

void
awaited_look(struct volume *v)
{
	unsigned i;

	for (i = 0; i < v->awaited_count && members_in_sync(v) > 0; i++) {
		if (v->awaited[i].name != NULL && clock_monotonic_ms() >= v->awaited[i].probe_ms)
			look_for(v, &v->awaited[i]);
	}
}

void
awaited_free(struct volume *v)
{
	while (v->awaited_count > 0) {
		v->awaited_count--;
		guard_open_cancel(v->awaited[v->awaited_count].opening);
		free(v->awaited[v->awaited_count].name);
	}
}
