/*
 * Replicas without room: from the Nth operation on that a full disk, a quota
 * or a limit of size may refuse, N = 1, 2, 3, ... until a scenario comes
 * through, one replica or all of them refuse.  The application gets that one
 * error, once, or none; what it asked for is not done, but for whole blocks of
 * a write; no replica is lost; once there is room again, the same call works.
 * In the end the replicas are equal, and fsck.mendfs is content.
 *
 * FULL_STRIDE=1 takes every N, FAULT_SCENARIO=name runs one scenario,
 * FAULT_NTH=n one N of it, FAULT_LOG=1 shows what the volume says.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/check_main.h"
#include "scenarios.h"
#include "volume/file.h"
#include "volume/members.h"
#include "volume/names.h"
#include "volume/room.h"
#include "volume/volume.h"

#define STRIDE 41		/* so few are tried by default that they take seconds */
#define BLOCK_SIZE 4096
#define RESYNC_MS 20000

/* How long there is no room. */
enum lasting { ONCE, UNTIL_REFUSED, UNTIL_UNMOUNTED, LASTINGS };
static const char *const lasting_names[] = { "once", "until something is refused", "until it is unmounted" };

struct want { uint32_t ops; int error; };
static const struct want wants[] = {
	{ FAULT_ROOM, ENOSPC },
	{ FAULT_ROOM, EDQUOT },
	{ FAULT_ROOM, ENOSPC },
	{ FAULT_WRITES & ~FAULT_MASK(FAULT_TRUNCATE), EFBIG },
};

#define MEMBERS 2
#define ALL MEMBERS		/* in place of a member's number */

/* Where and how it happens. */
struct full { unsigned who; enum lasting lasting; uint64_t nth; const struct want *want; };

/* A file's bytes; NULL: none are known. */
struct content { uint8_t *data; size_t len; };

static struct rig rig;
static struct replica *failing[RIG_MEMBERS_MAX];
static struct full now;
static bool armed;		/* what is opened next is full from the start */
static const struct scenario *scenario;
static char *steps[RIG_STEPS_MAX], copy_of_steps[1024];
static unsigned count;
static uint64_t tried;

/* How the volume looks before each step, and what a write is about to change. */
static char *states[RIG_STEPS_MAX + 1];
static struct content before[RIG_STEPS_MAX], after[RIG_STEPS_MAX];

static const char *
what(unsigned step)
{
	static char text[512];

	snprintf(text, sizeof(text), "%s, %s %s, operation %llu, %s, in \"%s\"", scenario->name,
	    now.who == ALL ? "all" : now.who == 0 ? "the first" : "the second", lasting_names[now.lasting],
	    (unsigned long long)now.nth, strerror(now.want->error), step < count ? steps[step] : "mounting or unmounting");
	return text;
}

/* ---- room */

static void
room_ends_on(unsigned i)
{
	struct fault_rule rule = { .ops = now.want->ops, .nth = now.nth, .error = now.want->error };

	if (now.who != ALL && now.who != i)
		return;
	/* What is refused at first finds room for half of it. */
	rule.mode = now.lasting == ONCE ? FAULT_BEFORE : FAULT_FULL;
	rule.times = now.lasting == ONCE;
	/* Another one's quota may refuse a new owner, but nothing the old one. */
	if (now.lasting != ONCE)
		rule.ops &= ~(FAULT_MASK(FAULT_CHOWN) | FAULT_MASK(FAULT_CHMOD));
	fault_set(failing[i], &rule);
}

static int
remember(void *arg, unsigned index, struct replica **r)
{
	struct replica *f;
	int rc;

	(void)arg;
	if ((rc = fault_replica_new(*r, &f)) != 0)
		return rc;
	*r = failing[index] = f;
	if (armed)
		room_ends_on(index);
	return 0;
}

static void
room_ends(void)
{
	unsigned i;

	for (i = 0; i < rig.members; i++)
		room_ends_on(i);
}

