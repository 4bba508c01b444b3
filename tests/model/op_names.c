/*
 * Names: making, removing, moving and reading them.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "oracle.h"

#define BOTH (TIME_M | TIME_C)
#define SHOWN 400

struct place {
	struct inode *dir;
	struct entry *entry;		/* NULL: no such name */
	char name[NAME_BYTES_MAX + 2];
	char path[PATH_BYTES_MAX];
	char shown[SHOWN];
};

/* Where something is to be made. */
static bool
place_pick(struct world *world, struct place *place)
{

	place->dir = pick_directory(world);
	pick_name(world, place->dir, place->name);
	if (!name_fits(place->dir, place->name))
		return false;
	place->entry = entry_find(place->dir, place->name);
	full_path(world, place->dir, place->name, place->path);
	escape(place->path, place->shown, SHOWN);
	return true;
}

/* Where something of this type is, mostly. */
static bool
place_find(struct world *world, struct place *place, mode_t type)
{
	struct entry *entry;

	if (chance(world, 15))
		return place_pick(world, place);
	if ((entry = pick_entry(world, type)) == NULL)
		return false;
	place->dir = entry->dir;
	place->entry = entry;
	strcpy(place->name, entry->name);
	full_path(world, place->dir, place->name, place->path);
	escape(place->path, place->shown, SHOWN);
	return true;
}

static int
make_error(const struct place *place)
{
	int error = name_error(place->name);

	return error != 0 ? error : place->entry != NULL ? EEXIST : 0;
}

static void
made(struct world *world, struct place *place, struct inode *inode, const char *how)
{

	entry_add(world, place->dir, place->name, inode);
	time_must(world, place->dir, BOTH);
	note(world, inode, "made by %s", how);
	check_inode(world, inode);
	check_inode(world, place->dir);
}

bool
op_mkdir(struct world *world)
{
	mode_t mode = chance(world, 80) ? 0755 : (mode_t)random_below(world, 010000);
	struct place place;

	if (!place_pick(world, &place))
		return false;
	note(world, place.dir, "mkdir %s mode %o", place.shown, mode);
	if (expect(world, place.dir, "mkdir", WITH_ROOM(world, mkdir(place.path, mode)), make_error(&place)))
		made(world, &place, inode_create(world, place.dir, S_IFDIR | (mode & 01777), world->options->umask), "mkdir");
	else
		check_inode(world, place.dir);
	return true;
}

size_t
target_probe(const char *directory)
{
	char path[PATH_BYTES_MAX], target[PATH_BYTES_MAX];
	size_t len = PATH_BYTES_MAX - 1;

	snprintf(path, sizeof(path), "%s/oracle-probe-%d", directory, (int)getpid());
	memset(target, 'a', sizeof(target));
	for (; len > 1; len--) {
		target[len] = '\0';
		if (symlink(target, path) == 0 || errno != ENAMETOOLONG)
			break;
	}
	unlink(path);
	return len;
}

bool
op_symlink(struct world *world)
{
	static const size_t lengths[] = { 59, 60, 61, 255, 1000, 4094, 4095, 4096 };
	char target[PATH_BYTES_MAX + 1];
	struct place place;
	struct inode *inode;
	size_t len;
	int error;

	if (!place_pick(world, &place))
		return false;
	if (chance(world, 60)) {
		pick_name(world, place.dir, target);
	} else {
		len = lengths[random_below(world, 8)];
		if (len < PATH_BYTES_MAX && len > world->options->target_max)
			len = world->options->target_max;
		memset(target, 'a' + (int)random_below(world, 26), len);
		target[len] = '\0';
		if (len > 8)
			memcpy(target + 1, "/../x/\xff", 7);
	}
	error = make_error(&place);
	if (strlen(target) >= PATH_BYTES_MAX)
		error = ENAMETOOLONG;
	note(world, place.dir, "symlink %s, target of %zu bytes", place.shown, strlen(target));
	if (expect(world, place.dir, "symlink", WITH_ROOM(world, symlink(target, place.path)), error)) {
		inode = inode_create(world, place.dir, S_IFLNK | 0777, 0);
		inode->target = strdup(target);
		made(world, &place, inode, "symlink");
	} else {
		check_inode(world, place.dir);
	}
	return true;
}

