/*
 * Reading and writing, sizes, holes.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "oracle.h"

#define BOTH (TIME_M | TIME_C)

/* One direct request wants whole blocks. */
static void
align(const struct handle *handle, uint64_t *offset, size_t *len)
{

	if (!(handle->flags & O_DIRECT))
		return;
	*offset = *offset / 4096 * 4096;
	*len = (*len + 4095) / 4096 * 4096;
	if (*len > SCRATCH)
		*len = SCRATCH;
}

static ssize_t
do_read(struct world *world, struct handle *handle, unsigned how, uint64_t offset, size_t len)
{
	size_t first = handle->flags & O_DIRECT ? len / 8192 * 4096 : len / 3;
	struct iovec parts[2] = { { world->scratch, first }, { world->scratch + first, len - first } };

	switch (how) {
	case 0:
		return read(handle->fd, world->scratch, len);
	case 1:
		return readv(handle->fd, parts, 2);
	case 2:
		return preadv(handle->fd, parts, 2, (off_t)offset);
	default:
		return pread(handle->fd, world->scratch, len, (off_t)offset);
	}
}

bool
op_read(struct world *world)
{
	static const char *const names[] = { "read", "readv", "preadv", "pread", "pread" };
	struct handle *handle = pick_handle(world, chance(world, 97) ? O_RDONLY : -1);
	unsigned how = (unsigned)random_below(world, 5);
	uint64_t offset;
	ssize_t got;
	size_t len, want;

	if (handle == NULL)
		return false;
	pick_range(world, handle->inode, &offset, &len);
	align(handle, &offset, &len);
	if (how < 2) {
		if ((handle->flags & O_DIRECT) && handle->position % 4096 != 0)
			return false;
		if (chance(world, 60)) {
			expect(world, handle->inode, "lseek", lseek(handle->fd, (off_t)offset, SEEK_SET), 0);
			handle->position = offset;
		}
		offset = handle->position;
	}
	note(world, handle->inode, "%s fd %d flags %#o offset %" PRIu64 " len %zu", names[how], handle->fd, handle->flags,
	    offset, len);
	got = do_read(world, handle, how, offset, len);
	if (!expect(world, handle->inode, names[how], got, (handle->flags & O_ACCMODE) == O_WRONLY ? EBADF : 0))
		return true;
	want = offset >= handle->inode->data.size ? 0 : handle->inode->data.size - offset < len ?
	    (size_t)(handle->inode->data.size - offset) : len;
	if ((size_t)got != want)
		fail(world, handle->inode, "%s at %" PRIu64 ": got %zd bytes, want %zu", names[how], offset, got, want);
	check_data(world, handle->inode, offset, world->scratch, want, names[how]);
	if (how < 2)
		handle->position += want;
	return true;
}

static ssize_t
do_write(struct world *world, struct handle *handle, unsigned how, uint64_t offset, size_t len)
{
	size_t first = handle->flags & O_DIRECT ? len / 8192 * 4096 : len / 3;
	struct iovec parts[2] = { { world->scratch, first }, { world->scratch + first, len - first } };

	switch (how) {
	case 0:
		return write(handle->fd, world->scratch, len);
	case 1:
		return writev(handle->fd, parts, 2);
	case 2:
		return pwritev(handle->fd, parts, 2, (off_t)offset);
	default:
		return pwrite(handle->fd, world->scratch, len, (off_t)offset);
	}
}

/*
 * Before a file that was stored to through a mapping gets longer.  Linux 6.18,
 * writing back a dirty page of a FUSE file, zeros what lies behind the file's
 * size, which it learns only when the write that makes it longer has returned:
 * what that write has put into the page is lost, in whatever FUSE file system.
 */
static void
settle_end(struct world *world, struct inode *inode)
{

	if (world->fuse && inode->fuzzy)
		settle(world, inode);
}

