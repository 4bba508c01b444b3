/*
 * What a replica on another machine costs: round trips and bytes, counted, with
 * the other machine in this process.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replica/peer.h"
#include "util/clock.h"
#include "volume/dir.h"
#include "volume/file.h"
#include "volume/members.h"
#include "volume/names.h"
#include "volume/nodes.h"
#include "volume/scrub.h"
#include "volume/store.h"

#include "../unit/check_main.h"
#include "rig.h"

#define LARGE (16u << 20)
#define WRITERS 16u
#define WAIT_MS 20000
#define CHANGED 128u			/* files that a returning replica missed */

static struct rig rig;
static const struct volume_caller me;

static struct peer_counters
now(void)
{
	struct peer_counters counters;

	peer_count(rig.v->members[1].r, &counters);
	return counters;
}

static uint64_t
trips(void)
{
	return now().round_trips;
}

static uint64_t
bytes(void)
{
	return now().bytes_in + now().bytes_out;
}

static void
begin(bool ack_fsync)
{
	rig_init(&rig, 2);
	rig.far = 2;
	rig.ack_fsync = ack_fsync;
	ck_assert_int_eq(rig_open(&rig), 0);
	/* There is room enough for records. */
	atomic_store(&rig.v->members[1].space_free, UINT64_C(1) << 30);
}

static void
setup(void)
{
	begin(false);
}

static void
setup_lagging(void)
{
	begin(true);
}

static void
teardown(void)
{
	ck_assert_int_eq(rig_close(&rig), 0);
	rig_done(&rig);
}

static struct node *
create(const char *name)
{
	struct node *root = volume_root(rig.v), *node;
	struct stat st;

	/* As the kernel does. */
	ck_assert_int_eq(names_lookup(rig.v, root, name, &node, &st), -ENOENT);
	ck_assert_int_eq(names_mknod(rig.v, root, name, S_IFREG | 0644, 0, &me, &node, &st), 0);
	return node;
}

static void
write_at(struct node *node, uint64_t offset, size_t len, char what)
{
	uint8_t *data = malloc(len);
	size_t i;

	ck_assert_ptr_nonnull(data);
	for (i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 9) ^ (uint8_t)what;
	ck_assert_int_eq(file_write(rig.v, node, data, len, offset, 0), (ssize_t)len);
	free(data);
}

START_TEST(a_new_file_takes_two_round_trips)
{
	struct node *node = create("first");	/* which marks its region, on all members */
	uint64_t before;

	write_at(node, 0, 100, 'a');
	node_forget(rig.v, node, 1);
	before = trips();
	node = create("second");
	write_at(node, 0, 4096, 'b');
	ck_assert_int_eq(file_flush(rig.v, node), 0);
	ck_assert_uint_eq(trips() - before, 2);
	/* Its record comes later, and waits for nobody. */
	ck_assert_int_eq(store_all(rig.v), 0);
	ck_assert_uint_eq(trips() - before, 2);
	write_at(node, 0, 4096, 'c');
	ck_assert_uint_eq(trips() - before, 3);
	node_forget(rig.v, node, 1);
}
END_TEST

START_TEST(reading_stays_at_home)
{
	const char *const names[] = { "a", "b", "c" };
	struct node *root = volume_root(rig.v), *node;
	const void *data;
	uint64_t before;
	struct stat st;
	unsigned i;

	for (i = 0; i < 3; i++) {
		node = create(names[i]);
		write_at(node, 0, 300000, 'a');
		node_forget(rig.v, node, 1);
	}
	ck_assert_int_eq(rig_close(&rig), 0);
	ck_assert_int_eq(rig_open(&rig), 0);
	before = trips();
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(names_lookup(rig.v, root = volume_root(rig.v), names[i], &node, &st), 0);
		ck_assert_int_eq(st.st_size, 300000);
		ck_assert_int_eq(file_read(rig.v, node, 4096, 200000, &data), 200000);
		node_forget(rig.v, node, 1);
	}
	ck_assert_int_eq(names_lookup(rig.v, root, "nothing", &node, &st), -ENOENT);
	ck_assert_uint_eq(trips(), before);
}
END_TEST

