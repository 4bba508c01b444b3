/* A session, over a socketpair, with a real directory behind it. */

#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "format/record.h"

#include "../proto/messages.h"
#include "rig.h"

#define CALL(rig, ...) rig_call(rig, (struct proto_request){ __VA_ARGS__ })
#define SEND(rig, ...) rig_send(rig, (struct proto_request){ __VA_ARGS__ })
#define ROOT .handle = PROTO_ROOT
#define DATA(text) .data = (const uint8_t *)(text), .data_len = sizeof(text) - 1
#define MADE(what) .mode = (what), .flags = PROTO_CREATE_OWNED

static const struct session_options plain;
static struct rig a, b;

static void
check_content(const char *name, const char *want)
{
	char text[64] = { 0 };
	int fd = open(under(name), O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(read(fd, text, sizeof(text) - 1), 0);
	close(fd);
	ck_assert_str_eq(text, want);
}

static bool
exists(const char *name)
{
	struct stat st;

	return lstat(under(name), &st) == 0;
}

/* Each operation. */

START_TEST(files)
{
	static const uint8_t record[] = "not a record";
	struct statvfs vfs;

	rig_ready(&a, &plain);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "f", .opened = 1, MADE(S_IFREG | 0640)), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PWRITE, .handle = 1, .offset = 2, DATA("hello")), 5);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PREAD, .handle = 1, .offset = 3, .size = 100), 4);
	ck_assert_mem_eq(got.data, "ello", 4);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PREAD, .handle = 1, .offset = 100, .size = 100), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PREAD, .handle = 1, .offset = 0, .size = 0), 0);
	ck_assert_int_ne(CALL(&a, .op = PROTO_PREAD_CACHED, .handle = 1, .offset = 0, .size = 2), 1);
	ck_assert_int_eq(CALL(&a, .op = PROTO_TRUNCATE, .handle = 1, .offset = 4), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_STAT, .handle = 1), 0);
	ck_assert_int_eq(got.p.st.st_size, 4);
	ck_assert_uint_eq(got.p.st.st_mode, S_IFREG | 0640);
	ck_assert_int_eq(CALL(&a, .op = PROTO_SEEK, .handle = 1, .offset = 0, .flags = PROTO_SEEK_HOLE), 0);
	ck_assert_uint_eq(got.p.offset, 4);
	ck_assert_int_eq(CALL(&a, .op = PROTO_SEEK, .handle = 1, .offset = 100), -ENXIO);
	ck_assert_int_eq(CALL(&a, .op = PROTO_FSYNC, .handle = 1, .flags = PROTO_FSYNC_DATA), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_DROP_CACHE, .handle = 1), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_STORE, .handle = 1, .atime.tv_nsec = UTIME_OMIT, .mtime = { 1000, 5 }, .data = record, .data_len = 12), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_LOAD, ROOT, .name = "f"), 0);
	ck_assert_int_eq(got.p.record, 12);
	ck_assert_mem_eq(got.data, record, 12);
	ck_assert_int_eq(got.p.st.st_mtim.tv_sec, 1000);
	ck_assert_int_eq(got.p.st.st_mtim.tv_nsec, 5);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CLOSE, .handle = 1), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CLOSE, .handle = 1), -EBADF);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PREAD, .handle = 1, .size = 1), -EBADF);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN, ROOT, .name = "f", .opened = 1, .flags = PROTO_OPEN_WRITABLE), 0);
	ck_assert_int_eq(got.p.st.st_size, 4);
	ck_assert_int_ne(CALL(&a, .op = PROTO_FALLOCATE, .handle = 1, .offset = 0, .len = 8192), -EIO);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN_DIRECT, ROOT, .name = "f", .opened = 2), 0);
	ck_assert_int_lt(CALL(&a, .op = PROTO_PREAD_CACHED, .handle = 2, .offset = 0, .size = 4096), 0);
	ck_assert_int_ge(CALL(&a, .op = PROTO_PREAD, .handle = 2, .offset = 0, .size = 4096), 4);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PREAD, .handle = 2, .offset = 0, .size = 0), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_STATFS), 0);
	ck_assert_int_eq(statvfs(top, &vfs), 0);
	ck_assert_uint_eq(got.p.vfs.f_blocks, vfs.f_blocks);
	ck_assert_uint_eq(got.p.vfs.f_namemax, vfs.f_namemax);
	ck_assert_int_eq(CALL(&a, .op = PROTO_SYNC), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CHECK), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PING), 0);
	rig_stop(&a);
}
END_TEST

