/*
 * The replicas as plain trees, against the model.
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oracle.h"

#define INNER ".mendfs"

static bool
span_same(struct world *world, const struct inode *inode, int fd, uint64_t from, uint64_t to, char *difference, size_t size)
{
	ssize_t got;
	size_t i;

	for (; from < to; from += (uint64_t)got) {
		got = pread(fd, world->scratch, to - from < SCRATCH ? (size_t)(to - from) : SCRATCH, (off_t)from);
		if (got <= 0) {
			snprintf(difference, size, "pread at %" PRIu64 " gave %zd", from, got);
			return false;
		}
		bytes_read(&inode->data, from, world->scratch2, (size_t)got);
		if (memcmp(world->scratch, world->scratch2, (size_t)got) == 0)
			continue;
		for (i = 0; world->scratch[i] == world->scratch2[i]; i++)
			continue;
		snprintf(difference, size, "data at offset %" PRIu64 " (block %" PRIu64 "): want %02x, got %02x", from + i,
		    (from + i) / 4096, world->scratch2[i], world->scratch[i]);
		return false;
	}
	return true;
}

static bool
data_same(struct world *world, const struct inode *inode, int fd, char *difference, size_t size)
{
	uint64_t at = 0, end, data;
	off_t start;

	for (;;) {
		start = lseek(fd, (off_t)at, SEEK_DATA);
		data = bytes_data(&inode->data, at);
		if (start < 0)
			break;
		if (data < (uint64_t)start)
			break;
		if ((end = (uint64_t)lseek(fd, start, SEEK_HOLE)) > inode->data.size)
			end = inode->data.size;
		if (!span_same(world, inode, fd, (uint64_t)start, end, difference, size))
			return false;
		at = end;
	}
	if (data != UINT64_MAX) {
		snprintf(difference, size, "hole where there should be data at offset %" PRIu64, data);
		return false;
	}
	return true;
}

bool
replica_same(struct world *world, unsigned replica, struct inode *inode, char *difference, size_t size)
{
	char path[PATH_BYTES_MAX];
	bool same = false;
	struct stat st;
	int fd;

	if (!replica_path(world, replica, inode, path))
		return true;
	if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) < 0 || fstat(fd, &st) != 0)
		snprintf(difference, size, "open: %s", strerrorname_np(errno));
	else if ((uint64_t)st.st_size != inode->data.size)
		snprintf(difference, size, "size: want %" PRIu64 ", got %" PRId64, inode->data.size, (int64_t)st.st_size);
	else
		same = data_same(world, inode, fd, difference, size);
	if (fd >= 0)
		close(fd);
	return same;
}

static void
verify_stat(struct world *world, unsigned replica, struct inode *inode, const struct stat *st)
{
	uint64_t nlink = inode->nlink + (inode == world->root && world->inner[0] == '\0' ? 1 : 0);

	if (st->st_mode != inode->mode)
		fail(world, inode, "replica %u: mode: want %o, got %o", replica, inode->mode, st->st_mode);
	if (st->st_uid != inode->uid || st->st_gid != inode->gid)
		fail(world, inode, "replica %u: owner: want %u:%u, got %u:%u", replica, inode->uid, inode->gid, st->st_uid,
		    st->st_gid);
	if (st->st_nlink != nlink && (!S_ISDIR(inode->mode) || world->counts_dirs))
		fail(world, inode, "replica %u: nlink: want %" PRIu64 ", got %" PRIu64, replica, nlink, (uint64_t)st->st_nlink);
	if ((S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) && st->st_rdev != inode->rdev)
		fail(world, inode, "replica %u: rdev differs", replica);
	if (inode->replica_ino[replica] == 0)
		inode->replica_ino[replica] = st->st_ino;
	if (inode->replica_ino[replica] != st->st_ino)
		fail(world, inode, "replica %u: two files where there should be one with two names", replica);
	if (st->st_mtim.tv_sec != inode->mtime.tv_sec || st->st_mtim.tv_nsec != inode->mtime.tv_nsec)
		fail(world, inode, "replica %u: mtime: want %lld.%09ld, got %lld.%09ld", replica, (long long)inode->mtime.tv_sec,
		    inode->mtime.tv_nsec, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

static void
verify_xattrs(struct world *world, unsigned replica, struct inode *inode, const char *path)
{
	char list[65536], value[65536], *name;
	struct xattr *want;
	size_t count = 0;
	ssize_t len, got;

	if ((len = llistxattr(path, list, sizeof(list))) < 0)
		fail(world, inode, "replica %u: listxattr: %s", replica, strerrorname_np(errno));
	for (name = list; name < list + len; name += strlen(name) + 1) {
		/* XFS shows ACLs once more. */
		if (strncmp(name, "security.", 9) == 0 || strcmp(name, "user.mendfs") == 0 || strcmp(name, "user.mendfs.ids") == 0 ||
		    strncmp(name, "trusted.SGI_ACL_", 16) == 0)
			continue;
		count++;
		if ((want = xattr_find(inode, name)) == NULL)
			fail(world, inode, "replica %u: xattr %s should not be there", replica, name);
		got = lgetxattr(path, name, value, sizeof(value));
		if (got < 0 || (size_t)got != want->len || memcmp(value, want->value, want->len) != 0)
			fail(world, inode, "replica %u: xattr %s differs", replica, name);
	}
	if (count != inode->xattr_count)
		fail(world, inode, "replica %u: %zu xattrs, want %zu", replica, count, inode->xattr_count);
}

