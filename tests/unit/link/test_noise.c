#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "link/noise.h"

#include "../check_main.h"
#include "../hex.h"
#include "vectors.h"

#define ROOM 256

static size_t
from_hex(const char *text, uint8_t *out, size_t size)
{
	size_t len;

	ck_assert_int_eq(sodium_hex2bin(out, size, text, strlen(text), NULL, &len, NULL), 0);
	return len;
}

static void
pair_from_hex(struct key_pair *pair, const char *secret)
{
	uint8_t bytes[LINK_KEY_SIZE];

	ck_assert_uint_eq(from_hex(secret, bytes, sizeof(bytes)), sizeof(bytes));
	key_pair_from(pair, bytes);
}

/* Message ${i} of a vector, from ${from} to ${to}. */
static void
check_message(const struct vector *v, size_t i, struct noise *from, struct noise *to, struct cipher *seal, struct cipher *open)
{
	uint8_t payload[ROOM], want[ROOM], sealed[ROOM], got[ROOM];
	size_t len = from_hex(v->messages[i].payload, payload, sizeof(payload));
	size_t want_len = from_hex(v->messages[i].sealed, want, sizeof(want));

	switch (i) {
	case 0:
		ck_assert_uint_eq(want_len, len + NOISE_FIRST_OVERHEAD);
		ck_assert_int_eq(noise_write_first(from, payload, len, sealed), 0);
		ck_assert_int_eq(noise_read_first(to, sealed, want_len, got), 0);
		break;
	case 1:
		ck_assert_uint_eq(want_len, len + NOISE_SECOND_OVERHEAD);
		ck_assert_int_eq(noise_write_second(from, payload, len, sealed), 0);
		ck_assert_int_eq(noise_read_second(to, sealed, want_len, got), 0);
		break;
	default:
		ck_assert_uint_eq(want_len, len + CIPHER_TAG_SIZE);
		ck_assert_int_eq(cipher_seal(seal, payload, len, sealed), 0);
		ck_assert_int_eq(cipher_open(open, sealed, want_len, got), 0);
		break;
	}
	ck_assert_mem_eq(sealed, want, want_len);
	ck_assert_mem_eq(got, payload, len);
}

static void
check_vector(const struct vector *v)
{
	uint8_t prologue[ROOM], rs[LINK_KEY_SIZE], ephemeral[2][LINK_KEY_SIZE];
	size_t prologue_len = from_hex(v->prologue, prologue, sizeof(prologue));
	struct key_pair s[2];
	struct noise n[2];
	struct cipher seal[2], open[2];

	pair_from_hex(&s[0], v->init_static);
	pair_from_hex(&s[1], v->resp_static);
	from_hex(v->init_remote_static, rs, sizeof(rs));
	ck_assert_mem_eq(rs, s[1].public, sizeof(rs));
	from_hex(v->init_ephemeral, ephemeral[0], LINK_KEY_SIZE);
	from_hex(v->resp_ephemeral, ephemeral[1], LINK_KEY_SIZE);
	noise_start(&n[0], &s[0], rs, prologue, prologue_len);
	noise_start(&n[1], &s[1], NULL, prologue, prologue_len);
	for (size_t i = 0; v->messages[i].payload != NULL; i++) {
		size_t from = i % 2, to = 1 - from;

		if (i == 2) {
			noise_split(&n[0], &seal[0], &open[0]);
			noise_split(&n[1], &seal[1], &open[1]);
		}
		noise_fix_ephemeral(ephemeral[from]);
		check_message(v, i, &n[from], &n[to], &seal[from], &open[to]);
	}
	noise_fix_ephemeral(NULL);
	ck_assert_mem_eq(n[1].rs, s[0].public, LINK_KEY_SIZE);
	ck_assert_mem_eq(n[0].h, n[1].h, NOISE_HASH_SIZE);
	if (v->handshake_hash != NULL)
		ck_assert_str_eq(hex(n[0].h, NOISE_HASH_SIZE), v->handshake_hash);
}

START_TEST(published)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++)
		check_vector(&vectors[i]);
}
END_TEST

/* Two that know each other, and a first message between them. */
struct scene { struct key_pair s[2]; struct noise n[2]; uint8_t first[NOISE_FIRST_OVERHEAD + 4], second[NOISE_SECOND_OVERHEAD + 4]; };