START_TEST(names)
{
	rig_ready(&a, &plain);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "d", .opened = PROTO_NONE, MADE(S_IFDIR | 0755)), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIR_OPEN, ROOT, .name = "d", .opened = 7), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, .handle = 7, .name = "f", .opened = PROTO_NONE, MADE(S_IFREG | 0600)), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, .handle = 7, .name = "f", .opened = 8, MADE(S_IFREG | 0600)), -EEXIST);
	/* A number is free again when nothing was opened. */
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, .handle = 7, .name = "s", .opened = 8, MADE(S_IFLNK | 0777), .text = "f/x"), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_READLINK, .handle = 7, .name = "s"), 0);
	ck_assert_uint_eq(got.p.data_len, 3);
	ck_assert_mem_eq(got.data, "f/x", 3);
	ck_assert_int_eq(CALL(&a, .op = PROTO_LINK, .handle = 7, .name = "f", .to = PROTO_ROOT, .to_name = "g"), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_RENAME, ROOT, .name = "g", .to = 7, .to_name = "f", .flags = PROTO_RENAME_NOREPLACE), -EEXIST);
	ck_assert_int_eq(CALL(&a, .op = PROTO_RENAME, ROOT, .name = "g", .to = 7, .to_name = "h"), 0);
	ck_assert(exists("d/h") && !exists("g"));
	ck_assert_int_eq(CALL(&a, .op = PROTO_PIN, .handle = 7, .name = "h", .opened = 8), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_UNLINK, .handle = 7, .name = "h"), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_STAT, .handle = 8), 0);
	ck_assert_uint_eq(got.p.st.st_nlink, 1);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CLOSE, .handle = 8), -EBADF);
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIR_CLOSE, .handle = 8), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_UNLINK, ROOT, .name = "d", .flags = PROTO_UNLINK_DIR), -ENOTEMPTY);
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIR_SYNC, .handle = 7), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIR_SYNC, ROOT), 0);
	ck_assert_int_ne(CALL(&a, .op = PROTO_TMPFILE, ROOT, .opened = 9, MADE(S_IFREG | 0600)), -EBADF);
	if (got.p.result == 0) {
		ck_assert_int_eq(CALL(&a, .op = PROTO_PWRITE, .handle = 9, DATA("tmp")), 3);
		ck_assert_int_eq(CALL(&a, .op = PROTO_LINK, .handle = 9, .to = 7, .to_name = "t"), 0);
		check_content("d/t", "tmp");
	}
	/* The corner where the mount keeps its own goes through, as any name. */
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = REPLICA_META, .opened = PROTO_NONE, MADE(S_IFDIR | 0700)), 0);
	rig_stop(&a);
}
END_TEST

START_TEST(attributes)
{
	char list[64];

	rig_ready(&a, &plain);
	r->ops->close(r, make_file("f", 0600));
	ck_assert_int_eq(CALL(&a, .op = PROTO_CHMOD, ROOT, .name = "f", .mode = 0640), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CHOWN, ROOT, .name = "f", .uid = UINT32_MAX, .gid = UINT32_MAX), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_XATTR_SET, ROOT, .name = "f", .text = "user.a", DATA("value")), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_XATTR_SET, ROOT, .name = "f", .text = "user.a", .flags = PROTO_XATTR_CREATE, DATA("value")), -EEXIST);
	ck_assert_int_eq(CALL(&a, .op = PROTO_XATTR_GET, ROOT, .name = "f", .text = "user.a", .size = 0), 5);
	ck_assert_uint_eq(got.p.data_len, 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_XATTR_GET, ROOT, .name = "f", .text = "user.a", .size = 3), -ERANGE);
	ck_assert_int_eq(CALL(&a, .op = PROTO_XATTR_GET, ROOT, .name = "f", .text = "user.a", .size = PROTO_DATA_MAX), 5);
	ck_assert_mem_eq(got.data, "value", 5);
	ck_assert_int_eq(CALL(&a, .op = PROTO_XATTR_LIST, ROOT, .name = "f", .size = 100), (int)listxattr(under("f"), list, sizeof(list)));
	ck_assert_int_eq(CALL(&a, .op = PROTO_LOAD, ROOT, .name = "f"), 0);
	ck_assert_uint_eq(got.p.flags, PROTO_LOAD_XATTRS);
	ck_assert_int_eq(got.p.record, -ENODATA);
	ck_assert_int_eq(CALL(&a, .op = PROTO_XATTR_REMOVE, ROOT, .name = "f", .text = "user.a"), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_XATTR_REMOVE, ROOT, .name = "f", .text = "user.a"), -ENODATA);
	ck_assert_int_eq(CALL(&a, .op = PROTO_STAT, ROOT, .name = "missing"), -ENOENT);
	rig_stop(&a);
}
END_TEST

