#include <pthread.h>
#include <stdatomic.h>

#include "format/record.h"
#include "replica/fault.h"
#include "replica/guard.h"

#include "scratch.h"

#define TIMEOUT_MS 30
#define LONG_MS 10000			/* until something must have happened */

static struct replica *failing;		/* below the guard */
static atomic_bool may;
static const struct replica_open_options plain;

static bool
may_give_up(void *arg)
{
	(void)arg;
	return may;
}

static void
setup(void)
{
	const struct guard_options options = { .timeout_ms = TIMEOUT_MS, .may_give_up = may_give_up };

	scratch_setup();
	ck_assert_int_eq(fault_replica_new(r, &failing), 0);
	ck_assert_int_eq(guard_replica_new(failing, &options, &r), 0);
	/* Until something hangs, however slow this machine is. */
	may = false;
	(void)guard_always(true);
}

static void
hang(uint32_t ops)
{
	const struct fault_rule rule = { .ops = ops, .nth = 1, .mode = FAULT_HANG };

	fault_set(failing, &rule);
	may = true;
}

static int
count_names(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	(void)name;
	(void)d_type;
	(void)ino;
	++*(int *)arg;
	return 0;
}

/* Every operation, made aside if _i is 0: it does what it does. */
START_TEST(passes_on)
{
	const struct replica_new file_new = { .mode = S_IFREG | 0640, .uid = geteuid(), .gid = getegid() };
	const struct replica_new link_new = { .mode = S_IFLNK | 0777, .uid = geteuid(), .gid = getegid(), .target = "t" };
	const struct replica_new dir_new = { .mode = S_IFDIR | 0750, .uid = geteuid(), .gid = getegid() };
	const struct replica_times times = { .mtime = { 1000, 5 }, .atime = { 0, UTIME_OMIT } };
	uint8_t record[RECORD_SIZE_MAX];
	struct replica_info info = { .record = record };
	replica_handle file, dir, pin;
	struct statvfs vfs;
	struct stat st;
	char text[16];
	int names = 0;

	(void)guard_always(_i == 0);
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "f", &file_new, &file), 0);
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "f", &file_new, &dir), -EEXIST);
	ck_assert_int_eq(r->ops->pwrite(r, file, "hello", 5, 0), 5);
	ck_assert_int_eq(r->ops->pread(r, file, text, sizeof(text), 1), 4);
	ck_assert_mem_eq(text, "ello", 4);
	ck_assert_int_eq(r->ops->fsync(r, file, false), 0);
	ck_assert_int_eq(r->ops->truncate(r, file, 4), 0);
	ck_assert_int_eq(r->ops->fallocate(r, file, 0, 0, 8192), 0);
	ck_assert_int_eq(r->ops->seek(r, file, 0, SEEK_DATA), 0);
	ck_assert_int_eq(r->ops->store(r, named(REPLICA_ROOT, "f"), &times, "record", 6), 0);
	ck_assert_int_eq(r->ops->load(r, named(REPLICA_ROOT, "f"), &info), 0);
	ck_assert_int_eq(info.record_len, 6);
	ck_assert_mem_eq(record, "record", 6);
	ck_assert_int_eq(info.st.st_mtim.tv_sec, 1000);
	r->ops->close(r, file);

	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "d", &dir_new, NULL), 0);
	ck_assert_int_eq(r->ops->dir_open(r, REPLICA_ROOT, "d", &dir), 0);
	ck_assert_int_eq(r->ops->dir_open(r, REPLICA_ROOT, "f", &pin), -ENOTDIR);
	ck_assert_int_eq(r->ops->create(r, dir, "l", &link_new, NULL), 0);
	ck_assert_int_eq(r->ops->readlink(r, named(dir, "l"), text, sizeof(text)), 0);
	ck_assert_str_eq(text, "t");
	ck_assert_int_eq(r->ops->pin(r, dir, "l", &pin), 0);
	r->ops->dir_close(r, pin);
	ck_assert_int_eq(r->ops->rename(r, REPLICA_ROOT, "f", dir, "g", 0), 0);
	ck_assert_int_eq(r->ops->link(r, named(dir, "g"), REPLICA_ROOT, "h"), 0);
	ck_assert_int_eq(r->ops->list(r, REPLICA_ROOT, count_names, &names), 0);
	ck_assert_int_eq(names, 2);
	ck_assert_int_eq(r->ops->dir_sync(r, dir), 0);
	ck_assert_int_eq(r->ops->unlink(r, dir, "l", false), 0);
	ck_assert_int_eq(r->ops->unlink(r, dir, "l", false), -ENOENT);
	r->ops->dir_close(r, dir);

	ck_assert_int_eq(r->ops->chmod(r, named(REPLICA_ROOT, "h"), 0600), 0);
	ck_assert_int_eq(r->ops->chown(r, named(REPLICA_ROOT, "h"), geteuid(), (gid_t)-1), 0);
	ck_assert_int_eq(r->ops->stat(r, named(REPLICA_ROOT, "h"), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
	ck_assert_int_eq(r->ops->xattr_set(r, named(REPLICA_ROOT, "h"), "user.a", "value", 5, 0), 0);
	ck_assert_int_eq(r->ops->xattr_get(r, named(REPLICA_ROOT, "h"), "user.a", text, sizeof(text)), 5);
	ck_assert_mem_eq(text, "value", 5);
	ck_assert_int_eq(r->ops->xattr_get(r, named(REPLICA_ROOT, "h"), "user.a", NULL, 0), 5);
	ck_assert_int_gt(r->ops->xattr_list(r, named(REPLICA_ROOT, "h"), NULL, 0), 6);
	ck_assert_int_eq(r->ops->xattr_remove(r, named(REPLICA_ROOT, "h"), "user.a"), 0);
	ck_assert_int_eq(r->ops->open(r, named(REPLICA_ROOT, "h"), false, &file, &st), 0);
	ck_assert_int_eq(st.st_size, 8192);
	r->ops->drop_cache(r, file);
	r->ops->close(r, file);
	ck_assert_int_eq(r->ops->open(r, named(REPLICA_ROOT, "d"), false, &file, NULL), -ESTALE);
	ck_assert_int_eq(r->ops->statfs(r, &vfs), 0);
	ck_assert_int_eq(r->ops->sync(r), 0);
	ck_assert_int_eq(r->ops->check(r), 0);
	ck_assert_int_eq(r->ops->lock(r, true), 0);
}
END_TEST

/* No name is longer than a file system's, whoever asks. */
START_TEST(long_names)
{
	char name[NAME_MAX + 2];
	struct stat st;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(r->ops->stat(r, named(REPLICA_ROOT, name), &st), -ENAMETOOLONG);
	ck_assert_int_eq(r->ops->stat(r, named(REPLICA_ROOT, name + 1), &st), -ENOENT);
}
END_TEST

/* Can another have the lock of what lies there?  After what hung has come to an end. */
static bool
lock_is_free(bool at_last)
{
	struct replica *other;
	int i, rc;

	for (i = 0; i < (at_last ? LONG_MS : 1); i++) {
		ck_assert_int_eq(dir_replica_open(top, false, &other), 0);
		rc = other->ops->lock(other, true);
		other->ops->free(other);
		if (rc == 0)
			return true;
		usleep(1000);
	}
	return false;
}

/* Dead after one call without an answer; and closed for good when that one has come back. */
START_TEST(no_answer)
{
	replica_handle file;
	uint64_t asked;
	struct stat st;

	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "f", &(struct replica_new){ .mode = S_IFREG | 0600, .owned = true }, &file), 0);
	ck_assert_int_eq(r->ops->lock(r, true), 0);
	hang(FAULT_MASK(FAULT_PWRITE));
	ck_assert_int_eq(r->ops->pwrite(r, file, "late", 4, 0), -ETIMEDOUT);
	asked = fault_count(failing, FAULT_ALL);
	ck_assert_int_eq(r->ops->stat(r, named(REPLICA_ROOT, "f"), &st), -ETIMEDOUT);
	ck_assert_int_eq(r->ops->check(r), -ETIMEDOUT);
	ck_assert_uint_eq(fault_count(failing, FAULT_ALL), asked);

	/* What still hangs there may use the descriptors. */
	r->ops->close(r, file);
	r->ops->retire(r, false);
	ck_assert_int_eq(fcntl((int)file, F_GETFD), FD_CLOEXEC);
	ck_assert(!lock_is_free(false));
	fault_set(failing, NULL);
	ck_assert(lock_is_free(true));
	ck_assert_int_eq(fcntl((int)file, F_GETFD), -1);
	ck_assert_int_eq(stat(under("f"), &st), 0);
	ck_assert_int_eq(st.st_size, 4);
}
END_TEST

