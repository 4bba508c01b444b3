/*
 * The server's step machine, and the client against servers that are none.
 */

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sodium.h>

#include "link/accept.h"
#include "link/connect.h"
#include "link/first.h"

#include "pair.h"

#define NOW 1000000		/* on a clock that does not go by itself */

static struct key_pair server_key, client_key;

static const struct link_request the_request = { .export = "photos", .instance = { 1, 2, 3 } };
static const struct link_answer the_answer = { .request_max = 256, .handle_max = 65536, .byte_max = 1 << 24 };

/* A stranger's connection: what the server has of it, and the other end. */
struct scene { struct link_accept *accept; int fd; };

static void
set_scene(struct scene *sc)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(link_accept_new(fds[0], &server_key, NULL, NOW, &sc->accept), 0);
	ck_assert_int_eq(link_accept_fd(sc->accept), fds[0]);
	sc->fd = fds[1];
}

static void
end_scene(struct scene *sc)
{
	link_accept_free(sc->accept);
	close(sc->fd);
}

/* What a client that knows ${server} says first. */
static void
make_flight(struct noise *n, const struct key_pair *client, const uint8_t *server, uint8_t flight[FIRST_FLIGHT_SIZE])
{
	uint8_t prologue[PROLOGUE_SIZE], payload[TERMS_REQUEST_SIZE];

	greeting_server(prologue);
	greeting_client(prologue + GREETING_SIZE);
	memcpy(flight, prologue + GREETING_SIZE, GREETING_SIZE);
	ck_assert_int_eq(terms_request_encode(&the_request, payload), 0);
	noise_start(n, client, server, prologue, sizeof(prologue));
	ck_assert_int_eq(noise_write_first(n, payload, sizeof(payload), flight + GREETING_SIZE), 0);
}

static void
put(struct scene *sc, const void *data, size_t len)
{
	ck_assert_int_eq(write(sc->fd, data, len), (ssize_t)len);
}

/* The other end gets the greeting, and then the end: not a byte more. */
static void
expect_silence(struct scene *sc)
{
	uint8_t want[GREETING_SIZE], got[4 * GREETING_SIZE];

	link_accept_free(sc->accept);
	sc->accept = NULL;
	greeting_server(want);
	ck_assert_int_eq(read(sc->fd, got, sizeof(got)), GREETING_SIZE);
	ck_assert_mem_eq(got, want, sizeof(want));
	/* A socket that was closed with bytes unread says so; both are an end. */
	ck_assert_int_le(read(sc->fd, got, sizeof(got)), 0);
}

START_TEST(handshake)
{
	struct scene sc;
	struct noise n;
	uint8_t flight[FIRST_FLIGHT_SIZE], second[SECOND_FLIGHT_SIZE], payload[TERMS_ANSWER_SIZE], greeting[GREETING_SIZE];
	struct link_answer answer;
	struct link *link;

	set_scene(&sc);
	make_flight(&n, &client_key, server_key.public, flight);
	ck_assert_int_eq(link_accept_step(sc.accept, NOW), LINK_ACCEPT_READ);
	/* As slowly as it may come. */
	for (size_t i = 0; i < sizeof(flight); i++) {
		ck_assert_int_eq(link_accept_step(sc.accept, NOW), LINK_ACCEPT_READ);
		put(&sc, flight + i, 1);
	}
	/* What follows is left where it is. */
	put(&sc, "x", 1);
	ck_assert_int_eq(link_accept_step(sc.accept, NOW), LINK_ACCEPT_ASK);
	ck_assert_int_eq(link_accept_step(sc.accept, NOW), LINK_ACCEPT_ASK);
	ck_assert_mem_eq(link_accept_peer(sc.accept), client_key.public, LINK_KEY_SIZE);
	ck_assert_mem_eq(link_accept_request(sc.accept), &the_request, sizeof(the_request));
	link_accept_answer(sc.accept, &the_answer);
	ck_assert_int_eq(link_accept_step(sc.accept, NOW), LINK_ACCEPT_DONE);
	ck_assert_int_eq(link_accept_finish(sc.accept, &link), 0);
	sc.accept = NULL;
	ck_assert_mem_eq(link_peer_key(link), client_key.public, LINK_KEY_SIZE);
	ck_assert_int_eq(read(sc.fd, greeting, sizeof(greeting)), sizeof(greeting));
	ck_assert_int_eq(read(sc.fd, second, sizeof(second)), sizeof(second));
	ck_assert_int_eq(noise_read_second(&n, second, sizeof(second), payload), 0);
	ck_assert_int_eq(terms_answer_decode(payload, &answer), 0);
	ck_assert_uint_eq(answer.byte_max, the_answer.byte_max);
	link_free(link);
	end_scene(&sc);
}
END_TEST

