/*
 * replica/peer_private -- what the peer*.c files share; nobody else's.
 *
 * Invariants:
 *  1. A request that is in flight has a slot, by which its answer finds it.  The
 *     slot is freed by whoever takes the answer, or when the peer dies.
 *  2. ${dead} is set once, under the mutex, and everybody who waits is woken:
 *     from then on no answer reaches anybody.
 *  3. An answer is taken by the receiving thread, into its caller's memory,
 *     while the caller waits: he does not return in the midst of that.
 *  4. A number of a handle is free again when its closing is on its way.
 *
 * Locks: the mutex, a leaf; nothing is sent or received with it held.
 */

#ifndef REPLICA_PEER_PRIVATE_H
#define REPLICA_PEER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "link/link.h"
#include "proto/message.h"
#include "replica/peer.h"

#define PEER_SLOTS 8192u		/* a power of two: low bits of a request's id */

struct peer_call {
	struct proto_request request;	/* the caller fills it in */
	/*
	 * Take what the answer has, in the receiving thread; may be called
	 * several times (LIST).  NULL: only the result is wanted.
	 */
	void (*take)(struct peer_call *call, const struct proto_reply *reply);
	void *room;			/* take's: ${size} bytes */
	size_t size;
	void *arg;			/* take's */
	replica_handle *handle;		/* where a new handle's number is to be put; or NULL */
	replica_handle number;		/* of that one; free again if the call fails */
	bool told;			/* it was put there before the answer */
	int64_t result;			/* what take makes of it, else the answer's result */
	int error;			/* take's: nothing can be made of the answer */

	struct peer *peer;
	uint64_t sent_ns;
	bool done;			/* mutex */
	struct peer_call *next;		/* begun by the same thread */
	pthread_cond_t ended;		/* mutex; done */
};

/* A request in flight. */
struct peer_slot {
	uint32_t id;			/* 0: free */
	uint16_t op;
	uint32_t bytes;			/* that it counts for */
	struct peer_call *call;		/* who waits; NULL: nobody */
	bool late;			/* counted as done: to be confirmed, */
	uint32_t result_min;		/* by a result that is not less */
	uint64_t sequence;		/* of late ones: in the order of their sending */
	uint32_t next, before;		/* free ones; late ones in order */
};

struct peer {
	struct replica base;
	struct link *link;
	struct peer_options options;
	struct proto_limits limits;	/* the server's */
	uid_t uid;			/* whose files the server makes */
	gid_t gid;
	bool read_only;
	bool (*may_give_up)(void *arg);
	void *arg;
	pthread_t receiver;
	bool receives;

	_Atomic int dead;		/* 0, or the negative errno value of whatever comes from now on */
	_Atomic int why;		/* what killed it, as a positive errno value */
	atomic_bool stop;		/* no more receiving */
	atomic_bool checking;		/* the server was asked what stands in its place */

	pthread_mutex_t mutex;
	pthread_cond_t room;		/* a request, or late bytes, less: mutex */
	unsigned room_waits;		/* how many wait for that; mutex, as all below */
	struct peer_slot *slots;	/* PEER_SLOTS */
	uint32_t free_slot;		/* the first; PEER_SLOTS: none */
	uint32_t used_slots;		/* those beyond were never used */
	uint32_t generation;		/* high bits of the next id */
	uint32_t late_first, late_last;	/* PEER_SLOTS: none */
	uint64_t late_sent;		/* the last one's sequence */
	uint64_t in_flight, in_flight_bytes;
	uint64_t late_requests, late_bytes;
	uint32_t *free_handles;		/* numbers that were closed */
	uint32_t free_handle_count, free_handle_room;
	uint32_t next_handle;		/* the lowest never used */

	atomic_ullong requests, round_trips, latency_ns;
};

static inline struct peer *
peer_self(struct replica *r)
{
	return (struct peer *)r;
}

/* How a call is made. */
enum peer_mode {
	PEER_WAIT,			/* wait for the answer */
	PEER_SETTLE,			/* and for everything that was counted as done before */
	PEER_FORGET			/* send it; nobody wants to know what comes of it */
};

