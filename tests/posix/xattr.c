/*
 * Extended attributes.
 */

#include <sys/mman.h>
#include <sys/xattr.h>

#include "posix.h"

static void
xattr_basic(void)
{
	char value[300], list[1000];
	int fd;

	make("f", 0644, 0, 0);
	ERR(ENODATA, getxattr("f", "user.a", value, sizeof(value)));
	ERR(ENODATA, removexattr("f", "user.a"));
	ERR(ENODATA, setxattr("f", "user.a", "x", 1, XATTR_REPLACE));
	OK(setxattr("f", "user.a", "\0\xff\n", 3, XATTR_CREATE));
	ERR(EEXIST, setxattr("f", "user.a", "x", 1, XATTR_CREATE));
	EQUAL(getxattr("f", "user.a", NULL, 0), 3);
	EQUAL(getxattr("f", "user.a", value, sizeof(value)), 3);
	CHECK(memcmp(value, "\0\xff\n", 3) == 0);
	ERR(ERANGE, getxattr("f", "user.a", value, 2));
	OK(setxattr("f", "user.a", "longer than before", 18, XATTR_REPLACE));
	EQUAL(getxattr("f", "user.a", value, sizeof(value)), 18);
	OK(setxattr("f", "user.empty", "", 0, 0));
	EQUAL(getxattr("f", "user.empty", value, sizeof(value)), 0);
	fd = (int)OK(open("f", O_RDONLY));
	OK(fsetxattr(fd, "trusted.t", "1", 1, 0));
	EQUAL(fgetxattr(fd, "trusted.t", value, sizeof(value)), 1);
	EQUAL(flistxattr(fd, NULL, 0), flistxattr(fd, list, sizeof(list)));
	ERR(ERANGE, flistxattr(fd, list, 3));
	OK(fremovexattr(fd, "trusted.t"));
	ERR(ENODATA, fgetxattr(fd, "trusted.t", value, sizeof(value)));
	close(fd);
	OK(removexattr("f", "user.a"));
	ERR(ENODATA, getxattr("f", "user.a", value, sizeof(value)));
	OK(link("f", "g"));
	EQUAL(getxattr("g", "user.empty", value, sizeof(value)), 0);
	ERR(EOPNOTSUPP, setxattr("f", "nonsense.x", "1", 1, 0));
	ERR(EOPNOTSUPP, getxattr("f", "nonsense.x", value, 1));
	ERR(EOPNOTSUPP, removexattr("f", "nonsense.x"));
	ERR(EOPNOTSUPP, getxattr("f", "system.nonsense", value, 1));
	ERR(EOPNOTSUPP, setxattr("f", "system.nonsense", "1", 1, 0));
	ERR(EOPNOTSUPP, removexattr("f", "system.nonsense"));
	ERR(EINVAL, setxattr("f", "user.", "1", 1, 0));
	ERR(EINVAL, getxattr("f", "user.", value, 1));
	ERR(EINVAL, removexattr("f", "user."));
	ERR(EINVAL, setxattr("f", "user.a", "1", 1, 0x70));
	ERR(ENOENT, setxattr("none", "user.a", "1", 1, 0));
	ERR(ENOENT, getxattr("none", "user.a", value, 1));
}

static void
xattr_sizes(void)
{
	static char value[70000];
	char name[300];
	size_t len;

	make("f", 0644, 0, 0);
	memset(value, 'v', sizeof(value));
	for (len = 0; len <= 2000; len += 125) {
		OK(setxattr("f", "user.v", value, len, 0));
		EQUAL(getxattr("f", "user.v", value, sizeof(value)), len);
	}
	ERR(E2BIG, setxattr("f", "user.v", value, 65537, 0));
	CHECK(setxattr("f", "user.v", value, 65536, 0) == -1 && (errno == ENOSPC || errno == E2BIG || errno == ERANGE));
	EQUAL(getxattr("f", "user.v", value, sizeof(value)), 2000);
	snprintf(name, sizeof(name), "user.%s", long_name(250));
	OK(setxattr("f", name, "1", 1, 0));
	EQUAL(getxattr("f", name, value, 10), 1);
	snprintf(name, sizeof(name), "user.%s", long_name(251));
	ERR(ERANGE, setxattr("f", name, "1", 1, 0));
	ERR(ERANGE, getxattr("f", name, value, 1));
}

