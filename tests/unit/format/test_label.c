#include <errno.h>
#include <string.h>

#include "format/label.h"

#include "../check_main.h"
#include "../hex.h"
#include "../random.h"

static char text[LABEL_TEXT_MAX + 64];

static struct uuid
a_uuid(unsigned number)
{
	struct uuid uuid = { { 0 } };

	for (unsigned i = 0; i < sizeof(uuid.bytes); i++)
		uuid.bytes[i] = (uint8_t)(number * 16 + i);
	return uuid;
}

/* The label of replica 1 of two. */
static struct label
a_label(void)
{
	struct label label = {
		.version = LABEL_VERSION,
		.volume = a_uuid(0),
		.replica = a_uuid(2),
		.codec = DIGEST_BLAKE2B,
		.key_check = { 1, 2, 3 },
		.events = 17,
		.clean = true,
		.next_id = 1234,
		.member_count = 2,
	};

	for (unsigned i = 0; i < 2; i++) {
		label.members[i].uuid = a_uuid(i + 1);
		strcpy(label.members[i].name, i == 0 ? "r0" : "r1");
	}
	label.members[0].seen = 16;
	return label;
}

static void
assert_same(const struct label *a, const struct label *b)
{
	ck_assert_uint_eq(b->version, LABEL_VERSION);
	ck_assert_uint_eq(a->read_features, b->read_features);
	ck_assert_uint_eq(a->write_features, b->write_features);
	ck_assert(uuid_equal(&a->volume, &b->volume));
	ck_assert(uuid_equal(&a->replica, &b->replica));
	ck_assert_int_eq(a->codec, b->codec);
	ck_assert_mem_eq(a->key_check, b->key_check, DIGEST_SIZE);
	ck_assert_uint_eq(a->events, b->events);
	ck_assert_int_eq(a->moving, b->moving);
	ck_assert_int_eq(a->clean, b->clean);
	ck_assert_uint_eq(a->next_id, b->next_id);
	ck_assert_uint_eq(a->member_count, b->member_count);
	for (unsigned i = 0; i < a->member_count; i++) {
		ck_assert(uuid_equal(&a->members[i].uuid, &b->members[i].uuid));
		ck_assert_str_eq(a->members[i].name, b->members[i].name);
		if (uuid_equal(&a->members[i].uuid, &a->replica))
			ck_assert_uint_eq(b->members[i].seen, 0);
		else
			ck_assert_uint_eq(a->members[i].seen, b->members[i].seen);
	}
}

static size_t
round_trip(const struct label *label)
{
	struct label decoded;
	int len = label_encode(label, text, LABEL_TEXT_MAX);

	ck_assert_int_gt(len, 0);
	memset(&decoded, 0xff, sizeof(decoded));
	ck_assert_int_eq(label_decode(text, (size_t)len, &decoded), 0);
	assert_same(label, &decoded);
	return (size_t)len;
}

/* Decode ${body} with a check line that fits it. */
static int
decode_sealed(const char *body, struct label *label)
{
	const struct digest plain = { .codec = DIGEST_XXH3 };
	uint8_t check[DIGEST_SIZE];
	int len;

	digest_bytes(&plain, DIGEST_LABEL, body, strlen(body), check);
	len = snprintf(text, sizeof(text), "%scheck = %s\n", body, hex(check, sizeof(check)));
	return label_decode(text, (size_t)len, label);
}

#define BODY								\
	"mendfs label 1\n"						\
	"read-features = 0\n"						\
	"write-features = 0\n"						\
	"volume = 00010203-0405-0607-0809-0a0b0c0d0e0f\n"		\
	"replica = 20212223-2425-2627-2829-2a2b2c2d2e2f\n"		\
	"codec = blake2b\n"						\
	"key-check = 01020300000000000000000000000000\n"		\
	"events = 17\n"							\
	"moving = no\n"							\
	"clean = yes\n"							\
	"next-id = 1234\n"						\
	"member = 10111213-1415-1617-1819-1a1b1c1d1e1f 16 \"r0\"\n"	\
	"member = 20212223-2425-2627-2829-2a2b2c2d2e2f 0 \"r1\"\n"

START_TEST(known_text)
{
	struct label label = a_label(), decoded;

	ck_assert_int_eq(label_encode(&label, text, LABEL_TEXT_MAX), sizeof(BODY) - 1 + 41);
	ck_assert_str_eq(text, BODY "check = 81d1ca010a46dd96cb057053a9984aa1\n");
	ck_assert_int_eq(decode_sealed(BODY, &decoded), 0);
	assert_same(&label, &decoded);
}
END_TEST

