#include <time.h>

#include "meta/quarantine.h"

#include "../replica/scratch.h"

struct seen { unsigned count; char slot[QUARANTINE_SLOT_MAX], path[PATH_MAX], reason[128]; mode_t mode; uint64_t size; time_t when; };

static int
see(void *arg, const struct quarantine_version *version)
{
	struct seen *seen = arg;

	seen->count++;
	snprintf(seen->slot, sizeof(seen->slot), "%s", version->slot);
	snprintf(seen->path, sizeof(seen->path), "%s", version->path);
	snprintf(seen->reason, sizeof(seen->reason), "%s", version->reason);
	seen->mode = version->mode;
	seen->size = version->size;
	seen->when = version->when;
	return 0;
}

static struct seen
look(void)
{
	struct seen seen = { 0 };

	ck_assert_int_eq(quarantine_list(r, see, &seen), 0);
	return seen;
}

static void
make(const char *name, const char *text)
{
	int fd = open(under(name), O_WRONLY | O_CREAT | O_EXCL, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(close(fd), 0);
}

START_TEST(kept_shown_purged)
{
	time_t before = time(NULL);
	struct seen seen;

	ck_assert_uint_eq(look().count, 0);
	ck_assert_int_eq(quarantine_purge(r, "20250101T000000Z-0"), -ENOENT);
	make("a", "hello");
	ck_assert_int_eq(quarantine_move(r, REPLICA_ROOT, "a", "/dir/odd\nname\\", "why not"), 0);
	seen = look();
	ck_assert_uint_eq(seen.count, 1);
	ck_assert_str_eq(seen.path, "/dir/odd\nname\\");
	ck_assert_str_eq(seen.reason, "why not");
	ck_assert_uint_eq(seen.size, 5);
	ck_assert(S_ISREG(seen.mode));
	ck_assert(seen.when >= before && seen.when <= time(NULL));
	ck_assert_int_eq(quarantine_purge(r, "../quarantine"), -ENOENT);
	ck_assert_int_eq(quarantine_purge(r, "nothing"), -ENOENT);
	ck_assert_int_eq(quarantine_purge(r, seen.slot), 0);
	ck_assert_uint_eq(look().count, 0);
}
END_TEST

/* A copy has its own data, and the times of what it was made from; the path always begins at the top. */
START_TEST(copied)
{
	const struct replica_times old = { .atime.tv_sec = 5, .mtime = { 7, 9 } };
	struct seen seen;
	char path[256];
	struct stat st;

	make("a", "hello");
	ck_assert_int_eq(r->ops->store(r, named(REPLICA_ROOT, "a"), &old, NULL, 0), 0);
	ck_assert_int_eq(quarantine_copy(r, named(REPLICA_ROOT, "a"), "a", "it was edited"), 0);
	seen = look();
	ck_assert_str_eq(seen.path, "/a");
	snprintf(path, sizeof(path), QUARANTINE_PATH "/%s/data", seen.slot);
	ck_assert_int_eq(stat(under(path), &st), 0);
	ck_assert_int_eq(st.st_mtim.tv_sec, 7);
	ck_assert_int_eq(st.st_mtim.tv_nsec, 9);
	ck_assert_int_eq(access(under("a"), F_OK), 0);
}
END_TEST

START_TEST(directories)
{
	replica_handle dir = make_dir("d", 0755);

	r->ops->dir_close(r, dir);
	make("d/a", "hello");
	make("d/b", "you");
	ck_assert_int_eq(quarantine_move(r, REPLICA_ROOT, "d", "/d", "x"), 0);
	ck_assert_uint_eq(look().size, 8);
	ck_assert(S_ISDIR(look().mode));
	ck_assert_int_eq(quarantine_purge(r, look().slot), 0);
	ck_assert_int_eq(access(under(QUARANTINE_PATH), F_OK), 0);
	ck_assert_int_ne(access(under("d"), F_OK), 0);
}
END_TEST

/* What is being copied is no version yet; what has no story is one; what is going is none, and goes. */
START_TEST(halves)
{
	struct seen seen;

	make("a", "hello");
	ck_assert_int_eq(quarantine_move(r, REPLICA_ROOT, "a", "a", "x"), 0);
	ck_assert_int_eq(mkdir(under(QUARANTINE_PATH "/20250101T000000Z-7"), 0700), 0);
	make(QUARANTINE_PATH "/20250101T000000Z-7/data.new", "half");
	ck_assert_uint_eq(look().count, 1);
	ck_assert_int_eq(rename(under(QUARANTINE_PATH "/20250101T000000Z-7/data.new"), under(QUARANTINE_PATH "/20250101T000000Z-7/data")), 0);
	ck_assert_uint_eq(look().count, 2);
	ck_assert_int_eq(quarantine_purge(r, look().slot), 0);
	seen = look();
	ck_assert_str_eq(seen.path, "");
	ck_assert_str_eq(seen.reason, "");
	ck_assert_int_eq(seen.when, 1735689600);
	ck_assert_int_eq(rename(under(QUARANTINE_PATH "/20250101T000000Z-7"), under(QUARANTINE_PATH "/20250101T000000Z-7.gone")), 0);
	ck_assert_uint_eq(look().count, 0);
	ck_assert_int_eq(quarantine_sweep(r), 0);
	ck_assert_int_ne(access(under(QUARANTINE_PATH "/20250101T000000Z-7.gone"), F_OK), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("quarantine");
	TCase *tcase = tcase_create("quarantine");

	tcase_add_checked_fixture(tcase, scratch_setup, scratch_teardown);
	tcase_add_test(tcase, kept_shown_purged);
	tcase_add_test(tcase, copied);
	tcase_add_test(tcase, directories);
	tcase_add_test(tcase, halves);
	suite_add_tcase(suite, tcase);
	return scratch_main(suite);
}
