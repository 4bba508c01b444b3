/*
 * Connections of strangers, over the loopback, with a client among them whose
 * side is played here by link/connect in a thread.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "link/connect.h"
#include "link/greeting.h"
#include "mendd/strangers.h"
#include "util/clock.h"

#include "../check_main.h"

#define CROWD 1000		/* connections of one place, one after the other: open at the same time */

static struct key_pair server, client, stranger;
static struct strangers *strangers;
static int listener;
static struct sockaddr_in address;
static struct link *admitted;
static unsigned asked;

static bool
ask(void *arg, const uint8_t *key, const struct link_request *request, struct link_answer *answer)
{
	(void)arg;
	asked++;
	if (!key_equal(key, client.public))
		return false;
	ck_assert_str_eq(request->export, "e");
	answer->status = LINK_OK;
	return true;
}

static void
admit(void *arg, struct link *link, const struct link_request *request, const char *from)
{
	(void)arg;
	ck_assert_str_eq(request->export, "e");
	ck_assert_str_eq(from, "127.0.0.1");
	admitted = link;
}

static void
setup(void)
{
	const struct strangers_calls calls = { .ask = ask, .admit = admit };
	socklen_t len = sizeof(address);

	key_pair_new(&server);
	key_pair_new(&client);
	key_pair_new(&stranger);
	ck_assert_int_eq(strangers_new(&server, &calls, &strangers), 0);
	ck_assert_int_ge(listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 0);
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 128), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
}

static void
teardown(void)
{
	strangers_free(strangers);
	link_free(admitted);
	close(listener);
}

/* One connection from 127.${a}.${b}.1. */
static int
stranger_from(unsigned a, unsigned b)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(127u << 24 | a << 16 | b << 8 | 1) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void
take_all(uint64_t now_ms)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int fd;

	while ((fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC)) >= 0) {
		strangers_add(strangers, fd, &from, now_ms);
		len = sizeof(from);
	}
}

/* One round of the loop, as of ${now_ms}; how many are there. */
static unsigned
turn(uint64_t now_ms, int wait_ms)
{
	struct pollfd polls[STRANGERS_MAX];
	uint64_t deadline = UINT64_MAX;
	unsigned count = strangers_poll(strangers, polls, &deadline);

	(void)poll(polls, count, wait_ms);
	strangers_step(strangers, polls, count, now_ms);
	return strangers_poll(strangers, polls, &deadline);
}

/* Is its other end still there? */
static bool
is_open(int fd)
{
	uint8_t greeting[GREETING_SIZE];

	return recv(fd, greeting, sizeof(greeting), MSG_DONTWAIT | MSG_PEEK) == (ssize_t)sizeof(greeting) &&
	    send(fd, "m", 1, MSG_NOSIGNAL) == 1 && recv(fd, greeting, sizeof(greeting), MSG_DONTWAIT) == (ssize_t)sizeof(greeting) &&
	    recv(fd, greeting, sizeof(greeting), MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void *
be_client(void *arg)
{
	struct link_target target = { .server = { .host = "127.0.0.1" }, .key = arg, .request = { .export = "e" } };
	struct link_answer answer;
	struct link *link = NULL;
	char why[512];

	target.server.port = ntohs(address.sin_port);
	memcpy(target.server_key, server.public, sizeof(target.server_key));
	(void)link_connect_tcp(&target, &link, &answer, why, sizeof(why));
	return link;
}

START_TEST(a_client_is_admitted)
{
	pthread_t thread;
	void *link;

	ck_assert_int_eq(pthread_create(&thread, NULL, be_client, &client), 0);
	while (admitted == NULL) {
		take_all(clock_monotonic_ms());
		(void)turn(clock_monotonic_ms(), 1);
	}
	pthread_join(thread, &link);
	ck_assert_ptr_nonnull(link);
	ck_assert(key_equal(link_peer_key(admitted), client.public));
	ck_assert_uint_eq(turn(clock_monotonic_ms(), 0), 0);
	link_free(link);
}
END_TEST

START_TEST(another_key_gets_nothing)
{
	struct strangers_counters counters;
	pthread_t thread;
	void *link;

	ck_assert_int_eq(pthread_create(&thread, NULL, be_client, &stranger), 0);
	while (asked == 0) {
		take_all(clock_monotonic_ms());
		(void)turn(clock_monotonic_ms(), 1);
	}
	pthread_join(thread, &link);
	ck_assert_ptr_null(link);
	ck_assert_ptr_null(admitted);
	strangers_count(strangers, &counters);
	ck_assert_uint_eq(counters.came, 1);
	ck_assert_uint_eq(counters.failed, 1);
}
END_TEST

/* Who sends nothing is dropped at the time that the link says, and not before. */
START_TEST(time_runs_out)
{
	const uint64_t now = clock_monotonic_ms();
	int fd = stranger_from(0, 0);

	take_all(now);
	ck_assert_uint_eq(turn(now + LINK_ACCEPT_STEP_MS - 1, 0), 1);
	ck_assert_uint_eq(turn(now + LINK_ACCEPT_STEP_MS + 1, 0), 0);
	close(fd);
}
END_TEST

/* A crowd pushes out its own, and leaves those alone who came from elsewhere. */
START_TEST(the_largest_crowd_gives_way)
{
	const uint64_t now = clock_monotonic_ms();
	int others[3], fds[CROWD], i;

	for (i = 0; i < 3; i++)
		others[i] = stranger_from(1, (unsigned)i);
	take_all(now);
	for (i = 0; i < CROWD; i++) {
		fds[i] = stranger_from(2, 2);
		take_all(now);
	}
	ck_assert_uint_le(turn(now, 0), STRANGERS_MAX);
	for (i = 0; i < 3; i++) {
		ck_assert(is_open(others[i]));
		close(others[i]);
	}
	/* The last ones of the crowd are there, the first have gone. */
	ck_assert(is_open(fds[CROWD - 1]));
	ck_assert(!is_open(fds[0]));
	for (i = 0; i < CROWD; i++)
		close(fds[i]);
	ck_assert_uint_eq(turn(now, 10), 0);
}
END_TEST

START_TEST(one_goes_for_a_descriptor)
{
	int fd = stranger_from(0, 0);

	take_all(clock_monotonic_ms());
	ck_assert(strangers_drop_oldest(strangers));
	ck_assert(!strangers_drop_oldest(strangers));
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mendd/strangers");
	TCase *tc = tcase_create("strangers");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_client_is_admitted);
	tcase_add_test(tc, another_key_gets_nothing);
	tcase_add_test(tc, time_runs_out);
	tcase_add_test(tc, the_largest_crowd_gives_way);
	tcase_add_test(tc, one_goes_for_a_descriptor);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