bool
op_readlink(struct world *world)
{
	struct entry *entry = pick_entry(world, chance(world, 80) ? S_IFLNK : 0);
	char path[PATH_BYTES_MAX], got[PATH_BYTES_MAX + 1];
	size_t size = chance(world, 50) ? PATH_BYTES_MAX : 1 + random_below(world, 80), want;
	ssize_t len;

	if (entry == NULL)
		return false;
	full_path(world, entry->dir, entry->name, path);
	note(world, entry->inode, "readlink size %zu", size);
	len = readlink(path, got, size);
	if (!expect(world, entry->inode, "readlink", len, S_ISLNK(entry->inode->mode) ? 0 : EINVAL))
		return true;
	want = strlen(entry->inode->target) < size ? strlen(entry->inode->target) : size;
	if ((size_t)len != want || memcmp(got, entry->inode->target, want) != 0)
		fail(world, entry->inode, "readlink: got %zd bytes, want %zu, or others", len, want);
	return true;
}

bool
op_mknod(struct world *world)
{
	static const mode_t types[] = { S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFREG };
	mode_t mode = types[random_below(world, 5)] | (mode_t)random_below(world, 01000);
	dev_t rdev = S_ISCHR(mode) || S_ISBLK(mode) ? makedev(random_below(world, 300), random_below(world, 70000)) : 0;
	struct place place;
	struct inode *inode;

	if (!place_pick(world, &place))
		return false;
	note(world, place.dir, "mknod %s mode %o rdev %#llx", place.shown, mode, (unsigned long long)rdev);
	if (expect(world, place.dir, "mknod", WITH_ROOM(world, mknod(place.path, mode, rdev)), make_error(&place))) {
		inode = inode_create(world, place.dir, mode, world->options->umask);
		inode->rdev = rdev;
		if (S_ISREG(mode))
			pick_limit(world, inode);
		made(world, &place, inode, "mknod");
	} else {
		check_inode(world, place.dir);
	}
	return true;
}

bool
op_link(struct world *world)
{
	struct place from, to;
	struct inode *inode = NULL;
	int error;

	if (!place_find(world, &from, chance(world, 70) ? S_IFREG : 0) || !place_pick(world, &to))
		return false;
	if (from.entry != NULL)
		inode = from.entry->inode;
	if ((error = name_error(from.name)) == 0 && inode == NULL)
		error = ENOENT;
	/* Two names that were looked up before and after a loss stand for two files then. */
	if (inode != NULL && borrows(world, inode))
		return false;
	if (error == 0 && (error = make_error(&to)) == 0 && S_ISDIR(inode->mode))
		error = EPERM;
	note(world, inode, "link %s to %s", from.shown, to.shown);
	if (expect(world, inode, "link", WITH_ROOM(world, link(from.path, to.path)), error)) {
		time_must(world, inode, TIME_C);
		made(world, &to, inode, "link");
	} else {
		check_inode(world, to.dir);
		if (inode != NULL)
			check_inode(world, inode);
	}
	return true;
}

/* A file without a name gets one only if it was made with O_TMPFILE. */
bool
op_link_handle(struct world *world)
{
	struct handle *handle = pick_handle(world, -1);
	struct place to;
	struct inode *inode;
	char self[64];
	int error;

	if (handle == NULL || !place_pick(world, &to))
		return false;
	inode = handle->inode;
	if ((error = make_error(&to)) == 0 && inode->nlink == 0 && !inode->linkable)
		error = ENOENT;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", handle->fd);
	note(world, inode, "link fd %d to %s", handle->fd, to.shown);
	if (expect(world, inode, "linkat of a handle", WITH_ROOM(world, linkat(AT_FDCWD, self, AT_FDCWD, to.path, AT_SYMLINK_FOLLOW)), error)) {
		inode->linkable = false;
		time_must(world, inode, TIME_C);
		made(world, &to, inode, "link");
	} else {
		check_inode(world, inode);
	}
	return true;
}

