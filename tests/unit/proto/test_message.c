/* Requests and replies: there and back, cut short, out of bounds; and some to the byte. */

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "proto/message.h"
#include "util/buf.h"

#include "../check_main.h"
#include "../hex.h"

#include "messages.h"

#define ROUNDS 200

static struct random rng = { 7 };
static struct message_memory memory;
static uint8_t wire[PROTO_HEAD_MAX + PROTO_DATA_MAX];

/* Head and data as they stand on the wire; the whole length. */
static size_t
request_bytes(const struct proto_request *q)
{
	const int len = proto_request_encode(q, wire, PROTO_HEAD_MAX);

	ck_assert_int_ge(len, PROTO_REQUEST_HEAD);
	if (q->data_len > 0)
		memcpy(wire + len, q->data, q->data_len);
	return (size_t)len + q->data_len;
}

static size_t
reply_bytes(unsigned op, const struct proto_reply *p)
{
	const int len = proto_reply_encode(op, p, wire, PROTO_HEAD_MAX);

	ck_assert_int_ge(len, PROTO_REPLY_HEAD);
	if (p->result >= 0 && p->data_len > 0)
		memcpy(wire + len, p->data, p->data_len);
	return (size_t)len + (p->result >= 0 ? p->data_len : 0);
}

/* Equal, whatever the pointers' values. */
static void
same_text(const char *a, const char *b)
{
	ck_assert_int_eq(a == NULL, b == NULL);
	if (a != NULL)
		ck_assert_str_eq(a, b);
}

static void
same_request(struct proto_request a, struct proto_request b)
{
	same_text(a.name, b.name);
	same_text(a.to_name, b.to_name);
	same_text(a.text, b.text);
	ck_assert_uint_eq(a.data_len, b.data_len);
	if (a.data_len > 0)
		ck_assert_mem_eq(a.data, b.data, a.data_len);
	a.name = b.name = a.to_name = b.to_name = a.text = b.text = NULL;
	a.data = b.data = NULL;
	ck_assert_mem_eq(&a, &b, offsetof(struct proto_request, atime));
	ck_assert_mem_eq(&a.offset, &b.offset, sizeof(a) - offsetof(struct proto_request, offset));
	ck_assert_int_eq(a.atime.tv_sec, b.atime.tv_sec);
	ck_assert_int_eq(a.atime.tv_nsec, b.atime.tv_nsec);
	ck_assert_int_eq(a.mtime.tv_nsec, b.mtime.tv_nsec);
}

static void
same_reply(struct proto_reply a, struct proto_reply b)
{
	ck_assert_uint_eq(a.data_len, b.data_len);
	if (a.data_len > 0)
		ck_assert_mem_eq(a.data, b.data, a.data_len);
	a.data = b.data = NULL;
	ck_assert_mem_eq(&a, &b, sizeof(a));
}

static size_t
data_limit(uint32_t max)
{
	return (size_t)random_below(&rng, (max < 300 ? max : 300) + 1);
}

START_TEST(requests_there_and_back)
{
	struct proto_request q, back;
	size_t len;

	if (!proto_op_known((unsigned)_i))
		return;
	for (unsigned i = 0; i < ROUNDS; i++) {
		message_request(&rng, &memory, (unsigned)_i, data_limit(proto_layout((unsigned)_i)->data_max), &q);
		len = request_bytes(&q);
		/* What follows belongs to the next message. */
		wire[len] = 0xee;
		ck_assert_int_eq(proto_request_decode(wire, len + 1, &back), (int)len);
		same_request(q, back);
	}
}
END_TEST

START_TEST(replies_there_and_back)
{
	struct proto_reply p, back;
	uint32_t id;
	size_t len;

	if (!proto_op_known((unsigned)_i))
		return;
	for (unsigned i = 0; i < ROUNDS; i++) {
		message_reply(&rng, &memory, (unsigned)_i, data_limit(proto_layout((unsigned)_i)->reply_max), &p);
		len = reply_bytes((unsigned)_i, &p);
		ck_assert_int_eq(proto_reply_id(wire, len + 1, &id), (int)len);
		ck_assert_uint_eq(id, p.id);
		ck_assert_int_eq(proto_reply_decode((unsigned)_i, wire, len + 1, &back), (int)len);
		same_reply(p, back);
	}
	p = (struct proto_reply){ .id = 9, .result = -ENOSPC };
	len = reply_bytes((unsigned)_i, &p);
	ck_assert_uint_eq(len, PROTO_REPLY_HEAD);
	ck_assert_int_eq(proto_reply_decode((unsigned)_i, wire, len, &back), (int)len);
	same_reply(p, back);
}
END_TEST