/* More names than a reply holds. */
START_TEST(long_lists)
{
	enum { COUNT = 3000 };
	static bool seen[COUNT];
	struct proto_entry entry;
	struct buf_reader reader;
	unsigned count = 0, replies = 0;
	char name[64];
	uint32_t id;
	int rc;

	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "%u-a-name-that-is-not-quite-short", i);
		r->ops->close(r, make_file(name, 0600));
	}
	rig_ready(&a, &plain);
	id = SEND(&a, .op = PROTO_LIST, ROOT);
	do {
		ck_assert_int_ge(rc = rig_wait(&a, id, PROTO_LIST, &got), 0);
		replies++;
		buf_reader_init(&reader, got.data, got.p.data_len);
		while (proto_entry_get(&reader, &entry) == 1) {
			ck_assert(!seen[strtoul(entry.name, NULL, 10)]);
			seen[strtoul(entry.name, NULL, 10)] = true;
			count++;
		}
	} while (rc == PROTO_LIST_MORE);
	ck_assert_uint_eq(count, COUNT);
	ck_assert_uint_gt(replies, 1);
	rig_stop(&a);
}
END_TEST

/* Order. */

START_TEST(open_write_close_without_waiting)
{
	uint8_t frame[2 * PROTO_HEAD_MAX];
	uint32_t ids[6];
	size_t len = 0;

	rig_ready(&a, &plain);
	a.frames = 0;
	ids[0] = rig_add(&a, (struct proto_request){ .op = PROTO_CREATE, ROOT, .name = "f", .opened = 3, MADE(S_IFREG | 0600) }, frame, &len);
	ids[1] = rig_add(&a, (struct proto_request){ .op = PROTO_PWRITE, .handle = 3, DATA("one") }, frame, &len);
	ids[2] = rig_add(&a, (struct proto_request){ .op = PROTO_PWRITE, .handle = 3, .offset = 3, DATA("two") }, frame, &len);
	ids[3] = rig_add(&a, (struct proto_request){ .op = PROTO_CLOSE, .handle = 3 }, frame, &len);
	ids[4] = rig_add(&a, (struct proto_request){ .op = PROTO_OPEN, ROOT, .name = "f", .opened = 3 }, frame, &len);
	ids[5] = rig_add(&a, (struct proto_request){ .op = PROTO_CLOSE, .handle = 3 }, frame, &len);
	ck_assert_int_eq(rig_send_frame(&a, frame, len), 0);
	ck_assert_int_eq(rig_wait(&a, ids[0], PROTO_CREATE, &got), 0);
	ck_assert_int_eq(rig_wait(&a, ids[1], PROTO_PWRITE, &got), 3);
	ck_assert_int_eq(rig_wait(&a, ids[2], PROTO_PWRITE, &got), 3);
	ck_assert_int_eq(rig_wait(&a, ids[3], PROTO_CLOSE, &got), 0);
	ck_assert_int_eq(rig_wait(&a, ids[4], PROTO_OPEN, &got), 0);
	ck_assert_int_eq(got.p.st.st_size, 6);
	ck_assert_int_eq(rig_wait(&a, ids[5], PROTO_CLOSE, &got), 0);
	/* What was asked together is answered together. */
	ck_assert_uint_eq(a.frames, 1);
	check_content("f", "onetwo");
	rig_stop(&a);
}
END_TEST

/* What follows an opening that fails fails, too, and nothing else. */
START_TEST(open_fails_and_write_follows)
{
	uint32_t open_id, write_id, close_id;

	rig_ready(&a, &plain);
	open_id = SEND(&a, .op = PROTO_OPEN, ROOT, .name = "missing", .opened = 3, .flags = PROTO_OPEN_WRITABLE);
	write_id = SEND(&a, .op = PROTO_PWRITE, .handle = 3, DATA("x"));
	close_id = SEND(&a, .op = PROTO_CLOSE, .handle = 3);
	ck_assert_int_eq(rig_wait(&a, open_id, PROTO_OPEN, &got), -ENOENT);
	ck_assert_int_eq(rig_wait(&a, write_id, PROTO_PWRITE, &got), -EBADF);
	ck_assert_int_eq(rig_wait(&a, close_id, PROTO_CLOSE, &got), -EBADF);
	rig_stop(&a);
}
END_TEST

static void
hang(struct rig *rig, enum fault_op op)
{
	fault_set(rig->r, &(struct fault_rule){ .ops = FAULT_MASK(op), .nth = 1, .mode = FAULT_HANG });
}

