#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oracle.h"

void
full_path(const struct world *world, const struct inode *dir, const char *name, char *out)
{
	char inner[PATH_BYTES_MAX];

	dir_path(dir, name, inner);
	if (snprintf(out, PATH_BYTES_MAX, "%s%s", world->path, inner) >= PATH_BYTES_MAX)
		fail(world, NULL, "the oracle's own path grew too long");
}

bool
inode_full_path(const struct world *world, const struct inode *inode, char *out)
{

	if (inode == world->root)
		snprintf(out, PATH_BYTES_MAX, "%s", world->path);
	else if (inode->name_count > 0)
		full_path(world, inode->names[0]->dir, inode->names[0]->name, out);
	else
		return false;
	return true;
}

bool
replica_path(const struct world *world, unsigned replica, const struct inode *inode, char *out)
{
	char inner[PATH_BYTES_MAX] = "";

	if (inode != world->root && inode->name_count == 0)
		return false;
	if (inode != world->root)
		dir_path(inode->names[0]->dir, inode->names[0]->name, inner);
	return snprintf(out, PATH_BYTES_MAX, "%s%s%s", world->options->replicas[replica], world->inner, inner) <
	    PATH_BYTES_MAX;
}

static int
compare_times(const struct timespec *a, const struct timespec *b)
{

	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	if (a->tv_nsec != b->tv_nsec)
		return a->tv_nsec < b->tv_nsec ? -1 : 1;
	return 0;
}

bool
borrows(const struct world *world, const struct inode *inode)
{

	return world->options->members_go && !S_ISREG(inode->mode) && !S_ISDIR(inode->mode);
}

static void
check_time(struct world *world, struct inode *inode, const char *name, unsigned which, struct timespec *known,
    const struct timespec *got)
{
	struct timespec now;
	const char *wrong = NULL;

	if (inode->fuzzy) {
		if (which == TIME_C && compare_times(got, known) < 0)
			wrong = "went back";
	} else if ((inode->must & which) || ((inode->may & which) && compare_times(got, known) != 0)) {
		clock_gettime(CLOCK_REALTIME, &now);
		if (compare_times(got, &inode->moved) < 0)
			wrong = "lies before the operation that moves it";
		else if (compare_times(got, &now) > 0)
			wrong = "lies in the future";
	} else if (compare_times(got, known) != 0 && !(which == TIME_C && borrows(world, inode))) {
		wrong = "changed by itself";
	}
	if (wrong != NULL)
		fail(world, inode, "%s %s: got %lld.%09ld, known %lld.%09ld, operation began %lld.%09ld", name, wrong,
		    (long long)got->tv_sec, got->tv_nsec, (long long)known->tv_sec, known->tv_nsec,
		    (long long)inode->moved.tv_sec, inode->moved.tv_nsec);
	*known = *got;
}

static void
check_ino(struct world *world, struct inode *inode, uint64_t ino)
{
	size_t i;

	if (inode->ino == 0) {
		for (i = 0; i < world->inode_count; i++)
			if (world->inodes[i]->ino == ino)
				fail(world, inode, "st_ino %" PRIu64 " is another live file's", ino);
		inode->ino = ino;
	}
	if (borrows(world, inode))
		inode->ino = ino;
	if (ino != inode->ino)
		fail(world, inode, "st_ino: got %" PRIu64 ", want %" PRIu64, ino, inode->ino);
}