static void
put_length(size_t len)
{
	struct buf_writer w;

	buf_writer_init(&w, wire, 4);
	buf_put_u32(&w, (uint32_t)len);
}

/* Cut off by the frame's end, and by a length of its own that is too small; with a byte too many. */
START_TEST(requests_cut_short)
{
	struct proto_request q, back;
	size_t len;

	if (!proto_op_known((unsigned)_i))
		return;
	message_request(&rng, &memory, (unsigned)_i, data_limit(proto_layout((unsigned)_i)->data_max), &q);
	len = request_bytes(&q);
	for (size_t cut = 0; cut < len; cut++) {
		ck_assert_int_eq(proto_request_decode(wire, cut, &back), -EPROTO);
		put_length(cut);
		ck_assert_int_eq(proto_request_decode(wire, len, &back), -EPROTO);
		put_length(len);
	}
	put_length(len + 1);
	ck_assert_int_eq(proto_request_decode(wire, len + 1, &back), -EPROTO);
	for (size_t room = 0; room < len - q.data_len; room++)
		ck_assert_int_lt(proto_request_encode(&q, wire, room), 0);
}
END_TEST

START_TEST(replies_cut_short)
{
	struct proto_reply p, back;
	uint32_t id;
	size_t len;

	if (!proto_op_known((unsigned)_i))
		return;
	message_reply(&rng, &memory, (unsigned)_i, data_limit(proto_layout((unsigned)_i)->reply_max), &p);
	len = reply_bytes((unsigned)_i, &p);
	for (size_t cut = 0; cut < len; cut++) {
		ck_assert_int_eq(proto_reply_id(wire, cut, &id), -EPROTO);
		ck_assert_int_eq(proto_reply_decode((unsigned)_i, wire, cut, &back), -EPROTO);
		put_length(cut);
		ck_assert_int_eq(proto_reply_decode((unsigned)_i, wire, len, &back), -EPROTO);
		put_length(len);
	}
	put_length(len + 1);
	ck_assert_int_eq(proto_reply_decode((unsigned)_i, wire, len + 1, &back), -EPROTO);
}
END_TEST

/* The largest data there may be, and one byte more: here, and from one who sends it all the same. */
START_TEST(data_is_bounded)
{
	const struct proto_layout *layout = proto_layout((unsigned)_i);
	struct proto_request q, back;
	struct proto_reply p, got;
	size_t len, at;

	if (layout == NULL)
		return;
	if (layout->data_max > 0) {
		message_request(&rng, &memory, (unsigned)_i, layout->data_max, &q);
		len = request_bytes(&q);
		ck_assert_int_eq(proto_request_decode(wire, len, &back), (int)len);
		at = len - q.data_len - 4;
		put_length(len + 1);
		wire[at]++;
		ck_assert_int_eq(proto_request_decode(wire, sizeof(wire), &back), -EPROTO);
		q.data_len++;
		ck_assert_int_eq(proto_request_encode(&q, wire, PROTO_HEAD_MAX), -E2BIG);
	}
	if (layout->reply_max > 0 && (unsigned)_i != PROTO_READLINK) {
		message_reply(&rng, &memory, (unsigned)_i, layout->reply_max, &p);
		len = reply_bytes((unsigned)_i, &p);
		ck_assert_int_eq(proto_reply_decode((unsigned)_i, wire, len, &got), (int)len);
		p.data_len++;
		ck_assert_int_lt(proto_reply_encode((unsigned)_i, &p, wire, PROTO_HEAD_MAX), 0);
	}
}
END_TEST

static int
try_name(const char *name)
{
	const struct proto_request q = { .op = PROTO_DIR_OPEN, .name = name, .opened = 1 };

	return proto_request_encode(&q, wire, sizeof(wire));
}

/* A request for ${name}, as somebody sends it whose encoder looks at nothing. */
static int
take_name(unsigned op, const char *name, size_t len)
{
	static const uint8_t rest[] = { 1, 0, 0, 0 };
	struct proto_request back;
	struct buf_writer w;

	buf_writer_init(&w, wire, sizeof(wire));
	buf_put_u32(&w, (uint32_t)(PROTO_REQUEST_HEAD + 4 + 4 + len + 1 + (op == PROTO_STAT ? 0 : sizeof(rest))));
	buf_put_u32(&w, 1);
	buf_put_u16(&w, (uint16_t)op);
	buf_put_u16(&w, 0);
	buf_put_u32(&w, PROTO_ROOT);
	buf_put_u32(&w, (uint32_t)len);
	buf_put_bytes(&w, name, len);
	buf_put_u8(&w, 0);
	if (op != PROTO_STAT)
		buf_put_bytes(&w, rest, sizeof(rest));
	return proto_request_decode(wire, (size_t)(w.at - wire), &back);
}

