/*
 * The same block spoiled on every replica.
 *
 * Nobody can prove it: EIO for that block and for nothing else, no change by
 * a write that would have to merge with it, and right bytes as soon as it is
 * wholly overwritten or cut away.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "oracle.h"

#define BLOCK 4096ull
#define SPOILT_LOOKS 3		/* a spoiled block is found spoiled so often */
#define SPOILT_PAUSE_US 20000	/* so far apart, longer than a mending under way takes */

/* One regular file with random bytes, durable, and out of every cache. */
static struct inode *
prepare(struct world *world, const char *name, uint64_t size)
{
	struct inode *inode = inode_create(world, world->root, S_IFREG | 0644, world->options->umask);
	char path[PATH_BYTES_MAX];
	uint64_t at, bits;
	size_t part, i;
	int fd;

	inode->limit = LIMIT_LARGE;
	world->large_count++;
	entry_add(world, world->root, name, inode);
	time_must(world, world->root, TIME_M | TIME_C);
	full_path(world, world->root, name, path);
	note(world, inode, "all spoiled: %s of %" PRIu64 " bytes", name, size);
	expect(world, inode, "open", fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644), 0);
	for (at = 0; at < size; at += part) {
		part = size - at < SCRATCH ? (size_t)(size - at) : SCRATCH;
		for (i = 0; i < SCRATCH; i += 8) {
			bits = random_bits(world) | 1;
			memcpy(world->scratch + i, &bits, 8);
		}
		if (pwrite(fd, world->scratch, part, (off_t)at) != (ssize_t)part)
			fail(world, inode, "pwrite: %s", strerrorname_np(errno));
		bytes_write(&inode->data, at, world->scratch, part);
	}
	expect(world, inode, "fsync", fsync(fd), 0);
	expect(world, inode, "close", close(fd), 0);
	check_inode(world, inode);
	return inode;
}

static int
open_inode(struct world *world, struct inode *inode, int flags)
{
	char path[PATH_BYTES_MAX];
	int fd;

	inode_full_path(world, inode, path);
	expect(world, inode, "open", fd = open(path, flags | O_CLOEXEC), 0);
	return fd;
}

static void
forget_pages(struct world *world, struct inode *inode)
{
	int fd = open_inode(world, inode, O_RDONLY);

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

/* One replica's copy of a byte becomes ${byte}; true if it was that already. */
static bool
spoil_copy(struct world *world, struct inode *inode, unsigned replica, uint64_t offset, uint8_t byte)
{
	char path[PATH_BYTES_MAX];
	struct timespec times[2];
	struct stat st;
	uint8_t before;
	int fd;

	replica_path(world, replica, inode, path);
	if ((fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC)) < 0 || fstat(fd, &st) != 0 ||
	    pread(fd, &before, 1, (off_t)offset) != 1)
		fail(world, inode, "replica %u: %s", replica, strerrorname_np(errno));
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	if (before != byte && (pwrite(fd, &byte, 1, (off_t)offset) != 1 || futimens(fd, times) != 0))
		fail(world, inode, "replica %u: %s", replica, strerrorname_np(errno));
	close(fd);
	return before == byte;
}

/*
 * A different byte on each replica, or they would agree.  The daemon may be
 * proving the file just now, and mend one copy from another that is not spoiled
 * yet: so it goes on until all are found spoiled and stay so for a while.
 */
static void
spoil_block(struct world *world, struct inode *inode, uint64_t block)
{
	uint64_t offset = block * BLOCK, room = inode->data.size - offset;
	uint8_t right;
	unsigned i, quiet = 0;
	bool all;

	offset += random_below(world, room < BLOCK ? room : BLOCK);
	note(world, inode, "SPOILT byte %" PRIu64 " (block %" PRIu64 ") on all replicas", offset, block);
	(void)bytes_read(&inode->data, offset, &right, 1);
	for (; quiet < SPOILT_LOOKS; quiet = all ? quiet + 1 : 0) {
		all = true;
		for (i = 0; i < world->options->replica_count; i++)
			all = spoil_copy(world, inode, i, offset, right ^ (uint8_t)(1u << i % 8)) && all;
		usleep(SPOILT_PAUSE_US);
	}
	forget_pages(world, inode);
}

