#include <errno.h>
#include <string.h>

#include "meta/judge.h"

#include "../check_main.h"

static const uint8_t tags[2 * DIGEST_SIZE] = { 1, 2, 3 };

/* A file of two blocks as a healthy replica shows it. */
static struct judge_fact
a_file(uint64_t id, uint64_t generation)
{
	struct judge_fact fact = { .asked = true, .meta_matches = true };

	fact.st.st_mode = S_IFREG | 0644;
	fact.st.st_size = 5000;
	fact.record.kind = RECORD_INLINE;
	fact.record.id = id;
	fact.record.generation = generation;
	fact.record.size = 5000;
	fact.record.tag_count = 2;
	fact.record.tags = tags;
	return fact;
}

static struct judge_fact
a_link(void)
{
	struct judge_fact fact = { .asked = true, .record_error = -ENODATA };

	fact.st.st_mode = S_IFLNK | 0777;
	return fact;
}

static struct judge_fact
no_name(void)
{
	return (struct judge_fact){ .asked = true, .error = -ENOENT };
}

START_TEST(all_good)
{
	struct judge_fact facts[3] = { a_file(7, 3), a_file(7, 3), a_file(7, 3) };
	struct judge_verdict verdict;

	judge_inode(facts, 3, false, &verdict);
	ck_assert(verdict.unanimous);
	ck_assert_int_eq(verdict.source, 0);
	ck_assert_int_eq(verdict.torn, -1);
	ck_assert_int_eq(verdict.state[2], JUDGE_GOOD);
	ck_assert_int_eq(verdict.state[3], JUDGE_AWAY);
}
END_TEST

START_TEST(away_is_ignored)
{
	struct judge_fact facts[2] = { a_file(7, 3), { .asked = false } };
	struct judge_verdict verdict;

	judge_inode(facts, 2, false, &verdict);
	ck_assert(verdict.unanimous);
	ck_assert_int_eq(verdict.state[1], JUDGE_AWAY);

	facts[1].asked = true;
	facts[1].error = -EIO;
	judge_inode(facts, 2, false, &verdict);
	ck_assert(!verdict.unanimous);
	ck_assert_int_eq(verdict.state[1], JUDGE_AWAY);
}
END_TEST

START_TEST(newest_generation_wins)
{
	struct judge_fact facts[3] = { a_file(7, 3), a_file(7, 5), a_file(7, 5) };
	struct judge_verdict verdict;

	judge_inode(facts, 3, false, &verdict);
	ck_assert_int_eq(verdict.source, 1);
	ck_assert_int_eq(verdict.state[0], JUDGE_RECORD);
	ck_assert_int_eq(verdict.state[2], JUDGE_GOOD);
}
END_TEST

START_TEST(each_state)
{
	struct judge_fact facts[8];
	struct judge_verdict verdict;

	for (unsigned i = 0; i < 8; i++)
		facts[i] = a_file(7, 3);
	facts[1] = no_name();
	facts[2].st.st_mode = S_IFDIR | 0755;
	facts[3].record.id = 8;
	facts[4].record_error = -EBADMSG;
	facts[5].meta_matches = false;
	facts[6].st.st_size = 4000;
	facts[7].record.mtime.tv_nsec = 1;
	judge_inode(facts, 8, false, &verdict);
	ck_assert_int_eq(verdict.source, 0);
	ck_assert_int_eq(verdict.state[0], JUDGE_GOOD);
	ck_assert_int_eq(verdict.state[1], JUDGE_MISSING);
	ck_assert_int_eq(verdict.state[2], JUDGE_TYPE);
	ck_assert_int_eq(verdict.state[3], JUDGE_OTHER);
	ck_assert_int_eq(verdict.state[4], JUDGE_RECORD);
	ck_assert_int_eq(verdict.state[5], JUDGE_META);
	ck_assert_int_eq(verdict.state[6], JUDGE_SIZE);
	ck_assert_int_eq(verdict.state[7], JUDGE_RECORD);
}
END_TEST

START_TEST(source_may_be_cut)
{
	struct judge_fact facts[2] = { a_file(7, 3), a_file(7, 3) };
	struct judge_verdict verdict;

	facts[0].st.st_size = 1;
	judge_inode(facts, 2, false, &verdict);
	ck_assert_int_eq(verdict.source, 0);
	ck_assert_int_eq(verdict.state[0], JUDGE_SIZE);
	ck_assert_int_eq(verdict.state[1], JUDGE_GOOD);
	ck_assert(!verdict.unanimous);
}
END_TEST