/* The copy here is bad: then the other one answers. */
START_TEST(what_fails_here_comes_from_there)
{
	struct node *node = create("a");
	char path[PATH_MAX];
	const void *data;
	FILE *file;

	write_at(node, 0, 20000, 'a');
	ck_assert_int_eq(file_fsync(rig.v, node, false), 0);
	snprintf(path, sizeof(path), "%s/a", rig.path[0]);
	ck_assert_ptr_nonnull(file = fopen(path, "r+"));
	ck_assert_int_eq(fseek(file, 5000, SEEK_SET), 0);
	ck_assert_int_eq(fputs("rot", file), 1);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(file_read(rig.v, node, 0, 20000, &data), 20000);
	ck_assert_uint_eq(((const uint8_t *)data)[5001], (uint8_t)(5001 * 2654435761u >> 9) ^ 'a');
	ck_assert_uint_eq(rig.v->members[0].mended, 1);
	node_forget(rig.v, node, 1);
}
END_TEST

START_TEST(changes_of_names_take_one)
{
	struct node *root = volume_root(rig.v), *node = create("a"), *dir;
	struct stat st;
	uint64_t before;

	ck_assert_int_eq(names_mkdir(rig.v, root, "d", 0755, &me, &dir, &st), 0);
	ck_assert_int_eq(names_rename(rig.v, root, "a", dir, "x", 0), 0);
	before = trips();
	ck_assert_int_eq(names_rename(rig.v, dir, "x", root, "b", 0), 0);
	ck_assert_uint_eq(trips() - before, 1);
	ck_assert_int_eq(names_link(rig.v, node, root, "c", &st), 0);
	ck_assert_uint_eq(trips() - before, 2);
	ck_assert_int_eq(names_unlink(rig.v, root, "c"), 0);
	ck_assert_uint_eq(trips() - before, 3);
	node_forget(rig.v, node, 1);
	node_forget(rig.v, dir, 1);
}
END_TEST

START_TEST(lagging_takes_none_before_fsync)
{
	struct node *root = volume_root(rig.v), *node = create("first");
	uint64_t before;

	write_at(node, 0, 100, 'a');
	node_forget(rig.v, node, 1);
	before = trips();
	node = create("second");
	write_at(node, 0, 4096, 'b');
	write_at(node, 4096, 500000, 'c');
	ck_assert_int_eq(names_rename(rig.v, root, "second", root, "third", 0), 0);
	ck_assert_int_eq(store_all(rig.v), 0);
	ck_assert_uint_eq(trips(), before);
	/* close(2): until everything has come there, at most once. */
	ck_assert_int_eq(file_flush(rig.v, node), 0);
	ck_assert_uint_le(trips() - before, 1);
	ck_assert_uint_eq(now().window_requests, 0);
	ck_assert_int_eq(file_fsync(rig.v, node, false), 0);
	ck_assert_uint_gt(trips(), before);
	node_forget(rig.v, node, 1);
}
END_TEST

/* ---- many at a time */

struct writer { pthread_t thread; struct node *node; };

static void *
write_run(void *arg)
{
	const struct writer *w = arg;

	write_at(w->node, 0, 4096, 'w');
	return NULL;
}

/* Sixteen writers have sixteen requests on their way at the same time. */
START_TEST(writers_do_not_wait_for_each_other)
{
	struct writer writers[WRITERS];
	uint64_t before;
	char name[16];
	unsigned i;

	for (i = 0; i < WRITERS; i++) {
		snprintf(name, sizeof(name), "w%u", i);
		writers[i].node = create(name);
		write_at(writers[i].node, 0, 4096, 'a');
	}
	ck_assert_int_eq(store_all(rig.v), 0);
	ck_assert_int_eq(rig.v->members[1].r->ops->sync(rig.v->members[1].r), 0);
	rig_far_stop(&rig, 1, true);
	before = now().requests;
	for (i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, write_run, &writers[i]), 0);
	for (i = 0; i < WAIT_MS && now().requests - before < WRITERS; i++)
		usleep(1000);
	ck_assert_uint_ge(now().requests - before, WRITERS);
	rig_far_stop(&rig, 1, false);
	for (i = 0; i < WRITERS; i++) {
		pthread_join(writers[i].thread, NULL);
		node_forget(rig.v, writers[i].node, 1);
	}
}
END_TEST

/* ---- bytes */

static void
no_finding(void *arg, const struct scrub_finding *finding)
{
	(void)arg;
	ck_abort_msg("%s: finding %d on %s", finding->path, finding->code, finding->replica != NULL ? finding->replica : "all");
}

static bool
never(void *arg)
{
	(void)arg;
	return false;
}

