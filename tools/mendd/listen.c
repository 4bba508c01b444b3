#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/address.h"
#include "mendd/listen.h"
#include "util/log.h"

#define BACKLOG 256		/* connections that wait for accept(2) */
#define FIRST_FD 3		/* of those that are handed over */

static int
bind_one(const struct addrinfo *info)
{
	const int on = 1, off = 0;
	int fd, rc;

	if ((fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (info->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
		rc = -errno;
		(void)close(fd);
		return rc;
	}
	return fd;
}

/* ${host} NULL: all addresses, by IPv6's if there is such a thing here. */
static int
open_address(const char *host, const char *port, struct listeners *listeners)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *list, *info;
	int fd = -EADDRNOTAVAIL, rc;

	if (host == NULL)
		host = "::";
	if ((rc = getaddrinfo(host, port, &hints, &list)) != 0) {
		log_error("listen = %s: %s; name an address of this machine", host, gai_strerror(rc));
		return -EADDRNOTAVAIL;
	}
	for (info = list; info != NULL && fd < 0; info = info->ai_next)
		fd = bind_one(info);
	freeaddrinfo(list);
	if (fd < 0)
		return fd;
	listeners->fds[listeners->count++] = fd;
	return 0;
}

static int
open_text(const char *text, struct listeners *listeners)
{
	struct address address;
	const char *host;
	char port[8];
	char whole[ADDRESS_TEXT_SIZE];
	int rc;

	/* ":PORT" and "*:PORT" are all addresses. */
	if (*text == '*')
		text++;
	(void)snprintf(whole, sizeof(whole), "%s%s", *text == ':' || *text == '\0' ? "all" : "", text);
	if (strlen(text) >= sizeof(whole) - 3 || address_parse(whole, LINK_PORT, &address) != 0) {
		log_error("listen = %s: not of the form HOST:PORT, HOST or :PORT, an IPv6 address in brackets", text);
		return -EINVAL;
	}
	host = *text == ':' || *text == '\0' ? NULL : address.host;
	(void)snprintf(port, sizeof(port), "%u", (unsigned)address.port);
	rc = open_address(host, port, listeners);
	if (rc == -EAFNOSUPPORT && host == NULL)
		rc = open_address("0.0.0.0", port, listeners);
	if (rc != 0) {
		log_error("listen = %s: %s%s", *text == '\0' ? "*" : text, strerror(-rc),
		    rc == -EADDRINUSE ? "; does another mendd run, or systemd listen for it?" : "");
	}
	return rc;
}

static bool
is_listener(int fd)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(address);
	int listens = 0;

	if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 ||
	    (address.ss_family != AF_INET && address.ss_family != AF_INET6))
		return false;
	len = sizeof(listens);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0;
}

/* 0: none is handed over; else how many. */
static int
take_over(struct listeners *listeners)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int count, i, flags;

	if (pid == NULL || fds == NULL || strtol(pid, NULL, 10) != getpid() || (count = (int)strtol(fds, NULL, 10)) <= 0)
		return 0;
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	if (count > CONF_LISTEN_MAX)
		count = CONF_LISTEN_MAX;
	for (i = 0; i < count; i++) {
		if (!is_listener(FIRST_FD + i)) {
			log_error("descriptor %d, which systemd hands over, does not listen for TCP; see mendd.socket", FIRST_FD + i);
			return -ENOTSOCK;
		}
		(void)fcntl(FIRST_FD + i, F_SETFD, FD_CLOEXEC);
		if ((flags = fcntl(FIRST_FD + i, F_GETFL)) >= 0)
			(void)fcntl(FIRST_FD + i, F_SETFL, flags | O_NONBLOCK);
		listeners->fds[listeners->count++] = FIRST_FD + i;
	}
	return count;
}

int
listen_open(const struct conf *conf, struct listeners *listeners)
{
	unsigned i;
	int rc;

	listeners->count = 0;
	if ((rc = take_over(listeners)) != 0)
		return rc < 0 ? rc : 0;
	if (conf->listen_count == 0)
		rc = open_text("*", listeners);
	for (i = 0; i < conf->listen_count && rc == 0; i++)
		rc = open_text(conf->listen[i], listeners);
	if (rc != 0)
		listen_close(listeners);
	return rc;
}

void
listen_close(struct listeners *listeners)
{
	while (listeners->count > 0)
		(void)close(listeners->fds[--listeners->count]);
}
