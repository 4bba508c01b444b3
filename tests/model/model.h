/*
 * model/model -- the tree as it should be, in memory.
 *
 * Terms: an inode is a file of any type; an entry is one name of an inode in
 * a directory; a world is one tree with the handles and mappings open on it.
 * One thread works on a world, with a generator of its own, so that a seed
 * replays.  Nothing here makes a system call.
 *
 * Times are learnt: an operation only says which times it must or may have
 * moved, and the next look at the inode takes over the value if it lies
 * between the operation's start and now.
 */

#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "bytes.h"

#define NAME_BYTES_MAX 255
#define PATH_BYTES_MAX 4096		/* room for a path, with the NUL */
#define PATH_BYTES_LIMIT 3400		/* no path of the tree is longer */
#define DEPTH_LIMIT 40
#define HISTORY 20			/* operations remembered per inode */
#define HANDLES_MAX 48
#define MAPS_MAX 4
#define TIME_M 1u			/* mtime */
#define TIME_C 2u			/* ctime */

struct entry {
	struct inode *dir;
	struct inode *inode;
	char *name;
	size_t index;			/* in world->entries */
};

struct xattr {
	char *name;
	uint8_t *value;
	size_t len;
};

struct inode {
	size_t index;			/* in world->inodes */
	uint64_t ino;			/* 0: not seen yet */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	dev_t rdev;
	uint64_t nlink;
	struct timespec mtime, ctime;
	unsigned must, may;		/* TIME_* that have moved, or may have, since last seen */
	struct timespec moved;		/* not before this */
	bool fuzzy;			/* stored through a mapping: mtime moves when it likes */
	bool linkable;			/* made with O_TMPFILE: may get a name though nlink is 0 */
	struct bytes data;
	uint64_t limit;			/* this file's size stays below */
	char *target;
	struct xattr *xattrs;
	size_t xattr_count;
	struct entry **children;	/* of a directory */
	size_t child_count, child_room;
	struct entry **names;		/* the entries that lead here */
	size_t name_count;
	unsigned handles, maps;
	int spoilt;			/* the replica on which it may be damaged, or -1 */
	unsigned spoilt_what;		/* SPOIL_* of spoil.c */
	uint64_t replica_ino[16];
	char *history[HISTORY];
	unsigned history_count;
};

struct handle {
	int fd;
	int flags;			/* as for open(2) */
	uint64_t position;
	struct inode *inode;
};

struct map {
	uint8_t *memory;
	uint64_t offset;		/* in the file */
	size_t len;
	bool private;
	struct inode *inode;
};

struct world {
	char path[PATH_BYTES_MAX];	/* the tree's top directory on the mount */
	char inner[64];			/* the same below a replica: "" or "/t3" */
	const struct options *options;
	uint64_t seed;
	uint64_t random[4];
	uint64_t op;			/* number of the current operation */
	struct timespec began;		/* its start */
	bool fuse;			/* the mount is a FUSE file system */
	bool counts_dirs;		/* a directory's nlink counts its subdirectories */
	struct inode *root;
	struct entry **entries;
	size_t entry_count, entry_room;
	struct inode **inodes;
	size_t inode_count, inode_room;
	struct handle handles[HANDLES_MAX];
	size_t handle_count;
	struct map maps[MAPS_MAX];
	size_t map_count;
	size_t large_count;		/* inodes whose limit is above LIMIT_MEDIUM */
	uint8_t *scratch, *scratch2;	/* SCRATCH bytes each, aligned for O_DIRECT */
	FILE *log;
	int spoiling;			/* the replica damaged at the moment */
	uint64_t spoils, mends;
	unsigned thread;
	bool full;			/* a disk may be full: full.c */
	unsigned full_tries;		/* of the call that finds no room */
	uint64_t full_count;		/* calls that found none */
};

#define SCRATCH (1u << 20)
#define LIMIT_SMALL (64u << 10)
#define LIMIT_MEDIUM (1u << 20)
#define LIMIT_LARGE (8u << 20)
#define LIMIT_SPARSE (3ull << 30)

/* random numbers: the same for the same seed, whatever the machine */
void random_seed(struct world *world, uint64_t seed);
uint64_t random_bits(struct world *world);
uint64_t random_below(struct world *world, uint64_t limit);
/* chance(world, percent): true in ${percent} of 100 cases. */
bool chance(struct world *world, unsigned percent);
void random_fill(struct world *world, uint8_t *out, size_t len);

/* the tree */
struct inode *inode_new(struct world *world, mode_t mode);
/* inode_create(world, dir, mode, umask): a new inode in ${dir}, without a name yet: owner, mode and ACLs as the kernel gives them. */
struct inode *inode_create(struct world *world, struct inode *dir, mode_t mode, mode_t umask);
/* inode_drop(world, inode): free it if nothing refers to it any more. */
void inode_drop(struct world *world, struct inode *inode);
/* tree_free(world): all inodes and entries. */
void tree_free(struct world *world);
struct entry *entry_add(struct world *world, struct inode *dir, const char *name, struct inode *inode);
void entry_remove(struct world *world, struct entry *entry);
struct entry *entry_find(const struct inode *dir, const char *name);
/* entry_move(entry, dir, name): name counts of directories included. */
void entry_move(struct entry *entry, struct inode *dir, const char *name);
/* entry_swap(a, b): exchange what two names stand for. */
void entry_swap(struct entry *a, struct entry *b);
/* dir_path(dir, name, out): the path of ${name} (NULL: itself) in directory ${dir}, from the world's top: "/a/b". */
void dir_path(const struct inode *dir, const char *name, char *out);
/* inode_is_above(above, inode): is directory ${above} the same as ${inode} or one of its ancestors? */
bool inode_is_above(const struct inode *above, const struct inode *inode);
unsigned inode_depth(const struct inode *dir);
/* inode_reach(inode): the longest path below ${inode}, in bytes; its height in ${height}. */
size_t inode_reach(const struct inode *inode, unsigned *height);

struct xattr *xattr_find(const struct inode *inode, const char *name);
void xattr_put(struct inode *inode, const char *name, const void *value, size_t len);
void xattr_drop(struct inode *inode, const char *name);
size_t xattr_total(const struct inode *inode);

/* time_must, time_may(world, inode, which): this operation moved, or may have moved, these times. */
void time_must(const struct world *world, struct inode *inode, unsigned which);
void time_may(const struct world *world, struct inode *inode, unsigned which);

#endif