START_TEST(a_scrub_moves_tags_only)
{
	const struct scrub_options options = { .path = "", .mend = true, .finding = no_finding, .stop = never };
	struct scrub_totals totals = { 0 };
	struct scrub_position at = { 0 };
	struct node *node = create("large");
	uint64_t before, offset;

	for (offset = 0; offset < LARGE; offset += 1u << 20)
		write_at(node, offset, 1u << 20, (char)(offset >> 20));
	ck_assert_int_eq(file_fsync(rig.v, node, false), 0);
	node_forget(rig.v, node, 1);
	before = bytes();
	ck_assert_int_eq(scrub_run(rig.v, &options, &totals, &at), 0);
	ck_assert_uint_eq(totals.bytes, 2 * LARGE);
	/* A sum for every page of tags. */
	ck_assert_uint_gt(bytes() - before, LARGE / (1 << 20) * DIGEST_SIZE);
	ck_assert_uint_lt(bytes() - before, LARGE / 1000);
}
END_TEST

/* What the members here would have refused, those that are far away have to. */
START_TEST(all_far_refuse_themselves)
{
	struct node *root, *dir, *file;
	struct stat st;

	ck_assert_int_eq(rig_close(&rig), 0);
	rig.far = 3;
	ck_assert_int_eq(rig_open(&rig), 0);
	root = volume_root(rig.v);
	ck_assert_int_eq(names_mkdir(rig.v, root, "d", 0755, &me, &dir, &st), 0);
	ck_assert_int_eq(names_mknod(rig.v, dir, "f", S_IFREG | 0644, 0, &me, &file, &st), 0);
	ck_assert_int_eq(names_rmdir(rig.v, root, "d"), -ENOTEMPTY);
	ck_assert_int_eq(names_unlink(rig.v, dir, "f"), 0);
	ck_assert_int_eq(names_rmdir(rig.v, root, "d"), 0);
	ck_assert_uint_eq(members_in_sync(rig.v), 2);
	node_forget(rig.v, file, 1);
	node_forget(rig.v, dir, 1);
}
END_TEST

static bool
in_sync(void)
{
	unsigned i;

	for (i = 0; i < WAIT_MS && members_in_sync(rig.v) < 2; i++)
		usleep(1000);
	return members_in_sync(rig.v) == 2;
}

START_TEST(a_resync_moves_what_differs)
{
	struct node *node = create("large");
	uint64_t offset, before;
	struct stat st;

	for (offset = 0; offset < LARGE; offset += 1u << 20)
		write_at(node, offset, 1u << 20, (char)(offset >> 20));
	node_forget(rig.v, node, 1);
	ck_assert_int_eq(rig_close(&rig), 0);
	/* Without the far one a block changes. */
	rig.members = 1;
	rig.degraded = true;
	ck_assert_int_eq(rig_open(&rig), 0);
	ck_assert_int_eq(names_lookup(rig.v, volume_root(rig.v), "large", &node, &st), 0);
	write_at(node, 5u << 20, 4096, 'x');
	node_forget(rig.v, node, 1);
	ck_assert_int_eq(rig_close(&rig), 0);
	rig.members = 2;
	rig.degraded = false;
	ck_assert_int_eq(rig_open(&rig), 0);
	ck_assert_uint_eq(members_in_sync(rig.v), 1);
	before = bytes();
	ck_assert_int_eq(volume_start(rig.v), 0);
	ck_assert(in_sync());
	ck_assert_uint_lt(bytes() - before, 64u << 10);
}
END_TEST

/* ---- the one that returns is here, and all that it can copy from is far away */

static struct replica *failing;

static int
remember_last(void *arg, unsigned index, struct replica **r)
{
	struct replica *f;
	int rc;

	(void)arg;
	if (index < 2)
		return 0;
	if ((rc = fault_replica_new(*r, &f)) == 0)
		*r = failing = f;
	return rc;
}

static void
setup_returning(void)
{
	rig_init(&rig, 3);
	rig.far = 3;
	rig.wrap = remember_last;
	ck_assert_int_eq(rig_open(&rig), 0);
	ck_assert_int_eq(volume_start(rig.v), 0);
}

/* On both that are far away. */
static uint64_t
trips_of_all(void)
{
	struct peer_counters a, b;

	peer_count(rig.v->members[0].r, &a);
	peer_count(rig.v->members[1].r, &b);
	return a.round_trips + b.round_trips;
}

