/*
 * replica/guard_private -- what guard.c and guard_ops.c share; nobody else's.
 */

#ifndef REPLICA_GUARD_PRIVATE_H
#define REPLICA_GUARD_PRIVATE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "replica/guard.h"
#include "util/aside.h"

#define GUARD_SLOTS 128			/* more than there are threads that call */
#define GUARD_NO_SLOT (-1)
/* Data of at least so many bytes, and at most so many, goes into memory that is kept for the next. */
#define GUARD_LARGE_MIN (64u * 1024)
#define GUARD_LARGE_SIZE (1u << 20)

/* guard->inside */
#define GUARD_DEAD (1u << 31)
#define GUARD_OWNED (1u << 30)		/* free was not called yet */
#define GUARD_COUNT (GUARD_OWNED - 1)

/* What is to be done when no call is under way any more. */
struct parting {
	void (*run)(struct replica *inner, replica_handle handle);
	replica_handle handle;
	struct parting *next;
};

/* What a call may have to wait for. */
enum guard_kind {
	GUARD_CACHED,			/* nothing */
	GUARD_READS,			/* nothing, as a rule; an answer says little of the disk */
	GUARD_CHANGES,			/* nothing, as a rule; an answer says that changes are possible */
	GUARD_WAITS,			/* the disk */
	GUARD_SYNCS			/* the disk, and for long */
};

/* One call: of the caller, in his stack, or made aside, and on the heap. */
struct call {
	struct aside_job job;
	struct guard *guard;
	int64_t (*run)(struct replica *inner, struct call *call);
	void (*late)(struct replica *inner, struct call *call);	/* undo what nobody waits for; or NULL */
	enum guard_kind kind;
	bool direct;			/* made by the caller: all pointers are his, else ours */
	int error;			/* why it cannot be made */
	int slot;
	atomic_uint refs;		/* who asked, and who does it */
	pthread_mutex_t mutex;
	pthread_cond_t ended;
	atomic_bool ran;		/* it is done, or about to be so */
	bool done;			/* mutex */
	bool abandoned;			/* mutex */

	/* What the operation is given, and what it gives. */
	int64_t rc;
	struct replica_at at;
	replica_handle dir;
	const char *name;
	void *data;			/* ${len} bytes */
	size_t len;
	bool large;			/* data has room for GUARD_LARGE_SIZE bytes, and is kept */
	uint64_t offset, size;
	int flags;
	bool flag, wanted;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	replica_handle got;
	replica_list_call *tell;	/* the caller's, called by him only */
	void *arg;
	struct replica_times times;
	struct replica_new new;
	union {
		struct stat st;
		struct statvfs vfs;
		struct replica_info info;
	};
	char at_name[NAME_MAX + 1], own_name[NAME_MAX + 1];	/* copies */
};

struct guard {
	struct replica base;
	struct replica *inner;
	struct guard_options options;
	unsigned tick_ms;		/* between two looks of who waits */
	bool everything;
	atomic_uint inside;		/* calls under way, and the bits above */
	/* When each call under way began, in milliseconds, and three bits for its kind; 0: none. */
	_Atomic uint64_t slots[GUARD_SLOTS];
	_Atomic uint64_t answered_ms, changed_ms;	/* the last answer to any call, to one that changes */

	_Atomic(void *) spare;		/* GUARD_LARGE_SIZE bytes whose pages are there; NULL: in use */

	pthread_mutex_t mutex;
	struct parting *partings;	/* mutex */
	struct aside_job closing;	/* does them: who has it is the last one inside */

	/* guard_check's, that is, one thread's at a time: */
	struct call *checking;		/* was not answered yet; or NULL */
	uint64_t looked_ms;		/* when it looked at the slots, */
	uint64_t completed;		/* what the device had done then, */
	uint64_t seen[GUARD_SLOTS];	/* what it found in them, */
	uint64_t stood_ms[GUARD_SLOTS];	/* and how long it has been seen to stand there */
};

static inline struct guard *
guard_self(struct replica *r)
{
	return (struct guard *)r;
}

/*
 * call_begin(r, own, run, kind):
 * A call of ${run}, to be filled in, performed, and ended.  It is ${own} if the
 * caller is to make it himself.
 */
struct call *call_begin(struct replica *r, struct call *own, int64_t (*run)(struct replica *inner, struct call *call),
    enum guard_kind kind);
void call_at(struct call *call, struct replica_at at);
void call_name(struct call *call, replica_handle dir, const char *name);
void call_new(struct call *call, const struct replica_new *new);
/* call_data(call, data, len): what is written.  call_room(call, room, len): where is read to; then call_take. */
void call_data(struct call *call, const void *data, size_t len);
void call_room(struct call *call, void *room, size_t len);
/* call_take(call, room, len): copy what was read, if it was not read to there; ${len} may be negative: nothing. */
void call_take(struct call *call, void *room, ssize_t len);
/* call_perform(call): its result, or -ETIMEDOUT; its slot is GUARD_NO_SLOT if it was not even begun. */
int64_t call_perform(struct call *call);
void call_end(struct call *call);
/* call_pause(call), call_resume(call): around what is done within a call, but not by the replica. */
void call_pause(struct call *call);
void call_resume(struct call *call);

/* guard_check(r): as replica_ops.check, within a moment. */
int guard_check(struct replica *r);
/* guard_refuse(guard): it is dead from now on: all calls that follow fail with -ETIMEDOUT. */
void guard_refuse(struct guard *guard);
/* guard_part(guard, run, handle): have it done now or, on a dead replica, when all calls have returned. */
void guard_part(struct guard *guard, void (*run)(struct replica *inner, replica_handle handle), replica_handle handle);
/* guard_free(r): as replica_ops.free. */
void guard_free(struct replica *r);

extern const struct replica_ops guard_ops;

#endif