static void
removed(struct world *world, struct place *place)
{
	struct inode *inode = place->entry->inode, *dir = place->dir;
	bool stays = inode->nlink > 1 && !S_ISDIR(inode->mode);
	bool held = inode->handles > 0 || inode->maps > 0;

	if (!S_ISDIR(inode->mode))
		time_must(world, inode, TIME_C);
	time_must(world, dir, BOTH);
	entry_remove(world, place->entry);
	if (stays || held)
		check_inode(world, inode);
	check_inode(world, dir);
}

bool
op_unlink(struct world *world)
{
	struct place place;
	int error;

	if (!place_find(world, &place, 0))
		return false;
	if ((error = name_error(place.name)) == 0)
		error = place.entry == NULL ? ENOENT : S_ISDIR(place.entry->inode->mode) ? EISDIR : 0;
	note(world, place.entry != NULL ? place.entry->inode : place.dir, "unlink %s", place.shown);
	if (expect(world, place.dir, "unlink", WITH_ROOM(world, unlink(place.path)), error))
		removed(world, &place);
	else
		check_inode(world, place.dir);
	return true;
}

bool
op_rmdir(struct world *world)
{
	struct place place;
	int error;

	if (!place_find(world, &place, chance(world, 90) ? S_IFDIR : 0))
		return false;
	if ((error = name_error(place.name)) == 0)
		error = place.entry == NULL ? ENOENT : !S_ISDIR(place.entry->inode->mode) ? ENOTDIR :
		    place.entry->inode->child_count > 0 ? ENOTEMPTY : 0;
	note(world, place.dir, "rmdir %s", place.shown);
	if (expect(world, place.dir, "rmdir", WITH_ROOM(world, rmdir(place.path)), error))
		removed(world, &place);
	else
		check_inode(world, place.dir);
	return true;
}

/* The order of these is the kernel's. */
static int
rename_error(const struct place *from, const struct place *to, unsigned flags)
{
	const struct inode *a, *b;

	if (name_error(from->name) != 0)
		return ENAMETOOLONG;
	if (from->entry == NULL)
		return ENOENT;
	if (name_error(to->name) != 0)
		return ENAMETOOLONG;
	if (to->entry != NULL && (flags & RENAME_NOREPLACE))
		return EEXIST;
	if (to->entry == NULL && (flags & RENAME_EXCHANGE))
		return ENOENT;
	a = from->entry->inode;
	if (S_ISDIR(a->mode) && inode_is_above(a, to->dir))
		return EINVAL;
	if (to->entry == NULL)
		return 0;
	b = to->entry->inode;
	if (S_ISDIR(b->mode) && inode_is_above(b, from->dir))
		return flags & RENAME_EXCHANGE ? EINVAL : ENOTEMPTY;
	if (a == b || (flags & RENAME_EXCHANGE))
		return 0;
	if (S_ISDIR(a->mode) && !S_ISDIR(b->mode))
		return ENOTDIR;
	if (!S_ISDIR(a->mode) && S_ISDIR(b->mode))
		return EISDIR;
	return S_ISDIR(b->mode) && b->child_count > 0 ? ENOTEMPTY : 0;
}

/* Would a tree's paths grow too long for the oracle itself under its new name? */
static bool
reach_fits(const struct place *from, const struct place *to)
{
	char path[PATH_BYTES_MAX];
	unsigned height;
	size_t reach;

	if (from->entry == NULL)
		return true;
	reach = inode_reach(from->entry->inode, &height);
	dir_path(to->dir, to->name, path);
	return strlen(path) + reach < PATH_BYTES_LIMIT && inode_depth(to->dir) + height + 1 < DEPTH_LIMIT;
}