/* A handle that comes too late is nobody's. */
START_TEST(late_handle)
{
	replica_handle file = REPLICA_NONE;
	int lowest = dup(0);

	close(lowest);
	ck_assert_int_eq(r->ops->lock(r, true), 0);
	hang(FAULT_MASK(FAULT_CREATE));
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "f", &(struct replica_new){ .mode = S_IFREG | 0600, .owned = true }, &file), -ETIMEDOUT);
	ck_assert_int_eq(file, REPLICA_NONE);
	r->ops->retire(r, false);
	fault_set(failing, NULL);
	ck_assert(lock_is_free(true));
	ck_assert_int_eq(access(under("f"), F_OK), 0);
	ck_assert_int_eq(fcntl(lowest, F_GETFD), -1);
}
END_TEST

/* How many descriptors this process has. */
static int
descriptors(void)
{
	int fd, count = 0;

	for (fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static bool
descriptors_come_to(int count)
{
	int i;

	for (i = 0; i < LONG_MS && descriptors() != count; i++)
		usleep(1000);
	return descriptors() == count;
}

/* Whoever is in the midst of a call is waited for, and then nothing is kept. */
START_TEST(retired)
{
	int with = descriptors();
	struct stat st;

	if (_i == 1) {
		hang(FAULT_MASK(FAULT_STAT));
		ck_assert_int_eq(r->ops->stat(r, (struct replica_at){ .handle = REPLICA_ROOT }, &st), -ETIMEDOUT);
	}
	r->ops->retire(r, false);
	ck_assert_int_eq(r->ops->stat(r, (struct replica_at){ .handle = REPLICA_ROOT }, &st), -ETIMEDOUT);
	if (_i == 1)
		ck_assert_int_eq(descriptors(), with);
	fault_set(failing, NULL);
	ck_assert(descriptors_come_to(with - 1));
}
END_TEST

static void *
release_later(void *arg)
{
	usleep(5 * TIMEOUT_MS * 1000);
	fault_set(failing, NULL);
	return arg;
}

/* Whom nobody can stand in for is waited for. */
START_TEST(waited_for)
{
	struct stat st;
	pthread_t thread;

	hang(FAULT_MASK(FAULT_STAT));
	may = false;
	ck_assert_int_eq(pthread_create(&thread, NULL, release_later, NULL), 0);
	ck_assert_int_eq(r->ops->stat(r, (struct replica_at){ .handle = REPLICA_ROOT }, &st), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(r->ops->stat(r, (struct replica_at){ .handle = REPLICA_ROOT }, &st), 0);
}
END_TEST

/* Freed while a call hangs: what that one uses stays until it is back. */
START_TEST(freed_meanwhile)
{
	struct replica *below = failing;
	struct stat st;

	ck_assert_int_eq(r->ops->lock(r, true), 0);
	hang(FAULT_MASK(FAULT_STAT));
	ck_assert_int_eq(r->ops->stat(r, (struct replica_at){ .handle = REPLICA_ROOT }, &st), -ETIMEDOUT);
	r->ops->free(r);
	ck_assert(!lock_is_free(false));
	fault_set(below, NULL);
	ck_assert(lock_is_free(true));
	scratch_setup();
}
END_TEST

static void *
write_directly(void *arg)
{
	replica_handle file = *(replica_handle *)arg;

	/* The first one shows that it answers. */
	(void)r->ops->pwrite(r, file, "a", 1, 0);
	hang(FAULT_MASK(FAULT_PWRITE));
	(void)r->ops->pwrite(r, file, "b", 1, 0);
	return NULL;
}

/* Whoever made his call himself is stuck; the look that is taken each second finds him. */
START_TEST(stuck_caller)
{
	replica_handle file;
	pthread_t thread;
	int i;

	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "f", &(struct replica_new){ .mode = S_IFREG | 0600, .owned = true }, &file), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, write_directly, &file), 0);
	for (i = 0; i < LONG_MS && r->ops->check(r) != -ETIMEDOUT; i++)
		usleep(1000);
	ck_assert_int_eq(r->ops->check(r), -ETIMEDOUT);
	fault_set(failing, NULL);
	pthread_join(thread, NULL);
	r->ops->close(r, file);
}
END_TEST

