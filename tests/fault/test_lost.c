/*
 * A replica that is lost in the midst of an operation: it gives no answer, or
 * an error.  Whatever is asked of the volume is done by the other one, and when
 * it is back both are alike.
 */

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/check_main.h"
#include "rig.h"
#include "volume/file.h"
#include "volume/members.h"
#include "volume/names.h"
#include "volume/volume.h"

#define TIMEOUT_MS 250			/* in which a busy machine has a thread run */
#define RESYNC_MS 20000
#define OLD_FILES 60u		/* that need not be looked at */
#define CUT_STRIDE 4			/* so many tests share the cuts */

static struct rig rig;
static struct replica *failing[RIG_MEMBERS_MAX];

static int
remember(void *arg, unsigned index, struct replica **r)
{
	struct replica *f;
	int rc;

	(void)arg;
	if ((rc = fault_replica_new(*r, &f)) == 0)
		*r = failing[index] = f;
	return rc;
}

static void
setup(void)
{
	rig_init(&rig, 2);
	rig_plug(&rig, 0, false);
	rig.wrap = remember;
	rig.timeout_ms = TIMEOUT_MS;
}

static void
teardown(void)
{
	rig_done(&rig);
}

static void
step(const char *text)
{
	int rc = rig_step(&rig, text);

	ck_assert_msg(rc == 0, "%s: %s", text, strerror(-rc));
}

static void
open_volume(void)
{
	ck_assert_int_eq(rig_open(&rig), 0);
	ck_assert_int_eq(volume_start(rig.v), 0);
}

/* Wait until all are in sync again, and all labels say so: else a loss that follows would leave a fork. */
static void
all_back(void)
{
	int i;

	for (i = 0; i < RESYNC_MS && members_in_sync(rig.v) < 2; i++) {
		if (i % 20 == 0)
			volume_hurry(rig.v);
		usleep(1000);
	}
	pthread_mutex_lock(&rig.v->label_lock);
	ck_assert_uint_eq(members_in_sync(rig.v), 2);
	pthread_mutex_unlock(&rig.v->label_lock);
}

/* Mount once more: the lost one is brought up to date.  Then all is the same. */
static void
close_and_compare_closed(void)
{
	char *a, *b, *said;

	rig.timeout_ms = 0;
	open_volume();
	all_back();
	ck_assert_int_eq(rig_close(&rig), 0);
	a = rig_copy(&rig, 0);
	b = rig_copy(&rig, 1);
	ck_assert_str_eq(a, b);
	ck_assert_msg(rig_fsck(&rig, &said) == 0, "%s", said);
	free(a);
	free(b);
	free(said);
}

static void
close_and_compare(void)
{
	ck_assert_int_eq(rig_close(&rig), 0);
	close_and_compare_closed();
}

static const char *const steps[] = {
	"create a", "write a 0 300000 p", "write a 8192 4096 q", "fsync a", "mkdir d", "rename a d/b", "link d/b c",
	"chmod c 600", "setxattr c user.x y", "symlink s target", "truncate c 5000", "unlink c", "fsync d/b",
};
#define STEPS (int)(sizeof(steps) / sizeof(steps[0]))

/* Everything hangs from step _i on, on one member or the other. */
START_TEST(hangs)
{
	const struct fault_rule hang = { .ops = FAULT_ALL, .nth = 1, .mode = FAULT_HANG };
	unsigned lost = (unsigned)_i % 2;
	int i, nth = _i * (int)rig_stride(FAULT_STRIDE);

	open_volume();
	for (i = 0; i < STEPS; i++) {
		if (i == nth)
			fault_set(failing[lost], &hang);
		step(steps[i]);
	}
	step("create e");
	step("fsync e");
	ck_assert_uint_eq(members_in_sync(rig.v), 1);
	ck_assert_ptr_eq(members_first(rig.v), &rig.v->members[!lost]);
	fault_set(failing[lost], NULL);
	close_and_compare();
}
END_TEST

/* It hangs while the tree is read: all is shown, as it was. */
START_TEST(hangs_reading)
{
	struct fault_rule hang = { .ops = FAULT_ALL, .nth = 1 + 3 * (unsigned)_i, .mode = FAULT_HANG };
	unsigned lost = (unsigned)_i % 2;
	char *before, *now;
	int i;

	open_volume();
	for (i = 0; i < STEPS; i++)
		step(steps[i]);
	before = rig_tree(&rig);
	ck_assert_int_eq(rig_close(&rig), 0);
	open_volume();
	fault_set(failing[lost], &hang);
	now = rig_tree(&rig);
	ck_assert_str_eq(before, now);
	fault_set(failing[lost], NULL);
	free(before);
	free(now);
	close_and_compare();
}
END_TEST