START_TEST(names_are_components)
{
	static const char *const bad[] = { ".", "..", "/", "a/b", "/etc", "../x", "a/", "./a" };
	static const char *const good[] = { "a", "...", ".mendfs", "..a", ". ", "\xff\x01", "-rf" };
	char long_name[NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(try_name(bad[i]), -EINVAL);
		ck_assert_int_eq(take_name(PROTO_DIR_OPEN, bad[i], strlen(bad[i])), -EPROTO);
		ck_assert_int_eq(take_name(PROTO_STAT, bad[i], strlen(bad[i])), -EPROTO);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_int_gt(try_name(good[i]), 0);
		ck_assert_int_gt(take_name(PROTO_DIR_OPEN, good[i], strlen(good[i])), 0);
		ck_assert_int_gt(take_name(PROTO_STAT, good[i], strlen(good[i])), 0);
	}
	ck_assert_int_eq(try_name(""), -EINVAL);
	ck_assert_int_eq(try_name(NULL), -EINVAL);
	ck_assert_int_eq(take_name(PROTO_DIR_OPEN, "", 0), -EPROTO);
	ck_assert_int_eq(take_name(PROTO_DIR_OPEN, "a\0b", 3), -EPROTO);
	/* Without a name: the handle's own inode. */
	ck_assert_int_gt(take_name(PROTO_STAT, "", 0), 0);

	memset(long_name, 'n', sizeof(long_name));
	long_name[NAME_MAX + 1] = '\0';
	ck_assert_int_eq(try_name(long_name), -ENAMETOOLONG);
	ck_assert_int_eq(take_name(PROTO_DIR_OPEN, long_name, NAME_MAX + 1), -EPROTO);
	ck_assert_int_gt(take_name(PROTO_DIR_OPEN, long_name, NAME_MAX), 0);
	long_name[NAME_MAX] = '\0';
	ck_assert_int_gt(try_name(long_name), 0);
}
END_TEST

/* A value that no request may have: refused where it is made, and where it comes from outside. */
static void
refused(struct proto_request q)
{
	ck_assert_int_eq(proto_request_encode(&q, wire, sizeof(wire)), -EINVAL);
}

START_TEST(values_are_bounded)
{
	struct proto_request q, back;

	refused((struct proto_request){ .op = 0 });
	refused((struct proto_request){ .op = PROTO_OP_END });
	refused((struct proto_request){ .op = 15 });
	refused((struct proto_request){ .op = PROTO_PREAD, .size = PROTO_DATA_MAX + 1 });
	refused((struct proto_request){ .op = PROTO_DIGEST, .count = PROTO_DIGEST_BLOCKS_MAX + 1 });
	refused((struct proto_request){ .op = PROTO_OPEN, .opened = PROTO_ROOT });
	refused((struct proto_request){ .op = PROTO_RENAME, .name = "a", .to_name = "b", .flags = 4 });
	refused((struct proto_request){ .op = PROTO_XATTR_GET, .text = "" });
	refused((struct proto_request){ .op = PROTO_STORE, .mtime.tv_nsec = 1000000000 });
	refused((struct proto_request){ .op = PROTO_STORE, .mtime.tv_nsec = UTIME_NOW });

	for (unsigned op = 0; op < PROTO_OP_END; op++) {
		if (!proto_op_known(op))
			continue;
		message_request(&rng, &memory, op, 0, &q);
		(void)request_bytes(&q);
		/* The 16 bits that are nobody's. */
		wire[10] = 1;
		ck_assert_int_eq(proto_request_decode(wire, sizeof(wire), &back), -EPROTO);
		wire[10] = 0;
		wire[9] = 1;
		ck_assert_int_eq(proto_request_decode(wire, sizeof(wire), &back), -EPROTO);
	}
}
END_TEST

static void
to_the_byte(const struct proto_request *q, const char *text)
{
	const size_t len = request_bytes(q);

	ck_assert_str_eq(hex(wire, len), text);
}

