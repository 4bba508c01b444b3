/*
 * control/place -- where the socket of a mount's daemon is.
 *
 * It has the name of the mount's device number, "0:57", which no other mount has
 * while it lasts, in /run/mendfs, or, if the daemon is not root's, in the folder
 * mendfs of its user's runtime directory.  Everything here goes by the
 * system's list of mounts: a mount that does not answer is found as well.
 */

#ifndef CONTROL_PLACE_H
#define CONTROL_PLACE_H

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

struct control_place {
	dev_t dev;
	uid_t owner;			/* whose daemon it is */
	char mountpoint[PATH_MAX];
};

/*
 * control_place_find(path, place, below):
 * The mendfs mount that ${path}, a mountpoint or something below one, is on;
 * ${below} (PATH_MAX bytes) is the way from there, "" for the top.  The last
 * component is not followed.  -ENODEV: on another file system; or realpath(3)'s error.
 */
int control_place_find(const char *path, struct control_place *place, char *below);

/*
 * control_place_search(mountinfo, full, place, below):
 * The same in a list of mounts as in mountinfo, proc(5); ${full} is absolute, without links.
 */
int control_place_search(FILE *mountinfo, const char *full, struct control_place *place, char *below);

/* control_place_parse(line, place): one line of mountinfo, proc(5); -EINVAL: malformed; -ENODEV: no mendfs. */
int control_place_parse(const char *line, struct control_place *place);

/* control_place_directory(owner, out, size): where sockets of that user's daemons are.  -ENAMETOOLONG. */
int control_place_directory(uid_t owner, char *out, size_t size);

/* control_place_socket(place, out, size): the socket's path. */
int control_place_socket(const struct control_place *place, char *out, size_t size);

#endif
