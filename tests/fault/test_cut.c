/*
 * The process is killed at the Nth change of any replica, N = 1, 2, 3, ...
 * until a scenario comes through.  Each time the volume is opened again.  What
 * was acknowledged must be there, what was under way must be there as a whole
 * or not at all, the replicas must be equal, and fsck.mendfs must be content.
 *
 * FAULT_SCENARIO=name runs one, FAULT_NTH=n one cut of it, FAULT_MEMBERS=3 has
 * one replica more, FAULT_AGAIN=40 kills the mount that mends it as well, at one
 * of so many changes, FAULT_STRIDE=9 takes every ninth cut only, FAULT_SPARSE=9 a
 * ninth of what is taken otherwise, FAULT_SPREAD=0
 * has all files in one region, FAULT_LOG=1 shows what the volume says.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/check_main.h"
#include "scenarios.h"

static struct rig rig;

/* How the volume looks after each step, if nothing happens. */
static char *states[RIG_STEPS_MAX + 1];
static uint64_t cuts;

static void
run_all(const char *text)
{
	char copy[1024], *steps[RIG_STEPS_MAX];
	unsigned count, i;

	snprintf(copy, sizeof(copy), "%s", text);
	count = rig_words(copy, steps);
	for (i = 0; i < count; i++)
		ck_assert_msg(rig_step(&rig, steps[i]) == 0, "preparing: %s", steps[i]);
}

/* A volume as it was before, cleanly unmounted. */
static void
prepare(const struct scenario *s)
{
	rig_clear(&rig);
	rig_plug(&rig, 0, false);
	ck_assert_int_eq(rig_open(&rig), 0);
	run_all(s->before);
	ck_assert_int_eq(rig_close(&rig), 0);
}

static void
foresee(const struct scenario *s, char *const *steps, unsigned count)
{
	unsigned i;
	int rc;

	prepare(s);
	ck_assert_int_eq(rig_open(&rig), 0);
	states[0] = rig_tree(&rig);
	for (i = 0; i < count; i++) {
		rc = rig_step(&rig, steps[i]);
		ck_assert_msg(rc == 0, "%s: \"%s\" fails without a cut: %s", s->name, steps[i], strerror(-rc));
		states[i + 1] = rig_tree(&rig);
	}
	ck_assert_int_eq(rig_close(&rig), 0);
}

/* Everything up to the cut; the number of steps that were acknowledged. */
static unsigned
run_until(char *const *steps, unsigned count, bool *under_way)
{
	unsigned i;

	*under_way = false;
	if (rig_open(&rig) != 0)
		return 0;
	for (i = 0; i < count; i++) {
		if (rig_step(&rig, steps[i]) != 0 || rig_pulled(&rig)) {
			*under_way = true;
			break;
		}
	}
	rig_close(&rig);
	return i;
}

/* The line of ${tree} that is about the same path, or NULL; ${len} is its length. */
static const char *
line_of(const char *tree, const char *line, size_t *len)
{
	size_t path = strcspn(line, " ");

	for (; *tree != '\0'; tree += *len + 1) {
		*len = strcspn(tree, "\n");
		if (strcspn(tree, " ") == path && memcmp(tree, line, path) == 0)
			return tree;
	}
	return NULL;
}

/* Is every line the same before or after, but that a file's data may be mixed of both? */
static bool
is_mixed(const char *tree, const char *before, const char *after)
{
	const char *a, *b, *data;
	size_t len, a_len, b_len;

	for (; *tree != '\0'; tree += len + 1) {
		len = strcspn(tree, "\n");
		a = line_of(before, tree, &a_len);
		b = line_of(after, tree, &b_len);
		if (a == NULL || b == NULL || memmem(tree, len, "ERROR", 5) != NULL)
			return false;
		data = memmem(tree, len, " size ", 6);
		if ((a_len == len && memcmp(a, tree, len) == 0) || (b_len == len && memcmp(b, tree, len) == 0))
			continue;
		if (data == NULL || strncmp(a, tree, (size_t)(data - tree)) != 0)
			return false;
	}
	return true;
}

/* The step is done or not; a write of several blocks may end mixed, by blocks. */
static bool
is_right(const char *tree, unsigned count, unsigned done, bool under_way)
{
	if (strcmp(tree, states[done]) == 0)
		return true;
	if (!under_way || done == count)
		return false;
	return strcmp(tree, states[done + 1]) == 0 ||
	    (rig.plug.op == FAULT_PWRITE && is_mixed(tree, states[done], states[done + 1]));
}