/* A file with data to be proved and attributes to be kept, each growing. */
static void
xattr_with_data(void)
{
	static char data[600000];
	char name[32], value[100];
	unsigned i;
	int fd = open_new("f");

	memset(data, 'd', sizeof(data));
	for (i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "user.number-%u", i);
		memset(value, (int)('a' + i), sizeof(value));
		OK(fsetxattr(fd, name, value, 60, 0));
		EQUAL(pwrite(fd, data, 40000, i * 40000), 40000);
		OK(fsync(fd));
	}
	for (i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "user.number-%u", i);
		EQUAL(fgetxattr(fd, name, value, sizeof(value)), 60);
		EQUAL(value[59], 'a' + (int)i);
		OK(fremovexattr(fd, name));
	}
	OK(ftruncate(fd, 100));
	EQUAL(flistxattr(fd, value, sizeof(value)), 0);
	close(fd);
}

static void
xattr_types(void)
{
	char value[10];

	OK(mkdir("d", 0755));
	OK(mkfifo("p", 0644));
	OK(symlink("d", "l"));
	OK(setxattr("d", "user.a", "1", 1, 0));
	OK(setxattr("l", "user.b", "2", 1, 0));
	EQUAL(getxattr("d", "user.b", value, sizeof(value)), 1);
	ERR(EPERM, setxattr("p", "user.a", "1", 1, 0));
	ERR(EPERM, lsetxattr("l", "user.a", "1", 1, 0));
	ERR(ENODATA, lgetxattr("l", "user.b", value, sizeof(value)));
	OK(setxattr("p", "trusted.a", "1", 1, 0));
	OK(lsetxattr("l", "trusted.a", "1", 1, 0));
	EQUAL(lgetxattr("l", "trusted.a", value, sizeof(value)), 1);
	ERR(ENODATA, getxattr("d", "trusted.a", value, sizeof(value)));
}

static void
xattr_permissions(void)
{
	char value[10], list[100];

	make("f", 0644, BOB, GROUP_B);
	make("w", 0666, BOB, GROUP_B);
	make("secret", 0600, BOB, GROUP_B);
	make_dir("sticky", 01777, BOB, GROUP_B);
	OK(setxattr("f", "user.a", "1", 1, 0));
	OK(setxattr("f", "trusted.a", "1", 1, 0));
	OK(setxattr("secret", "user.a", "1", 1, 0));
	become(ALICE, GROUP_A);
	EQUAL(getxattr("f", "user.a", value, sizeof(value)), 1);
	ERR(EACCES, setxattr("f", "user.b", "1", 1, 0));
	ERR(EACCES, removexattr("f", "user.a"));
	OK(setxattr("w", "user.b", "1", 1, 0));
	ERR(EACCES, getxattr("secret", "user.a", value, sizeof(value)));
	ERR(EPERM, setxattr("w", "trusted.b", "1", 1, 0));
	ERR(ENODATA, getxattr("f", "trusted.a", value, sizeof(value)));
	ERR(EPERM, setxattr("sticky", "user.b", "1", 1, 0));
	/* The trusted ones are not even shown. */
	EQUAL(listxattr("f", list, sizeof(list)), sizeof("user.a"));
}

static void
xattr_times(void)
{
	struct watch file;

	make("f", 0644, 0, 0);
	file = watch("f");
	OK(setxattr("f", "user.a", "1", 1, 0));
	MOVED(&file, CTIME);
	file = watch("f");
	ERR(EEXIST, setxattr("f", "user.a", "1", 1, XATTR_CREATE));
	ERR(ENODATA, removexattr("f", "user.b"));
	EQUAL(getxattr("f", "user.a", NULL, 0), 1);
	OK(listxattr("f", NULL, 0));
	MOVED(&file, 0);
	OK(removexattr("f", "user.a"));
	MOVED(&file, CTIME);
}