static void
expect_only_bad(struct world *world, struct inode *inode, uint64_t bad, bool direct)
{
	int fd = open_inode(world, inode, O_RDONLY | (direct ? O_DIRECT : 0));
	uint64_t block, blocks = (inode->data.size + BLOCK - 1) / BLOCK;
	ssize_t got;

	for (block = 0; block < blocks; block++) {
		/* Of a large file the neighbours and a sample will do. */
		if (blocks > 300 && block + 20 < bad && block % 37 != 0)
			continue;
		got = pread(fd, world->scratch, BLOCK, (off_t)(block * BLOCK));
		if (block == bad)
			expect(world, inode, "read of a block without a proved copy", got, EIO);
		else if (got < 0)
			fail(world, inode, "read of sound block %" PRIu64 " beside bad block %" PRIu64 ": %s", block, bad,
			    strerrorname_np(errno));
		else
			check_data(world, inode, block * BLOCK, world->scratch, (size_t)got, "read of a sound block");
	}
	close(fd);
}

/* Everything on the replicas but the spoilt byte is as it was. */
static void
expect_unchanged(struct world *world, struct inode *inode, uint64_t bad)
{
	uint8_t want[BLOCK];
	char path[PATH_BYTES_MAX];
	size_t len, wrong, at;
	uint64_t block;
	unsigned i;
	int fd;

	for (i = 0; i < world->options->replica_count; i++) {
		replica_path(world, i, inode, path);
		if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) < 0)
			fail(world, inode, "replica %u: %s", i, strerrorname_np(errno));
		for (block = bad > 2 ? bad - 2 : 0; block < bad + 3 && block * BLOCK < inode->data.size; block++) {
			len = bytes_read(&inode->data, block * BLOCK, want, BLOCK);
			if (pread(fd, world->scratch, BLOCK, (off_t)(block * BLOCK)) != (ssize_t)len)
				fail(world, inode, "replica %u: block %" PRIu64 " has another length now", i, block);
			for (at = wrong = 0; at < len; at++)
				wrong += want[at] != world->scratch[at];
			if (wrong != (block == bad ? 1 : 0))
				fail(world, inode, "replica %u: block %" PRIu64 " was changed by a refused request", i, block);
		}
		close(fd);
	}
	check_inode(world, inode);
}

static void
refuse_merges(struct world *world, struct inode *inode, uint64_t bad)
{
	uint64_t start = bad * BLOCK, size = inode->data.size;
	bool tail = start + BLOCK > size;
	int fd = open_inode(world, inode, O_RDWR);
	ssize_t n;

	memset(world->scratch2, 0xa5, 3 * BLOCK);
	note(world, inode, "partial writes to block %" PRIu64, bad);
	expect(world, inode, "partial overwrite of the bad block", pwrite(fd, world->scratch2, 100, (off_t)start + 10), EIO);
	expect_unchanged(world, inode, bad);
	if (start > 0) {
		n = pwrite(fd, world->scratch2, BLOCK / 2 + 10, (off_t)(start - BLOCK / 2));
		/* The kernel may send each page's part by itself: then the sound block's part is written. */
		if (n == (ssize_t)(BLOCK / 2)) {
			bytes_write(&inode->data, start - BLOCK / 2, world->scratch2, BLOCK / 2);
			time_must(world, inode, TIME_M | TIME_C);
		} else {
			expect(world, inode, "write that reaches into the bad block", n, EIO);
		}
		expect_unchanged(world, inode, bad);
	}
	if (tail) {
		expect(world, inode, "append to a bad tail block", pwrite(fd, world->scratch2, 100, (off_t)size), EIO);
		expect_unchanged(world, inode, bad);
	}
	note(world, inode, "truncate into block %" PRIu64, bad);
	expect(world, inode, "truncate into the bad block", ftruncate(fd, (off_t)start + 7), EIO);
	expect_unchanged(world, inode, bad);
	close(fd);
	forget_pages(world, inode);
	expect_only_bad(world, inode, bad, true);
}