static void
verify_names(struct world *world, unsigned replica, struct inode *inode, const char *path)
{
	struct dirent *dirent;
	size_t count = 0;
	DIR *dir;

	if ((dir = opendir(path)) == NULL)
		fail(world, inode, "replica %u: opendir: %s", replica, strerrorname_np(errno));
	while ((dirent = readdir(dir)) != NULL) {
		if (strcmp(dirent->d_name, ".") == 0 || strcmp(dirent->d_name, "..") == 0)
			continue;
		if (inode == world->root && (strcmp(dirent->d_name, INNER) == 0 || strcmp(dirent->d_name, "lost+found") == 0))
			continue;
		if (entry_find(inode, dirent->d_name) == NULL)
			fail(world, inode, "replica %u: name %s should not be there", replica, dirent->d_name);
		count++;
	}
	closedir(dir);
	if (count != inode->child_count)
		fail(world, inode, "replica %u: %zu names, want %zu", replica, count, inode->child_count);
}

static void
verify_inode(struct world *world, unsigned replica, struct inode *inode)
{
	char path[PATH_BYTES_MAX], inner[PATH_BYTES_MAX] = "", target[PATH_BYTES_MAX], difference[500];
	struct stat st;
	size_t i;
	ssize_t len;

	for (i = 0; i < inode->name_count || (i == 0 && inode == world->root); i++) {
		if (inode != world->root)
			dir_path(inode->names[i]->dir, inode->names[i]->name, inner);
		snprintf(path, sizeof(path), "%s%s%s", world->options->replicas[replica], world->inner, inner);
		if (lstat(path, &st) != 0)
			fail(world, inode, "replica %u: lstat: %s", replica, strerrorname_np(errno));
		verify_stat(world, replica, inode, &st);
	}
	if (S_ISREG(inode->mode) && !replica_same(world, replica, inode, difference, sizeof(difference)))
		fail(world, inode, "replica %u: %s", replica, difference);
	if (S_ISLNK(inode->mode) && ((len = readlink(path, target, sizeof(target))) < 0 ||
	    (size_t)len != strlen(inode->target) || memcmp(target, inode->target, (size_t)len) != 0))
		fail(world, inode, "replica %u: link target differs", replica);
	if (S_ISDIR(inode->mode))
		verify_names(world, replica, inode, path);
	verify_xattrs(world, replica, inode, path);
}

/* No tags may be left of files that are gone. */
static void
verify_tags(struct world *world, unsigned replica)
{
	char path[PATH_BYTES_MAX];
	struct dirent *dirent;
	unsigned low;
	size_t i;
	DIR *dir;

	for (low = 0; low < 256; low++) {
		snprintf(path, sizeof(path), "%s/.mendfs/tags/%02x", world->options->replicas[replica], low);
		if ((dir = opendir(path)) == NULL)
			continue;
		while ((dirent = readdir(dir)) != NULL) {
			uint64_t id = strtoull(dirent->d_name, NULL, 16);

			if (dirent->d_name[0] == '.')
				continue;
			for (i = 0; i < world->inode_count && world->inodes[i]->ino != id; i++)
				continue;
			if (i == world->inode_count)
				fail(world, NULL, "replica %u: %s/%s belongs to no file", replica, path, dirent->d_name);
		}
		closedir(dir);
	}
}

void
replicas_verify(struct world *world, bool unmounted)
{
	unsigned replica;
	size_t i;

	for (replica = 0; replica < world->options->replica_count; replica++) {
		for (i = 0; i < world->inode_count; i++)
			verify_inode(world, replica, world->inodes[i]);
		if (unmounted && world->options->threads == 1)
			verify_tags(world, replica);
	}
}
