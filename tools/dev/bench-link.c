/*
 * How fast a link is, compared with a plain pipe through the same cipher, as
 * the least that it could cost.
 *
 * usage: bench-link [-r ROUNDS] [-m MIB] [-f KIB]
 *
 *   -r  rounds of each, interleaved; the fastest counts (60)
 *   -m  MiB that a round moves (32), -f  KiB of a frame (128)
 *
 * pipe  one thread encrypts 64 KiB pieces and writes them to a pipe, another
 *       one reads and opens them
 * link  one thread sends frames over TCP and Noise to another one, on loopback
 *       and through all that a mount's data would go through
 * plain the same without cipher, over a socketpair, as for ssh
 * The data cannot be compressed.  Then the time of a round trip of 64 bytes.  The
 * ratio of processor time, both sides together, is steadier where others use the machine.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "link/accept.h"
#include "link/cipher.h"
#include "link/connect.h"
#include "util/clock.h"
#include "util/io.h"

#define PIECE 65519		/* what a full Noise message holds */
#define TRIPS 2000

static size_t total = (size_t)32 << 20, frame_size = 128 << 10;
static uint8_t *data;

static void
must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench-link: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the pipe */

static int pipe_fds[2];
static const uint8_t pipe_key[CIPHER_KEY_SIZE] = { 1 };

static void *
pipe_reader(void *arg)
{
	uint8_t *sealed = malloc(PIECE + CIPHER_TAG_SIZE), *plain = malloc(PIECE);
	struct cipher c;

	(void)arg;
	must(sealed != NULL && plain != NULL, "malloc");
	cipher_init(&c, pipe_key);
	for (size_t done = 0; done < total; done += PIECE) {
		must(io_read(pipe_fds[0], sealed, PIECE + CIPHER_TAG_SIZE) == PIECE + CIPHER_TAG_SIZE, "read");
		must(cipher_open(&c, sealed, PIECE + CIPHER_TAG_SIZE, plain) == 0, "open");
	}
	free(sealed);
	free(plain);
	return NULL;
}

static void
run_pipe(void)
{
	uint8_t *sealed = malloc(PIECE + CIPHER_TAG_SIZE);
	pthread_t reader;
	struct cipher c;

	must(sealed != NULL && pipe2(pipe_fds, O_CLOEXEC) == 0, "pipe");
	pthread_create(&reader, NULL, pipe_reader, NULL);
	cipher_init(&c, pipe_key);
	for (size_t done = 0; done < total; done += PIECE) {
		must(cipher_seal(&c, data, PIECE, sealed) == 0, "seal");
		must(io_write(pipe_fds[1], sealed, PIECE + CIPHER_TAG_SIZE) == 0, "write");
	}
	pthread_join(reader, NULL);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	free(sealed);
}

/* ---- links */

struct ends { struct link *client, *server; };

static struct key_pair client_key, server_key;
static int listener;

/* What mendd's poll loop does, for one client that is known. */
static void *
accept_one(void *link)
{
	const struct link_answer answer = { .status = LINK_OK };
	struct link_accept *a;
	int fd = accept(listener, NULL, NULL), state;

	must(fd >= 0 && link_accept_new(fd, &server_key, NULL, clock_monotonic_ms(), &a) == 0, "accept");
	while ((state = link_accept_step(a, clock_monotonic_ms())) != LINK_ACCEPT_DONE) {
		must(state > 0, "handshake");
		if (state == LINK_ACCEPT_ASK)
			link_accept_answer(a, &answer);
		else
			usleep(100);
	}
	must(link_accept_finish(a, link) == 0, "link");
	return NULL;
}

static void
connect_ends(struct ends *e)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct link_target target = { .server.host = "127.0.0.1", .key = &client_key, .request.export = "bench" };
	socklen_t size = sizeof(address);
	struct link_answer answer;
	pthread_t thread;
	char why[256];

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 1) == 0 &&
	    getsockname(listener, (struct sockaddr *)&address, &size) == 0, "listen");
	target.server.port = ntohs(address.sin_port);
	memcpy(target.server_key, server_key.public, LINK_KEY_SIZE);
	pthread_create(&thread, NULL, accept_one, &e->server);
	must(link_connect_tcp(&target, &e->client, &answer, why, sizeof(why)) == 0, "connect");
	pthread_join(thread, NULL);
	close(listener);
}