/* If none answers, the last one is waited for, however long it takes. */
static void *
release_later(void *arg)
{
	(void)arg;
	usleep(3 * TIMEOUT_MS * 1000);
	fault_set(failing[0], NULL);
	fault_set(failing[1], NULL);
	return NULL;
}

START_TEST(all_hang)
{
	const struct fault_rule hang = { .ops = FAULT_ALL, .nth = 1, .mode = FAULT_HANG };
	pthread_t thread;

	open_volume();
	step("create a");
	fault_set(failing[0], &hang);
	fault_set(failing[1], &hang);
	ck_assert_int_eq(pthread_create(&thread, NULL, release_later, NULL), 0);
	step("write a 0 300000 p");
	step("fsync a");
	ck_assert_uint_ge(members_in_sync(rig.v), 1);
	pthread_join(thread, NULL);
	close_and_compare();
}
END_TEST

static void
read_all(const char *name, size_t len, char letter)
{
	const uint8_t *data;
	struct node *node;
	struct stat st;
	size_t i;

	ck_assert_int_eq(names_lookup(rig.v, volume_root(rig.v), name, &node, &st), 0);
	ck_assert_int_eq(file_read(rig.v, node, 0, len, (const void **)&data), (ssize_t)len);
	for (i = 0; i < len; i++)
		ck_assert_uint_eq(data[i], rig_byte(letter, i));
	node_forget(rig.v, node, 1);
}

/* Reads fail with ${error} so often on each member in turn; returns how many are in sync then. */
static unsigned
fail_reads(int error, uint64_t times)
{
	struct fault_rule rule = { .ops = FAULT_MASK(FAULT_PREAD), .nth = 1, .times = times, .error = error };
	struct node *node;
	unsigned home;
	struct stat st;

	open_volume();
	step("create a");
	step("write a 0 65536 p");
	ck_assert_int_eq(names_lookup(rig.v, volume_root(rig.v), "a", &node, &st), 0);
	/* From its home it is read first; the first member is asked twice more then, the other one once. */
	home = node_key(node) % 2;
	if (times > 0 && home == 0)
		rule.times++;
	fault_set(failing[home], &rule);
	node_forget(rig.v, node, 1);
	read_all("a", 65536, 'p');
	fault_set(failing[0], NULL);
	fault_set(failing[1], NULL);
	return members_in_sync(rig.v);
}

/* One bad spot: it is written to, and can be read again. */
START_TEST(bad_spot)
{
	ck_assert_uint_eq(fail_reads(EIO, 2), 2);
	ck_assert_uint_eq(rig.v->members[0].mended + rig.v->members[1].mended, 1);
	close_and_compare();
}
END_TEST

/* Whatever is written there, it cannot be read: the replica is lost, and nobody sees an error. */
START_TEST(bad_for_ever)
{
	ck_assert_uint_eq(fail_reads(EIO, 0), 1);
	close_and_compare();
}
END_TEST

static const int errors[] = { ENXIO, ESTALE, ENOTCONN, ETIMEDOUT, ENODEV };

START_TEST(unreadable)
{
	ck_assert_uint_eq(fail_reads(errors[_i], 0), 1);
	ck_assert_uint_eq(rig.v->members[0].mended + rig.v->members[1].mended, 0);
	close_and_compare();
}
END_TEST

static const int write_errors[] = { EIO, EROFS, ENXIO, ESTALE, ENOTCONN };

/* Everything that changes anything fails; what is read does not. */
START_TEST(unchangeable)
{
	const struct fault_rule rule = { .ops = FAULT_CHANGES, .nth = 1, .error = write_errors[_i] };
	int i;

	open_volume();
	step("create a");
	fault_set(failing[1], &rule);
	for (i = 1; i < STEPS; i++)
		step(steps[i]);
	ck_assert_uint_eq(members_in_sync(rig.v), 1);
	fault_set(failing[1], NULL);
	close_and_compare();
}
END_TEST

/*
 * A file without a name, that is open, is made anew on the member that was
 * away: as a whole, for soon it may be the last one.
 */
