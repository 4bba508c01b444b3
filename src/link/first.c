#include "link/first.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/*
 * A peer that is gone without a word is noticed by the heartbeat of the
 * protocol; these are for what hangs below it: a link on which nobody waits.
 */
#define KEEPALIVE_IDLE_S 15
#define KEEPALIVE_EVERY_S 5
#define KEEPALIVE_COUNT 3
#define UNACKNOWLEDGED_MS 30000

static void
set(int fd, int level, int name, int value)
{
	/* A socket that is not TCP, as in tests, does without. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void
first_tune(int fd)
{
	/* Frames are gathered here already; a reply that waits for more would cost a round trip. */
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S);
	set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS);
}
