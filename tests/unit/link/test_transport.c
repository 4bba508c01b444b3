/*
 * The encrypted stream, with honest and other people on the wire.
 */

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/mman.h>

#include "noise_pair.h"

#define MESSAGE_ROOM (MESSAGE_HEAD_SIZE + MESSAGE_SEALED_MAX)

/* A frame in a thread of its own: it may be larger than what a socket holds. */
struct sending { struct link *link; const uint8_t *data; size_t len; };

static void *
send_it(void *arg)
{
	struct sending *s = arg;

	ck_assert_int_eq(send_bytes(s->link, s->data, s->len), 0);
	return NULL;
}

START_TEST(every_size)
{
	static const size_t sizes[] = {
		1, 2, 15, 16, 511, 512, 4096, MESSAGE_PLAIN_MAX - 5, MESSAGE_PLAIN_MAX - 4, MESSAGE_PLAIN_MAX - 3, MESSAGE_PLAIN_MAX, MESSAGE_PLAIN_MAX + 1,
		2 * MESSAGE_PLAIN_MAX - 4, 262144, 4 * MESSAGE_PLAIN_MAX - 4, 4 * MESSAGE_PLAIN_MAX - 3, 524288, LINK_FRAME_MAX - 1, LINK_FRAME_MAX,
	};
	struct middle m;
	pthread_t threads[2];

	middle_new(&m, false);
	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			uint8_t *data = round % 2 == 0 ? pattern(sizes[i], (uint32_t)i) : calloc(1, sizes[i]);
			struct sending there = { m.pair.client, data, sizes[i] }, back = { m.pair.server, data, sizes[i] };

			pthread_create(&threads[0], NULL, send_it, &there);
			pthread_create(&threads[1], NULL, send_it, &back);
			expect_bytes(m.pair.server, data, sizes[i]);
			expect_bytes(m.pair.client, data, sizes[i]);
			pthread_join(threads[0], NULL);
			pthread_join(threads[1], NULL);
			free(data);
		}
	}
	middle_free(&m);
}
END_TEST

/* Each byte of a message, its length and its tag: one bit changed is noticed. */
START_TEST(changed_at_each_byte)
{
	uint8_t message[256];
	struct middle m;
	size_t len = 1;

	for (size_t i = 0; i < len; i++) {
		middle_new(&m, true);
		ck_assert_int_eq(send_bytes(m.pair.client, "a frame of some bytes", 21), 0);
		len = catch_message(&m, message);
		ck_assert_uint_le(len, sizeof(message));
		message[i] ^= (uint8_t)(1 << i % 8);
		pass_on(&m, message, len);
		shutdown(m.fds[1], SHUT_WR);
		/* A length that grew waits for bytes that never come: then it is the end that shows. */
		expect_end(m.pair.server, i < MESSAGE_HEAD_SIZE && ((size_t)message[0] << 8 | message[1]) > len - MESSAGE_HEAD_SIZE ? -ECONNRESET : -EPROTO, PATIENCE_MS);
		ck_assert_int_eq(send_bytes(m.pair.server, "x", 1), -EPIPE);
		middle_free(&m);
	}
	ck_assert_uint_eq(len, MESSAGE_HEAD_SIZE + FRAME_HEAD_SIZE + 21 + CIPHER_TAG_SIZE);
}
END_TEST

/* A stream that ends anywhere but after BYE was cut. */
START_TEST(cut_at_each_byte)
{
	uint8_t message[256];
	struct middle m;
	size_t len = 1;

	for (size_t i = 0; i <= len; i++) {
		middle_new(&m, true);
		ck_assert_int_eq(send_bytes(m.pair.client, "frame", 5), 0);
		len = catch_message(&m, message);
		pass_on(&m, message, i);
		shutdown(m.fds[1], SHUT_WR);
		if (i == len)
			expect_bytes(m.pair.server, "frame", 5);
		expect_end(m.pair.server, -ECONNRESET, PATIENCE_MS);
		middle_free(&m);
	}
}
END_TEST

/* Three messages; the second is what is played with. */
enum play { IN_ORDER, REPEATED, DROPPED, SWAPPED };

