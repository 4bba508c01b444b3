/*
 * link/accept -- the server's side of a link over TCP, until it is one.
 *
 * A struct link_accept is one connection whose other end is a stranger yet.
 * It never waits: one poll loop can hold thousands, each less than 2 KiB.
 *
 *	link_accept_new(fd, key, limits, now, &a);
 *	for (;;) switch (link_accept_step(a, now)) {
 *	case LINK_ACCEPT_READ:   poll ${fd} for POLLIN until link_accept_deadline(a)
 *	case LINK_ACCEPT_WRITE:  for POLLOUT
 *	case LINK_ACCEPT_ASK:    look at link_accept_peer(a) and link_accept_request(a):
 *	                         known: link_accept_answer(a, &answer), and step again
 *	                         unknown: link_accept_free(a), and nothing was said
 *	case LINK_ACCEPT_DONE:   link_accept_finish(a, &link)
 *	default:                 link_accept_free(a)
 *	}
 *
 * What a first message asks for may be a recording, played by somebody else:
 * such a one can never send a transport message.  So nothing that has an
 * effect may be done before link_receive() gave the first frame.
 */

#ifndef LINK_ACCEPT_H
#define LINK_ACCEPT_H

#include "link/key.h"
#include "link/link.h"

#define LINK_ACCEPT_STEP_MS 5000
#define LINK_ACCEPT_TOTAL_MS 10000

struct link_accept;

struct link_accept_limits { unsigned step_ms, total_ms; };	/* 0: LINK_ACCEPT_*_MS */

enum link_accept_state { LINK_ACCEPT_READ = 1, LINK_ACCEPT_WRITE, LINK_ACCEPT_ASK, LINK_ACCEPT_DONE };

/*
 * link_accept_new(fd, key, limits, now_ms, accept):
 * ${fd}, a connected socket, is its own from now on (not on error), and
 * non-blocking.  ${key} is the server's and must outlive it.  ${limits} may be
 * NULL.  ${now_ms}: clock_monotonic_ms(), here and below.
 */
int link_accept_new(int fd, const struct key_pair *key, const struct link_accept_limits *limits, uint64_t now_ms, struct link_accept **accept);

/*
 * link_accept_step(accept, now_ms):
 * Do what can be done without waiting.  Returns an enum link_accept_state, or
 * an error after which only link_accept_free() is left: -ETIMEDOUT; -EPROTO:
 * not our protocol, or a message that is not for our key; -ECONNRESET;
 * -EPROTONOSUPPORT; -EACCES: the answer was sent, and was no; or the socket's.
 * No more is ever sent than the greeting and the answer.
 */
int link_accept_step(struct link_accept *accept, uint64_t now_ms);

/* link_accept_fd(accept), link_accept_deadline(accept): what to poll, and when to step at the latest (as ${now_ms}). */
int link_accept_fd(const struct link_accept *accept);
uint64_t link_accept_deadline(const struct link_accept *accept);

/* After LINK_ACCEPT_ASK: the client's public key, proved to be its own or recorded from it; and what it wants. */
const uint8_t *link_accept_peer(const struct link_accept *accept);
const struct link_request *link_accept_request(const struct link_accept *accept);

/* link_accept_answer(accept, answer): after LINK_ACCEPT_ASK, once, before the next step. */
void link_accept_answer(struct link_accept *accept, const struct link_answer *answer);

/* link_accept_finish(accept, link): after LINK_ACCEPT_DONE.  ${accept} is gone, on error as well (-ENOMEM, -EMFILE). */
int link_accept_finish(struct link_accept *accept, struct link **link);

/* link_accept_free(accept): hang up.  NULL is fine. */
void link_accept_free(struct link_accept *accept);

#endif