static void
renamed(struct world *world, struct place *from, struct place *to, unsigned flags)
{
	struct inode *a = from->entry->inode, *b = to->entry != NULL ? to->entry->inode : NULL;
	bool b_stays = b != NULL && (flags & RENAME_EXCHANGE || (b->nlink > 1 && !S_ISDIR(b->mode)) || b->handles > 0 ||
	    b->maps > 0);

	if (a == b)
		return;
	time_must(world, a, TIME_C);
	time_must(world, from->dir, BOTH);
	time_must(world, to->dir, BOTH);
	if (b != NULL)
		time_must(world, b, TIME_C);
	if (flags & RENAME_EXCHANGE) {
		entry_swap(from->entry, to->entry);
	} else {
		if (b != NULL)
			entry_remove(world, to->entry);
		entry_move(from->entry, to->dir, to->name);
	}
	if (b_stays)
		check_inode(world, b);
}

bool
op_rename(struct world *world)
{
	static const unsigned kinds[] = { 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE };
	unsigned flags = kinds[random_below(world, 5)];
	struct place from, to;
	int error;

	if (!place_find(world, &from, chance(world, 25) ? S_IFDIR : 0))
		return false;
	if (chance(world, flags == 0 ? 40 : 70) ? !place_find(world, &to, 0) : !place_pick(world, &to))
		return false;
	if (!reach_fits(&from, &to) || (flags == RENAME_EXCHANGE && !reach_fits(&to, &from)))
		return false;
	error = rename_error(&from, &to, flags);
	note(world, from.entry != NULL ? from.entry->inode : NULL, "rename %s to %s flags %u", from.shown, to.shown, flags);
	if (to.entry != NULL)
		note(world, to.entry->inode, "rename %s over it, from %s flags %u", to.shown, from.shown, flags);
	if (expect(world, from.entry != NULL ? from.entry->inode : from.dir, "rename",
	    WITH_ROOM(world, renameat2(AT_FDCWD, from.path, AT_FDCWD, to.path, flags)), error))
		renamed(world, &from, &to, flags);
	check_inode(world, from.dir);
	check_inode(world, to.dir);
	if (error == 0) {
		struct entry *now = entry_find(to.dir, to.name);

		check_inode(world, now->inode);
		if ((now = entry_find(from.dir, from.name)) != NULL)
			check_inode(world, now->inode);
	}
	return true;
}

/* Names that are not there, or lead through something that is no directory. */
bool
op_lookup_errors(struct world *world)
{
	char path[PATH_BYTES_MAX + 10];
	struct place place;
	struct stat st;
	int error;

	if (!place_pick(world, &place))
		return false;
	if ((error = name_error(place.name)) == 0 && place.entry == NULL)
		error = ENOENT;
	note(world, NULL, "lstat %s", place.shown);
	if (expect(world, place.entry != NULL ? place.entry->inode : place.dir, "lstat", lstat(place.path, &st), error))
		check_stat(world, place.entry->inode, &st);
	if (place.entry == NULL || S_ISLNK(place.entry->inode->mode) || S_ISDIR(place.entry->inode->mode))
		return true;
	snprintf(path, sizeof(path), "%s/x", place.path);
	expect(world, place.entry->inode, "lstat through a file", lstat(path, &st), ENOTDIR);
	return true;
}

bool
op_readdir(struct world *world)
{
	struct inode *dir = pick_directory(world);
	char path[PATH_BYTES_MAX], wanted[NAME_BYTES_MAX + 1];
	struct dirent *dirent;
	DIR *stream;
	long cookie;
	size_t skip;

	note(world, dir, "readdir, %zu names", dir->child_count);
	check_directory(world, dir);
	inode_full_path(world, dir, path);
	if ((stream = opendir(path)) == NULL)
		fail(world, dir, "opendir: %s", strerrorname_np(errno));
	for (skip = random_below(world, dir->child_count + 2); skip > 0; skip--)
		if (readdir(stream) == NULL)
			fail(world, dir, "readdir ends early");
	cookie = telldir(stream);
	if ((dirent = readdir(stream)) != NULL) {
		strcpy(wanted, dirent->d_name);
		while (readdir(stream) != NULL)
			continue;
		seekdir(stream, cookie);
		if ((dirent = readdir(stream)) == NULL || strcmp(dirent->d_name, wanted) != 0)
			fail(world, dir, "seekdir: got %s, want %s", dirent != NULL ? dirent->d_name : "the end", wanted);
	}
	closedir(stream);
	return true;
}