static void
play(enum play how, int rc)
{
	uint8_t messages[3][64];
	size_t len[3];
	struct middle m;

	middle_new(&m, true);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(send_bytes(m.pair.client, &"123"[i], 1), 0);
		len[i] = catch_message(&m, messages[i]);
	}
	pass_on(&m, messages[0], len[0]);
	if (how == REPEATED)
		pass_on(&m, messages[0], len[0]);
	if (how == SWAPPED)
		pass_on(&m, messages[2], len[2]);
	if (how != DROPPED)
		pass_on(&m, messages[1], len[1]);
	if (how != SWAPPED)
		pass_on(&m, messages[2], len[2]);
	expect_bytes(m.pair.server, "1", 1);
	if (rc == 0) {
		expect_bytes(m.pair.server, "2", 1);
		expect_bytes(m.pair.server, "3", 1);
	} else {
		expect_end(m.pair.server, rc, PATIENCE_MS);
	}
	middle_free(&m);
}

START_TEST(order)
{
	play(IN_ORDER, 0);
	play(REPEATED, -EPROTO);
	play(DROPPED, -EPROTO);
	play(SWAPPED, -EPROTO);
}
END_TEST

/* What one end said, said to it; and what another link's client said. */
START_TEST(reflected)
{
	uint8_t message[64];
	struct middle m, other;
	size_t len;

	middle_new(&m, true);
	ck_assert_int_eq(send_bytes(m.pair.client, "1", 1), 0);
	len = catch_message(&m, message);
	ck_assert_int_eq(send(m.fds[0], message, len, 0), (ssize_t)len);
	expect_end(m.pair.client, -EPROTO, PATIENCE_MS);
	middle_new(&other, true);
	pass_on(&other, message, len);
	expect_end(other.pair.server, -EPROTO, PATIENCE_MS);
	middle_free(&other);
	middle_free(&m);
}
END_TEST

/* Plain bytes, sealed as the client would, but with nothing of a frame's sense in them. */
static void
send_sealed(struct middle *m, const uint8_t *plain, size_t len)
{
	uint8_t message[MESSAGE_ROOM];

	message[0] = (uint8_t)((len + CIPHER_TAG_SIZE) >> 8);
	message[1] = (uint8_t)(len + CIPHER_TAG_SIZE);
	ck_assert_int_eq(cipher_seal(m->pair.client->send.cipher, plain, len, message + MESSAGE_HEAD_SIZE), 0);
	pass_on(m, message, MESSAGE_HEAD_SIZE + len + CIPHER_TAG_SIZE);
}

/* A client that is known may still be hostile. */
START_TEST(hostile_frames)
{
	static const struct { size_t len; uint8_t bytes[8]; int rc; } cases[] = {
		{ 4, { 1, 0, 0x11, 0 }, -EPROTO },		/* too long by one */
		{ 4, { 0xff, 0xff, 0xff, 0 }, -EPROTO },
		{ 4, { 0, 0, 0, 0 }, -EPROTO },			/* empty */
		{ 4, { 0, 0, 0, FRAME_LAST }, 0 },		/* BYE */
		{ 5, { 1, 0, 0, FRAME_LAST, 1 }, -EPROTO },
		{ 5, { 1, 0, 0, 4, 1 }, -EPROTO },		/* a flag of the future */
		{ 8, { 4, 0, 0, FRAME_ZSTD, 1, 2, 3, 4 }, -EPROTO },	/* no zstd */
		{ 0, { 0 }, -EPROTO },				/* a message of nothing */
		{ 3, { 1, 0, 0 }, -ETIMEDOUT },			/* a part of a head */
		{ 4, { 2, 0, 0, 0 }, -ETIMEDOUT },
	};
	struct middle m;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		middle_new(&m, true);
		send_sealed(&m, cases[i].bytes, cases[i].len);
		expect_end(m.pair.server, cases[i].rc, cases[i].rc == -ETIMEDOUT ? 1 : PATIENCE_MS);
		middle_free(&m);
	}
}
END_TEST