/* Whom the server does not know hears nothing. */
START_TEST(stranger)
{
	struct scene sc;
	struct noise n;
	uint8_t flight[FIRST_FLIGHT_SIZE];

	set_scene(&sc);
	make_flight(&n, &client_key, server_key.public, flight);
	put(&sc, flight, sizeof(flight));
	ck_assert_int_eq(link_accept_step(sc.accept, NOW), LINK_ACCEPT_ASK);
	expect_silence(&sc);
	end_scene(&sc);
}
END_TEST

START_TEST(for_another_server)
{
	struct scene sc;
	struct noise n;
	uint8_t flight[FIRST_FLIGHT_SIZE];
	struct key_pair other;

	key_pair_new(&other);
	set_scene(&sc);
	make_flight(&n, &client_key, other.public, flight);
	put(&sc, flight, sizeof(flight));
	ck_assert_int_eq(link_accept_step(sc.accept, NOW), -EPROTO);
	expect_silence(&sc);
	end_scene(&sc);
}
END_TEST

/* A recording gets an answer that it cannot read, and can say nothing that is believed. */
START_TEST(replayed)
{
	struct scene sc;
	struct noise n;
	uint8_t flight[FIRST_FLIGHT_SIZE], later[2 + 20] = { 0, 20, 1, 2, 3 };
	struct link *link;

	make_flight(&n, &client_key, server_key.public, flight);
	for (int i = 0; i < 2; i++) {
		set_scene(&sc);
		put(&sc, flight, sizeof(flight));
		put(&sc, later, sizeof(later));
		ck_assert_int_eq(link_accept_step(sc.accept, NOW), LINK_ACCEPT_ASK);
		link_accept_answer(sc.accept, &the_answer);
		ck_assert_int_eq(link_accept_step(sc.accept, NOW), LINK_ACCEPT_DONE);
		ck_assert_int_eq(link_accept_finish(sc.accept, &link), 0);
		sc.accept = NULL;
		expect_end(link, -EPROTO, PATIENCE_MS);
		link_free(link);
		end_scene(&sc);
	}
}
END_TEST

START_TEST(cut_at_each_byte)
{
	struct scene sc;
	struct noise n;
	uint8_t flight[FIRST_FLIGHT_SIZE];

	make_flight(&n, &client_key, server_key.public, flight);
	for (size_t len = 0; len < sizeof(flight); len++) {
		set_scene(&sc);
		put(&sc, flight, len);
		ck_assert_int_eq(shutdown(sc.fd, SHUT_WR), 0);
		ck_assert_int_eq(link_accept_step(sc.accept, NOW), -ECONNRESET);
		expect_silence(&sc);
		end_scene(&sc);
	}
}
END_TEST

START_TEST(changed_at_each_byte)
{
	struct scene sc;
	struct noise n;
	uint8_t flight[FIRST_FLIGHT_SIZE];
	int rc;

	for (size_t i = 0; i < sizeof(flight); i++) {
		make_flight(&n, &client_key, server_key.public, flight);
		flight[i] ^= (uint8_t)(1 << i % 8);
		set_scene(&sc);
		put(&sc, flight, sizeof(flight));
		rc = link_accept_step(sc.accept, NOW);
		ck_assert(rc == -EPROTO || (rc == -EPROTONOSUPPORT && i < GREETING_SIZE));
		expect_silence(&sc);
		end_scene(&sc);
	}
}
END_TEST