static void
room_again(void)
{
	unsigned i;

	for (i = 0; i < rig.members; i++)
		fault_set(failing[i], NULL);
}

static bool
refused(void)
{
	uint64_t hits = 0;
	unsigned i;

	for (i = 0; i < rig.members; i++)
		hits += fault_hits(failing[i]);
	return hits > 0;
}

/* ---- what is to be expected */

static bool
writes(const char *step)
{
	return strncmp(step, "write ", 6) == 0 || strncmp(step, "append ", 7) == 0;
}

static struct content
content_of(const char *step)
{
	struct content c = { NULL, 0 };
	char path[160];
	int rc;

	sscanf(step, "%*s %159s", path);
	rc = rig_read(&rig, path, &c.data, &c.len);
	ck_assert_msg(rc == 0, "%s: cannot read %s: %s", what(count), path, strerror(-rc));
	return c;
}

static void
prepare(void)
{
	char text[1024], *first[RIG_STEPS_MAX];
	unsigned number, i;

	rig_clear(&rig);
	rig_plug(&rig, 0, false);
	ck_assert_int_eq(rig_open(&rig), 0);
	snprintf(text, sizeof(text), "%s", scenario->before);
	number = rig_words(text, first);
	for (i = 0; i < number; i++)
		ck_assert_msg(rig_step(&rig, first[i]) == 0, "preparing: %s", first[i]);
	ck_assert_int_eq(rig_close(&rig), 0);
}

static void
foresee(void)
{
	unsigned i;

	prepare();
	ck_assert_int_eq(rig_open(&rig), 0);
	states[0] = rig_tree(&rig);
	for (i = 0; i < count; i++) {
		before[i] = after[i] = (struct content){ NULL, 0 };
		if (writes(steps[i]))
			before[i] = content_of(steps[i]);
		ck_assert_msg(rig_step(&rig, steps[i]) == 0, "%s: \"%s\" fails", scenario->name, steps[i]);
		if (writes(steps[i]))
			after[i] = content_of(steps[i]);
		states[i + 1] = rig_tree(&rig);
	}
	ck_assert_int_eq(rig_close(&rig), 0);
}

static void
forget(void)
{
	unsigned i;

	for (i = 0; i <= count; i++)
		free(states[i]);
	for (i = 0; i < count; i++) {
		free(before[i].data);
		free(after[i].data);
	}
}

/* New up to some block's end, old from there on. */
static bool
is_part_of(const struct content *c, const struct content *old, const struct content *new)
{
	size_t same = 0, i;

	while (same < c->len && same < new->len && c->data[same] == new->data[same])
		same++;
	if (same == c->len && (same == new->len || (same % BLOCK_SIZE == 0 && c->len >= old->len)))
		return true;
	/* Old and new bytes may happen to be the same: go back to where the block began. */
	same -= same % BLOCK_SIZE;
	if (c->len != old->len && c->len != same)
		return false;
	for (i = same; i < c->len; i++) {
		if (c->data[i] != old->data[i])
			return false;
	}
	return true;
}

/* A time that was set is on a full disk only as long as its record waits: without it, and nothing else. */
static char *
without_times(const char *tree)
{
	char *text = strdup(tree), *from, *to;

	while ((from = strstr(text, " mtime ")) != NULL) {
		to = from + 7 + strcspn(from + 7, " \n");
		memmove(from, to, strlen(to) + 1);
	}
	return text;
}

/* Is every line as it was, but for the data of a file whose path is ${path}? */
static bool
same_but(const char *tree, const char *old, const char *path)
{
	size_t len, old_len, own = strlen(path);
	const char *size;

	while (*tree != '\0' && *old != '\0') {
		len = strcspn(tree, "\n");
		old_len = strcspn(old, "\n");
		if (len != old_len || memcmp(tree, old, len) != 0) {
			size = memmem(tree, len, " size ", 6);
			if (size == NULL || strncmp(tree + 1, path, own) != 0 || tree[own + 1] != ' ' ||
			    strncmp(tree, old, (size_t)(size - tree)) != 0)
				return false;
		}
		tree += len + 1;
		old += old_len + 1;
	}
	return *tree == *old;
}