/* What found no room is written when there is some, as a program would that goes on behind what was written. */
static ssize_t
write_all(struct world *world, struct handle *handle, unsigned how, uint64_t offset, size_t len)
{
	ssize_t got = (ssize_t)WITH_ROOM(world, do_write(world, handle, how, offset, len)), more;

	while (world->full && got > 0 && (size_t)got < len) {
		note(world, handle->inode, "  %zd bytes found room", got);
		more = how < 2 ? WITH_ROOM(world, write(handle->fd, world->scratch + got, len - (size_t)got)) :
		    WITH_ROOM(world, pwrite(handle->fd, world->scratch + got, len - (size_t)got, (off_t)offset + got));
		if (more <= 0)
			return more;
		got += more;
	}
	return got;
}

bool
op_write(struct world *world)
{
	static const char *const names[] = { "write", "writev", "pwritev", "pwrite", "pwrite" };
	struct handle *handle = pick_handle(world, chance(world, 97) ? O_WRONLY : -1);
	unsigned how = (unsigned)random_below(world, 5);
	struct inode *inode;
	uint64_t offset;
	ssize_t got;
	size_t len;

	if (handle == NULL)
		return false;
	inode = handle->inode;
	pick_range(world, inode, &offset, &len);
	align(handle, &offset, &len);
	if (how < 2 && !(handle->flags & O_APPEND)) {
		if (chance(world, 60)) {
			expect(world, inode, "lseek", lseek(handle->fd, (off_t)offset, SEEK_SET), 0);
			handle->position = offset;
		}
		offset = handle->position;
		if ((handle->flags & O_DIRECT) && offset % 4096 != 0)
			return false;
	}
	if (handle->flags & O_APPEND)
		offset = inode->data.size;
	if (offset + len > inode->limit + 8192)
		return false;
	if (chance(world, 2) && !(handle->flags & O_DIRECT))
		len = 0;
	if (offset + len > inode->data.size)
		settle_end(world, inode);
	random_fill(world, world->scratch, len);
	note(world, inode, "%s fd %d flags %#o offset %" PRIu64 " len %zu", names[how], handle->fd, handle->flags, offset, len);
	got = write_all(world, handle, how, offset, len);
	if (!expect(world, inode, names[how], got, (handle->flags & O_ACCMODE) == O_RDONLY ? EBADF : 0))
		return true;
	if ((size_t)got != len)
		fail(world, inode, "%s at %" PRIu64 ": wrote %zd of %zu bytes", names[how], offset, got, len);
	if (how < 2 && len > 0)
		handle->position = offset + len;
	bytes_write(&inode->data, offset, world->scratch, len);
	if (len > 0)
		time_must(world, inode, BOTH);
	check_inode(world, inode);
	if (chance(world, 15))
		check_contents(world, inode, false);
	return true;
}

static uint64_t
pick_size(struct world *world, const struct inode *inode)
{
	uint64_t size = inode->data.size, offset;
	size_t len;

	switch (random_below(world, 8)) {
	case 0:
		return 0;
	case 1:
		return size;
	case 2:
		return random_below(world, size + 1) / 4096 * 4096;
	case 3: case 4: case 5:
		return random_below(world, size + 1);
	default:
		pick_range(world, inode, &offset, &len);
		return offset + len;
	}
}

static void
resized(struct world *world, struct inode *inode, uint64_t size, bool by_handle)
{

	if (by_handle || size != inode->data.size)
		time_must(world, inode, BOTH);
	else
		time_may(world, inode, BOTH);
	bytes_resize(&inode->data, size);
	check_inode(world, inode);
	if (chance(world, 15))
		check_contents(world, inode, false);
}

bool
op_truncate(struct world *world)
{
	struct entry *entry = pick_entry(world, chance(world, 90) ? S_IFREG : 0);
	char path[PATH_BYTES_MAX];
	int64_t size = (int64_t)random_below(world, 100000);
	int error = 0;

	if (entry == NULL || S_ISLNK(entry->inode->mode))
		return false;
	full_path(world, entry->dir, entry->name, path);
	if (S_ISREG(entry->inode->mode))
		size = (int64_t)pick_size(world, entry->inode);
	else
		error = S_ISDIR(entry->inode->mode) ? EISDIR : EINVAL;
	if (chance(world, 2)) {
		size = -size - 1;
		error = EINVAL;
	}
	note(world, entry->inode, "truncate to %" PRId64, size);
	if (expect(world, entry->inode, "truncate", WITH_ROOM(world, truncate(path, size)), error))
		resized(world, entry->inode, (uint64_t)size, false);
	else
		check_inode(world, entry->inode);
	return true;
}

