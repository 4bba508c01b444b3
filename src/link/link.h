/*
 * link/link -- frames between a client and a server, over a stream.
 *
 * A link carries frames of 1 to LINK_FRAME_MAX bytes in both directions, in
 * order.  Over TCP it is encrypted and authenticated (Noise; link/connect.h
 * and link/accept.h make such links); over the pipes of ssh, which does both
 * itself, frames go as they are.  There is no way to a plain link over TCP.
 *
 * Threads: any number may send, one may receive, at the same time.
 * link_shutdown, link_bye and the counters may be called by any; link_free
 * when no other thread is inside any more.
 *
 * Errors: a negative errno value.  The first failure that the stream has
 * breaks the link for both directions and all threads, for good: what comes
 * after it fails as well.  -ETIMEDOUT of link_receive() alone breaks nothing.
 *
 * Memory: large buffers are there while frames move.  A link that has been
 * idle for half a second gives them back, in link_receive().
 */

#ifndef LINK_LINK_H
#define LINK_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* The largest body of a frame: a request's data, 1 MiB, and all that stands before it. */
#define LINK_FRAME_MAX (1024 * 1024 + 64 * 1024)
#define LINK_PARTS_MAX 64	/* of a body, in one call */
#define LINK_KEY_SIZE 32	/* of a public or secret key (X25519) */
#define LINK_EXPORT_MAX 63	/* bytes of an export's name */
#define LINK_INSTANCE_SIZE 16	/* of the number by which a mount is told from others */
#define LINK_PORT 6363		/* where mendd listens unless told otherwise */
#define LINK_SEND_TIMEOUT_MS 30000	/* how long a peer may take nothing, unless told otherwise */

/* What a client asks for.  A server that has read it knows nothing yet of whether it is fresh: see link_accept. */
struct link_request {
	char export[LINK_EXPORT_MAX + 1];
	bool read_only;
	uint8_t instance[LINK_INSTANCE_SIZE];
};

/* Why a server that knows the client serves it or does not. */
enum link_status { LINK_OK, LINK_NO_EXPORT, LINK_NO_RIGHT, LINK_BUSY, LINK_UNAVAILABLE };

/* What the server answers. */
struct link_answer {
	enum link_status status;	/* all but LINK_OK: the server closes the link after this */
	bool read_only;			/* what is granted */
	uint32_t request_max;		/* requests that may be in flight */
	uint32_t handle_max;		/* handles that may be open */
	uint64_t byte_max;		/* bytes of requests that may be in flight */
};

struct link;

/*
 * link_from_pipes(in, out, child, server, link):
 * A plain link over two descriptors, which may be one and the same, and are
 * the link's from now on (left alone on error).  ${child}: the process at the
 * other end, which link_free() waits for, or 0.  Greetings are exchanged: ours
 * goes out with this call, the peer's is checked by the first link_receive().
 * Never for a stream that others can reach.  Both descriptors become
 * non-blocking.  Where ${out} is no socket the program must ignore SIGPIPE.
 * -ENOMEM, -EMFILE, or what writing the greeting gave.
 */
int link_from_pipes(int in, int out, pid_t child, bool server, struct link **link);

/*
 * link_send(link, body, count):
 * Send one frame, the concatenation of ${body}; nothing of it is looked at
 * after the return.  Waits while the peer takes nothing, up to the sending
 * time-out, which breaks the link.  0 says that the frame will be sent unless
 * the link breaks: it may still wait for another thread that is writing, and
 * then goes out together with others.  -EMSGSIZE: an empty body, more than
 * LINK_FRAME_MAX, or more parts than LINK_PARTS_MAX; nothing happened.  -EPIPE: the link is broken, or was shut
 * down, or we said BYE.
 */
int link_send(struct link *link, const struct iovec *body, int count);

/*
 * link_receive(link, body, len, timeout_ms):
 * Wait for one whole frame, at most ${timeout_ms} (-1: for ever, 0: not at
 * all).  ${body} is valid until the next call.  ${len} 0: the peer said BYE,
 * and will send nothing more; so does each later call.  -ETIMEDOUT: not yet,
 * what has come of a frame is kept.  -ECONNRESET: the stream ended without
 * BYE.  -EPROTO: it is not what the peer sent (a message that failed its
 * authentication), or not our protocol.  -ESHUTDOWN: link_shutdown().  Other
 * errors are the socket's.
 */
int link_receive(struct link *link, uint8_t **body, size_t *len, int timeout_ms);

/*
 * link_bye(link):
 * Tell the peer that nothing more comes, so that it can tell this end from a
 * cut connection.  Frames accepted before are sent before it.  Like link_send.
 */
int link_bye(struct link *link);

/* link_shutdown(link): break it; all that wait in it return, and so does the peer, over pipes when the link is freed. */
void link_shutdown(struct link *link);

/* link_free(link): close it; the child, if any, is given a second to end, then killed.  NULL is fine. */
void link_free(struct link *link);

/* link_set_send_timeout(link, timeout_ms): for how long a peer may take nothing; before others use the link. */
void link_set_send_timeout(struct link *link, int timeout_ms);

/* link_peer_key(link): the peer's public key, LINK_KEY_SIZE bytes, proved by the handshake; NULL on a plain link. */
const uint8_t *link_peer_key(const struct link *link);

/* link_error(link): 0, or what broke it. */
int link_error(const struct link *link);

struct link_counters {
	uint64_t bytes_in, bytes_out;	/* on the wire */
	uint64_t frames_in, frames_out;
	uint64_t heard_ms;		/* clock_monotonic_ms() when bytes came last; when it was made, before any */
};

void link_count(const struct link *link, struct link_counters *counters);

/* link_explain(error): what a negative errno value of a link means, as the end of a sentence. */
const char *link_explain(int error);

#endif
