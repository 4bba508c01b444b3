/*
 * mkdir, rmdir, unlink, link, symlink, readlink, mknod.
 */

#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "posix.h"

/* One thing of each type. */
static void
make_types(void)
{

	make("file", 0644, 0, 0);
	OK(mkdir("dir", 0755));
	OK(symlink("file", "link"));
	OK(symlink("none", "dangling"));
	OK(mkfifo("fifo", 0644));
	OK(mknod("socket", S_IFSOCK | 0644, 0));
	OK(mknod("char", S_IFCHR | 0644, makedev(1, 3)));
	OK(mknod("block", S_IFBLK | 0644, makedev(7, 200)));
}

static const char *const types[] = { "file", "dir", "link", "dangling", "fifo", "socket", "char", "block" };
#define TYPES (sizeof(types) / sizeof(types[0]))

static void
names_exist(void)
{
	struct watch dir;
	size_t i;

	make_types();
	make("from", 0644, 0, 0);
	dir = watch(".");
	for (i = 0; i < TYPES; i++) {
		ERR(EEXIST, mkdir(types[i], 0755));
		ERR(EEXIST, mkfifo(types[i], 0644));
		ERR(EEXIST, mknod(types[i], S_IFREG | 0644, 0));
		ERR(EEXIST, symlink("x", types[i]));
		ERR(EEXIST, link("from", types[i]));
		ERR(EEXIST, open(types[i], O_CREAT | O_EXCL | O_RDWR, 0644));
	}
	ERR(EEXIST, mkdir(".", 0755));
	ERR(EEXIST, mkdir("..", 0755));
	MOVED(&dir, 0);
}

static void
names_through_files(void)
{

	make("file", 0644, 0, 0);
	make("from", 0644, 0, 0);
	ERR(ENOTDIR, mkdir("file/x", 0755));
	ERR(ENOTDIR, rmdir("file/x"));
	ERR(ENOTDIR, unlink("file/x"));
	ERR(ENOTDIR, symlink("t", "file/x"));
	ERR(ENOTDIR, mkfifo("file/x", 0644));
	ERR(ENOTDIR, link("from", "file/x"));
	ERR(ENOTDIR, link("file/x", "to"));
	ERR(ENOTDIR, rename("from", "file/x"));
	ERR(ENOTDIR, rename("file/x", "to"));
	ERR(ENOTDIR, readlink("file/x", (char[4]){ 0 }, 4));
	ERR(ENOTDIR, truncate("file/x", 0));
	ERR(ENOTDIR, chmod("file/x", 0644));
	ERR(ENOTDIR, chown("file/x", 0, 0));
	ERR(ENOTDIR, access("file/x", F_OK));
	ERR(ENOENT, mkdir("none/x", 0755));
	ERR(ENOENT, rmdir("none/x"));
	ERR(ENOENT, unlink("none"));
	ERR(ENOENT, rmdir("none"));
	ERR(ENOENT, symlink("t", "none/x"));
	ERR(ENOENT, link("none", "to"));
	ERR(ENOENT, link("from", "none/x"));
	ERR(ENOENT, rename("none", "to"));
	ERR(ENOENT, rename("from", "none/x"));
	ERR(ENOENT, readlink("none", (char[4]){ 0 }, 4));
	ERR(ENOENT, truncate("none", 0));
	ERR(ENOENT, chmod("none", 0644));
	ERR(EFAULT, syscall(SYS_mkdirat, AT_FDCWD, NOWHERE, 0755));
	ERR(EFAULT, syscall(SYS_unlinkat, AT_FDCWD, NOWHERE, 0));
	ERR(EFAULT, syscall(SYS_symlinkat, NOWHERE, AT_FDCWD, "x"));
	ERR(EFAULT, syscall(SYS_renameat2, AT_FDCWD, "from", AT_FDCWD, NOWHERE, 0));
	ERR(EFAULT, syscall(SYS_readlinkat, AT_FDCWD, NOWHERE, (char[4]){ 0 }, 4));
}

static void
names_mkdir(void)
{
	struct watch parent;
	struct stat st;

	EQUAL(nlink_of("."), 2);
	parent = watch(".");
	OK(mkdir("d", 0750));
	MOVED(&parent, MTIME | CTIME);
	EQUAL(nlink_of("."), 3);
	EQUAL(nlink_of("d"), 2);
	OK(mkdir("d/e/", 0755));
	EQUAL(nlink_of("d"), 3);
	OK(stat("d/e/..", &st));
	EQUAL(st.st_ino, ({ struct stat other; stat("d", &other); other.st_ino; }));
	OK(rmdir("d/e/"));
	EQUAL(nlink_of("d"), 2);
	parent = watch(".");
	OK(rmdir("d"));
	MOVED(&parent, MTIME | CTIME);
	EQUAL(nlink_of("."), 2);
}

