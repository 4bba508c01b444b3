/*
 * powerdisk -- disks with a cache that is lost with the power.
 *
 * usage: powerdisk MOUNTPOINT DISKS MIB SEED
 *
 * A FUSE file system that holds files disk0, disk1, ... for loop devices, and a
 * file named power.  What a file system above has flushed (the loop driver makes
 * an fsync of that) is on the disk; of what was written since, a power cut
 * keeps some, in whole or only some of its pages, and loses the rest, on each
 * disk differently, as disks are free to do.
 *
 *	echo cut >MOUNTPOINT/power	the power goes, at this moment, on all disks
 *	echo on >MOUNTPOINT/power	now they have what the cut has left them
 *
 * Between the two the old contents are there as if nothing had happened, so that
 * what is mounted can be taken down; what is written then counts for nothing.
 *
 * One thread serves, so that a cut comes between two writes.  Each takes some
 * time, and a flush more of it, as on a disk: else nearly nothing would ever be
 * between two flushes.
 */

#define FUSE_USE_VERSION 31
#include <fuse.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISKS_MAX 4
#define PAGE 4096u
#define WRITE_US 50
#define FLUSH_US 2000

/* A write since the last flush; before and after it were ${len} bytes each. */
struct write { struct write *older; uint64_t offset; size_t len; bool late; uint8_t bytes[]; };

struct disk { uint8_t *data; struct write *writes; };

static struct disk disks[DISKS_MAX];
static unsigned disk_count;
static uint64_t disk_size, state;
static bool cut;			/* and not on again */
static unsigned long kept, torn, lost;

static uint64_t
draw(uint64_t n)
{
	uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % n;
}

static struct disk *
disk_of(const char *path)
{
	unsigned n;

	return sscanf(path, "/disk%u", &n) == 1 && n < disk_count ? &disks[n] : NULL;
}

/* ---- the cache */

static void
forget(struct write **writes)
{
	struct write *w;

	while ((w = *writes) != NULL) {
		*writes = w->older;
		free(w);
	}
}

static int
note(struct disk *d, const char *bytes, size_t len, uint64_t offset)
{
	struct write *w = malloc(sizeof(*w) + 2 * len);

	if (w == NULL)
		return -ENOMEM;
	w->offset = offset;
	w->len = len;
	w->late = cut;
	memcpy(w->bytes, d->data + offset, len);
	memcpy(w->bytes + len, bytes, len);
	w->older = d->writes;
	d->writes = w;
	memcpy(d->data + offset, bytes, len);
	return 0;
}

/* A write that the disk was at, or had in its cache. */
static void
perhaps(struct disk *d, const struct write *w, uint64_t mood)
{
	size_t at, len;

	if (draw(10) < mood) {
		memcpy(d->data + w->offset, w->bytes + w->len, w->len);
		kept++;
	} else if (w->len > PAGE && draw(2) == 0) {
		for (at = 0; at < w->len; at += len) {
			len = PAGE - (w->offset + at) % PAGE;
			len = len < w->len - at ? len : w->len - at;
			if (draw(2) == 0)
				memcpy(d->data + w->offset + at, w->bytes + w->len + at, len);
		}
		torn++;
	} else {
		lost++;
	}
}

/* Back to the last flush before the cut, and from there some of what came after it. */
static void
power_on(struct disk *d)
{
	struct write *w, *newer = NULL, *older;
	uint64_t mood = draw(11);	/* of ten writes so many are kept */

	for (w = d->writes; w != NULL; w = older) {
		older = w->older;
		memcpy(d->data + w->offset, w->bytes, w->len);
		w->older = newer;
		newer = w;
	}
	d->writes = newer;
	for (w = newer; w != NULL; w = w->older) {
		if (!w->late)
			perhaps(d, w, mood);
	}
	forget(&d->writes);
}

static int
power(const char *command, size_t len)
{
	unsigned i;

	if (len >= 3 && memcmp(command, "cut", 3) == 0) {
		cut = true;
	} else if (len >= 2 && memcmp(command, "on", 2) == 0) {
		for (i = 0; cut && i < disk_count; i++)
			power_on(&disks[i]);
		cut = false;
		printf("powerdisk: of what was not flushed %lu writes were kept, %lu torn, %lu lost\n", kept, torn, lost);
		fflush(stdout);
	} else {
		return -EINVAL;
	}
	return (int)len;
}

/* ---- the files */

static int
disk_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	memset(st, 0, sizeof(*st));
	if (strcmp(path, "/") == 0) {
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
		return 0;
	}
	if (strcmp(path, "/power") != 0 && disk_of(path) == NULL)
		return -ENOENT;
	st->st_mode = S_IFREG | 0600;
	st->st_nlink = 1;
	st->st_size = disk_of(path) != NULL ? (off_t)disk_size : 0;
	return 0;
}

static int
disk_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	(void)fi;
	return disk_of(path) == NULL || (uint64_t)size == disk_size ? 0 : -EINVAL;
}

static int
disk_read(const char *path, char *buf, size_t len, off_t offset, struct fuse_file_info *fi)
{
	struct disk *d = disk_of(path);

	(void)fi;
	if (d == NULL || (uint64_t)offset >= disk_size)
		return 0;
	len = len < disk_size - (uint64_t)offset ? len : (size_t)(disk_size - (uint64_t)offset);
	memcpy(buf, d->data + offset, len);
	return (int)len;
}

static int
disk_write(const char *path, const char *buf, size_t len, off_t offset, struct fuse_file_info *fi)
{
	struct disk *d = disk_of(path);
	int rc;

	(void)fi;
	if (d == NULL)
		return power(buf, len);
	if ((uint64_t)offset >= disk_size || len > disk_size - (uint64_t)offset)
		return -ENOSPC;
	usleep(WRITE_US);
	rc = note(d, buf, len, (uint64_t)offset);
	return rc != 0 ? rc : (int)len;
}

static int
disk_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
	struct disk *d = disk_of(path);

	(void)data_only;
	(void)fi;
	if (d == NULL || cut)
		return 0;
	usleep(FLUSH_US);
	forget(&d->writes);
	return 0;
}

static const struct fuse_operations operations = {
	.getattr = disk_getattr,
	.truncate = disk_truncate,
	.read = disk_read,
	.write = disk_write,
	.fsync = disk_fsync,
};

int
main(int argc, char *argv[])
{
	char *args[] = { argv[0], argv[1], (char[]){ "-f" }, (char[]){ "-s" }, (char[]){ "-ofsname=powerdisk" }, NULL };
	unsigned i;

	if (argc != 5 || (disk_count = (unsigned)atoi(argv[2])) == 0 || disk_count > DISKS_MAX) {
		fprintf(stderr, "usage: powerdisk MOUNTPOINT DISKS MIB SEED\n");
		return 2;
	}
	disk_size = strtoull(argv[3], NULL, 0) << 20;
	state = strtoull(argv[4], NULL, 0);
	for (i = 0; i < disk_count; i++) {
		disks[i].data = mmap(NULL, disk_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (disks[i].data == MAP_FAILED) {
			perror("powerdisk");
			return 1;
		}
	}
	return fuse_main(5, args, &operations, NULL);
}
