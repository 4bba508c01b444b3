/*
 * open(2), creat(2), umask(2).
 */

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "posix.h"

static void
open_errors(void)
{
	int fd;

	make("file", 0644, 0, 0);
	make_dir("dir", 0755, 0, 0);
	OK(symlink("loop2", "loop1"));
	OK(symlink("loop1", "loop2"));
	OK(symlink("file", "link"));
	OK(symlink("dir", "dirlink"));
	ERR(ENOENT, open("none", O_RDONLY));
	ERR(ENOENT, open("", O_RDONLY));
	ERR(ENOENT, open("none/x", O_CREAT | O_RDWR, 0644));
	ERR(ENOTDIR, open("file/x", O_RDONLY));
	ERR(ENOTDIR, open("file/x", O_CREAT | O_RDWR, 0644));
	ERR(ENOTDIR, open("file/", O_RDONLY));
	ERR(ENOTDIR, open("file", O_RDONLY | O_DIRECTORY));
	ERR(ENOTDIR, open("link", O_RDONLY | O_DIRECTORY));
	ERR(EISDIR, open("dir", O_WRONLY));
	ERR(EISDIR, open("dir", O_RDWR));
	ERR(EISDIR, open("dir", O_RDONLY | O_TRUNC));
	ERR(EISDIR, open("dir", O_RDONLY | O_CREAT, 0644));
	ERR(EISDIR, open("new/", O_RDWR | O_CREAT, 0644));
	ERR(EEXIST, open("file", O_CREAT | O_EXCL | O_RDWR, 0644));
	ERR(EEXIST, open("dir", O_CREAT | O_EXCL | O_RDWR, 0644));
	ERR(EEXIST, open("link", O_CREAT | O_EXCL | O_RDWR, 0644));
	ERR(EEXIST, open("loop1", O_CREAT | O_EXCL | O_RDWR, 0644));
	ERR(ELOOP, open("loop1", O_RDONLY));
	ERR(ELOOP, open("loop1/x", O_RDONLY));
	ERR(ELOOP, open("link", O_RDONLY | O_NOFOLLOW));
	ERR(ENOTDIR, open("dirlink", O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
	ERR(EFAULT, syscall(SYS_openat, AT_FDCWD, NOWHERE, O_RDONLY));
	ERR(EINVAL, open("file", O_RDONLY | O_TMPFILE, 0644));
	fd = (int)OK(open("dirlink", O_RDONLY | O_DIRECTORY));
	ERR(EISDIR, read(fd, &(char){ 0 }, 1));
	ERR(EBADF, write(fd, "x", 1));
	close(fd);
}

static void
open_name_lengths(void)
{
	char path[8192];
	size_t i;

	OK(close((int)OK(open(long_name(255), O_CREAT | O_RDWR, 0644))));
	CHECK(exists(long_name(255)));
	ERR(ENAMETOOLONG, open(long_name(256), O_CREAT | O_RDWR, 0644));
	ERR(ENAMETOOLONG, open(long_name(256), O_RDONLY));
	ERR(ENAMETOOLONG, mkdir(long_name(256), 0755));
	ERR(ENAMETOOLONG, rmdir(long_name(256)));
	ERR(ENAMETOOLONG, unlink(long_name(256)));
	ERR(ENAMETOOLONG, symlink("x", long_name(256)));
	ERR(ENAMETOOLONG, mkfifo(long_name(256), 0644));
	ERR(ENAMETOOLONG, link(long_name(255), strcat(strcpy(path, long_name(254)), "xx")));
	ERR(ENAMETOOLONG, rename(long_name(255), path));
	ERR(ENAMETOOLONG, chmod(long_name(256), 0644));
	ERR(ENAMETOOLONG, chown(long_name(256), 0, 0));
	ERR(ENAMETOOLONG, truncate(long_name(256), 0));
	make("f", 0644, 0, 0);
	/* A whole path of 4,095 bytes goes, one more does not. */
	for (i = 0; i < 4094; i += 2)
		memcpy(path + i, "./", 2);
	strcpy(path + 4094, "f");
	OK(access(path, F_OK));
	strcpy(path + 4094, "/f");
	ERR(ENAMETOOLONG, access(path, F_OK));
	EQUAL(pathconf(".", _PC_NAME_MAX), 255);
	EQUAL(pathconf(".", _PC_PATH_MAX), 4096);
}

static void
open_modes_and_umask(void)
{
	static const mode_t masks[] = { 0, 022, 077, 0777, 0137 };
	static const mode_t modes[] = { 0777, 0666, 0, 06777, 01644, 0400 };
	size_t i, j;

	for (i = 0; i < sizeof(masks) / sizeof(masks[0]); i++)
		for (j = 0; j < sizeof(modes) / sizeof(modes[0]); j++) {
			umask(masks[i]);
			OK(close((int)OK(open("f", O_CREAT | O_EXCL | O_WRONLY, modes[j]))));
			EQUAL(mode_of("f"), S_IFREG | (modes[j] & ~masks[i]));
			OK(mkdir("d", modes[j]));
			EQUAL(mode_of("d"), S_IFDIR | (modes[j] & 01777 & ~masks[i]));
			OK(mkfifo("p", modes[j]));
			EQUAL(mode_of("p"), S_IFIFO | (modes[j] & ~masks[i]));
			OK(mknod("s", S_IFSOCK | modes[j], 0));
			EQUAL(mode_of("s"), S_IFSOCK | (modes[j] & ~masks[i]));
			OK(symlink("t", "l"));
			EQUAL(mode_of("l"), S_IFLNK | 0777);
			OK(unlink("f"));
			OK(rmdir("d"));
			OK(unlink("p"));
			OK(unlink("s"));
			OK(unlink("l"));
		}
}

static void
open_owner(void)
{
	struct stat st;

	OK(chmod(".", 0777));
	become_member(ALICE, GROUP_A, GROUP_B);
	OK(close(open_new("f")));
	OK(mkdir("d", 0755));
	OK(symlink("x", "l"));
	OK(mkfifo("p", 0644));
	OK(lstat("f", &st));
	CHECK(st.st_uid == ALICE && st.st_gid == GROUP_A);
	OK(lstat("d", &st));
	CHECK(st.st_uid == ALICE && st.st_gid == GROUP_A);
	OK(lstat("l", &st));
	CHECK(st.st_uid == ALICE && st.st_gid == GROUP_A);
	OK(lstat("p", &st));
	CHECK(st.st_uid == ALICE && st.st_gid == GROUP_A);
}

static void
open_read_only_mode_still_writable(void)
{
	int fd;

	/* The mode counts from the next open on, not for the creator. */
	OK(chmod(".", 0777));
	become(ALICE, GROUP_A);
	fd = (int)OK(open("f", O_CREAT | O_EXCL | O_RDWR, 0444));
	EQUAL(write(fd, "abc", 3), 3);
	OK(close(fd));
	ERR(EACCES, open("f", O_RDWR));
	fd = (int)OK(open("g", O_CREAT | O_EXCL | O_RDWR, 0));
	EQUAL(write(fd, "abc", 3), 3);
	EQUAL(pread(fd, &(char){ 0 }, 1, 2), 1);
	OK(close(fd));
	ERR(EACCES, open("g", O_RDONLY));
	/* As git does: a file made 0444, renamed, read. */
	OK(rename("f", "h"));
	fd = (int)OK(open("h", O_RDONLY));
	EQUAL(pread(fd, &(char){ 0 }, 1, 2), 1);
	close(fd);
	EQUAL(size_of("h"), 3);
}

static void
may_open(mode_t mode, int flags, int want)
{

	become(0, 0);
	OK(chmod("f", mode));
	become(ALICE, GROUP_A);
	if (want == 0)
		OK(close((int)OK(open("f", flags))));
	else
		ERR(want, open("f", flags));
	become(0, 0);
}

static void
open_permissions(void)
{

	make("f", 0, ALICE, GROUP_B);
	may_open(0400, O_RDONLY, 0);
	may_open(0400, O_WRONLY, EACCES);
	may_open(0400, O_RDWR, EACCES);
	may_open(0200, O_WRONLY, 0);
	may_open(0200, O_RDONLY, EACCES);
	may_open(0200, O_RDWR, EACCES);
	may_open(0600, O_RDWR, 0);
	may_open(0077, O_RDONLY, EACCES);
	may_open(0400, O_RDONLY | O_TRUNC, EACCES);
	may_open(0400, O_RDONLY | O_NOATIME, 0);
	OK(chown("f", BOB, GROUP_A));
	may_open(0040, O_RDONLY, 0);
	may_open(0040, O_WRONLY, EACCES);
	may_open(0060, O_RDWR, 0);
	may_open(0707, O_RDONLY, EACCES);
	may_open(0040, O_RDONLY | O_NOATIME, EPERM);
	OK(chown("f", BOB, GROUP_B));
	may_open(0004, O_RDONLY, 0);
	may_open(0770, O_RDONLY, EACCES);
	may_open(0006, O_RDWR, 0);
	may_open(0, O_PATH, 0);
	become_member(ALICE, GROUP_A, GROUP_B);
	become(0, 0);
	OK(chmod("f", 0040));
	become_member(ALICE, GROUP_A, GROUP_B);
	OK(close((int)OK(open("f", O_RDONLY))));
}

static void
open_directory_permissions(void)
{

	make_dir("d", 0755, 0, 0);
	make("d/f", 0666, 0, 0);
	make_dir("d/e", 0777, 0, 0);
	become(ALICE, GROUP_A);
	ERR(EACCES, open("d/new", O_CREAT | O_RDWR, 0644));
	ERR(EACCES, mkdir("d/new", 0755));
	ERR(EACCES, symlink("x", "d/new"));
	ERR(EACCES, mkfifo("d/new", 0644));
	ERR(EACCES, link("d/f", "d/new"));
	ERR(EACCES, unlink("d/f"));
	ERR(EACCES, rmdir("d/e"));
	ERR(EACCES, rename("d/f", "d/new"));
	ERR(EACCES, rename("d/f", "d/e/new"));
	OK(close((int)OK(open("d/f", O_CREAT | O_RDWR, 0644))));
	become(0, 0);
	OK(chmod("d", 0744));
	become(ALICE, GROUP_A);
	ERR(EACCES, open("d/f", O_RDONLY));
	ERR(EACCES, faccessat(AT_FDCWD, "d/f", F_OK, AT_EACCESS));
	ERR(EACCES, stat("d/f", &(struct stat){ 0 }));
	ERR(EACCES, chmod("d/f", 0644));
	ERR(EACCES, chown("d/f", 0, 0));
	ERR(EACCES, truncate("d/f", 0));
	ERR(EACCES, readlink("d/f", (char[4]){ 0 }, 4));
	ERR(EACCES, utimensat(AT_FDCWD, "d/f", NULL, 0));
	ERR(EACCES, open("d/e/x", O_CREAT | O_RDWR, 0644));
	become(0, 0);
	OK(chmod("d", 0711));
	become(ALICE, GROUP_A);
	OK(close((int)OK(open("d/f", O_RDWR))));
	ERR(EACCES, open("d", O_RDONLY));
	OK(close((int)OK(open("d", O_PATH))));
}

static void
open_times(void)
{
	struct watch dir, file;

	dir = watch(".");
	OK(close((int)OK(open("f", O_CREAT | O_WRONLY, 0644))));
	MOVED(&dir, MTIME | CTIME);
	file = watch("f");
	dir = watch(".");
	OK(close((int)OK(open("f", O_CREAT | O_WRONLY, 0644))));
	OK(close((int)OK(open("f", O_RDWR))));
	MOVED(&file, 0);
	MOVED(&dir, 0);
	OK(close((int)OK(open("f", O_TRUNC | O_WRONLY))));
	MOVED(&file, MTIME | CTIME);
	MOVED(&dir, 0);
	file = watch("f");
	ERR(EEXIST, open("f", O_CREAT | O_EXCL | O_TRUNC | O_WRONLY, 0644));
	ERR(ENOTDIR, open("f", O_RDONLY | O_DIRECTORY));
	MOVED(&file, 0);
	MOVED(&dir, 0);
}

static void
open_create_through_link(void)
{

	OK(symlink("target", "link"));
	OK(close((int)OK(open("link", O_CREAT | O_WRONLY, 0640))));
	EQUAL(mode_of("target"), S_IFREG | 0640);
	EQUAL(mode_of("link") & S_IFMT, S_IFLNK);
	OK(symlink("none/target", "link2"));
	ERR(ENOENT, open("link2", O_CREAT | O_WRONLY, 0640));
}

static void
open_truncate(void)
{
	int fd, other;

	make("f", 0644, 0, 0);
	other = (int)OK(open("f", O_RDONLY));
	fd = (int)OK(open("f", O_RDWR | O_TRUNC));
	EQUAL(size_of("f"), 0);
	EQUAL(read(other, &(char){ 0 }, 1), 0);
	EQUAL(pwrite(fd, "x", 1, 100), 1);
	EQUAL(pread(other, &(char){ 0 }, 1, 50), 1);
	EQUAL(size_of("f"), 101);
	close(fd);
	close(other);
	/* Linux truncates for O_RDONLY, too. */
	fd = (int)OK(open("f", O_RDONLY | O_TRUNC));
	EQUAL(size_of("f"), 0);
	close(fd);
}

static void
open_unlinked(void)
{
	char path[64], buffer[16];
	struct stat st;
	int fd, again;
	char *map;

	make("f", 0644, 0, 0);
	fd = (int)OK(open("f", O_RDWR));
	OK(unlink("f"));
	CHECK(!exists("f"));
	OK(fstat(fd, &st));
	EQUAL(st.st_nlink, 0);
	EQUAL(st.st_size, 10);
	EQUAL(pread(fd, buffer, 10, 0), 10);
	CHECK(memcmp(buffer, "0123456789", 10) == 0);
	EQUAL(pwrite(fd, "more", 4, 5000), 4);
	OK(fstat(fd, &st));
	EQUAL(st.st_size, 5004);
	OK(fchmod(fd, 0600));
	OK(fchown(fd, 5, 6));
	OK(futimens(fd, (struct timespec[2]){ { 7, 8 }, { 9, 10 } }));
	OK(fstat(fd, &st));
	CHECK(st.st_mode == (S_IFREG | 0600) && st.st_uid == 5 && st.st_gid == 6 && st.st_mtim.tv_sec == 9 &&
	    st.st_mtim.tv_nsec == 10);
	OK(fsync(fd));
	OK(ftruncate(fd, 4096));
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (CHECK(map != MAP_FAILED)) {
		map[20] = 'm';
		OK(msync(map, 4096, MS_SYNC));
		OK(munmap(map, 4096));
	}
	EQUAL(pread(fd, buffer, 1, 20), 1);
	EQUAL(buffer[0], 'm');
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = (int)OK(open(path, O_RDWR));
	EQUAL(pread(again, buffer, 1, 20), 1);
	EQUAL(buffer[0], 'm');
	close(again);
	ERR(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "back", AT_SYMLINK_FOLLOW));
	/* The name can be used anew, and is another file. */
	make("f", 0644, 0, 0);
	EQUAL(pread(fd, buffer, 1, 20), 1);
	EQUAL(size_of("f"), 10);
	OK(unlink("f"));
	close(fd);
}

static void
open_unlinked_in_removed_directory(void)
{
	struct stat st;
	int fd;

	OK(mkdir("d", 0755));
	make("d/f", 0644, 0, 0);
	fd = (int)OK(open("d/f", O_RDWR));
	OK(unlink("d/f"));
	/* Nothing hidden may keep the directory. */
	OK(rmdir("d"));
	EQUAL(pwrite(fd, "x", 1, 0), 1);
	OK(fstat(fd, &st));
	EQUAL(st.st_size, 10);
	OK(fsync(fd));
	close(fd);
}

static void
open_tmpfile(void)
{
	char path[64];
	struct stat st;
	int fd;

	if ((fd = open(".", O_TMPFILE | O_RDWR, 0640)) < 0 && errno == EOPNOTSUPP && posix_fuse())
		posix_skip("no O_TMPFILE on this FUSE");
	OK(fd);
	OK(fstat(fd, &st));
	CHECK(st.st_nlink == 0 && st.st_mode == (S_IFREG | 0640) && st.st_size == 0);
	EQUAL(write(fd, "abc", 3), 3);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	OK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	EQUAL(size_of("named"), 3);
	EQUAL(nlink_of("named"), 1);
	close(fd);
	fd = (int)OK(open(".", O_TMPFILE | O_RDWR | O_EXCL, 0640));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ERR(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "other", AT_SYMLINK_FOLLOW));
	close(fd);
	ERR(EINVAL, open(".", O_TMPFILE | O_RDONLY, 0640));
}