/* peer_call_init(call, p, op): nothing but zeros, and what has to be. */
void peer_call_init(struct peer_call *call, struct peer *p, enum proto_op op);

/*
 * peer_call(call, mode):
 * Make it.  Its result, a negative errno value or what the operation returns;
 * ${call} is done with, and may be gone.
 */
int64_t peer_call(struct peer_call *call, enum peer_mode mode);

/*
 * peer_call_begun(call):
 * Make it, as a call that may be begun only: if this thread said replica_begin
 * it is sent and -EINPROGRESS returned (a copy of it waits for replica_finish),
 * or 0, or ${length}, counted as done.  Else it is PEER_WAIT.
 */
int64_t peer_call_begun(struct peer_call *call, int64_t length);

/* peer_begin, peer_finish, peer_settle: as in replica_ops. */
void peer_begin(struct replica *r, enum replica_lateness lateness);
int64_t peer_finish(struct replica *r);
int peer_settle(struct replica *r);
/* peer_not_begun(p): this operation is made whole, whatever was said. */
void peer_not_begun(struct peer *p);

/* peer_break(p, dead, why): it is dead; all who wait return.  The first one to say so is right. */
void peer_break(struct peer *p, int dead, int why);

/* peer_handle_new(p, handle), peer_handle_free(p, handle): a number.  -ENFILE: the server allows no more. */
int peer_handle_new(struct peer *p, replica_handle *handle);
void peer_handle_free(struct peer *p, replica_handle handle);

/* peer_slot_free(p, index): its request is in flight no more.  The mutex is held. */
void peer_slot_free(struct peer *p, uint32_t index);

/* peer_receive(p): the receiving thread's whole life. */
void *peer_receive(void *p);

/* peer_free(r): as in replica_ops. */
void peer_free(struct replica *r);

/* What operations are made of (replica/peer_ops.c). */

/* peer_call_at(call, p, op, at), peer_call_on(call, p, op, handle): about an inode, or what is open. */
void peer_call_at(struct peer_call *call, struct peer *p, enum proto_op op, struct replica_at at);
void peer_call_on(struct peer_call *call, struct peer *p, enum proto_op op, replica_handle handle);
/* peer_call_handle(call, handle): it gives a handle, whose number is there before it is.  -ENFILE; then the call is done with. */
int peer_call_handle(struct peer_call *call, replica_handle *handle);
/* peer_close_handle(r, op, handle): closing is sent and forgotten; none is fine. */
void peer_close_handle(struct replica *r, enum proto_op op, replica_handle handle);
/* peer_refuse_change(p): -EROFS, for one that is only read. */
int peer_refuse_change(struct peer *p);

/* What an answer has: struct stat at call->arg; bytes, at most call->size, at call->room; the same, and how many. */
void peer_take_stat(struct peer_call *call, const struct proto_reply *reply);
void peer_take_bytes(struct peer_call *call, const struct proto_reply *reply);
void peer_take_data(struct peer_call *call, const struct proto_reply *reply);

/* Operations on open files (replica/peer_files.c), as in replica_ops. */
int peer_open_file(struct replica *r, struct replica_at at, bool writable, replica_handle *handle, struct stat *st);
int peer_open_direct(struct replica *r, struct replica_at at, replica_handle *handle);
void peer_close(struct replica *r, replica_handle file);
ssize_t peer_pread(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset);
ssize_t peer_pread_cached(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset);
ssize_t peer_digest(struct replica *r, replica_handle file, uint8_t *tags, unsigned count, uint64_t offset);
ssize_t peer_digest_sum(struct replica *r, replica_handle file, uint8_t *sum, unsigned count, uint64_t offset);
ssize_t peer_pwrite(struct replica *r, replica_handle file, const void *buf, size_t len, uint64_t offset);
int peer_truncate(struct replica *r, replica_handle file, uint64_t size);
int peer_fallocate(struct replica *r, replica_handle file, int mode, uint64_t offset, uint64_t len);
int64_t peer_seek(struct replica *r, replica_handle file, uint64_t offset, int whence);
int peer_fsync(struct replica *r, replica_handle file, bool data_only);
void peer_drop_cache(struct replica *r, replica_handle file);

extern const struct replica_ops peer_ops;

#endif
