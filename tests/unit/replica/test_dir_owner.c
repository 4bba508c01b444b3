/*
 * A replica of an ordinary user's.  As root the tests become another user, for
 * which each needs a process of its own: they pass idly with CK_FORK=no.
 */

#include <pthread.h>

#include "format/record.h"

#include "scratch.h"

static const struct replica_times times = { { 1111111111, 1 }, { 2222222222, 2 } };
static uint8_t loaded[RECORD_SIZE_MAX];
static struct replica_info info = { .record = loaded };
static bool idle;

static void
setup(void)
{
	const char *fork_mode = getenv("CK_FORK");

	idle = geteuid() == 0 && fork_mode != NULL && strcmp(fork_mode, "no") == 0;
	scratch_setup();
	if (idle || geteuid() != 0)
		return;
	scratch_teardown();
	ck_assert_int_eq(chown(top, NOBODY, NOBODY), 0);
	ck_assert_int_eq(setresgid(NOBODY, NOBODY, NOBODY), 0);
	ck_assert_int_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
	ck_assert_int_eq(dir_replica_open(top, false, &r), 0);
}

static mode_t
mode_of(struct replica_at at)
{
	struct stat st;

	ck_assert_int_eq(r->ops->stat(r, at, &st), 0);
	return st.st_mode & 07777;
}

static const mode_t modes[] = { 0444, 0400, 0200, 0, 0070, 0644 };

START_TEST(records_of_files_without_permission)
{
	const struct replica_at by_name = named(REPLICA_ROOT, "f");
	const mode_t mode = modes[_i];
	replica_handle file;

	if (idle)
		return;
	file = make_file("f", mode);
	ck_assert_int_eq(r->ops->store(r, held(file), &times, "record1", 7), 0);
	ck_assert_uint_eq(mode_of(by_name), mode);
	ck_assert_int_eq(r->ops->load(r, by_name, &info), 0);
	ck_assert_int_eq(info.record_len, 7);
	ck_assert_int_eq(r->ops->store(r, by_name, &times, "record22", 8), 0);
	ck_assert_int_eq(r->ops->load(r, held(file), &info), 0);
	ck_assert_int_eq(info.record_len, 8);
	ck_assert_int_eq(info.st.st_mtim.tv_nsec, 2);
	ck_assert_uint_eq(mode_of(by_name), mode);
	r->ops->close(r, file);

	/* Opened for mending, too. */
	ck_assert_int_eq(r->ops->open(r, by_name, true, &file, NULL), 0);
	ck_assert_int_eq(r->ops->pwrite(r, file, "x", 1, 0), 1);
	ck_assert_int_eq(r->ops->pread(r, file, loaded, 1, 0), 1);
	ck_assert_uint_eq(mode_of(by_name), mode);
	r->ops->close(r, file);
	ck_assert_int_eq(r->ops->open(r, by_name, false, &file, NULL), 0);
	r->ops->close(r, file);
	ck_assert_uint_eq(mode_of(by_name), mode);
}
END_TEST

static int
count_entry(void *arg, const char *name, unsigned char d_type, ino_t ino)
{
	(void)name;
	(void)d_type;
	(void)ino;
	++*(unsigned *)arg;
	return 0;
}

START_TEST(directories_without_permission)
{
	replica_handle dir;
	unsigned count = 0;

	if (idle)
		return;
	dir = make_dir("d", modes[_i] | 0100);
	ck_assert_int_eq(r->ops->store(r, held(dir), &times, "record", 6), 0);
	ck_assert_int_eq(r->ops->load(r, named(REPLICA_ROOT, "d"), &info), 0);
	ck_assert_int_eq(info.record_len, 6);
	ck_assert_int_eq(r->ops->list(r, dir, count_entry, &count), 0);
	ck_assert_int_eq(r->ops->dir_sync(r, dir), 0);
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(mode_of(held(dir)), modes[_i] | 0100);
	r->ops->dir_close(r, dir);
}
END_TEST

START_TEST(foreign_owner_is_refused)
{
	struct replica_new new = { .mode = S_IFREG | 0644, .uid = 1, .gid = 1 };
	replica_handle handle = REPLICA_NONE;

	if (idle || geteuid() == 1)
		return;
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "f", &new, &handle), -EPERM);
	ck_assert_int_eq(handle, REPLICA_NONE);
	ck_assert_int_eq(r->ops->load(r, named(REPLICA_ROOT, "f"), &info), -ENOENT);
	new.mode = S_IFDIR | 0755;
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "d", &new, NULL), -EPERM);
	ck_assert_int_eq(r->ops->load(r, named(REPLICA_ROOT, "d"), &info), -ENOENT);

	new = (struct replica_new){ .mode = S_IFREG | 0644, .uid = geteuid(), .gid = getegid() };
	ck_assert_int_eq(r->ops->create(r, REPLICA_ROOT, "f", &new, &handle), 0);
	r->ops->close(r, handle);
}
END_TEST

START_TEST(foreign_directory_is_refused)
{
	struct replica *other = NULL;

	if (idle || geteuid() == 0)
		return;
	ck_assert_int_eq(dir_replica_open("/usr", false, &other), -EACCES);
	ck_assert_ptr_null(other);
	ck_assert_int_eq(dir_replica_open("/usr", true, &other), 0);
	other->ops->free(other);
}
END_TEST

START_TEST(links_by_handle)
{
	const struct replica_new new = { .mode = S_IFREG | 0600, .owned = true };
	replica_handle file;

	if (idle || r->ops->tmpfile(r, REPLICA_ROOT, &new, &file) != 0)
		return;
	ck_assert_int_eq(r->ops->link(r, held(file), REPLICA_ROOT, "f"), 0);
	ck_assert_int_eq(r->ops->link(r, held(file), REPLICA_ROOT, "g"), 0);
	r->ops->close(r, file);
}
END_TEST

/* Several threads change the bits for a moment, and all are as they were after it. */

#define ROUNDS 500

static void *
store_often(void *arg)
{
	static int failed;
	replica_handle handle;
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		if (r->ops->store(r, named(REPLICA_ROOT, "f"), &times, "record", 6) != 0)
			return &failed;
		if (r->ops->open(r, named(REPLICA_ROOT, "f"), true, &handle, NULL) != 0)
			return &failed;
		r->ops->close(r, handle);
	}
	return NULL;
}

START_TEST(in_parallel)
{
	pthread_t threads[4];
	void *result;
	int i;

	if (idle)
		return;
	r->ops->close(r, make_file("f", 0400));
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, store_often, NULL), 0);
	for (i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &result), 0);
		ck_assert_ptr_null(result);
	}
	ck_assert_uint_eq(mode_of(named(REPLICA_ROOT, "f")), 0400);
}
END_TEST

int
main(void)
{
	const int count = sizeof(modes) / sizeof(modes[0]);
	Suite *suite = suite_create("replica/dir_owner");
	TCase *tcase = tcase_create("owner");

	tcase_add_checked_fixture(tcase, setup, scratch_teardown);
	tcase_add_loop_test(tcase, records_of_files_without_permission, 0, count);
	tcase_add_loop_test(tcase, directories_without_permission, 0, count);
	tcase_add_test(tcase, foreign_owner_is_refused);
	tcase_add_test(tcase, foreign_directory_is_refused);
	tcase_add_test(tcase, links_by_handle);
	tcase_add_test(tcase, in_parallel);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
