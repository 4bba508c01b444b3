/*
 * Damage behind the mount's back, which it must find and mend.
 *
 * Invariant: a file is damaged on one replica at most; and, unless mending is
 * left for later (MENDED_LATER), all damage is on world->spoiling.  So there
 * is a proved copy of everything at any time.  Files stored to through a
 * mapping are left alone until settled: their write is half done.
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oracle.h"

#define RECORD "user.mendfs"
#define RECORD_BYTES_MAX 8192
#define TAG_PAGE 4096
#define TAG_PAGE_BLOCKS 255
#define MEND_TRIES 300			/* some 15 s: copies that nobody reads are proved in the background */

void
drop_caches(unsigned what)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	char digit[2] = { (char)('0' + what), '\n' };

	if (fd < 0)
		return;
	if (write(fd, digit, 2) != 2)
		fprintf(stderr, "oracle: drop_caches: %s\n", strerror(errno));
	close(fd);
}

void
tags_path(const struct world *world, unsigned replica, const struct inode *inode, char *out)
{

	snprintf(out, PATH_BYTES_MAX, "%s/.mendfs/tags/%02x/%016" PRIx64, world->options->replicas[replica],
	    (unsigned)(inode->ino & 0xff), inode->ino);
}

static int
open_behind(struct world *world, struct inode *inode, const char *path)
{
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		fail(world, inode, "opening %s on the replica: %s", path, strerrorname_np(errno));
	return fd;
}

/* Where damage is sure to be met by reading: bytes of the file, not the middle of a vast hole. */
static uint64_t
pick_target(struct world *world, const struct inode *inode)
{
	uint64_t offset = random_below(world, inode->data.size), data;

	if (inode->limit <= LIMIT_LARGE)
		return offset;
	data = bytes_data(&inode->data, offset);
	return data != UINT64_MAX ? data : inode->data.size - 1;
}

static void
flip_bytes(struct world *world, struct inode *inode, int fd)
{
	unsigned count = 1 + (unsigned)random_below(world, 8), i;
	uint64_t offset = pick_target(world, inode);
	uint8_t byte;

	for (i = 0; i < count; i++) {
		byte = 0;
		if (pread(fd, &byte, 1, (off_t)offset) < 0)
			fail(world, inode, "pread on the replica: %s", strerrorname_np(errno));
		byte ^= (uint8_t)(1 + random_below(world, 255));
		if (pwrite(fd, &byte, 1, (off_t)offset) != 1)
			fail(world, inode, "pwrite on the replica: %s", strerrorname_np(errno));
		note(world, inode, "  SPOILT byte %" PRIu64 " on replica %d", offset, world->spoiling);
		offset = pick_target(world, inode);
	}
}

static void
change_size(struct world *world, struct inode *inode, int fd)
{
	uint64_t size = inode->data.size, wrong;

	wrong = size > 0 && chance(world, 50) ? pick_target(world, inode) : size + 1 + random_below(world, 20000);
	note(world, inode, "  SPOILT size on replica %d: %" PRIu64, world->spoiling, wrong);
	random_fill(world, world->scratch, SCRATCH);
	if (wrong > size && pwrite(fd, world->scratch, (size_t)(wrong - size), (off_t)size) < 0)
		fail(world, inode, "pwrite on the replica: %s", strerrorname_np(errno));
	if (ftruncate(fd, (off_t)wrong) != 0)
		fail(world, inode, "ftruncate on the replica: %s", strerrorname_np(errno));
}

static void
spoil_data(struct world *world, struct inode *inode, const char *path)
{
	int fd = open_behind(world, inode, path);
	bool keep_mtime = chance(world, 50);
	struct timespec times[2];
	struct stat st;

	if (fstat(fd, &st) != 0)
		fail(world, inode, "fstat on the replica: %s", strerrorname_np(errno));
	if (inode->data.size == 0 || chance(world, 20))
		change_size(world, inode, fd);
	else
		flip_bytes(world, inode, fd);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	if (keep_mtime) {
		note(world, inode, "  and its mtime put back");
		if (futimens(fd, times) != 0)
			fail(world, inode, "futimens on the replica: %s", strerrorname_np(errno));
	}
	close(fd);
	inode->spoilt_what |= SPOIL_DATA;
}

static void
spoil_record(struct world *world, struct inode *inode, const char *path)
{
	uint8_t record[RECORD_BYTES_MAX];
	uint64_t kind = random_below(world, 3), bit = random_bits(world);
	ssize_t len;
	int rc;

	if ((len = lgetxattr(path, RECORD, record, sizeof(record))) <= 0) {
		/* Removed before, or not stored yet. */
		len = 64;
		kind = 0;
	}
	note(world, inode, "  SPOILT record on replica %d: %s", world->spoiling,
	    kind == 0 ? "junk" : kind == 1 ? "removed" : "one bit");
	if (kind == 0)
		random_fill(world, record, (size_t)(len = 1 + (ssize_t)(bit % 128)));
	else if (kind == 2)
		record[bit / 8 % (uint64_t)len] ^= (uint8_t)(1u << bit % 8);
	rc = kind == 1 ? lremovexattr(path, RECORD) : lsetxattr(path, RECORD, record, (size_t)len, 0);
	if (rc != 0)
		fail(world, inode, "spoiling the record: %s", strerrorname_np(errno));
	inode->spoilt_what |= SPOIL_RECORD;
}