/* ${step} was refused: it was not done, or in part. */
static void
look_refused(unsigned step, bool mounted_again)
{
	const char *when = mounted_again ? "mounted again" : "at once";
	char *tree = rig_tree(&rig), *found, *wanted, path[160] = "";
	struct content c;

	if (writes(steps[step]))
		sscanf(steps[step], "%*s %159s", path);
	/* What was open by then is not any more. */
	if (*path != '\0' && !(*path == '@' && mounted_again)) {
		c = content_of(steps[step]);
		ck_assert_msg(is_part_of(&c, &before[step], &after[step]), "%s, %s: %zu bytes are neither old nor new, of %zu and %zu",
		    what(step), when, c.len, before[step].len, after[step].len);
		free(c.data);
	}
	found = mounted_again ? without_times(tree) : strdup(tree);
	wanted = mounted_again ? without_times(states[step]) : strdup(states[step]);
	ck_assert_msg(same_but(found, wanted, *path == '@' ? path + 1 : path), "%s, %s: found\n%s--- before\n%s", what(step), when, found, wanted);
	free(found);
	free(wanted);
	free(tree);
}

/* The same once more; an append goes to where it would have gone. */
static void
again(unsigned step)
{
	char text[400], path[160], len[40], byte[8];
	int rc;

	snprintf(text, sizeof(text), "%s", steps[step]);
	if (sscanf(steps[step], "append %159s %39s %7s", path, len, byte) == 3)
		snprintf(text, sizeof(text), "write %s %zu %s %s", path, before[step].len, len, byte);
	rc = rig_step(&rig, text);
	ck_assert_msg(rc == 0, "%s: with room again it fails: %s", what(step), strerror(-rc));
}

static void
look_all(unsigned step, const char *expected, const char *when)
{
	char *tree = rig_tree(&rig), *found = without_times(tree), *wanted = without_times(expected);

	ck_assert_msg(strcmp(tree, expected) == 0 || (now.lasting == UNTIL_UNMOUNTED && strcmp(found, wanted) == 0),
	    "%s, %s: found\n%s--- expected\n%s", what(step), when, tree, expected);
	free(found);
	free(wanted);
	ck_assert_msg(members_in_sync(rig.v) == rig.members, "%s, %s: a replica was lost", what(step), when);
	free(tree);
}

static void
look_below(unsigned step)
{
	char *copy[RIG_MEMBERS_MAX], *said;
	unsigned i;
	int bits;

	for (i = 0; i < rig.members; i++) {
		copy[i] = rig_copy(&rig, i);
		ck_assert_msg(strcmp(copy[i], copy[0]) == 0, "%s: replica 0 is\n%s--- and another\n%s", what(step), copy[0], copy[i]);
	}
	for (i = 0; i < rig.members; i++)
		free(copy[i]);
	bits = rig_fsck(&rig, &said);
	ck_assert_msg(bits == 0, "%s: fsck says %d\n%s", what(step), bits, said);
	free(said);
	tried++;
}

/* ---- one try */

static void
expect(unsigned step, int rc)
{
	ck_assert_msg(rc == -now.want->error, "%s: wanted %s, got %s", what(step), strerror(now.want->error), strerror(-rc));
	ck_assert_msg(refused(), "%s: there was room", what(step));
	ck_assert_msg(members_in_sync(rig.v) == rig.members, "%s: a replica was lost", what(step));
}

/* Unmount a full volume, and mount it with room. */
static void
mount_again(unsigned step)
{
	int rc = rig_close(&rig);

	ck_assert_msg(rc == 0 || rc == -now.want->error, "%s: closing says %s", what(step), strerror(-rc));
	armed = false;
	ck_assert_msg((rc = rig_open(&rig)) == 0, "%s: does not open again: %s", what(step), strerror(-rc));
}