START_TEST(fsync_is_slow_and_others_go_on)
{
	uint32_t id;

	rig_ready(&a, &plain);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "f", .opened = 1, MADE(S_IFREG | 0600)), 0);
	hang(&a, FAULT_FSYNC);
	id = SEND(&a, .op = PROTO_FSYNC, .handle = 1);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PWRITE, .handle = 1, DATA("later")), 5);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PREAD, .handle = 1, .size = 5), 5);
	ck_assert(!rig_has(&a, id, PROTO_FSYNC, &got));
	fault_set(a.r, NULL);
	ck_assert_int_eq(rig_wait(&a, id, PROTO_FSYNC, &got), 0);
	rig_stop(&a);
}
END_TEST

/* A number is free at once; the handle behind it is closed when the last user is done. */
START_TEST(close_while_in_use)
{
	uint32_t id;

	rig_ready(&a, &plain);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "f", .opened = 1, MADE(S_IFREG | 0600)), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "g", .opened = 2, MADE(S_IFREG | 0600)), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PWRITE, .handle = 1, DATA("old")), 3);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CLOSE, .handle = 1), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN_DIRECT, ROOT, .name = "f", .opened = 1), 0);
	hang(&a, FAULT_PREAD);
	id = SEND(&a, .op = PROTO_PREAD, .handle = 1, .size = 4096);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CLOSE, .handle = 1), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_FSYNC, .handle = 1), -EBADF);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN, ROOT, .name = "g", .opened = 1), 0);
	fault_set(a.r, NULL);
	ck_assert_int_eq(rig_wait(&a, id, PROTO_PREAD, &got), 3);
	ck_assert_mem_eq(got.data, "old", 3);
	rig_stop(&a);
}
END_TEST

/* More slow ones than may wait: nothing is received until there is room, and all are answered. */
START_TEST(too_many_requests_wait)
{
	const struct session_options few = { .workers = 1, .limits.requests = 3 };
	struct session_counters counters;
	uint32_t ids[20];

	rig_ready(&a, &few);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "f", .opened = 1, MADE(S_IFREG | 0600)), 0);
	hang(&a, FAULT_FSYNC);
	for (unsigned i = 0; i < 20; i++)
		ids[i] = SEND(&a, .op = PROTO_FSYNC, .handle = 1);
	/* The third one that waits is the last one that was taken. */
	do
		session_count(a.session, &counters);
	while (counters.waiting < 3);
	ck_assert_uint_eq(counters.waiting, 3);
	fault_set(a.r, NULL);
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_eq(rig_wait(&a, ids[i], PROTO_FSYNC, &got), 0);
	rig_stop(&a);
}
END_TEST

/* Bounds. */

START_TEST(handles_are_bounded)
{
	const struct session_options few = { .limits.handles = 100 };
	struct session_counters counters;
	unsigned i;

	rig_ready(&a, &few);
	ck_assert_int_eq(rig_call(&a, (struct proto_request){ .op = PROTO_CREATE, ROOT, .name = "f", .opened = 1, MADE(S_IFREG | 0600) }), 0);
	for (i = 2; i < 100; i++)
		ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN, ROOT, .name = "f", .opened = i), 0);
	session_count(a.session, &counters);
	ck_assert_uint_eq(counters.handles, 99);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN, ROOT, .name = "f", .opened = 100), -EMFILE);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN, ROOT, .name = "f", .opened = UINT32_MAX), -EMFILE);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN, ROOT, .name = "f", .opened = UINT32_MAX - 1), -EMFILE);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN, ROOT, .name = "f", .opened = 50), -EBADF);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "new", .opened = 50, MADE(S_IFREG | 0600)), -EBADF);
	ck_assert(!exists("new"));
	ck_assert_int_eq(CALL(&a, .op = PROTO_CLOSE, .handle = 50), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN, ROOT, .name = "f", .opened = 50), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIR_CLOSE, ROOT), -EBADF);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CLOSE, .handle = UINT32_MAX), -EBADF);
	/* A file is no directory, and a directory no file. */
	ck_assert_int_eq(CALL(&a, .op = PROTO_STAT, .handle = 50, .name = "x"), -ENOTDIR);
	ck_assert_int_eq(CALL(&a, .op = PROTO_LIST, .handle = 50), -ENOTDIR);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PWRITE, ROOT, DATA("x")), -EBADF);
	ck_assert_int_eq(CALL(&a, .op = PROTO_RENAME, ROOT, .name = "f", .to = 50, .to_name = "g"), -ENOTDIR);
	rig_stop(&a);
}
END_TEST

