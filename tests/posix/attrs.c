/*
 * chmod(2), chown(2), access(2), stat(2), and the set-id rules.
 */

#include <dirent.h>
#include <sys/statvfs.h>

#include "posix.h"

static void
attrs_chmod(void)
{
	struct watch file, dir;
	mode_t mode;

	make("f", 0644, 0, 0);
	OK(mkdir("d", 0755));
	OK(symlink("f", "l"));
	for (mode = 0; mode < 010000; mode += 0111) {
		OK(chmod("f", mode));
		EQUAL(mode_of("f"), S_IFREG | mode);
		OK(chmod("d", mode));
		EQUAL(mode_of("d"), S_IFDIR | mode);
	}
	dir = watch(".");
	file = watch("f");
	OK(chmod("l", 0600));
	EQUAL(mode_of("f"), S_IFREG | 0600);
	EQUAL(mode_of("l"), S_IFLNK | 0777);
	MOVED(&file, CTIME);
	MOVED(&dir, 0);
	file = watch("f");
	become(ALICE, GROUP_A);
	ERR(EPERM, chmod("f", 0666));
	become(0, 0);
	MOVED(&file, 0);
	OK(chown("f", ALICE, GROUP_A));
	become(ALICE, GROUP_A);
	OK(chmod("f", 06711));
	EQUAL(mode_of("f"), S_IFREG | 06711);
	OK(chmod("f", 01644));
	EQUAL(mode_of("f"), S_IFREG | 01644);
	become(0, 0);
	OK(chown("f", ALICE, GROUP_B));
	OK(chmod("f", 0755));
	become(ALICE, GROUP_A);
	/* Not in the file's group: no set-gid bit. */
	OK(chmod("f", 02755));
	EQUAL(mode_of("f"), S_IFREG | 0755);
}

static void
attrs_chown(void)
{
	struct watch file;
	struct stat st;

	make("f", 06755, 0, 0);
	OK(symlink("f", "l"));
	file = watch("f");
	OK(chown("f", 7, 8));
	MOVED(&file, CTIME);
	OK(stat("f", &st));
	CHECK(st.st_uid == 7 && st.st_gid == 8);
	EQUAL(st.st_mode, S_IFREG | 0755);
	OK(chown("l", 70000, (gid_t)-1));
	OK(stat("f", &st));
	CHECK(st.st_uid == 70000 && st.st_gid == 8);
	OK(lchown("l", 1, 2));
	OK(lstat("l", &st));
	CHECK(st.st_uid == 1 && st.st_gid == 2);
	OK(stat("f", &st));
	CHECK(st.st_uid == 70000 && st.st_gid == 8);
	/* A directory's bits mean something else and stay. */
	make_dir("d", 06755, 0, 0);
	OK(chown("d", 7, 8));
	EQUAL(mode_of("d"), S_IFDIR | 06755);
	/* Without group execution it is no set-gid program. */
	OK(chmod("f", 02745));
	OK(chown("f", 9, 9));
	EQUAL(mode_of("f"), S_IFREG | 02745);
}

static void
attrs_chown_permissions(void)
{
	struct watch file;
	struct stat st;

	make("f", 06775, ALICE, GROUP_A);
	make("root", 0666, 0, 0);
	file = watch("f");
	become_member(ALICE, GROUP_A, GROUP_B);
	ERR(EPERM, chown("f", BOB, (gid_t)-1));
	ERR(EPERM, chown("f", (uid_t)-1, 12345));
	ERR(EPERM, chown("root", ALICE, (gid_t)-1));
	ERR(EPERM, chown("root", (uid_t)-1, GROUP_A));
	become(0, 0);
	MOVED(&file, 0);
	become_member(ALICE, GROUP_A, GROUP_B);
	OK(chown("f", (uid_t)-1, GROUP_B));
	OK(stat("f", &st));
	CHECK(st.st_uid == ALICE && st.st_gid == GROUP_B);
	EQUAL(st.st_mode, S_IFREG | 0775);
	OK(chmod("f", 04755));
	OK(chown("f", ALICE, GROUP_B));
	EQUAL(mode_of("f"), S_IFREG | 0755);
}

