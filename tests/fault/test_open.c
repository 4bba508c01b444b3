/*
 * After an unclean stop: what is done before a file is served, what is left
 * alone, and what is told from tearing.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../unit/check_main.h"
#include "rig.h"
#include "volume/file.h"
#include "volume/names.h"

#define SIZE_LARGE "67108864"

static struct rig rig;
static struct replica *wrapped[RIG_MEMBERS_MAX];

/* The replicas, to count what is asked of them. */
static int
remember(void *arg, unsigned index, struct replica **r)
{
	struct replica *counting;
	int rc;

	(void)arg;
	if ((rc = fault_replica_new(*r, &counting)) == 0)
		*r = wrapped[index] = counting;
	return rc;
}

static void
step(const char *text)
{
	int rc = rig_step(&rig, text);

	ck_assert_msg(rc == 0, "%s: %s", text, strerror(-rc));
}

/* The process is killed here. */
static void
kill_volume(void)
{
	rig_plug(&rig, 1, false);
	rig_close(&rig);
	rig_plug(&rig, 0, false);
}

static void
open_volume(void)
{
	ck_assert_int_eq(rig_open(&rig), 0);
}

static uint64_t
count_all(uint32_t ops)
{
	return fault_count(wrapped[0], ops) + fault_count(wrapped[1], ops);
}

static void
read_block(const char *name, uint64_t offset, char letter)
{
	const uint8_t *data;
	struct node *node;
	struct stat st;
	size_t i;

	ck_assert_int_eq(names_lookup(rig.v, volume_root(rig.v), name, &node, &st), 0);
	ck_assert_int_eq(file_read(rig.v, node, offset, BLOCK, (const void **)&data), BLOCK);
	for (i = 0; i < BLOCK; i++)
		ck_assert_uint_eq(data[i], rig_byte(letter, offset + i));
	node_forget(rig.v, node, 1);
}

static void
finish_closed(void)
{
	char *a, *b, *said;

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
finish(void)
{
	ck_assert(rig_settle(&rig));
	finish_closed();
}

static void
setup(void)
{
	rig_init(&rig, 2);
	rig_plug(&rig, 0, false);
	rig.wrap = remember;
	rig_plug(&rig, 0, false);
	open_volume();
}

static void
teardown(void)
{
	rig_done(&rig);
}

/* One block in the middle of a large file, whatever else is torn of it. */
START_TEST(first_open_reads_little)
{
	step("create a");
	step("write a 0 " SIZE_LARGE " p");
	step("write a 8192 4096 q");
	step("open a");
	step("write a 40960000 40960 r");
	step("append a 100000 s");
	kill_volume();
	open_volume();
	read_block("a", 8192, 'q');
	read_block("a", 40960000, 'r');
	/* Pages of tags, label and intent with it. */
	ck_assert_uint_lt(count_all(FAULT_MASK(FAULT_PREAD)), 60);
	ck_assert_uint_lt(count_all(FAULT_ALL), 400);
	finish();
}
END_TEST

/* A thousand torn files in a directory: looking one up settles that one. */
START_TEST(first_look_up_settles_one)
{
	char text[64];
	unsigned i;

	step("mkdir d");
	for (i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "create d/%u", i);
		step(text);
		snprintf(text, sizeof(text), "write d/%u 0 5000 x", i);
		step(text);
	}
	kill_volume();
	open_volume();
	step("write d/500 0 10 y");
	ck_assert_uint_lt(count_all(FAULT_ALL), 400);
	finish();
}
END_TEST

static char *
record_of(unsigned member, const char *name, ssize_t *len)
{
	char path[PATH_MAX], *record = malloc(RECORD_SIZE_MAX);

	snprintf(path, sizeof(path), "%s/%s", rig.path[member], name);
	*len = getxattr(path, "user.mendfs", record, RECORD_SIZE_MAX);
	ck_assert_int_gt(*len, 0);
	return record;
}