START_TEST(largest_messages)
{
	static uint8_t data[PROTO_DATA_MAX];

	memset(data, 'x', sizeof(data));
	rig_ready(&a, &plain);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "f", .opened = 1, MADE(S_IFREG | 0600)), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PWRITE, .handle = 1, .data = data, .data_len = sizeof(data)), PROTO_DATA_MAX);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PREAD, .handle = 1, .size = PROTO_DATA_MAX), PROTO_DATA_MAX);
	ck_assert_mem_eq(got.data, data, sizeof(data));
	rig_stop(&a);
}
END_TEST

/* A frame of any bytes, and then the end of the session. */
static void
cut_off(uint8_t *frame, size_t len)
{
	ck_assert_int_eq(rig_send_frame(&a, frame, len), 0);
	ck_assert_int_eq(rig_join(&a), -EPROTO);
	rig_stop(&a);
}

START_TEST(what_is_no_request)
{
	uint8_t frame[PROTO_HEAD_MAX] = { 0 };
	size_t len = 0;

	rig_ready(&a, &plain);
	memset(frame, 0xff, sizeof(frame));
	switch (_i) {
	case 0:	/* longer than its frame, and than anything may be */
		cut_off(frame, sizeof(frame));
		break;
	case 1:	/* half a head */
		cut_off((uint8_t[]){ 12, 0, 0, 0, 1 }, 5);
		break;
	case 2:	/* no such operation */
		cut_off((uint8_t[]){ 12, 0, 0, 0, 1, 0, 0, 0, 99, 0, 0, 0 }, 12);
		break;
	case 3:	/* a good one, and something behind it */
		(void)rig_add(&a, (struct proto_request){ .op = PROTO_PING }, frame, &len);
		cut_off(frame, len + 3);
		break;
	default:	/* HELLO a second time */
		(void)rig_add(&a, (struct proto_request){ .op = PROTO_HELLO, .version = PROTO_VERSION }, frame, &len);
		cut_off(frame, len);
	}
}
END_TEST

/* Out of phase: whatever comes before HELLO ends it, and nothing has happened. */
START_TEST(nothing_before_hello)
{
	static struct message_memory memory;
	struct random rng = { (uint64_t)_i };
	struct proto_request q;

	if (!proto_op_known((unsigned)_i) || _i == PROTO_HELLO)
		return;
	message_request(&rng, &memory, (unsigned)_i, 0, &q);
	q.handle = q.to = PROTO_ROOT;
	q.mode = S_IFREG | 0600;
	rig_start(&a, rig_replica(), &(struct session_options){ .without_lease = true });
	(void)rig_send(&a, q);
	ck_assert_int_eq(rig_join(&a), -EPROTO);
	ck_assert_uint_eq(fault_count(a.r, FAULT_ALL), 0);
	rig_stop(&a);
}
END_TEST

START_TEST(another_version)
{
	rig_start(&a, rig_replica(), &plain);
	ck_assert_int_eq(CALL(&a, .op = PROTO_HELLO, .version = PROTO_VERSION + 1), -EPROTONOSUPPORT);
	ck_assert_int_eq(rig_join(&a), -EPROTONOSUPPORT);
	rig_stop(&a);
}
END_TEST

/* Who says nothing. */
START_TEST(silence)
{
	const struct session_options impatient = { .hello_ms = 20, .silence_ms = 30 };

	rig_start(&a, rig_replica(), &impatient);
	ck_assert_int_eq(rig_join(&a), -ETIMEDOUT);
	rig_stop(&a);
	rig_start(&a, rig_replica(), &(struct session_options){ .silence_ms = 30 });
	ck_assert_int_eq(rig_hello(&a, 0, 1), 0);
	ck_assert_int_eq(rig_join(&a), -ETIMEDOUT);
	rig_stop(&a);
}
END_TEST

/* Ways out of the export. */

static const char *const escapes[] = { "..", ".", "/etc", "../secret", "a/b", "/", "" };

START_TEST(names_that_lead_out)
{
	const char *name = escapes[_i];
	uint8_t frame[64];
	struct buf_writer w;

	/* By hand: no encoder makes it. */
	rig_ready(&a, &plain);
	buf_writer_init(&w, frame, sizeof(frame));
	buf_put_u32(&w, (uint32_t)(PROTO_REQUEST_HEAD + 4 + 4 + strlen(name) + 1 + 4));
	buf_put_u32(&w, 77);
	buf_put_u16(&w, PROTO_DIR_OPEN);
	buf_put_u16(&w, 0);
	buf_put_u32(&w, PROTO_ROOT);
	buf_put_u32(&w, (uint32_t)strlen(name));
	buf_put_bytes(&w, name, strlen(name) + 1);
	buf_put_u32(&w, 5);
	fault_count_reset(a.r);
	ck_assert_int_eq(rig_send_frame(&a, frame, (size_t)(w.at - frame)), 0);
	ck_assert_int_eq(rig_join(&a), -EPROTO);
	ck_assert_uint_eq(fault_count(a.r, FAULT_ALL), 0);
	rig_stop(&a);
}
END_TEST