static void
rest(unsigned from)
{
	unsigned i;
	int rc;

	for (i = from; i < count; i++) {
		rc = rig_step(&rig, steps[i]);
		ck_assert_msg(rc == 0, "%s, later: %s", what(i), strerror(-rc));
	}
}

static bool
uses_open_files(void)
{
	return strchr(scenario->steps, '+') != NULL || strstr(scenario->steps, "open ") != NULL;
}

/* False: everything went through untouched. */
static bool
try_one(void)
{
	bool hit = false;
	unsigned i;
	int rc = 0;

	prepare();
	ck_assert_int_eq(rig_open(&rig), 0);
	room_ends();
	for (i = 0; i < count && rc == 0; i++)
		rc = rig_step(&rig, steps[i]);
	if (rc != 0)
		expect(--i, rc);
	hit = refused();
	if (rc != 0)
		look_refused(i, false);
	else if (hit)
		look_all(i, states[count], "nobody noticed");
	if (now.lasting == UNTIL_UNMOUNTED && hit) {
		mount_again(i);
		if (rc != 0)
			look_refused(i, true);
		/* What was open is not. */
		if (uses_open_files())
			goto settle;
	} else {
		room_again();
	}
	if (rc != 0) {
		again(i);
		rest(i + 1);
	}
	look_all(i, states[count], "in the end");

settle:
	if (now.lasting == UNTIL_UNMOUNTED && hit)
		ck_assert_msg(rig_settle(&rig), "%s: not reconciled", what(i));
	rc = rig_close(&rig);
	ck_assert_msg(rc == 0, "%s: does not close: %s", what(i), strerror(-rc));
	look_below(i);
	return hit;
}

/* The volume is full when it is mounted, and stays so until it is unmounted. */
static bool
try_mounting(void)
{
	bool hit;
	int rc;

	prepare();
	armed = true;
	rc = rig_open(&rig);
	armed = false;
	ck_assert_msg(rc == 0 || rc == -now.want->error, "%s: mounting says %s", what(count), strerror(-rc));
	if (rc == 0) {
		look_all(count, states[0], "mounted");
		hit = refused();
		mount_again(count);
	} else {
		hit = true;
		ck_assert_msg((rc = rig_open(&rig)) == 0, "%s: does not open again: %s", what(count), strerror(-rc));
	}
	look_all(count, states[0], "mounted again");
	ck_assert_msg(rig_settle(&rig), "%s: not reconciled", what(count));
	ck_assert_int_eq(rig_close(&rig), 0);
	look_below(count);
	return hit;
}

/* Is there any error in it, but for want of room? */
static bool
shows_error(const char *tree, int allowed)
{
	while ((tree = strstr(tree, "ERROR ")) != NULL) {
		tree += strlen("ERROR ");
		if (strtol(tree, NULL, 10) != allowed)
			return true;
	}
	return false;
}

/* A mount after the process was killed has no room to mend what that left. */
static bool
try_reconciling(void)
{
	bool hit;
	char *tree;
	unsigned i;
	int rc = 0;

	prepare();
	rig_plug(&rig, 3 + now.nth * 7 % 40, false);
	if (rig_open(&rig) == 0) {
		for (i = 0; i < count && rc == 0; i++)
			rc = rig_step(&rig, steps[i]);
		(void)rig_close(&rig);
	}
	rig_plug(&rig, 0, false);
	armed = true;
	rc = rig_open(&rig);
	armed = false;
	ck_assert_msg(rc == 0 || rc == -now.want->error, "%s: mounting what was killed says %s", what(count), strerror(-rc));
	hit = rc != 0;
	if (rc == 0) {
		tree = rig_tree(&rig);
		/* Directories, and what has no record yet, are made alike before they are shown, and that may need room. */
		ck_assert_msg(!shows_error(tree, now.want->error), "%s: what was killed shows\n%s", what(count), tree);
		free(tree);
		hit = refused();
		mount_again(count);
	} else {
		ck_assert_msg((rc = rig_open(&rig)) == 0, "%s: does not open again: %s", what(count), strerror(-rc));
	}
	ck_assert_msg(rig_settle(&rig), "%s: not reconciled", what(count));
	tree = rig_tree(&rig);
	ck_assert_msg(!shows_error(tree, 0), "%s: reconciled is\n%s", what(count), tree);
	free(tree);
	ck_assert_uint_eq(members_in_sync(rig.v), rig.members);
	ck_assert_int_eq(rig_close(&rig), 0);
	look_below(count);
	return hit;
}

