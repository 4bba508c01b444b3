/*
 * util/list -- an intrusive, circular, doubly linked list.
 *
 * A list is a struct list_link used as head; members embed another one.
 */

#ifndef UTIL_LIST_H
#define UTIL_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_link { struct list_link *prev, *next; };

/* list_entry(link, type, member): the struct ${type} that embeds ${link}. */
#define list_entry(link, type, member) \
	((type *)(void *)((char *)(link) - offsetof(type, member)))

static inline void
list_init(struct list_link *head)
{
	head->prev = head->next = head;
}

/* list_linked(link): after list_init or list_remove false, in a list true. */
static inline bool
list_linked(const struct list_link *link)
{
	return link->next != link;
}

static inline void
list_insert_before(struct list_link *at, struct list_link *link)
{
	link->prev = at->prev;
	link->next = at;
	at->prev->next = link;
	at->prev = link;
}

/* list_append(head, link): ${link} becomes the last of the list. */
static inline void
list_append(struct list_link *head, struct list_link *link)
{
	list_insert_before(head, link);
}

/* list_remove(link): takes ${link} out; harmless if it is in no list. */
static inline void
list_remove(struct list_link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->prev = link->next = link;
}

#endif
