#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "link/frame.h"
#include "link/greeting.h"

#include "pair.h"

START_TEST(every_size)
{
	static const size_t sizes[] = { 1, 2, 511, 512, 4096, 65518, 65519, 65520, 131072, 131073, LINK_FRAME_MAX };
	struct pair p;
	uint8_t *data;

	pair_plain(&p);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct iovec parts[3];
		size_t third = sizes[i] / 3;

		/* A socketpair holds some 200 KB: larger frames need a thread each, and test_transport has those. */
		if (sizes[i] > 150000)
			break;
		data = pattern(sizes[i], (uint32_t)i);
		parts[0] = (struct iovec){ data, third };
		parts[1] = (struct iovec){ data + third, 0 };
		parts[2] = (struct iovec){ data + third, sizes[i] - third };
		ck_assert_int_eq(link_send(p.client, parts, 3), 0);
		expect_bytes(p.server, data, sizes[i]);
		ck_assert_int_eq(send_bytes(p.server, data, sizes[i]), 0);
		expect_bytes(p.client, data, sizes[i]);
		free(data);
	}
	pair_free(&p);
}
END_TEST

START_TEST(refused)
{
	struct pair p;
	uint8_t *data = pattern(LINK_FRAME_MAX + 1, 1);
	struct iovec many[1000];

	for (int i = 0; i < 1000; i++)
		many[i] = (struct iovec){ data, 1 };
	pair_plain(&p);
	ck_assert_int_eq(send_bytes(p.client, data, 0), -EMSGSIZE);
	ck_assert_int_eq(send_bytes(p.client, data, LINK_FRAME_MAX + 1), -EMSGSIZE);
	ck_assert_int_eq(link_send(p.client, many, 0), -EMSGSIZE);
	ck_assert_int_eq(link_send(p.client, many, 1000), -EMSGSIZE);
	/* And nothing happened. */
	ck_assert_int_eq(send_bytes(p.client, "x", 1), 0);
	expect_bytes(p.server, "x", 1);
	ck_assert_ptr_null(link_peer_key(p.client));
	pair_free(&p);
	free(data);
}
END_TEST

START_TEST(bye)
{
	struct pair p;

	pair_plain(&p);
	ck_assert_int_eq(send_bytes(p.client, "last", 4), 0);
	ck_assert_int_eq(link_bye(p.client), 0);
	ck_assert_int_eq(send_bytes(p.client, "x", 1), -EPIPE);
	ck_assert_int_eq(link_bye(p.client), -EPIPE);
	expect_bytes(p.server, "last", 4);
	expect_end(p.server, 0, PATIENCE_MS);
	expect_end(p.server, 0, PATIENCE_MS);
	/* The other direction goes on. */
	ck_assert_int_eq(send_bytes(p.server, "reply", 5), 0);
	expect_bytes(p.client, "reply", 5);
	pair_free(&p);
}
END_TEST

START_TEST(cut)
{
	struct pair p;

	pair_plain(&p);
	ck_assert_int_eq(send_bytes(p.client, "x", 1), 0);
	link_free(p.client);
	expect_bytes(p.server, "x", 1);
	expect_end(p.server, -ECONNRESET, PATIENCE_MS);
	expect_end(p.server, -ECONNRESET, PATIENCE_MS);
	ck_assert_int_eq(link_error(p.server), -ECONNRESET);
	ck_assert_int_eq(send_bytes(p.server, "x", 1), -EPIPE);
	link_free(p.server);
}
END_TEST

START_TEST(nothing_yet)
{
	struct pair p;

	pair_plain(&p);
	expect_end(p.server, -ETIMEDOUT, 0);
	expect_end(p.server, -ETIMEDOUT, 1);
	ck_assert_int_eq(send_bytes(p.client, "x", 1), 0);
	expect_bytes(p.server, "x", 1);
	pair_free(&p);
}
END_TEST

/* mendd --stdio: pipes, one for each direction, and a child that is waited for. */
START_TEST(pipes)
{
	int up[2], down[2];
	struct pair p;
	pid_t child;

	signal(SIGPIPE, SIG_IGN);
	/* Before the pipes, of which it would have the ends. */
	if ((child = fork()) == 0) {
		/* Check's handler would end the test. */
		signal(SIGTERM, SIG_DFL);
		pause();
	}
	ck_assert_int_eq(pipe(up), 0);
	ck_assert_int_eq(pipe(down), 0);
	ck_assert_int_eq(link_from_pipes(down[0], up[1], child, false, &p.client), 0);
	ck_assert_int_eq(link_from_pipes(up[0], down[1], 0, true, &p.server), 0);
	ck_assert_int_eq(send_bytes(p.client, "hello", 5), 0);
	expect_bytes(p.server, "hello", 5);
	ck_assert_int_eq(send_bytes(p.server, "hi", 2), 0);
	expect_bytes(p.client, "hi", 2);
	link_free(p.server);
	expect_end(p.client, -ECONNRESET, PATIENCE_MS);
	/* It does not end by itself, and so is ended. */
	link_free(p.client);
	ck_assert_int_eq(waitpid(child, NULL, WNOHANG), -1);
}
END_TEST

/* Who has no greeting to send to is told so at once. */
START_TEST(nobody_there)
{
	struct link *link;
	int up[2], down[2];

	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(pipe(up), 0);
	ck_assert_int_eq(pipe(down), 0);
	close(up[0]);
	ck_assert_int_eq(link_from_pipes(down[0], up[1], 0, false, &link), -ECONNRESET);
	/* And keeps what is his. */
	ck_assert_int_eq(close(up[1]), 0);
	ck_assert_int_eq(close(down[0]), 0);
}
END_TEST

