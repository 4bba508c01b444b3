/*
 * model/oracle -- random operations on a mount, held against the model.
 *
 * Each operation draws its arguments from the world's generator and from the
 * model only, so that a seed replays; it notes itself, does the system call,
 * says what the result must be, and changes the model alike.  The first
 * difference ends the program with exit status 1.
 */

#ifndef MODEL_ORACLE_H
#define MODEL_ORACLE_H

#include <errno.h>

#include "model.h"

#define REPLICAS_MAX 16
#define ANY_ERRNO (-1)

enum mending { MENDED_BY_READ, MENDED_LATER };

struct options {
	const char *mount;
	const char *replicas[REPLICAS_MAX];
	unsigned replica_count;
	const char *reference;		/* a directory of the backing file system */
	const char *log;
	unsigned pause_us;		/* after each operation */
	const char *full;		/* file that says that a disk is full, or NULL */
	const char *finish;		/* command that unmounts, before the replicas are compared */
	uint64_t seed, ops;
	unsigned threads;
	unsigned spoil_every;		/* operations between two spoils, on average */
	bool spoil;
	bool all_spoiled;
	bool members_go;		/* replicas are lost and come back meanwhile */
	enum mending mending;
	bool verbose;
	mode_t umask;
	size_t target_max;		/* length of a symbolic link's target that every replica takes */
	unsigned fallocate_modes;	/* bit per known mode: the reference directory has it */
};

/* --- report.c */
extern _Thread_local struct world *report_world;
/* note(world, inode, format, ...): the operation about to be done, for the log and the inode's history; NULL: none. */
void note(struct world *world, struct inode *inode, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* fail(world, inode, format, ...): say what differs and end the program. */
void fail(const struct world *world, const struct inode *inode, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));
/* escape(bytes, out, size): a name as printable text; returns ${out}. */
const char *escape(const char *bytes, char *out, size_t size);
/*
 * expect(world, inode, call, result, want):
 * ${result} as the system call gave it (errno with it), ${want} the errno value
 * it must fail with, or 0.  Returns true if it succeeded.
 */
bool expect(struct world *world, const struct inode *inode, const char *call, int64_t result, int want);

/* --- check.c */
/* full_path(world, dir, name, out): where the name is on the mount. */
void full_path(const struct world *world, const struct inode *dir, const char *name, char *out);
/* inode_full_path(world, inode, out): by one of its names; false if it has none. */
bool inode_full_path(const struct world *world, const struct inode *inode, char *out);
/* replica_path(world, replica, inode, out): the same file behind the mount's back. */
bool replica_path(const struct world *world, unsigned replica, const struct inode *inode, char *out);
/* borrows(world, inode): has no record, and so shows the number and the ctime of a replica, and others when that is lost. */
bool borrows(const struct world *world, const struct inode *inode);
void check_stat(struct world *world, struct inode *inode, const struct stat *st);
/* check_inode: lstat it by a name or through a handle. */
void check_inode(struct world *world, struct inode *inode);
void check_data(struct world *world, const struct inode *inode, uint64_t offset, const uint8_t *got, size_t len, const char *what);
void check_contents(struct world *world, struct inode *inode, bool direct);
void check_xattrs(struct world *world, struct inode *inode);
void check_directory(struct world *world, struct inode *inode);
/* check_all: all of it, for every inode. */
void check_all(struct world *world, bool direct);

/* --- picking operands (pick.c) */
struct inode *pick_directory(struct world *world);
struct inode *pick_inode(struct world *world, mode_t type);	/* 0: any; one that has a name; or NULL */
struct entry *pick_entry(struct world *world, mode_t type);
struct handle *pick_handle(struct world *world, int access);	/* O_RDONLY, O_WRONLY: usable so; -1: any */
/* pick_name: a name for something new, mostly unused in ${dir}; NAME_BYTES_MAX + 2 bytes of room. */
void pick_name(struct world *world, const struct inode *dir, char *name);
void pick_range(struct world *world, const struct inode *inode, uint64_t *offset, size_t *len);
void pick_limit(struct world *world, struct inode *inode);
/* name_fits(dir, name): the path would not grow too long. */
bool name_fits(const struct inode *dir, const char *name);
int name_error(const char *name);	/* ENAMETOOLONG or 0 */

/* --- operations: false if not possible at the moment (then nothing happened) */
typedef bool operation(struct world *world);

operation op_open, op_tmpfile, op_close, op_mkdir, op_rmdir, op_unlink, op_symlink, op_readlink, op_mknod, op_link,
    op_link_handle, op_rename, op_lookup_errors, op_readdir;	/* op_names.c, op_open.c */
operation op_read, op_write, op_truncate, op_ftruncate, op_copy, op_seek, op_sync, op_map, op_map_use, op_fallocate,
    op_locks;							/* op_data.c, op_map.c */
operation op_chmod, op_chown, op_utimens, op_setxattr, op_removexattr, op_getxattr, op_statfs;	/* op_attr.c */
operation op_check_file, op_drop_caches;

/* handle_close(world, handle), map_close(world, map): as close(2), munmap(2). */
void handle_close(struct world *world, struct handle *handle);
void map_close(struct world *world, struct map *map);
/* unmap_all, close_all: of one inode, or of all if it is NULL. */
void inode_close(struct world *world, struct inode *inode);
/* settle(world, inode): write out what was stored through mappings; times are certain again. */
void settle(struct world *world, struct inode *inode);
/* fallocate_probe(directory): which modes work there, for options->fallocate_modes. */
unsigned fallocate_probe(const char *directory);
/* target_probe(directory): the longest target that a symbolic link may have there. */
size_t target_probe(const char *directory);

/* --- spoil.c */
#define SPOIL_DATA 1u
#define SPOIL_RECORD 2u
#define SPOIL_TAGS 4u

/* spoil_some(world): damage something on one replica, after mending what is damaged on another. */
void spoil_some(struct world *world);
/* spoil_mend_all(world): read all that is damaged and see that it was mended. */
void spoil_mend_all(struct world *world, bool last);
/* drop_caches(what): 1 pages, 2 inodes, 3 both; only for root, else nothing. */
void drop_caches(unsigned what);
/* tags_path(world, replica, inode, out): where a large file's tags are. */
void tags_path(const struct world *world, unsigned replica, const struct inode *inode, char *out);
void read_wholly(struct world *world, struct inode *inode, bool direct);

/* --- full.c */
/* full_look(world): before each operation: is a disk about to be filled, or free again? */
void full_look(struct world *world);
/* full_again(world, result): the call failed for want of room, which is allowed: a moment has passed, make it again. */
bool full_again(struct world *world, int64_t result);
/* WITH_ROOM(world, call): its result, when there was room for it. */
#define WITH_ROOM(world, call) \
	(__extension__({ int64_t with_room_result; \
	do \
		with_room_result = (call); \
	while (full_again((world), with_room_result)); \
	with_room_result; }))

/* --- replicas.c */
/* replicas_verify(world, unmounted): every replica's plain tree equals the model. */
void replicas_verify(struct world *world, bool unmounted);
/* replica_check_contents(world, replica, inode, why): returns false if the data differ (why: report it and fail instead). */
bool replica_same(struct world *world, unsigned replica, struct inode *inode, char *difference, size_t size);

/* --- all_spoiled.c */
/* all_spoiled(world): the same block spoiled on every replica. */
void all_spoiled(struct world *world);

#endif
