#include "util/list.h"

#include "../check_main.h"

struct member { int number; struct list_link link; };

static int
digits(const struct list_link *head)
{
	int n = 0, back = 0, place = 1;

	for (struct list_link *at = head->next; at != head; at = at->next)
		n = n * 10 + list_entry(at, struct member, link)->number;
	for (struct list_link *at = head->prev; at != head; at = at->prev) {
		back += place * list_entry(at, struct member, link)->number;
		place *= 10;
	}
	ck_assert_int_eq(n, back);
	return n;
}

START_TEST(order)
{
	struct member a = { .number = 1 }, b = { .number = 2 }, c = { .number = 3 };
	struct list_link head;

	list_init(&head);
	list_init(&a.link);
	ck_assert(!list_linked(&head));
	ck_assert(!list_linked(&a.link));

	list_append(&head, &a.link);
	list_append(&head, &b.link);
	list_insert_before(&b.link, &c.link);
	ck_assert(list_linked(&head));
	ck_assert(list_linked(&a.link));
	ck_assert_int_eq(digits(&head), 132);

	list_remove(&c.link);
	ck_assert_int_eq(digits(&head), 12);
	ck_assert(!list_linked(&c.link));
	list_remove(&c.link);
	ck_assert_int_eq(digits(&head), 12);
	list_append(&head, &c.link);
	list_remove(&a.link);
	ck_assert_int_eq(digits(&head), 23);
	list_remove(&b.link);
	list_remove(&c.link);
	ck_assert(!list_linked(&head));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("list");
	TCase *tcase = tcase_create("list");

	tcase_add_test(tcase, order);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