START_TEST(unproved_is_not_taken)
{
	struct judge_fact facts[2] = { a_file(7, 3), a_file(7, 3) };
	struct judge_verdict verdict;

	facts[0].record_error = -EBADMSG;
	facts[1].meta_matches = false;
	judge_inode(facts, 2, false, &verdict);
	ck_assert_int_eq(verdict.source, -1);
	ck_assert_int_eq(verdict.torn, -1);
	ck_assert_int_eq(verdict.state[0], JUDGE_RECORD);
	ck_assert_int_eq(verdict.state[1], JUDGE_META);

	/* In a dirty region a valid record comes before none. */
	judge_inode(facts, 2, true, &verdict);
	ck_assert_int_eq(verdict.source, -1);
	ck_assert_int_eq(verdict.torn, 1);
	ck_assert_int_eq(verdict.state[0], JUDGE_RECORD);
	ck_assert_int_eq(verdict.state[1], JUDGE_GOOD);

	/* And a higher generation before a lower one. */
	facts[0] = a_file(7, 4);
	facts[0].meta_matches = false;
	judge_inode(facts, 2, true, &verdict);
	ck_assert_int_eq(verdict.torn, 0);
	ck_assert_int_eq(verdict.state[1], JUDGE_RECORD);
}
END_TEST

START_TEST(never_recorded)
{
	struct judge_fact facts[2] = { a_file(0, 0), a_file(0, 0) };
	struct judge_verdict verdict;

	facts[0].record_error = facts[1].record_error = -ENODATA;
	judge_inode(facts, 2, false, &verdict);
	ck_assert_int_eq(verdict.torn, 0);
	ck_assert(verdict.unanimous);

	facts[1].st.st_size++;
	judge_inode(facts, 2, false, &verdict);
	ck_assert_int_eq(verdict.torn, -1);

	facts[1] = no_name();
	judge_inode(facts, 2, false, &verdict);
	ck_assert_int_eq(verdict.torn, -1);
}
END_TEST

START_TEST(wrong_kind_proves_nothing)
{
	struct judge_fact facts[1] = { a_file(7, 3) };
	struct judge_verdict verdict;

	facts[0].record.kind = RECORD_DIRECTORY;
	judge_inode(facts, 1, false, &verdict);
	ck_assert_int_eq(verdict.source, -1);
	ck_assert_int_eq(verdict.state[0], JUDGE_RECORD);
}
END_TEST

START_TEST(links_are_compared)
{
	struct judge_fact facts[3] = { a_link(), a_link(), a_link() };
	struct judge_verdict verdict;

	facts[0].st.st_uid = 5;
	judge_inode(facts, 3, false, &verdict);
	ck_assert_int_eq(verdict.source, 1);
	ck_assert_int_eq(verdict.state[0], JUDGE_META);
	ck_assert_int_eq(verdict.state[2], JUDGE_GOOD);

	/* A proved file comes before any number of links. */
	facts[2] = a_file(7, 1);
	judge_inode(facts, 3, false, &verdict);
	ck_assert_int_eq(verdict.source, 2);
	ck_assert_int_eq(verdict.state[0], JUDGE_TYPE);

	/* One without a proof does not, nor do the links then. */
	facts[2].record_error = -ENODATA;
	judge_inode(facts, 3, false, &verdict);
	ck_assert_int_eq(verdict.source, -1);
}
END_TEST

START_TEST(nowhere)
{
	struct judge_fact facts[2] = { no_name(), no_name() };
	struct judge_verdict verdict;

	judge_inode(facts, 2, true, &verdict);
	ck_assert_int_eq(verdict.source, -1);
	ck_assert_int_eq(verdict.torn, -1);
	ck_assert_int_eq(verdict.state[0], JUDGE_MISSING);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("meta/judge");
	TCase *tcase = tcase_create("judge_inode");

	tcase_add_test(tcase, all_good);
	tcase_add_test(tcase, away_is_ignored);
	tcase_add_test(tcase, newest_generation_wins);
	tcase_add_test(tcase, each_state);
	tcase_add_test(tcase, source_may_be_cut);
	tcase_add_test(tcase, unproved_is_not_taken);
	tcase_add_test(tcase, never_recorded);
	tcase_add_test(tcase, wrong_kind_proves_nothing);
	tcase_add_test(tcase, links_are_compared);
	tcase_add_test(tcase, nowhere);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
