/*
 * treesum -- one canonical line for each name of a tree, for diff(1).
 *
 * Two trees are the same for a user if and only if their listings are: names,
 * types, modes, owners, times of change to the nanosecond, link structure,
 * devices, link targets, extended attributes with the POSIX ACLs, contents.
 * Nothing is changed by looking: files and directories are opened O_NOATIME.
 *
 * This is a test's own eye and shares no code with mendfs.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CHUNK (1u << 20)
#define XATTR_ROOM (64u << 10)

static struct options {
	bool all;	/* .mendfs and user.mendfs too */
	bool atime;
	bool ctime;
	bool inode;
	bool no_mtime;
	bool no_size;	/* names and types, not what the files hold */
	const char *exclude[8];	/* names to leave out wherever they stand */
	unsigned exclude_count;
} opt;

/* The first name of each inode that has several, in order of the listing. */
struct link {
	dev_t dev;
	ino_t ino;
	char *path;
};

static struct link *links;
static size_t link_count, link_room;
static unsigned failures;
static uint8_t chunk[CHUNK];

static void
die(const char *what)
{

	perror(what);
	exit(2);
}

static void
complain(const char *path, const char *what)
{

	fprintf(stderr, "treesum: %s: %s: %s\n", path, what, strerror(errno));
	failures++;
}

/* Not for safety, for difference: any changed byte changes it. */
static uint64_t
mix(uint64_t h, const uint8_t *p, size_t len)
{
	uint64_t word;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		h = (h ^ word) * UINT64_C(0x9fb21c651e98df25);
		h ^= h >> 29;
	}
	for (; len > 0; p++, len--)
		h = (h ^ *p) * UINT64_C(0x100000001b3);
	return h ^ (h >> 32);
}

static void
put_escaped(const char *s)
{

	for (; *s != '\0'; s++) {
		if (*s > ' ' && *s < 0x7f && *s != '\\')
			putchar(*s);
		else
			printf("\\x%02x", (unsigned char)*s);
	}
}

static const char *
first_name(const struct stat *st, const char *path)
{
	size_t i;

	for (i = 0; i < link_count; i++) {
		if (links[i].ino == st->st_ino && links[i].dev == st->st_dev)
			return links[i].path;
	}
	if (link_count == link_room) {
		link_room = link_room == 0 ? 64 : link_room * 2;
		if ((links = realloc(links, link_room * sizeof(*links))) == NULL)
			die("treesum");
	}
	links[link_count].dev = st->st_dev;
	links[link_count].ino = st->st_ino;
	if ((links[link_count].path = strdup(path)) == NULL)
		die("treesum");
	return links[link_count++].path;
}

static int
compare_names(const void *a, const void *b)
{

	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
wanted_xattr(const char *name)
{

	if (opt.all)
		return true;
	if (strncmp(name, "system.", 7) == 0)
		return strncmp(name, "system.posix_acl_", 17) == 0;
	/* XFS shows how it keeps the ACLs; they are listed as such. */
	if (strncmp(name, "trusted.SGI_ACL_", 16) == 0)
		return false;
	/* Each replica's own matter, with what it knows by heart of a directory. */
	return strcmp(name, "user.mendfs") != 0 && strcmp(name, "user.mendfs.ids") != 0 && strcmp(name, "security.selinux") != 0;
}

/* Both calls take "/proc/self/fd/N/name" so that they work on any type without following. */
static void
put_xattrs(int dir, const char *name, const char *path)
{
	static char list[XATTR_ROOM];
	static uint8_t value[XATTR_ROOM];
	char *names[1024], *p, where[512];
	ssize_t len, got;
	size_t count = 0, i;

	snprintf(where, sizeof(where), "/proc/self/fd/%d/%s", dir, name);
	if ((len = llistxattr(where, list, sizeof(list))) < 0) {
		if (errno != ENOTSUP)
			complain(path, "listxattr");
		return;
	}
	for (p = list; p < list + len && count < 1024; p += strlen(p) + 1) {
		if (wanted_xattr(p))
			names[count++] = p;
	}
	qsort(names, count, sizeof(*names), compare_names);
	for (i = 0; i < count; i++) {
		if ((got = lgetxattr(where, names[i], value, sizeof(value))) < 0) {
			complain(path, names[i]);
			continue;
		}
		printf(" ");
		put_escaped(names[i]);
		printf("=%zd:%016" PRIx64, got, mix(1, value, (size_t)got));
	}
}

static void
put_content(int dir, const char *name, const char *path)
{
	uint64_t h = 1, total = 0;
	ssize_t len;
	int fd;

	if ((fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NOATIME)) < 0 &&
	    (fd = openat(dir, name, O_RDONLY | O_NOFOLLOW)) < 0) {
		complain(path, "open");
		return;
	}
	while ((len = read(fd, chunk, sizeof(chunk))) != 0) {
		if (len < 0) {
			complain(path, "read");
			break;
		}
		h = mix(h, chunk, (size_t)len);
		total += (uint64_t)len;
	}
	close(fd);
	printf(" data=%" PRIu64 ":%016" PRIx64, total, h);
}

static void
put_target(int dir, const char *name, const char *path)
{
	char target[4097];
	ssize_t len;

	if ((len = readlinkat(dir, name, target, sizeof(target) - 1)) < 0) {
		complain(path, "readlink");
		return;
	}
	target[len] = '\0';
	printf(" -> ");
	put_escaped(target);
}