static void
set_scene(struct scene *sc)
{
	key_pair_new(&sc->s[0]);
	key_pair_new(&sc->s[1]);
	noise_start(&sc->n[0], &sc->s[0], sc->s[1].public, NULL, 0);
	ck_assert_int_eq(noise_write_first(&sc->n[0], (const uint8_t *)"ping", 4, sc->first), 0);
}

static int
respond(struct scene *sc, const uint8_t *first, size_t len)
{
	uint8_t payload[4];

	noise_start(&sc->n[1], &sc->s[1], NULL, NULL, 0);
	return noise_read_first(&sc->n[1], first, len, payload);
}

/* Any bit of the first message that is changed is noticed; so is what it lacks. */
START_TEST(first_spoiled)
{
	struct scene sc;
	uint8_t spoiled[sizeof(sc.first)];

	set_scene(&sc);
	for (size_t bit = 0; bit < 8 * sizeof(spoiled); bit++) {
		/* The highest bit of an X25519 key is not looked at (RFC 7748), but hashed. */
		memcpy(spoiled, sc.first, sizeof(spoiled));
		spoiled[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(respond(&sc, spoiled, sizeof(spoiled)), -EPROTO);
	}
	for (size_t len = 0; len < sizeof(sc.first); len++)
		ck_assert_int_eq(respond(&sc, sc.first, len), -EPROTO);
	ck_assert_int_eq(respond(&sc, sc.first, sizeof(sc.first)), 0);
	ck_assert_mem_eq(sc.n[1].rs, sc.s[0].public, LINK_KEY_SIZE);
}
END_TEST

START_TEST(second_spoiled)
{
	struct scene sc;
	struct noise before;
	uint8_t spoiled[sizeof(sc.second)], payload[4];

	set_scene(&sc);
	ck_assert_int_eq(respond(&sc, sc.first, sizeof(sc.first)), 0);
	ck_assert_int_eq(noise_write_second(&sc.n[1], (const uint8_t *)"pong", 4, sc.second), 0);
	before = sc.n[0];
	for (size_t bit = 0; bit < 8 * sizeof(spoiled); bit++) {
		memcpy(spoiled, sc.second, sizeof(spoiled));
		spoiled[bit / 8] ^= (uint8_t)(1 << bit % 8);
		sc.n[0] = before;
		ck_assert_int_eq(noise_read_second(&sc.n[0], spoiled, sizeof(spoiled), payload), -EPROTO);
	}
	for (size_t len = 0; len < sizeof(sc.second); len++) {
		sc.n[0] = before;
		ck_assert_int_eq(noise_read_second(&sc.n[0], sc.second, len, payload), -EPROTO);
	}
	sc.n[0] = before;
	ck_assert_int_eq(noise_read_second(&sc.n[0], sc.second, sizeof(sc.second), payload), 0);
	ck_assert_mem_eq(payload, "pong", 4);
}
END_TEST

/* A message for another server; a prologue that was changed on the way. */
START_TEST(not_for_us)
{
	struct scene sc;
	struct key_pair other;
	uint8_t payload[4];

	set_scene(&sc);
	key_pair_new(&other);
	noise_start(&sc.n[1], &other, NULL, NULL, 0);
	ck_assert_int_eq(noise_read_first(&sc.n[1], sc.first, sizeof(sc.first), payload), -EPROTO);
	noise_start(&sc.n[1], &sc.s[1], NULL, (const uint8_t *)"x", 1);
	ck_assert_int_eq(noise_read_first(&sc.n[1], sc.first, sizeof(sc.first), payload), -EPROTO);
}
END_TEST

/* Who knows the server's key alone cannot speak for a client: it has not the client's secret. */
START_TEST(forged_client)
{
	struct scene sc;
	struct key_pair forged;

	set_scene(&sc);
	key_pair_new(&forged);
	memcpy(forged.public, sc.s[0].public, LINK_KEY_SIZE);
	noise_start(&sc.n[0], &forged, sc.s[1].public, NULL, 0);
	ck_assert_int_eq(noise_write_first(&sc.n[0], (const uint8_t *)"ping", 4, sc.first), 0);
	ck_assert_int_eq(respond(&sc, sc.first, sizeof(sc.first)), -EPROTO);
}
END_TEST

/* Points of small order, with which the secret would be zeros for everybody (RFC 7748, 6.1). */
START_TEST(small_order)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	struct scene sc;
	uint8_t point[LINK_KEY_SIZE], first[sizeof(sc.first)];
	char text[KEY_TEXT_SIZE];

	set_scene(&sc);
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		from_hex(points[i], point, sizeof(point));
		memcpy(first, sc.first, sizeof(first));
		memcpy(first, point, sizeof(point));
		ck_assert_int_eq(respond(&sc, first, sizeof(first)), -EPROTO);
		noise_start(&sc.n[0], &sc.s[0], point, NULL, 0);
		ck_assert_int_eq(noise_write_first(&sc.n[0], (const uint8_t *)"ping", 4, first), -EPROTO);
		key_to_text(point, text);
		ck_assert_int_eq(key_from_text(text, point), -EINVAL);
	}
}
END_TEST