static void
open_relative_to_handles(void)
{
	int dir, fd;

	OK(mkdir("d", 0755));
	dir = (int)OK(open("d", O_RDONLY | O_DIRECTORY));
	fd = (int)OK(openat(dir, "f", O_CREAT | O_RDWR, 0644));
	close(fd);
	OK(rename("d", "e"));
	OK(faccessat(dir, "f", F_OK, 0));
	OK(mkdirat(dir, "g", 0755));
	CHECK(exists("e/g"));
	OK(unlinkat(dir, "f", 0));
	OK(unlinkat(dir, "g", AT_REMOVEDIR));
	fd = open_new("file");
	ERR(ENOTDIR, openat(fd, "x", O_RDONLY));
	ERR(EBADF, openat(-1, "x", O_RDONLY));
	close(fd);
	OK(rmdir("e"));
	ERR(ENOENT, openat(dir, "f", O_CREAT | O_RDWR, 0644));
	ERR(ENOENT, mkdirat(dir, "g", 0755));
	close(dir);
}

static void
open_fifo_and_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int fd;

	OK(mkfifo("fifo", 0644));
	ERR(ENXIO, open("fifo", O_WRONLY | O_NONBLOCK));
	OK(close((int)OK(open("fifo", O_RDONLY | O_NONBLOCK))));
	OK(close((int)OK(open("fifo", O_RDWR))));
	fd = (int)OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	ERR(ENXIO, open("socket", O_RDWR));
	close(fd);
}

const struct posix_case open_cases[] = {
	{ "open_errors", open_errors, false },
	{ "open_name_lengths", open_name_lengths, false },
	{ "open_modes_and_umask", open_modes_and_umask, false },
	{ "open_owner", open_owner, false },
	{ "open_read_only_mode_still_writable", open_read_only_mode_still_writable, false },
	{ "open_permissions", open_permissions, false },
	{ "open_directory_permissions", open_directory_permissions, false },
	{ "open_times", open_times, false },
	{ "open_create_through_link", open_create_through_link, false },
	{ "open_truncate", open_truncate, false },
	{ "open_unlinked", open_unlinked, false },
	{ "open_unlinked_in_removed_directory", open_unlinked_in_removed_directory, false },
	{ "open_tmpfile", open_tmpfile, false },
	{ "open_relative_to_handles", open_relative_to_handles, false },
	{ "open_fifo_and_socket", open_fifo_and_socket, false },
	{ NULL, NULL, false }
};
