#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kills.h"

uint64_t
random_next(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t
random_below(uint64_t *state, uint64_t n)
{
	return random_next(state) % n;
}

uint64_t
limit_of(int i)
{
	return i < LARGE_INODES ? SIZE_LARGE : SIZE_SMALL;
}

void
model_init(struct model *m, bool shared)
{
	int i;

	memset(m, 0, sizeof(*m));
	for (i = 0; i < INODES; i++) {
		m->inode[i].data = mmap(NULL, limit_of(i), PROT_READ | PROT_WRITE,
		    (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
		if (m->inode[i].data == MAP_FAILED) {
			perror("kills: memory");
			exit(2);
		}
	}
	m->dir[0].used = true;
}

void
model_clear(struct model *m)
{
	uint8_t *data;
	int i;

	for (i = 0; i < INODES; i++) {
		data = m->inode[i].data;
		memset(&m->inode[i], 0, sizeof(m->inode[i]));
		m->inode[i].data = data;
	}
	memset(m->dir, 0, sizeof(m->dir));
	m->dir[0].used = true;
}

void
model_copy(struct model *to, const struct model *from)
{
	uint8_t *data;
	int i;

	memcpy(to->dir, from->dir, sizeof(to->dir));
	for (i = 0; i < INODES; i++) {
		data = to->inode[i].data;
		to->inode[i] = from->inode[i];
		to->inode[i].data = data;
		memcpy(data, from->inode[i].data, from->inode[i].size);
	}
}

/* ---- changing it */

void
op_fill(const struct op *op, uint8_t *data)
{
	uint64_t state = op->number, word = 0, i;

	for (i = 0; i < op->len; i++) {
		if (i % 8 == 0)
			word = random_next(&state);
		data[i] = (uint8_t)(word >> (i % 8 * 8));
	}
}

static void
drop_name(struct model *m, struct entry *e)
{
	if (e->thing == THING_INODE && --m->inode[e->index].names == 0)
		m->inode[e->index].size = 0;
	if (e->thing == THING_DIR)
		m->dir[e->index].used = false;
	e->thing = THING_NONE;
}

static void
add_inode(struct model *m, const struct op *op)
{
	static const mode_t modes[] = { [OP_CREATE] = S_IFREG | 0640, [OP_SYMLINK] = S_IFLNK | 0777, [OP_MKFIFO] = S_IFIFO | 0600 };
	struct inode *i = &m->inode[op->fresh];

	i->names = 1;
	i->mode = modes[op->kind];
	i->size = 0;
	i->mtime = -1;
	i->xattr[0] = i->target[0] = '\0';
	if (op->kind == OP_SYMLINK)
		snprintf(i->target, sizeof(i->target), "to-%llu", (unsigned long long)op->number % 1000000);
}

static void
resize(struct inode *i, uint64_t size)
{
	if (size > i->size)
		memset(i->data + i->size, 0, size - i->size);
	i->size = size;
	i->mtime = -1;
}

static void
apply_rename(struct model *m, const struct op *op)
{
	struct entry *from = &m->dir[op->dir].entry[op->name], *to = &m->dir[op->new_dir].entry[op->new_name], moved = *from;

	if (op->kind == OP_EXCHANGE) {
		*from = *to;
		*to = moved;
		return;
	}
	/* Two names of one file: rename(2) does nothing. */
	if (from->thing == THING_INODE && to->thing == THING_INODE && from->index == to->index)
		return;
	drop_name(m, to);
	*to = moved;
	from->thing = THING_NONE;
}

static void
apply_data(struct inode *i, const struct op *op)
{
	uint64_t end = op->offset + op->len;

	switch (op->kind) {
	case OP_WRITE:
	case OP_MAP:
		if (end > i->size)
			resize(i, end);
		op_fill(op, i->data + op->offset);
		break;
	case OP_TRUNCATE:
		resize(i, op->len);
		break;
	default:
		if (op->offset < i->size)
			memset(i->data + op->offset, 0, end < i->size ? op->len : i->size - op->offset);
		break;
	}
	i->mtime = -1;
}

void
model_apply(struct model *m, const struct op *op)
{
	struct entry *e = &m->dir[op->dir].entry[op->name];
	struct inode *i = e->thing == THING_INODE ? &m->inode[e->index] : NULL;

	switch (op->kind) {
	case OP_CREATE:
	case OP_SYMLINK:
	case OP_MKFIFO:
		add_inode(m, op);
		*e = (struct entry){ THING_INODE, op->fresh };
		break;
	case OP_MKDIR:
		memset(&m->dir[op->fresh], 0, sizeof(m->dir[op->fresh]));
		m->dir[op->fresh].used = true;
		*e = (struct entry){ THING_DIR, op->fresh };
		break;
	case OP_LINK:
		m->dir[op->new_dir].entry[op->new_name] = *e;
		i->names++;
		break;
	case OP_RENAME:
	case OP_EXCHANGE:
		apply_rename(m, op);
		break;
	case OP_UNLINK:
	case OP_RMDIR:
		drop_name(m, e);
		break;
	case OP_CHMOD:
		i->mode = (i->mode & S_IFMT) | (mode_t)(0600 | (op->number & 0077));
		break;
	case OP_SETXATTR:
		snprintf(i->xattr, sizeof(i->xattr), "%llx", (unsigned long long)op->number);
		break;
	case OP_RMXATTR:
		i->xattr[0] = '\0';
		break;
	case OP_UTIMENS:
		i->mtime = (int64_t)(op->number % 1000000000);
		break;
	case OP_READ:
	case OP_FSYNC:
	case OP_KINDS:
		break;
	default:
		apply_data(i, op);
		break;
	}
}

/* ---- where things are */

int
model_parent(const struct model *m, int d, int *name)
{
	int i;

	for (i = 0; i < DIRS; i++) {
		if (!m->dir[i].used)
			continue;
		for (*name = 0; *name < NAMES; ++*name) {
			if (m->dir[i].entry[*name].thing == THING_DIR && m->dir[i].entry[*name].index == d)
				return i;
		}
	}
	return -1;
}

void
model_path(const struct worker *w, const struct model *m, int d, int name, char *out)
{
	char up[PATH_MAX];
	int parent, at = 0;

	if (d == 0) {
		snprintf(up, sizeof(up), "%s", w->path);
	} else {
		parent = model_parent(m, d, &at);
		model_path(w, m, parent, at, up);
	}
	if (name < 0)
		snprintf(out, PATH_MAX, "%s", up);
	else
		snprintf(out, PATH_MAX, "%.4000s/n%d", up, name);
}

const char *
op_text(const struct worker *w, const struct op *op, char *out, size_t size)
{
	static const char *const names[] = { "create", "symlink", "mkfifo", "mkdir", "link", "rename", "exchange", "unlink",
	    "rmdir", "write", "map", "truncate", "punch", "chmod", "setxattr", "rmxattr", "utimens", "read", "fsync" };
	char path[PATH_MAX], to[PATH_MAX] = "";

	model_path(w, &w->model, op->dir, op->name, path);
	if (op->kind == OP_LINK || op->kind == OP_RENAME || op->kind == OP_EXCHANGE)
		model_path(w, &w->model, op->new_dir, op->new_name, to);
	snprintf(out, size, "%s %.400s %.400s offset %llu length %llu", names[op->kind], path, to,
	    (unsigned long long)op->offset, (unsigned long long)op->len);
	return out;
}

/* ---- choosing what to do */

static bool
choose_fresh(const struct model *m, struct op *op)
{
	int i, count = op->kind == OP_MKDIR ? DIRS : INODES;

	/* From anywhere, so that large ones are made too. */
	for (i = 0; i < count; i++) {
		op->fresh = (int)((op->number + (uint64_t)i) % (uint64_t)count);
		if (op->kind == OP_MKDIR ? !m->dir[op->fresh].used : m->inode[op->fresh].names == 0)
			return true;
	}
	return false;
}

static bool
dir_empty(const struct model *m, int d)
{
	int i;

	for (i = 0; i < NAMES; i++) {
		if (m->dir[d].entry[i].thing != THING_NONE)
			return false;
	}
	return true;
}

/* Would directory ${d} come to lie in itself? */
static bool
inside(const struct model *m, int d, int new_dir)
{
	int at, ignored;

	for (at = new_dir; at >= 0; at = model_parent(m, at, &ignored)) {
		if (at == d)
			return true;
	}
	return false;
}

static bool
can_rename(const struct model *m, const struct op *op, const struct entry *from, const struct entry *to)
{
	if (from->thing == THING_NONE || from == to)
		return false;
	if (from->thing == THING_DIR && inside(m, from->index, op->new_dir))
		return false;
	if (op->kind == OP_EXCHANGE)
		return to->thing != THING_NONE && !(to->thing == THING_DIR && inside(m, to->index, op->dir));
	return to->thing == THING_NONE || (to->thing == from->thing && (to->thing != THING_DIR || dir_empty(m, to->index)));
}

static bool
choose_range(const struct inode *i, uint64_t limit, uint64_t *random, struct op *op)
{
	static const uint64_t most[] = { 100, 4096, 30000, 300000 };

	op->len = 1 + random_below(random, most[random_below(random, 4)]);
	op->offset = random_below(random, 3) == 0 ? i->size : random_below(random, i->size + 8192);
	if (random_below(random, 3) == 0)
		op->offset -= op->offset % BLOCK;
	if (op->kind == OP_TRUNCATE)
		op->len = random_below(random, i->size * 2 + 10000);
	if (op->kind == OP_MAP || op->kind == OP_PUNCH) {
		if (i->size == 0)
			return false;
		op->offset %= i->size;
		op->len = op->len < i->size - op->offset ? op->len : i->size - op->offset;
	}
	return op->kind == OP_TRUNCATE ? op->len <= limit : op->offset + op->len <= limit;
}

static bool
can_change(const struct model *m, uint64_t *random, struct op *op, const struct entry *e, const struct entry *to)
{
	const struct inode *i = &m->inode[e->index];

	if (op->kind == OP_RMDIR)
		return e->thing == THING_DIR && dir_empty(m, e->index);
	if (e->thing != THING_INODE)
		return false;
	if (op->kind == OP_LINK)
		return to->thing == THING_NONE;
	if (op->kind == OP_UNLINK || op->kind == OP_UTIMENS)
		return true;
	if (op->kind == OP_CHMOD)
		return !S_ISLNK(i->mode);
	if (!S_ISREG(i->mode) || (op->kind == OP_RMXATTR && i->xattr[0] == '\0'))
		return false;
	return op->kind == OP_SETXATTR || op->kind == OP_RMXATTR || op->kind == OP_READ || op->kind == OP_FSYNC ||
	    choose_range(i, limit_of(e->index), random, op);
}

bool
model_choose(const struct model *m, uint64_t *random, struct op *op)
{
	/* How often, of each kind. */
	static const uint8_t weights[OP_KINDS] = { 12, 3, 1, 4, 4, 10, 2, 6, 2, 40, 4, 6, 4, 3, 3, 1, 3, 8, 4 };
	const struct entry *e, *to;
	uint64_t draw = random_below(random, 120);
	int kind = 0;

	while (kind < OP_KINDS - 1 && draw >= weights[kind])
		draw -= weights[kind++];
	*op = (struct op){ .kind = (enum kind)kind, .number = random_next(random) };
	op->dir = (int)random_below(random, DIRS);
	op->new_dir = (int)random_below(random, DIRS);
	op->name = (int)random_below(random, NAMES);
	op->new_name = (int)random_below(random, NAMES);
	if (!m->dir[op->dir].used || !m->dir[op->new_dir].used)
		return false;
	e = &m->dir[op->dir].entry[op->name];
	to = &m->dir[op->new_dir].entry[op->new_name];
	switch (op->kind) {
	case OP_CREATE:
	case OP_SYMLINK:
	case OP_MKFIFO:
	case OP_MKDIR:
		return e->thing == THING_NONE && choose_fresh(m, op);
	case OP_RENAME:
	case OP_EXCHANGE:
		return can_rename(m, op, e, to);
	default:
		return can_change(m, random, op, e, to);
	}
}
