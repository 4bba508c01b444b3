/*
 * delayproxy -- a network that is far, and not to be trusted, between a client and a server.
 *
 * usage: delayproxy LISTEN-ADDRESS PORT TARGET-ADDRESS PORT
 *
 * Hands on what comes from connections to the target, each byte as many
 * milliseconds later as was asked for, in order and without any limit of the
 * rate: as a long line does, not as a thin one.  Commands on standard input, each
 * answered by one line; "up" is from the client to the server:
 *
 *	delay MS		in each direction, from now on
 *	count			"up BYTES down BYTES turns NUMBER connections NUMBER", of all
 *				so far; a turn is something that goes up after something
 *				came down: of one who asks and waits, a round trip
 *	flip up|down N		turn over a bit of the Nth byte to come (from 0)
 *	cut up|down N		let N more bytes through, then end the connection
 *	hold up|down		let nothing through, and end nothing, until "release"
 *	release
 *	drop			end all connections, as a reset
 *	record			keep what the next connection sends up (64 KiB at most)
 *	replay N		send the first N bytes of that to the server once more, on
 *				a connection of its own (0: all), and answer with the
 *				number of bytes that came back until the server hung up or
 *				0.3 s passed, in which nothing else is handed on
 *	quit
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAIRS_MAX 512
#define CHUNK 65536		/* bytes of one read */
#define WAITING_MAX (64u << 20)	/* bytes under way in one direction: more are not read */
#define RECORD_MAX 65536

enum { UP, DOWN };

struct chunk { struct chunk *next; uint64_t due_us; size_t len, sent; uint8_t bytes[]; };
struct way { struct chunk *first, **last; size_t waiting; bool ended, closed; };
struct pair { int fd[2]; struct way way[2]; bool records; };	/* fd[UP]: the client's; what comes from it goes up */

static struct pair *pairs[PAIRS_MAX];
static unsigned pair_count;
static struct sockaddr_in target;
static uint64_t delay_us, total[2], turns, connections;
static int last_way = DOWN;
static int64_t flip_at[2] = { -1, -1 }, cut_at[2] = { -1, -1 };
static bool held[2], record_next;
static uint8_t recorded[RECORD_MAX];
static size_t recorded_len;

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static int
dial(void)
{
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&target, sizeof(target)) != 0) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void
end_pair(unsigned which, bool reset)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	struct pair *pair = pairs[which];
	struct chunk *chunk;
	int i;

	for (i = 0; i < 2; i++) {
		while ((chunk = pair->way[i].first) != NULL) {
			pair->way[i].first = chunk->next;
			free(chunk);
		}
		if (reset)
			setsockopt(pair->fd[i], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(pair->fd[i]);
	}
	free(pair);
	pairs[which] = pairs[--pair_count];
}

static void
new_pair(int client)
{
	const int on = 1;
	struct pair *pair;
	int i, server;

	if (pair_count == PAIRS_MAX || (server = dial()) < 0) {
		close(client);
		return;
	}
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if ((pair = calloc(1, sizeof(*pair))) == NULL)
		die("calloc");
	pair->fd[UP] = client;
	pair->fd[DOWN] = server;
	for (i = 0; i < 2; i++)
		pair->way[i].last = &pair->way[i].first;
	pair->records = record_next;
	if (record_next)
		recorded_len = 0;
	record_next = false;
	connections++;
	pairs[pair_count++] = pair;
}

/* What was asked for happens to these bytes; how many of them go through before the cut. */
static size_t
spoil(int way, uint8_t *bytes, size_t len)
{
	if (flip_at[way] >= 0) {
		if ((uint64_t)flip_at[way] < len)
			bytes[flip_at[way]] ^= 0x10;
		flip_at[way] = (uint64_t)flip_at[way] < len ? -1 : flip_at[way] - (int64_t)len;
	}
	if (cut_at[way] >= 0 && (uint64_t)cut_at[way] < len) {
		len = (size_t)cut_at[way];
		cut_at[way] = -2;	/* now */
	} else if (cut_at[way] >= 0) {
		cut_at[way] -= (int64_t)len;
	}
	return len;
}

