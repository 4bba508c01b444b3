/*
 * Opening and closing.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "oracle.h"

#define LINKS_MAX 40			/* as the kernel has it */

/*
 * Follow links that stay in their directory, as open(2) would.  Leaves the
 * last name in name; false: leads where the model does not look.
 */
static bool
follow(const struct inode *dir, char *name, struct entry **entry, int *error)
{
	unsigned links = 0;

	*error = 0;
	for (;;) {
		if ((*error = name_error(name)) != 0)
			return true;
		*entry = entry_find(dir, name);
		if (*entry == NULL || !S_ISLNK((*entry)->inode->mode))
			return true;
		if (++links > LINKS_MAX) {
			*error = ELOOP;
			return true;
		}
		if (strchr((*entry)->inode->target, '/') != NULL || strcmp((*entry)->inode->target, ".") == 0 ||
		    strcmp((*entry)->inode->target, "..") == 0 || strlen((*entry)->inode->target) > NAME_BYTES_MAX + 1)
			return false;
		strcpy(name, (*entry)->inode->target);
	}
}

static int
pick_flags(struct world *world)
{
	static const int access[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR };
	int flags = access[random_below(world, 4)] | O_NONBLOCK | O_CLOEXEC;

	if (chance(world, 60))
		flags |= O_CREAT;
	if (chance(world, 20))
		flags |= O_EXCL;
	if (chance(world, 15))
		flags |= O_TRUNC;
	if (chance(world, 10))
		flags |= chance(world, 50) ? O_SYNC : O_DSYNC;
	if (chance(world, 15))
		flags |= O_NOFOLLOW;
	if (chance(world, 10))
		flags |= O_NOATIME;
	if (chance(world, 20))
		flags |= O_APPEND;
	else if (chance(world, 12))
		flags |= O_DIRECT;
	if (!(flags & O_CREAT)) {
		flags &= ~O_EXCL;
		if (chance(world, 8))
			flags |= O_DIRECTORY;
	}
	return flags;
}

/* What open(2) must answer for something that is there. */
static int
open_error(const struct inode *inode, int flags, bool last_is_link)
{

	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return EEXIST;
	if (last_is_link)
		return flags & O_DIRECTORY ? ENOTDIR : ELOOP;
	if (S_ISDIR(inode->mode) && ((flags & (O_CREAT | O_TRUNC)) || (flags & O_ACCMODE) != O_RDONLY))
		return EISDIR;
	if (!S_ISDIR(inode->mode) && (flags & O_DIRECTORY))
		return ENOTDIR;
	return 0;
}

static void
handle_add(struct world *world, int fd, int flags, struct inode *inode)
{

	world->handles[world->handle_count++] = (struct handle){ fd, flags, 0, inode };
	inode->handles++;
}

static void
open_done(struct world *world, struct inode *dir, const char *name, struct entry *entry, int fd, int flags, mode_t mode)
{
	struct inode *inode;

	if (entry == NULL) {
		inode = inode_create(world, dir, S_IFREG | mode, world->options->umask);
		pick_limit(world, inode);
		entry_add(world, dir, name, inode);
		time_must(world, dir, TIME_M | TIME_C);
		note(world, inode, "created by open");
		check_inode(world, dir);
	} else {
		inode = entry->inode;
		if (S_ISDIR(inode->mode)) {
			close(fd);
			return;
		}
		if (flags & O_TRUNC) {
			bytes_resize(&inode->data, 0);
			time_must(world, inode, TIME_M | TIME_C);
		}
	}
	handle_add(world, fd, flags, inode);
	check_inode(world, inode);
}

