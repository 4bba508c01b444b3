/*
 * replica/peer -- a replica on another machine, behind a link.
 *
 * Every operation is one message (proto/message) to the server at the other end
 * (lend/), and one round trip, but for closing and what was begun:
 *
 *  - What closes is sent and not waited for.  Numbers of handles are this end's
 *    choice, and the server does things in the order of their coming.
 *  - Whoever has several replicas to change begins the operation on each that
 *    is far away (replica_begin) before he waits for any.
 *  - With ack_fsync what was begun and returns nothing counts as done when it
 *    is on its way, if some other replica says whether it is refused.  So many bytes and requests as the window has may be
 *    unconfirmed; fsync, dir_sync, sync and lock return when everything before
 *    them has been confirmed as well.  What fails after it counted as done
 *    makes the whole replica failed, with -EREMOTEIO from then on: whoever is
 *    told by fsync, or by any later operation, has to take it for one that
 *    misses what it was not known to have.
 *
 * A link that breaks, or by which nothing comes for link_timeout_ms though a
 * sign of life was asked for, is dead for good: all operations that wait, and
 * all later ones, fail with -ENOTCONN at once.  So none needs anybody to watch
 * over it (replica/guard).  A new link is a new replica: peer_open.
 *
 * Threads: a peer has one of its own, which receives, from the beginning on: a
 * process that forks does so before.
 */

#ifndef REPLICA_PEER_H
#define REPLICA_PEER_H

#include "replica/replica.h"

#define PEER_LINK_TIMEOUT_MS 10000u	/* without a word */
#define PEER_PING_MS 3000u		/* at most; a third of the time-out if that is less */
#define PEER_WINDOW_BYTES (16u << 20)
#define PEER_WINDOW_REQUESTS 4096u
#define PEER_INSTANCE_SIZE 16

/* Zero: as above. */
struct peer_options {
	bool ack_fsync;
	unsigned link_timeout_ms;
	uint64_t window_bytes;		/* unconfirmed, with ack_fsync */
	unsigned window_requests;
	unsigned timeout_ms;		/* a request that waits longer ends the link, four times that long if it makes something durable; 0: never */
	uint8_t instance[PEER_INSTANCE_SIZE];	/* a mount's own number: its next link may take over from its dead one */
};

/*
 * peer_open(url, read_only, options, out, why, why_size):
 * Connect, prove who is there, and ask for the export; waits as long as
 * link/connect and link/ssh say.  On error ${why} is one line, without the
 * URL, that says what is wrong and what to do.  -EINVAL: no URL (replica/url);
 * -EROFS: only reading is allowed there; else what known_find, key_pair_read,
 * link_connect_tcp, link_open_ssh or peer_replica_new give.
 */
int peer_open(const char *url, bool read_only, const struct peer_options *options, struct replica **out,
    char *why, size_t why_size);

/*
 * peer_replica_new(link, path, read_only, options, out):
 * A replica over a ${link} that stands, which is the replica's from then on (on
 * error it is freed).  ${path}: for messages.  -ENOMEM, -EAGAIN, or what HELLO gave.
 */
struct link;
int peer_replica_new(struct link *link, const char *path, bool read_only, const struct peer_options *options,
    struct replica **out);

/* peer_is(r): is it one of these? */
bool peer_is(const struct replica *r);

/*
 * peer_may_give_up(r, may, arg):
 * Ask ${may}, as guard_options have it, before a request's own time-out ends the link.
 */
void peer_may_give_up(struct replica *r, bool (*may)(void *arg), void *arg);

struct peer_counters {
	bool alive;
	int error;			/* why it is dead: a positive errno value */
	uint64_t bytes_in, bytes_out;	/* on the wire */
	uint64_t requests;		/* sent */
	uint64_t round_trips;		/* how often somebody waited for an answer */
	uint64_t latency_ns;		/* from request to answer: a moving average; 0: none yet */
	uint64_t window_bytes, window_requests;	/* unconfirmed */
	bool ack_fsync;
};

/* peer_latency(r): the one that peer_count gives, for whoever asks often. */
uint64_t peer_latency(const struct replica *r);

/* peer_count(r, counters): as they are now; of a peer that may be in use, or dead. */
void peer_count(const struct replica *r, struct peer_counters *counters);

#endif
