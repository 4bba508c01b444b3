/*
 * The power goes at some change of any replica, and each disk keeps what it
 * likes of what was not made durable (power.h).  Then the volume is opened
 * again.  What was synced must be there, what was removed and synced must not
 * be; everything else is readable, whole blocks of what was written sometime
 * or zeros; the replicas are equal, and fsck.mendfs is content.
 *
 * One seed after another for FAULT_SECONDS (20), from FAULT_FIRST (1) on, so that
 * a run means the same everywhere; FAULT_SEED=n repeats one,
 * FAULT_MEMBERS=3 has one replica more, FAULT_LOG=1 shows what the volume says.
 */

#include <ftw.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/check_main.h"
#include "util/clock.h"

#include "power.h"
#include "scenarios.h"

static struct rig rig;
static char text[RIG_STEPS_MAX][160];
static unsigned count;
static char *states[RIG_STEPS_MAX + 1];
static char what[256];			/* the run, for messages */

static void
run_all(const char *steps_text)
{
	char copy[1024], *steps[RIG_STEPS_MAX];
	unsigned n, i;

	snprintf(copy, sizeof(copy), "%s", steps_text);
	n = rig_words(copy, steps);
	for (i = 0; i < n; i++)
		ck_assert_msg(rig_step(&rig, steps[i]) == 0, "preparing: %s", steps[i]);
}

static void
add_step(const char *verb, const char *path)
{
	if (count < RIG_STEPS_MAX)
		snprintf(text[count++], sizeof(text[0]), "%.80s%s%.70s", verb, *path != '\0' ? " " : "", path);
}

/* The scenario's steps, with stores and syncs strewn in. */
static void
choose_steps(const struct scenario *s, uint64_t *random)
{
	char copy[1024], *steps[RIG_STEPS_MAX], verb[32], path[160], to[160];
	unsigned n, i;

	snprintf(copy, sizeof(copy), "%s", s->steps);
	n = rig_words(copy, steps);
	count = 0;
	for (i = 0; i < n; i++) {
		add_step(steps[i], "");
		*path = *to = '\0';
		sscanf(steps[i], "%31s %159s %159s", verb, path, to);
		if (strcmp(verb, "rename") == 0 || strcmp(verb, "link") == 0)
			snprintf(path, sizeof(path), "%s", to);
		if (power_random(random) % 4 == 0)
			add_step(power_random(random) % 2 == 0 ? "store" : "idle", "");
		if (power_random(random) % 5 == 0 && strcmp(verb, "unlink") != 0 && strcmp(verb, "rmdir") != 0 &&
		    strcmp(verb, "symlink") != 0 && strcmp(verb, "mkfifo") != 0 && strcmp(verb, "close") != 0 && *path != '\0' &&
		    strcmp(verb, "exchange") != 0)
			add_step("fsync", path);
		else if (power_random(random) % 8 == 0)
			add_step("fsync", "/");
		if (power_random(random) % 12 == 0)
			add_step("sync", "");
	}
}

/* False: a step cannot be done here (a link has no data to sync). */
static bool
foresee(const struct scenario *s)
{
	unsigned i, kept = 0;

	rig_plug(&rig, 0, false);
	ck_assert_int_eq(rig_open(&rig), 0);
	run_all(s->before);
	states[0] = rig_tree(&rig);
	for (i = 0; i < count; i++) {
		if (rig_step(&rig, text[i]) != 0) {
			/* Only what was strewn in can fail. */
			ck_assert_msg(strncmp(text[i], "fsync", 5) == 0, "%s: %s", what, text[i]);
			continue;
		}
		if (kept != i)
			memmove(text[kept], text[i], sizeof(text[0]));
		states[++kept] = rig_tree(&rig);
	}
	count = kept;
	ck_assert_int_eq(rig_close(&rig), 0);
	return true;
}