bool
op_open(struct world *world)
{
	char path[PATH_BYTES_MAX], name[PATH_BYTES_MAX], shown[PATH_BYTES_MAX];
	struct inode *dir = pick_directory(world);
	struct entry *entry = chance(world, 50) ? pick_entry(world, S_IFREG) : NULL;
	int flags = pick_flags(world), error = 0, fd;
	mode_t mode = chance(world, 70) ? 0644 : (mode_t)random_below(world, 010000);

	if (world->handle_count == HANDLES_MAX)
		return false;
	if (entry != NULL) {
		dir = entry->dir;
		strcpy(name, entry->name);
	} else {
		pick_name(world, dir, name);
	}
	if (!name_fits(dir, name))
		return false;
	/* The sysctls fs.protected_symlinks and fs.protected_regular may have a say there. */
	if ((dir->mode & S_ISVTX) && entry_find(dir, name) != NULL)
		return false;
	full_path(world, dir, name, path);
	if (!(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL)) {
		if (!follow(dir, name, &entry, &error))
			return false;
	} else if ((error = name_error(name)) == 0) {
		entry = entry_find(dir, name);
	}
	if (entry != NULL && (S_ISFIFO(entry->inode->mode) || S_ISSOCK(entry->inode->mode) ||
	    S_ISCHR(entry->inode->mode) || S_ISBLK(entry->inode->mode)) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL))
		return false;
	if (entry != NULL && S_ISDIR(entry->inode->mode))
		flags &= ~O_DIRECT;
	if (error == 0 && entry != NULL)
		error = open_error(entry->inode, flags, S_ISLNK(entry->inode->mode));
	else if (error == 0 && !(flags & O_CREAT))
		error = ENOENT;
	note(world, entry != NULL ? entry->inode : NULL, "open flags %#o mode %o -> %s: %s", flags, mode,
	    error == 0 ? "ok" : strerrorname_np(error), escape(path, shown, 400));
	fd = (int)WITH_ROOM(world, open(path, flags, mode));
	if (expect(world, entry != NULL ? entry->inode : dir, "open", fd, error))
		open_done(world, dir, name, entry, fd, flags, mode);
	else if (entry != NULL)
		check_inode(world, entry->inode);
	return true;
}

bool
op_tmpfile(struct world *world)
{
	char path[PATH_BYTES_MAX];
	struct inode *dir = pick_directory(world), *inode;
	int flags = (chance(world, 70) ? O_RDWR : O_WRONLY) | O_TMPFILE | O_CLOEXEC, fd;

	if (world->handle_count == HANDLES_MAX)
		return false;
	inode_full_path(world, dir, path);
	if (chance(world, 30))
		flags |= O_EXCL;
	note(world, dir, "open O_TMPFILE flags %#o", flags);
	fd = (int)WITH_ROOM(world, open(path, flags, 0640));
	if (fd < 0 && errno == EOPNOTSUPP && world->fuse)
		return true;
	expect(world, dir, "open O_TMPFILE", fd, 0);
	inode = inode_create(world, dir, S_IFREG | 0640, world->options->umask);
	inode->linkable = !(flags & O_EXCL);
	pick_limit(world, inode);
	note(world, inode, "created by O_TMPFILE");
	handle_add(world, fd, flags & ~(O_TMPFILE | O_EXCL), inode);
	check_inode(world, inode);
	check_inode(world, dir);
	return true;
}

void
handle_close(struct world *world, struct handle *handle)
{
	struct inode *inode = handle->inode;
	int fd = handle->fd;

	*handle = world->handles[--world->handle_count];
	expect(world, inode, "close", close(fd), 0);
	inode->handles--;
	inode_drop(world, inode);
}

bool
op_close(struct world *world)
{
	struct handle *handle = pick_handle(world, -1);

	if (handle == NULL)
		return false;
	note(world, handle->inode, "close fd %d", handle->fd);
	handle_close(world, handle);
	return true;
}

void
map_close(struct world *world, struct map *map)
{
	struct inode *inode = map->inode;

	expect(world, inode, "munmap", munmap(map->memory, map->len), 0);
	*map = world->maps[--world->map_count];
	inode->maps--;
	inode_drop(world, inode);
}

void
inode_close(struct world *world, struct inode *inode)
{
	size_t i;

	/* An inode without a name goes away with its last handle: don't look at it again. */
	for (i = world->map_count; i-- > 0;)
		if (inode == NULL || world->maps[i].inode == inode)
			map_close(world, &world->maps[i]);
	for (i = world->handle_count; i-- > 0;)
		if (inode == NULL || world->handles[i].inode == inode)
			handle_close(world, &world->handles[i]);
}
