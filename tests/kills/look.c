#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kills.h"

/* What stands on the mount is read into one; the other is the model with the call that was under way. */
static struct model found, after;
static ino_t numbers[INODES];		/* of found's */
static int dir_count;

static bool
complain(char *why, size_t size, const char *path, const char *what)
{
	snprintf(why, size, "%s: %s", path, what);
	return false;
}

/* ---- reading what is there */

static bool
read_content(const char *path, struct inode *i, int index, char *why, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return complain(why, size, path, strerror(errno));
	n = pread(fd, i->data, limit_of(index), 0);
	close(fd);
	if (n < 0)
		return complain(why, size, path, strerror(errno));
	return (uint64_t)n == i->size || complain(why, size, path, "shorter than stat says");
}

static bool
read_inode(const char *path, const struct stat *st, int index, char *why, size_t size)
{
	struct inode *i = &found.inode[index];
	ssize_t n;

	i->mode = st->st_mode;
	i->mtime = st->st_mtim.tv_sec;
	if (S_ISLNK(st->st_mode)) {
		if ((n = readlink(path, i->target, sizeof(i->target) - 1)) < 0)
			return complain(why, size, path, strerror(errno));
		i->target[n] = '\0';
	}
	if (!S_ISREG(st->st_mode))
		return true;
	if ((n = getxattr(path, "user.x", i->xattr, sizeof(i->xattr) - 1)) < 0 && errno != ENODATA)
		return complain(why, size, path, strerror(errno));
	i->xattr[n < 0 ? 0 : n] = '\0';
	i->size = (uint64_t)st->st_size;
	if (i->size > limit_of(index))
		return complain(why, size, path, "larger than it ever was");
	return read_content(path, i, index, why, size);
}

/* Slots by size, for what may become large must be among the first. */
static int
slot_for(const struct stat *st)
{
	int i, first = S_ISREG(st->st_mode) && st->st_size > SIZE_SMALL ? 0 : LARGE_INODES;

	for (i = 0; i < INODES; i++) {
		if (found.inode[i].names > 0 && numbers[i] == st->st_ino)
			return i;
	}
	for (i = first; i < INODES; i++) {
		if (found.inode[i].names == 0)
			return i;
	}
	for (i = 0; i < first; i++) {
		if (found.inode[i].names == 0)
			return i;
	}
	return -1;
}

static bool read_dir(const char *path, int d, char *why, size_t size);

static bool
read_name(const char *path, struct entry *e, char *why, size_t size)
{
	struct stat st;
	int i;

	if (lstat(path, &st) != 0)
		return complain(why, size, path, strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		if (dir_count == DIRS)
			return complain(why, size, path, "one directory too many");
		*e = (struct entry){ THING_DIR, dir_count };
		found.dir[dir_count].used = true;
		return read_dir(path, dir_count++, why, size);
	}
	if ((i = slot_for(&st)) < 0)
		return complain(why, size, path, "one file too many");
	*e = (struct entry){ THING_INODE, i };
	if (found.inode[i].names++ > 0)
		return true;
	numbers[i] = st.st_ino;
	/* Of links and the like each disk has its own count of names; a file's is looked at in the end. */
	return read_inode(path, &st, i, why, size);
}

static bool
read_dir(const char *path, int d, char *why, size_t size)
{
	char below[PATH_MAX];
	struct dirent *entry;
	bool good = true;
	DIR *dir;
	int name;

	if ((dir = opendir(path)) == NULL)
		return complain(why, size, path, strerror(errno));
	while (good && (errno = 0, entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof(below), "%.3800s/%.250s", path, entry->d_name);
		if (sscanf(entry->d_name, "n%d", &name) != 1 || name < 0 || name >= NAMES)
			good = complain(why, size, below, "nobody made this name");
		else
			good = read_name(below, &found.dir[d].entry[name], why, size);
	}
	if (good && errno != 0)
		good = complain(why, size, path, strerror(errno));
	closedir(dir);
	return good;
}

/* ---- comparing */

/* found's content against ${a}'s, block by block; in a call that was under way each may be ${b}'s. */
static bool
same_content(const struct inode *f, const struct inode *a, const struct inode *b)
{
	static const uint8_t zeros[BLOCK];
	uint64_t at, len, n;
	const struct inode *one;
	bool fits;
	int k;

	if (f->size < (a->size < b->size ? a->size : b->size) || f->size > (a->size > b->size ? a->size : b->size))
		return false;
	for (at = 0; at < f->size; at += BLOCK) {
		len = f->size - at < BLOCK ? f->size - at : BLOCK;
		for (fits = false, k = 0; k < 2 && !fits; k++) {
			one = k == 0 ? a : b;
			n = one->size <= at ? 0 : one->size - at < len ? one->size - at : len;
			fits = (n == 0 || memcmp(f->data + at, one->data + at, n) == 0) && memcmp(f->data + at + n, zeros, len - n) == 0;
		}
		if (!fits)
			return false;
	}
	return true;
}

