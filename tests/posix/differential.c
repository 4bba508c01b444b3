/*
 * The same calls here and in the reference directory: the same results.
 *
 * Each call is made on each kind of name, with each ending, in a scene set up
 * anew, by root and by an ordinary user, in both places; errno and everything
 * that is there afterwards must be equal.
 */

#include <dirent.h>
#include <ftw.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "posix.h"

#define SCENE_TEXT 8192

static const char *const kinds[] = {
	"file", "dir", "full", "none", "tofile", "todir", "dangling", "loop", "fifo", "second", "none/below", "file/below",
	"dir/below", "todir/below", "loop/below", "full/x", "closed", "closed/x", "foreign"
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const char *const endings[] = { "", "/", "/.", "/.." };
#define ENDINGS (sizeof(endings) / sizeof(endings[0]))

/* A size, but no data: replacing a file makes ext4 write out what is new in it at once. */
static void
make_hollow(const char *path, mode_t mode, uid_t owner, gid_t group)
{

	OK(mknod(path, S_IFREG | 0600, 0));
	OK(truncate(path, 10));
	OK(chown(path, owner, group));
	OK(chmod(path, mode));
}

static void
set_scene(void)
{

	make_hollow("file", 0644, ALICE, GROUP_A);
	OK(link("file", "second"));
	make_dir("dir", 0755, ALICE, GROUP_A);
	make_dir("full", 0755, ALICE, GROUP_A);
	make_hollow("full/x", 0600, ALICE, GROUP_A);
	OK(symlink("file", "tofile"));
	OK(symlink("dir", "todir"));
	OK(symlink("missing", "dangling"));
	OK(symlink("loop", "loop"));
	OK(mkfifo("fifo", 0622));
	make_dir("closed", 0700, BOB, GROUP_B);
	make_hollow("closed/x", 0666, ALICE, GROUP_A);
	make_hollow("foreign", 0640, BOB, GROUP_B);
}

static FILE *described;

static int
describe(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	char target[256] = "";

	(void)flag;
	(void)ftw;
	if (S_ISLNK(st->st_mode) && readlink(path, target, sizeof(target) - 1) < 0)
		strcpy(target, "?");
	/* What a directory's size is, is everybody's own affair. */
	fprintf(described, "%s mode %o nlink %ld owner %u:%u size %lld %s\n", path, st->st_mode, (long)st->st_nlink,
	    st->st_uid, st->st_gid, S_ISDIR(st->st_mode) ? 0 : (long long)st->st_size, target);
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{

	(void)st;
	(void)ftw;
	return flag == FTW_DP ? rmdir(path) : unlink(path);
}

static int
by_name(const void *a, const void *b)
{

	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What is there, in order of names. */
static void
describe_scene(char *out)
{
	static char text[SCENE_TEXT];
	char *lines[64], *line;
	size_t count = 0, i, at = 0;

	described = fmemopen(text, sizeof(text), "w");
	nftw(".", describe, 10, FTW_PHYS);
	fclose(described);
	for (line = strtok(text, "\n"); line != NULL && count < 64; line = strtok(NULL, "\n"))
		lines[count++] = line;
	qsort(lines, count, sizeof(lines[0]), by_name);
	for (i = 0; i < count; i++)
		at += (size_t)snprintf(out + at, SCENE_TEXT - at, "%s\n", lines[i]);
}

static int
keep(int fd)
{

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

/* One call on one name; a second name is used by those that need one. */
static int
call(unsigned number, const char *path, const char *other)
{
	struct timespec times[2] = { { 5, 6 }, { 7, 8 } };
	struct stat st;
	char buffer[64];

	switch (number) {
	case 0: return keep(open(path, O_RDONLY | O_NONBLOCK));
	case 1: return keep(open(path, O_WRONLY | O_NONBLOCK));
	case 2: return keep(open(path, O_RDWR | O_NONBLOCK));
	case 3: return keep(open(path, O_RDWR | O_CREAT | O_NONBLOCK, 0640));
	case 4: return keep(open(path, O_RDWR | O_CREAT | O_EXCL, 0640));
	case 5: return keep(open(path, O_WRONLY | O_TRUNC | O_NONBLOCK));
	case 6: return keep(open(path, O_RDONLY | O_DIRECTORY));
	case 7: return keep(open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
	case 8: return keep(open(path, O_PATH));
	case 9: return keep(open(path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600));
	case 10: return mkdir(path, 0751);
	case 11: return rmdir(path);
	case 12: return unlink(path);
	case 13: return symlink("target", path);
	case 14: return mkfifo(path, 0640);
	case 15: return mknod(path, S_IFREG | 0640, 0);
	case 16: return mknod(path, S_IFCHR | 0640, makedev(1, 3));
	case 17: return readlink(path, buffer, sizeof(buffer)) < 0 ? -1 : 0;
	case 18: return stat(path, &st);
	case 19: return lstat(path, &st);
	case 20: return truncate(path, 5);
	case 21: return truncate(path, -1);
	case 22: return chmod(path, 0610);
	case 23: return chown(path, ALICE, GROUP_A);
	case 24: return lchown(path, (uid_t)-1, GROUP_A);
	case 25: return utimensat(AT_FDCWD, path, times, 0);
	case 26: return utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
	case 27: return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS);
	case 28: return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS);
	case 29: return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS);
	case 30: return chdir(path) == 0 ? chdir(other) : -1;
	case 31: return setxattr(path, "user.d", "1", 1, 0);
	case 32: return lsetxattr(path, "user.d", "1", 1, XATTR_REPLACE);
	case 33: return getxattr(path, "user.d", buffer, sizeof(buffer)) < 0 ? -1 : 0;
	case 34: return lremovexattr(path, "user.d");
	case 35: return keep(open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_DIRECTORY));
	default: return -2;
	}
}
#define CALLS 36

static int
call_two(unsigned number, const char *from, const char *to)
{

	switch (number) {
	case 0: return rename(from, to);
	case 1: return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
	case 2: return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE);
	case 3: return link(from, to);
	case 4: return linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW);
	default: return -2;
	}
}
#define CALLS_TWO 5