static void
put_time(const char *label, const struct timespec *ts)
{

	printf(" %s=%lld.%09ld", label, (long long)ts->tv_sec, ts->tv_nsec);
}

static char
type_letter(mode_t mode)
{

	switch (mode & S_IFMT) {
	case S_IFREG: return 'f';
	case S_IFDIR: return 'd';
	case S_IFLNK: return 'l';
	case S_IFIFO: return 'p';
	case S_IFSOCK: return 's';
	case S_IFCHR: return 'c';
	case S_IFBLK: return 'b';
	default: return '?';
	}
}

static void
put_line(int dir, const char *name, const char *path, const struct stat *st)
{
	mode_t type = st->st_mode & S_IFMT;

	put_escaped(path);
	printf(" %c", type_letter(st->st_mode));
	if (!opt.no_size)
		printf(" %04o %u:%u", (unsigned)(st->st_mode & 07777), st->st_uid, st->st_gid);
	if (type == S_IFREG && !opt.no_size)
		printf(" size=%lld", (long long)st->st_size);
	if (type == S_IFCHR || type == S_IFBLK)
		printf(" rdev=%u,%u", major(st->st_rdev), minor(st->st_rdev));
	if (opt.inode)
		printf(" ino=%llu", (unsigned long long)st->st_ino);
	if (!opt.no_mtime)
		put_time("mtime", &st->st_mtim);
	if (opt.ctime)
		put_time("ctime", &st->st_ctim);
	if (opt.atime)
		put_time("atime", &st->st_atim);
	if (type != S_IFDIR && st->st_nlink > 1) {
		printf(" links=%lu:", (unsigned long)st->st_nlink);
		put_escaped(first_name(st, path));
	}
	if (type == S_IFLNK)
		put_target(dir, name, path);
	if (!opt.no_size)
		put_xattrs(dir, name, path);
	if (type == S_IFREG && !opt.no_size)
		put_content(dir, name, path);
	putchar('\n');
}

static void walk(int dir, const char *path, bool top);

static void
visit(int dir, const char *name, const char *path)
{
	struct stat st;
	int sub;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		complain(path, "stat");
		return;
	}
	put_line(dir, name, path, &st);
	if (!S_ISDIR(st.st_mode))
		return;
	if ((sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME)) < 0 &&
	    (sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) < 0) {
		complain(path, "open");
		return;
	}
	walk(sub, path, false);
	close(sub);
}

static bool
excluded(const char *name)
{
	unsigned i;

	for (i = 0; i < opt.exclude_count; i++) {
		if (strcmp(name, opt.exclude[i]) == 0)
			return true;
	}
	return false;
}

static size_t
read_names(int dir, const char *path, bool top, char ***namesp)
{
	char **names = NULL;
	size_t count = 0, room = 0;
	struct dirent *e;
	DIR *d;

	if ((d = fdopendir(dup(dir))) == NULL)
		die(path);
	while (errno = 0, (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (top && !opt.all && strcmp(e->d_name, ".mendfs") == 0)
			continue;
		if (excluded(e->d_name))
			continue;
		if (count == room) {
			room = room == 0 ? 64 : room * 2;
			if ((names = realloc(names, room * sizeof(*names))) == NULL)
				die("treesum");
		}
		if ((names[count++] = strdup(e->d_name)) == NULL)
			die("treesum");
	}
	if (errno != 0)
		complain(path, "readdir");
	closedir(d);
	if (count > 0)
		qsort(names, count, sizeof(*names), compare_names);
	*namesp = names;
	return count;
}

static void
walk(int dir, const char *path, bool top)
{
	char **names, *sub;
	size_t count, i;

	count = read_names(dir, path, top, &names);
	for (i = 0; i < count; i++) {
		if (asprintf(&sub, "%s/%s", path, names[i]) < 0)
			die("treesum");
		visit(dir, names[i], sub);
		free(sub);
		free(names[i]);
	}
	free(names);
}

int
main(int argc, char *argv[])
{
	struct stat st;
	int c, dir;

	while ((c = getopt(argc, argv, "aAcimnx:")) != -1) {
		switch (c) {
		case 'a': opt.all = true; break;
		case 'A': opt.atime = true; break;
		case 'c': opt.ctime = true; break;
		case 'i': opt.inode = true; break;
		case 'm': opt.no_mtime = true; break;
		case 'n': opt.no_size = opt.no_mtime = true; break;
		case 'x':
			if (opt.exclude_count < 8)
				opt.exclude[opt.exclude_count++] = optarg;
			break;
		default: optind = argc + 1; break;
		}
	}
	if (optind != argc - 1) {
		fprintf(stderr, "usage: treesum [-aAcimn] [-x name] directory\n"
		    "  -a  .mendfs and user.mendfs too   -n  names and types only\n"
		    "  -A  with atime   -c  with ctime   -i  with inode number   -m  without mtime\n");
		return 2;
	}
	if ((dir = open(argv[optind], O_RDONLY | O_DIRECTORY | O_NOATIME)) < 0 || fstat(dir, &st) != 0)
		die(argv[optind]);
	put_line(dir, ".", ".", &st);
	walk(dir, ".", true);
	close(dir);
	return failures != 0 || fflush(stdout) != 0;
}