void
check_stat(struct world *world, struct inode *inode, const struct stat *st)
{
	mode_t type = inode->mode & S_IFMT;

	check_ino(world, inode, st->st_ino);
	if (st->st_mode != inode->mode)
		fail(world, inode, "st_mode: got %o, want %o", st->st_mode, inode->mode);
	if (st->st_uid != inode->uid || st->st_gid != inode->gid)
		fail(world, inode, "owner: got %u:%u, want %u:%u", st->st_uid, st->st_gid, inode->uid, inode->gid);
	if (st->st_nlink != inode->nlink && (type != S_IFDIR || world->counts_dirs))
		fail(world, inode, "st_nlink: got %" PRIu64 ", want %" PRIu64, (uint64_t)st->st_nlink, inode->nlink);
	if ((type == S_IFCHR || type == S_IFBLK) && st->st_rdev != inode->rdev)
		fail(world, inode, "st_rdev: got %" PRIx64 ", want %" PRIx64, (uint64_t)st->st_rdev, (uint64_t)inode->rdev);
	if (type == S_IFREG && (uint64_t)st->st_size != inode->data.size)
		fail(world, inode, "st_size: got %" PRId64 ", want %" PRIu64, (int64_t)st->st_size, inode->data.size);
	if (type == S_IFLNK && (size_t)st->st_size != strlen(inode->target))
		fail(world, inode, "st_size of link: got %" PRId64 ", want %zu", (int64_t)st->st_size, strlen(inode->target));
	check_time(world, inode, "mtime", TIME_M, &inode->mtime, &st->st_mtim);
	check_time(world, inode, "ctime", TIME_C, &inode->ctime, &st->st_ctim);
	inode->must = inode->may = 0;
}

static struct handle *
any_handle(struct world *world, const struct inode *inode, bool readable)
{
	size_t i;

	for (i = 0; i < world->handle_count; i++)
		if (world->handles[i].inode == inode &&
		    (!readable || (world->handles[i].flags & (O_ACCMODE | O_DIRECT)) == O_RDONLY ||
		    (world->handles[i].flags & (O_ACCMODE | O_DIRECT)) == O_RDWR))
			return &world->handles[i];
	return NULL;
}

void
check_inode(struct world *world, struct inode *inode)
{
	char path[PATH_BYTES_MAX];
	struct handle *handle = any_handle(world, inode, false);
	struct stat st;

	if (inode_full_path(world, inode, path) && (handle == NULL || inode->history_count % 2)) {
		if (lstat(path, &st) != 0)
			fail(world, inode, "lstat: %s", strerrorname_np(errno));
	} else if (handle != NULL) {
		if (fstat(handle->fd, &st) != 0)
			fail(world, inode, "fstat: %s", strerrorname_np(errno));
	} else {
		return;
	}
	check_stat(world, inode, &st);
}

void
check_data(struct world *world, const struct inode *inode, uint64_t offset, const uint8_t *got, size_t len, const char *what)
{
	uint8_t want[BYTES_CHUNK];
	size_t done, part, i, wrong;

	for (done = 0; done < len; done += part) {
		part = len - done < sizeof(want) ? len - done : sizeof(want);
		if (bytes_read(&inode->data, offset + done, want, part) != part)
			fail(world, inode, "%s at %" PRIu64 " gave bytes beyond the end of the file (size %" PRIu64 ")", what,
			    offset + done, inode->data.size);
		if (memcmp(got + done, want, part) == 0)
			continue;
		for (i = 0; got[done + i] == want[i]; i++)
			continue;
		for (wrong = i; wrong < part && got[done + wrong] != want[wrong]; wrong++)
			continue;
		fail(world, inode, "%s of %zu bytes at %" PRIu64 ": offset %" PRIu64 " (block %" PRIu64 "), want %02x, got %02x"
		    " (%zu bytes in a row)", what, len, offset, offset + done + i, (offset + done + i) / 4096, want[i],
		    got[done + i], wrong - i);
	}
}

/* Compare [offset, end) of the open file with the model. */
static void
check_extent(struct world *world, struct inode *inode, int fd, uint64_t offset, uint64_t end)
{
	ssize_t got;

	while (offset < end) {
		/* Rounded up for O_DIRECT: reading beyond the end is harmless. */
		got = pread(fd, world->scratch, SCRATCH, (off_t)offset);
		if (got < 0)
			fail(world, inode, "checking pread at %" PRIu64 ": %s", offset, strerrorname_np(errno));
		if (got == 0)
			fail(world, inode, "checking pread at %" PRIu64 ": end of file, size is %" PRIu64, offset, inode->data.size);
		check_data(world, inode, offset, world->scratch, (size_t)got, "checking pread");
		offset += (uint64_t)got;
		if (offset < inode->data.size && offset % 4096 != 0)
			fail(world, inode, "short read at %" PRIu64 ", size is %" PRIu64, offset, inode->data.size);
	}
}

