/*
 * mendd/confine -- what a server of replicas gives up before it hears the first stranger.
 *
 * Capabilities, but for those that changing other users' files needs; new
 * privileges; core dumps and debuggers, for it has a key in memory; the file
 * system, but for the exports; most system calls.
 */

#ifndef MENDD_CONFINE_H
#define MENDD_CONFINE_H

#include <stdbool.h>

#include "mendd/landlock.h"

struct confine {
	const struct landlock_directory *directories;	/* where files may be opened */
	unsigned count;
	bool trusted_xattrs;		/* keep CAP_SYS_ADMIN, without which nobody sets trusted.* */
};

/*
 * confine_process(confine):
 * Before the first thread is started.  What this kernel cannot do is logged
 * and left out; what fails is logged, and a negative errno value returned.
 */
int confine_process(const struct confine *confine);

#endif