bool
op_ftruncate(struct world *world)
{
	struct handle *handle = pick_handle(world, chance(world, 97) ? O_WRONLY : -1);
	uint64_t size;

	if (handle == NULL)
		return false;
	size = pick_size(world, handle->inode);
	note(world, handle->inode, "ftruncate fd %d to %" PRIu64, handle->fd, size);
	if (expect(world, handle->inode, "ftruncate", WITH_ROOM(world, ftruncate(handle->fd, (off_t)size)),
	    (handle->flags & O_ACCMODE) == O_RDONLY ? EINVAL : 0))
		resized(world, handle->inode, size, true);
	return true;
}

bool
op_copy(struct world *world)
{
	struct handle *in = pick_handle(world, chance(world, 97) ? O_RDONLY : -1);
	struct handle *out = chance(world, 20) ? in : pick_handle(world, chance(world, 97) ? O_WRONLY : -1);
	uint64_t from, to, count;
	size_t len, unused;
	off_t in_at, out_at;
	int error = 0;
	ssize_t got;

	if (in == NULL || out == NULL || (in->flags & O_DIRECT) || (out->flags & O_DIRECT))
		return false;
	pick_range(world, in->inode, &from, &len);
	pick_range(world, out->inode, &to, &unused);
	if (to + len > out->inode->limit)
		return false;
	count = from >= in->inode->data.size ? 0 : in->inode->data.size - from < len ? in->inode->data.size - from : len;
	if ((in->flags & O_ACCMODE) == O_WRONLY || (out->flags & O_ACCMODE) == O_RDONLY || (out->flags & O_APPEND))
		error = EBADF;
	else if (in->inode == out->inode && to + count > from && to < from + count)
		error = EINVAL;
	note(world, out->inode, "copy_file_range fd %d (ino %" PRIu64 ") at %" PRIu64 " to fd %d at %" PRIu64 " len %zu",
	    in->fd, in->inode->ino, from, out->fd, to, len);
	in_at = (off_t)from;
	out_at = (off_t)to;
	got = WITH_ROOM(world, copy_file_range(in->fd, &in_at, out->fd, &out_at, len, 0));
	if (!expect(world, out->inode, "copy_file_range", got, error))
		return true;
	if ((uint64_t)got > count || (got == 0 && count > 0))
		fail(world, out->inode, "copy_file_range copied %zd of %" PRIu64, got, count);
	bytes_read(&in->inode->data, from, world->scratch, (size_t)got);
	bytes_write(&out->inode->data, to, world->scratch, (size_t)got);
	if (got > 0)
		time_must(world, out->inode, BOTH);
	else
		time_may(world, out->inode, BOTH);
	check_inode(world, out->inode);
	check_inode(world, in->inode);
	if (chance(world, 30))
		check_contents(world, out->inode, false);
	return true;
}

/* Where the hole or the data begin is the file system's business, that it is true is ours. */
bool
op_seek(struct world *world)
{
	struct handle *handle = pick_handle(world, -1);
	int whence = chance(world, 50) ? SEEK_DATA : SEEK_HOLE;
	const struct bytes *data;
	uint64_t from, next;
	size_t unused;
	off_t got;

	if (handle == NULL)
		return false;
	data = &handle->inode->data;
	settle(world, handle->inode);
	pick_range(world, handle->inode, &from, &unused);
	note(world, handle->inode, "lseek fd %d from %" PRIu64 " %s", handle->fd, from, whence == SEEK_DATA ? "data" : "hole");
	got = lseek(handle->fd, (off_t)from, whence);
	next = bytes_data(data, from);
	if (from >= data->size) {
		expect(world, handle->inode, "lseek", got, ENXIO);
	} else if (whence == SEEK_DATA) {
		if (next != UINT64_MAX || got >= 0)
			expect(world, handle->inode, "SEEK_DATA", got, 0);
		else
			expect(world, handle->inode, "SEEK_DATA", got, ENXIO);
		if (got >= 0 && ((uint64_t)got < from || (uint64_t)got > next || (uint64_t)got >= data->size))
			fail(world, handle->inode, "SEEK_DATA from %" PRIu64 ": got %" PRId64 ", data is at %" PRIu64, from,
			    (int64_t)got, next);
	} else {
		expect(world, handle->inode, "SEEK_HOLE", got, 0);
		if ((uint64_t)got < from || (uint64_t)got > data->size || bytes_data(data, (uint64_t)got) == (uint64_t)got)
			fail(world, handle->inode, "SEEK_HOLE from %" PRIu64 ": got %" PRId64 ", which is none (size %" PRIu64 ")",
			    from, (int64_t)got, data->size);
	}
	expect(world, handle->inode, "lseek back", lseek(handle->fd, (off_t)handle->position, SEEK_SET), 0);
	return true;
}