/* The examples of doc/PROTOCOL.md. */
START_TEST(to_the_byte_as_documented)
{
	const struct proto_request hello = { .op = PROTO_HELLO, .id = 1, .version = 1, .instance = { 0xaa, 0xbb } };
	const struct proto_request create = { .op = PROTO_CREATE, .id = 2, .handle = PROTO_ROOT, .name = "f", .opened = 5,
	    .mode = S_IFREG | 0644, .uid = 1000, .gid = 100 };
	const struct proto_request write = { .op = PROTO_PWRITE, .id = 3, .handle = 5, .offset = 4096, .data = (const uint8_t *)"abc", .data_len = 3 };
	const struct proto_request done = { .op = PROTO_CLOSE, .id = 4, .handle = 5 };
	const struct proto_reply wrote = { .id = 3, .result = 3 }, full = { .id = 3, .result = -ENOSPC };

	to_the_byte(&hello, "2c000000" "01000000" "0100" "0000" "01000000" "0000000000000000" "00000000"
	    "aabb0000000000000000000000000000");
	to_the_byte(&create, "37000000" "02000000" "1a00" "0000" "00000000" "01000000" "6600" "05000000"
	    "a4810000" "e8030000" "64000000" "0000000000000000" "00000000" "00000000" "00");
	to_the_byte(&write, "1f000000" "03000000" "2b00" "0000" "05000000" "0010000000000000" "03000000" "616263");
	to_the_byte(&done, "10000000" "04000000" "2800" "0000" "05000000");
	ck_assert_str_eq(hex(wire, reply_bytes(PROTO_PWRITE, &wrote)), "0c000000" "03000000" "03000000");
	ck_assert_str_eq(hex(wire, reply_bytes(PROTO_PWRITE, &full)), "0c000000" "03000000" "e4ffffff");
}
END_TEST

/* Each operation has its row in doc/PROTOCOL.md: "| number | NAME | C, W |". */
START_TEST(documented)
{
	const char *source = getenv("SOURCE");
	char path[PATH_MAX], want[64], line[2048];
	const unsigned traits = proto_op_traits((unsigned)_i);
	bool found = false;
	FILE *file;
	size_t i;

	if (!proto_op_known((unsigned)_i) || source == NULL)
		return;
	i = (size_t)snprintf(want, sizeof(want), "| %d | %s | %s", _i, proto_op_name((unsigned)_i),
	    (traits & PROTO_CHANGES) != 0 ? "C" : (traits & PROTO_WAITS) != 0 ? "W" : "");
	ck_assert_uint_lt(i, sizeof(want));
	for (char *at = want; *at != '\0'; at++)
		*at = (char)toupper(*at);
	snprintf(path, sizeof(path), "%s/doc/PROTOCOL.md", source);
	ck_assert_ptr_nonnull(file = fopen(path, "r"));
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = strncmp(line, want, strlen(want)) == 0;
	fclose(file);
	ck_assert_msg(found, "no row: %s", want);
}
END_TEST

/* Every operation that changes says so; no other does. */
START_TEST(changes_are_marked)
{
	static const unsigned changing[] = { PROTO_STORE, PROTO_CREATE, PROTO_TMPFILE, PROTO_LINK, PROTO_UNLINK, PROTO_RENAME,
	    PROTO_CHMOD, PROTO_CHOWN, PROTO_XATTR_SET, PROTO_XATTR_REMOVE, PROTO_PWRITE, PROTO_TRUNCATE, PROTO_FALLOCATE };
	struct proto_request q = { .op = PROTO_OPEN };
	unsigned count = 0;

	for (unsigned op = 0; op < PROTO_OP_END; op++)
		count += (proto_op_traits(op) & PROTO_CHANGES) != 0;
	ck_assert_uint_eq(count, sizeof(changing) / sizeof(changing[0]));
	for (size_t i = 0; i < count; i++) {
		q.op = (uint16_t)changing[i];
		ck_assert(proto_request_changes(&q));
	}
	q.op = PROTO_OPEN;
	ck_assert(!proto_request_changes(&q));
	q.flags = PROTO_OPEN_WRITABLE;
	ck_assert(proto_request_changes(&q));
	ck_assert_str_eq(proto_op_name(PROTO_PWRITE), "pwrite");
	ck_assert_str_eq(proto_op_name(7), "?");
	ck_assert_uint_eq(proto_op_traits(7), 0);
}
END_TEST