static bool
spoil_tags(struct world *world, struct inode *inode)
{
	char path[PATH_BYTES_MAX];
	uint64_t offset, bits = random_bits(world);
	struct stat st;
	uint8_t byte;
	int fd;

	tags_path(world, (unsigned)world->spoiling, inode, path);
	if ((fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return false;
	if (fstat(fd, &st) != 0 || st.st_size == 0) {
		close(fd);
		return false;
	}
	offset = bits % (uint64_t)st.st_size;
	/* Of a sparse file, the tags of what will be read again. */
	if (inode->limit > LIMIT_LARGE && inode->data.size > 0)
		offset = pick_target(world, inode) / (4096 * TAG_PAGE_BLOCKS) * TAG_PAGE + bits % TAG_PAGE;
	note(world, inode, "  SPOILT tags on replica %d: byte %" PRIu64 ", page %" PRIu64, world->spoiling, offset,
	    offset / TAG_PAGE);
	if (pread(fd, &byte, 1, (off_t)offset) != 1)
		byte = 0;
	byte ^= (uint8_t)(1u << (bits >> 60));
	if (byte == 0)
		byte = 0xff;
	if (pwrite(fd, &byte, 1, (off_t)offset) != 1)
		fail(world, inode, "pwrite on the replica's tags: %s", strerrorname_np(errno));
	close(fd);
	inode->spoilt_what |= SPOIL_TAGS;
	return true;
}

void
spoil_some(struct world *world)
{
	struct inode *inode;
	char path[PATH_BYTES_MAX];
	uint64_t kind;

	if (world->spoiling < 0 || chance(world, 12)) {
		spoil_mend_all(world, false);
		world->spoiling = (int)random_below(world, world->options->replica_count);
	}
	inode = pick_inode(world, chance(world, 92) ? S_IFREG : S_IFDIR);
	if (inode == NULL || inode->fuzzy || (inode->spoilt >= 0 && inode->spoilt != world->spoiling))
		return;
	if (!replica_path(world, (unsigned)world->spoiling, inode, path))
		return;
	kind = random_below(world, 100);
	inode->spoilt = world->spoiling;
	world->spoils++;
	if (S_ISDIR(inode->mode) || kind < 25)
		spoil_record(world, inode, path);
	else if (kind >= 50 || !spoil_tags(world, inode))
		spoil_data(world, inode, path);
}

/* A generator for what must not touch the world's: how often it is asked is not determined by the seed. */
static size_t
next_size(uint32_t *state)
{

	*state = *state * 1664525u + 1013904223u;
	return 4096 * (1 + (size_t)(*state >> 16) % (SCRATCH / 4096));
}

static void
read_span(struct world *world, struct inode *inode, int fd, uint64_t from, uint64_t to, uint32_t *state)
{
	ssize_t got;

	for (from = from / 4096 * 4096; from < to; from += (uint64_t)got) {
		got = pread(fd, world->scratch, next_size(state), (off_t)from);
		if (got < 0)
			fail(world, inode, "pread of a damaged file at %" PRIu64 ": %s", from, strerrorname_np(errno));
		if (got == 0)
			fail(world, inode, "pread of a damaged file at %" PRIu64 ": end of file", from);
		check_data(world, inode, from, world->scratch, (size_t)got, "pread of a damaged file");
	}
}

static void
read_block(struct world *world, struct inode *inode, int fd, uint64_t offset)
{
	ssize_t got = pread(fd, world->scratch, 4096, (off_t)offset);

	if (got <= 0)
		fail(world, inode, "pread of a damaged file at %" PRIu64 ": %s", offset, strerrorname_np(errno));
	check_data(world, inode, offset, world->scratch, (size_t)got, "pread of a damaged file");
}

static _Thread_local uint32_t read_state = 1;

void
read_wholly(struct world *world, struct inode *inode, bool direct)
{
	uint64_t size = inode->data.size, at = 0, end;
	char path[PATH_BYTES_MAX];
	int fd;

	inode_full_path(world, inode, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0));
	expect(world, inode, "open of a damaged file", fd, 0);
	/* Replicas that are read in turn must not come round in step with our requests. */
	if (next_size(&read_state) / 4096 % 2 == 1)
		read_span(world, inode, fd, 0, size < 4096 ? size : 4096, &read_state);
	if (inode->limit <= LIMIT_LARGE) {
		read_span(world, inode, fd, 0, size, &read_state);
	} else {
		while ((at = bytes_data(&inode->data, at)) != UINT64_MAX) {
			end = at / 4096 * 4096 + 65536 < size ? at / 4096 * 4096 + 65536 : size;
			read_span(world, inode, fd, at, end, &read_state);
			at = end;
		}
		read_span(world, inode, fd, size > 65536 ? size - 65536 : 0, size, &read_state);
		/* One block for each page of tags, where holes are, too. */
		if (inode->spoilt_what & SPOIL_TAGS)
			for (at = 0; at < size; at += 4096 * TAG_PAGE_BLOCKS)
				read_block(world, inode, fd, at);
	}
	if (!direct)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

/* Do all replicas hold the same record?  Its bytes are nobody's business but the daemon's. */
static bool
records_same(struct world *world, struct inode *inode, char *difference, size_t size)
{
	uint8_t first[RECORD_BYTES_MAX], other[RECORD_BYTES_MAX];
	ssize_t first_len = 0, len;
	char path[PATH_BYTES_MAX];
	unsigned i;

	for (i = 0; i < world->options->replica_count; i++) {
		if (!replica_path(world, i, inode, path))
			return true;
		len = lgetxattr(path, RECORD, i == 0 ? first : other, RECORD_BYTES_MAX);
		if (i == 0)
			first_len = len;
		if (len < 0 || len != first_len || (i > 0 && memcmp(first, other, (size_t)len) != 0)) {
			snprintf(difference, size, "record of replica %u (%zd bytes) and of replica 0 (%zd bytes) differ", i,
			    len, first_len);
			return false;
		}
	}
	return true;
}

/* A page that is not there is as good as one of zeros. */
static bool
tags_same(struct world *world, struct inode *inode, char *difference, size_t size)
{
	uint64_t pages = (inode->data.size + 4096 * TAG_PAGE_BLOCKS - 1) / (4096 * TAG_PAGE_BLOCKS);
	size_t room = pages * TAG_PAGE < SCRATCH ? (size_t)(pages * TAG_PAGE) : SCRATCH;
	char path[PATH_BYTES_MAX];
	unsigned i;
	int fd;

	/* What lies behind the last block's page counts for nothing; the first MiB will do: tags of 256 MiB. */
	for (i = 0; i < world->options->replica_count; i++) {
		uint8_t *buffer = i == 0 ? world->scratch : world->scratch2;

		tags_path(world, i, inode, path);
		memset(buffer, 0, room);
		if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) >= 0) {
			if (pread(fd, buffer, room, 0) < 0)
				fail(world, inode, "pread on the replica's tags: %s", strerrorname_np(errno));
			close(fd);
		}
		if (memcmp(world->scratch, buffer, room) != 0) {
			snprintf(difference, size, "tags of replica %u and of replica 0 differ", i);
			return false;
		}
	}
	return true;
}