/* Each step has its time, and all together have theirs. */
START_TEST(timed_out)
{
	const struct link_accept_limits limits = { .step_ms = 50, .total_ms = 70 };
	struct scene sc;
	struct noise n;
	uint8_t flight[FIRST_FLIGHT_SIZE];
	int fds[2];

	make_flight(&n, &client_key, server_key.public, flight);
	set_scene(&sc);
	ck_assert_uint_eq(link_accept_deadline(sc.accept), NOW + LINK_ACCEPT_STEP_MS);
	ck_assert_int_eq(link_accept_step(sc.accept, NOW + LINK_ACCEPT_STEP_MS - 1), LINK_ACCEPT_READ);
	/* The greeting went out just now: a step of its own. */
	ck_assert_int_eq(link_accept_step(sc.accept, NOW + 2 * LINK_ACCEPT_STEP_MS - 2), LINK_ACCEPT_READ);
	ck_assert_int_eq(link_accept_step(sc.accept, NOW + 2 * LINK_ACCEPT_STEP_MS - 1), -ETIMEDOUT);
	end_scene(&sc);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(link_accept_new(fds[0], &server_key, &limits, NOW, &sc.accept), 0);
	sc.fd = fds[1];
	ck_assert_int_eq(link_accept_step(sc.accept, NOW), LINK_ACCEPT_READ);
	/* Bytes of the same step win no time. */
	put(&sc, flight, 1);
	ck_assert_int_eq(link_accept_step(sc.accept, NOW + 40), LINK_ACCEPT_READ);
	ck_assert_uint_eq(link_accept_deadline(sc.accept), NOW + 50);
	/* The next step does, but not beyond the total. */
	put(&sc, flight + 1, GREETING_SIZE - 1);
	ck_assert_int_eq(link_accept_step(sc.accept, NOW + 45), LINK_ACCEPT_READ);
	ck_assert_uint_eq(link_accept_deadline(sc.accept), NOW + 70);
	put(&sc, flight + GREETING_SIZE, FIRST_FLIGHT_SIZE - GREETING_SIZE);
	ck_assert_int_eq(link_accept_step(sc.accept, NOW + 70), -ETIMEDOUT);
	expect_silence(&sc);
	end_scene(&sc);
}
END_TEST

/* A peer that takes nothing: the step waits for it, without a thread. */
START_TEST(slow_reader)
{
	struct scene sc;
	struct noise n;
	uint8_t flight[FIRST_FLIGHT_SIZE], fill[4096] = { 0 }, got[65536];
	int small = 1;

	set_scene(&sc);
	make_flight(&n, &client_key, server_key.public, flight);
	put(&sc, flight, sizeof(flight));
	ck_assert_int_eq(link_accept_step(sc.accept, NOW), LINK_ACCEPT_ASK);
	setsockopt(link_accept_fd(sc.accept), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	while (send(link_accept_fd(sc.accept), fill, sizeof(fill), MSG_DONTWAIT) > 0)
		;
	link_accept_answer(sc.accept, &the_answer);
	ck_assert_int_eq(link_accept_step(sc.accept, NOW), LINK_ACCEPT_WRITE);
	while (recv(sc.fd, got, sizeof(got), MSG_DONTWAIT) > 0)
		;
	ck_assert_int_eq(link_accept_step(sc.accept, NOW), LINK_ACCEPT_DONE);
	end_scene(&sc);
}
END_TEST

START_TEST(terms)
{
	struct link_request request = the_request, request_again;
	struct link_answer answer = the_answer, answer_again;
	uint8_t out[TERMS_REQUEST_SIZE];

	memset(request.export, 'x', LINK_EXPORT_MAX);
	request.read_only = true;
	ck_assert_int_eq(terms_request_encode(&request, out), 0);
	ck_assert_int_eq(terms_request_decode(out, &request_again), 0);
	ck_assert_mem_eq(&request, &request_again, sizeof(request));
	out[0] = 2;
	ck_assert_int_eq(terms_request_decode(out, &request_again), -EPROTO);
	out[0] = 1;
	out[sizeof(out) - 1] = 1;
	ck_assert_int_eq(terms_request_decode(out, &request_again), -EPROTO);
	out[sizeof(out) - 1] = 0;
	out[17] = LINK_EXPORT_MAX + 1;
	ck_assert_int_eq(terms_request_decode(out, &request_again), -EPROTO);
	out[17] = 0;
	ck_assert_int_eq(terms_request_decode(out, &request_again), -EPROTO);
	/* A NUL in a name would make two names of one. */
	out[17] = 3;
	out[19] = 0;
	ck_assert_int_eq(terms_request_decode(out, &request_again), -EPROTO);
	request.export[0] = '\0';
	ck_assert_int_eq(terms_request_encode(&request, out), -EINVAL);
	memset(request.export, 'x', sizeof(request.export));
	ck_assert_int_eq(terms_request_encode(&request, out), -EINVAL);

	answer.status = LINK_UNAVAILABLE;
	answer.read_only = true;
	terms_answer_encode(&answer, out);
	ck_assert_int_eq(terms_answer_decode(out, &answer_again), 0);
	ck_assert_int_eq(answer_again.status, answer.status);
	ck_assert_uint_eq(answer_again.request_max, answer.request_max);
	ck_assert_uint_eq(answer_again.handle_max, answer.handle_max);
	ck_assert_uint_eq(answer_again.byte_max, answer.byte_max);
	ck_assert(answer_again.read_only);
	out[0] = LINK_UNAVAILABLE + 1;
	ck_assert_int_eq(terms_answer_decode(out, &answer_again), -EPROTO);
	out[0] = 0;
	out[TERMS_ANSWER_SIZE - 1] = 1;
	ck_assert_int_eq(terms_answer_decode(out, &answer_again), -EPROTO);
}
END_TEST

/* A server on a port of its own, for one connection; ${serve} is its thread. */
struct tcp { int listener; struct link_target target; pthread_t thread; enum link_status status; struct link *link; int rc; size_t at; bool cut; };

static void
listen_on(struct tcp *tcp, void *(*serve)(void *))
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	tcp->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(tcp->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(tcp->listener, 1), 0);
	ck_assert_int_eq(getsockname(tcp->listener, (struct sockaddr *)&address, &size), 0);
	tcp->target = (struct link_target){ .server.port = ntohs(address.sin_port), .key = &client_key, .request = the_request, .timeout_ms = PATIENCE_MS };
	strcpy(tcp->target.server.host, "127.0.0.1");
	memcpy(tcp->target.server_key, server_key.public, LINK_KEY_SIZE);
	if (serve != NULL)
		pthread_create(&tcp->thread, NULL, serve, tcp);
}