START_TEST(symbolic_links_lead_nowhere)
{
	r->ops->close(r, make_file("f", 0600));
	ck_assert_int_eq(symlink("/etc", under("dir")), 0);
	ck_assert_int_eq(symlink("/etc/passwd", under("file")), 0);
	ck_assert_int_eq(symlink("..", under("up")), 0);
	ck_assert_int_eq(symlink("f", under("inside")), 0);
	rig_ready(&a, &plain);
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIR_OPEN, ROOT, .name = "dir", .opened = 1), -ENOTDIR);
	ck_assert_int_eq(CALL(&a, .op = PROTO_DIR_OPEN, ROOT, .name = "up", .opened = 1), -ENOTDIR);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN, ROOT, .name = "file", .opened = 1), -ESTALE);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN, ROOT, .name = "inside", .opened = 1), -ESTALE);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN_DIRECT, ROOT, .name = "file", .opened = 1), -ESTALE);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "file", .opened = 1, MADE(S_IFREG | 0600)), -EEXIST);
	ck_assert_int_eq(CALL(&a, .op = PROTO_STAT, ROOT, .name = "file"), 0);
	ck_assert(S_ISLNK(got.p.st.st_mode));
	/* Held as itself, it leads nowhere either. */
	ck_assert_int_eq(CALL(&a, .op = PROTO_PIN, ROOT, .name = "dir", .opened = 1), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_STAT, .handle = 1, .name = "passwd"), -ENOTDIR);
	ck_assert_int_lt(CALL(&a, .op = PROTO_LIST, .handle = 1), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, .handle = 1, .name = "x", .opened = PROTO_NONE, MADE(S_IFREG | 0600)), -ENOTDIR);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PIN, ROOT, .name = "file", .opened = 2), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN, .handle = 2, .opened = 3), -ESTALE);
	ck_assert_int_lt(CALL(&a, .op = PROTO_CHMOD, .handle = 2, .mode = 0666), 0);
	rig_stop(&a);
}
END_TEST

/* A right to read. */

START_TEST(read_only_changes_nothing)
{
	static struct message_memory memory;
	const struct session_options reader = { .read_only = _i < PROTO_OP_END };
	const unsigned op = (unsigned)_i % PROTO_OP_END;
	struct random rng = { (uint64_t)_i };
	struct proto_request q;

	if ((proto_op_traits(op) & PROTO_CHANGES) == 0 && op != PROTO_OPEN)
		return;
	r->ops->close(r, make_file("f", 0600));
	/* By its right, or because it asked for no more. */
	rig_start(&a, rig_replica(), &reader);
	ck_assert_int_eq(rig_hello(&a, reader.read_only ? 0 : PROTO_HELLO_READ_ONLY, 1), 0);
	ck_assert_uint_eq(got.p.flags, PROTO_HELLO_READ_ONLY);
	ck_assert_int_eq(CALL(&a, .op = PROTO_OPEN, ROOT, .name = "f", .opened = 1), 0);
	fault_count_reset(a.r);
	message_request(&rng, &memory, op, 0, &q);
	if (op == PROTO_OPEN)
		q.flags = PROTO_OPEN_WRITABLE;
	ck_assert_int_eq(rig_call(&a, q), -EROFS);
	q.handle = 1;
	ck_assert_int_eq(rig_call(&a, q), -EROFS);
	ck_assert_uint_eq(fault_count(a.r, FAULT_ALL), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_LOCK, .flags = PROTO_LOCK_EXCLUSIVE), -EROFS);
	ck_assert_int_eq(CALL(&a, .op = PROTO_PREAD, .handle = 1, .size = 1), 0);
	rig_stop(&a);
}
END_TEST

/* The lease. */

START_TEST(no_change_without_the_lease)
{
	rig_start(&a, rig_replica(), &plain);
	ck_assert_int_eq(rig_hello(&a, 0, 1), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "f", .opened = 1, MADE(S_IFREG | 0600)), -ENOLCK);
	ck_assert_int_eq(CALL(&a, .op = PROTO_LOCK), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "f", .opened = 1, MADE(S_IFREG | 0600)), -ENOLCK);
	ck_assert_int_eq(CALL(&a, .op = PROTO_LOCK, .flags = PROTO_LOCK_EXCLUSIVE), 0);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "f", .opened = 1, MADE(S_IFREG | 0600)), 0);
	rig_stop(&a);
}
END_TEST

