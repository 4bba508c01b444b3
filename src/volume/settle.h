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
	bool dirty;			/* the names of a directory are to be settled as well */
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

/*
 * settle_directory(volume, node):
 * After an unclean stop: complete on all members the names that some have, and
 * digest them again.  Tree lock.
 */
int settle_directory(struct volume *volume, struct node *node);

/*
 * settle_prove(volume, member, dir):
 * Do the names that ${member} has in ${dir} match the directory's digest?
 * 0, -EBADMSG, or why it cannot be said.  Tree lock.
 */
int settle_prove(struct volume *volume, struct member *m, struct node *dir);

#endif
