#include "volume/edits.h"

#include <string.h>

#include "meta/quarantine.h"
#include "util/log.h"
#include "util/stall.h"
#include "volume/members.h"
#include "volume/nodes.h"
#include "volume/torn.h"

int
edits_keep(struct volume *v, struct member *m, struct node *node, replica_handle handle)
{
	const struct replica_times seal = { .atime.tv_nsec = UTIME_OMIT, .mtime = node->mtime };
	const struct replica_at at = { .handle = handle };
	char path[NODES_PATH_MAX];
	struct stat st;
	int rc;

	if (v->no_writes || node->dirty || node->generation == 0 || torn_now(v, node) || m->r->ops->stat(m->r, at, &st) != 0 ||
	    (st.st_mtim.tv_sec == node->mtime.tv_sec && st.st_mtim.tv_nsec == node->mtime.tv_nsec))
		return 0;
	stall_ahead();
	nodes_path(v, node, path, sizeof(path));
	if ((rc = quarantine_copy(m->r, at, path, "it was changed by something else than mendfs")) == 0)
		rc = m->r->ops->store(m->r, at, &seal, NULL, 0);
	if (rc == 0)
		log_warning("%s: was changed on replica %s by something else than mendfs; that version goes to its quarantine",
		    path, m->r->path);
	else if (members_settle(v, m, rc, "keeping a version that was changed from outside") < 0)
		log_warning("%s: was changed on replica %s by something else than mendfs, and that version cannot be kept: %s; "
		    "it is left as it is", path, m->r->path, strerror(-rc));
	return rc;
}