static void *
shut_down(void *link)
{
	usleep(2000);
	link_shutdown(link);
	return NULL;
}

START_TEST(shutdown_wakes)
{
	struct pair p;
	pthread_t thread;

	pair_plain(&p);
	pthread_create(&thread, NULL, shut_down, p.server);
	expect_end(p.server, -ESHUTDOWN, -1);
	pthread_join(thread, NULL);
	ck_assert_int_eq(send_bytes(p.server, "x", 1), -EPIPE);
	expect_end(p.client, -ECONNRESET, PATIENCE_MS);
	pair_free(&p);
}
END_TEST

/* A peer that takes nothing is given up. */
START_TEST(send_timeout)
{
	struct pair p;
	uint8_t *data = pattern(LINK_FRAME_MAX, 1);

	pair_plain(&p);
	link_set_send_timeout(p.client, 20);
	ck_assert_int_eq(send_bytes(p.client, data, LINK_FRAME_MAX), -EPIPE);
	ck_assert_int_eq(link_error(p.client), -ETIMEDOUT);
	expect_end(p.client, -ETIMEDOUT, -1);
	pair_free(&p);
	free(data);
}
END_TEST

/* The greeting: every byte of it counts. */
START_TEST(greeting)
{
	uint8_t hello[GREETING_SIZE];
	int fds[2];
	struct link *link;

	for (int i = 0; i <= GREETING_SIZE; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		ck_assert_int_eq(link_from_pipes(fds[0], fds[0], 0, false, &link), 0);
		greeting_server(hello);
		if (i < GREETING_SIZE)
			hello[i] ^= 0x80;
		ck_assert_int_eq(write(fds[1], hello, sizeof(hello)), sizeof(hello));
		/* The lowest version we must speak is raised; the highest may well be. */
		expect_end(link, i == 8 || i == 9 ? -EPROTONOSUPPORT : i == 10 || i == 11 || i == GREETING_SIZE ? -ETIMEDOUT : -EPROTO, 0);
		link_free(link);
		close(fds[1]);
	}
}
END_TEST

START_TEST(frame_heads)
{
	static const struct { uint8_t bytes[4]; int rc; } heads[] = {
		{ { 1, 0, 0, 0 }, 0 },
		{ { 0, 0, 0x11, 0 }, 0 },		/* LINK_FRAME_MAX */
		{ { 1, 0, 0x11, 0 }, -EPROTO },
		{ { 0xff, 0xff, 0xff, 0 }, -EPROTO },
		{ { 0, 0, 0, 0 }, -EPROTO },
		{ { 0, 0, 0, FRAME_LAST }, 0 },
		{ { 1, 0, 0, FRAME_LAST }, -EPROTO },
		{ { 1, 0, 0, FRAME_ZSTD }, 0 },
		{ { 0, 0, 0, FRAME_ZSTD }, -EPROTO },
		{ { 0, 0, 0, FRAME_ZSTD | FRAME_LAST }, -EPROTO },
		{ { 1, 0, 0, 4 }, -EPROTO },
		{ { 1, 0, 0, 0x80 }, -EPROTO },
	};
	struct frame_head head;
	uint8_t again[FRAME_HEAD_SIZE];

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		ck_assert_int_eq(frame_head_decode(heads[i].bytes, &head), heads[i].rc);
		if (heads[i].rc != 0)
			continue;
		frame_head_encode(&head, again);
		ck_assert_mem_eq(again, heads[i].bytes, sizeof(again));
	}
}
END_TEST

#define SENDERS 8
#define FRAMES 2000

static void *
send_many(void *arg)
{
	struct pair *p = arg;
	static atomic_uint next;
	uint32_t number[2] = { next++, 0 };

	for (; number[1] < FRAMES; number[1]++)
		ck_assert_int_eq(send_bytes(p->client, number, sizeof(number)), 0);
	return NULL;
}

/* Frames of many threads: none is lost, each thread's are in order. */
START_TEST(many_senders)
{
	struct pair p;
	pthread_t threads[SENDERS];
	uint32_t seen[SENDERS] = { 0 }, number[2];
	uint8_t *body;
	size_t len;

	pair_plain(&p);
	for (int i = 0; i < SENDERS; i++)
		pthread_create(&threads[i], NULL, send_many, &p);
	for (int i = 0; i < SENDERS * FRAMES; i++) {
		ck_assert_int_eq(link_receive(p.server, &body, &len, PATIENCE_MS), 0);
		ck_assert_uint_eq(len, sizeof(number));
		memcpy(number, body, len);
		ck_assert_uint_eq(number[1], seen[number[0]]++);
	}
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(link_bye(p.client), 0);
	expect_end(p.server, 0, PATIENCE_MS);
	pair_free(&p);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("link/plain");
	TCase *tc = tcase_create("plain");

	tcase_add_test(tc, every_size);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, bye);
	tcase_add_test(tc, cut);
	tcase_add_test(tc, nothing_yet);
	tcase_add_test(tc, pipes);
	tcase_add_test(tc, nobody_there);
	tcase_add_test(tc, shutdown_wakes);
	tcase_add_test(tc, send_timeout);
	tcase_add_test(tc, greeting);
	tcase_add_test(tc, frame_heads);
	tcase_add_test(tc, many_senders);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