/* Whoever may write but is not privileged takes the set-id bits away by doing so. */
static void
attrs_set_id_and_writing(void)
{
	int fd;

	make("f", 0, BOB, GROUP_B);
	OK(chmod("f", 06777));
	become(ALICE, GROUP_A);
	fd = (int)OK(open("f", O_RDWR));
	EQUAL(mode_of("f"), S_IFREG | 06777);
	EQUAL(pread(fd, &(char){ 0 }, 1, 0), 1);
	EQUAL(mode_of("f"), S_IFREG | 06777);
	EQUAL(pwrite(fd, "x", 1, 0), 1);
	EQUAL(mode_of("f"), S_IFREG | 0777);
	become(0, 0);
	OK(chmod("f", 06777));
	become(ALICE, GROUP_A);
	OK(truncate("f", 3));
	EQUAL(mode_of("f"), S_IFREG | 0777);
	become(0, 0);
	OK(chmod("f", 06777));
	become(ALICE, GROUP_A);
	OK(ftruncate(fd, 8));
	EQUAL(mode_of("f"), S_IFREG | 0777);
	become(0, 0);
	OK(chmod("f", 06777));
	become(ALICE, GROUP_A);
	OK(close((int)OK(open("f", O_WRONLY | O_TRUNC))));
	EQUAL(mode_of("f"), S_IFREG | 0777);
	become(0, 0);
	OK(chmod("f", 06777));
	become(ALICE, GROUP_A);
	OK(posix_fallocate(fd, 0, 100));
	EQUAL(mode_of("f"), S_IFREG | 0777);
	become(0, 0);
	/* Root is trusted. */
	OK(chmod("f", 06777));
	EQUAL(pwrite(fd, "x", 1, 0), 1);
	OK(truncate("f", 3));
	EQUAL(mode_of("f"), S_IFREG | 06777);
	close(fd);
}

/* Without group execution, set-group-id stays for writers of the group, and goes for others. */
static void
attrs_set_gid_and_outsiders(void)
{
	static const struct { uid_t uid; gid_t gid, other; mode_t left; } who[] = {
		{ ALICE, GROUP_A, GROUP_A, 0666 }, { ALICE, GROUP_B, GROUP_B, 02666 }, { ALICE, GROUP_A, GROUP_B, 02666 },
	};
	unsigned way;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(who) / sizeof(who[0]); i++) {
		for (way = 0; way < 4; way++) {
			make("f", 0, BOB, GROUP_B);
			OK(chmod("f", 02666));
			become_member(who[i].uid, who[i].gid, who[i].other);
			fd = (int)OK(open("f", way == 3 ? O_RDWR | O_TRUNC : O_RDWR));
			if (way == 0)
				EQUAL(pwrite(fd, "x", 1, 0), 1);
			else if (way == 1)
				OK(ftruncate(fd, 3));
			else if (way == 2)
				OK(fallocate(fd, 0, 0, 100));
			become(0, 0);
			EQUAL(mode_of("f"), S_IFREG | who[i].left);
			close(fd);
			OK(unlink("f"));
		}
	}
}

/* chown(2) that names nobody: a change all the same, but nothing that a stranger may do to set-id bits. */
static void
attrs_chown_nobody(void)
{
	struct watch before;

	make_dir("d", 0755, ALICE, GROUP_A);
	make("f", 0644, ALICE, GROUP_A);
	before = watch("d");
	tick();
	OK(chown("d", (uid_t)-1, (gid_t)-1));
	MOVED(&before, CTIME);
	before = watch("f");
	tick();
	become(ALICE, GROUP_A);
	OK(chown("f", (uid_t)-1, (gid_t)-1));
	become(0, 0);
	MOVED(&before, CTIME);
	OK(chmod("f", 06755));
	become(BOB, GROUP_B);
	ERR(EPERM, chown("f", (uid_t)-1, (gid_t)-1));
	become(0, 0);
	EQUAL(mode_of("f"), S_IFREG | 06755);
	become(ALICE, GROUP_A);
	OK(chown("f", (uid_t)-1, (gid_t)-1));
	become(0, 0);
	EQUAL(mode_of("f"), S_IFREG | 0755);
}