/* Many messages for one frame, and many frames in one message. */
START_TEST(split_and_joined)
{
	static const uint8_t frames[] = { 1, 0, 0, 0, 'a', 2, 0, 0, 0, 'b', 'c', 1, 0, 0, 0, 'd' };
	struct middle m;

	middle_new(&m, true);
	for (size_t i = 0; i < sizeof(frames); i++)
		send_sealed(&m, frames + i, 1);
	send_sealed(&m, frames, sizeof(frames));
	for (int i = 0; i < 2; i++) {
		expect_bytes(m.pair.server, "a", 1);
		expect_bytes(m.pair.server, "bc", 2);
		expect_bytes(m.pair.server, "d", 1);
	}
	expect_end(m.pair.server, -ETIMEDOUT, 0);
	middle_free(&m);
}
END_TEST

#define MANY (2 * CIPHER_REKEY_EVERY + 1000)

static void *
send_many(void *arg)
{
	struct middle *m = arg;

	/* Each assertion that holds is a system call of Check's. */
	for (uint32_t i = 0; i < MANY; i++) {
		if (send_bytes(m->pair.client, &i, sizeof(i)) != 0)
			ck_abort();
	}
	ck_assert_int_eq(link_bye(m->pair.client), 0);
	return NULL;
}

/* The key changes on the way, twice, and nobody notices. */
START_TEST(rekeyed)
{
	uint8_t before[CIPHER_KEY_SIZE];
	struct middle m;
	pthread_t thread;
	uint8_t *body;
	size_t len;

	middle_new(&m, false);
	memcpy(before, m.pair.client->send.cipher->key, sizeof(before));
	pthread_create(&thread, NULL, send_many, &m);
	for (uint32_t i = 0; i < MANY; i++) {
		if (link_receive(m.pair.server, &body, &len, PATIENCE_MS) != 0 || len != sizeof(i) || memcmp(body, &i, len) != 0)
			ck_abort();
	}
	expect_end(m.pair.server, 0, PATIENCE_MS);
	pthread_join(thread, NULL);
	ck_assert_mem_ne(m.pair.client->send.cipher->key, before, sizeof(before));
	ck_assert_mem_eq(m.pair.client->send.cipher->key, m.pair.server->recv.cipher->key, sizeof(before));
	/* One thread that sends has a message for each frame. */
	ck_assert_uint_eq(m.pair.client->send.cipher->nonce, MANY + 1);
	middle_free(&m);
}
END_TEST

/* A bomb: 128 MiB of zeros in some kilobytes, which says so, or does not. */
START_TEST(bombs)
{
	static const uint8_t magic[] = { 0x28, 0xb5, 0x2f, 0xfd };
	/* A frame header of eight bytes of size; then RLE blocks of 128 KiB each. */
	uint8_t bomb[FRAME_HEAD_SIZE + 13 + 4 * 1024] = { 0 };
	struct middle m;

	for (int says_so = 0; says_so < 2; says_so++) {
		size_t at = FRAME_HEAD_SIZE;
		uint64_t size = says_so ? 1024ULL * 128 * 1024 : 1024;
		struct frame_head head = { .flags = FRAME_ZSTD };

		memcpy(bomb + at, magic, sizeof(magic));
		at += sizeof(magic);
		bomb[at++] = 0xe0;	/* single segment, eight bytes of size */
		for (int i = 0; i < 8; i++)
			bomb[at++] = (uint8_t)(size >> 8 * i);
		for (int i = 0; i < 1024; i++) {
			uint32_t block = (i == 1023 ? 1 : 0) | 1 << 1 | 128 * 1024 << 3;

			bomb[at++] = (uint8_t)block;
			bomb[at++] = (uint8_t)(block >> 8);
			bomb[at++] = (uint8_t)(block >> 16);
			bomb[at++] = 0;
		}
		head.len = at - FRAME_HEAD_SIZE;
		frame_head_encode(&head, bomb);
		middle_new(&m, true);
		send_sealed(&m, bomb, at);
		expect_end(m.pair.server, -EPROTO, PATIENCE_MS);
		middle_free(&m);
	}
}
END_TEST

#define SENDERS 8
#define FRAMES 300

