/*
 * posix -- what a POSIX file system on Linux owes its users, case by case.
 *
 * Each case is a function that runs in a process of its own, in a fresh and
 * empty directory below the one under test, which is its current directory.
 * It says what must hold with the macros below; a miss is shown and the case
 * goes on.  What Linux and ext4 do beyond POSIX counts as owed, too.
 *
 * Cases start as root; become() makes them somebody else for a while.
 */

#ifndef POSIX_POSIX_H
#define POSIX_POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

struct posix_case {
	const char *name;
	void (*run)(void);
	bool slow;			/* only with --long */
};

/* One table a file, ended by an entry without a name. */
extern const struct posix_case open_cases[], names_cases[], rename_cases[], attrs_cases[], times_cases[], data_cases[],
    map_cases[], xattr_cases[], acl_cases[], dirs_cases[], locks_cases[], special_cases[], differential_cases[];

/* CHECK(condition); OK(call): did not give -1; ERR(errno, call): gave -1 and this errno. */
#define CHECK(condition) posix_check(__FILE__, __LINE__, #condition, (condition))
#define OK(call) posix_result(__FILE__, __LINE__, #call, (errno = 0, (int64_t)(call)), 0)
#define ERR(want, call) ((void)posix_result(__FILE__, __LINE__, #call, (errno = 0, (int64_t)(call)), (want)))
/* EQUAL(got, want): integers. */
#define EQUAL(got, want) posix_equal(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(want))

/* An address where nothing is; for syscall(2), so that no library looks first. */
#define NOWHERE 8L

bool posix_check(const char *file, int line, const char *what, bool held);
int64_t posix_result(const char *file, int line, const char *what, int64_t result, int want);
bool posix_equal(const char *file, int line, const char *what, int64_t got, int64_t want);
/* posix_skip(why): this case cannot run here; does not return. */
void posix_skip(const char *why) __attribute__((noreturn));
/* posix_fuse(): is the directory under test on a FUSE file system? */
bool posix_fuse(void);
/* posix_reference(): the directory to compare with, or NULL. */
const char *posix_reference(void);
/* posix_long(): there is time for everything. */
bool posix_long(void);

/* People.  No one of them is in a group of another's. */
#define ALICE 60001
#define BOB 60002
#define GROUP_A 61001
#define GROUP_B 61002
/* become(uid, gid): effective ids, no other groups; become(0, 0): root again. */
void become(uid_t uid, gid_t gid);
/* become_member(uid, gid, other): with one supplementary group. */
void become_member(uid_t uid, gid_t gid, gid_t other);

/* make(path, mode, owner, group): a regular file with the bytes "0123456789". */
void make(const char *path, mode_t mode, uid_t owner, gid_t group);
void make_dir(const char *path, mode_t mode, uid_t owner, gid_t group);
int open_new(const char *path);		/* O_RDWR, created, 0644 */
mode_t mode_of(const char *path);	/* lstat, with the type */
int64_t size_of(const char *path);
int64_t nlink_of(const char *path);
bool exists(const char *path);		/* lstat */
char *long_name(size_t len);		/* ${len} times 'n'; static memory */
/* wait_for(pid): its exit status, or -1 if it ended by a signal. */
int wait_for(pid_t pid);

/* Times: watch() remembers those of a path, moved() compares. */
#define MTIME 1u
#define CTIME 2u
struct watch { const char *path; struct stat before; };
struct watch watch(const char *path);
/* MOVED(watch, which): just these of mtime and ctime have gone forward since. */
#define MOVED(watch, which) posix_moved(__FILE__, __LINE__, (watch), (which))
void posix_moved(const char *file, int line, const struct watch *watch, unsigned which);
/* tick(): sleep until a file system's clock has surely gone on. */
void tick(void);

#endif
