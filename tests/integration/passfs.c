/*
 * passfs DIRECTORY MOUNTPOINT [LACK]: DIRECTORY once more, through a process.
 *
 * Stopped by a signal it is a disk that hangs: calls give neither an answer nor
 * an error until it goes on.  Killed, it is a disk that was pulled out.
 *
 * LACK is what it cannot do: "fsync" of files, "fsyncdir", "flock" (everybody gets
 * the lock), "replace" by renaming, "flags" of renameat2, "raw" names (UTF-8 only),
 * "case", "xattr" (none on files), "binary" xattrs, "modes", "inodes" that last.
 */
#define FUSE_USE_VERSION 31

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/xattr.h>
#include <unistd.h>

static int top;
static const char *lack = "";

static bool
lacks(const char *what)
{
	return strcmp(lack, what) == 0;
}

/* What of the path is below the directory. */
static const char *
below(const char *path)
{
	return path[1] == '\0' ? "." : path + 1;
}

/* For the calls that have no form with a directory. */
static const char *
full(const char *path, char *buf)
{
	snprintf(buf, PATH_MAX, "/proc/self/fd/%d/%s", top, below(path));
	return buf;
}

static int
result(int rc)
{
	return rc < 0 ? -errno : rc;
}

/* No byte is one that UTF-8 never has. */
static bool
is_text(const char *path)
{
	return strchr(path, '\xff') == NULL;
}

/* As a file system that does not tell upper case from lower would find it, if it stores names in lower case. */
static const char *
folded(const char *path, char *buf)
{
	size_t i;

	path = below(path);
	if (!lacks("case"))
		return path;
	for (i = 0; path[i] != '\0' && i < PATH_MAX - 1; i++)
		buf[i] = (char)tolower((unsigned char)path[i]);
	buf[i] = '\0';
	return buf;
}

static int
pass_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	static ino_t next = 1u << 20;
	char buf[PATH_MAX];
	const int rc = fi != NULL ? fstat((int)fi->fh, st) : fstatat(top, folded(path, buf), st, AT_SYMLINK_NOFOLLOW);

	if (rc == 0 && lacks("modes") && S_ISREG(st->st_mode))
		st->st_mode = S_IFREG | 0777;
	if (rc == 0 && lacks("inodes") && S_ISREG(st->st_mode))
		st->st_ino = next++;
	return result(rc);
}

static int
pass_readlink(const char *path, char *buf, size_t size)
{
	ssize_t len = readlinkat(top, below(path), buf, size - 1);

	if (len < 0)
		return -errno;
	buf[len] = '\0';
	return 0;
}

static int
pass_mknod(const char *path, mode_t mode, dev_t dev)
{
	return result(mknodat(top, below(path), mode, dev));
}

static int
pass_mkdir(const char *path, mode_t mode)
{
	return result(mkdirat(top, below(path), mode));
}

static int
pass_unlink(const char *path)
{
	return result(unlinkat(top, below(path), 0));
}

static int
pass_rmdir(const char *path)
{
	return result(unlinkat(top, below(path), AT_REMOVEDIR));
}

static int
pass_symlink(const char *target, const char *path)
{
	return result(symlinkat(target, top, below(path)));
}

static int
pass_rename(const char *from, const char *to, unsigned flags)
{
	if (lacks("flags") && flags != 0)
		return -EINVAL;
	if (lacks("replace") && faccessat(top, below(to), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return result(renameat2(top, below(from), top, below(to), flags));
}

static int
pass_link(const char *from, const char *to)
{
	return result(linkat(top, below(from), top, below(to), 0));
}

static int
pass_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	return result(fi != NULL ? fchmod((int)fi->fh, mode) : fchmodat(top, below(path), mode, 0));
}

static int
pass_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
	return result(fi != NULL ? fchown((int)fi->fh, uid, gid) :
	    fchownat(top, below(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int
pass_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *fi)
{
	return result(fi != NULL ? futimens((int)fi->fh, times) :
	    utimensat(top, below(path), times, AT_SYMLINK_NOFOLLOW));
}

static int
pass_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	char buf[PATH_MAX];

	return result(fi != NULL ? ftruncate((int)fi->fh, size) : truncate(full(path, buf), size));
}

static int
open_as(const char *path, int flags, mode_t mode, struct fuse_file_info *fi)
{
	int fd = openat(top, below(path), flags, mode);

	if (fd < 0)
		return -errno;
	fi->fh = (uint64_t)fd;
	return 0;
}

static int
pass_open(const char *path, struct fuse_file_info *fi)
{
	return open_as(path, fi->flags & ~O_NOFOLLOW, 0, fi);
}

static int
pass_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	/* What mknod(2) makes comes this way, too. */
	if (lacks("raw") && !is_text(path))
		return -EILSEQ;
	return open_as(path, fi->flags, mode, fi);
}

static int
pass_release(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	close((int)fi->fh);
	return 0;
}

static int
pass_read(const char *path, char *buf, size_t size, off_t offset, struct fuse_file_info *fi)
{
	(void)path;
	return result((int)pread((int)fi->fh, buf, size, offset));
}

static int
pass_write(const char *path, const char *buf, size_t size, off_t offset, struct fuse_file_info *fi)
{
	(void)path;
	return result((int)pwrite((int)fi->fh, buf, size, offset));
}

static int
pass_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
	(void)path;
	if (lacks("fsync"))
		return -EINVAL;
	return result(data_only ? fdatasync((int)fi->fh) : fsync((int)fi->fh));
}