START_TEST(nameless)
{
	const struct fault_rule dead = { .ops = FAULT_ALL, .nth = 1, .error = EIO };
	unsigned first = (unsigned)_i % 2;
	bool large = _i >= 2;

	open_volume();
	step("create a");
	step(large ? "write a 0 3000000 p" : "write a 0 9000 p");
	step("setxattr a user.x one");
	step("chmod a 01127");
	step("store");
	step("open a");
	step("unlink a");
	fault_set(failing[first], &dead);
	step("append @a 100 x");
	step("setxattr @a user.y two");
	ck_assert_uint_eq(members_in_sync(rig.v), 1);
	fault_set(failing[first], NULL);
	all_back();
	fault_set(failing[!first], &dead);
	step("setxattr @a user.x three");
	step("append @a 5000 y");
	step("truncate @a 100");
	step("chmod @a 0640");
	step("fsync @a");
	ck_assert_uint_eq(members_in_sync(rig.v), 1);
	fault_set(failing[!first], NULL);
	step("close a");
	close_and_compare();
}
END_TEST

/* What is new and has two names gets there without a walk through all that there is. */
START_TEST(new_links)
{
	const struct fault_rule dead = { .ops = FAULT_ALL, .nth = 1, .error = EIO };
	char text[32];
	unsigned i;

	open_volume();
	step("mkdir d");
	for (i = 0; i < OLD_FILES; i++) {
		snprintf(text, sizeof(text), "create d/%u", i);
		step(text);
	}
	step("sync");
	fault_set(failing[1], &dead);
	step("create new");
	step("link new newer");
	ck_assert_uint_eq(members_in_sync(rig.v), 1);
	fault_set(failing[1], NULL);
	all_back();
	ck_assert_uint_lt(atomic_load(&rig.v->members[1].resync_done), OLD_FILES);
	close_and_compare();
}
END_TEST

/* What is in the quarantine of the replica that is behind. */
static unsigned
quarantined(void)
{
	char path[PATH_MAX];
	struct dirent *e;
	unsigned count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/.mendfs/quarantine", rig.path[1]);
	if ((dir = opendir(path)) == NULL)
		return 0;
	while ((e = readdir(dir)) != NULL)
		count += *e->d_name != '.';
	closedir(dir);
	return count;
}

/* Replica 0 alone; the other one misses it. */
static void
open_alone(void)
{
	rig.members = 1;
	rig.degraded = true;
	open_volume();
}

static void
close_alone(void)
{
	ck_assert_int_eq(rig_close(&rig), 0);
	rig.members = 2;
	rig.degraded = false;
}

/* The resync of new files is cut off at the nth change; false: it came through. */
static bool
cut_resync(uint64_t nth)
{
	bool pulled;
	int i;

	rig_plug(&rig, nth, false);
	if (rig_open(&rig) == 0) {
		(void)volume_start(rig.v);
		for (i = 0; i < RESYNC_MS && members_in_sync(rig.v) < 2 && !rig_pulled(&rig); i++)
			usleep(1000);
	}
	pulled = rig_pulled(&rig);
	rig_close(&rig);
	rig_plug(&rig, 0, false);
	return pulled;
}

/*
 * What a resync made before it was cut off is its own: it is finished, moved or
 * removed by the next one, and never taken for somebody else's.
 */
START_TEST(cut_off_resync)
{
	uint64_t nth = (uint64_t)_i;
	bool pulled = true;

	rig.timeout_ms = 0;
	for (; pulled; nth += CUT_STRIDE * rig_stride(FAULT_STRIDE)) {
		rig_clear(&rig);
		open_volume();
		ck_assert_int_eq(rig_close(&rig), 0);
		open_alone();
		step("mkdir d");
		step("create d/a");
		step("write d/a 0 5000 p");
		step("create d/b");
		step("write d/b 0 900000 q");
		step("create c");
		step("write c 0 300000 r");
		step("mkdir d/e");
		step("create d/e/f");
		step("write d/e/f 0 100 s");
		step("link d/e/f g");
		close_alone();
		pulled = cut_resync(nth);
		open_alone();
		step("unlink d/a");
		step("rename d/b b");
		step("unlink c");
		step("rename d/e e");
		step("rmdir d");
		close_alone();
		close_and_compare_closed();
		ck_assert_msg(quarantined() == 0, "cut at change %llu: something went to quarantine", (unsigned long long)nth);
	}
}
END_TEST

/* What was opened as ${name} is ${len} bytes of ${letter}. */
static void
expect(const char *name, size_t len, char letter)
{
	uint8_t *data = NULL;
	size_t found, i;
	int rc;

	rc = rig_read(&rig, name, &data, &found);
	ck_assert_msg(rc == 0, "%s: %s", name, strerror(-rc));
	ck_assert_uint_eq(found, len);
	for (i = 0; i < len; i++)
		ck_assert_msg(data[i] == rig_byte(letter, i), "%s: byte %zu", name, i);
	free(data);
}