static void
expect_healed(struct world *world, struct inode *inode)
{
	char difference[500];
	unsigned i;

	forget_pages(world, inode);
	check_inode(world, inode);
	check_contents(world, inode, true);
	check_contents(world, inode, false);
	for (i = 0; i < world->options->replica_count; i++)
		if (!replica_same(world, i, inode, difference, sizeof(difference)))
			fail(world, inode, "not healed on replica %u: %s", i, difference);
}

static void
overwrite_heals(struct world *world, struct inode *inode, uint64_t bad)
{
	uint64_t start = bad * BLOCK, room = inode->data.size - start;
	size_t len = room < BLOCK ? (size_t)room : BLOCK;
	int fd = open_inode(world, inode, O_WRONLY);

	note(world, inode, "whole overwrite of block %" PRIu64, bad);
	memset(world->scratch2, 0x3c, len);
	expect(world, inode, "whole overwrite of the bad block", pwrite(fd, world->scratch2, len, (off_t)start), 0);
	bytes_write(&inode->data, start, world->scratch2, len);
	time_must(world, inode, TIME_M | TIME_C);
	expect(world, inode, "fsync", fsync(fd), 0);
	close(fd);
	expect_healed(world, inode);
}

static void
cut_heals(struct world *world, struct inode *inode, uint64_t bad)
{
	int fd = open_inode(world, inode, O_WRONLY);

	note(world, inode, "truncate at the start of block %" PRIu64, bad);
	expect(world, inode, "truncate before the bad block", ftruncate(fd, (off_t)(bad * BLOCK)), 0);
	bytes_resize(&inode->data, bad * BLOCK);
	time_must(world, inode, TIME_M | TIME_C);
	check_inode(world, inode);
	expect(world, inode, "extend again", ftruncate(fd, (off_t)(bad * BLOCK + 9000)), 0);
	bytes_resize(&inode->data, bad * BLOCK + 9000);
	time_must(world, inode, TIME_M | TIME_C);
	expect(world, inode, "fsync", fsync(fd), 0);
	close(fd);
	expect_healed(world, inode);
}

static void
one_case(struct world *world, const char *name, uint64_t size, uint64_t bad, bool forget)
{
	struct inode *inode = prepare(world, name, size);

	world->op++;
	if (forget)
		drop_caches(3);
	spoil_block(world, inode, bad);
	expect_only_bad(world, inode, bad, true);
	expect_only_bad(world, inode, bad, false);
	refuse_merges(world, inode, bad);
	overwrite_heals(world, inode, bad);
	spoil_block(world, inode, bad);
	expect_only_bad(world, inode, bad, true);
	cut_heals(world, inode, bad);
	check_inode(world, world->root);
	printf("ok: %s, %" PRIu64 " bytes, block %" PRIu64 "%s\n", name, size, bad, forget ? ", after forgetting" : "");
}

void
all_spoiled(struct world *world)
{
	static const struct { const char *kind; uint64_t size; } files[] = {
		{ "one block", 1000 }, { "small", 14000 }, { "inline", 100 * BLOCK }, { "paged", 700001 },
		{ "large", 3 * 1048576 + 77 }
	};
	char name[64];
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		uint64_t last = (files[i].size - 1) / BLOCK;

		clock_gettime(CLOCK_REALTIME_COARSE, &world->began);
		snprintf(name, sizeof(name), "%s, first", files[i].kind);
		one_case(world, name, files[i].size, 0, true);
		if (last > 0) {
			snprintf(name, sizeof(name), "%s, middle", files[i].kind);
			one_case(world, name, files[i].size, last / 2, false);
			snprintf(name, sizeof(name), "%s, tail", files[i].kind);
			one_case(world, name, files[i].size, last, true);
		}
	}
}
