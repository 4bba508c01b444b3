/*
 * mendd/landlock -- the kernel's own bounds on what the file system shows us.
 *
 * From the call on, the calling thread, and all that it starts, can open,
 * make, remove and rename only below the directories named, and execute
 * nothing.  Each further call takes away more; nothing gives back.  Not
 * covered by Landlock: stat(2), attributes and extended attributes of paths
 * that are reached otherwise, which mendd/seccomp and the replica's own way of
 * walking (replica/dir) keep away from.
 */

#ifndef MENDD_LANDLOCK_H
#define MENDD_LANDLOCK_H

#include <stdbool.h>

struct landlock_directory {
	const char *path;
	bool write;			/* else only what stands there can be read */
};

/*
 * landlock_confine(directories, count):
 * What each of ${directories} is now: if another disk is mounted there later,
 * that one is outside.  One that cannot be opened is left out, with a warning.
 * Where the kernel knows of it, making connections by TCP ends, too.
 * -EOPNOTSUPP: this kernel has no Landlock, or one that forbids moving files
 * between directories (before 5.19).  The thread must have no_new_privs.
 */
int landlock_confine(const struct landlock_directory *directories, unsigned count);

#endif
