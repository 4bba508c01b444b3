/*
 * kills -- the daemon is killed in the midst of work, and what it acknowledged
 * is looked for.
 *
 * Each worker, a process, has a directory of its own on the mount and a model
 * of it in memory that outlives both the daemon and the worker.  Before a call
 * it notes in the model what it is about to do; when the call has succeeded the
 * model changes alike and the note goes.  So when the daemon is dead, each
 * model is what was acknowledged, and there is at most one call more that may
 * have been done, not done, or (writes) done in some blocks.
 *
 * Nothing here is shared with src/.
 */

#ifndef KILLS_KILLS_H
#define KILLS_KILLS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define WORKERS 4
#define DIRS 6				/* 0: the worker's own directory, always there */
#define NAMES 7				/* in each directory: n0, n1, ... */
#define INODES 14
#define LARGE_INODES 2			/* the first ones may grow so that their tags need pages */
#define SIZE_LARGE (1536u * 1024)
#define SIZE_SMALL (96u * 1024)
#define BLOCK 4096u
#define TEXT 24

/* What a name stands for. */
enum thing { THING_NONE, THING_INODE, THING_DIR };
struct entry { enum thing thing; int index; };

struct dir { bool used; struct entry entry[NAMES]; };

struct inode {
	int names;			/* 0: the slot is free */
	mode_t mode;
	uint64_t size;			/* of a regular file */
	int64_t mtime;			/* seconds, if they were set and not changed since; -1: the clock's */
	char xattr[TEXT];		/* user.x; "": none */
	char target[TEXT];		/* a symbolic link's */
	uint8_t *data;			/* limit_of() bytes */
};

/* The model of one worker's directory. */
struct model { struct dir dir[DIRS]; struct inode inode[INODES]; };

enum kind {
	OP_CREATE, OP_SYMLINK, OP_MKFIFO, OP_MKDIR, OP_LINK, OP_RENAME, OP_EXCHANGE, OP_UNLINK, OP_RMDIR,
	OP_WRITE, OP_MAP, OP_TRUNCATE, OP_PUNCH, OP_CHMOD, OP_SETXATTR, OP_RMXATTR, OP_UTIMENS,
	OP_READ, OP_FSYNC, OP_KINDS
};

struct op {
	enum kind kind;
	int dir, name, new_dir, new_name;	/* the file is what stands at dir, name */
	int fresh;				/* the slot, inode or directory, that something new takes */
	uint64_t offset, len;			/* bytes */
	uint64_t number;			/* seed of the data, mode, time, ... */
};

/* In memory that all processes share. */
struct worker {
	struct model model;
	bool under_way;			/* op was begun, and has not succeeded */
	struct op op;
	uint64_t done;			/* calls that succeeded */
	uint64_t random;
	char path[PATH_MAX / 4];	/* its directory */
};
struct shared { volatile bool dying; struct worker worker[WORKERS]; };

/* ---- model.c */

/* random_next(state): the next of a sequence (splitmix64); random_below(state, n): 0 to n - 1. */
uint64_t random_next(uint64_t *state);
uint64_t random_below(uint64_t *state, uint64_t n);
/* limit_of(i): how many bytes inode ${i} may have. */
uint64_t limit_of(int i);
/* model_init(model, shared): empty, its data in memory that other processes see if ${shared}. Ends the program without memory. */
void model_init(struct model *m, bool shared);
void model_clear(struct model *m);
void model_copy(struct model *to, const struct model *from);
/* model_apply(model, op): the call succeeded. */
void model_apply(struct model *m, const struct op *op);
/* model_choose(model, random, op): something that can be done; false: draw again. */
bool model_choose(const struct model *m, uint64_t *random, struct op *op);
/* model_parent(model, d, name): the directory that ${d} stands in; -1 for 0. */
int model_parent(const struct model *m, int d, int *name);
/* model_path(worker, model, d, name, out): PATH_MAX bytes; ${name} -1: the directory itself. */
void model_path(const struct worker *w, const struct model *m, int d, int name, char *out);
/* op_fill(op, data): the bytes that it writes. */
void op_fill(const struct op *op, uint8_t *data);
/* op_text(worker, op, out, size): for messages. */
const char *op_text(const struct worker *w, const struct op *op, char *out, size_t size);

/* ---- work.c */

/* work(shared, worker): until a call fails; exits, with 0 if the daemon was being killed. */
void work(struct shared *s, struct worker *w) __attribute__((noreturn));

/* ---- look.c */

/*
 * look(worker, why, size): the worker's directory is what its model says, with
 * or without the call that was under way; the model becomes what is there.
 * False: it is not; then ${why} says so.
 */
bool look(struct worker *w, char *why, size_t size);

#endif
