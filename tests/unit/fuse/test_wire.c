#include <linux/fuse.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuse/wire.h"

#include "../check_main.h"

static struct wire wire;
static struct wire_request request;
static union { struct fuse_in_header in; unsigned char bytes[512]; } message;

static void
setup(void)
{
	memset(&wire, 0, sizeof(wire));
	memset(&message, 0, sizeof(message));
	memset(&request, 0xff, sizeof(request));
}

/* Put ${len} bytes of argument behind a header. */
static size_t
build(uint32_t opcode, const void *arg, size_t len)
{
	message.in.opcode = opcode;
	message.in.unique = 42;
	message.in.len = (uint32_t)(sizeof(message.in) + len);
	memcpy(&message.in + 1, arg, len);
	return message.in.len;
}

static size_t
note(size_t len)
{
	return wire_note(&wire, &message, len, &request);
}

static void
offer(uint32_t flags)
{
	struct fuse_init_in init = { .major = 7, .minor = 38, .flags = flags };
	size_t len = build(FUSE_INIT, &init, sizeof(init));

	ck_assert_uint_eq(note(len), len);
}

START_TEST(kill_flags_are_noted)
{
	struct fuse_write_in write_in = { .size = 1, .write_flags = FUSE_WRITE_KILL_SUIDGID };
	size_t len;

	len = build(FUSE_WRITE, &write_in, sizeof(write_in));
	ck_assert_uint_eq(note(len), len);
	ck_assert(request.kill_priv && !request.tmpfile && !request.kill_sgid);
	write_in.write_flags = FUSE_WRITE_CACHE;
	ck_assert_uint_eq(note(build(FUSE_WRITE, &write_in, sizeof(write_in))), len);
	ck_assert(!request.kill_priv);
	write_in.write_flags = FUSE_WRITE_KILL_SUIDGID;
	note(build(FUSE_WRITE, &write_in, sizeof(write_in)));
	ck_assert(request.kill_priv);
	note(build(FUSE_GETATTR, &write_in, sizeof(write_in)));
	ck_assert(!request.kill_priv);
}
END_TEST

START_TEST(tmpfile_becomes_create)
{
	struct fuse_create_in create = { .mode = 0600 };

	note(build(FUSE_TMPFILE, &create, sizeof(create)));
	ck_assert(request.tmpfile);
	ck_assert_uint_eq(message.in.opcode, FUSE_CREATE);
	note(build(FUSE_CREATE, &create, sizeof(create)));
	ck_assert(!request.tmpfile);
}
END_TEST

START_TEST(setxattr_is_shortened_if_it_was_long)
{
	static const char rest[] = "user.x\0value";
	struct { struct fuse_setxattr_in head; char rest[sizeof(rest)]; } arg = {
		.head = { .size = 5, .flags = 2, .setxattr_flags = FUSE_SETXATTR_ACL_KILL_SGID },
	};
	const char *got = (const char *)(&message.in + 1);
	size_t len;

	memcpy(arg.rest, rest, sizeof(rest));
	offer(FUSE_SETXATTR_EXT);
	len = build(FUSE_SETXATTR, &arg, sizeof(arg.head) + sizeof(rest));
	ck_assert_uint_eq(note(len), len - 8);
	ck_assert_uint_eq(message.in.len, len - 8);
	ck_assert(request.kill_sgid);
	ck_assert_mem_eq(got, &arg.head, FUSE_COMPAT_SETXATTR_IN_SIZE);
	ck_assert_mem_eq(got + FUSE_COMPAT_SETXATTR_IN_SIZE, rest, sizeof(rest));

	/* A kernel that does not offer the long header sends the short one. */
	offer(0);
	len = build(FUSE_SETXATTR, &arg, sizeof(arg.head) + sizeof(rest));
	ck_assert_uint_eq(note(len), len);
	ck_assert(!request.kill_sgid);
}
END_TEST

START_TEST(short_messages_do_no_harm)
{
	size_t len;
	uint32_t opcode;

	offer(FUSE_SETXATTR_EXT);
	for (opcode = 0; opcode < 60; opcode++) {
		for (len = 0; len < 100; len++) {
			setup();
			wire.offered = FUSE_SETXATTR_EXT;
			message.in.opcode = opcode;
			ck_assert_uint_le(note(len), len);
		}
	}
}
END_TEST