static void
write_all(char what)
{
	struct node *dir, *node;
	char name[16];
	struct stat st;
	unsigned i;

	ck_assert_int_eq(names_lookup(rig.v, volume_root(rig.v), "d", &dir, &st), 0);
	for (i = 0; i < CHANGED; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		if (names_lookup(rig.v, dir, name, &node, &st) == -ENOENT)
			ck_assert_int_eq(names_mknod(rig.v, dir, name, S_IFREG | 0644, 0, &me, &node, &st), 0);
		write_at(node, 0, 20000, what);
		node_forget(rig.v, node, 1);
	}
	ck_assert_int_eq(store_all(rig.v), 0);
	node_forget(rig.v, dir, 1);
}

/*
 * Round trips a file.  What is in use: its data, and that all is durable; nothing
 * is asked for that memory knows.  What was forgotten: looking it up on both, its
 * record, opening it, its data.  What did not change next to what did: its id, twice.
 */
static const unsigned trips_max[] = { 2, 7, 3 };
#define KEPT_MS 500	/* for so long what was in use is not forgotten */

START_TEST(a_resync_from_afar_takes_few_round_trips)
{
	const struct fault_rule dead = { .ops = FAULT_ALL, .nth = 1, .error = ENXIO };
	struct node *dir;
	uint64_t before, began;
	unsigned i, max;
	struct stat st;

	began = clock_monotonic_ms();
	ck_assert_int_eq(names_mkdir(rig.v, volume_root(rig.v), "d", 0755, &me, &dir, &st), 0);
	node_forget(rig.v, dir, 1);
	write_all('a');
	/* What was not made durable would be looked at as well. */
	ck_assert_int_eq(rig_step(&rig, "sync"), 0);
	fault_set(failing, &dead);
	if (_i < 2)
		write_all('b');
	else
		ck_assert_int_eq(rig_step(&rig, "create d/new"), 0);
	ck_assert_uint_eq(members_in_sync(rig.v), 2);
	if (_i > 0) {
		ck_assert_int_eq(rig_close(&rig), 0);
		ck_assert_int_eq(rig_open(&rig), 0);
	}
	before = trips_of_all();
	fault_set(failing, NULL);
	if (_i > 0)
		ck_assert_int_eq(volume_start(rig.v), 0);
	for (i = 0; i < WAIT_MS && members_in_sync(rig.v) < 3; i++) {
		if (i % 20 == 0)
			volume_hurry(rig.v);
		usleep(1000);
	}
	ck_assert_uint_eq(members_in_sync(rig.v), 3);
	/* On a machine that is slow all is as if it had been forgotten. */
	max = _i == 0 && clock_monotonic_ms() - began > KEPT_MS ? trips_max[1] : trips_max[_i];
	ck_assert_uint_le(trips_of_all() - before, max * CHANGED);
}
END_TEST

/* Cut off, it is lost, and work goes on. */
START_TEST(a_cut_link_loses_it)
{
	struct node *node = create("a");

	write_at(node, 0, 4096, 'a');
	rig_far_cut(&rig, 1);
	write_at(node, 4096, 4096, 'a');
	ck_assert_uint_eq(members_in_sync(rig.v), 1);
	ck_assert_int_eq(file_fsync(rig.v, node, false), 0);
	node_forget(rig.v, node, 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("far");
	TCase *tcase = tcase_create("ack=write");
	int status;

	rig_begin();
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_new_file_takes_two_round_trips);
	tcase_add_test(tcase, reading_stays_at_home);
	tcase_add_test(tcase, what_fails_here_comes_from_there);
	tcase_add_test(tcase, changes_of_names_take_one);
	tcase_add_test(tcase, writers_do_not_wait_for_each_other);
	tcase_add_test(tcase, a_scrub_moves_tags_only);
	tcase_add_test(tcase, a_resync_moves_what_differs);
	tcase_add_test(tcase, a_cut_link_loses_it);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("ack=fsync");
	tcase_add_checked_fixture(tcase, setup_lagging, teardown);
	tcase_add_test(tcase, lagging_takes_none_before_fsync);
	tcase_add_test(tcase, all_far_refuse_themselves);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("returning");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup_returning, teardown);
	tcase_add_loop_test(tcase, a_resync_from_afar_takes_few_round_trips, 0, 3);
	suite_add_tcase(suite, tcase);
	status = check_main(suite);
	rig_end();
	return status;
}