static bool
same_inode(const struct inode *f, const struct inode *a, const struct inode *b, bool making)
{
	if ((f->mode & S_IFMT) != (a->mode & S_IFMT) || strcmp(f->target, a->target) != 0)
		return false;
	/* What was just being made may not have got its mode. */
	if (!making && f->mode != a->mode && f->mode != b->mode)
		return false;
	if (strcmp(f->xattr, a->xattr) != 0 && strcmp(f->xattr, b->xattr) != 0)
		return false;
	if (a->mtime >= 0 && b->mtime >= 0 && f->mtime != a->mtime && f->mtime != b->mtime)
		return false;
	return same_content(f, a, b);
}

struct comparison { const struct worker *w; const struct model *a, *b; int to[INODES]; char *why; size_t size; };

static bool
differ(struct comparison *c, int d, int name, const char *what)
{
	char path[PATH_MAX];

	model_path(c->w, c->a, d, name, path);
	return complain(c->why, c->size, path, what);
}

static bool
same_name(struct comparison *c, int d, int name, const struct entry *f, const struct entry *e)
{
	const struct inode *a = &c->a->inode[e->index], *b = &c->b->inode[e->index];
	bool making;

	if (f->thing != e->thing)
		return differ(c, d, name, f->thing == THING_NONE ? "is lost" : e->thing == THING_NONE ? "is back, or was never there" :
		    "is something else");
	if (e->thing != THING_INODE)
		return true;
	if (c->to[f->index] >= 0 && c->to[f->index] != e->index)
		return differ(c, d, name, "is a link to another file");
	c->to[f->index] = e->index;
	if (found.inode[f->index].names != a->names)
		return differ(c, d, name, "has another number of names");
	/* A slot that is free in one of the models has nothing to say. */
	b = b->names > 0 && (b->mode & S_IFMT) == (a->mode & S_IFMT) ? b : a;
	making = c->w->under_way && (c->w->op.kind == OP_CREATE || c->w->op.kind == OP_MKFIFO) && c->w->op.fresh == e->index;
	return same_inode(&found.inode[f->index], a, b, making) || differ(c, d, name, "has other content or attributes");
}

static bool
same_dir(struct comparison *c, int f, int d)
{
	const struct entry *have, *want;
	int name;

	for (name = 0; name < NAMES; name++) {
		have = &found.dir[f].entry[name];
		want = &c->a->dir[d].entry[name];
		if (!same_name(c, d, name, have, want) || (want->thing == THING_DIR && !same_dir(c, have->index, want->index)))
			return false;
	}
	return true;
}

/* Is found what ${a} says, each block of a file that ${b} has otherwise being either's? */
static bool
compare(const struct worker *w, const struct model *a, const struct model *b, char *why, size_t size)
{
	struct comparison c = { .w = w, .a = a, .b = b, .why = why, .size = size };

	memset(c.to, -1, sizeof(c.to));
	return same_dir(&c, 0, 0);
}

/* From here on what was found is what there is; a time that nobody set is the clock's. */
static void
adopt(struct worker *w)
{
	int i;

	for (i = 0; i < INODES; i++) {
		if (found.inode[i].mtime >= 1000000000)
			found.inode[i].mtime = -1;
	}
	model_copy(&w->model, &found);
	w->under_way = false;
}

bool
look(struct worker *w, char *why, size_t size)
{
	char other[1024], text[1024];
	size_t len;

	if (found.inode[0].data == NULL) {
		model_init(&found, false);
		model_init(&after, false);
	}
	model_clear(&found);
	dir_count = 1;
	if (!read_dir(w->path, 0, why, size))
		return false;
	model_copy(&after, &w->model);
	if (w->under_way)
		model_apply(&after, &w->op);
	if (!compare(w, &w->model, &after, why, size) &&
	    (!w->under_way || !compare(w, &after, &w->model, other, sizeof(other)))) {
		len = strlen(why);
		if (w->under_way)
			snprintf(why + len, size - len, "; or, if it was done: %s; under way was: %s", other,
			    op_text(w, &w->op, text, sizeof(text)));
		return false;
	}
	adopt(w);
	return true;
}