START_TEST(one_writer)
{
	rig_ready(&a, &plain);
	rig_start(&b, rig_replica(), &plain);
	ck_assert_int_eq(rig_hello(&b, 0, 2), 0);
	ck_assert_int_eq(CALL(&b, .op = PROTO_LOCK, .flags = PROTO_LOCK_EXCLUSIVE), -EWOULDBLOCK);
	ck_assert_int_eq(CALL(&b, .op = PROTO_LOCK), -EWOULDBLOCK);
	/* When BYE is answered the lease is free. */
	ck_assert_int_eq(CALL(&a, .op = PROTO_BYE), 0);
	ck_assert_int_eq(CALL(&b, .op = PROTO_LOCK, .flags = PROTO_LOCK_EXCLUSIVE), 0);
	ck_assert_int_eq(rig_join(&a), 0);
	rig_stop(&a);
	rig_stop(&b);
}
END_TEST

/* The program's part: end the other one, and wait for it as long as ${patient}. */
static bool patient;

static int
give_way(void *arg, struct session *session)
{
	struct rig *old = arg;
	uint8_t ours[PROTO_INSTANCE_SIZE], its[PROTO_INSTANCE_SIZE];

	ck_assert(session_instance(session, ours) && session_instance(old->session, its));
	if (memcmp(ours, its, sizeof(ours)) != 0)
		return -EWOULDBLOCK;
	session_end(old->session);
	if (!patient)
		return -EWOULDBLOCK;
	fault_set(old->r, NULL);
	rig_join(old);
	return 0;
}

START_TEST(taken_over_from_an_own_dead_session)
{
	const struct session_options options = { .give_way = give_way, .arg = &a };
	struct session_counters counters;

	rig_ready(&a, &plain);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "f", .opened = 1, MADE(S_IFREG | 0600)), 0);
	hang(&a, FAULT_FSYNC);
	SEND(&a, .op = PROTO_FSYNC, .handle = 1);
	do
		session_count(a.session, &counters);
	while (counters.waiting == 0);

	/* A stranger does not get it. */
	rig_start(&b, rig_replica(), &options);
	ck_assert_int_eq(rig_hello(&b, 0, 2), 0);
	ck_assert_int_eq(CALL(&b, .op = PROTO_LOCK, .flags = PROTO_LOCK_EXCLUSIVE), -EWOULDBLOCK);
	rig_stop(&b);
	/* Its own mount does not either while a request of the old session has not ended, ... */
	patient = false;
	rig_start(&b, rig_replica(), &options);
	ck_assert_int_eq(rig_hello(&b, 0, 1), 0);
	ck_assert_int_eq(CALL(&b, .op = PROTO_LOCK, .flags = PROTO_LOCK_EXCLUSIVE), -EWOULDBLOCK);
	ck_assert_int_eq(CALL(&b, .op = PROTO_UNLINK, ROOT, .name = "f"), -ENOLCK);
	/* ... and then it does. */
	patient = true;
	ck_assert_int_eq(CALL(&b, .op = PROTO_LOCK, .flags = PROTO_LOCK_EXCLUSIVE), 0);
	ck_assert_int_eq(CALL(&b, .op = PROTO_UNLINK, ROOT, .name = "f"), 0);
	rig_stop(&a);
	rig_stop(&b);
}
END_TEST

/* The end. */

START_TEST(bye_waits_for_what_was_asked_before)
{
	struct got late;
	uint32_t sync_id, bye_id;
	uint8_t *body;
	size_t len;

	rig_ready(&a, &plain);
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "f", .opened = 1, MADE(S_IFREG | 0600)), 0);
	fault_set(a.r, &(struct fault_rule){ .ops = FAULT_MASK(FAULT_FSYNC), .nth = 1, .error = ENOSPC, .delay_ms = 20 });
	sync_id = SEND(&a, .op = PROTO_FSYNC, .handle = 1);
	bye_id = SEND(&a, .op = PROTO_BYE);
	ck_assert_int_eq(rig_wait(&a, bye_id, PROTO_BYE, &got), 0);
	ck_assert(rig_has(&a, sync_id, PROTO_FSYNC, &late));
	ck_assert_int_eq(late.p.result, -ENOSPC);
	/* And the link says so, too. */
	ck_assert_int_eq(link_receive(a.client, &body, &len, 20000), 0);
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(rig_join(&a), 0);
	rig_stop(&a);
}
END_TEST

