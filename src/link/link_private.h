/*
 * link/link_private -- what a link is, for the files that make it.
 *
 * Locks: send.squeeze_mutex before send.mutex, and nothing inside that.  recv is the receiving
 * thread's alone.  ${broken} is set once and never cleared.
 */

#ifndef LINK_LINK_PRIVATE_H
#define LINK_LINK_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "link/child.h"
#include "link/cipher.h"
#include "link/frame.h"
#include "link/greeting.h"
#include "link/link.h"
#include "link/noise.h"
#include "link/squeeze.h"

/* A Noise message: two bytes of length (big-endian), and that many bytes, 65,535 at most, the tag last. */
#define MESSAGE_HEAD_SIZE 2
#define MESSAGE_SEALED_MAX 65535
#define MESSAGE_PLAIN_MAX (MESSAGE_SEALED_MAX - CIPHER_TAG_SIZE)

#define LINK_IDLE_MS 500	/* after which a link gives its buffers back */

/*
 * Of two threads that send at once one writes, and the other leaves its frame
 * in ${pending}, or waits if it has no room: the writer takes what is there
 * when it is done, and many small frames share a message and a system call.
 */
struct sender {
	pthread_mutex_t mutex;
	pthread_cond_t room;	/* mutex; the writer is done, or took what was pending */
	bool writing;		/* mutex; a thread is between begin_writing() and end_writing() */
	bool said_bye;		/* mutex */
	unsigned waiting;	/* mutex; threads that wait for room */
	uint8_t *pending;	/* mutex; whole frames, not encrypted yet */
	size_t pending_len;	/* mutex */
	/* The writer's, whoever it is: */
	uint8_t *taken;		/* what was pending before; the two change places */
	uint8_t *sealed;	/* what is to be written next */
	struct cipher *cipher;	/* NULL: plain */
	int timeout_ms;
	/* Locked before ${mutex}, by whoever compresses, until the frame is with the writer. */
	pthread_mutex_t squeeze_mutex;
	struct squeeze_rule rule;	/* squeeze_mutex */
	struct squeeze *squeeze;	/* squeeze_mutex */
	_Atomic uint64_t wire_cost;	/* of writing, in picoseconds a byte; the writer's to change */
};

struct receiver {
	uint8_t *sealed;	/* messages as they came; unused if plain */
	size_t sealed_at, sealed_len;	/* the first byte that is not opened; behind the last that came */
	uint8_t *plain;		/* frames */
	size_t plain_at, plain_len;	/* the first byte that was not handed out; behind the last */
	struct cipher *cipher;	/* NULL: plain */
	struct unsqueeze *unsqueeze;
	bool greeted;		/* the peer's greeting was seen (plain; else the handshake did that) */
	bool ended;		/* the peer said BYE */
};

struct link {
	int in, out;		/* non-blocking; one descriptor if it is a socket */
	bool socket;		/* ${out} is one */
	bool server;
	int idle_ms;		/* LINK_IDLE_MS but for tests */
	int wake;		/* eventfd; readable from when the link is broken */
	pid_t pid;		/* to wait for in the end; 0: none */
	struct child *child;	/* the same with its standard error; or NULL */
	atomic_int broken;	/* 0, or the error that broke it */
	_Atomic uint64_t bytes_in, bytes_out, frames_in, frames_out, heard_ms;
	uint8_t peer_key[LINK_KEY_SIZE];
	bool has_peer_key;
	struct sender send;
	struct receiver recv;
};

/* link_make(in, out, server, rc): all of it but its greeting and keys, with the descriptors; or NULL, and why in ${*rc}. */
struct link *link_make(int in, int out, bool server, int *rc);

/* link_from_noise(fd, server, noise, link): an encrypted link, after the handshake; ${fd} is its own if 0 is returned. */
int link_from_noise(int fd, bool server, struct noise *noise, struct link **link);

/* link_break(link, error): for good, with ${error} as the reason unless there is one.  Returns the reason. */
int link_break(struct link *link, int error);

/* link_wait(link, fd, events, timeout_ms): for ${fd}; 0, -ETIMEDOUT, or the reason for which the link is broken. */
int link_wait(struct link *link, int fd, short events, int timeout_ms);

/* link_write(link, data, len): all of it, or break the link and return the reason. */
int link_write(struct link *link, const uint8_t *data, size_t len);

int sender_init(struct sender *s);
void sender_destroy(struct sender *s);
/* sender_idle(link): give buffers back unless somebody sends. */
void sender_idle(struct link *link);

int receiver_init(struct receiver *r);
void receiver_destroy(struct receiver *r);
/* receive_greeting(link, timeout_ms): wait for the peer's greeting alone; as link_receive(). */
int receive_greeting(struct link *link, int timeout_ms);

#endif