struct crowd { struct link *link; uint32_t number; };

static void *
send_frames(void *arg)
{
	struct crowd *c = arg;
	uint32_t seed = c->number * 7919;
	uint8_t *data = pattern(70000, c->number);

	for (uint32_t i = 0; i < FRAMES; i++) {
		uint32_t head[3] = { c->number, i, (seed = seed * 1664525 + 1013904223) >> 16 };
		/* Mostly small ones; each 16th is larger than what may be pending with others. */
		size_t len = i % 16 == 15 ? head[2] : head[2] % 600;
		struct iovec parts[2] = { { head, sizeof(head) }, { data, len } };

		head[2] = (uint32_t)len;
		ck_assert_int_eq(link_send(c->link, parts, 2), 0);
	}
	free(data);
	return NULL;
}

/* Of many threads at once each frame comes once, whole, and in its thread's order. */
START_TEST(crowd)
{
	struct crowd crowds[SENDERS];
	pthread_t threads[SENDERS];
	uint32_t seen[SENDERS] = { 0 }, head[3];
	uint8_t *data[SENDERS], *body;
	struct middle m;
	size_t len;

	middle_new(&m, false);
	for (uint32_t i = 0; i < SENDERS; i++) {
		data[i] = pattern(70000, i);
		crowds[i] = (struct crowd){ m.pair.client, i };
		pthread_create(&threads[i], NULL, send_frames, &crowds[i]);
	}
	for (int i = 0; i < SENDERS * FRAMES; i++) {
		ck_assert_int_eq(link_receive(m.pair.server, &body, &len, PATIENCE_MS), 0);
		ck_assert_uint_ge(len, sizeof(head));
		memcpy(head, body, sizeof(head));
		ck_assert_uint_eq(head[1], seen[head[0]]++);
		ck_assert_uint_eq(len, sizeof(head) + head[2]);
		ck_assert_mem_eq(body + sizeof(head), data[head[0]], head[2]);
	}
	for (int i = 0; i < SENDERS; i++) {
		pthread_join(threads[i], NULL);
		free(data[i]);
	}
	middle_free(&m);
}
END_TEST

#define SMALL_FRAMES 100

static bool
is_writing(struct sender *s)
{
	bool writing;

	pthread_mutex_lock(&s->mutex);
	writing = s->writing;
	pthread_mutex_unlock(&s->mutex);
	return writing;
}

/* While one thread writes others need not wait, and what they send goes out as one message. */
START_TEST(coalesced)
{
	uint8_t *data = pattern(LINK_FRAME_MAX, 1);
	struct sending large = { .data = data, .len = LINK_FRAME_MAX };
	pthread_t thread;
	struct middle m;

	middle_new(&m, false);
	large.link = m.pair.client;
	/* It does not fit into the socket, and nobody reads. */
	pthread_create(&thread, NULL, send_it, &large);
	while (!is_writing(&m.pair.client->send))
		usleep(100);
	for (uint32_t i = 0; i < SMALL_FRAMES; i++)
		ck_assert_int_eq(send_bytes(m.pair.client, &i, sizeof(i)), 0);
	expect_bytes(m.pair.server, data, LINK_FRAME_MAX);
	for (uint32_t i = 0; i < SMALL_FRAMES; i++)
		expect_bytes(m.pair.server, &i, sizeof(i));
	pthread_join(thread, NULL);
	ck_assert_uint_eq(m.pair.client->send.cipher->nonce, (FRAME_HEAD_SIZE + LINK_FRAME_MAX + MESSAGE_PLAIN_MAX - 1) / MESSAGE_PLAIN_MAX + 1);
	middle_free(&m);
	free(data);
}
END_TEST

/* A link that breaks while threads wait in it lets all of them go. */
static void *
send_until_broken(void *arg)
{
	uint8_t *data = pattern(200000, 1);

	while (send_bytes(arg, data, 200000) == 0)
		;
	free(data);
	return NULL;
}