static void
attrs_access(void)
{

	make("f", 0640, ALICE, GROUP_A);
	make("x", 0010, 0, 0);
	OK(access("f", R_OK | W_OK));
	ERR(EACCES, access("f", X_OK));
	OK(access("x", X_OK));
	ERR(ENOENT, access("none", F_OK));
	ERR(EINVAL, access("f", 0100));
	become(ALICE, GROUP_A);
	OK(faccessat(AT_FDCWD, "f", R_OK | W_OK, AT_EACCESS));
	ERR(EACCES, faccessat(AT_FDCWD, "f", X_OK, AT_EACCESS));
	become(BOB, GROUP_A);
	OK(faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS));
	ERR(EACCES, faccessat(AT_FDCWD, "f", W_OK, AT_EACCESS));
	become(BOB, GROUP_B);
	ERR(EACCES, faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS));
	OK(faccessat(AT_FDCWD, "f", F_OK, AT_EACCESS));
}

static void
attrs_stat(void)
{
	struct stat a, b;
	struct statx x;
	int fd;

	fd = open_new("f");
	EQUAL(pwrite(fd, long_name(8000), 8000, 0), 8000);
	OK(fsync(fd));
	OK(stat("f", &a));
	OK(fstat(fd, &b));
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_size == 8000 && b.st_size == 8000);
	CHECK(a.st_blksize >= 512 && a.st_blocks >= 16);
	OK(stat(".", &b));
	EQUAL(a.st_dev, b.st_dev);
	OK(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
	CHECK(x.stx_ino == a.st_ino && x.stx_size == 8000 && x.stx_nlink == 1);
	/* The same file to the next process, and after its caches are gone. */
	OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	close(fd);
	OK(rename("f", "g"));
	OK(stat("g", &b));
	EQUAL(a.st_ino, b.st_ino);
	/* Sparse. */
	OK(truncate("g", 64 << 20));
	OK(stat("g", &b));
	CHECK(b.st_blocks < 2048);
}

static void
attrs_inode_numbers(void)
{
	struct dirent *dirent;
	unsigned count = 0;
	struct stat st;
	DIR *dir;

	make("file", 0644, 0, 0);
	OK(mkdir("dir", 0755));
	OK(symlink("x", "link"));
	OK(mkfifo("fifo", 0644));
	OK(link("file", "second"));
	if ((dir = opendir(".")) == NULL || !CHECK(dir != NULL))
		return;
	while ((dirent = readdir(dir)) != NULL) {
		OK(lstat(dirent->d_name, &st));
		EQUAL(dirent->d_ino, st.st_ino);
		if (dirent->d_type != DT_UNKNOWN)
			EQUAL(DTTOIF(dirent->d_type), st.st_mode & S_IFMT);
		count++;
	}
	EQUAL(count, 7);
	closedir(dir);
}

static void
attrs_statvfs(void)
{
	struct statvfs st;
	int fd = open_new("f");

	OK(statvfs(".", &st));
	CHECK(st.f_namemax == 255 && st.f_bsize > 0 && st.f_frsize > 0 && st.f_blocks > 0 && st.f_bfree <= st.f_blocks &&
	    st.f_bavail <= st.f_bfree && st.f_files > 0 && st.f_ffree <= st.f_files);
	OK(fstatvfs(fd, &st));
	ERR(ENOENT, statvfs("none", &st));
	ERR(ENOTDIR, statvfs("f/x", &st));
	close(fd);
}

const struct posix_case attrs_cases[] = {
	{ "attrs_chmod", attrs_chmod, false },
	{ "attrs_chown", attrs_chown, false },
	{ "attrs_chown_permissions", attrs_chown_permissions, false },
	{ "attrs_set_id_and_writing", attrs_set_id_and_writing, false },
	{ "attrs_set_gid_and_outsiders", attrs_set_gid_and_outsiders, false },
	{ "attrs_chown_nobody", attrs_chown_nobody, false },
	{ "attrs_access", attrs_access, false },
	{ "attrs_stat", attrs_stat, false },
	{ "attrs_inode_numbers", attrs_inode_numbers, false },
	{ "attrs_statvfs", attrs_statvfs, false },
	{ NULL, NULL, false }
};
