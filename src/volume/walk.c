#include <errno.h>
#include <string.h>

#include "util/log.h"
#include "volume/dir.h"
#include "volume/names.h"
#include "volume/nodes.h"
#include "volume/walk.h"

/* Look up all names in ${node} and below.  False: something could not be looked at. */
static bool
walk_directory(struct volume *v, struct node *node)
{
	struct dir_entry entry;
	uint64_t offset = 2;
	struct node *child;
	struct dir *dir;
	struct stat st;
	bool complete = true;
	int rc;

	if (dir_open(v, node, &dir) != 0)
		return false;
	while (!atomic_load(&v->walker_stop) && dir_read(v, dir, offset, &entry, false) > 0) {
		offset = entry.next;
		rc = names_lookup(v, node, entry.name, &child, &st);
		if (rc == 0) {
			if (S_ISDIR(st.st_mode))
				complete = walk_directory(v, child) && complete;
			nodes_put(v, child);
		} else if (rc != -ENOENT) {
			complete = false;
		}
	}
	dir_close(v, dir);
	return complete && !atomic_load(&v->walker_stop);
}

static void *
walk_run(void *arg)
{
	struct volume *v = arg;

	log_info("the volume was not unmounted cleanly: looking for what was being written");
	if (walk_directory(v, v->root)) {
		intent_settle_all(v->intent);
		log_info("all files that were being written are reconciled");
	} else if (!atomic_load(&v->walker_stop)) {
		log_warning("some files could not be reconciled (see above); run fsck.mendfs when the volume is unmounted");
	}
	atomic_store(&v->reconciling, false);
	return NULL;
}

int
walk_start(struct volume *v)
{
	int rc;

	atomic_store(&v->reconciling, true);
	rc = pthread_create(&v->walker, NULL, walk_run, v);
	v->walker_runs = rc == 0;
	return -rc;
}

void
walk_stop(struct volume *v)
{
	if (!v->walker_runs)
		return;
	atomic_store(&v->walker_stop, true);
	pthread_join(v->walker, NULL);
	v->walker_runs = false;
}
