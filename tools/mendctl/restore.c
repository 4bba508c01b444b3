/* A version from the quarantine into the volume, through the mount. */

#include "quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "command.h"
#include "meta/quarantine.h"
#include "util/log.h"

#define CHUNK_SIZE ((size_t)1024 * 1024)
#define NAMES_MAX 1000		/* "restored" ones that are tried */
#define RECORD_XATTR "user.mendfs"

static int copy_tree(int from_dir, const char *from, int to_dir, const char *to);

/* Directory ${path} below ${top}; no link in it is followed. */
static int
open_below(int top, const char *path)
{
	const struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
	long fd = syscall(SYS_openat2, top, *path != '\0' ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* All attributes that a user may set; what the other side cannot take is left out. */
static int
copy_xattrs(int from, int to)
{
	char names[65536], value[65536];
	const char *name;
	ssize_t len = flistxattr(from, names, sizeof(names)), size;

	if (len < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (name = names; name < names + len; name += strlen(name) + 1) {
		if (strcmp(name, RECORD_XATTR) == 0 || strncmp(name, "security.selinux", 16) == 0)
			continue;
		if ((size = fgetxattr(from, name, value, sizeof(value))) < 0)
			return -errno;
		if (fsetxattr(to, name, value, (size_t)size, 0) != 0 && errno != EPERM && errno != EOPNOTSUPP)
			return -errno;
	}
	return 0;
}

/* Owner, mode, attributes, times.  Who is not root gives what he may. */
static int
copy_meta(int from, int to, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	int rc;

	if (fchown(to, st->st_uid, st->st_gid) != 0 && errno != EPERM)
		return -errno;
	if (fchmod(to, st->st_mode & 07777) != 0)
		return -errno;
	if ((rc = copy_xattrs(from, to)) != 0)
		return rc;
	return futimens(to, times) == 0 ? 0 : -errno;
}

static int
copy_range(int from, int to, off_t at, off_t end, char *buf)
{
	ssize_t n, m;
	size_t len;

	for (; at < end; at += n) {
		len = end - at < (off_t)CHUNK_SIZE ? (size_t)(end - at) : CHUNK_SIZE;
		if ((n = pread(from, buf, len, at)) < 0)
			return -errno;
		if (n == 0)
			break;
		if ((m = pwrite(to, buf, (size_t)n, at)) != n)
			return m < 0 ? -errno : -ENOSPC;
	}
	return 0;
}

/* Holes stay holes. */
static int
copy_data(int from, int to, off_t size)
{
	off_t data = 0, hole;
	char *buf;
	int rc = 0;

	if ((buf = malloc(CHUNK_SIZE)) == NULL)
		return -ENOMEM;
	if (ftruncate(to, size) != 0)
		rc = -errno;
	while (rc == 0 && data < size && (data = lseek(from, data, SEEK_DATA)) >= 0) {
		if ((hole = lseek(from, data, SEEK_HOLE)) < 0)
			hole = size;
		rc = copy_range(from, to, data, hole, buf);
		data = hole;
	}
	free(buf);
	return rc;
}

static int
copy_file(int from_dir, const char *from, int to_dir, const char *to)
{
	int in, out = -1, rc = 0;
	struct stat st;

	if ((in = openat(from_dir, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return -errno;
	if (fstat(in, &st) != 0 || (out = openat(to_dir, to, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) < 0)
		rc = -errno;
	if (rc == 0 && (rc = copy_data(in, out, st.st_size)) == 0 && (rc = copy_meta(in, out, &st)) == 0 && fsync(out) != 0)
		rc = -errno;
	if (out >= 0 && close(out) != 0 && rc == 0)
		rc = -errno;
	(void)close(in);
	return rc;
}

static int
copy_names(int in, int out)
{
	const struct dirent *entry;
	int rc = 0, fd;
	DIR *dir;

	if ((fd = dup(in)) < 0)
		return -errno;
	if ((dir = fdopendir(fd)) == NULL) {
		rc = -errno;
		(void)close(fd);
		return rc;
	}
	for (errno = 0; rc == 0 && (entry = readdir(dir)) != NULL; errno = 0) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = copy_tree(in, entry->d_name, out, entry->d_name);
	}
	if (rc == 0 && errno != 0)
		rc = -errno;
	(void)closedir(dir);
	return rc;
}

static int
copy_directory(int from_dir, const char *from, int to_dir, const char *to)
{
	int in, out, rc;
	struct stat st;

	if ((in = openat(from_dir, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return -errno;
	if (mkdirat(to_dir, to, 0700) != 0 || (out = openat(to_dir, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0) {
		rc = -errno;
		(void)close(in);
		return rc;
	}
	rc = copy_names(in, out);
	if (rc == 0 && fstat(in, &st) != 0)
		rc = -errno;
	if (rc == 0 && (rc = copy_meta(in, out, &st)) == 0 && fsync(out) != 0)
		rc = -errno;
	(void)close(out);
	(void)close(in);
	return rc;
}

/* Links, devices, FIFOs and sockets. */
static int
copy_special(int from_dir, const char *from, int to_dir, const char *to, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char target[PATH_MAX];
	ssize_t len;

	if (S_ISLNK(st->st_mode)) {
		if ((len = readlinkat(from_dir, from, target, sizeof(target) - 1)) < 0)
			return -errno;
		target[len] = '\0';
		if (symlinkat(target, to_dir, to) != 0)
			return -errno;
	} else if (mknodat(to_dir, to, st->st_mode, st->st_rdev) != 0) {
		return -errno;
	}
	if (fchownat(to_dir, to, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) != 0 && errno != EPERM)
		return -errno;
	if (!S_ISLNK(st->st_mode) && fchmodat(to_dir, to, st->st_mode & 07777, 0) != 0)
		return -errno;
	return utimensat(to_dir, to, times, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}

static int
copy_tree(int from_dir, const char *from, int to_dir, const char *to)
{
	struct stat st;

	if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	if (S_ISREG(st.st_mode))
		return copy_file(from_dir, from, to_dir, to);
	if (S_ISDIR(st.st_mode))
		return copy_directory(from_dir, from, to_dir, to);
	return copy_special(from_dir, from, to_dir, to, &st);
}

/* What was copied of what could not be copied. */
static void
remove_tree(int dir, const char *name)
{
	const struct dirent *entry;
	DIR *list;
	int fd;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return;
	if ((fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return;
	if ((list = fdopendir(fd)) == NULL) {
		(void)close(fd);
		return;
	}
	while ((entry = readdir(list)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			remove_tree(fd, entry->d_name);
	}
	(void)closedir(list);
	(void)unlinkat(dir, name, AT_REMOVEDIR);
}

#define NAME_ROOM (NAME_MAX + 32)	/* bytes of a name and what is put behind it */

/* Give it its name: ${name}, or, if that is taken and ${others}, one like it.  -EEXIST. */
static int
give_name(int dir, const char *temporary, char *name, bool others)
{
	size_t len = strlen(name);
	unsigned i;

	for (i = 0; i < NAMES_MAX; i++) {
		if (i == 1)
			snprintf(name + len, NAME_ROOM - len, ".restored");
		else if (i > 1)
			snprintf(name + len, NAME_ROOM - len, ".restored-%u", i);
		if (renameat2(dir, temporary, dir, name, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST || !others)
			return -errno;
	}
	return -EEXIST;
}

/* Into directory ${dir}, as ${name}, which may become another one. */
static int
restore_into(const char *data_dir, int dir, char *name, bool others)
{
	char temporary[64];
	struct stat st;
	int from, rc;

	/* Not even a time shall change for nothing. */
	if (!others && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	if ((from = open(data_dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return -errno;
	snprintf(temporary, sizeof(temporary), ".mendctl-restore.%ld", (long)getpid());
	rc = copy_tree(from, QUARANTINE_DATA, dir, temporary);
	if (rc == 0)
		rc = give_name(dir, temporary, name, others);
	if (rc != 0)
		remove_tree(dir, temporary);
	else if (fsync(dir) != 0)
		rc = -errno;
	(void)close(from);
	return rc;
}

static int
explain(const struct kept_version *v, const char *where, int rc)
{
	switch (rc) {
	case -ENOENT:
	case -ENOTDIR:
	case -ELOOP:
	case -EXDEV:
		log_error("%s: %s: its directory is not there; make it, or say where else the version shall go", v->id, where);
		break;
	case -EEXIST:
		log_error("%s: %s: is there already, and nothing is overwritten; give another name", v->id, where);
		break;
	default:
		log_error("%s: cannot be restored to %s: %s", v->id, where, strerror(-rc));
	}
	return EXIT_FAILED;
}

/* ${where}, from the volume's top, into its directory and its name.  False: there is no name. */
static bool
split(const char *where, char *path, char *name)
{
	const char *last = strrchr(where, '/');

	last = last != NULL ? last + 1 : where;
	if (strlen(where) >= PATH_MAX || strlen(last) > NAME_MAX || *last == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return false;
	memcpy(path, where, (size_t)(last - where));
	path[last > where ? last - where - 1 : 0] = '\0';
	memcpy(name, last, strlen(last) + 1);
	return true;
}

int
restore_version(const struct kept_version *v, const char *mountpoint, const char *as)
{
	char path[PATH_MAX], data_dir[2 * PATH_MAX], name[NAME_ROOM];
	const char *where = as != NULL ? as : v->path;
	int top, dir, rc;

	if (as == NULL && *where == '\0') {
		log_error("%s: it is not known where it stood; say where it shall go", v->id);
		return EXIT_FAILED;
	}
	where += strspn(where, "/");
	if (!split(where, path, name)) {
		log_error("'%s': cannot be a file's name; give a path from the volume's top", as != NULL ? as : v->path);
		return EXIT_FAILED;
	}
	snprintf(data_dir, sizeof(data_dir), "%s/" QUARANTINE_PATH "/%s", v->replica->path, v->slot);
	if ((top = open(mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return explain(v, where, -errno);
	rc = dir = open_below(top, path);
	if (dir >= 0) {
		rc = restore_into(data_dir, dir, name, as == NULL);
		(void)close(dir);
	}
	(void)close(top);
	if (rc < 0)
		return explain(v, where, rc);
	printf("restored as /%s%s%s; the version stays in quarantine until it is purged\n", path, *path != '\0' ? "/" : "", name);
	return EXIT_DONE;
}
