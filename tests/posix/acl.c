/*
 * POSIX access control lists, by their attributes.
 */

#include <stdarg.h>
#include <sys/xattr.h>

#include "posix.h"

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };

struct list {
	unsigned char bytes[4 + 8 * 8];
	size_t len;
};

/* list_of(count, tag, permissions, id, ...) */
static struct list
list_of(unsigned count, ...)
{
	struct list list = { .bytes = { 2, 0, 0, 0 }, .len = 4 };
	va_list ap;
	unsigned i, k;

	va_start(ap, count);
	for (i = 0; i < count; i++) {
		unsigned tag = va_arg(ap, unsigned), permissions = va_arg(ap, unsigned), id = va_arg(ap, unsigned);
		unsigned char *entry = list.bytes + list.len;

		memset(entry, 0, 8);
		entry[0] = (unsigned char)tag;
		entry[2] = (unsigned char)permissions;
		for (k = 0; k < 4; k++)
			entry[4 + k] = (unsigned char)(id >> 8 * k);
		list.len += 8;
	}
	va_end(ap);
	return list;
}

static bool
is(const char *path, const char *name, struct list want)
{
	unsigned char got[200];
	ssize_t len = getxattr(path, name, got, sizeof(got));

	return len == (ssize_t)want.len && memcmp(got, want.bytes, want.len) == 0;
}

static int
set(const char *path, const char *name, struct list list)
{

	return setxattr(path, name, list.bytes, list.len, 0);
}

#define NOBODY 0xffffffffu

static void
acl_and_mode(void)
{
	struct watch file;

	make("f", 0640, ALICE, GROUP_A);
	ERR(ENODATA, getxattr("f", ACCESS, NULL, 0));
	file = watch("f");
	OK(set("f", ACCESS, list_of(5, USER_OBJ, 7, NOBODY, USER, 6, BOB, GROUP_OBJ, 4, NOBODY, MASK, 5, NOBODY, OTHER, 1, NOBODY)));
	EQUAL(mode_of("f"), S_IFREG | 0751);
	MOVED(&file, CTIME);
	/* chmod changes the mask. */
	OK(chmod("f", 0623));
	CHECK(is("f", ACCESS,
	    list_of(5, USER_OBJ, 6, NOBODY, USER, 6, BOB, GROUP_OBJ, 4, NOBODY, MASK, 2, NOBODY, OTHER, 3, NOBODY)));
	/* Nothing beyond the mode: no list is kept. */
	OK(set("f", ACCESS, list_of(3, USER_OBJ, 6, NOBODY, GROUP_OBJ, 4, NOBODY, OTHER, 4, NOBODY)));
	EQUAL(mode_of("f"), S_IFREG | 0644);
	ERR(ENODATA, getxattr("f", ACCESS, NULL, 0));
	OK(set("f", ACCESS, list_of(4, USER_OBJ, 6, NOBODY, GROUP_OBJ, 4, NOBODY, MASK, 7, NOBODY, OTHER, 4, NOBODY)));
	EQUAL(mode_of("f"), S_IFREG | 0674);
	OK(removexattr("f", ACCESS));
	ERR(ENODATA, getxattr("f", ACCESS, NULL, 0));
}

/* To remove an ACL that is not there is no error, whatever else the file has; and no change. */
static void
acl_remove_none(void)
{
	struct watch before;

	make("f", 0640, 0, 0);
	make_dir("d", 0755, 0, 0);
	before = watch("f");
	OK(removexattr("f", ACCESS));
	MOVED(&before, 0);
	OK(removexattr("f", DEFAULT));
	OK(setxattr("f", "user.a", "1", 1, 0));
	OK(removexattr("f", ACCESS));
	OK(removexattr("d", ACCESS));
	OK(removexattr("d", DEFAULT));
	ERR(ENODATA, removexattr("f", "user.b"));
	EQUAL(mode_of("f"), S_IFREG | 0640);
}

static void
acl_errors(void)
{

	make("f", 0640, ALICE, GROUP_A);
	OK(symlink("f", "l"));
	ERR(EACCES, set("f", DEFAULT, list_of(3, USER_OBJ, 6, NOBODY, GROUP_OBJ, 4, NOBODY, OTHER, 4, NOBODY)));
	ERR(EINVAL, set("f", ACCESS, list_of(2, USER_OBJ, 6, NOBODY, GROUP_OBJ, 4, NOBODY)));
	ERR(EINVAL, set("f", ACCESS, list_of(4, USER_OBJ, 6, NOBODY, USER, 6, BOB, GROUP_OBJ, 4, NOBODY, OTHER, 4, NOBODY)));
	ERR(EINVAL, setxattr("f", ACCESS, "junk", 4, 0) == -1 && (errno == EINVAL || errno == EOPNOTSUPP) ?
	    (errno = EINVAL, -1) : 0);
	become(BOB, GROUP_B);
	ERR(EPERM, set("f", ACCESS, list_of(3, USER_OBJ, 6, NOBODY, GROUP_OBJ, 4, NOBODY, OTHER, 4, NOBODY)));
	ERR(EPERM, removexattr("f", ACCESS));
	become(ALICE, GROUP_A);
	OK(set("f", ACCESS, list_of(3, USER_OBJ, 6, NOBODY, GROUP_OBJ, 4, NOBODY, OTHER, 4, NOBODY)));
}