/* A large sparse file: believe what is called a hole only where the model has zeros. */
static void
check_sparse(struct world *world, struct inode *inode, int fd)
{
	uint64_t at = 0, start, end, next;
	off_t got;

	while (at < inode->data.size) {
		got = lseek(fd, (off_t)at, SEEK_DATA);
		if (got < 0 && errno != ENXIO)
			fail(world, inode, "SEEK_DATA: %s", strerrorname_np(errno));
		start = got < 0 ? inode->data.size : (uint64_t)got;
		next = bytes_data(&inode->data, at);
		if (next < start)
			fail(world, inode, "SEEK_DATA from %" PRIu64 " gave %" PRIu64 ", but there is data at %" PRIu64, at, start, next);
		if (start >= inode->data.size)
			break;
		if ((got = lseek(fd, (off_t)start, SEEK_HOLE)) < 0)
			fail(world, inode, "SEEK_HOLE from %" PRIu64 ": %s", start, strerrorname_np(errno));
		end = (uint64_t)got;
		/* One with no notion of holes would have us read for minutes. */
		if (end - start > 64u << 20) {
			check_extent(world, inode, fd, start / 4096 * 4096, start + SCRATCH);
			while ((next = bytes_data(&inode->data, start)) < end) {
				check_extent(world, inode, fd, next / 4096 * 4096, next / 4096 * 4096 + 1);
				start = next / 4096 * 4096 + SCRATCH;
			}
		} else {
			check_extent(world, inode, fd, start / 4096 * 4096, end);
		}
		at = end;
	}
}

void
check_contents(struct world *world, struct inode *inode, bool direct)
{
	char path[PATH_BYTES_MAX];
	struct handle *handle = NULL;
	int fd;

	if (!S_ISREG(inode->mode))
		return;
	/* A FUSE file system is asked for holes without what was stored through mappings being written first. */
	if (world->fuse && inode->limit > LIMIT_LARGE)
		settle(world, inode);
	if (inode_full_path(world, inode, path)) {
		if ((fd = open(path, O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0))) < 0)
			fail(world, inode, "open to check: %s", strerrorname_np(errno));
	} else {
		if ((handle = any_handle(world, inode, true)) == NULL)
			return;
		fd = handle->fd;
	}
	if (inode->limit > LIMIT_LARGE)
		check_sparse(world, inode, fd);
	else
		check_extent(world, inode, fd, 0, inode->data.size);
	if (handle == NULL)
		close(fd);
	else if (inode->limit > LIMIT_LARGE)
		lseek(fd, (off_t)handle->position, SEEK_SET);
}

static void
check_xattr(struct world *world, struct inode *inode, const char *path, const struct xattr *xattr)
{
	uint8_t value[65536];
	ssize_t len = lgetxattr(path, xattr->name, value, sizeof(value));

	if (len < 0)
		fail(world, inode, "getxattr %s: %s", xattr->name, strerrorname_np(errno));
	if ((size_t)len != xattr->len || memcmp(value, xattr->value, xattr->len) != 0)
		fail(world, inode, "xattr %s: got %zd bytes, want %zu, or other bytes", xattr->name, len, xattr->len);
}

void
check_xattrs(struct world *world, struct inode *inode)
{
	char path[PATH_BYTES_MAX], list[65536], *name;
	size_t i, count = 0;
	ssize_t len;

	if (!inode_full_path(world, inode, path))
		return;
	if ((len = llistxattr(path, list, sizeof(list))) < 0)
		fail(world, inode, "listxattr: %s", strerrorname_np(errno));
	for (name = list; name < list + len; name += strlen(name) + 1) {
		if (strncmp(name, "security.", 9) == 0)
			continue;
		count++;
		if (xattr_find(inode, name) == NULL)
			fail(world, inode, "listxattr shows %s, which was never set", name);
	}
	if (count != inode->xattr_count)
		fail(world, inode, "listxattr shows %zu names, want %zu", count, inode->xattr_count);
	for (i = 0; i < inode->xattr_count; i++)
		check_xattr(world, inode, path, &inode->xattrs[i]);
	if (lgetxattr(path, "user.mendfs", list, sizeof(list)) >= 0)
		fail(world, inode, "the record shows as xattr user.mendfs");
}

