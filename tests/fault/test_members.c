/*
 * Who may win: 2 to 5 replicas are mounted together and apart, taken away,
 * emptied, put back, copied and restored from the copy, at random.  A small
 * oracle says what each mount must come to: refused, and why, with nothing
 * changed; or served, and with whose content.
 *
 * The oracle knows nothing of labels.  Each mount is a version of the tree,
 * made from the one before; a replica has the version of its last mount in sync.  Of
 * two replicas one wins if its version was made, in the end, from the other's;
 * else they forked.
 *
 * MEMBERS_FIRST=n: the first seed (1), MEMBERS_COUNT=n: so many of them (25);
 * FAULT_LOG=1 shows what the volume says, MEMBERS_LOG=1 what is done.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/check_main.h"
#include "format/label.h"

#include "power.h"

#define MEMBERS_COUNT 25
#define STEPS 24
#define VERSIONS_MAX (STEPS + 2)
#define JOIN_MS 20000

enum place { THERE, GONE, EMPTIED };

struct replica_state {
	char home[PATH_MAX / 4];
	enum place place;
	int version;
	int saved;			/* the version of its copy; -1: there is none */
};

struct version { int parent; char *tree; };

static struct rig rig;
static struct replica_state replicas[RIG_MEMBERS_MAX];
static unsigned count;
static struct version versions[VERSIONS_MAX];
static int version_count;
static uint64_t state;
static char history[8192];

static uint64_t
draw(uint64_t n)
{
	return power_random(&state) % n;
}

__attribute__((format(printf, 1, 2)))
static void
tell(const char *format, ...)
{
	size_t len = strlen(history);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(history + len, sizeof(history) - len, format, args);
	va_end(args);
}

/* ---- the oracle */

enum relation { EQUAL, A_OLDER, B_OLDER, FORKED };

static bool
made_from(int version, int old)
{
	for (; version >= 0; version = versions[version].parent) {
		if (version == old)
			return true;
	}
	return false;
}

/* What the label says of the numbers of events, where versions do not tell all. */
static bool
read_label(const struct replica_state *r, struct label *label)
{
	char path[PATH_MAX], text[LABEL_TEXT_MAX];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s/" REPLICA_META "/label", r->home);
	if ((fd = open(path, O_RDONLY)) < 0)
		return false;
	len = read(fd, text, sizeof(text));
	close(fd);
	return len > 0 && label_decode(text, (size_t)len, label) == 0;
}

/* One that was restored from a copy, and not gone on for longer since than the other one knows of. */
static bool
looks_old(const struct replica_state *a, const struct replica_state *b)
{
	struct label one, other;

	return read_label(a, &one) && read_label(b, &other) && one.events < label_member(&other, &one.replica)->seen;
}

static enum relation
relate(const struct replica_state *a, const struct replica_state *b)
{
	if (a->version == b->version)
		return EQUAL;
	if (made_from(b->version, a->version))
		return A_OLDER;
	if (made_from(a->version, b->version))
		return B_OLDER;
	if (looks_old(a, b))
		return A_OLDER;
	return looks_old(b, a) ? B_OLDER : FORKED;
}

/* What a mount of these must come to: 0, or the errno it is refused with.  ${winner}: whose content is served. */
static int
foresee(struct replica_state *const *named, unsigned named_count, bool degraded, bool *behind, unsigned *winner)
{
	unsigned i, k;

	for (i = 0; i < named_count; i++) {
		if (named[i]->place == GONE)
			return ENOENT;
	}
	for (i = 0; i < named_count; i++) {
		if (named[i]->place == EMPTIED)
			return ENODATA;
	}
	memset(behind, 0, RIG_MEMBERS_MAX * sizeof(*behind));
	for (i = 0; i < named_count; i++) {
		for (k = i + 1; k < named_count; k++) {
			enum relation relation = behind[i] && behind[k] ? EQUAL : relate(named[i], named[k]);

			if (relation == FORKED)
				return EINVAL;
			behind[i] = behind[i] || relation == A_OLDER;
			behind[k] = behind[k] || relation == B_OLDER;
		}
	}
	for (*winner = 0; behind[*winner]; ++*winner)
		continue;
	return named_count < count && !degraded ? ENODEV : 0;
}

/* ---- what is done */