/* An answer may be lost with the cut: then the step is done, and nobody was told. */
static void
look(const struct scenario *s, char *const *steps, unsigned count, unsigned done, bool under_way, const char *cut)
{
	const char *step = done < count ? steps[done] : "unmounting";
	char *tree, *copy[RIG_MEMBERS_MAX], *said;
	unsigned i;
	int bits;

	/* It stays known what was cut. */
	rig.plug.nth = 0;
	rig.plug.pulled = false;
	ck_assert_msg(rig_open(&rig) == 0, "%s, cut %s in \"%s\": does not open", s->name, cut, step);
	/* Every other time nobody looks, and the walk has to find it by itself. */
	if (cuts % 2 == 0) {
		tree = rig_tree(&rig);
		ck_assert_msg(is_right(tree, count, done, under_way),
		    "%s, cut %s in \"%s\": found\n%s--- before\n%s--- after\n%s", s->name, cut, step, tree, states[done],
		    done < count ? states[done + 1] : "the same\n");
		free(tree);
	}
	ck_assert_msg(rig_settle(&rig), "%s, cut %s in \"%s\": not reconciled", s->name, cut, step);
	tree = rig_tree(&rig);
	ck_assert_msg(is_right(tree, count, done, under_way),
	    "%s, cut %s in \"%s\": reconciled is\n%s--- before\n%s--- after\n%s", s->name, cut, step, tree, states[done],
	    done < count ? states[done + 1] : "the same\n");
	free(tree);
	ck_assert_msg(rig_close(&rig) == 0, "%s, cut %s in \"%s\": does not close", s->name, cut, step);
	for (i = 0; i < rig.members; i++) {
		copy[i] = rig_copy(&rig, i);
		ck_assert_msg(strcmp(copy[i], copy[0]) == 0, "%s, cut %s in \"%s\": replica 0 is\n%s--- and another\n%s",
		    s->name, cut, step, copy[0], copy[i]);
	}
	for (i = 0; i < rig.members; i++)
		free(copy[i]);
	bits = rig_fsck(&rig, &said);
	ck_assert_msg(bits == 0, "%s, cut %s in \"%s\": fsck says %d\n%s", s->name, cut, step, bits, said);
	free(said);
	cuts++;
}

/* The first mount after the cut is killed itself; what was cut at first stays known. */
static void
interrupt(uint64_t nth)
{
	const struct fault_plug first = rig.plug;
	char *tree;

	rig_plug(&rig, nth, false);
	if (rig_open(&rig) == 0) {
		tree = rig_tree(&rig);
		free(tree);
		(void)rig_step(&rig, "store");
		(void)rig_close(&rig);
	}
	rig.plug.op = first.op;
	rig.plug.half = first.half;
	rig.plug.pulled = true;
}

/* False: the scenario came through. */
static bool
cut_at(const struct scenario *s, char *const *steps, unsigned count, uint64_t nth, bool half)
{
	char cut[64];
	bool under_way;
	unsigned done;

	prepare(s);
	rig_plug(&rig, nth, half);
	done = run_until(steps, count, &under_way);
	if (!rig_pulled(&rig))
		return false;
	/* And once more, while that is mended. */
	if (rig_number("FAULT_AGAIN", 0) > 0)
		interrupt(1 + nth * 7 % rig_number("FAULT_AGAIN", 0));
	snprintf(cut, sizeof(cut), "%llu%s (%s)", (unsigned long long)nth, half ? ", half done" : "", fault_op_name(rig.plug.op));
	look(s, steps, count, done, under_way, cut);
	return true;
}

static void
run(const struct scenario *s, unsigned members)
{
	uint64_t nth = rig_number("FAULT_NTH", 0);
	char copy[1024], *steps[RIG_STEPS_MAX];
	unsigned count, i;
	bool go_on = true;

	rig_init(&rig, members);
	/* Then only marked ways lead to what was cut. */
	rig.spread = rig_number("FAULT_SPREAD", 1) != 0;
	snprintf(copy, sizeof(copy), "%s", s->steps);
	count = rig_words(copy, steps);
	foresee(s, steps, count);
	if (nth > 0) {
		cut_at(s, steps, count, nth, false);
		cut_at(s, steps, count, nth, true);
		go_on = false;
	}
	for (nth = 1; go_on; nth += rig_stride(FAULT_STRIDE)) {
		go_on = cut_at(s, steps, count, nth, false);
		if (go_on && (rig.plug.op == FAULT_PWRITE || rig.plug.op == FAULT_STORE))
			cut_at(s, steps, count, nth, true);
	}
	for (i = 0; i <= count; i++)
		free(states[i]);
	rig_done(&rig);
	if (getenv("FAULT_COUNT") != NULL)
		fprintf(stderr, "%s: %llu cuts\n", s->name, (unsigned long long)cuts);
}

START_TEST(cut)
{
	const struct scenario *s = &scenarios[_i];
	const char *only = getenv("FAULT_SCENARIO");

	if ((only != NULL && strcmp(only, s->name) != 0) || (s->root && geteuid() != 0))
		return;
	run(s, (unsigned)rig_number("FAULT_MEMBERS", 2));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("cut");
	int failed;
	TCase *tcase = tcase_create("cut");

	/* Of each scenario; a sanitizer takes its time. */
	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase, cut, 0, SCENARIOS);
	suite_add_tcase(suite, tcase);
	rig_begin();
	failed = check_main(suite);
	rig_end();
	return failed;
}