static void *
write_on(void *arg)
{
	while (!atomic_load((atomic_bool *)arg))
		step("write @b 0 9000 q");
	return NULL;
}

static void
open_and_unlink(void)
{
	/* The last one has another name, that nobody has looked up. */
	static const char *const names[] = { "a", "b", "c", "d", "e" };
	char text[32];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(text, sizeof(text), "open %s", names[i]);
		step(text);
		/* Of half of them something was read before, and they are in use. */
		if (i % 2 == 0)
			expect(names[i], i == 2 ? 900000 : 9000, names[i][0]);
		snprintf(text, sizeof(text), "unlink %s", names[i]);
		step(text);
	}
}

/*
 * Files without a name are brought along by a resync: when the other replica is
 * lost right after it, whoever has them open reads and writes on.
 * _i: they were unlinked before the loss or after it; somebody writes meanwhile or not.
 */
START_TEST(nameless_files)
{
	const struct fault_rule dead = { .ops = FAULT_ALL, .nth = 1, .error = ENXIO };
	atomic_bool stop = false;
	pthread_t thread;

	open_volume();
	step("create a");
	step("write a 0 9000 a");
	step("create b");
	step("write b 0 9000 q");
	step("create c");
	step("write c 0 900000 c");
	step("create d");
	step("write d 0 900000 d");
	step("create e");
	step("write e 0 9000 e");
	step("mkdir f");
	step("link e f/g");
	ck_assert_int_eq(rig_close(&rig), 0);
	rig.timeout_ms = 0;
	open_volume();
	if (_i % 2 == 0)
		open_and_unlink();
	/* Then nothing tells that these are to be looked at. */
	if (_i == 0)
		step("sync");
	fault_set(failing[1], &dead);
	step("create x");
	ck_assert_uint_eq(members_in_sync(rig.v), 1);
	if (_i % 2 == 1)
		open_and_unlink();
	step("write @b 0 9000 q");
	if (_i >= 2)
		ck_assert_int_eq(pthread_create(&thread, NULL, write_on, &stop), 0);
	fault_set(failing[1], NULL);
	all_back();
	fault_set(failing[0], &dead);
	expect("@e", 9000, 'e');
	if (_i >= 2) {
		usleep(20000);
		atomic_store(&stop, true);
		pthread_join(thread, NULL);
	}
	step("write @a 4096 4904 a");
	step("append @d 9 z");
	step("truncate @d 900000");
	expect("@a", 9000, 'a');
	expect("@b", 9000, 'q');
	expect("@c", 900000, 'c');
	expect("@d", 900000, 'd');
	step("fsync @d");
	/* By now it may be back. */
	ck_assert_int_ne(rig.v->members[0].away_since, 0);
	fault_set(failing[0], NULL);
	close_and_compare();
}
END_TEST

/*
 * The replica is lost again before the records of what its resync wrote were
 * stored there: the next one finishes it, and takes nothing for somebody else's.
 */
START_TEST(lost_before_its_records)
{
	const struct fault_rule fail = { .ops = FAULT_MASK(FAULT_STORE), .nth = (uint64_t)_i, .error = EIO };
	int i;

	open_volume();
	step("create a");
	step("write a 0 20000 p");
	step("create b");
	step("write b 0 3000000 q");
	step("create c");
	step("append c 100 r");
	ck_assert_int_eq(rig_close(&rig), 0);
	open_alone();
	step("write a 4096 4096 x");
	step("write b 1000000 9000 y");
	step("append c 5000 z");
	close_alone();
	ck_assert_int_eq(rig_open(&rig), 0);
	fault_set(failing[1], &fail);
	ck_assert_int_eq(volume_start(rig.v), 0);
	for (i = 0; i < RESYNC_MS && atomic_load(&rig.v->members[1].returns) == 0 && members_in_sync(rig.v) < 2; i++)
		usleep(1000);
	all_back();
	ck_assert_uint_eq(quarantined(), 0);
	close_and_compare();
}
END_TEST

