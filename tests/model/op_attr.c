/*
 * Attributes: mode, owner, times, extended attributes; the file system's own figures.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "acl.h"
#include "oracle.h"

#define XATTR_TOTAL_SURE 1800		/* as much finds room in any case */
#define XATTR_TOTAL_MAX 3600

bool
op_chmod(struct world *world)
{
	struct handle *handle = chance(world, 30) ? pick_handle(world, -1) : NULL;
	struct inode *inode = handle != NULL ? handle->inode : pick_inode(world, 0);
	mode_t mode = (mode_t)random_below(world, 010000);
	struct xattr *list;
	char path[PATH_BYTES_MAX];
	uint8_t raw[ACL_BYTES_MAX];
	struct acl acl;

	if (inode == NULL || S_ISLNK(inode->mode))
		return false;
	note(world, inode, "%s to %o", handle != NULL ? "fchmod" : "chmod", mode);
	if (handle == NULL)
		inode_full_path(world, inode, path);
	expect(world, inode, "chmod", WITH_ROOM(world, handle != NULL ? fchmod(handle->fd, mode) : chmod(path, mode)), 0);
	inode->mode = (inode->mode & S_IFMT) | mode;
	if ((list = xattr_find(inode, ACL_ACCESS_NAME)) != NULL) {
		acl_decode(&acl, list->value, list->len);
		acl_chmod(&acl, mode);
		xattr_put(inode, ACL_ACCESS_NAME, raw, acl_encode(&acl, raw));
	}
	time_must(world, inode, TIME_C);
	check_inode(world, inode);
	return true;
}

bool
op_chown(struct world *world)
{
	struct handle *handle = chance(world, 30) ? pick_handle(world, -1) : NULL;
	struct inode *inode = handle != NULL ? handle->inode : pick_inode(world, 0);
	uid_t uid = chance(world, 30) ? (uid_t)-1 : (uid_t)random_below(world, 70000);
	gid_t gid = chance(world, 30) ? (gid_t)-1 : (gid_t)random_below(world, 70000);
	char path[PATH_BYTES_MAX];

	/* Nothing to change: what that does to set-id bits differs. */
	if (inode == NULL || (uid == (uid_t)-1 && gid == (gid_t)-1))
		return false;
	note(world, inode, "%s to %d:%d", handle != NULL ? "fchown" : "lchown", (int)uid, (int)gid);
	if (handle == NULL)
		inode_full_path(world, inode, path);
	expect(world, inode, "chown", WITH_ROOM(world, handle != NULL ? fchown(handle->fd, uid, gid) : lchown(path, uid, gid)), 0);
	if (uid != (uid_t)-1)
		inode->uid = uid;
	if (gid != (gid_t)-1)
		inode->gid = gid;
	/* Linux does so for root as well. */
	if (!S_ISDIR(inode->mode) && !S_ISLNK(inode->mode)) {
		inode->mode &= ~(mode_t)S_ISUID;
		if (inode->mode & S_IXGRP)
			inode->mode &= ~(mode_t)S_ISGID;
	}
	time_must(world, inode, TIME_C);
	check_inode(world, inode);
	return true;
}

static void
pick_time(struct world *world, struct timespec *time)
{
	static const int64_t seconds[] = { 0, -1, -2000000000, 2147483647, 2147483648, 4294967296, 15000000000, 1 };

	time->tv_nsec = chance(world, 20) ? 0 : (long)random_below(world, 1000000000);
	switch (random_below(world, 5)) {
	case 0:
		time->tv_nsec = UTIME_NOW;
		break;
	case 1:
		time->tv_nsec = UTIME_OMIT;
		break;
	case 2:
		time->tv_sec = seconds[random_below(world, 8)];
		return;
	}
	time->tv_sec = 1000000000 + (int64_t)random_below(world, 700000000);
}