__attribute__((format(printf, 1, 2)))
static void
shell(const char *format, ...)
{
	char command[PATH_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	ck_assert_msg(system(command) == 0, "%s", command);
}

static void
take_away(struct replica_state *r, bool emptied)
{
	if (r->place != THERE)
		return;
	tell("%s %s; ", emptied ? "empty" : "take away", strrchr(r->home, '/') + 1);
	shell("mv '%s' '%s.away'", r->home, r->home);
	r->place = emptied ? EMPTIED : GONE;
	if (emptied)
		shell("mkdir '%s'", r->home);
}

static void
give_back(struct replica_state *r)
{
	if (r->place == THERE)
		return;
	tell("give back %s; ", strrchr(r->home, '/') + 1);
	if (r->place == EMPTIED)
		shell("rmdir '%s'", r->home);
	shell("mv '%s.away' '%s'", r->home, r->home);
	r->place = THERE;
}

static void
save(struct replica_state *r)
{
	if (r->place != THERE)
		return;
	tell("save %s; ", strrchr(r->home, '/') + 1);
	shell("rm -rf '%s.saved' && cp -a '%s' '%s.saved'", r->home, r->home, r->home);
	r->saved = r->version;
}

static void
restore(struct replica_state *r)
{
	if (r->place != THERE || r->saved < 0)
		return;
	tell("restore %s; ", strrchr(r->home, '/') + 1);
	shell("rm -rf '%s' && cp -a '%s.saved' '%s'", r->home, r->home, r->home);
	r->version = r->saved;
}

/* Some changes; what cannot be done is not. */
static void
change(void)
{
	static const char *const verbs[] = { "create", "write", "append", "unlink", "rename", "mkdir", "setxattr", "truncate", "link" };
	unsigned steps = (unsigned)draw(8), i;
	char step[160];

	snprintf(step, sizeof(step), "write which 0 64 %c", (int)('A' + draw(50)));
	(void)rig_step(&rig, "create which");
	(void)rig_step(&rig, step);
	for (i = 0; i < steps; i++) {
		const char *verb = verbs[draw(sizeof(verbs) / sizeof(verbs[0]))];
		int a = (int)draw(5), b = (int)draw(5), c = (int)('a' + draw(26));

		if (strcmp(verb, "write") == 0)
			snprintf(step, sizeof(step), "write f%d %d %d %c", a, (int)draw(9000), 1 + (int)draw(30000), c);
		else if (strcmp(verb, "append") == 0)
			snprintf(step, sizeof(step), "append f%d %d %c", a, 1 + (int)draw(5000), c);
		else if (strcmp(verb, "rename") == 0 || strcmp(verb, "link") == 0)
			snprintf(step, sizeof(step), "%s f%d %sf%d", verb, a, draw(3) == 0 ? "d/" : "", b);
		else if (strcmp(verb, "mkdir") == 0)
			snprintf(step, sizeof(step), "mkdir d");
		else if (strcmp(verb, "setxattr") == 0)
			snprintf(step, sizeof(step), "setxattr f%d user.x %c", a, c);
		else if (strcmp(verb, "truncate") == 0)
			snprintf(step, sizeof(step), "truncate f%d %d", a, (int)draw(20000));
		else
			snprintf(step, sizeof(step), "%s f%d", verb, a);
		(void)rig_step(&rig, step);
	}
}

/* Those that were behind are brought up to date. */
static void
wait_for_all(unsigned named_count)
{
	unsigned in_sync = 0, i;
	struct member *m;

	ck_assert_int_eq(volume_start(rig.v), 0);
	for (i = 0; i < JOIN_MS && in_sync < named_count; i++) {
		in_sync = 0;
		for_each_member(rig.v, m)
			in_sync++;
		if (in_sync < named_count)
			usleep(1000);
	}
	ck_assert_msg(in_sync == named_count, "%s: only %u of %u are in sync after %d s", history, in_sync, named_count, JOIN_MS / 1000);
}

static void
served(struct replica_state *const *named, unsigned named_count, bool *behind, unsigned winner)
{
	const struct version *from = &versions[named[winner]->version];
	char *tree = rig_tree(&rig), *copy, *first = NULL;
	bool join = draw(3) > 0, before = draw(2) > 0;
	unsigned i;

	ck_assert_msg(strcmp(tree, from->tree) == 0, "%s: served is\n%sand %s has\n%s", history, tree,
	    strrchr(named[winner]->home, '/') + 1, from->tree);
	free(tree);
	if (before)
		change();
	if (join)
		wait_for_all(named_count);
	if (draw(2))
		change();
	tell("%s; ", join ? "all up to date" : "as it is");
	versions[version_count] = (struct version){ named[winner]->version, rig_tree(&rig) };
	ck_assert_msg(strstr(versions[version_count].tree, "ERROR") == NULL, "%s: found\n%s", history, versions[version_count].tree);
	ck_assert_msg(rig_close(&rig) == 0, "%s: does not close", history);
	for (i = 0; i < named_count; i++) {
		if (behind[i] && !join)
			continue;
		named[i]->version = version_count;
		copy = rig_copy(&rig, i);
		if (first == NULL)
			first = copy;
		ck_assert_msg(strcmp(copy, first) == 0, "%s: one replica is\n%sand %s\n%s", history, first, rig.path[i], copy);
		if (copy != first)
			free(copy);
	}
	free(first);
	version_count++;
}

/* All that there is of those that stand in their place: so that it shows whether a refusal has changed anything. */
static char *
everything(void)
{
	char text[LABEL_TEXT_MAX], path[PATH_MAX], *all, *copy;
	ssize_t len;
	size_t size;
	FILE *out = open_memstream(&all, &size);
	unsigned i;
	int fd;

	for (i = 0; i < rig.members; i++) {
		copy = rig_copy(&rig, i);
		fprintf(out, "%s", copy);
		free(copy);
		snprintf(path, sizeof(path), "%s/" REPLICA_META "/label", rig.path[i]);
		if ((fd = open(path, O_RDONLY)) < 0)
			continue;
		len = read(fd, text, sizeof(text));
		close(fd);
		fprintf(out, "%.*s", len > 0 ? (int)len : 0, text);
	}
	fclose(out);
	return all;
}

/* Named, and not there: a degraded mount goes without. Returns how many are left. */
static unsigned
leave_out(struct replica_state **named, unsigned named_count)
{
	unsigned i, left = 0;

	for (i = 0; i < named_count; i++) {
		if (named[i]->place == THERE)
			named[left++] = named[i];
	}
	return left;
}

static void
set_paths(struct replica_state *const *named, unsigned named_count)
{
	unsigned i;

	rig.members = named_count;
	for (i = 0; i < named_count; i++)
		snprintf(rig.path[i], sizeof(rig.path[i]), "%s", named[i]->home);
}

static void
mount_some(void)
{
	struct replica_state *named[RIG_MEMBERS_MAX], *swap;
	bool behind[RIG_MEMBERS_MAX], labelled = false;
	unsigned named_count = 0, winner = 0, i, k;
	bool few = draw(3) == 0;
	int want, rc;
	char *before, *after;

	for (i = 0; i < count; i++) {
		if (few && draw(2) == 0)
			continue;
		/* Mostly those that are there. */
		if (replicas[i].place != THERE && draw(6) > 0)
			continue;
		labelled = labelled || replicas[i].place == THERE;
		named[named_count++] = &replicas[i];
	}
	/* Of empty directories alone a new volume is formed. */
	if (!labelled)
		return;
	for (i = named_count; i > 1; i--) {
		k = (unsigned)draw(i);
		swap = named[i - 1];
		named[i - 1] = named[k];
		named[k] = swap;
	}
	rig.degraded = draw(4) > 0;
	tell("mount%s", rig.degraded ? " degraded" : "");
	for (i = 0; i < named_count; i++)
		tell(" %s", strrchr(named[i]->home, '/') + 1);
	set_paths(named, named_count);
	if (rig.degraded)
		named_count = leave_out(named, named_count);
	want = foresee(named, named_count, rig.degraded, behind, &winner);
	before = everything();
	rc = rig_open(&rig);
	set_paths(named, named_count);
	tell(" (%s): ", want == 0 ? strrchr(named[winner]->home, '/') + 1 : strerrorname_np(want));
	ck_assert_msg(rc == -want, "%s: came to \"%s\"", history, rc == 0 ? "served" : strerror(-rc));
	if (rc == 0) {
		served(named, named_count, behind, winner);
	} else {
		after = everything();
		ck_assert_msg(strcmp(before, after) == 0, "%s: refused, but there was\n%sand is\n%s", history, before, after);
		free(after);
		tell("refused; ");
	}
	free(before);
}

static void
run_seed(uint64_t seed)
{
	unsigned i;

	state = seed;
	count = 2 + (unsigned)draw(RIG_MEMBERS_MAX - 1);
	history[0] = '\0';
	tell("MEMBERS_FIRST=%llu: ", (unsigned long long)seed);
	rig_init(&rig, count);
	rig_plug(&rig, 0, false);
	for (i = 0; i < count; i++) {
		snprintf(replicas[i].home, sizeof(replicas[i].home), "%.1000s", rig.path[i]);
		replicas[i].place = THERE;
		replicas[i].version = 0;
		replicas[i].saved = -1;
	}
	rig.degraded = false;
	ck_assert_int_eq(rig_open(&rig), 0);
	change();
	versions[0] = (struct version){ -1, rig_tree(&rig) };
	version_count = 1;
	ck_assert_int_eq(rig_close(&rig), 0);
	for (i = 0; i < STEPS; i++) {
		struct replica_state *r = &replicas[draw(count)];

		switch (draw(12)) {
		case 0: take_away(r, false); break;
		case 1: take_away(r, true); break;
		case 2:
		case 3: give_back(r); break;
		case 4: save(r); break;
		case 5: restore(r); break;
		default: mount_some(); break;
		}
	}
	if (getenv("MEMBERS_LOG") != NULL)
		fprintf(stderr, "%s\n", history);
	while (version_count > 0)
		free(versions[--version_count].tree);
	rig_done(&rig);
}

START_TEST(members)
{
	uint64_t first = rig_number("MEMBERS_FIRST", 1), many = rig_number("MEMBERS_COUNT", MEMBERS_COUNT), i;

	for (i = 0; i < many; i++)
		run_seed(first + i);
	printf("# %llu seeds from %llu on\n", (unsigned long long)many, (unsigned long long)first);
	fflush(stdout);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("members");
	TCase *tcase = tcase_create("members");
	int failed;

	tcase_set_timeout(tcase, (double)(rig_number("MEMBERS_COUNT", MEMBERS_COUNT) * 2 + 60));
	tcase_add_test(tcase, members);
	suite_add_tcase(suite, tcase);
	rig_begin();
	failed = check_main(suite);
	rig_end();
	return failed;
}
