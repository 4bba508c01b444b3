/*
 * lend/session -- one client that a replica is lent to, over one link.
 *
 * The thread that calls session_run() receives.  It executes requests in the
 * order in which they came, so that each sees what those before it did; what
 * waits for a disk (fsync, reading what is not cached, tags, lists) is begun
 * in that order and finished by other threads, a few a session, which are the
 * process's own (util/aside): no client, and no disk that hangs, takes them
 * from another one.  Replies leave as they are ready, several in one frame.
 *
 * What the client may do is bounded here: nothing but HELLO comes first, and
 * nothing has an effect before it; names are single components of the replica;
 * handles are numbers of its own table; requests that wait, handles and bytes
 * are limited; where it has no right to write, or not the lease, what would
 * change anything is refused.  Whoever sends what is no request is cut off.
 *
 * The lease is the replica's own lock, and a session of its own replica (two
 * sessions never share one) holds it: LOCK takes it, the end of the session
 * gives it back, after all its requests have ended.
 */

#ifndef LEND_SESSION_H
#define LEND_SESSION_H

#include "lend/quota.h"
#include "link/link.h"
#include "proto/message.h"
#include "replica/replica.h"

#define SESSION_HANDLES 65536		/* unless told otherwise */
#define SESSION_REQUESTS 4096		/* that wait for a disk; more, and nothing is received */
#define SESSION_BYTES (32u << 20)	/* that a client should have in flight */
#define SESSION_WORKERS 4		/* slow requests of one session at a time */
#define SESSION_WORKERS_MAX 16
#define SESSION_HELLO_MS 5000		/* for the first request */
#define SESSION_SILENCE_MS 30000	/* without a byte from it a client is dead */

/*
 * The most that a session holds, in bytes, besides its link and handles: a
 * buffer of PROTO_DATA_MAX of its own and of each worker, and the requests
 * that wait, some 400 bytes each.  An idle one holds some 24 KiB.
 */

struct session;

struct session_options {
	const char *peer;		/* for messages: "key mendfs-key:... at 10.0.0.2"; copied */
	bool read_only;			/* all that it has a right to; it may ask for less */
	bool without_lease;		/* changes need no exclusive lock: for tests */
	struct quota *quota;		/* the export's; NULL: no limit of its size */
	struct proto_limits limits;	/* 0: as above */
	unsigned workers;		/* likewise */
	unsigned hello_ms, silence_ms;	/* likewise */
	/*
	 * LOCK found the replica locked.  The program ends (session_end) those
	 * other sessions on this export which have to give way, and waits, for
	 * some seconds at most, until they are gone:
	 *   - of the same client key and the same session_instance(): the mount
	 *     that is here now has left those behind;
	 *   - where ${session} may write: those that have the right to read
	 *     only, or a reader could keep a writer away.
	 * 0: the lock is tried once more.  Another value: -EWOULDBLOCK.
	 * NULL: nobody gives way.
	 */
	int (*give_way)(void *arg, struct session *session);
	void *arg;
};

/*
 * session_new(link, replica, options, session):
 * ${link} and ${replica} stay the caller's, to be freed after the session;
 * nobody else uses them meanwhile.  -ENOMEM.
 */
int session_new(struct link *link, struct replica *replica, const struct session_options *options, struct session **session);

/*
 * session_run(session):
 * Serve until the end, which is written to the log if it is not a good one.
 * When this returns all requests have ended, all handles are closed, the lease
 * is given back (the replica is retired), and the peer knows if it can.  0:
 * the client said BYE.  -EPROTO: it sent what is no request, or at the wrong
 * time; -ETIMEDOUT: nothing, for too long; or what link_receive() said.
 */
int session_run(struct session *session);

/* session_end(session): from any other thread: have session_run() return soon, as if the link broke. */
void session_end(struct session *session);

/* session_free(session): after session_run(), or without it.  NULL is fine. */
void session_free(struct session *session);

/*
 * session_instance(session, instance):
 * By any thread: PROTO_INSTANCE_SIZE bytes that tell the client's mount from
 * others, as its HELLO had them.  false: there was no HELLO yet.
 */
bool session_instance(struct session *session, uint8_t *instance);

/* What a session did, for the program to show. */
struct session_counters { uint64_t requests, refused, bytes_read, bytes_written; unsigned handles, waiting; bool locked; };
void session_count(struct session *session, struct session_counters *counters);

#endif