static void
loop(bool (*try)(void))
{
	uint64_t only = rig_number("FAULT_NTH", 0), stride = rig_number("FULL_STRIDE", STRIDE);
	unsigned turn = (unsigned)(scenario - scenarios);

	for (now.who = 0; now.who <= ALL; now.who++) {
		for (now.lasting = 0; now.lasting < LASTINGS; now.lasting++) {
			/* Others each time, so that few hit many. */
			if (stride > 1 && only == 0 && ((unsigned)(scenario - scenarios) + 5 * now.who + now.lasting) % 3 != 0)
				continue;
			now.nth = only > 0 ? only : 1 + 7 * turn++ % stride;
			do {
				now.want = &wants[now.nth % 4];
				if (!try() && now.want->error != EFBIG)
					break;
				now.nth += stride;
			} while (only == 0);
		}
	}
}

START_TEST(scenarios_full)
{
	const char *only = getenv("FAULT_SCENARIO");

	scenario = &scenarios[_i];
	if ((only != NULL && strcmp(only, scenario->name) != 0) || (scenario->root && geteuid() != 0))
		return;
	rig_init(&rig, MEMBERS);
	rig.wrap = remember;
	snprintf(copy_of_steps, sizeof(copy_of_steps), "%s", scenario->steps);
	count = rig_words(copy_of_steps, steps);
	foresee();
	loop(try_one);
	/* A mount does the same for all. */
	if (_i % 8 == 0)
		loop(try_mounting);
	if (_i % 8 == 1 || rig_number("FULL_STRIDE", STRIDE) == 1)
		loop(try_reconciling);
	forget();
	rig_done(&rig);
	if (getenv("FAULT_COUNT") != NULL)
		fprintf(stderr, "%s: %llu tried\n", scenario->name, (unsigned long long)tried);
}
END_TEST

/* ---- mending, and a replica that comes back */

static const struct scenario one_file = { "mending", "create a; write a 0 65536 p; mkdir d; create d/b; write d/b 0 3000000 q", "", false };
static const struct scenario behind = { "resync", "create a; write a 0 65536 p; mkdir d; create d/b; write d/b 0 3000000 q; symlink s t; create z",
    "write a 5000 30000 x; create d/c; append d/c 2000000 y; rename d e; mkdir f; create f/g; setxattr z user.x y; link a f/a; symlink u v; unlink s", false };

/* A byte of the file, with its times as they were. */
static void
rot(const char *path, off_t at)
{
	struct timespec times[2];
	uint8_t byte;
	struct stat st;
	int fd = open(path, O_RDWR);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	ck_assert_int_eq(futimens(fd, times), 0);
	close(fd);
}

