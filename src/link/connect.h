/*
 * link/connect -- the client's side of a link over TCP.
 */

#ifndef LINK_CONNECT_H
#define LINK_CONNECT_H

#include "link/address.h"
#include "link/key.h"
#include "link/link.h"

struct link_target {
	struct address server;
	uint8_t server_key[LINK_KEY_SIZE];	/* what it must have: known_find() */
	const struct key_pair *key;		/* ours */
	struct link_request request;
	int timeout_ms;		/* for each step: to connect to one of the host's addresses, to be answered; 0: 10 s */
};

/*
 * link_connect_tcp(target, link, answer, why, why_size):
 * Connect and shake hands.  ${answer} is filled in if the server gave one,
 * also where it said no.  On error ${why} is one line without the replica's
 * name, and:
 *   -EPERM         the server hung up on us: it does not know our key, or has
 *                  another than ${server_key}
 *   -EPROTO        what answered is not the server, or is no mendd
 *   -EPROTONOSUPPORT  no version in common
 *   -ENOENT, -EACCES, -EBUSY, -EAGAIN   it said LINK_NO_EXPORT, _NO_RIGHT,
 *                  _BUSY, _UNAVAILABLE
 *   -EHOSTUNREACH  the host's name has no address (now)
 *   or what connect(2) said, -ETIMEDOUT among it.
 * Resolving the name takes what the resolver takes.
 */
int link_connect_tcp(const struct link_target *target, struct link **link, struct link_answer *answer, char *why, size_t why_size);

#endif