struct outcome {
	int error;
	char scene[SCENE_TEXT];
};

/* Each in a directory of its own; the current one is the same as before afterwards. */
static void
try(const char *place, bool two, unsigned number, const char *path, const char *other, bool root, struct outcome *outcome)
{
	int back = open(".", O_RDONLY | O_DIRECTORY), result;

	outcome->error = -1;
	OK(mkdir(place, 0777));
	OK(chmod(place, 0777));
	OK(chdir(place));
	set_scene();
	if (!root)
		become(ALICE, GROUP_A);
	errno = 0;
	result = two ? call_two(number, path, other) : call(number, path, place);
	outcome->error = result == 0 ? 0 : errno;
	become(0, 0);
	OK(chdir(place));
	describe_scene(outcome->scene);
	OK(fchdir(back));
	close(back);
	OK(nftw(place, remove_one, 10, FTW_DEPTH | FTW_PHYS));
}

static void
compare(bool two, unsigned number, const char *path, const char *other, bool root)
{
	static struct outcome here, there;
	char place[4096], cwd[4000];

	if (getcwd(cwd, sizeof(cwd)) == NULL)
		return;
	snprintf(place, sizeof(place), "%s/scene", cwd);
	try(place, two, number, path, other, root, &here);
	snprintf(place, sizeof(place), "%s/scene.%d", posix_reference(), (int)getpid());
	try(place, two, number, path, other, root, &there);
	if (here.error != there.error || strcmp(here.scene, there.scene) != 0) {
		printf("# call %s%u on '%s' and '%s' by %s: %s, the reference %s\n", two ? "two-" : "", number, path, other,
		    root ? "root" : "a user", here.error == 0 ? "success" : strerrorname_np(here.error),
		    there.error == 0 ? "success" : strerrorname_np(there.error));
		if (strcmp(here.scene, there.scene) != 0)
			printf("# left behind:\n%s# and on the reference:\n%s", here.scene, there.scene);
		CHECK(!"same outcome");
	}
}

/* One scene in three, others for root than for a user, as all of them take minutes; with --long all. */
static bool
its_turn(unsigned scene, bool root)
{
	return posix_long() || scene % 3 == (root ? 0 : 1);
}

static void
compare_calls(bool root)
{
	char path[64];
	unsigned number, kind, ending;

	if (posix_reference() == NULL)
		posix_skip("no --reference");
	for (number = 0; number < CALLS; number++)
		for (kind = 0; kind < KINDS; kind++)
			for (ending = 0; ending < ENDINGS; ending++) {
				if (!its_turn(number + kind + ending, root))
					continue;
				snprintf(path, sizeof(path), "%s%s", kinds[kind], endings[ending]);
				compare(false, number, path, "", root);
			}
}

static void
compare_pairs(bool root)
{
	char from[64], to[64];
	unsigned number, a, b, ending;

	if (posix_reference() == NULL)
		posix_skip("no --reference");
	for (number = 0; number < CALLS_TWO; number++)
		for (a = 0; a < KINDS; a++)
			for (b = 0; b < KINDS; b++)
				for (ending = 0; ending < ENDINGS; ending++) {
					/* All pairs once, and with an ending on this side or on that. */
					if ((ending > 0 && (a + b + number) % 7 != 0) || !its_turn(number + a + b, root))
						continue;
					snprintf(from, sizeof(from), "%s%s", kinds[a], b % 2 ? endings[ending] : "");
					snprintf(to, sizeof(to), "%s%s", kinds[b], b % 2 ? "" : endings[ending]);
					compare(true, number, from, to, root);
				}
}

static void
differential_root(void)
{

	compare_calls(true);
}

static void
differential_user(void)
{

	compare_calls(false);
}

static void
differential_pairs_root(void)
{

	compare_pairs(true);
}

static void
differential_pairs_user(void)
{

	compare_pairs(false);
}

const struct posix_case differential_cases[] = {
	{ "differential_root", differential_root, false },
	{ "differential_user", differential_user, false },
	{ "differential_pairs_root", differential_pairs_root, false },
	{ "differential_pairs_user", differential_pairs_user, false },
	{ NULL, NULL, false }
};