/* false: the connection is over. */
static bool
take(struct pair *pair, int way)
{
	struct chunk *chunk = malloc(sizeof(*chunk) + CHUNK);
	ssize_t len;

	if (chunk == NULL)
		die("malloc");
	len = recv(pair->fd[way], chunk->bytes, CHUNK, MSG_DONTWAIT);
	if (len <= 0) {
		free(chunk);
		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		pair->way[way].ended = true;
		return len == 0;
	}
	if (way == UP && pair->records && recorded_len + (size_t)len <= RECORD_MAX) {
		memcpy(recorded + recorded_len, chunk->bytes, (size_t)len);
		recorded_len += (size_t)len;
	}
	chunk->len = spoil(way, chunk->bytes, (size_t)len);
	chunk->sent = 0;
	chunk->due_us = now_us() + delay_us;
	chunk->next = NULL;
	total[way] += chunk->len;
	turns += way == UP && last_way == DOWN;
	last_way = way;
	*pair->way[way].last = chunk;
	pair->way[way].last = &chunk->next;
	pair->way[way].waiting += chunk->len;
	if (cut_at[way] == -2) {
		cut_at[way] = -1;
		pair->way[way].ended = pair->way[!way].ended = true;
	}
	return true;
}

static bool
give(struct pair *pair, int way, uint64_t now)
{
	struct way *w = &pair->way[way];
	struct chunk *chunk;
	ssize_t len;

	while ((chunk = w->first) != NULL && chunk->due_us <= now && !held[way]) {
		len = send(pair->fd[!way], chunk->bytes + chunk->sent, chunk->len - chunk->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (len < 0)
			return errno == EAGAIN || errno == EINTR;
		chunk->sent += (size_t)len;
		w->waiting -= (size_t)len;
		if (chunk->sent < chunk->len)
			return true;
		if ((w->first = chunk->next) == NULL)
			w->last = &w->first;
		free(chunk);
	}
	if (w->ended && w->first == NULL && !w->closed) {
		w->closed = true;
		shutdown(pair->fd[!way], SHUT_WR);
	}
	return !(pair->way[UP].closed && pair->way[DOWN].closed);
}

static void
replay(size_t len)
{
	struct pollfd poll_fd = { .fd = dial(), .events = POLLIN };
	const uint64_t until = now_us() + 300000;
	uint8_t bytes[4096];
	size_t back = 0;
	ssize_t got;

	if (len == 0 || len > recorded_len)
		len = recorded_len;
	if (poll_fd.fd < 0 || send(poll_fd.fd, recorded, len, MSG_NOSIGNAL) < 0)
		die("replay");
	while (now_us() < until && poll(&poll_fd, 1, 50) >= 0) {
		if ((poll_fd.revents & (POLLIN | POLLHUP | POLLERR)) == 0)
			continue;
		if ((got = recv(poll_fd.fd, bytes, sizeof(bytes), 0)) <= 0)
			break;
		back += (size_t)got;
	}
	close(poll_fd.fd);
	printf("%zu\n", back);
}

static void
command(char *line)
{
	char word[16] = "", direction[8] = "";
	long number = 0;
	int way;

	if (sscanf(line, "%15s %7s %ld", word, direction, &number) < 1)
		return;
	way = strcmp(direction, "down") == 0 ? DOWN : UP;
	if (strcmp(word, "quit") == 0)
		exit(0);
	if (strcmp(word, "replay") == 0) {
		replay((size_t)strtol(direction, NULL, 10));
		return;
	}
	if (strcmp(word, "count") == 0) {
		printf("up %" PRIu64 " down %" PRIu64 " turns %" PRIu64 " connections %" PRIu64 "\n",
		    total[UP], total[DOWN], turns, connections);
		return;
	}
	if (strcmp(word, "delay") == 0)
		delay_us = (uint64_t)strtol(direction, NULL, 10) * 1000;
	else if (strcmp(word, "flip") == 0)
		flip_at[way] = number;
	else if (strcmp(word, "cut") == 0)
		cut_at[way] = number;
	else if (strcmp(word, "hold") == 0)
		held[way] = true;
	else if (strcmp(word, "release") == 0)
		held[UP] = held[DOWN] = false;
	else if (strcmp(word, "record") == 0)
		record_next = true;
	else if (strcmp(word, "drop") == 0)
		while (pair_count > 0)
			end_pair(pair_count - 1, true);
	puts("ok");
}

static void
read_commands(void)
{
	static char line[256];
	static size_t len;
	ssize_t got = read(STDIN_FILENO, line + len, sizeof(line) - 1 - len);
	char *end;

	if (got <= 0)
		exit(0);
	len += (size_t)got;
	line[len] = '\0';
	while ((end = strchr(line, '\n')) != NULL) {
		*end = '\0';
		command(line);
		len -= (size_t)(end + 1 - line);
		memmove(line, end + 1, len + 1);
	}
}

/* When the next chunk is due, in microseconds from now; -1: never. */
static int64_t
until_due(uint64_t now)
{
	int64_t soonest = -1, due;
	unsigned i;
	int way;

	for (i = 0; i < pair_count; i++) {
		for (way = 0; way < 2; way++) {
			if (pairs[i]->way[way].first == NULL || held[way] || pairs[i]->way[way].first->due_us <= now)
				continue;
			due = (int64_t)(pairs[i]->way[way].first->due_us - now);
			if (soonest < 0 || due < soonest)
				soonest = due;
		}
	}
	return soonest;
}

static short
what_to_poll(const struct pair *pair, int side, uint64_t now)
{
	const struct way *in = &pair->way[side], *out = &pair->way[!side];
	short events = 0;

	if (!in->ended && in->waiting < WAITING_MAX)
		events |= POLLIN;
	if (out->first != NULL && out->first->due_us <= now && !held[!side])
		events |= POLLOUT;
	return events;
}

static void
turn(int listener)
{
	static struct pollfd polls[2 + 2 * PAIRS_MAX];
	uint64_t now = now_us();
	const int64_t due = until_due(now);
	const struct timespec timeout = { .tv_sec = due / 1000000, .tv_nsec = due % 1000000 * 1000 };
	unsigned i, count = pair_count;
	int way, fd;
	bool goes_on;

	polls[0] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	polls[1] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (i = 0; i < count; i++) {
		for (way = 0; way < 2; way++) {
			const short events = what_to_poll(pairs[i], way, now);

			/* Without anything to wait for, a hang-up would wake us all the time. */
			polls[2 + 2 * i + (unsigned)way] = (struct pollfd){ .fd = events != 0 ? pairs[i]->fd[way] : -1, .events = events };
		}
	}
	if (ppoll(polls, 2 + 2 * count, due < 0 ? NULL : &timeout, NULL) < 0 && errno != EINTR)
		die("ppoll");
	now = now_us();
	for (i = count; i-- > 0;) {
		goes_on = true;
		for (way = 0; way < 2 && goes_on; way++) {
			if ((polls[2 + 2 * i + (unsigned)way].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !pairs[i]->way[way].ended)
				goes_on = take(pairs[i], way);
		}
		for (way = 0; way < 2 && goes_on; way++)
			goes_on = give(pairs[i], way, now);
		if (!goes_on)
			end_pair(i, true);
	}
	if (polls[0].revents != 0)
		read_commands();
	if ((polls[1].revents & POLLIN) != 0 && (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		new_pair(fd);
}

static void
parse_address(const char *host, const char *port, struct sockaddr_in *address)
{
	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	if (inet_pton(AF_INET, host, &address->sin_addr) != 1) {
		fprintf(stderr, "delayproxy: no address: %s\n", host);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	const int on = 1;
	struct sockaddr_in here;
	int listener;

	if (argc != 5) {
		fprintf(stderr, "usage: delayproxy LISTEN-ADDRESS PORT TARGET-ADDRESS PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	parse_address(argv[1], argv[2], &here);
	parse_address(argv[3], argv[4], &target);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) != 0 || listen(listener, 64) != 0)
		die("listen");
	puts("ready");
	for (;;)
		turn(listener);
}