/* The line of ${tree} about ${path}, or NULL. */
static const char *
line_of(const char *tree, const char *path, size_t path_len, size_t *len)
{
	for (; *tree != '\0'; tree += *len + 1) {
		*len = strcspn(tree, "\n");
		if (strcspn(tree, " ") == path_len && memcmp(tree, path, path_len) == 0)
			return tree;
	}
	return NULL;
}

static bool
same_type(const char *a, const char *b)
{
	/* The mode: its first digits are the type. */
	return strtol(strchr(a, ' ') + 1, NULL, 8) >> 12 == strtol(strchr(b, ' ') + 1, NULL, 8) >> 12;
}

/* Is step ${i} the fsync of a directory?  One of a file that needs none does nothing. */
static bool
syncs_directory(unsigned i)
{
	char path[160];
	const char *line;
	size_t len;

	if (strcmp(text[i], "fsync /") == 0)
		return true;
	snprintf(path, sizeof(path), "/%.150s", text[i] + 6);
	return (line = line_of(states[i], path, strlen(path), &len)) != NULL && same_type(line, "x 40755");
}

/* The state from which on all names, owners and modes are durable, or (${path}) one file's data. */
static unsigned
synced_from(unsigned done, const char *path, size_t path_len)
{
	unsigned i, from = 0;

	for (i = 0; i < done; i++) {
		if (strcmp(text[i], "sync") == 0)
			from = i + 1;
		else if (strncmp(text[i], "fsync ", 6) != 0)
			continue;
		else if (path == NULL ? syncs_directory(i) :
		    strlen(text[i] + 6) == path_len - 1 && memcmp(text[i] + 6, path + 1, path_len - 1) == 0)
			from = i + 1;
	}
	return from;
}

/* Is the line about ${path} the same in all states from ${from} to ${to}? -1: it is not there in all. */
static int
unchanged(const char *path, size_t path_len, unsigned from, unsigned to)
{
	const char *first, *line;
	size_t first_len, len;
	unsigned i;
	int same = 1;

	if ((first = line_of(states[from], path, path_len, &first_len)) == NULL)
		return -1;
	for (i = from + 1; i <= to; i++) {
		if ((line = line_of(states[i], path, path_len, &len)) == NULL || !same_type(first, line))
			return -1;
		if (len != first_len || memcmp(first, line, len) != 0)
			same = 0;
	}
	return same;
}

static bool
any_directory_moved(unsigned from, unsigned to)
{
	const char *line;
	size_t len;
	char path[160];
	unsigned i;

	for (i = from; i < to; i++) {
		if (sscanf(text[i], "rename %150s", path + 1) != 1 && sscanf(text[i], "exchange %150s", path + 1) != 1)
			continue;
		path[0] = '/';
		if ((line = line_of(states[i], path, strlen(path), &len)) == NULL || same_type(line, "x 40755"))
			return true;
		if (strncmp(text[i], "exchange", 8) == 0)
			return true;
	}
	return false;
}

/* What must be there is, and what must not is not. */
static void
look_at(const char *tree, unsigned done, unsigned last)
{
	unsigned meta_from = synced_from(done, NULL, 0), data_from, i;
	bool moved = any_directory_moved(meta_from, last), gone;
	size_t path, len, want_len, got_len;
	const char *line, *got;
	int same;

	ck_assert_msg(strstr(tree, "ERROR") == NULL, "%s: found\n%s", what, tree);
	for (line = states[last]; *line != '\0'; line += len + 1) {
		len = strcspn(line, "\n");
		path = strcspn(line, " ");
		if (unchanged(line, path, meta_from, last) < 0)
			continue;
		got = line_of(tree, line, path, &got_len);
		ck_assert_msg(got != NULL && same_type(got, line), "%s: %.*s, which was synced, is lost; found\n%s", what, (int)path, line, tree);
		data_from = synced_from(done, line, path);
		same = unchanged(line, path, data_from, last);
		line_of(states[last], line, path, &want_len);
		ck_assert_msg(same != 1 || (got_len == want_len && memcmp(got, line, got_len) == 0),
		    "%s: synced was\n%.*s\nand found\n%s", what, (int)len, line, tree);
	}
	for (line = tree; *line != '\0' && !moved; line += len + 1) {
		len = strcspn(line, "\n");
		path = strcspn(line, " ");
		for (gone = true, i = meta_from; i <= last && gone; i++)
			gone = line_of(states[i], line, path, &got_len) == NULL;
		ck_assert_msg(!gone, "%s: %.*s was removed, or never there; found\n%s", what, (int)path, line, tree);
	}
}