/* Send an INIT reply through a pipe; the flags in it as the kernel sees them. */
static uint32_t
reply_init(uint64_t unique, int32_t error, uint32_t flags)
{
	struct fuse_out_header out = { .unique = unique, .error = error };
	struct fuse_init_out init = { .flags = flags };
	struct iovec iov[2] = { { &out, sizeof(out) }, { &init, sizeof(init) } };
	unsigned char got[sizeof(out) + sizeof(init)];
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(wire_writev(&wire, ends[1], iov, 2), sizeof(got));
	ck_assert_int_eq(read(ends[0], got, sizeof(got)), sizeof(got));
	close(ends[0]);
	close(ends[1]);
	memcpy(&init, got + sizeof(out), sizeof(init));
	return init.flags;
}

START_TEST(init_reply_gets_what_was_offered)
{
	offer(FUSE_ASYNC_READ | FUSE_HANDLE_KILLPRIV_V2);
	ck_assert_uint_eq(reply_init(42, 0, FUSE_BIG_WRITES), FUSE_BIG_WRITES | FUSE_HANDLE_KILLPRIV_V2);
	ck_assert_uint_eq(reply_init(42, 0, FUSE_BIG_WRITES), FUSE_BIG_WRITES);	/* once */
	offer(FUSE_ASYNC_READ);
	ck_assert_uint_eq(reply_init(42, 0, FUSE_BIG_WRITES), FUSE_BIG_WRITES);
	offer(FUSE_HANDLE_KILLPRIV_V2);
	ck_assert_uint_eq(reply_init(42, -71, 0), 0);
	offer(FUSE_HANDLE_KILLPRIV_V2);
	ck_assert_uint_eq(reply_init(43, 0, 0), 0);
}
END_TEST

START_TEST(wire_read_notes_for_its_thread)
{
	struct fuse_write_in write_in = { .write_flags = FUSE_WRITE_KILL_SUIDGID };
	size_t len = build(FUSE_WRITE, &write_in, sizeof(write_in));
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], &message, len), (ssize_t)len);
	ck_assert(!wire_request()->kill_priv);
	ck_assert_int_eq(wire_read(&wire, ends[0], &message, sizeof(message)), (ssize_t)len);
	ck_assert(wire_request()->kill_priv);
	close(ends[1]);
	ck_assert_int_eq(wire_read(&wire, ends[0], &message, sizeof(message)), 0);
	close(ends[0]);
}
END_TEST

/* Whatever their sizes, the pieces of a reply come out one after the other, in one message. */
START_TEST(replies_of_any_size)
{
	static const size_t sizes[] = { 0, 1, 15, 495, 496, 497, 512, 4096, 60000 };
	struct fuse_out_header out = { .unique = 7 };
	static unsigned char body[60000], got[sizeof(out) + sizeof(body) + 1];
	struct iovec iov[3] = { { &out, sizeof(out) }, { body, 0 }, { NULL, 0 } };
	size_t i, len;
	int ends[2];

	for (i = 0; i < sizeof(body); i++)
		body[i] = (unsigned char)(i * 7 + i / 256);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		iov[1].iov_len = sizes[i];
		len = sizeof(out) + sizes[i];
		ck_assert_int_eq(wire_writev(&wire, ends[1], iov, 3), (ssize_t)len);
		ck_assert_int_eq(read(ends[0], got, sizeof(got)), (ssize_t)len);
		ck_assert_mem_eq(got, &out, sizeof(out));
		ck_assert_int_eq(memcmp(got + sizeof(out), body, sizes[i]), 0);
	}
	close(ends[0]);
	close(ends[1]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("wire");
	TCase *tcase = tcase_create("wire");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, kill_flags_are_noted);
	tcase_add_test(tcase, tmpfile_becomes_create);
	tcase_add_test(tcase, setxattr_is_shortened_if_it_was_long);
	tcase_add_test(tcase, short_messages_do_no_harm);
	tcase_add_test(tcase, init_reply_gets_what_was_offered);
	tcase_add_test(tcase, wire_read_notes_for_its_thread);
	tcase_add_test(tcase, replies_of_any_size);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
