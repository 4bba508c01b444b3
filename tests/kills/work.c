#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kills.h"

static struct shared *shared;
static uint8_t buffer[SIZE_LARGE], other[SIZE_LARGE];

/* A mapping of a file whose daemon is gone. */
static void
on_bus(int signal)
{
	(void)signal;
	_exit(shared->dying ? 0 : 3);
}

/* A write may end early, then as if it had been for less. */
static int
do_write(const char *path, struct op *op)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	op_fill(op, buffer);
	n = pwrite(fd, buffer, op->len, (off_t)op->offset);
	close(fd);
	if (n > 0 && (uint64_t)n < op->len) {
		if (!shared->dying)
			return errno = EIO, -1;
		/* The rest may have been written, too: it stays under way. */
		return errno = ENOTCONN, -1;
	}
	return n < 0 ? -1 : 0;
}

static int
do_map(const char *path, const struct op *op)
{
	uint64_t start = op->offset - op->offset % BLOCK, len = op->offset + op->len - start;
	int fd = open(path, O_RDWR | O_CLOEXEC), rc;
	uint8_t *map;

	if (fd < 0)
		return -1;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)start);
	close(fd);
	if (map == MAP_FAILED)
		return -1;
	op_fill(op, buffer);
	memcpy(map + (op->offset - start), buffer, op->len);
	rc = msync(map, len, MS_SYNC);
	munmap(map, len);
	return rc;
}

static int
do_read(const char *path, const struct inode *i)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = pread(fd, other, limit_of(0), 0);
	close(fd);
	if (n < 0)
		return -1;
	if ((uint64_t)n != i->size || memcmp(other, i->data, i->size) != 0)
		return errno = EILSEQ, -1;
	return 0;
}

static int
on_file(const char *path, const struct op *op)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), rc;

	if (fd < 0)
		return -1;
	rc = op->kind == OP_FSYNC ? fsync(fd) :
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)op->offset, (off_t)op->len);
	close(fd);
	return rc;
}

static int
do_make(const char *path, const struct op *op)
{
	char target[TEXT];
	int fd;

	switch (op->kind) {
	case OP_CREATE:
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
		return fd < 0 ? -1 : close(fd);
	case OP_SYMLINK:
		snprintf(target, sizeof(target), "to-%llu", (unsigned long long)op->number % 1000000);
		return symlink(target, path);
	case OP_MKFIFO:
		return mkfifo(path, 0600);
	default:
		return mkdir(path, 0755);
	}
}

static int
do_attributes(const char *path, const struct op *op)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = (time_t)(op->number % 1000000000) } };
	char value[TEXT];

	switch (op->kind) {
	case OP_CHMOD:
		return chmod(path, (mode_t)(0600 | (op->number & 0077)));
	case OP_SETXATTR:
		snprintf(value, sizeof(value), "%llx", (unsigned long long)op->number);
		return setxattr(path, "user.x", value, strlen(value), 0);
	case OP_RMXATTR:
		return removexattr(path, "user.x");
	default:
		return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
	}
}

static int
call(const struct worker *w, struct op *op)
{
	const struct entry *e = &w->model.dir[op->dir].entry[op->name];
	char path[PATH_MAX], to[PATH_MAX];

	model_path(w, &w->model, op->dir, op->name, path);
	model_path(w, &w->model, op->new_dir, op->new_name, to);
	switch (op->kind) {
	case OP_CREATE:
	case OP_SYMLINK:
	case OP_MKFIFO:
	case OP_MKDIR:
		return do_make(path, op);
	case OP_LINK:
		return link(path, to);
	case OP_RENAME:
		return rename(path, to);
	case OP_EXCHANGE:
		return renameat2(AT_FDCWD, path, AT_FDCWD, to, RENAME_EXCHANGE);
	case OP_UNLINK:
		return unlink(path);
	case OP_RMDIR:
		return rmdir(path);
	case OP_WRITE:
		return do_write(path, op);
	case OP_MAP:
		return do_map(path, op);
	case OP_TRUNCATE:
		return truncate(path, (off_t)op->len);
	case OP_READ:
		return do_read(path, &w->model.inode[e->index]);
	case OP_PUNCH:
	case OP_FSYNC:
		return on_file(path, op);
	default:
		return do_attributes(path, op);
	}
}

void
work(struct shared *s, struct worker *w)
{
	char text[1024];
	struct op op;
	int error;

	shared = s;
	signal(SIGBUS, on_bus);
	for (;;) {
		if (!model_choose(&w->model, &w->random, &op))
			continue;
		w->op = op;
		w->under_way = true;
		if (call(w, &w->op) != 0) {
			error = errno;
			if (s->dying)
				_exit(0);
			fprintf(stderr, "kills: %s: %s\n", op_text(w, &op, text, sizeof(text)),
			    error == EILSEQ ? "other bytes, or another length, than were written" : strerror(error));
			_exit(3);
		}
		model_apply(&w->model, &op);
		w->under_way = false;
		w->done++;
	}
}