static char letters[32];
static char *foreign;

static int
look_at_bytes(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	static uint8_t data[1 << 16];
	uint64_t offset = 0;
	ssize_t n, i;
	unsigned k;
	int fd;

	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode) || strstr(path, "/" REPLICA_META "/") != NULL)
		return 0;
	if ((fd = open(path, O_RDONLY)) < 0)
		return 0;
	while ((n = read(fd, data, sizeof(data))) > 0 && foreign == NULL) {
		for (i = 0; i < n; i++, offset++) {
			for (k = 0; letters[k] != '\0' && data[i] != rig_byte(letters[k], offset); k++)
				continue;
			if (data[i] != 0 && letters[k] == '\0' && foreign == NULL && asprintf(&foreign, "%s at %llu: %02x %02x %02x", path, (unsigned long long)offset, data[i], data[i+1], data[i+7]) < 0)
				abort();
		}
	}
	close(fd);
	return 0;
}

static void
find_letters(const char *steps)
{
	char copy[1024], *words[RIG_STEPS_MAX], verb[32], last[4][64];
	unsigned n, i;

	snprintf(copy, sizeof(copy), "%s", steps);
	n = rig_words(copy, words);
	for (i = 0; i < n && strlen(letters) < sizeof(letters) - 1; i++) {
		memset(last, 0, sizeof(last));
		sscanf(words[i], "%31s %63s %63s %63s %63s", verb, last[0], last[1], last[2], last[3]);
		if (strcmp(verb, "write") == 0)
			letters[strlen(letters)] = last[3][0];
		else if (strcmp(verb, "append") == 0)
			letters[strlen(letters)] = last[2][0];
	}
}

/* The first mount after the cut is killed itself. */
static void
interrupt(uint64_t nth)
{
	char *tree;

	rig_plug(&rig, nth, false);
	if (rig_open(&rig) != 0)
		return;
	tree = rig_tree(&rig);
	free(tree);
	(void)rig_step(&rig, "store");
	(void)rig_close(&rig);
}

static void
look(unsigned done, bool under_way)
{
	unsigned last = under_way && done < count ? done + 1 : done, i;
	char *tree, *again, *copy[RIG_MEMBERS_MAX], *said;
	int bits;

	rig_plug(&rig, 0, false);
	ck_assert_msg(rig_open(&rig) == 0, "%s: does not open", what);
	/* Nobody looks: only marked ways lead to what was cut. */
	if (rig.spread)
		ck_assert_msg(rig_settle(&rig), "%s: not reconciled", what);
	tree = rig_tree(&rig);
	look_at(tree, done, last);
	if (!rig.spread)
		ck_assert_msg(rig_settle(&rig), "%s: not reconciled", what);
	again = rig_tree(&rig);
	ck_assert_msg(strcmp(tree, again) == 0, "%s: found at first\n%sand when reconciled\n%s", what, tree, again);
	free(tree);
	free(again);
	ck_assert_msg(rig_close(&rig) == 0, "%s: does not close", what);
	for (i = 0; i < rig.members; i++) {
		copy[i] = rig_copy(&rig, i);
		ck_assert_msg(strcmp(copy[i], copy[0]) == 0, "%s: replica 0 is\n%sand another\n%s", what, copy[0], copy[i]);
	}
	for (i = 0; i < rig.members; i++)
		free(copy[i]);
	foreign = NULL;
	nftw(rig.path[0], look_at_bytes, 16, FTW_PHYS);
	ck_assert_msg(foreign == NULL, "%s: foreign bytes in %s of \"%s\"", what, foreign, letters);
	bits = rig_fsck(&rig, &said);
	ck_assert_msg(bits == 0, "%s: fsck says %d\n%s", what, bits, said);
	free(said);
}