static void
acl_inherited(void)
{
	struct list defaults = list_of(5, USER_OBJ, 7, NOBODY, USER, 6, BOB, GROUP_OBJ, 5, NOBODY, MASK, 7, NOBODY,
	    OTHER, 5, NOBODY);

	OK(mkdir("d", 0755));
	OK(set("d", DEFAULT, defaults));
	EQUAL(mode_of("d"), S_IFDIR | 0755);
	umask(077);
	OK(close((int)OK(open("d/f", O_CREAT | O_RDWR, 0666))));
	/* The list stands in for the umask. */
	EQUAL(mode_of("d/f"), S_IFREG | 0664);
	CHECK(is("d/f", ACCESS,
	    list_of(5, USER_OBJ, 6, NOBODY, USER, 6, BOB, GROUP_OBJ, 5, NOBODY, MASK, 6, NOBODY, OTHER, 4, NOBODY)));
	ERR(ENODATA, getxattr("d/f", DEFAULT, NULL, 0));
	OK(mkdir("d/e", 0750));
	EQUAL(mode_of("d/e"), S_IFDIR | 0750);
	CHECK(is("d/e", DEFAULT, defaults));
	CHECK(is("d/e", ACCESS,
	    list_of(5, USER_OBJ, 7, NOBODY, USER, 6, BOB, GROUP_OBJ, 5, NOBODY, MASK, 5, NOBODY, OTHER, 0, NOBODY)));
	OK(mkfifo("d/p", 0600));
	EQUAL(mode_of("d/p"), S_IFIFO | 0600);
	CHECK(is("d/p", ACCESS,
	    list_of(5, USER_OBJ, 6, NOBODY, USER, 6, BOB, GROUP_OBJ, 5, NOBODY, MASK, 0, NOBODY, OTHER, 0, NOBODY)));
	OK(symlink("x", "d/l"));
	EQUAL(mode_of("d/l"), S_IFLNK | 0777);
	OK(mknod("d/n", S_IFREG | 0640, 0));
	EQUAL(mode_of("d/n"), S_IFREG | 0640);
	/* A default list that is no more than a mode leaves none. */
	OK(set("d", DEFAULT, list_of(3, USER_OBJ, 7, NOBODY, GROUP_OBJ, 5, NOBODY, OTHER, 0, NOBODY)));
	OK(close((int)OK(open("d/g", O_CREAT | O_RDWR, 0666))));
	EQUAL(mode_of("d/g"), S_IFREG | 0640);
	ERR(ENODATA, getxattr("d/g", ACCESS, NULL, 0));
	OK(removexattr("d", DEFAULT));
	OK(close((int)OK(open("d/h", O_CREAT | O_RDWR, 0666))));
	EQUAL(mode_of("d/h"), S_IFREG | 0600);
}

static void
acl_access(void)
{

	make("f", 0600, 0, 0);
	OK(set("f", ACCESS, list_of(6, USER_OBJ, 6, NOBODY, USER, 6, ALICE, GROUP_OBJ, 0, NOBODY, GROUP, 4, GROUP_B, MASK, 6,
	    NOBODY, OTHER, 0, NOBODY)));
	become(ALICE, GROUP_A);
	OK(close((int)OK(open("f", O_RDWR))));
	become(BOB, GROUP_B);
	OK(close((int)OK(open("f", O_RDONLY))));
	ERR(EACCES, open("f", O_WRONLY));
	become(BOB, GROUP_A);
	ERR(EACCES, open("f", O_RDONLY));
	become_member(BOB, GROUP_A, GROUP_B);
	OK(close((int)OK(open("f", O_RDONLY))));
	become(0, 0);
	/* The mask takes away what it does not grant. */
	OK(chmod("f", 0640));
	become(ALICE, GROUP_A);
	ERR(EACCES, open("f", O_RDWR));
	OK(close((int)OK(open("f", O_RDONLY))));
	become(0, 0);
	OK(chmod("f", 0600));
	become(ALICE, GROUP_A);
	ERR(EACCES, open("f", O_RDONLY));
}

/* Set by somebody who is not in the file's group: no set-gid bit survives. */
static void
acl_set_gid(void)
{

	make("f", 0755, ALICE, GROUP_B);
	OK(chmod("f", 02755));
	become(ALICE, GROUP_A);
	OK(set("f", ACCESS, list_of(5, USER_OBJ, 7, NOBODY, USER, 5, BOB, GROUP_OBJ, 5, NOBODY, MASK, 5, NOBODY, OTHER, 5, NOBODY)));
	EQUAL(mode_of("f"), S_IFREG | 0755);
}

const struct posix_case acl_cases[] = {
	{ "acl_and_mode", acl_and_mode, false },
	{ "acl_remove_none", acl_remove_none, false },
	{ "acl_errors", acl_errors, false },
	{ "acl_inherited", acl_inherited, false },
	{ "acl_access", acl_access, false },
	{ "acl_set_gid", acl_set_gid, false },
	{ NULL, NULL, false }
};