START_TEST(broken_under_load)
{
	pthread_t threads[SENDERS];
	struct middle m;

	middle_new(&m, false);
	for (int i = 0; i < SENDERS; i++)
		pthread_create(&threads[i], NULL, send_until_broken, m.pair.client);
	usleep(2000);
	link_shutdown(m.pair.client);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	middle_free(&m);
}
END_TEST

START_TEST(counted)
{
	struct link_counters sent, got;
	struct middle m;

	middle_new(&m, false);
	ck_assert_int_eq(send_bytes(m.pair.client, "12345", 5), 0);
	ck_assert_int_eq(send_bytes(m.pair.client, "678", 3), 0);
	expect_bytes(m.pair.server, "12345", 5);
	expect_bytes(m.pair.server, "678", 3);
	link_count(m.pair.client, &sent);
	link_count(m.pair.server, &got);
	ck_assert_uint_eq(sent.frames_out, 2);
	ck_assert_uint_eq(got.frames_in, 2);
	ck_assert_uint_eq(sent.bytes_out, 8 + 2 * (MESSAGE_HEAD_SIZE + FRAME_HEAD_SIZE + CIPHER_TAG_SIZE));
	ck_assert_uint_eq(got.bytes_in, sent.bytes_out);
	ck_assert_uint_eq(got.bytes_out + sent.bytes_in, 0);
	ck_assert_uint_ge(got.heard_ms, sent.heard_ms);
	middle_free(&m);
}
END_TEST

/* How many pages of a buffer are there. */
static size_t
resident(void *buffer, size_t size)
{
	size_t pages = (size + 4095) / 4096, count = 0;
	unsigned char *map = malloc(pages);

	ck_assert_int_eq(mincore(buffer, size, map), 0);
	for (size_t i = 0; i < pages; i++)
		count += map[i] & 1;
	free(map);
	return count;
}

/* What a large frame needed is given back when nothing moves, without a frame being lost that came in parts. */
START_TEST(idle)
{
	uint8_t message[2][MESSAGE_ROOM], *data = pattern(100000, 1);
	size_t len[2];
	struct middle m;

	middle_new(&m, true);
	m.pair.client->idle_ms = m.pair.server->idle_ms = 1;
	ck_assert_int_eq(send_bytes(m.pair.client, data, 100000), 0);
	len[0] = catch_message(&m, message[0]);
	len[1] = catch_message(&m, message[1]);
	pass_on(&m, message[0], len[0]);
	expect_end(m.pair.server, -ETIMEDOUT, 0);
	ck_assert_uint_gt(resident(m.pair.server->recv.plain, 65536), 10);
	expect_end(m.pair.server, -ETIMEDOUT, 2);
	pass_on(&m, message[1], len[1]);
	expect_bytes(m.pair.server, data, 100000);
	expect_end(m.pair.server, -ETIMEDOUT, 2);
	expect_end(m.pair.client, -ETIMEDOUT, 2);
	ck_assert_uint_eq(resident(m.pair.server->recv.plain, 1024 * 1024), 0);
	ck_assert_uint_eq(resident(m.pair.server->recv.sealed, 65536), 0);
	ck_assert_uint_eq(resident(m.pair.client->send.sealed, 65536), 0);
	/* And goes on. */
	ck_assert_int_eq(send_bytes(m.pair.client, "x", 1), 0);
	pass_on(&m, message[0], catch_message(&m, message[0]));
	expect_bytes(m.pair.server, "x", 1);
	middle_free(&m);
	free(data);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("link/transport");
	TCase *tc = tcase_create("transport");

	if (sodium_init() < 0)
		return EXIT_FAILURE;
	tcase_add_test(tc, every_size);
	tcase_add_test(tc, changed_at_each_byte);
	tcase_add_test(tc, cut_at_each_byte);
	tcase_add_test(tc, order);
	tcase_add_test(tc, reflected);
	tcase_add_test(tc, hostile_frames);
	tcase_add_test(tc, split_and_joined);
	tcase_add_test(tc, rekeyed);
	tcase_add_test(tc, bombs);
	tcase_add_test(tc, crowd);
	tcase_add_test(tc, coalesced);
	tcase_add_test(tc, broken_under_load);
	tcase_add_test(tc, counted);
	tcase_add_test(tc, idle);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
