/*
 * A directory for the tests of one program to fill, and a replica in it for
 * each test.  It is removed by main's process, whatever became of the tests.
 */

#ifndef TESTS_UNIT_REPLICA_SCRATCH_H
#define TESTS_UNIT_REPLICA_SCRATCH_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "replica/dir.h"

#ifdef SCRATCH_FAR
#include "../../far.h"
#endif
#include "../check_main.h"

#define NOBODY 65534

static char scratch[PATH_MAX / 2];	/* of the whole program */
static char top[PATH_MAX / 2 + 16];	/* of the test: its replica */
static struct replica *r;		/* of the test */
#ifdef SCRATCH_FAR
static struct far *scratch_far;		/* where it is: the tests of a directory, made far away */
#endif

static inline int
scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Empty the test's directory, open it. */
static inline void
scratch_setup(void)
{
	snprintf(top, sizeof(top), "%s/r", scratch);
	ck_assert_int_eq(nftw(top, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT, 1);
	ck_assert_int_eq(mkdir(top, 0755), 0);
	ck_assert_int_eq(dir_replica_open(top, false, &r), 0);
#ifdef SCRATCH_FAR
	ck_assert_int_eq(far_put(r, &(struct peer_options){ .link_timeout_ms = 30000 }, &r, &scratch_far), 0);
	ck_assert_int_eq(r->ops->lock(r, true), 0);
#endif
}

static inline void
scratch_teardown(void)
{
	r->ops->free(r);
	r = NULL;
#ifdef SCRATCH_FAR
	far_done(scratch_far);
#endif
}

/* The path of a name in the test's replica, valid until the call after the next one. */
static inline const char *
under(const char *name)
{
	static char paths[2][sizeof(top) + NAME_MAX + 2];
	static unsigned turn;

	turn = !turn;
	snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", top, name);
	return paths[turn];
}

static inline struct replica_at
named(replica_handle dir, const char *name)
{
	return (struct replica_at){ .handle = dir, .name = name };
}

static inline struct replica_at
held(replica_handle handle)
{
	return (struct replica_at){ .handle = handle, .name = NULL };
}

/* Make a regular file of the process's own, and return its handle. */
static inline replica_handle
make_file(const char *name, mode_t mode)
{
	const struct replica_new new = { .mode = S_IFREG | mode, .owned = true };
	replica_handle handle = REPLICA_NONE;

	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, name, &new, &handle), 0);
	ck_assert_int_ge(handle, 0);
	return handle;
}

static inline replica_handle
make_dir(const char *name, mode_t mode)
{
	const struct replica_new new = { .mode = S_IFDIR | mode, .owned = true };
	replica_handle handle = REPLICA_NONE;

	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, name, &new, NULL), 0);
	ck_assert_int_eq(r->ops->dir_open(r, REPLICA_ROOT, name, &handle), 0);
	return handle;
}

/* Run ${suite} in a new directory, where there are user xattrs. */
static inline int
scratch_main(Suite *suite)
{
	const char *base = getenv("TMPDIR");
	int status;

	snprintf(scratch, sizeof(scratch), "%s/mendfs-unit-XXXXXX", base != NULL ? base : "/tmp");
	/* Others than root are to get there, too. */
	if (mkdtemp(scratch) == NULL || chmod(scratch, 0755) != 0) {
		perror(scratch);
		return EXIT_FAILURE;
	}
	if (setxattr(scratch, "user.mendfs.probe", "1", 1, 0) != 0) {
		printf("1..0 # SKIP no user extended attributes in %s\n", scratch);
		srunner_free(srunner_create(suite));
		status = EXIT_SUCCESS;
	} else {
		status = check_main(suite);
	}
	nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return status;
}

#endif