static void
check_dirent(struct world *world, struct inode *inode, const struct dirent *dirent, uint8_t *seen)
{
	const struct inode *want;
	size_t i;

	if (strcmp(dirent->d_name, ".") == 0 || strcmp(dirent->d_name, "..") == 0) {
		want = dirent->d_name[1] == '\0' ? inode : inode->name_count > 0 ? inode->names[0]->dir : NULL;
	} else {
		for (i = 0; i < inode->child_count; i++)
			if (strcmp(inode->children[i]->name, dirent->d_name) == 0)
				break;
		if (i == inode->child_count) {
			if (inode == world->root && strcmp(dirent->d_name, "lost+found") == 0)
				return;
			fail(world, inode, "readdir shows %s, which should not be there", dirent->d_name);
		}
		if (seen[i]++)
			fail(world, inode, "readdir shows %s twice", dirent->d_name);
		want = inode->children[i]->inode;
	}
	if (want == NULL)
		return;
	if (dirent->d_type != DT_UNKNOWN && (mode_t)DTTOIF(dirent->d_type) != (want->mode & S_IFMT))
		fail(world, inode, "readdir: type of %s: got %o, want %o", dirent->d_name, DTTOIF(dirent->d_type), want->mode);
	if (want->ino != 0 && dirent->d_ino != want->ino && !borrows(world, want))
		fail(world, inode, "readdir: ino of %s: got %" PRIu64 ", want %" PRIu64, dirent->d_name,
		    (uint64_t)dirent->d_ino, want->ino);
}

void
check_directory(struct world *world, struct inode *inode)
{
	char path[PATH_BYTES_MAX];
	uint8_t *seen = calloc(inode->child_count + 1, 1);
	struct dirent *dirent;
	unsigned dots = 0;
	DIR *dir;
	size_t i;

	inode_full_path(world, inode, path);
	if (seen == NULL || (dir = opendir(path)) == NULL)
		fail(world, inode, "opendir: %s", strerrorname_np(errno));
	while (errno = 0, (dirent = readdir(dir)) != NULL) {
		check_dirent(world, inode, dirent, seen);
		dots += strcmp(dirent->d_name, ".") == 0 || strcmp(dirent->d_name, "..") == 0;
	}
	if (errno != 0)
		fail(world, inode, "readdir: %s", strerrorname_np(errno));
	for (i = 0; i < inode->child_count; i++)
		if (!seen[i])
			fail(world, inode, "readdir does not show %s", inode->children[i]->name);
	if (dots != 2)
		fail(world, inode, "readdir shows %u of . and ..", dots);
	closedir(dir);
	free(seen);
}

static void
check_names(struct world *world, struct inode *inode)
{
	char path[PATH_BYTES_MAX], target[PATH_BYTES_MAX + 1];
	struct stat st;
	ssize_t len;
	size_t i;

	for (i = 0; i < inode->name_count; i++) {
		full_path(world, inode->names[i]->dir, inode->names[i]->name, path);
		if (lstat(path, &st) != 0)
			fail(world, inode, "lstat: %s", strerrorname_np(errno));
		check_stat(world, inode, &st);
		if (!S_ISLNK(inode->mode))
			continue;
		if ((len = readlink(path, target, sizeof(target) - 1)) < 0)
			fail(world, inode, "readlink: %s", strerrorname_np(errno));
		target[len] = '\0';
		if (strcmp(target, inode->target) != 0)
			fail(world, inode, "link target: got '%s', want '%s'", target, inode->target);
	}
}

void
check_all(struct world *world, bool direct)
{
	size_t i;

	for (i = 0; i < world->inode_count; i++) {
		struct inode *inode = world->inodes[i];

		check_names(world, inode);
		check_inode(world, inode);
		check_xattrs(world, inode);
		check_contents(world, inode, direct);
		if (S_ISDIR(inode->mode))
			check_directory(world, inode);
	}
}