/* It was pinned when it lost a name, and one member has been away since: with the last name it is pinned there, too. */
START_TEST(pinned_before)
{
	const struct fault_rule dead = { .ops = FAULT_ALL, .nth = 1, .error = ENXIO };

	open_volume();
	step("create a");
	step("write a 0 9000 a");
	step("setxattr a user.x one");
	step("link a b");
	ck_assert_int_eq(rig_close(&rig), 0);
	rig.timeout_ms = 0;
	open_volume();
	step("open a");
	step("unlink a");
	/* Then there is nothing in it to be brought up to date, which would open it. */
	step("sync");
	fault_set(failing[1], &dead);
	step("create x");
	ck_assert_uint_eq(members_in_sync(rig.v), 1);
	fault_set(failing[1], NULL);
	all_back();
	/* Long enough for what was brought up to date to be closed. */
	usleep(1600000);
	step("unlink b");
	fault_set(failing[0], &dead);
	step("setxattr @a user.x two");
	step("write @a 0 9000 b");
	expect("@a", 9000, 'b');
	ck_assert_int_ne(rig.v->members[0].away_since, 0);
	fault_set(failing[0], NULL);
	close_and_compare();
}
END_TEST

static void *
rename_all(void *done)
{
	step("rename b/f a/f");
	step("rename b/d a/d");
	step("rename c/g g");
	atomic_store((atomic_bool *)done, true);
	return NULL;
}

/*
 * All is compared, for nobody knows what it misses; and what the walk has not
 * come to yet goes where it has been: it is compared there.
 */
START_TEST(renamed_in_a_walk)
{
	const struct fault_rule hang = { .ops = FAULT_MASK(FAULT_LIST), .times = 1,
	    .nth = (uint64_t)_i * rig_stride(FAULT_STRIDE), .mode = FAULT_HANG };
	char command[PATH_MAX];
	atomic_bool done = false;
	pthread_t thread;
	int i;

	open_volume();
	step("mkdir a");
	step("mkdir b");
	step("mkdir b/d");
	step("mkdir c");
	step("create b/f");
	step("write b/f 0 9000 p");
	step("create b/d/h");
	step("write b/d/h 0 3000000 p");
	step("create c/g");
	step("write c/g 0 9000 p");
	ck_assert_int_eq(rig_close(&rig), 0);
	open_alone();
	step("write b/f 4096 4096 x");
	step("write b/d/h 2000000 4096 x");
	step("write c/g 4096 4096 x");
	close_alone();
	snprintf(command, sizeof(command), "rm %s/.mendfs/pending/*", rig.path[0]);
	ck_assert_int_eq(system(command), 0);
	rig.timeout_ms = 0;
	ck_assert_int_eq(rig_open(&rig), 0);
	fault_set(failing[1], &hang);
	ck_assert_int_eq(volume_start(rig.v), 0);
	for (i = 0; i < RESYNC_MS && fault_hits(failing[1]) == 0 && members_in_sync(rig.v) < 2; i++)
		usleep(1000);
	ck_assert_int_eq(pthread_create(&thread, NULL, rename_all, &done), 0);
	/* In the end nothing can be renamed as long as it hangs. */
	for (i = 0; i < 200 && !atomic_load(&done); i++)
		usleep(1000);
	fault_set(failing[1], NULL);
	pthread_join(thread, NULL);
	all_back();
	close_and_compare();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fault/lost");
	TCase *tcase = tcase_create("lost");
	int stride = (int)rig_stride(FAULT_STRIDE);
	int rc;

	rig_begin();
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, hangs, 0, 1 + (STEPS - 1) / stride);
	tcase_add_loop_test(tcase, hangs_reading, 0, 9);
	tcase_add_test(tcase, all_hang);
	tcase_add_test(tcase, bad_spot);
	tcase_add_test(tcase, bad_for_ever);
	tcase_add_loop_test(tcase, nameless, 0, 4);
	tcase_add_test(tcase, new_links);
	tcase_add_loop_test(tcase, unreadable, 0, (int)(sizeof(errors) / sizeof(errors[0])));
	tcase_add_loop_test(tcase, unchangeable, 0, (int)(sizeof(write_errors) / sizeof(write_errors[0])));
	tcase_add_loop_test(tcase, lost_before_its_records, 1, 5);
	tcase_add_loop_test(tcase, cut_off_resync, 1, 1 + CUT_STRIDE);
	tcase_add_loop_test(tcase, nameless_files, 0, 4);
	tcase_add_test(tcase, pinned_before);
	tcase_add_loop_test(tcase, renamed_in_a_walk, 1, 1 + 21 / stride);
	suite_add_tcase(suite, tcase);
	rc = check_main(suite);
	rig_end();
	return rc;
}
