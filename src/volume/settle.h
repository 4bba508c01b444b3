/*
 * volume/settle -- making all members agree about one name.
 */

#ifndef VOLUME_SETTLE_H
#define VOLUME_SETTLE_H

#include "meta/judge.h"
#include "volume/state.h"

/* What was settled: the member that is right, what it says, and for a link its target (malloc'd). */
struct settled {
	struct member *source;
	struct judge_fact fact;
	bool dirty;			/* the names of a directory may be out of step with its digest */
	struct torn *torn;		/* a regular file's; the node's from now on, if it is taken out of here */
	char *target;
	uint8_t record[RECORD_SIZE_MAX];	/* what fact.record.tags points into */
};

/*
 * settle_name(volume, dir, name, result):
 * Ask all members about ${name} in ${dir} (NULL, NULL: the top directory),
 * decide, mend those that are wrong.  -ENOENT: nobody has it.  -EIO: nothing
 * is proved; logged.  Tree lock.
 */
int settle_name(struct volume *volume, struct node *dir, const char *name, struct settled *result);
void settle_free(struct settled *result);
/* settle_forget(volume): what settle_name kept in mind of files that it made anew. */
void settle_forget(struct volume *volume);

/*
 * settle_digest(volume, node):
 * After an unclean stop, when all names of a directory are settled: digest them
 * again.  Tree lock (shared: no name comes or goes meanwhile).
 */
int settle_digest(struct volume *volume, struct node *node);

/*
 * settle_prove(volume, member, dir):
 * Do the names that ${member} has in ${dir} match the directory's digest?
 * 0, -EBADMSG, or why it cannot be said.  Tree lock.
 */
int settle_prove(struct volume *volume, struct member *m, struct node *dir);

#endif
