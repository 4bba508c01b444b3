/*
 * The steps of an event, cut off by a crash at every place, again and again.  What a crash leaves depends on the set of labels written so far, not
 * on their order: so all sets stand for all orders.
 */

#include <stdbool.h>
#include <string.h>

#include "format/label.h"

#include "../check_main.h"

#define MEMBERS_MAX 3

struct world {
	unsigned count;
	struct label labels[MEMBERS_MAX];
};

/* Sets of members are bit masks. */
struct event {
	unsigned before;	/* in sync before it */
	unsigned after;		/* in sync after it */
	unsigned away;		/* of those before: their labels cannot be read */
};

/* Which labels each step was written to. */
struct writes { unsigned lagging, first, second; };

static unsigned long long states;

static void
new_world(struct world *world, unsigned count)
{
	memset(world, 0, sizeof(*world));
	world->count = count;
	for (unsigned i = 0; i < count; i++) {
		struct label *label = &world->labels[i];

		label->codec = DIGEST_XXH3;
		label->member_count = count;
		for (unsigned j = 0; j < count; j++) {
			label->members[j].uuid.bytes[0] = (uint8_t)(j + 1);
			label->members[j].name[0] = (char)('a' + j);
		}
		label->replica = label->members[i].uuid;
	}
}

static unsigned
uuids_of(const struct world *world, unsigned set, struct uuid *uuids)
{
	unsigned count = 0;

	for (unsigned i = 0; i < world->count; i++) {
		if (set & 1u << i)
			uuids[count++] = world->labels[i].replica;
	}
	return count;
}

/* Who joins knows from the first step on what those in sync know. */
static void
take_over(struct world *world, unsigned i, unsigned staying)
{
	struct label *label = &world->labels[i];
	struct uuid own = label->replica;
	unsigned model = 0;

	while ((staying & 1u << model) == 0)
		model++;
	*label = world->labels[model];
	label->replica = own;
	label_member(label, &own)->seen = 0;
}

static void
write_event(struct world *world, const struct event *event, struct writes writes)
{
	const struct label *labels[MEMBERS_MAX];
	struct uuid staying[MEMBERS_MAX], after[MEMBERS_MAX];
	unsigned staying_count = uuids_of(world, event->before & event->after, staying);
	unsigned after_count = uuids_of(world, event->after, after);
	unsigned known = 0;
	uint64_t base;

	for (unsigned i = 0; i < world->count; i++) {
		if (event->before & ~event->away & 1u << i)
			labels[known++] = &world->labels[i];
	}
	base = label_event_base(labels, known);
	for (unsigned i = 0; i < world->count; i++) {
		struct label *label = &world->labels[i];

		if ((writes.lagging & event->before & 1u << i) && label->events < base)
			label_event_begin(label, base - 1, staying, staying_count);
		if (writes.first & event->after & ~event->before & 1u << i)
			take_over(world, i, event->before & event->after);
		if (writes.first & 1u << i)
			label_event_begin(label, base, staying, staying_count);
		if (writes.second & 1u << i) {
			label_event_finish(label, after, after_count);
			label->clean = event->before == event->after;
		}
	}
}

static void
complete(struct world *world, struct event event)
{
	write_event(world, &event, (struct writes){ event.after, event.after, event.after });
}

/* Who is behind nobody?  Nothing but in sync and behind may come up. */
static unsigned
in_sync(const struct world *world)
{
	unsigned set = (1u << world->count) - 1;

	for (unsigned i = 0; i < world->count; i++) {
		for (unsigned j = 0; j < world->count; j++) {
			if (i == j)
				continue;
			switch (label_relate(&world->labels[i], &world->labels[j])) {
			case LABEL_IN_SYNC:
				break;
			case LABEL_A_BEHIND:
				set &= ~(1u << i);
				break;
			case LABEL_B_BEHIND:
				set &= ~(1u << j);
				break;
			default:
				ck_abort_msg("neither in sync nor behind");
			}
		}
	}
	return set;
}

/* Is no event of those in ${set} cut off? */
static bool
settled(const struct world *world, unsigned set)
{
	uint64_t events = 0;

	for (unsigned i = 0; i < world->count; i++) {
		const struct label *label = &world->labels[i];

		if ((set & 1u << i) == 0)
			continue;
		if (label->moving || (events != 0 && label->events != events))
			return false;
		events = label->events;
	}
	return true;
}