/* How many changes there are without a cut. */
static uint64_t
count_changes(const struct scenario *s)
{
	uint64_t changes;

	rig_clear(&rig);
	rig_plug(&rig, 0, false);
	ck_assert_int_eq(rig_open(&rig), 0);
	run_all(s->before);
	ck_assert_int_eq(rig_close(&rig), 0);
	rig_plug(&rig, 0, false);
	ck_assert_int_eq(rig_open(&rig), 0);
	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(rig_step(&rig, text[i]), 0);
	ck_assert_int_eq(rig_close(&rig), 0);
	changes = rig.plug.seen;
	rig_clear(&rig);
	return changes;
}

static void
run_seed(uint64_t seed, unsigned members)
{
	uint64_t random = seed, changes, nth;
	const struct scenario *s;
	struct power *power;
	bool under_way = false;
	unsigned i, done = 0;

	do
		s = &scenarios[power_random(&random) % SCENARIOS];
	while (s->root && geteuid() != 0);
	snprintf(what, sizeof(what), "FAULT_SEED=%llu (%s)", (unsigned long long)seed, s->name);
	memset(letters, 0, sizeof(letters));
	find_letters(s->before);
	find_letters(s->steps);
	rig_init(&rig, members);
	rig.spread = seed % 2 == 0;
	choose_steps(s, &random);
	foresee(s);
	changes = count_changes(s);

	power = power_new(&rig);
	rig_plug(&rig, 0, false);
	ck_assert_int_eq(rig_open(&rig), 0);
	run_all(s->before);
	ck_assert_int_eq(rig_close(&rig), 0);
	power_sync(power);
	nth = 1 + power_random(&random) % changes;
	rig_plug(&rig, nth, power_random(&random) % 2 == 0);
	if (rig_open(&rig) == 0) {
		for (i = 0; i < count && !under_way; i++) {
			under_way = rig_step(&rig, text[i]) != 0 || rig_pulled(&rig);
			done += !under_way;
		}
		rig_close(&rig);
	}
	snprintf(what, sizeof(what), "FAULT_SEED=%llu (%s, power lost in \"%.100s\")", (unsigned long long)seed, s->name,
	    done < count ? text[done] : "the end");
	power_cut(power, &rig, seed);
	if (power_random(&random) % 3 == 0)
		interrupt(1 + power_random(&random) % 60);
	look(done, under_way);
	for (i = 0; i <= count; i++)
		free(states[i]);
	rig_done(&rig);
}

START_TEST(power)
{
	uint64_t seed = rig_number("FAULT_SEED", 0), end, first;
	unsigned members = (unsigned)rig_number("FAULT_MEMBERS", 2);

	if (seed != 0) {
		run_seed(seed, members);
		return;
	}
	first = seed = rig_number("FAULT_FIRST", 1);
	end = clock_monotonic_ms() + rig_number("FAULT_SECONDS", FAULT_SECONDS) * 1000;
	do
		run_seed(seed++, members);
	while (clock_monotonic_ms() < end);
	printf("# %llu power cuts, seeds from %llu on\n", (unsigned long long)(seed - first), (unsigned long long)first);
	fflush(stdout);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("power");
	int failed;
	TCase *tcase = tcase_create("power");

	tcase_set_timeout(tcase, (double)(rig_number("FAULT_SECONDS", FAULT_SECONDS) + 60));
	tcase_add_test(tcase, power);
	suite_add_tcase(suite, tcase);
	rig_begin();
	failed = check_main(suite);
	rig_end();
	return failed;
}