START_TEST(links_that_break)
{
	struct session_counters counters;

	rig_ready(&a, &(struct session_options){ .workers = 1 });
	ck_assert_int_eq(CALL(&a, .op = PROTO_CREATE, ROOT, .name = "f", .opened = 1, MADE(S_IFREG | 0600)), 0);
	hang(&a, FAULT_FSYNC);
	for (unsigned i = 0; i < 5; i++)
		SEND(&a, .op = PROTO_FSYNC, .handle = 1);
	do
		session_count(a.session, &counters);
	while (counters.waiting < 5);
	link_shutdown(a.client);
	/* The one that has begun ends; those that have not never begin. */
	do
		(void)usleep(1000);
	while (link_error(a.server) == 0);
	fault_set(a.r, NULL);
	ck_assert_int_lt(rig_join(&a), 0);
	ck_assert_uint_le(fault_count(a.r, FAULT_MASK(FAULT_FSYNC)), 2);
	/* The lease is free, though the replica has not been freed. */
	ck_assert_int_eq(r->ops->lock(r, true), 0);
	rig_stop(&a);
}
END_TEST

/* Many requests in flight, on many handles. */
enum { DEEP = 4, ROUNDS = 100 };


START_TEST(many_in_flight)
{
	static uint32_t ids[ROUNDS][4];
	char name[16];

	rig_ready(&a, &plain);
	for (unsigned i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		ids[i][0] = SEND(&a, .op = PROTO_CREATE, ROOT, .name = name, .opened = i + 1, MADE(S_IFREG | 0600));
		ids[i][1] = SEND(&a, .op = PROTO_PWRITE, .handle = i + 1, DATA("abc"));
		ids[i][2] = SEND(&a, .op = PROTO_FSYNC, .handle = i + 1);
		ids[i][3] = SEND(&a, .op = PROTO_CLOSE, .handle = i + 1);
		if (i >= DEEP)
			for (unsigned k = 0; k < 4; k++)
				ck_assert_int_ge(rig_wait(&a, ids[i - DEEP][k], k == 1 ? PROTO_PWRITE : PROTO_CLOSE, &got), 0);
	}
	/* What is answered after it was done after it. */
	ck_assert_int_eq(CALL(&a, .op = PROTO_PING), 0);
	check_content("f99", "abc");
	rig_stop(&a);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lend/session");
	TCase *ops = tcase_create("operations"), *order = tcase_create("order"), *bounds = tcase_create("bounds");
	TCase *rights = tcase_create("rights"), *ends = tcase_create("ends");

	tcase_add_checked_fixture(ops, scratch_setup, scratch_teardown);
	tcase_add_test(ops, files);
	tcase_add_test(ops, names);
	tcase_add_test(ops, attributes);
	tcase_add_test(ops, long_lists);
	suite_add_tcase(suite, ops);
	tcase_add_checked_fixture(order, scratch_setup, scratch_teardown);
	tcase_add_test(order, open_write_close_without_waiting);
	tcase_add_test(order, open_fails_and_write_follows);
	tcase_add_test(order, fsync_is_slow_and_others_go_on);
	tcase_add_test(order, close_while_in_use);
	tcase_add_test(order, too_many_requests_wait);
	tcase_add_test(order, many_in_flight);
	suite_add_tcase(suite, order);
	tcase_add_checked_fixture(bounds, scratch_setup, scratch_teardown);
	tcase_add_test(bounds, handles_are_bounded);
	tcase_add_test(bounds, largest_messages);
	tcase_add_loop_test(bounds, what_is_no_request, 0, 5);
	tcase_add_loop_test(bounds, nothing_before_hello, 0, PROTO_OP_END);
	tcase_add_test(bounds, another_version);
	tcase_add_test(bounds, silence);
	tcase_add_loop_test(bounds, names_that_lead_out, 0, (int)(sizeof(escapes) / sizeof(escapes[0])));
	tcase_add_test(bounds, symbolic_links_lead_nowhere);
	suite_add_tcase(suite, bounds);
	tcase_add_checked_fixture(rights, scratch_setup, scratch_teardown);
	tcase_add_loop_test(rights, read_only_changes_nothing, 0, 2 * PROTO_OP_END);
	tcase_add_test(rights, no_change_without_the_lease);
	tcase_add_test(rights, one_writer);
	tcase_add_test(rights, taken_over_from_an_own_dead_session);
	suite_add_tcase(suite, rights);
	tcase_add_checked_fixture(ends, scratch_setup, scratch_teardown);
	tcase_add_test(ends, bye_waits_for_what_was_asked_before);
	tcase_add_test(ends, links_that_break);
	suite_add_tcase(suite, ends);
	return scratch_main(suite);
}