START_TEST(names)
{
	struct label label = a_label();

	/* Whatever means something to a parser of INI files. */
	static const char *const good[] = {
		"a", ";", "#", "\"", "\"\"", "\"x", "x\"", "[r0]", "a=b", "a:b", ";\"#\"", "~!\\'",
		"123456789012345678901234567890123456789012345678901234567890123",
	};
	static const char *const bad[] = { "", " ", "a b", "a\n", "\x7f", "r\xc3\xbc", "\t", "a\x01" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		strcpy(label.members[i % 2].name, good[i]);
		round_trip(&label);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcpy(label.members[1].name, bad[i]);
		ck_assert_int_eq(label_encode(&label, text, LABEL_TEXT_MAX), -EINVAL);
	}
	memset(label.members[1].name, 'x', LABEL_NAME_MAX);
	ck_assert_int_eq(label_encode(&label, text, LABEL_TEXT_MAX), -EINVAL);
}
END_TEST

START_TEST(not_encoded)
{
	struct label label;

#define REFUSED(change) do {							\
	label = a_label();							\
	change;									\
	ck_assert_int_eq(label_encode(&label, text, LABEL_TEXT_MAX), -EINVAL);	\
} while (0)
	REFUSED(label.replica = a_uuid(9));
	REFUSED(label.member_count = 0);
	REFUSED(label.member_count = LABEL_MEMBERS_MAX + 1);
	REFUSED(label.members[0].uuid = label.members[1].uuid);
	REFUSED(label.codec = 0);
	REFUSED(label.codec = 3);
	REFUSED(label.events = 0; label.moving = true);
}
END_TEST

START_TEST(the_largest_fits)
{
	struct label label = a_label();
	size_t len;

	label.read_features = label.write_features = UINT64_MAX;
	label.events = label.next_id = UINT64_MAX;
	label.moving = true;
	label.clean = false;
	label.member_count = LABEL_MEMBERS_MAX;
	for (unsigned i = 0; i < LABEL_MEMBERS_MAX; i++) {
		label.members[i].uuid = a_uuid(i + 1);
		memset(label.members[i].name, ';', LABEL_NAME_MAX - 1);
		label.members[i].name[LABEL_NAME_MAX - 1] = '\0';
		label.members[i].seen = UINT64_MAX;
	}
	len = round_trip(&label);
	ck_assert_uint_lt(len, LABEL_TEXT_MAX);
	for (size_t size = 0; size < len; size++)
		ck_assert_int_eq(label_encode(&label, text, size), -ENOSPC);
}
END_TEST

START_TEST(random_round_trips)
{
	struct random random = { .state = 11 };
	struct label label;

	for (int i = 0; i < 5000; i++) {
		memset(&label, 0, sizeof(label));
		label.read_features = random_wide(&random);
		label.write_features = random_wide(&random);
		random_bytes(&random, &label.volume, sizeof(label.volume));
		label.codec = random_below(&random, 2) == 0 ? DIGEST_XXH3 : DIGEST_BLAKE2B;
		random_bytes(&random, label.key_check, DIGEST_SIZE);
		label.events = random_wide(&random) | 1;
		label.moving = random_below(&random, 2) == 0;
		label.clean = random_below(&random, 2) == 0;
		label.next_id = random_wide(&random);
		label.member_count = (unsigned)(1 + random_below(&random, LABEL_MEMBERS_MAX));
		for (unsigned m = 0; m < label.member_count; m++) {
			random_bytes(&random, &label.members[m].uuid, sizeof(struct uuid));
			label.members[m].seen = random_wide(&random);
			for (uint64_t n = 0; n <= random_below(&random, LABEL_NAME_MAX - 1); n++)
				label.members[m].name[n] = (char)('!' + random_below(&random, 94));
		}
		label.replica = label.members[random_below(&random, label.member_count)].uuid;
		round_trip(&label);
	}
}
END_TEST

