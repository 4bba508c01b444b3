/*
 * mendctl/kept -- the versions in the quarantines of all replicas.
 *
 * They are read where they lie, by this program and not by the daemon, which
 * never looks at one again, but to remove it from a replica on another machine.  A version's id is REPLICA/SLOT: it stays the same
 * as long as the version does.
 */

#ifndef MENDCTL_KEPT_H
#define MENDCTL_KEPT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define KEPT_REPLICAS_MAX 64

struct kept_replica {
	char name[PATH_MAX];		/* as the label has it, or its path if there is none */
	char path[PATH_MAX];
	bool unread;			/* it is not there, or cannot be read: this was said */
};

struct kept_version {
	const struct kept_replica *replica;
	char *id, *slot;
	char *path;			/* where it stood, with a leading slash; "": not known */
	char *reason;
	time_t when;
	mode_t mode;
	uint64_t size;
};

struct kept {
	const char *mountpoint;		/* the caller's; NULL: of replicas that are not mounted */
	struct kept_replica replicas[KEPT_REPLICAS_MAX];
	unsigned replica_count;
	struct kept_version *versions;	/* the oldest first */
	size_t count;
};

/*
 * kept_of_mount(kept, mountpoint), kept_of_replicas(kept, paths, count):
 * Everything that is kept.  A replica that cannot be read is told of, and
 * marked.  The exit status; not 0: it was told why. Free in either case.
 */
int kept_of_mount(struct kept *kept, const char *mountpoint);
int kept_of_replicas(struct kept *kept, char *const *paths, unsigned count);
void kept_free(struct kept *kept);

/* kept_find(kept, id): NULL: there is none. */
const struct kept_version *kept_find(const struct kept *kept, const char *id);

#endif
