/*
 * Replicas are added, removed and replaced, and the process is killed at the
 * Nth change of any replica, N = 1, 2, 3, ... until it comes through.  Each time
 * the volume must open again, with all that it held and no fewer good replicas
 * than before; what was not acknowledged can be asked for again.
 *
 * Filling waits for threads, so every fifth cut is taken; FAULT_STRIDE=1 takes all.
 * FAULT_NTH=n runs one cut of each, FAULT_LOG=1 shows what the volume says.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/check_main.h"
#include "rig.h"
#include "volume/members.h"
#include "volume/volume.h"

#define FILL_MS 20000

static struct rig rig;
static char paths[RIG_MEMBERS_MAX][PATH_MAX / 2];	/* of r0, r1, r2 */
static char *before;
static char why[VOLUME_WHY_MAX];

/* The volume of these replicas, from now on. */
static void
name(unsigned count, const unsigned *which)
{
	unsigned i;

	rig.members = count;
	for (i = 0; i < count; i++)
		strcpy(rig.path[i], paths[which[i]]);
}

static const unsigned all[] = { 0, 1, 2 }, first_two[] = { 0, 1 }, without_second[] = { 0, 2 };

/* A volume of the first ${count}, cleanly unmounted. */
static void
prepare(unsigned count)
{
	static const char *const steps[] = { "mkdir d", "create d/a", "write d/a 0 30000 x", "create b", "symlink l d/a", "link d/a c" };
	unsigned i;

	name(3, all);
	rig_clear(&rig);
	name(count, all);
	rig_plug(&rig, 0, false);
	ck_assert_int_eq(rig_open(&rig), 0);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		ck_assert_int_eq(rig_step(&rig, steps[i]), 0);
	free(before);
	before = rig_tree(&rig);
	ck_assert_int_eq(rig_close(&rig), 0);
}

/* Opens as it is named by now, all of it is there, and so many are in sync. */
static bool
opens(unsigned least)
{
	char *tree;

	rig.plug.nth = 0;
	rig.plug.pulled = false;
	if (rig_open(&rig) != 0)
		return false;
	ck_assert_uint_ge(members_in_sync(rig.v), least);
	tree = rig_tree(&rig);
	ck_assert_str_eq(tree, before);
	free(tree);
	return true;
}

/* Bring all up to date, and look whether everything is well. */
static void
finish(unsigned want)
{
	char *said;
	int bits, i;

	if (!rig.v->flusher_runs)
		ck_assert(rig_settle(&rig));
	for (i = 0; i < FILL_MS && members_in_sync(rig.v) < want; i++)
		usleep(1000);
	ck_assert_uint_eq(members_in_sync(rig.v), want);
	ck_assert_int_eq(rig_close(&rig), 0);
	bits = rig_fsck(&rig, &said);
	ck_assert_msg(bits == 0, "fsck says %d\n%s", bits, said);
	free(said);
}

/* Until ${count} are in sync, or the power has gone. */
static void
wait_for(unsigned count)
{
	int i;

	if (volume_start(rig.v) != 0)
		return;
	for (i = 0; i < FILL_MS && !rig_pulled(&rig) && (members_in_sync(rig.v) != count || members_count(rig.v) != count); i++)
		usleep(1000);
}

typedef bool attempt(uint64_t nth, bool half);

static bool
add(uint64_t nth, bool fill, bool half)
{
	bool added = false, pulled;

	prepare(2);
	rig_plug(&rig, nth, half);
	if (rig_open(&rig) == 0) {
		added = volume_add(rig.v, paths[2], "/nowhere", why) == 0;
		if (added && fill)
			wait_for(3);
		rig_close(&rig);
	}
	pulled = rig_pulled(&rig);
	ck_assert_msg(added || pulled, "%s", why);

	/* With those that it had before, unless the new one is as good as they. */
	name(3, all);
	if (added && opens(2)) {
		finish(3);
		return pulled;
	}
	ck_assert(!added);
	name(2, first_two);
	ck_assert(opens(2));
	ck_assert_msg(volume_add(rig.v, paths[2], "/nowhere", why) == 0, "once more: %s", why);
	ck_assert_int_eq(rig_close(&rig), 0);
	name(3, all);
	ck_assert(opens(2));
	finish(3);
	return pulled;
}

static bool
add_empty(uint64_t nth, bool half)
{
	return add(nth, false, half);
}

static bool
add_and_fill(uint64_t nth, bool half)
{
	return add(nth, true, half);
}

static bool
remove_one(uint64_t nth, bool half)
{
	bool removed = false, pulled;

	prepare(3);
	rig_plug(&rig, nth, half);
	if (rig_open(&rig) == 0) {
		removed = volume_remove(rig.v, "r1", why) == 0;
		rig_close(&rig);
	}
	pulled = rig_pulled(&rig);
	ck_assert_msg(removed || pulled, "%s", why);

	name(3, all);
	if (opens(3)) {
		ck_assert(!removed);
		ck_assert_int_eq(volume_remove(rig.v, "r1", why), 0);
		ck_assert_int_eq(rig_close(&rig), 0);
		ck_assert_msg(!opens(0), "mounted with a replica that was removed");
	}
	name(2, without_second);
	ck_assert(opens(2));
	finish(2);
	return pulled;
}

static bool
replace_one(uint64_t nth, bool half)
{
	bool asked = false, pulled;

	prepare(2);
	rig_plug(&rig, nth, half);
	if (rig_open(&rig) == 0) {
		asked = volume_replace(rig.v, "r1", paths[2], "/nowhere", why) == 0;
		if (asked)
			wait_for(2);
		rig_close(&rig);
	}
	pulled = rig_pulled(&rig);
	ck_assert_msg(asked || pulled, "%s", why);

	/* Done; or, if it is not, asked for again. */
	name(2, without_second);
	if (opens(2)) {
		finish(2);
		return pulled;
	}
	name(2, first_two);
	if (!opens(2)) {
		name(3, all);
		ck_assert(opens(2));
	}
	ck_assert_msg(volume_replace(rig.v, "r1", paths[2], "/nowhere", why) == 0, "once more: %s", why);
	wait_for(2);
	ck_assert_int_eq(rig_close(&rig), 0);
	name(2, without_second);
	ck_assert(opens(2));
	finish(2);
	return pulled;
}

static attempt *const attempts[] = { add_empty, add_and_fill, remove_one, replace_one };

START_TEST(cut)
{
	uint64_t nth = rig_number("FAULT_NTH", 0), stride = rig_stride(5);
	unsigned i;

	rig_init(&rig, 3);
	for (i = 0; i < 3; i++)
		strcpy(paths[i], rig.path[i]);
	if (nth > 0) {
		(void)attempts[_i](nth, false);
	} else {
		for (nth = 1; attempts[_i](nth, nth % 2 == 0); nth += stride)
			continue;
	}
	if (getenv("FAULT_COUNT") != NULL)
		fprintf(stderr, "%d: %llu cuts\n", _i, (unsigned long long)nth - 1);
	name(3, all);
	rig_done(&rig);
	free(before);
	before = NULL;
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("enroll");
	TCase *tcase = tcase_create("enroll");
	int failed;

	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase, cut, 0, sizeof(attempts) / sizeof(attempts[0]));
	suite_add_tcase(suite, tcase);
	rig_begin();
	failed = check_main(suite);
	rig_end();
	return failed;
}