static int
pass_fsyncdir(const char *path, int data_only, struct fuse_file_info *fi)
{
	(void)path;
	(void)data_only;
	return lacks("fsyncdir") ? -EINVAL : result(fsync((int)fi->fh));
}

static int
pass_flock(const char *path, struct fuse_file_info *fi, int op)
{
	(void)path;
	return lacks("flock") ? 0 : result(flock((int)fi->fh, op));
}

static int
pass_fallocate(const char *path, int mode, off_t offset, off_t len, struct fuse_file_info *fi)
{
	(void)path;
	return result(fallocate((int)fi->fh, mode, offset, len));
}

static int
pass_statfs(const char *path, struct statvfs *st)
{
	(void)path;
	return result(fstatvfs(top, st));
}

static int
pass_setxattr(const char *path, const char *name, const char *value, size_t size, int flags)
{
	char buf[PATH_MAX];

	/* The top directory has them, or nothing more would be tried. */
	if (lacks("xattr") && path[1] != '\0')
		return -EOPNOTSUPP;
	if (lacks("binary"))
		size = strnlen(value, size);
	return result(lsetxattr(full(path, buf), name, value, size, flags));
}

static int
pass_getxattr(const char *path, const char *name, char *value, size_t size)
{
	char buf[PATH_MAX];

	return result((int)lgetxattr(full(path, buf), name, value, size));
}

static int
pass_listxattr(const char *path, char *list, size_t size)
{
	char buf[PATH_MAX];

	return result((int)llistxattr(full(path, buf), list, size));
}

static int
pass_removexattr(const char *path, const char *name)
{
	char buf[PATH_MAX];

	return result(lremovexattr(full(path, buf), name));
}

static int
pass_opendir(const char *path, struct fuse_file_info *fi)
{
	return open_as(path, O_RDONLY | O_DIRECTORY, 0, fi);
}

static int
pass_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *fi,
    enum fuse_readdir_flags flags)
{
	DIR *dir = fdopendir(openat((int)fi->fh, ".", O_RDONLY | O_DIRECTORY));
	struct dirent *entry;
	struct stat st = { 0 };

	(void)path;
	(void)offset;
	(void)flags;
	if (dir == NULL)
		return -errno;
	while ((entry = readdir(dir)) != NULL) {
		st.st_ino = entry->d_ino;
		st.st_mode = DTTOIF(entry->d_type);
		fill(buf, entry->d_name, &st, 0, 0);
	}
	closedir(dir);
	return 0;
}

static void *
pass_init(struct fuse_conn_info *conn, struct fuse_config *config)
{
	(void)conn;
	config->use_ino = 1;
	config->hard_remove = 1;
	/* The inodes' numbers are all that mendfs may go by. */
	config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
	return NULL;
}

static const struct fuse_operations operations = {
	.init = pass_init,
	.getattr = pass_getattr, .readlink = pass_readlink, .mknod = pass_mknod, .mkdir = pass_mkdir,
	.unlink = pass_unlink, .rmdir = pass_rmdir, .symlink = pass_symlink, .rename = pass_rename, .link = pass_link,
	.chmod = pass_chmod, .chown = pass_chown, .utimens = pass_utimens, .truncate = pass_truncate,
	.open = pass_open, .create = pass_create, .release = pass_release, .read = pass_read, .write = pass_write,
	.fsync = pass_fsync, .flock = pass_flock, .fallocate = pass_fallocate, .statfs = pass_statfs,
	.setxattr = pass_setxattr, .getxattr = pass_getxattr, .listxattr = pass_listxattr, .removexattr = pass_removexattr,
	.opendir = pass_opendir, .readdir = pass_readdir, .releasedir = pass_release, .fsyncdir = pass_fsyncdir,
};

int
main(int argc, char **argv)
{
	char *args[] = { argv[0], (char *)"-f", (char *)"-o", (char *)"fsname=passfs,allow_other,default_permissions,suid,dev",
	    argv[2], NULL };

	if (argc == 4)
		lack = argv[3];
	if (argc < 3 || argc > 4 || (top = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		fprintf(stderr, "passfs DIRECTORY MOUNTPOINT [LACK]\n");
		return 2;
	}
	umask(0);
	return fuse_main(5, args, &operations, NULL);
}