static void
stop_listening(struct tcp *tcp, bool join)
{
	if (join)
		pthread_join(tcp->thread, NULL);
	close(tcp->listener);
}

/* As mendd does, but for one connection. */
static void *
serve_one(void *arg)
{
	struct tcp *tcp = arg;
	struct link_answer answer = the_answer;
	struct link_accept *a;
	int fd = accept(tcp->listener, NULL, NULL);

	tcp->link = NULL;
	answer.status = tcp->status;
	if (link_accept_new(fd, &server_key, NULL, NOW, &a) != 0)
		return NULL;
	while ((tcp->rc = link_accept_step(a, NOW)) > 0 && tcp->rc != LINK_ACCEPT_DONE) {
		if (tcp->rc == LINK_ACCEPT_ASK)
			link_accept_answer(a, &answer);
		else
			usleep(50);
	}
	if (tcp->rc == LINK_ACCEPT_DONE)
		tcp->rc = link_accept_finish(a, &tcp->link);
	else
		link_accept_free(a);
	return NULL;
}

START_TEST(over_tcp)
{
	struct tcp tcp = { .status = LINK_OK };
	struct link_answer answer;
	struct link *client;
	char why[256] = "";

	listen_on(&tcp, serve_one);
	ck_assert_int_eq(link_connect_tcp(&tcp.target, &client, &answer, why, sizeof(why)), 0);
	ck_assert_uint_eq(answer.handle_max, the_answer.handle_max);
	stop_listening(&tcp, true);
	ck_assert_int_eq(tcp.rc, 0);
	ck_assert_mem_eq(link_peer_key(client), server_key.public, LINK_KEY_SIZE);
	ck_assert_mem_eq(link_peer_key(tcp.link), client_key.public, LINK_KEY_SIZE);
	ck_assert_int_eq(send_bytes(client, "hello", 5), 0);
	expect_bytes(tcp.link, "hello", 5);
	ck_assert_int_eq(send_bytes(tcp.link, "hi", 2), 0);
	ck_assert_int_eq(link_bye(tcp.link), 0);
	expect_bytes(client, "hi", 2);
	expect_end(client, 0, PATIENCE_MS);
	link_free(client);
	expect_end(tcp.link, -ECONNRESET, PATIENCE_MS);
	link_free(tcp.link);
}
END_TEST

START_TEST(refused)
{
	static const struct { enum link_status status; int rc; } cases[] = {
		{ LINK_NO_EXPORT, -ENOENT }, { LINK_NO_RIGHT, -EACCES }, { LINK_BUSY, -EBUSY }, { LINK_UNAVAILABLE, -EAGAIN },
	};
	struct link_answer answer;
	struct link *link;
	char why[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct tcp tcp = { .status = cases[i].status };

		listen_on(&tcp, serve_one);
		ck_assert_int_eq(link_connect_tcp(&tcp.target, &link, &answer, why, sizeof(why)), cases[i].rc);
		ck_assert_int_eq(answer.status, cases[i].status);
		stop_listening(&tcp, true);
		ck_assert_int_eq(tcp.rc, -EACCES);
	}
}
END_TEST