bool
op_utimens(struct world *world)
{
	struct handle *handle = chance(world, 30) ? pick_handle(world, -1) : NULL;
	struct inode *inode = handle != NULL ? handle->inode : pick_inode(world, 0);
	char path[PATH_BYTES_MAX];
	struct timespec times[2];
	struct stat st;

	if (inode == NULL)
		return false;
	settle(world, inode);
	pick_time(world, &times[0]);
	pick_time(world, &times[1]);
	note(world, inode, "utimens atime %lld.%ld mtime %lld.%ld", (long long)times[0].tv_sec, times[0].tv_nsec,
	    (long long)times[1].tv_sec, times[1].tv_nsec);
	if (handle == NULL)
		inode_full_path(world, inode, path);
	expect(world, inode, "utimens", WITH_ROOM(world, handle != NULL ? futimens(handle->fd, times) :
	    utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW)), 0);
	if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT) {
		check_inode(world, inode);
		return true;
	}
	time_must(world, inode, TIME_C);
	if (times[1].tv_nsec == UTIME_NOW) {
		time_must(world, inode, TIME_M);
	} else if (times[1].tv_nsec != UTIME_OMIT) {
		inode->mtime = times[1];
		inode->must &= ~TIME_M;
		inode->may &= ~TIME_M;
	}
	expect(world, inode, "stat", handle != NULL ? fstat(handle->fd, &st) : lstat(path, &st), 0);
	if (times[0].tv_nsec != UTIME_NOW && times[0].tv_nsec != UTIME_OMIT &&
	    (st.st_atim.tv_sec != times[0].tv_sec || st.st_atim.tv_nsec != times[0].tv_nsec))
		fail(world, inode, "atime: got %lld.%09ld", (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec);
	check_stat(world, inode, &st);
	return true;
}

static void
pick_xattr_name(struct world *world, char *name)
{
	static const char *const prefixes[] = { "user.", "user.", "user.", "trusted." };
	const char *prefix = prefixes[random_below(world, 4)];
	size_t len, i;

	if (chance(world, 85)) {
		sprintf(name, "%sa%u", prefix, (unsigned)random_below(world, 6));
		return;
	}
	/* Raw bytes, up to the longest name. */
	strcpy(name, prefix);
	len = strlen(name) + 1 + random_below(world, chance(world, 10) ? 255 - strlen(name) : 20);
	for (i = strlen(prefix); i < len; i++)
		name[i] = (char)(1 + random_below(world, 255));
	name[len] = '\0';
}

/* The attribute user.* is for files and directories only. */
static bool
user_refused(const struct inode *inode, const char *name)
{

	return strncmp(name, "user.", 5) == 0 && !S_ISREG(inode->mode) && !S_ISDIR(inode->mode);
}

static void
set_acl(struct world *world, struct inode *inode, const char *path)
{
	bool access = chance(world, 60);
	const char *name = access ? ACL_ACCESS_NAME : ACL_DEFAULT_NAME;
	const struct xattr *before = xattr_find(inode, name);
	uint8_t raw[ACL_BYTES_MAX];
	struct acl acl;
	size_t len;
	mode_t mode;
	int error;

	acl_random(&acl, random_bits(world));
	len = acl_encode(&acl, raw);
	error = S_ISLNK(inode->mode) ? EOPNOTSUPP : !access && !S_ISDIR(inode->mode) ? EACCES : 0;
	note(world, inode, "set %s of %u entries, mode %o", name, acl.count, acl_mode(&acl));
	if (!expect(world, inode, "setxattr of an ACL", WITH_ROOM(world, lsetxattr(path, name, raw, len, 0)), error))
		return;
	mode = access ? (inode->mode & ~(mode_t)0777) | acl_mode(&acl) : inode->mode;
	if (mode != inode->mode || (before != NULL && (before->len != len || memcmp(before->value, raw, len) != 0)) ||
	    (before == NULL && !(access && acl_trivial(&acl))))
		time_must(world, inode, TIME_C);
	else
		time_may(world, inode, TIME_C);
	inode->mode = mode;
	if (access && acl_trivial(&acl))
		xattr_drop(inode, name);
	else
		xattr_put(inode, name, raw, len);
}

static void
set_plain(struct world *world, struct inode *inode, const char *path)
{
	static const int all_flags[] = { 0, 0, XATTR_CREATE, XATTR_REPLACE };
	int flags = all_flags[random_below(world, 4)], error = 0, result;
	size_t len = random_below(world, chance(world, 15) ? 1500 : 60), total;
	char name[300];
	struct xattr *before;

	pick_xattr_name(world, name);
	random_fill(world, world->scratch, len);
	before = xattr_find(inode, name);
	if (user_refused(inode, name))
		error = EPERM;
	else if (before != NULL && flags == XATTR_CREATE)
		error = EEXIST;
	else if (before == NULL && flags == XATTR_REPLACE)
		error = ENODATA;
	total = xattr_total(inode) - (before != NULL ? 24 + strlen(name) + before->len : 0) + 24 + strlen(name) + len;
	if (total > XATTR_TOTAL_MAX)
		return;
	note(world, inode, "setxattr %zu-byte name, %zu bytes, flags %d, total %zu", strlen(name), len, flags, total);
	do {
		result = lsetxattr(path, name, world->scratch, len, flags);
		if (result < 0 && errno == ENOSPC && error == 0 && total > XATTR_TOTAL_SURE)
			return;
	} while (full_again(world, result));
	if (!expect(world, inode, "setxattr", result, error))
		return;
	if (before != NULL && before->len == len && memcmp(before->value, world->scratch, len) == 0)
		time_may(world, inode, TIME_C);
	else
		time_must(world, inode, TIME_C);
	xattr_put(inode, name, world->scratch, len);
}