/* What a program may do that it need not be root for goes when it is changed. */
static void
xattr_capability(void)
{
	/* Version 2, effective: CAP_NET_BIND_SERVICE. */
	static const unsigned char capability[20] = { 1, 0, 0, 2, 0, 4 };
	char value[64];
	int fd;

	make("f", 0777, 0, 0);
	OK(setxattr("f", "security.capability", capability, sizeof(capability), 0));
	EQUAL(getxattr("f", "security.capability", value, sizeof(value)), sizeof(capability));
	CHECK(memcmp(value, capability, sizeof(capability)) == 0);
	become(ALICE, GROUP_A);
	fd = (int)OK(open("f", O_WRONLY));
	EQUAL(write(fd, "x", 1), 1);
	close(fd);
	become(0, 0);
	ERR(ENODATA, getxattr("f", "security.capability", value, sizeof(value)));
	OK(setxattr("f", "security.capability", capability, sizeof(capability), 0));
	OK(chown("f", BOB, GROUP_B));
	ERR(ENODATA, getxattr("f", "security.capability", value, sizeof(value)));

	/* However the data is changed, and whoever does it. */
	OK(setxattr("f", "security.capability", capability, sizeof(capability), 0));
	OK(setxattr("f", "user.a", "1", 1, 0));
	OK(close((int)OK(open("f", O_WRONLY | O_TRUNC))));
	ERR(ENODATA, getxattr("f", "security.capability", value, sizeof(value)));
	EQUAL(getxattr("f", "user.a", value, sizeof(value)), 1);
	OK(setxattr("f", "security.capability", capability, sizeof(capability), 0));
	OK(truncate("f", 5));
	ERR(ENODATA, getxattr("f", "security.capability", value, sizeof(value)));
	fd = (int)OK(open("f", O_RDWR));
	OK(setxattr("f", "security.capability", capability, sizeof(capability), 0));
	OK(fallocate(fd, 0, 0, 8192));
	ERR(ENODATA, getxattr("f", "security.capability", value, sizeof(value)));
	close(fd);

	/* A directory can have one, which a change of owner leaves alone. */
	make_dir("d", 0755, 0, 0);
	OK(setxattr("d", "security.capability", capability, sizeof(capability), 0));
	OK(chown("d", BOB, GROUP_B));
	EQUAL(getxattr("d", "security.capability", value, sizeof(value)), sizeof(capability));
}

/* A store through a mapping reaches the members as a write; the file stays whole. */
static void
xattr_capability_map(void)
{
	static const unsigned char capability[20] = { 1, 0, 0, 2, 0, 4 };
	char *map, value[64];
	int fd = open_new("f");

	OK(ftruncate(fd, 8192));
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	OK(fsetxattr(fd, "security.capability", capability, sizeof(capability), 0));
	OK(fsetxattr(fd, "user.a", "1", 1, 0));
	map[5000] = 'x';
	OK(msync(map, 8192, MS_SYNC));
	EQUAL(fgetxattr(fd, "user.a", value, sizeof(value)), 1);
	OK(fsetxattr(fd, "user.a", "12", 2, 0));
	OK(fchmod(fd, 0600));
	OK(munmap(map, 8192));
	close(fd);
	EQUAL(getxattr("f", "user.a", value, sizeof(value)), 2);
}

/* What a mount keeps for itself is not to be seen through it, nor to be spoilt. */
static void
xattr_record_hidden(void)
{
	char list[1000];
	ssize_t len;
	int fd;

	if (!posix_fuse())
		posix_skip("not a FUSE file system");
	make("f", 0644, 0, 0);
	fd = (int)OK(open("f", O_RDONLY));
	OK(fsync(fd));
	close(fd);
	ERR(ENODATA, getxattr("f", "user.mendfs", list, sizeof(list)));
	len = (ssize_t)OK(listxattr("f", list, sizeof(list)));
	CHECK(memmem(list, (size_t)len, "user.mendfs", 11) == NULL);
	CHECK(setxattr("f", "user.mendfs", "1", 1, 0) == -1);
	CHECK(removexattr("f", "user.mendfs") == -1);
	OK(access("f", F_OK));
	EQUAL(size_of("f"), 10);
}

const struct posix_case xattr_cases[] = {
	{ "xattr_basic", xattr_basic, false },
	{ "xattr_sizes", xattr_sizes, false },
	{ "xattr_with_data", xattr_with_data, false },
	{ "xattr_types", xattr_types, false },
	{ "xattr_permissions", xattr_permissions, false },
	{ "xattr_times", xattr_times, false },
	{ "xattr_capability", xattr_capability, false },
	{ "xattr_capability_map", xattr_capability_map, false },
	{ "xattr_record_hidden", xattr_record_hidden, false },
	{ NULL, NULL, false }
};