/* Two handshakes with the same keys share nothing. */
START_TEST(fresh)
{
	struct scene sc;
	struct cipher out[2], in[2];
	uint8_t payload[4];

	key_pair_new(&sc.s[0]);
	key_pair_new(&sc.s[1]);
	for (int i = 0; i < 2; i++) {
		noise_start(&sc.n[0], &sc.s[0], sc.s[1].public, NULL, 0);
		ck_assert_int_eq(noise_write_first(&sc.n[0], (const uint8_t *)"ping", 4, sc.first), 0);
		ck_assert_int_eq(respond(&sc, sc.first, sizeof(sc.first)), 0);
		ck_assert_int_eq(noise_write_second(&sc.n[1], (const uint8_t *)"pong", 4, sc.second), 0);
		ck_assert_int_eq(noise_read_second(&sc.n[0], sc.second, sizeof(sc.second), payload), 0);
		noise_split(&sc.n[0], &out[i], &in[i]);
	}
	ck_assert_mem_ne(out[0].key, out[1].key, CIPHER_KEY_SIZE);
	ck_assert_mem_ne(in[0].key, in[1].key, CIPHER_KEY_SIZE);
	ck_assert_mem_ne(out[0].key, in[0].key, CIPHER_KEY_SIZE);
}
END_TEST

START_TEST(cleared)
{
	static const struct noise zeros;
	struct scene sc;

	set_scene(&sc);
	noise_clear(&sc.n[0]);
	ck_assert_mem_eq(&sc.n[0], &zeros, sizeof(zeros));
}
END_TEST

/* Messages 65,536 and 131,072 are the last ones under their key; both sides change it there. */
START_TEST(rekey)
{
	static const uint8_t key[CIPHER_KEY_SIZE] = { 7 };
	struct cipher a, b, by_hand;
	uint8_t sealed[1 + CIPHER_TAG_SIZE], plain;

	cipher_init(&a, key);
	cipher_init(&b, key);
	cipher_init(&by_hand, key);
	for (uint32_t i = 0; i < 2 * CIPHER_REKEY_EVERY + 3; i++) {
		if (i == CIPHER_REKEY_EVERY || i == 2 * CIPHER_REKEY_EVERY)
			cipher_rekey(&by_hand);
		/* Each assertion that holds is a system call of Check's. */
		if (memcmp(a.key, by_hand.key, sizeof(a.key)) != 0 || a.nonce != i)
			ck_abort();
		if (cipher_seal(&a, (const uint8_t *)"x", 1, sealed) != 0 || cipher_open(&b, sealed, sizeof(sealed), &plain) != 0 || plain != 'x')
			ck_abort();
	}
	ck_assert_mem_ne(a.key, key, sizeof(key));
}
END_TEST

/* The last nonce is for rekeying alone. */
START_TEST(nonce_is_used_up)
{
	static const uint8_t key[CIPHER_KEY_SIZE];
	struct cipher c;
	uint8_t sealed[1 + CIPHER_TAG_SIZE];

	cipher_init(&c, key);
	c.nonce = UINT64_MAX;
	ck_assert_int_eq(cipher_seal(&c, key, 1, sealed), -EOVERFLOW);
	ck_assert_int_eq(cipher_open(&c, sealed, sizeof(sealed), sealed), -EOVERFLOW);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("link/noise");
	TCase *tc = tcase_create("noise");

	if (sodium_init() < 0)
		return EXIT_FAILURE;
	tcase_add_test(tc, published);
	tcase_add_test(tc, first_spoiled);
	tcase_add_test(tc, second_spoiled);
	tcase_add_test(tc, not_for_us);
	tcase_add_test(tc, forged_client);
	tcase_add_test(tc, small_order);
	tcase_add_test(tc, fresh);
	tcase_add_test(tc, cleared);
	tcase_add_test(tc, rekey);
	tcase_add_test(tc, nonce_is_used_up);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