bool
op_setxattr(struct world *world)
{
	static const struct { const char *name; int error; } bad[] = {
		{ "user.", EINVAL }, { "bogus.name", EOPNOTSUPP }, { "", ERANGE }
	};
	struct inode *inode = pick_inode(world, chance(world, 80) ? S_IFREG : 0);
	char path[PATH_BYTES_MAX];
	size_t i;

	if (inode == NULL || !inode_full_path(world, inode, path))
		return false;
	if (chance(world, 3) && (S_ISREG(inode->mode) || S_ISDIR(inode->mode))) {
		i = random_below(world, 3);
		note(world, inode, "setxattr %s", bad[i].name);
		expect(world, inode, "setxattr of a bad name", lsetxattr(path, bad[i].name, "x", 1, 0), bad[i].error);
	} else if (chance(world, 25)) {
		set_acl(world, inode, path);
	} else {
		set_plain(world, inode, path);
	}
	check_inode(world, inode);
	if (chance(world, 30))
		check_xattrs(world, inode);
	return true;
}

bool
op_removexattr(struct world *world)
{
	struct inode *inode = pick_inode(world, chance(world, 80) ? S_IFREG : 0);
	char path[PATH_BYTES_MAX], name[300];
	bool there;
	int error;

	if (inode == NULL || !inode_full_path(world, inode, path))
		return false;
	if (inode->xattr_count > 0 && chance(world, 80))
		strcpy(name, inode->xattrs[random_below(world, inode->xattr_count)].name);
	else
		pick_xattr_name(world, name);
	there = xattr_find(inode, name) != NULL;
	error = user_refused(inode, name) ? EPERM : there ? 0 : ENODATA;
	note(world, inode, "removexattr %s", there ? "of one that is there" : "of one that is not there");
	if (expect(world, inode, "removexattr", WITH_ROOM(world, lremovexattr(path, name)), error)) {
		xattr_drop(inode, name);
		time_must(world, inode, TIME_C);
	}
	check_inode(world, inode);
	return true;
}

bool
op_getxattr(struct world *world)
{
	struct inode *inode = pick_inode(world, 0);
	char path[PATH_BYTES_MAX], name[300], small[1];
	const struct xattr *xattr;
	ssize_t got;

	if (inode == NULL || !inode_full_path(world, inode, path))
		return false;
	check_xattrs(world, inode);
	pick_xattr_name(world, name);
	note(world, inode, "getxattr");
	xattr = xattr_find(inode, name);
	got = lgetxattr(path, name, NULL, 0);
	expect(world, inode, "getxattr", got, xattr == NULL ? ENODATA : 0);
	if (xattr != NULL && (size_t)got != xattr->len)
		fail(world, inode, "getxattr: length %zd, want %zu", got, xattr->len);
	if (xattr != NULL && xattr->len > 1)
		expect(world, inode, "getxattr of one byte", lgetxattr(path, name, small, 1), ERANGE);
	if (xattr != NULL)
		expect(world, inode, "listxattr of one byte", llistxattr(path, small, 1), ERANGE);
	return true;
}

bool
op_statfs(struct world *world)
{
	struct statvfs st;

	note(world, NULL, "statfs");
	expect(world, world->root, "statvfs", statvfs(world->path, &st), 0);
	if (st.f_namemax != NAME_BYTES_MAX || st.f_bsize == 0 || st.f_frsize == 0 || st.f_blocks == 0 ||
	    st.f_bfree > st.f_blocks || st.f_bavail > st.f_bfree || st.f_ffree > st.f_files)
		fail(world, world->root, "statvfs: namemax %lu bsize %lu blocks %lu bfree %lu bavail %lu", st.f_namemax,
		    st.f_bsize, st.f_blocks, st.f_bfree, st.f_bavail);
	return true;
}