START_TEST(spoiled)
{
	struct label label = a_label(), decoded;
	size_t len = round_trip(&label);

	for (size_t bit = 0; bit < len * 8; bit++) {
		text[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_int_eq(label_decode(text, len, &decoded), -EBADMSG);
		text[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < len; cut++)
		ck_assert_int_eq(label_decode(text, cut, &decoded), -EBADMSG);
	text[len] = '\n';
	ck_assert_int_eq(label_decode(text, len + 1, &decoded), -EBADMSG);
	text[len] = '\0';
	ck_assert_int_eq(label_decode(text, len + 1, &decoded), -EBADMSG);
	ck_assert_int_eq(label_decode(text, len, &decoded), 0);
	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(label_decode(text, sizeof(text), &decoded), -EBADMSG);
	ck_assert_int_eq(label_decode("", 0, &decoded), -EBADMSG);
}
END_TEST

START_TEST(other_versions)
{
	struct label label;

	ck_assert_int_eq(decode_sealed("mendfs label 2\nanything\ngoes\n", &label), -EPROTONOSUPPORT);
	ck_assert_uint_eq(label.version, 2);
	ck_assert_int_eq(decode_sealed("mendfs label 4294967295\n", &label), -EPROTONOSUPPORT);
	ck_assert_uint_eq(label.version, UINT32_MAX);
	ck_assert_int_eq(decode_sealed("mendfs label 4294967296\n", &label), -EBADMSG);
	ck_assert_int_eq(decode_sealed("mendfs label 0\n", &label), -EBADMSG);
	ck_assert_int_eq(decode_sealed("mendfs label \n", &label), -EBADMSG);
	ck_assert_int_eq(decode_sealed("mendfs label 2x\n", &label), -EBADMSG);
	ck_assert_int_eq(decode_sealed("mendfs label 2", &label), -EBADMSG);
	ck_assert_int_eq(decode_sealed("mendfs lable 2\n", &label), -EBADMSG);
	ck_assert_int_eq(decode_sealed("", &label), -EBADMSG);
}
END_TEST

/* ${body} with the first ${from} replaced by ${to}. */
static const char *
changed(const char *body, const char *from, const char *to)
{
	static char out[2 * sizeof(BODY)];
	const char *at = strstr(body, from);

	ck_assert_ptr_nonnull(at);
	snprintf(out, sizeof(out), "%.*s%s%s", (int)(at - body), body, to, at + strlen(from));
	return out;
}

/* With a check that fits, but not what we write. */
START_TEST(strict_behind_the_check)
{
	static const char *const changes[][2] = {
		{ "events = 17\n", "" },			/* missing */
		{ "events = 17\n", "events = 17\nevents = 17\n" },
		{ "events = 17\n", "events = 18\nevents = 17\n" },
		{ "events = 17\n", "events = 017\n" },
		{ "events = 17\n", "events = -1\n" },
		{ "events = 17\n", "events = 18446744073709551616\n" },
		{ "events = 17\n", "events =\n" },
		{ "events = 17\n", "events = 17 \n" },
		{ "events = 17\n", "events=17\n" },
		{ "events = 17\n", "events: 17\n" },
		{ "events = 17\n", "events = 17 ; or more\n" },
		{ "events = 17\n", "# all of them\nevents = 17\n" },
		{ "events = 17\n", "\nevents = 17\n" },
		{ "events = 17\n", "events = 17\r\n" },
		{ "events = 17\n", "events = 17\ncolour = red\n" },	/* unknown */
		{ "events = 17\n", "[events]\nevents = 17\n" },
		{ "moving = no\nclean = yes\n", "clean = yes\nmoving = no\n" },
		{ "moving = no\n", "moving = maybe\n" },
		{ "moving = no\n", "moving = 0\n" },
		{ "codec = blake2b\n", "codec = md5\n" },
		{ "key-check = 0", "key-check = " },
		{ "key-check = 01020300", "key-check = 0102030G" },
		{ "replica = 2", "replica = 3" },		/* not a member */
		{ "1819-1a1b", "1819-1A1B" },
		{ " 16 \"r0\"", " 16 \"r0" },
		{ " 16 \"r0\"", " 16 \"\"" },
		{ " 16 \"r0\"", " 16 r0" },
		{ " 16 \"r0\"", " \"r0\"" },
		{ " 16 \"r0\"", "16 \"r0\"" },
		{ " 16 \"r0\"", " 16  \"r0\"" },
		{ " 16 \"r0\"", " 16 \"r 0\"" },
		{ " 0 \"r1\"", " 1 \"r1\"" },			/* has seen itself */
		{ "member = 10111213-1415-1617-1819-1a1b1c1d1e1f", "member = " },
		{ "mendfs label 1\n", "mendfs label 1" },
		{ "mendfs label 1\n", "mendfs label 01\n" },
	};
	struct label label;

	ck_assert_int_eq(decode_sealed(changed(BODY, "17", "18"), &label), 0);
	ck_assert_uint_eq(label.events, 18);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const char *body = changed(BODY, changes[i][0], changes[i][1]);

		ck_assert_msg(decode_sealed(body, &label) == -EBADMSG, "%s", body);
	}
}
END_TEST

START_TEST(more_members_than_there_may_be)
{
	static char body[4 * LABEL_TEXT_MAX];
	struct label label;
	size_t len;

	len = (size_t)snprintf(body, sizeof(body), "%s", BODY);
	for (int i = 0; i < LABEL_MEMBERS_MAX; i++)
		len += (size_t)snprintf(body + len, sizeof(body) - len,
		    "member = %08x-1415-1617-1819-1a1b1c1d1e1f 16 \"r\"\n", i);
	ck_assert_int_eq(decode_sealed(body, &label), -EBADMSG);
}
END_TEST

START_TEST(members)
{
	struct label label = a_label();
	struct uuid uuid = a_uuid(1);

	ck_assert_ptr_eq(label_member(&label, &uuid), &label.members[0]);
	uuid = a_uuid(2);
	ck_assert_ptr_eq(label_member(&label, &uuid), &label.members[1]);
	uuid = a_uuid(3);
	ck_assert_ptr_null(label_member(&label, &uuid));
}
END_TEST

/* Two labels of one volume, as after event ${events} with both. */
static void
two_labels(struct label *a, struct label *b, uint64_t events)
{
	*a = a_label();
	a->events = events;
	a->members[0].seen = a->members[1].seen = 0;
	*b = *a;
	a->replica = a->members[0].uuid;
	b->replica = b->members[1].uuid;
	a->members[1].seen = b->members[0].seen = events;
}

START_TEST(relations)
{
	struct label a, b;

	two_labels(&a, &b, 5);
	ck_assert_int_eq(label_relate(&a, &b), LABEL_IN_SYNC);
	a.events = 6;
	ck_assert_int_eq(label_relate(&a, &b), LABEL_B_BEHIND);
	ck_assert_int_eq(label_relate(&b, &a), LABEL_A_BEHIND);
	a.moving = true;
	ck_assert_int_eq(label_relate(&a, &b), LABEL_IN_SYNC);
	a.moving = false;
	b.events = 9;
	ck_assert_int_eq(label_relate(&a, &b), LABEL_FORKED);
	ck_assert_int_eq(label_relate(&b, &a), LABEL_FORKED);

	/* Restored from an image: said before anything else is. */
	b.events = 4;
	b.members[0].seen = 4;
	ck_assert_int_eq(label_relate(&a, &b), LABEL_B_ROLLED_BACK);
	ck_assert_int_eq(label_relate(&b, &a), LABEL_A_ROLLED_BACK);
	b.members[0].seen = 2;
	ck_assert_int_eq(label_relate(&a, &b), LABEL_B_ROLLED_BACK);

	two_labels(&a, &b, 5);
	b.volume.bytes[0] ^= 1;
	ck_assert_int_eq(label_relate(&a, &b), LABEL_STRANGERS);
	two_labels(&a, &b, 5);
	b.members[0].uuid = a_uuid(7);
	a.members[1].uuid = a_uuid(8);
	ck_assert_int_eq(label_relate(&a, &b), LABEL_STRANGERS);
	ck_assert_int_eq(label_relate(&b, &a), LABEL_STRANGERS);

	/* New, and never had an event. */
	two_labels(&a, &b, 0);
	a.moving = true;
	ck_assert_int_eq(label_relate(&a, &b), LABEL_IN_SYNC);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("label");
	TCase *tcase = tcase_create("label");

	tcase_add_test(tcase, known_text);
	tcase_add_test(tcase, names);
	tcase_add_test(tcase, not_encoded);
	tcase_add_test(tcase, the_largest_fits);
	tcase_add_test(tcase, random_round_trips);
	tcase_add_test(tcase, spoiled);
	tcase_add_test(tcase, other_versions);
	tcase_add_test(tcase, strict_behind_the_check);
	tcase_add_test(tcase, more_members_than_there_may_be);
	tcase_add_test(tcase, members);
	tcase_add_test(tcase, relations);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