static void
names_rmdir(void)
{
	struct watch dir, parent;
	struct stat st;
	int fd;

	make_types();
	OK(mkdir("full", 0755));
	make("full/x", 0644, 0, 0);
	parent = watch(".");
	dir = watch("full");
	ERR(ENOTEMPTY, rmdir("full"));
	ERR(EINVAL, rmdir("dir/."));
	ERR(ENOTEMPTY, rmdir("dir/.."));
	ERR(ENOTDIR, rmdir("file"));
	ERR(ENOTDIR, rmdir("link"));
	ERR(ENOTDIR, rmdir("fifo"));
	ERR(ENOENT, rmdir(""));
	MOVED(&dir, 0);
	MOVED(&parent, 0);
	fd = (int)OK(open("dir", O_RDONLY));
	OK(rmdir("dir"));
	OK(fstat(fd, &st));
	EQUAL(st.st_nlink, 0);
	OK(fchdir(fd));
	ERR(ENOENT, mkdir("x", 0755));
	ERR(ENOENT, open("x", O_CREAT | O_RDWR, 0644));
	ERR(ENOENT, symlink("t", "x"));
	close(fd);
	OK(chdir("/"));
}

static void
names_unlink(void)
{
	struct watch parent, other;
	size_t i;

	make_types();
	parent = watch(".");
	ERR(EISDIR, unlink("dir"));
	ERR(ENOTDIR, unlink("file/"));
	MOVED(&parent, 0);
	OK(link("file", "other"));
	other = watch("other");
	parent = watch(".");
	OK(unlink("file"));
	MOVED(&parent, MTIME | CTIME);
	MOVED(&other, CTIME);
	EQUAL(nlink_of("other"), 1);
	for (i = 2; i < TYPES; i++) {
		OK(unlink(types[i]));
		CHECK(!exists(types[i]));
		ERR(ENOENT, unlink(types[i]));
	}
}

static void
names_link(void)
{
	struct stat a, b;
	struct watch file, parent;
	size_t i;
	int fd;

	make_types();
	OK(mkdir("sub", 0755));
	parent = watch("sub");
	file = watch("file");
	OK(link("file", "sub/second"));
	MOVED(&parent, MTIME | CTIME);
	MOVED(&file, CTIME);
	OK(stat("file", &a));
	OK(stat("sub/second", &b));
	CHECK(a.st_ino == b.st_ino && a.st_nlink == 2 && b.st_nlink == 2);
	/* One file, whatever the name. */
	fd = (int)OK(open("sub/second", O_RDWR));
	EQUAL(pwrite(fd, "Z", 1, 9999), 1);
	EQUAL(size_of("file"), 10000);
	OK(chmod("file", 0600));
	EQUAL(mode_of("sub/second"), S_IFREG | 0600);
	close(fd);
	OK(unlink("file"));
	EQUAL(nlink_of("sub/second"), 1);
	EQUAL(size_of("sub/second"), 10000);
	file = watch("sub/second");
	parent = watch(".");
	ERR(EPERM, link("dir", "x"));
	ERR(EEXIST, link("sub/second", "link"));
	ERR(ENOENT, link("file", "x"));
	ERR(EXDEV, link("/proc/version", "x"));
	MOVED(&file, 0);
	MOVED(&parent, 0);
	/* All but directories can have more than one name; link(2) follows no link. */
	for (i = 2; i < TYPES; i++) {
		OK(link(types[i], "x"));
		EQUAL(nlink_of(types[i]), 2);
		EQUAL(mode_of("x"), mode_of(types[i]));
		OK(unlink("x"));
		EQUAL(nlink_of(types[i]), 1);
	}
	OK(symlink("sub/second", "follow"));
	OK(linkat(AT_FDCWD, "follow", AT_FDCWD, "x", AT_SYMLINK_FOLLOW));
	EQUAL(mode_of("x") & S_IFMT, S_IFREG);
	EQUAL(nlink_of("sub/second"), 2);
}