/* Files of regions at rest: not a byte, record or time changes, and rot there is not taken for tearing. */
START_TEST(regions_at_rest_are_left_alone)
{
	char path[PATH_MAX], *before, *after;
	ssize_t before_len, after_len;
	struct stat st, now;
	int fd;

	/* The top directory is of the first region. */
	atomic_fetch_add(&rig.v->next_id, 5000);
	step("mkdir still");
	step("create still/a");
	step("write still/a 0 20000 p");
	ck_assert_int_eq(rig_close(&rig), 0);
	open_volume();
	/* The next files are of another region. */
	atomic_fetch_add(&rig.v->next_id, 5000);
	step("mkdir busy");
	step("create busy/a");
	step("write busy/a 0 5000 x");
	before = record_of(0, "still/a", &before_len);
	snprintf(path, sizeof(path), "%s/still/a", rig.path[0]);
	ck_assert_int_eq(stat(path, &st), 0);
	kill_volume();
	open_volume();
	finish();
	after = record_of(0, "still/a", &after_len);
	ck_assert_int_eq(after_len, before_len);
	ck_assert_mem_eq(after, before, (size_t)before_len);
	ck_assert_int_eq(stat(path, &now), 0);
	ck_assert_int_eq(now.st_mtim.tv_nsec, st.st_mtim.tv_nsec);
	ck_assert_int_eq(now.st_ctim.tv_nsec, st.st_ctim.tv_nsec);
	free(before);
	free(after);

	/* The same block rotten on all replicas, in a region at rest: refused, not taken for torn. */
	open_volume();
	step("write busy/a 0 10 y");
	for (unsigned i = 0; i < 2; i++) {
		struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = 0 } };

		snprintf(path, sizeof(path), "%s/busy/a", rig.path[i]);
		ck_assert_int_eq(stat(path, &st), 0);
		times[1] = st.st_mtim;
		ck_assert_int_ge(fd = open(path, O_WRONLY), 0);
		ck_assert_int_eq(pwrite(fd, i == 0 ? "rot!" : "ruin", 4, 4096), 4);
		ck_assert_int_eq(futimens(fd, times), 0);
		close(fd);
	}
	ck_assert_int_eq(rig_close(&rig), 0);
	open_volume();
	{
		struct node *dir, *node;
		const void *data;

		ck_assert_int_eq(names_lookup(rig.v, volume_root(rig.v), "busy", &dir, &st), 0);
		ck_assert_int_eq(names_lookup(rig.v, dir, "a", &node, &st), 0);
		ck_assert_int_eq(file_read(rig.v, node, 4096, 100, &data), -EIO);
		node_forget(rig.v, node, 1);
		node_forget(rig.v, dir, 1);
	}
	ck_assert_int_eq(rig_close(&rig), 0);
}
END_TEST

/* In a dirty region: a copy that matches the record is right, though the other one has the lower number. */
START_TEST(rot_in_a_dirty_region)
{
	char path[PATH_MAX];
	int fd;

	step("create a");
	step("write a 0 20000 p");
	step("store");
	kill_volume();
	snprintf(path, sizeof(path), "%s/a", rig.path[0]);
	ck_assert_int_ge(fd = open(path, O_WRONLY), 0);
	ck_assert_int_eq(pwrite(fd, "rot", 3, 8192), 3);
	close(fd);
	open_volume();
	read_block("a", 8192, 'p');
	finish();
}
END_TEST

/* Directories of 100 files. */
static void
make_tree(unsigned dirs)
{
	char text[64];
	unsigned i;

	for (i = 0; i < dirs * 100; i++) {
		if (i % 100 == 0) {
			snprintf(text, sizeof(text), "mkdir d%u", i / 100);
			step(text);
		}
		snprintf(text, sizeof(text), "create d%u/%u", i / 100, i % 100);
		step(text);
	}
}

static uint64_t
bytes_read(void)
{
	return rig.v->members[0].read_bytes + rig.v->members[1].read_bytes;
}

/* A tree all of which is dirty, and a file in it of which a block is wanted: operations from the mount to that block. */
static uint64_t
cost_of_first_answer(unsigned dirs, const char *size, uint64_t offset)
{
	struct node *dir, *node;
	const uint8_t *data;
	struct stat st;
	uint64_t cost;
	char text[64];

	rig_clear(&rig);
	open_volume();
	make_tree(dirs);
	snprintf(text, sizeof(text), "write d1/50 0 %s p", size);
	step(text);
	kill_volume();
	open_volume();
	ck_assert_int_eq(names_lookup(rig.v, volume_root(rig.v), "d1", &dir, &st), 0);
	ck_assert_int_eq(names_lookup(rig.v, dir, "50", &node, &st), 0);
	ck_assert_int_eq(file_read(rig.v, node, offset, BLOCK, (const void **)&data), BLOCK);
	ck_assert_uint_eq(data[7], rig_byte('p', offset + 7));
	cost = count_all(FAULT_ALL);
	ck_assert_uint_lt(bytes_read(), 1 << 20);
	node_forget(rig.v, node, 1);
	node_forget(rig.v, dir, 1);
	finish();
	return cost;
}

/* What the mount and the first open take has nothing to do with the size of the tree, or of the file. */
START_TEST(first_answer)
{
	uint64_t small, large;

	ck_assert_int_eq(rig_close(&rig), 0);
	small = cost_of_first_answer(2, "4000000", 2048000);
	large = cost_of_first_answer(50, SIZE_LARGE, 40960000);
	printf("# %llu operations to the first block of 4 MB in a tree of 200 files, %llu of 64 MiB in one of 5,000\n",
	    (unsigned long long)small, (unsigned long long)large);
	ck_assert_uint_le(large, small + 10);
}
END_TEST

/* Twenty files of one directory are torn; returns what it takes to mount, and to reconcile. */
static uint64_t
cost_of_twenty(unsigned dirs)
{
	uint64_t cost;
	char text[64];
	unsigned i;

	rig_clear(&rig);
	open_volume();
	make_tree(dirs);
	ck_assert_int_eq(rig_close(&rig), 0);
	open_volume();
	for (i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "write d7/%u 0 5000 x", i * 5);
		step(text);
	}
	kill_volume();
	open_volume();
	ck_assert(!intent_astray(rig.v->intent));
	ck_assert(rig_settle(&rig));
	cost = count_all(FAULT_ALL);
	finish_closed();
	return cost;
}