/* Another key than the server's pinned: it hangs up without a word. */
START_TEST(wrong_key)
{
	struct tcp tcp = { .status = LINK_OK };
	struct link_answer answer;
	struct link *link;
	struct key_pair other;
	char why[256] = "";

	key_pair_new(&other);
	listen_on(&tcp, serve_one);
	memcpy(tcp.target.server_key, other.public, LINK_KEY_SIZE);
	ck_assert_int_eq(link_connect_tcp(&tcp.target, &link, &answer, why, sizeof(why)), -EPERM);
	ck_assert_ptr_nonnull(strstr(why, "mendfs-key:"));
	stop_listening(&tcp, true);
	ck_assert_int_eq(tcp.rc, -EPROTO);
}
END_TEST

/* A man in the middle, who changes byte ${at} of what the server says, or cuts it there. */
static void *
serve_spoiled(void *arg)
{
	struct tcp *tcp = arg;
	uint8_t said[GREETING_SIZE + SECOND_FLIGHT_SIZE], flight[FIRST_FLIGHT_SIZE], payload[TERMS_REQUEST_SIZE], prologue[PROLOGUE_SIZE];
	struct noise n;
	int fd = accept(tcp->listener, NULL, NULL);
	size_t len = tcp->cut && tcp->at < GREETING_SIZE ? tcp->at : GREETING_SIZE;

	greeting_server(prologue);
	memcpy(said, prologue, GREETING_SIZE);
	if (!tcp->cut && tcp->at < GREETING_SIZE)
		said[tcp->at] ^= 1;
	if (write(fd, said, len) != (ssize_t)len || len < GREETING_SIZE || recv(fd, flight, sizeof(flight), MSG_WAITALL) != sizeof(flight))
		goto done;
	memcpy(prologue + GREETING_SIZE, flight, GREETING_SIZE);
	noise_start(&n, &server_key, NULL, prologue, sizeof(prologue));
	/* The client's prologue has the greeting that came, so that a changed one ends here. */
	if (noise_read_first(&n, flight + GREETING_SIZE, FIRST_MESSAGE_SIZE, payload) != 0)
		goto done;
	terms_answer_encode(&the_answer, payload);
	if (noise_write_second(&n, payload, TERMS_ANSWER_SIZE, said + GREETING_SIZE) != 0)
		goto done;
	if (!tcp->cut)
		said[tcp->at] ^= 1;
	len = tcp->cut ? tcp->at - GREETING_SIZE : SECOND_FLIGHT_SIZE;
	(void)!write(fd, said + GREETING_SIZE, len);

done:
	close(fd);
	return NULL;
}

START_TEST(spoiled_answers)
{
	struct link_answer answer;
	struct link *link;
	char why[256];
	int rc;

	for (int cut = 0; cut < 2; cut++) {
		for (size_t at = 0; at < GREETING_SIZE + SECOND_FLIGHT_SIZE; at++) {
			struct tcp tcp = { .at = at, .cut = cut == 1 };

			listen_on(&tcp, serve_spoiled);
			*why = '\0';
			rc = link_connect_tcp(&tcp.target, &link, &answer, why, sizeof(why));
			ck_assert_int_lt(rc, 0);
			if (cut == 0 && at >= GREETING_SIZE)
				ck_assert_int_eq(rc, -EPROTO);
			ck_assert_int_ne(*why, '\0');
			stop_listening(&tcp, true);
		}
	}
}
END_TEST

/* A server that says nothing is waited for no longer than asked. */
START_TEST(silent_server)
{
	struct tcp tcp = { .rc = 0 };
	struct link_answer answer;
	struct link *link;
	char why[256];

	listen_on(&tcp, NULL);
	tcp.target.timeout_ms = 20;
	ck_assert_int_eq(link_connect_tcp(&tcp.target, &link, &answer, why, sizeof(why)), -ETIMEDOUT);
	stop_listening(&tcp, false);
	/* Nobody listens there now. */
	ck_assert_int_eq(link_connect_tcp(&tcp.target, &link, &answer, why, sizeof(why)), -ECONNREFUSED);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("link/accept");
	TCase *tc = tcase_create("accept");

	if (sodium_init() < 0)
		return EXIT_FAILURE;
	key_pair_new(&server_key);
	key_pair_new(&client_key);
	tcase_add_test(tc, handshake);
	tcase_add_test(tc, stranger);
	tcase_add_test(tc, for_another_server);
	tcase_add_test(tc, replayed);
	tcase_add_test(tc, cut_at_each_byte);
	tcase_add_test(tc, changed_at_each_byte);
	tcase_add_test(tc, timed_out);
	tcase_add_test(tc, slow_reader);
	tcase_add_test(tc, terms);
	tcase_add_test(tc, over_tcp);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, wrong_key);
	tcase_add_test(tc, spoiled_answers);
	tcase_add_test(tc, silent_server);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