static void
names_many_links(void)
{
	char name[32];
	unsigned i;

	make("f", 0644, 0, 0);
	for (i = 1; i < 500; i++) {
		snprintf(name, sizeof(name), "l%u", i);
		OK(link("f", name));
	}
	EQUAL(nlink_of("f"), 500);
	EQUAL(nlink_of("l250"), 500);
	for (i = 1; i < 500; i++) {
		snprintf(name, sizeof(name), "l%u", i);
		OK(unlink(name));
	}
	EQUAL(nlink_of("f"), 1);
}

static void
names_too_many_links(void)
{
	char name[32];
	unsigned i;

	/* ext4 stops at 65,000. */
	make("f", 0644, 0, 0);
	for (i = 1; i < 65000; i++) {
		snprintf(name, sizeof(name), "l%u", i);
		if (OK(link("f", name)) != 0)
			return;
	}
	ERR(EMLINK, link("f", "more"));
	EQUAL(nlink_of("f"), 65000);
	CHECK(!exists("more"));
}

static void
names_symlink(void)
{
	static const size_t lengths[] = { 1, 59, 60, 61, 255, 256, 1023, 4000, 4095 };
	char target[4200], got[4200];
	struct watch parent;
	ssize_t len;
	size_t i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(target, 't', sizeof(target));
		target[0] = '\xff';
		target[lengths[i]] = '\0';
		parent = watch(".");
		OK(symlink(target, "l"));
		MOVED(&parent, MTIME | CTIME);
		len = (ssize_t)OK(readlink("l", got, sizeof(got)));
		CHECK(len == (ssize_t)lengths[i] && memcmp(got, target, lengths[i]) == 0);
		EQUAL(size_of("l"), lengths[i]);
		EQUAL(readlink("l", got, 1), 1);
		OK(unlink("l"));
	}
	memset(target, 't', 4096);
	target[4096] = '\0';
	ERR(ENAMETOOLONG, symlink(target, "l"));
	ERR(ENOENT, symlink("", "l"));
	ERR(EINVAL, readlink(".", got, 10));
	make("f", 0644, 0, 0);
	ERR(EINVAL, readlink("f", got, 10));
	OK(symlink("f", "l"));
	ERR(EINVAL, syscall(SYS_readlinkat, AT_FDCWD, "l", got, 0));
	ERR(EFAULT, syscall(SYS_readlinkat, AT_FDCWD, "l", NOWHERE, 10));
}

static void
names_symlink_chains(void)
{
	char name[16], target[16];
	unsigned i;

	make("l0", 0644, 0, 0);
	for (i = 1; i <= 41; i++) {
		snprintf(name, sizeof(name), "l%u", i);
		snprintf(target, sizeof(target), "l%u", i - 1);
		OK(symlink(target, name));
	}
	OK(access("l40", F_OK));
	ERR(ELOOP, access("l41", F_OK));
	ERR(ELOOP, stat("l41", &(struct stat){ 0 }));
	ERR(ELOOP, chmod("l41", 0644));
	ERR(ELOOP, truncate("l41", 0));
	ERR(ELOOP, open("l41", O_RDONLY));
	OK(symlink("self/x", "self"));
	ERR(ELOOP, access("self", F_OK));
	ERR(ELOOP, mkdir("self/d", 0755));
	ERR(ELOOP, rmdir("self/d"));
	ERR(ELOOP, unlink("self/d"));
	ERR(ELOOP, rename("self/d", "x"));
	ERR(ELOOP, rename("l0", "self/d"));
	ERR(ELOOP, link("self/d", "x"));
	ERR(ELOOP, symlink("t", "self/d"));
	ERR(ELOOP, mkfifo("self/d", 0644));
	ERR(ELOOP, chown("self", 0, 0));
}

static void
names_mknod(void)
{
	static const dev_t devices[] = { 0, 1, 0xff };
	struct watch parent = watch(".");
	struct stat st;
	size_t i;

	OK(mknod("f", S_IFREG | 0640, 0));
	MOVED(&parent, MTIME | CTIME);
	EQUAL(mode_of("f"), S_IFREG | 0640);
	OK(mknod("zero", 0600, 0));
	EQUAL(mode_of("zero"), S_IFREG | 0600);
	for (i = 0; i < 3; i++) {
		OK(mknod("c", S_IFCHR | 0600, makedev(devices[i] + 1, devices[i] * 4000)));
		OK(lstat("c", &st));
		CHECK(S_ISCHR(st.st_mode) && st.st_rdev == makedev(devices[i] + 1, devices[i] * 4000));
		OK(unlink("c"));
	}
	ERR(EPERM, mknod("d", S_IFDIR | 0755, 0));
	ERR(EINVAL, mknod("l", S_IFLNK | 0755, 0));
	OK(chmod(".", 0777));
	become(ALICE, GROUP_A);
	ERR(EPERM, mknod("c", S_IFCHR | 0600, makedev(1, 3)));
	ERR(EPERM, mknod("b", S_IFBLK | 0600, makedev(1, 3)));
	OK(mknod("p", S_IFIFO | 0600, 0));
	OK(mknod("s", S_IFSOCK | 0600, 0));
	OK(mknod("r", S_IFREG | 0600, 0));
}

