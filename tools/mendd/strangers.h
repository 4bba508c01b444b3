/*
 * mendd/strangers -- connections whose other end has proved nothing yet.
 *
 * Anybody can open them, by the thousand.  So they are few, small, and short:
 * when all STRANGERS_MAX places are taken a new one takes the place of the
 * oldest of those who have the most, by their addresses, so that a crowd from one
 * place pushes out its own; each has some seconds for each step.  One thread
 * uses this; nothing waits.
 */

#ifndef MENDD_STRANGERS_H
#define MENDD_STRANGERS_H

#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>

#include "link/accept.h"

#define STRANGERS_MAX 256
#define STRANGERS_FROM_SIZE 64	/* of an address as text */

struct strangers;

struct strangers_calls {
	/* A client has said who it is and what it wants.  false: nobody we know. */
	bool (*ask)(void *arg, const uint8_t *key, const struct link_request *request, struct link_answer *answer);
	/* It was answered with LINK_OK; ${link} is the callee's.  ${from}: its address, for messages. */
	void (*admit)(void *arg, struct link *link, const struct link_request *request, const char *from);
	void *arg;
};

/* strangers_new(key, calls, strangers): ${key} must outlive it.  -ENOMEM. */
int strangers_new(const struct key_pair *key, const struct strangers_calls *calls, struct strangers **strangers);
/* strangers_free(strangers): hang up on all.  NULL is fine. */
void strangers_free(struct strangers *strangers);

/* strangers_add(strangers, fd, address, now_ms): ${fd}, from accept(2), is its own from now on. */
void strangers_add(struct strangers *strangers, int fd, const struct sockaddr_storage *address, uint64_t now_ms);

/* strangers_poll(strangers, polls, deadline): fill in at most STRANGERS_MAX; returns how many.  ${deadline} becomes no later than the next one. */
unsigned strangers_poll(const struct strangers *strangers, struct pollfd *polls, uint64_t *deadline);

/* strangers_step(strangers, polls, count, now_ms): after poll(2) of what strangers_poll gave. */
void strangers_step(struct strangers *strangers, const struct pollfd *polls, unsigned count, uint64_t now_ms);

/* strangers_drop_oldest(strangers): one descriptor is free again.  false: there is none. */
bool strangers_drop_oldest(struct strangers *strangers);

/* How many came, and how many of them left or were dropped without becoming clients; since the last call. */
struct strangers_counters { uint64_t came, failed; };
void strangers_count(struct strangers *strangers, struct strangers_counters *counters);

#endif