static const struct fallocate_mode {
	const char *name;
	int mode;
} fallocate_modes[] = {
	{ "allocate", 0 },
	{ "allocate keeping the size", FALLOC_FL_KEEP_SIZE },
	{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
	{ "zero", FALLOC_FL_ZERO_RANGE },
	{ "zero keeping the size", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE },
	{ "collapse", FALLOC_FL_COLLAPSE_RANGE },
	{ "insert", FALLOC_FL_INSERT_RANGE }
};
#define FALLOCATE_MODES (sizeof(fallocate_modes) / sizeof(fallocate_modes[0]))

unsigned
fallocate_probe(const char *directory)
{
	char path[PATH_BYTES_MAX], block[4096] = "x";
	unsigned modes = 0, i;
	int fd;

	snprintf(path, sizeof(path), "%s/oracle-probe-XXXXXX", directory);
	if ((fd = mkstemp(path)) < 0)
		return 0;
	for (i = 0; i < FALLOCATE_MODES; i++) {
		if (ftruncate(fd, 65536) != 0 || pwrite(fd, block, sizeof(block), 0) != (ssize_t)sizeof(block))
			break;
		if (fallocate(fd, fallocate_modes[i].mode, 4096, 4096) == 0 || errno != EOPNOTSUPP)
			modes |= 1u << i;
	}
	close(fd);
	unlink(path);
	return modes;
}

static int
fallocate_error(const struct world *world, const struct handle *handle, unsigned kind, uint64_t offset, uint64_t len)
{
	bool moves = (fallocate_modes[kind].mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) != 0;

	if ((handle->flags & O_ACCMODE) == O_RDONLY)
		return EBADF;
	/* The kernel passes on these two to no FUSE file system. */
	if (!(world->options->fallocate_modes & 1u << kind) || (world->fuse && moves))
		return EOPNOTSUPP;
	if (fallocate_modes[kind].mode == FALLOC_FL_COLLAPSE_RANGE && offset + len >= handle->inode->data.size)
		return EINVAL;
	if (fallocate_modes[kind].mode == FALLOC_FL_INSERT_RANGE && offset >= handle->inode->data.size)
		return EINVAL;
	return 0;
}

static void
fallocate_done(struct world *world, struct inode *inode, int mode, uint64_t offset, uint64_t len)
{
	uint64_t before = inode->data.size;

	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		bytes_zero(&inode->data, offset, len);
	if (mode == FALLOC_FL_COLLAPSE_RANGE)
		bytes_collapse(&inode->data, offset, len);
	else if (mode == FALLOC_FL_INSERT_RANGE)
		bytes_insert(&inode->data, offset, len);
	else if (!(mode & FALLOC_FL_KEEP_SIZE) && offset + len > inode->data.size)
		bytes_resize(&inode->data, offset + len);
	if (inode->data.size != before)
		time_must(world, inode, BOTH);
	else
		time_may(world, inode, BOTH);
	check_inode(world, inode);
	if (chance(world, 40))
		check_contents(world, inode, false);
}

bool
op_fallocate(struct world *world)
{
	struct handle *handle = pick_handle(world, chance(world, 97) ? O_WRONLY : -1);
	unsigned kind = (unsigned)random_below(world, FALLOCATE_MODES);
	int mode = fallocate_modes[kind].mode;
	uint64_t offset;
	size_t len;

	if (handle == NULL)
		return false;
	pick_range(world, handle->inode, &offset, &len);
	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) {
		offset = offset / 4096 * 4096;
		len = (len + 4095) / 4096 * 4096;
	}
	if ((mode == FALLOC_FL_INSERT_RANGE ? handle->inode->data.size : offset) + len > handle->inode->limit)
		return false;
	note(world, handle->inode, "fallocate fd %d %s offset %" PRIu64 " len %zu", handle->fd, fallocate_modes[kind].name,
	    offset, len);
	if (expect(world, handle->inode, "fallocate", WITH_ROOM(world, fallocate(handle->fd, mode, (off_t)offset, (off_t)len)),
	    fallocate_error(world, handle, kind, offset, len)))
		fallocate_done(world, handle->inode, mode, offset, len);
	else if ((handle->flags & O_ACCMODE) != O_RDONLY)
		time_may(world, handle->inode, BOTH);	/* ext4 takes it as modified before it looks at the range */
	check_inode(world, handle->inode);
	return true;
}