static bool
mended(struct world *world, struct inode *inode, char *difference, size_t size)
{

	if (S_ISREG(inode->mode) && !replica_same(world, (unsigned)inode->spoilt, inode, difference, size))
		return false;
	if (!records_same(world, inode, difference, size))
		return false;
	return !S_ISREG(inode->mode) || tags_same(world, inode, difference, size);
}

static void
mend(struct world *world, struct inode *inode)
{
	char difference[500];
	struct timespec pause = { 0, 50000000 };
	unsigned i;

	for (i = 0; i < MEND_TRIES; i++) {
		if (S_ISDIR(inode->mode))
			check_directory(world, inode);
		else
			read_wholly(world, inode, i % 4 != 3);
		check_inode(world, inode);
		if (mended(world, inode, difference, sizeof(difference))) {
			inode->spoilt = -1;
			inode->spoilt_what = 0;
			world->mends++;
			return;
		}
		/* Which replica is read is the daemon's choice, and so is when it stores a record: ask again. */
		if (world->options->mending == MENDED_LATER)
			return;
		if (i >= 8)
			nanosleep(&pause, NULL);
		if (i % 16 == 15)
			drop_caches(3);
	}
	fail(world, inode, "not mended on replica %d: %s", inode->spoilt, difference);
}

void
spoil_mend_all(struct world *world, bool last)
{
	bool any = false, deep = last, directory = false;
	struct inode *inode;
	size_t i;

	for (i = 0; i < world->inode_count; i++) {
		inode = world->inodes[i];
		if (inode->spoilt < 0 || (inode != world->root && inode->name_count == 0))
			continue;
		any = true;
		directory = directory || S_ISDIR(inode->mode);
		note(world, inode, "read to be mended");
		deep = deep || (inode->spoilt_what & (SPOIL_RECORD | SPOIL_TAGS)) != 0;
		/* It has a name, so it stays though its handles go. */
		settle(world, inode);
		inode_close(world, inode);
	}
	if (!any)
		return;
	/* What is open below a directory keeps it, and what the daemon knows of it, in memory. */
	if (directory) {
		for (i = 0; i < world->inode_count; i++)
			settle(world, world->inodes[i]);
		inode_close(world, NULL);
	}
	if (deep)
		drop_caches(3);
	for (i = 0; i < world->inode_count; i++) {
		inode = world->inodes[i];
		if (inode->spoilt >= 0 && (inode == world->root || inode->name_count > 0))
			mend(world, inode);
	}
}