/* What cannot be written over is read from the other one, and mended when there is room. */
START_TEST(mending)
{
	char path[PATH_MAX], *expected;
	unsigned i;

	scenario = &one_file;
	count = 0;
	rig_init(&rig, MEMBERS);
	rig.wrap = remember;
	prepare();
	ck_assert_int_eq(rig_open(&rig), 0);
	expected = rig_tree(&rig);
	ck_assert_int_eq(rig_close(&rig), 0);
	for (i = 0; i < rig.members; i++) {
		snprintf(path, sizeof(path), "%s/a", rig.path[i]);
		rot(path, 4096 * (off_t)i + 10);
		snprintf(path, sizeof(path), "%s/d/b", rig.path[i]);
		rot(path, 1000000 + 100000 * (off_t)i);
	}
	now = (struct full){ .who = ALL, .lasting = UNTIL_UNMOUNTED, .nth = 1, .want = &wants[_i] };
	ck_assert_int_eq(rig_open(&rig), 0);
	room_ends();
	look_all(0, expected, "full");
	ck_assert(refused());
	room_again();
	look_all(0, expected, "with room again");
	ck_assert_uint_gt(rig.v->members[0].mended + rig.v->members[1].mended, 0);
	ck_assert_int_eq(rig_close(&rig), 0);
	/* The copies that nobody reads. */
	ck_assert_int_eq(rig_open(&rig), 0);
	look_all(0, expected, "mounted again");
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(rig_step(&rig, "idle"), 0);
	ck_assert_int_eq(rig_close(&rig), 0);
	look_below(0);
	free(expected);
	rig_done(&rig);
}
END_TEST

/* The second replica misses all that the steps did. */
static void
leave_behind(void)
{
	unsigned i;

	prepare();
	rig.members = 1;
	rig.degraded = true;
	ck_assert_int_eq(rig_open(&rig), 0);
	for (i = 0; i < count; i++)
		ck_assert_int_eq(rig_step(&rig, steps[i]), 0);
	ck_assert_int_eq(rig_close(&rig), 0);
	rig.members = MEMBERS;
	rig.degraded = false;
}

/* The nth operation of its resync finds no room, nor does any later one; false: it got through. */
static bool
try_resync(void)
{
	unsigned waited;
	bool hit;

	leave_behind();
	ck_assert_int_eq(rig_open(&rig), 0);
	room_ends();
	ck_assert_int_eq(volume_start(rig.v), 0);
	for (waited = 0; waited < RESYNC_MS && (members_in_sync(rig.v) < MEMBERS || atomic_load(&rig.v->resyncing) != NULL); waited++) {
		/* Tried again when it is due, or somebody says so: then with room, for it is opened anew. */
		if (atomic_load(&rig.v->members[1].wants_room))
			volume_hurry(rig.v);
		usleep(1000);
	}
	hit = refused();
	look_all(count, states[count], "in sync again");
	ck_assert(!atomic_load(&rig.v->members[1].wants_room));
	room_again();
	ck_assert_int_eq(rig_close(&rig), 0);
	look_below(count);
	return hit;
}

START_TEST(resync)
{
	uint64_t stride = rig_number("FULL_STRIDE", STRIDE);

	scenario = &behind;
	rig_init(&rig, MEMBERS);
	rig.wrap = remember;
	snprintf(copy_of_steps, sizeof(copy_of_steps), "%s", scenario->steps);
	count = rig_words(copy_of_steps, steps);
	foresee();
	now = (struct full){ .who = 1, .lasting = UNTIL_UNMOUNTED, .nth = 2, .want = &wants[0] };
	while (try_resync())
		now.nth += stride;
	forget();
	rig_done(&rig);
}
END_TEST

/* What "a" holds: 50,000 bytes of p, of which some may be zeros by now. */
static void
expect_zeros(uint64_t from, uint64_t to)
{
	uint8_t *data = NULL;
	size_t len, i;

	ck_assert_int_eq(rig_read(&rig, "a", &data, &len), 0);
	ck_assert_uint_eq(len, 50000);
	for (i = 0; i < len; i++)
		ck_assert_uint_eq(data[i], i >= from && i < to ? 0 : rig_byte('p', i));
	free(data);
}

/*
 * XFS frees the blocks of a range that is to become zeros, and then finds no
 * room for others: it says that nothing was done, and all is gone.  _i: the
 * member that does so, and at which of its calls.
 */