/*
 * Until the second step has begun nothing has happened; from then on those who
 * leave are behind.  Who joins may be behind or in sync until the step is
 * complete: either is true.  Who leaves while the event before is cut off may
 * be behind from the beginning.
 */
static void
judge(const struct world *world, const struct event *event, struct writes writes, unsigned left)
{
	bool joins = (event->after & ~event->before) != 0;
	bool leaves = (event->before & ~event->after) != 0;

	if (left != event->before && left != event->after)
		ck_abort_msg("a member is lost");
	if (writes.second == event->after || (writes.second != 0 && !joins))
		ck_assert_uint_eq(left, event->after);
	if (writes.second == 0 && !joins && (!leaves || settled(world, event->before)))
		ck_assert_uint_eq(left, event->before);
}

static void explore(const struct world *world, unsigned set, int depth);

/* A crash after each set of writes; then the world goes on from there. */
static void
each_crash(const struct world *world, const struct event *event, int depth)
{
	const unsigned all = event->after;
	struct world crashed;
	unsigned left;

	for (unsigned step = 0; step < 3; step++) {
		for (unsigned set = 0; set < 1u << world->count; set++) {
			struct writes writes = {
				.lagging = step == 0 ? set : all,
				.first = step == 0 ? 0 : step == 1 ? set : all,
				.second = step == 2 ? set : 0,
			};

			if ((set & ~all) != 0)
				continue;
			crashed = *world;
			write_event(&crashed, event, writes);
			left = in_sync(&crashed);
			states++;
			judge(world, event, writes, left);
			explore(&crashed, left, depth - 1);
		}
	}
}

/* All that may happen next where ${set} is in sync. */
static void
explore(const struct world *world, unsigned set, int depth)
{
	struct event event;

	if (depth == 0)
		return;

	/* A mount or an unmount with all that are in sync. */
	event = (struct event){ .before = set, .after = set };
	each_crash(world, &event, depth);

	for (unsigned i = 0; i < world->count; i++) {
		unsigned one = 1u << i;

		if (set == one)
			continue;
		if (set & one) {
			/* It fails at work, or is away at a mount. */
			event = (struct event){ .before = set, .after = set & ~one };
			each_crash(world, &event, depth);
			event.away = one;
			each_crash(world, &event, depth);
		} else {
			/* It was brought up to date, and joins. */
			event = (struct event){ .before = set, .after = set | one };
			each_crash(world, &event, depth);
		}
	}
}

START_TEST(crashes_of_two)
{
	struct world world;

	new_world(&world, 2);
	explore(&world, 3, 4);
	ck_assert_uint_gt(states, 10000);
}
END_TEST

START_TEST(crashes_of_three)
{
	struct world world;

	new_world(&world, 3);
	explore(&world, 7, 3);
	ck_assert_uint_gt(states, 10000);
}
END_TEST

/* An event of ${set}, as far as its members know. */
static void
go_on(struct world *world, unsigned set)
{
	complete(world, (struct event){ .before = set, .after = set });
}

/* Each went on without the other: seen, however far each went. */
START_TEST(forks)
{
	struct world world, begun;

	for (unsigned a = 1; a < 4; a++) {
		for (unsigned b = 1; b < 4; b++) {
			new_world(&world, 2);
			go_on(&world, 3);
			for (unsigned i = 0; i < a; i++)
				go_on(&world, 1);
			ck_assert_int_eq(label_relate(&world.labels[0], &world.labels[1]), LABEL_B_BEHIND);

			/* An event only begun had no effect yet: no fork. */
			begun = world;
			write_event(&begun, &(struct event){ .before = 2, .after = 2 },
			    (struct writes){ .first = 2 });
			ck_assert_int_eq(label_relate(&begun.labels[0], &begun.labels[1]), LABEL_B_BEHIND);

			for (unsigned i = 0; i < b; i++)
				go_on(&world, 2);
			ck_assert_int_eq(label_relate(&world.labels[0], &world.labels[1]), LABEL_FORKED);
			ck_assert_int_eq(label_relate(&world.labels[1], &world.labels[0]), LABEL_FORKED);
		}
	}
}
END_TEST