/* Reconciling costs what was dirty, not the tree: some files of the same region are looked at, and the top directory's names. */
START_TEST(reconciling_costs_what_was_dirty)
{
	uint64_t small, large;

	ck_assert_int_eq(rig_close(&rig), 0);
	small = cost_of_twenty(20);
	large = cost_of_twenty(200);
	printf("# %llu operations to reconcile 20 files of 2,000, %llu of 20,000\n", (unsigned long long)small, (unsigned long long)large);
	ck_assert_uint_lt(large, small + small / 4);
	ck_assert_uint_lt(large, 25000);
}
END_TEST

/* What keeps track of all this: durable writes of the intent bitmap, per replica. */
START_TEST(intent_costs_little)
{
	const uint32_t syncs = FAULT_MASK(FAULT_FSYNC) | FAULT_MASK(FAULT_DIR_SYNC);
	uint64_t first, more;

	step("mkdir a");
	step("mkdir a/b");
	ck_assert_int_eq(rig_close(&rig), 0);
	open_volume();
	fault_count_reset(wrapped[0]);
	step("create a/b/c");
	first = fault_count(wrapped[0], syncs);
	fault_count_reset(wrapped[0]);
	make_tree(30);
	more = fault_count(wrapped[0], syncs);
	printf("# %llu for the first file, %llu for 3,000 more in 30 directories\n", (unsigned long long)first, (unsigned long long)more);
	ck_assert_uint_le(first, 2);
	ck_assert_uint_le(more, 2 * 3);
	finish();
}
END_TEST

/* A name that nobody looked up may be all that is left of a file. */
START_TEST(other_names)
{
	rig.spread = true;
	step("mkdir d");
	step("mkdir e");
	step("create d/a");
	step("write d/a 0 9000 p");
	step("link d/a e/b");
	ck_assert_int_eq(rig_close(&rig), 0);
	open_volume();
	step("write d/a 0 5000 q");
	ck_assert(!intent_marked(rig.v->intent, INTENT_ASTRAY));
	step("unlink d/a");
	ck_assert(intent_marked(rig.v->intent, INTENT_ASTRAY));
	kill_volume();
	open_volume();
	ck_assert(intent_astray(rig.v->intent));
	finish();

	/* Known by both: no need to go through everything. */
	open_volume();
	step("mkdir f");
	step("link e/b f/c");
	step("write e/b 0 5000 r");
	step("unlink e/b");
	kill_volume();
	open_volume();
	ck_assert(!intent_astray(rig.v->intent));
	finish();
}
END_TEST

/* Bits without ways are an older program's: everything is gone through. */
START_TEST(older_intent)
{
	char path[PATH_MAX];
	unsigned i;

	rig.spread = true;
	step("mkdir d");
	step("mkdir d/e");
	step("create d/e/a");
	step("write d/e/a 0 9000 p");
	ck_assert_int_eq(rig_close(&rig), 0);
	open_volume();
	step("write d/e/a 0 5000 q");
	kill_volume();
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/.mendfs/ways", rig.path[i]);
		ck_assert_int_eq(unlink(path), 0);
	}
	open_volume();
	ck_assert(intent_astray(rig.v->intent));
	finish();
}
END_TEST

/* What moves while the walk is on its way is not passed over. */
START_TEST(moved_meanwhile)
{
	char text[64];
	unsigned i;

	rig.spread = true;
	step("mkdir x");
	step("mkdir y");
	step("mkdir x/d");
	for (i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "create x/d/%u", i);
		step(text);
	}
	ck_assert_int_eq(rig_close(&rig), 0);
	open_volume();
	for (i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "append x/d/%u 100000 x", i);
		step(text);
	}
	kill_volume();
	open_volume();
	ck_assert_int_eq(volume_start(rig.v), 0);
	for (i = 0; intent_any(rig.v->intent) > 0 && i < 100000; i++) {
		step(i % 2 == 0 ? "rename x/d y/d" : "rename y/d x/d");
		snprintf(text, sizeof(text), "rename %s/%u x/%u", i % 2 == 0 ? "y/d" : "x/d", i % 40, i % 40);
		(void)rig_step(&rig, text);
	}
	ck_assert_uint_eq(intent_any(rig.v->intent), 0);
	finish_closed();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("open");
	TCase *tcase = tcase_create("open");
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, first_open_reads_little);
	tcase_add_test(tcase, first_look_up_settles_one);
	tcase_add_test(tcase, first_answer);
	tcase_add_test(tcase, regions_at_rest_are_left_alone);
	tcase_add_test(tcase, rot_in_a_dirty_region);
	tcase_add_test(tcase, reconciling_costs_what_was_dirty);
	tcase_add_test(tcase, intent_costs_little);
	tcase_add_test(tcase, other_names);
	tcase_add_test(tcase, older_intent);
	tcase_add_test(tcase, moved_meanwhile);
	suite_add_tcase(suite, tcase);
	rig_begin();
	failed = check_main(suite);
	rig_end();
	return failed;
}