START_TEST(zeroing_refused)
{
	const struct fault_rule rule = { .ops = FAULT_MASK(FAULT_FALLOCATE), .nth = 1 + (unsigned)_i / 2, .times = 1,
	    .error = ENOSPC, .mode = FAULT_AFTER };
	uint64_t hits;
	int rc;

	scenario = &one_file;
	count = 0;
	rig_init(&rig, MEMBERS);
	rig.wrap = remember;
	prepare();
	ck_assert_int_eq(rig_open(&rig), 0);
	ck_assert_int_eq(rig_step(&rig, "truncate a 0"), 0);
	ck_assert_int_eq(rig_step(&rig, "write a 0 50000 p"), 0);
	fault_set(failing[_i % 2], &rule);
	rc = rig_step(&rig, "zero a 5000 20000");
	hits = fault_hits(failing[_i % 2]);
	fault_set(failing[_i % 2], NULL);
	ck_assert_uint_eq(hits, 1);
	/* Room first, then the hole, for which zeros can stand in; the last one is a favour. */
	ck_assert_int_eq(rc, _i / 2 == 0 ? -ENOSPC : 0);
	if (rc != 0)
		expect_zeros(0, 0);
	else
		expect_zeros(5000, 25000);
	ck_assert_int_eq(rig_step(&rig, "zero a 5000 20000"), 0);
	expect_zeros(5000, 25000);
	ck_assert_uint_eq(rig.v->blocks_lost, 0);
	ck_assert_int_eq(rig_close(&rig), 0);
	look_below(0);
	rig_done(&rig);
}
END_TEST

/* What was appended with O_SYNC, and whose record finds no room, is not there for who appends it again. */
START_TEST(sync_refused)
{
	const struct fault_rule rule = { .ops = FAULT_MASK(FAULT_STORE), .nth = 1, .error = ENOSPC };
	struct node *node;
	struct stat st;

	scenario = &one_file;
	count = 0;
	rig_init(&rig, MEMBERS);
	rig.wrap = remember;
	prepare();
	ck_assert_int_eq(rig_open(&rig), 0);
	ck_assert_int_eq(rig_step(&rig, "truncate a 0"), 0);
	ck_assert_int_eq(rig_step(&rig, "write a 0 50000 p"), 0);
	ck_assert_int_eq(names_lookup(rig.v, volume_root(rig.v), "a", &node, &st), 0);
	fault_set(failing[0], &rule);
	ck_assert_int_eq(file_write(rig.v, node, "more", 4, 50000, FILE_SYNC), -ENOSPC);
	fault_set(failing[0], NULL);
	expect_zeros(0, 0);
	ck_assert_int_eq(file_write(rig.v, node, "more", 4, 50000, FILE_SYNC), 4);
	ck_assert_uint_eq(node->size, 50004);
	node_forget(rig.v, node, 1);
	ck_assert_int_eq(rig_close(&rig), 0);
	look_below(0);
	rig_done(&rig);
}
END_TEST

START_TEST(reserve)
{
	const uint64_t mib = 1 << 20, gib = 1 << 30;

	ck_assert_uint_eq(room_reserve(0), 0);
	ck_assert_uint_eq(room_reserve(16 * mib), mib);
	ck_assert_uint_eq(room_reserve(256 * mib), 16 * mib);
	ck_assert_uint_eq(room_reserve(gib), 16 * mib);
	ck_assert_uint_eq(room_reserve(100 * gib), gib);
	ck_assert_uint_eq(room_reserve(UINT64_MAX), UINT64_MAX / 100);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fault/full");
	TCase *tcase = tcase_create("full");
	int failed;

	/* Of each scenario; a sanitizer takes its time, and so does every N. */
	tcase_set_timeout(tcase, 1200);
	tcase_add_loop_test(tcase, scenarios_full, 0, SCENARIOS);
	tcase_add_loop_test(tcase, mending, 0, 2);
	tcase_add_test(tcase, resync);
	tcase_add_loop_test(tcase, zeroing_refused, 0, 6);
	tcase_add_test(tcase, sync_refused);
	tcase_add_test(tcase, reserve);
	suite_add_tcase(suite, tcase);
	rig_begin();
	failed = check_main(suite);
	rig_end();
	return failed;
}