START_TEST(entries_there_and_back)
{
	static const struct proto_entry entries[] = { { "a", 1, 8 }, { ".mendfs", UINT64_MAX, 4 }, { "...", 0, 0 } };
	static const char *const bad[] = { "..", ".", "a/b", "" };
	struct buf_writer w;
	struct buf_reader r;
	struct proto_entry e;
	uint8_t *end;

	buf_writer_init(&w, wire, sizeof(wire));
	for (size_t i = 0; i < 3; i++)
		proto_entry_put(&w, &entries[i]);
	ck_assert(!w.failed);
	end = w.at;
	buf_reader_init(&r, wire, (size_t)(end - wire));
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(proto_entry_get(&r, &e), 1);
		ck_assert_str_eq(e.name, entries[i].name);
		ck_assert_uint_eq(e.ino, entries[i].ino);
		ck_assert_uint_eq(e.type, entries[i].type);
	}
	ck_assert_int_eq(proto_entry_get(&r, &e), 0);
	for (size_t cut = 1; cut < 8 + 1 + 4 + 2; cut++) {
		buf_reader_init(&r, wire, cut);
		ck_assert_int_eq(proto_entry_get(&r, &e), -EPROTO);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_writer_init(&w, wire, sizeof(wire));
		proto_entry_put(&w, &(struct proto_entry){ bad[i], 1, 8 });
		buf_reader_init(&r, wire, (size_t)(w.at - wire));
		ck_assert_int_eq(proto_entry_get(&r, &e), -EPROTO);
	}
	/* No room: nothing of it is there. */
	buf_writer_init(&w, wire, 14);
	proto_entry_put(&w, &entries[0]);
	ck_assert(w.failed);
	ck_assert_ptr_eq(w.at, wire);
}
END_TEST

START_TEST(lying_replies)
{
	struct proto_reply p = { .result = 5, .data = wire, .data_len = 4 };

	ck_assert_int_eq(proto_reply_encode(PROTO_PREAD, &p, memory.data, PROTO_HEAD_MAX), -EINVAL);
	p.result = 4;
	ck_assert_int_gt(proto_reply_encode(PROTO_PREAD, &p, memory.data, PROTO_HEAD_MAX), 0);
	p.result = 1;
	p.data_len = 0;
	ck_assert_int_eq(proto_reply_encode(PROTO_STAT, &p, memory.data, PROTO_HEAD_MAX), -EINVAL);
	p.result = 2;
	ck_assert_int_eq(proto_reply_encode(PROTO_LIST, &p, memory.data, PROTO_HEAD_MAX), -EINVAL);
	p = (struct proto_reply){ .offset = 4097, .data = wire, .data_len = DIGEST_SIZE };
	ck_assert_int_eq(proto_reply_encode(PROTO_DIGEST, &p, memory.data, PROTO_HEAD_MAX), -EINVAL);
	ck_assert_int_gt(proto_reply_encode(PROTO_SUM, &p, memory.data, PROTO_HEAD_MAX), 0);
	p.data_len = 2 * DIGEST_SIZE;
	ck_assert_int_eq(proto_reply_encode(PROTO_SUM, &p, memory.data, PROTO_HEAD_MAX), -EINVAL);
	ck_assert_int_gt(proto_reply_encode(PROTO_DIGEST, &p, memory.data, PROTO_HEAD_MAX), 0);
	p = (struct proto_reply){ .record = 7 };
	ck_assert_int_eq(proto_reply_encode(PROTO_LOAD, &p, memory.data, PROTO_HEAD_MAX), -EINVAL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("proto/message");
	TCase *each = tcase_create("each"), *some = tcase_create("some");

	tcase_add_loop_test(each, requests_there_and_back, 0, PROTO_OP_END);
	tcase_add_loop_test(each, replies_there_and_back, 1, PROTO_OP_END);
	tcase_add_loop_test(each, requests_cut_short, 0, PROTO_OP_END);
	tcase_add_loop_test(each, replies_cut_short, 0, PROTO_OP_END);
	tcase_add_loop_test(each, data_is_bounded, 0, PROTO_OP_END);
	tcase_add_loop_test(each, documented, 0, PROTO_OP_END);
	suite_add_tcase(suite, each);
	tcase_add_test(some, names_are_components);
	tcase_add_test(some, values_are_bounded);
	tcase_add_test(some, to_the_byte_as_documented);
	tcase_add_test(some, changes_are_marked);
	tcase_add_test(some, entries_there_and_back);
	tcase_add_test(some, lying_replies);
	suite_add_tcase(suite, some);
	return check_main(suite);
}