/* To open a directory may hang as well: this one does not. */
START_TEST(opening)
{
	struct guard_opening *one = NULL;
	struct replica *other;
	int rc;

	do {
		rc = guard_open(&one, top, &plain, 1, &other);
	} while (rc == -EINPROGRESS);
	ck_assert_int_eq(rc, 0);
	ck_assert_ptr_null(one);
	ck_assert(!lock_is_free(false));
	do {
		rc = guard_open(&one, top, &plain, 1, &r);
	} while (rc == -EINPROGRESS);
	ck_assert_int_eq(rc, -EWOULDBLOCK);
	other->ops->free(other);
	rc = guard_open(&one, under("none"), &plain, 0, &other);
	if (rc == -EINPROGRESS)
		guard_open_cancel(one);
	else
		ck_assert_int_eq(rc, -ENOENT);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("replica/guard");
	TCase *tcase = tcase_create("guard");

	tcase_add_checked_fixture(tcase, setup, scratch_teardown);
	tcase_add_loop_test(tcase, passes_on, 0, 2);
	tcase_add_test(tcase, long_names);
	tcase_add_test(tcase, no_answer);
	tcase_add_test(tcase, late_handle);
	tcase_add_loop_test(tcase, retired, 0, 2);
	tcase_add_test(tcase, waited_for);
	tcase_add_test(tcase, freed_meanwhile);
	tcase_add_test(tcase, stuck_caller);
	tcase_add_test(tcase, opening);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
