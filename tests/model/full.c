/*
 * Disks that are full for a while.
 *
 * Whoever fills one makes the file that --full names, waits until each thread T
 * has made FILE.T, and removes FILE when there is room again.  As long as it is
 * there ENOSPC is allowed, and means that nothing has happened: the call is made
 * again until it succeeds, and must then do what it would have done at once.
 * Mappings are closed meanwhile: nobody could be told that a page of theirs
 * found no room.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "oracle.h"

#define PAUSE_NS 20000000
#define TRIES_MAX 6000			/* two minutes */

static bool
is_asked_for(const struct world *world)
{

	return world->options->full != NULL && access(world->options->full, F_OK) == 0;
}

static void
close_maps(struct world *world)
{
	size_t i;
	int fd;

	note(world, NULL, "a disk is about to be filled");
	for (i = 0; i < world->inode_count; i++)
		settle(world, world->inodes[i]);
	while (world->map_count > 0)
		map_close(world, &world->maps[0]);
	expect(world, NULL, "open", fd = open(world->path, O_RDONLY | O_CLOEXEC), 0);
	expect(world, NULL, "syncfs", syncfs(fd), 0);
	close(fd);
}

void
full_look(struct world *world)
{
	bool asked = is_asked_for(world);
	char path[PATH_BYTES_MAX];
	int fd;

	if (asked == world->full)
		return;
	if (asked)
		close_maps(world);
	world->full = asked;
	snprintf(path, sizeof(path), "%s.%u", world->options->full, world->thread);
	if (!asked)
		unlink(path);
	else if ((fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) >= 0)
		close(fd);
	note(world, NULL, asked ? "from here on there may be no room" : "there is room again");
}

bool
full_again(struct world *world, int64_t result)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };

	if (result >= 0 || errno != ENOSPC || !(world->full || is_asked_for(world)) || world->full_tries == TRIES_MAX) {
		world->full_tries = 0;
		return false;
	}
	if (world->full_tries++ == 0)
		note(world, NULL, "  no room: once more");
	world->full_count++;
	nanosleep(&pause, NULL);
	return true;
}