/* A label from before any event that the others completed with it. */
START_TEST(rollbacks)
{
	struct world world, image;

	for (unsigned later = 1; later < 4; later++) {
		for (unsigned alone = 0; alone < 3; alone++) {
			new_world(&world, 3);
			go_on(&world, 7);
			image = world;
			for (unsigned i = 0; i < later; i++)
				go_on(&world, 7);
			for (unsigned i = 0; i < alone; i++)
				go_on(&world, 3);
			world.labels[2] = image.labels[2];
			for (unsigned i = 0; i < 2; i++) {
				ck_assert_int_eq(label_relate(&world.labels[i], &world.labels[2]),
				    LABEL_B_ROLLED_BACK);
				ck_assert_int_eq(label_relate(&world.labels[2], &world.labels[i]),
				    LABEL_A_ROLLED_BACK);
			}
			ck_assert_int_eq(label_relate(&world.labels[0], &world.labels[1]), LABEL_IN_SYNC);

			/* Mirrored anew and taken in, it is one of them again. */
			complete(&world, (struct event){ .before = 3, .after = 7 });
			ck_assert_uint_eq(in_sync(&world), 7);
		}
	}
}
END_TEST

/*
 * One is restored from an old copy and goes on alone, for as long as the other
 * knows of, or longer: it must not win over what was unmounted cleanly with it.
 */
START_TEST(rolled_back_and_on)
{
	struct world world, image;

	for (unsigned later = 1; later < 5; later++) {
		for (unsigned alone = 1; alone < 7; alone++) {
			/* Who went on from the event before the last is taken for one that a crash cut off. */
			if (later == 1 && alone > 1)
				continue;
			new_world(&world, 2);
			go_on(&world, 3);
			image = world;
			for (unsigned i = 0; i < later; i++)
				go_on(&world, 3);
			world.labels[1] = image.labels[1];
			for (unsigned i = 0; i < alone; i++)
				go_on(&world, 2);
			ck_assert_int_eq(label_relate(&world.labels[0], &world.labels[1]),
			    alone < later ? LABEL_B_ROLLED_BACK : LABEL_FORKED);
			ck_assert_int_eq(label_relate(&world.labels[1], &world.labels[0]),
			    alone < later ? LABEL_A_ROLLED_BACK : LABEL_FORKED);
		}
	}
}
END_TEST

/*
 * All members fall away and come back one after the other: whoever holds the
 * volume at the end has all events, though it never met some of the others.
 */
START_TEST(a_relay)
{
	struct world world;

	new_world(&world, 3);
	go_on(&world, 7);
	complete(&world, (struct event){ .before = 7, .after = 6 });
	complete(&world, (struct event){ .before = 6, .after = 4 });
	complete(&world, (struct event){ .before = 4, .after = 5 });
	complete(&world, (struct event){ .before = 5, .after = 1 });
	ck_assert_uint_eq(in_sync(&world), 1);
	ck_assert_int_eq(label_relate(&world.labels[0], &world.labels[1]), LABEL_B_BEHIND);

	/* But what the one who never met them adds is a fork. */
	go_on(&world, 2);
	ck_assert_int_eq(label_relate(&world.labels[0], &world.labels[1]), LABEL_FORKED);
	ck_assert_int_eq(label_relate(&world.labels[2], &world.labels[1]), LABEL_FORKED);
}
END_TEST

/* A partition that no crash made: two against one. */
START_TEST(two_against_one)
{
	struct world world;

	new_world(&world, 3);
	go_on(&world, 7);
	go_on(&world, 3);
	ck_assert_uint_eq(in_sync(&world), 3);
	go_on(&world, 4);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(label_relate(&world.labels[i], &world.labels[2]), LABEL_FORKED);
	ck_assert_int_eq(label_relate(&world.labels[0], &world.labels[1]), LABEL_IN_SYNC);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("events");
	TCase *tcase = tcase_create("events");

	tcase_add_test(tcase, crashes_of_two);
	tcase_add_test(tcase, crashes_of_three);
	tcase_add_test(tcase, forks);
	tcase_add_test(tcase, rollbacks);
	tcase_add_test(tcase, rolled_back_and_on);
	tcase_add_test(tcase, a_relay);
	tcase_add_test(tcase, two_against_one);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
