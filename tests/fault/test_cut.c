/*
 * The process is killed at the Nth change of any replica, N = 1, 2, 3, ...
 * until a scenario comes through.  Each time the volume is opened again.  What
 * was acknowledged must be there, what was under way must be there as a whole
 * or not at all, the replicas must be equal, and fsck.mendfs must be content.
 *
 * FAULT_SCENARIO=name runs one, FAULT_NTH=n one cut of it, FAULT_MEMBERS=3 has
 * one replica more, FAULT_LOG=1 shows what the volume says.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/check_main.h"
#include "rig.h"

struct scenario { const char *name, *before, *steps; bool root; };

static const struct scenario scenarios[] = {
	{ "create", "mkdir d", "create a; create d/b; mknod d/c; store; create c", false },
	{ "create-open", "mkdir d", "create+ d/a; append @d/a 5000 x; create+ b; append @b 100 y; store; close d/a; close b", false },
	{ "fresh-directory", "", "mkdir d; create+ d/a; append @d/a 100 x; mkdir d/e; create+ d/e/b; append @d/e/b 9000 y; store", false },
	{ "write", "create a; write a 0 20000 p", "write a 0 100 x; write a 5000 10000 y; append a 3000 z; store; write a 8192 4096 q", false },
	{ "write-open", "create a; write a 0 20000 p",
	    "open a; write a 4096 4096 x; write a 100 8000 y; append a 5000 z; append a 5000 w; fsync a; write a 0 1 v; close a", false },
	{ "write-large", "create a; write a 0 3000000 p", "open a; write a 1000000 300000 x; append a 200000 y; store; write a 5 5 z; fsync a; close a", false },
	{ "grow", "create a; write a 0 400000 p", "open a; append a 100000 x; append a 200000 y; store; append a 10 z; close a", false },
	{ "shrink", "create a; write a 0 3000000 p", "truncate a 1500001; truncate a 70000; truncate a 0; write a 0 5000 x", false },
	{ "truncate", "create a; write a 0 20000 p", "truncate a 10000; truncate a 30000; store; truncate a 5; append a 10 x", false },
	{ "truncate-open", "create a; write a 0 20000 p", "open a; truncate @a 10000; append @a 10 x; truncate @a 30000; append @a 4096 y; close a", false },
	{ "allocate", "create a; write a 0 50000 p", "punch a 5000 20000; allocate a 40000 40000; store; punch a 0 80000", false },
	{ "allocate-open", "create a; write a 0 700000 p", "open a; punch a 5000 600000; append a 5 x; allocate a 0 900000; close a", false },
	{ "rename", "mkdir d; mkdir e; create a; write a 0 9000 p", "rename a b; rename b d/b; store; rename d/b e/c; rename e/c a", false },
	{ "rename-over", "mkdir d; create a; write a 0 9000 p; create d/b; write d/b 0 5000 q; create c; write c 0 10 r",
	    "rename a c; rename c d/b; create a; rename d/b a", false },
	{ "rename-fresh", "mkdir d", "create+ a; append @a 100 x; rename a b; rename b d/a; mkdir e; rename e d/e; rename d f", false },
	{ "rename-large", "mkdir d; create a; write a 0 2000000 p; create b; write b 0 10 q", "rename a d/a; rename d/a b", false },
	{ "rename-directory", "mkdir d; mkdir d/e; create d/e/a; write d/e/a 0 5000 p; create d/b; mkdir f; mkdir g",
	    "rename d h; rename h f/d; rename f/d/e g; store; rename g f/d/x; rename f/d d", false },
	{ "rename-special", "mkdir d; symlink s target; mkfifo p; symlink t other; create a",
	    "rename s d/s; rename d/s t; rename p d/p; rename t a; symlink u target; rename u v", false },
	{ "rename-linked", "mkdir d; create a; write a 0 100 p; link a b; create c", "rename a d/a; rename d/a c; rename b d/b", false },
	{ "exchange", "mkdir d; create a; write a 0 5000 p; create d/b; write d/b 0 100 q; symlink s target; mkdir e; create e/x",
	    "exchange a d/b; exchange a s; exchange d e; exchange s e", false },
	{ "link", "mkdir d; create a; write a 0 100 p; symlink s t", "link a b; link a d/c; unlink a; write b 0 5000 x; link s d/s; unlink d/c", false },
	{ "link-fresh", "mkdir d", "create+ a; append @a 100 x; link a d/b; unlink a; append @a 100 y; close a", false },
	{ "unlink", "mkdir d; create a; write a 0 100 p; create d/b; write d/b 0 2000000 q; symlink s t; mkfifo p",
	    "unlink a; unlink d/b; unlink s; unlink p; rmdir d", false },
	{ "unlink-open", "mkdir d; create a; write a 0 100 p; create d/b; write d/b 0 2000000 q",
	    "open a; open d/b; unlink a; append @a 100 x; fsync @a; unlink d/b; append @d/b 5000 y; close a; close d/b; create a", false },
	{ "again", "create a; write a 0 100 p; mkdir d; create d/x", "unlink a; create a; append a 50 x; unlink a; mkdir a; unlink d/x; rmdir d; create d", false },
	{ "directories", "mkdir d; create d/a", "mkdir e; mkdir e/f; create e/f/g; unlink e/f/g; rmdir e/f; store; unlink d/a; rmdir d; rename e d", false },
	{ "modes", "mkdir d; create a; write a 0 5000 p; symlink s t", "chmod a 0600; chmod d 0700; utimens a 1000; utimens d 2000; store; chmod a 04755; utimens s 3000", false },
	{ "owners", "mkdir d; create a; write a 0 5000 p; symlink s t", "chown a 5 6; chown d 7 8; chown s 9 10; store; chmod a 06755; chown a 1 1", true },
	{ "xattrs", "mkdir d; create a; write a 0 5000 p", "setxattr a user.x one; setxattr a user.x two; setxattr d user.y three; store; rmxattr a user.x; setxattr a user.z 4", false },
	{ "no-room", "create a; write a 0 300000 p", "bigxattr a user.x q; write a 0 5000 x; store; bigxattr a user.y r; append a 5000 y", false },
	{ "fsync", "mkdir d; create a; write a 0 5000 p", "open a; write a 0 5000 x; fsync a; create d/b; fsync d/b; fsync d; fsync /; sync; rename a d/a; fsync d; close a", false },
};

#define SCENARIOS ((int)(sizeof(scenarios) / sizeof(scenarios[0])))

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
		if (rig_step(&rig, steps[i]) != 0 || rig.plug.pulled) {
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
	tree = rig_tree(&rig);
	ck_assert_msg(is_right(tree, count, done, under_way),
	    "%s, cut %s in \"%s\": found\n%s--- before\n%s--- after\n%s", s->name, cut, step, tree, states[done],
	    done < count ? states[done + 1] : "the same\n");
	ck_assert_msg(rig_settle(&rig), "%s, cut %s in \"%s\": not reconciled", s->name, cut, step);
	free(tree);
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
	if (!rig.plug.pulled)
		return false;
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
	snprintf(copy, sizeof(copy), "%s", s->steps);
	count = rig_words(copy, steps);
	foresee(s, steps, count);
	if (nth > 0) {
		cut_at(s, steps, count, nth, false);
		cut_at(s, steps, count, nth, true);
		go_on = false;
	}
	for (nth = 1; go_on; nth++) {
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
	TCase *tcase = tcase_create("cut");

	tcase_add_loop_test(tcase, cut, 0, SCENARIOS);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