bool
op_sync(struct world *world)
{
	struct handle *handle = pick_handle(world, -1);
	struct inode *dir = pick_directory(world);
	char path[PATH_BYTES_MAX];
	int fd;

	if (handle == NULL)
		return false;
	switch (random_below(world, 8)) {
	case 0:
		note(world, handle->inode, "syncfs");
		expect(world, handle->inode, "syncfs", WITH_ROOM(world, syncfs(handle->fd)), 0);
		break;
	case 1:
		note(world, dir, "fsync of directory");
		inode_full_path(world, dir, path);
		expect(world, dir, "open", fd = open(path, O_RDONLY | O_DIRECTORY), 0);
		expect(world, dir, "fsync", WITH_ROOM(world, fsync(fd)), 0);
		close(fd);
		check_inode(world, dir);
		break;
	case 2: case 3:
		note(world, handle->inode, "fdatasync fd %d", handle->fd);
		expect(world, handle->inode, "fdatasync", WITH_ROOM(world, fdatasync(handle->fd)), 0);
		break;
	case 4:
		note(world, handle->inode, "sync_file_range fd %d", handle->fd);
		expect(world, handle->inode, "sync_file_range", sync_file_range(handle->fd, 0, 0, SYNC_FILE_RANGE_WRITE), 0);
		break;
	default:
		note(world, handle->inode, "fsync fd %d", handle->fd);
		expect(world, handle->inode, "fsync", WITH_ROOM(world, fsync(handle->fd)), 0);
	}
	check_inode(world, handle->inode);
	return true;
}

/* Two descriptions of one file exclude each other, also if the file has no name. */
bool
op_locks(struct world *world)
{
	struct handle *handle = pick_handle(world, O_WRONLY);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 100 };
	char self[64];
	int fd;

	if (handle == NULL)
		return false;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", handle->fd);
	note(world, handle->inode, "locks through fd %d and a second description", handle->fd);
	expect(world, handle->inode, "reopen", fd = open(self, O_RDWR | O_CLOEXEC), 0);
	if (chance(world, 50)) {
		expect(world, handle->inode, "flock", flock(handle->fd, LOCK_EX | LOCK_NB), 0);
		expect(world, handle->inode, "second flock", flock(fd, LOCK_SH | LOCK_NB), EWOULDBLOCK);
		expect(world, handle->inode, "flock", flock(handle->fd, LOCK_UN), 0);
		expect(world, handle->inode, "second flock", flock(fd, LOCK_SH | LOCK_NB), 0);
	} else {
		expect(world, handle->inode, "lock", fcntl(handle->fd, F_OFD_SETLK, &lock), 0);
		lock.l_start = 50;
		expect(world, handle->inode, "second lock", fcntl(fd, F_OFD_SETLK, &lock), EAGAIN);
		lock.l_start = 110;
		expect(world, handle->inode, "lock behind", fcntl(fd, F_OFD_SETLK, &lock), 0);
		lock.l_start = lock.l_len = 0;
		lock.l_type = F_UNLCK;
		expect(world, handle->inode, "unlock", fcntl(handle->fd, F_OFD_SETLK, &lock), 0);
	}
	close(fd);
	return true;
}