static void
join_ends(struct ends *e)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0 && link_from_pipes(fds[0], fds[0], 0, false, &e->client) == 0 &&
	    link_from_pipes(fds[1], fds[1], 0, true, &e->server) == 0, "socketpair");
}

static void *
link_reader(void *link)
{
	uint8_t *body;
	size_t len;

	for (size_t done = 0; done < total; done += len)
		must(link_receive(link, &body, &len, -1) == 0 && len > 0, "receive");
	return NULL;
}

static void
run_link(struct ends *e)
{
	struct iovec part = { data, frame_size };
	pthread_t reader;

	pthread_create(&reader, NULL, link_reader, e->server);
	for (size_t done = 0; done < total; done += frame_size)
		must(link_send(e->client, &part, 1) == 0, "send");
	pthread_join(reader, NULL);
}

static void *
echo(void *link)
{
	uint8_t *body;
	size_t len;

	for (int i = 0; i < TRIPS; i++) {
		must(link_receive(link, &body, &len, -1) == 0, "receive");
		must(link_send(link, &(struct iovec){ body, len }, 1) == 0, "send");
	}
	return NULL;
}

static void
run_trips(struct ends *e)
{
	pthread_t thread;
	uint8_t *body;
	size_t len;

	pthread_create(&thread, NULL, echo, e->server);
	for (int i = 0; i < TRIPS; i++) {
		must(link_send(e->client, &(struct iovec){ data, 64 }, 1) == 0, "send");
		must(link_receive(e->client, &body, &len, -1) == 0, "receive");
	}
	pthread_join(thread, NULL);
}

/* ---- rounds */

struct spent { uint64_t ns, cpu_ns; };

static uint64_t
cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static struct spent
start_round(void)
{
	return (struct spent){ clock_monotonic_ns(), cpu_ns() };
}

static void
keep_best(struct spent *best, struct spent start)
{
	uint64_t took = clock_monotonic_ns() - start.ns, cpu_took = cpu_ns() - start.cpu_ns;

	if (best->ns == 0 || took < best->ns)
		best->ns = took;
	if (best->cpu_ns == 0 || cpu_took < best->cpu_ns)
		best->cpu_ns = cpu_took;
}

static double
rate(struct spent best)
{
	return (double)total / 1048576 / ((double)best.ns / 1e9);
}

int
main(int argc, char **argv)
{
	struct spent through_pipe = { 0 }, through_link = { 0 }, through_socket = { 0 }, trips = { 0 };
	struct spent before;
	struct ends tcp, plain;
	int rounds = 60, option;

	while ((option = getopt(argc, argv, "r:m:f:")) >= 0) {
		switch (option) {
		case 'r': rounds = atoi(optarg); break;
		case 'm': total = (size_t)atoi(optarg) << 20; break;
		case 'f': frame_size = (size_t)atoi(optarg) << 10; break;
		default: return 2;
		}
	}
	must(rounds > 0 && total > 0 && frame_size > 0 && frame_size <= LINK_FRAME_MAX && sodium_init() >= 0, "arguments");
	total = total / frame_size * frame_size;
	must((data = malloc(LINK_FRAME_MAX)) != NULL, "malloc");
	randombytes_buf(data, LINK_FRAME_MAX);
	key_pair_new(&client_key);
	key_pair_new(&server_key);
	connect_ends(&tcp);
	join_ends(&plain);
	for (int i = 0; i < rounds; i++) {
		before = start_round();
		run_pipe();
		keep_best(&through_pipe, before);
		before = start_round();
		run_link(&tcp);
		keep_best(&through_link, before);
		before = start_round();
		run_link(&plain);
		keep_best(&through_socket, before);
		before = start_round();
		run_trips(&tcp);
		keep_best(&trips, before);
	}
	printf("link:  %5.0f MiB/s encrypted over TCP, pipe with the same cipher %5.0f MiB/s, ratio %.2f (of processor time %.2f)\n",
	    rate(through_link), rate(through_pipe), (double)through_pipe.ns / (double)through_link.ns,
	    (double)through_pipe.cpu_ns / (double)through_link.cpu_ns);
	printf("link:  %5.0f MiB/s plain over a socketpair; a round trip of 64 bytes %.1f us\n", rate(through_socket), (double)trips.ns / TRIPS / 1000);
	link_free(tcp.client);
	link_free(tcp.server);
	link_free(plain.client);
	link_free(plain.server);
	free(data);
	return 0;
}