/* In a sticky directory only the owner of either and root may take a name away. */
static void
names_sticky(void)
{

	make_dir("d", 01777, 0, 0);
	make("d/alice", 0666, ALICE, GROUP_A);
	make("d/bob", 0666, BOB, GROUP_A);
	make_dir("d/bobdir", 0777, BOB, GROUP_A);
	become(ALICE, GROUP_A);
	ERR(EPERM, unlink("d/bob"));
	ERR(EPERM, rmdir("d/bobdir"));
	ERR(EPERM, rename("d/bob", "d/new"));
	ERR(EPERM, rename("d/bobdir", "d/new"));
	ERR(EPERM, rename("d/alice", "d/bob"));
	ERR(EPERM, renameat2(AT_FDCWD, "d/alice", AT_FDCWD, "d/bob", RENAME_EXCHANGE));
	ERR(EPERM, unlink("d/none") == -1 && errno == ENOENT ? (errno = EPERM, -1) : 0);
	OK(rename("d/alice", "d/alice2"));
	OK(unlink("d/alice2"));
	become(0, 0);
	OK(chown("d", ALICE, GROUP_A));
	become(ALICE, GROUP_A);
	OK(rename("d/bob", "d/bob2"));
	OK(unlink("d/bob2"));
	OK(rmdir("d/bobdir"));
}

static void
names_setgid_directory(void)
{
	struct stat st;

	make_dir("d", 02777, BOB, GROUP_B);
	become(ALICE, GROUP_A);
	OK(close(open_new("d/f")));
	OK(mkdir("d/sub", 0755));
	OK(mkfifo("d/p", 0644));
	OK(symlink("x", "d/l"));
	OK(lstat("d/f", &st));
	CHECK(st.st_uid == ALICE && st.st_gid == GROUP_B);
	OK(lstat("d/sub", &st));
	CHECK(st.st_uid == ALICE && st.st_gid == GROUP_B && st.st_mode == (S_IFDIR | 02755));
	OK(lstat("d/p", &st));
	EQUAL(st.st_gid, GROUP_B);
	OK(lstat("d/l", &st));
	EQUAL(st.st_gid, GROUP_B);
	/* A set-gid program for a group one is not in cannot be made that way. */
	OK(close((int)OK(open("d/g", O_CREAT | O_RDWR, 02775))));
	OK(lstat("d/g", &st));
	CHECK((st.st_mode & S_ISGID) == 0 && st.st_gid == GROUP_B);
}

static void
names_raw_bytes(void)
{
	char name[3] = "xx", path[300];
	unsigned c;

	for (c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		name[0] = (char)c;
		OK(close(open_new(name)));
	}
	for (c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		name[0] = (char)c;
		CHECK(exists(name));
		snprintf(path, sizeof(path), "%s-%s", name, long_name(250));
		OK(rename(name, path));
		CHECK(!exists(name));
		OK(unlink(path));
	}
}

const struct posix_case names_cases[] = {
	{ "names_exist", names_exist, false },
	{ "names_through_files", names_through_files, false },
	{ "names_mkdir", names_mkdir, false },
	{ "names_rmdir", names_rmdir, false },
	{ "names_unlink", names_unlink, false },
	{ "names_link", names_link, false },
	{ "names_many_links", names_many_links, false },
	{ "names_too_many_links", names_too_many_links, true },
	{ "names_symlink", names_symlink, false },
	{ "names_symlink_chains", names_symlink_chains, false },
	{ "names_mknod", names_mknod, false },
	{ "names_sticky", names_sticky, false },
	{ "names_setgid_directory", names_setgid_directory, false },
	{ "names_raw_bytes", names_raw_bytes, false },
	{ NULL, NULL, false }
};
