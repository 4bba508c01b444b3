#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "meta/quarantine.h"
#include "replica/guard.h"
#include "volume/enroll.h"

int
volume_purge(struct volume *v, const char *which, const char *slot, char *why)
{
	struct replica *r = NULL;
	struct member *m;
	bool before;
	int rc;

	pthread_mutex_lock(&v->roster_lock);
	/* Whatever comes of the member: its replica stays in memory until the end of the mount. */
	if ((m = enroll_find(v, which, why)) != NULL)
		r = __atomic_load_n(&m->r, __ATOMIC_ACQUIRE);
	pthread_mutex_unlock(&v->roster_lock);
	if (m == NULL)
		return -ENOENT;
	if (r == NULL) {
		(void)snprintf(why, VOLUME_WHY_MAX, "%s: is not there; name it at a mount", which);
		return -ENODEV;
	}
	before = guard_always(true);
	rc = slot != NULL ? quarantine_purge(r, slot) : quarantine_sweep(r);
	(void)guard_always(before);
	if (rc != 0)
		(void)snprintf(why, VOLUME_WHY_MAX, "%s: %s", r->path, rc == -ENOENT ? "no version of that name is kept there" : strerror(-rc));
	return rc;
}
