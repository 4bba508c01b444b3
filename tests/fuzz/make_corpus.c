/*
 * Writes the seeds of the fuzz harnesses below DIRECTORY, where each has its
 * own directory: run it after a change of format, and commit what changes.
 *
 * usage: make_corpus DIRECTORY
 */

#include <errno.h>
#include <sys/stat.h>

#include "format/index.h"
#include "format/intent.h"
#include "format/label.h"
#include "format/pending.h"
#include "format/record.h"
#include "format/scrubstate.h"
#include "format/tagpage.h"
#include "link/frame.h"
#include "link/squeeze.h"
#include "proto/message.h"

#include "fuzz_link.h"

static const char *top;

/* A file DIRECTORY/${kind}/${name} of the byte ${how}, ${head} and ${data}. */
static void
seed(const char *kind, const char *name, uint8_t how, const void *head, size_t head_len,
    const void *data, size_t len)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", top, kind);
	FUZZ_ASSERT(mkdir(path, 0777) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/%s/%s", top, kind, name);
	file = fopen(path, "wb");
	FUZZ_ASSERT(file != NULL);
	FUZZ_ASSERT(fputc(how, file) == how);
	FUZZ_ASSERT(fwrite(head, 1, head_len, file) == head_len);
	FUZZ_ASSERT(fwrite(data, 1, len, file) == len);
	FUZZ_ASSERT(fclose(file) == 0);
}

static void
make_record(const char *name, uint8_t how, const struct record *record)
{
	struct digest digest = fuzz_digest(how);
	uint8_t data[RECORD_SIZE_MAX];
	int len = record_encode(&digest, record, data, sizeof(data));

	FUZZ_ASSERT(len > 0);
	seed("record", name, how, "", 0, data, (size_t)len);
}

static void
make_records(void)
{
	static uint8_t tags[RECORD_TAGS_MAX * DIGEST_SIZE];
	struct record file = {
		.kind = RECORD_INLINE, .generation = 3, .id = 1000, .size = 5000,
		.mtime = { 1700000000, 5 }, .ctime = { 1700000000, 5 },
		.meta = 77, .tag_count = 2, .tags = tags,
	};
	struct record directory = {
		.kind = RECORD_DIRECTORY, .generation = 1, .id = 1,
		.mtime = { -1, 999999999 }, .ctime = { 1700000000, 1 }, .sum = { 1, 2, 3 },
	};
	struct record large = {
		.kind = RECORD_PAGED, .generation = INT64_MAX, .id = INT64_MAX,
		.size = INT64_MAX, .sum = { 9 },
	};
	struct record empty = { .kind = RECORD_INLINE, .id = 2 };

	for (size_t i = 0; i < sizeof(tags); i++)
		tags[i] = (uint8_t)(i * 11);
	make_record("file", FUZZ_SEAL, &file);
	make_record("file-keyed", FUZZ_SEAL | FUZZ_BLAKE2B, &file);
	make_record("file-unsealed", 0, &file);
	make_record("file-keyed-unsealed", FUZZ_BLAKE2B, &file);
	make_record("directory", FUZZ_SEAL, &directory);
	make_record("large", FUZZ_SEAL, &large);
	make_record("empty", FUZZ_SEAL, &empty);
	file.tag_count = 6;
	file.size = 6 * DIGEST_BLOCK_SIZE;
	make_record("six-blocks", FUZZ_SEAL, &file);
	file.tag_count = RECORD_TAGS_MAX;
	file.size = RECORD_TAGS_MAX * DIGEST_BLOCK_SIZE;
	make_record("all-inline", FUZZ_SEAL, &file);
}

static void
make_labels(void)
{
	char text[LABEL_TEXT_MAX];
	struct label label = { .codec = DIGEST_XXH3, .events = 5, .next_id = 100, .member_count = 3 };
	int len;

	for (unsigned i = 0; i < LABEL_MEMBERS_MAX; i++) {
		label.members[i].uuid.bytes[0] = (uint8_t)i;
		snprintf(label.members[i].name, LABEL_NAME_MAX, "r%u", i);
		label.members[i].seen = i == 0 ? 0 : 5;
	}
	len = label_encode(&label, text, sizeof(text));
	FUZZ_ASSERT(len > 41);
	seed("label", "three", FUZZ_SEAL, "", 0, text, (size_t)len - 41);
	seed("label", "three-unsealed", 0, "", 0, text, (size_t)len);
	label.moving = true;
	label.codec = DIGEST_BLAKE2B;
	label.key_check[5] = 0xab;
	label.write_features = UINT64_MAX;
	label.member_count = LABEL_MEMBERS_MAX;
	strcpy(label.members[3].name, "\";=#[]");
	len = label_encode(&label, text, sizeof(text));
	FUZZ_ASSERT(len > 41);
	seed("label", "full", FUZZ_SEAL, "", 0, text, (size_t)len - 41);
	seed("label", "later", FUZZ_SEAL, "", 0, "mendfs label 2\nx\n", 17);
}

static void
make_indexes(void)
{
	static const struct index_entry entries[] = { { 300, 10 }, { 301, 11 }, { 306, 2 }, { UINT64_MAX, INT64_MAX } };
	uint8_t data[INDEX_SIZE_MAX];
	size_t len;

	len = index_encode(entries, sizeof(entries) / sizeof(entries[0]), data);
	seed("index", "few", 0, "", 0, data, len);
	seed("index", "none", 0, "", 0, data, 1);
}

static void
make_tagpages(void)
{
	static const uint8_t place[16] = { 1, 0, 0, 0, 0, 0, 0, 0, 2 };
	struct digest digest = fuzz_digest(FUZZ_BLAKE2B);
	uint8_t page[TAGPAGE_SIZE] = { 0 };
	uint64_t id, index;

	seed("tagpage", "hole", 0, place, sizeof(place), page, 0);
	memset(tagpage_tag(page, 0), 0x11, DIGEST_SIZE);
	memset(tagpage_tag(page, 3), 0x22, DIGEST_SIZE);
	seed("tagpage", "few", FUZZ_SEAL, place, sizeof(place), page, 100);
	memcpy(&id, place, 8);
	memcpy(&index, place + 8, 8);
	tagpage_seal(&digest, id, index, page);
	seed("tagpage", "unsealed", FUZZ_BLAKE2B, place, sizeof(place), page, sizeof(page));
}

static void
make_intents(void)
{
	static const uint8_t place[4] = { 3 };
	struct digest digest = fuzz_digest(0);
	uint8_t bits[INTENT_SECTOR_BITS / 8] = { 0x81, 0, 0x10 }, sector[INTENT_SECTOR_SIZE];
	uint32_t index;

	memcpy(&index, place, 4);
	intent_encode(&digest, INTENT_WAYS, index, bits, sector);
	seed("intent", "ways", FUZZ_SEAL, place, sizeof(place), sector, 30);
	intent_encode(&digest, INTENT_REGIONS_ON_WAYS, index, bits, sector);
	seed("intent", "on-ways", FUZZ_SEAL, place, sizeof(place), sector, 30);
	intent_encode(&digest, INTENT_REGIONS, index, bits, sector);
	seed("intent", "few", FUZZ_SEAL, place, sizeof(place), sector, 30);
	seed("intent", "unsealed", 0, place, sizeof(place), sector, sizeof(sector));
	seed("intent", "never-written", 0, place, sizeof(place), sector, 0);
}

static void
make_pendings(void)
{
	static char name[] = "name", other[] = "another name";
	const struct pending_entry root = { .id = 1, .missed = true };
	const struct pending_entry file = { .id = 1000, .missed = true, .suspect = true, .parent = 7, .name = name };
	const struct pending_entry link = { .id = 1000, .missed = true, .suspect = true, .parent = 1, .name = other };
	const struct pending_entry dir = { .id = 7, .parent = 1, .name = other };
	const struct pending_entry lost = { .id = INT64_MAX, .suspect = true };
	struct pending pending = { .lost = 5, .closed = 300 };
	struct digest digest = fuzz_digest(0);
	uint8_t *data;
	size_t len;

	FUZZ_ASSERT(pending_encode(&digest, &pending, &data, &len) == 0);
	seed("pending", "empty", FUZZ_SEAL, "", 0, data, len - DIGEST_SIZE);
	free(data);
	FUZZ_ASSERT(pending_add(&pending, &root) == 0 && pending_add(&pending, &file) == 0 && pending_add(&pending, &link) == 0 &&
	    pending_add(&pending, &dir) == 0 && pending_add(&pending, &lost) == 0);
	FUZZ_ASSERT(pending_encode(&digest, &pending, &data, &len) == 0);
	seed("pending", "few", FUZZ_SEAL, "", 0, data, len - DIGEST_SIZE);
	seed("pending", "unsealed", 0, "", 0, data, len);
	free(data);
	pending.everything = pending.walk = true;
	FUZZ_ASSERT(pending_encode(&digest, &pending, &data, &len) == 0);
	seed("pending", "everything", FUZZ_SEAL | FUZZ_BLAKE2B, "", 0, data, len - DIGEST_SIZE);
	free(data);
	pending_free(&pending);
}

static void
make_scrubstates(void)
{
	static const struct scrub_state empty, paused = { .doing = SCRUB_PAUSED, .path = "a", .at = { "a/b \xff", 255 },
	    .saved = 3, .rate = 1 << 20, .run.started = 1700000000, .run.totals.files = 7, .last.totals.left = 1 };
	char text[SCRUBSTATE_SIZE_MAX];
	int len = scrubstate_encode(&empty, text, sizeof(text));

	seed("scrubstate", "empty", 0, "", 0, text, (size_t)len);
	len = scrubstate_encode(&paused, text, sizeof(text));
	FUZZ_ASSERT(len > 0);
	seed("scrubstate", "paused", FUZZ_SEAL, "", 0, text, (size_t)len - 41);
	seed("scrubstate", "later", FUZZ_SEAL, "", 0, "mendfs scrub 2\nx\n", 17);
}

/* What strangers say, and what clients ask for. */
static void
make_accepts(void)
{
	uint8_t payload[TERMS_REQUEST_SIZE], flight[FIRST_FLIGHT_SIZE], greeting[GREETING_SIZE];
	struct key_pair server, client;
	struct noise noise;

	fuzz_keys(&server, &client);
	FUZZ_ASSERT(terms_request_encode(&fuzz_request, payload) == 0);
	fuzz_flight(&noise, &server, &client, payload, flight);
	greeting_client(greeting);
	seed("accept", "request", FUZZ_RIGHT, "", 0, payload, 40);
	payload[0] = 1;
	seed("accept", "read-only", FUZZ_RIGHT, "", 0, payload, sizeof(payload));
	seed("accept", "flight", 0, "", 0, flight, sizeof(flight));
	seed("accept", "greeting", 0, "", 0, greeting, sizeof(greeting));
	seed("accept", "http", 0, "", 0, "GET / HTTP/1.0\r\n\r\n", 18);
}

static void
make_frames(void)
{
	static const uint8_t frames[] = { 1, 0, 0, 0, 'a', 3, 0, 0, 0, 'b', 'c', 'd', 0, 0, 0, FRAME_LAST };
	static const uint8_t long_head[] = { 0, 0, 0x11, 0 };
	uint8_t greeting[GREETING_SIZE], split[2 * sizeof(frames)], zipped[1024];
	const uint8_t *packed;
	struct squeeze *squeeze;
	uint64_t took_ns;
	size_t len, i;

	greeting_client(greeting);
	seed("frames", "plain", 0, greeting, sizeof(greeting), frames, sizeof(frames));
	seed("frames", "no-greeting", 0, "", 0, frames, sizeof(frames));
	seed("frames", "long", 0, greeting, sizeof(greeting), long_head, sizeof(long_head));
	seed("frames", "sealed", FUZZ_SEALED, "\377", 1, frames, sizeof(frames));
	for (i = 0; i < sizeof(frames); i++) {
		split[2 * i] = 0;
		split[2 * i + 1] = frames[i];
	}
	seed("frames", "sealed-split", FUZZ_SEALED, "", 0, split, sizeof(split));
	FUZZ_ASSERT(squeeze_new(&squeeze) == 0);
	for (i = 0; i < 4000; i++)
		squeeze_input(squeeze)[i] = (uint8_t)(i / 37);
	len = squeeze_pack(squeeze, 4000, &packed, &took_ns);
	FUZZ_ASSERT(len < sizeof(zipped) - FRAME_HEAD_SIZE);
	frame_head_encode(&(struct frame_head){ .len = len, .flags = FRAME_ZSTD }, zipped);
	memcpy(zipped + FRAME_HEAD_SIZE, packed, len);
	seed("frames", "zstd", 0, greeting, sizeof(greeting), zipped, FRAME_HEAD_SIZE + len);
	seed("frames", "sealed-zstd", FUZZ_SEALED, "\377", 1, zipped, FRAME_HEAD_SIZE + len);
	squeeze_free(squeeze);
}

/* Requests are text: no byte before them says how to take them. */
static void
make_requests(void)
{
	static const struct { const char *name, *rest; } requests[] = {
		{ "status", "\"command\":\"status\"}" },
		{ "metrics", "\"command\":\"metrics\"}" },
		{ "resync", "\"command\":\"resync\",\"x\":[1,-2.5e3,null,true,{\"\\u0000\":\"\\ud83d\\ude00\"}]}" },
		{ "explain", "\"command\":\"explain\",\"path\":\"a/b\",\"path_hex\":\"612f62\"}" },
		{ "explain-top", "\"command\":\"explain\",\"path_hex\":\"\"}" },
		{ "explain-dots", "\"command\":\"explain\",\"path_hex\":\"2e2e2f2e6d656e646673\"}" },
		{ "unknown", "\"command\":\"fly\"}" },
		{ "twice", "\"command\":\"status\",\"command\":\"status\"}" },
	};
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		seed("control", requests[i].name, '{', "", 0, requests[i].rest, strlen(requests[i].rest));
}

/* Requests of a session, as they stand in a frame, and without their heads for fuzz_session. */
struct script { uint8_t frame[8192], bare[8192]; size_t frame_len, bare_len; };

static void
ask(struct script *script, struct proto_request q)
{
	uint8_t *at = script->frame + script->frame_len;
	size_t len, args;

	q.id = (uint32_t)script->frame_len + 1;
	len = (size_t)proto_request_encode(&q, at, sizeof(script->frame) - script->frame_len);
	FUZZ_ASSERT(len >= PROTO_REQUEST_HEAD && len < sizeof(script->frame));
	if (q.data_len > 0)
		memcpy(at + len, q.data, q.data_len);
	script->frame_len += len + q.data_len;
	args = len + q.data_len - PROTO_REQUEST_HEAD;
	script->bare[script->bare_len++] = (uint8_t)q.op;
	script->bare[script->bare_len++] = (uint8_t)args;
	script->bare[script->bare_len++] = (uint8_t)(args >> 8);
	memcpy(script->bare + script->bare_len, at + PROTO_REQUEST_HEAD, args);
	script->bare_len += args;
}

static void
make_script(const char *name, struct script *script)
{
	seed("request", name, 0, "", 0, script->frame, script->frame_len);
	seed("session", name, 1, "", 0, script->bare, script->bare_len);
	memset(script, 0, sizeof(*script));
}

#define ASK(...) ask(&script, (struct proto_request){ __VA_ARGS__ })
#define BYTES(text) .data = (const uint8_t *)(text), .data_len = sizeof(text) - 1

static void
make_scripts(void)
{
	static struct script script;

	ASK(.op = PROTO_CREATE, .name = "n", .opened = 1, .mode = S_IFREG | 0644, .flags = PROTO_CREATE_OWNED);
	ASK(.op = PROTO_PWRITE, .handle = 1, .offset = 1, BYTES("some data"));
	ASK(.op = PROTO_PREAD, .handle = 1, .size = 100);
	ASK(.op = PROTO_STORE, .handle = 1, .mtime = { 5, 6 }, BYTES("record"));
	ASK(.op = PROTO_FSYNC, .handle = 1);
	ASK(.op = PROTO_CLOSE, .handle = 1);
	make_script("write", &script);

	ASK(.op = PROTO_OPEN, .name = "f", .opened = 2, .flags = PROTO_OPEN_WRITABLE);
	ASK(.op = PROTO_TRUNCATE, .handle = 2, .offset = 5000);
	ASK(.op = PROTO_FALLOCATE, .handle = 2, .offset = 4096, .len = 4096);
	ASK(.op = PROTO_SEEK, .handle = 2, .flags = PROTO_SEEK_HOLE);
	ASK(.op = PROTO_DIGEST, .handle = 2, .codec = DIGEST_XXH3, .count = 3);
	ASK(.op = PROTO_SUM, .handle = 2, .codec = DIGEST_XXH3, .count = 3);
	ASK(.op = PROTO_DROP_CACHE, .handle = 2);
	ASK(.op = PROTO_OPEN_DIRECT, .name = "f", .opened = 3);
	ASK(.op = PROTO_PREAD_CACHED, .handle = 3, .size = 4096);
	ASK(.op = PROTO_PREAD, .handle = 3, .size = 4096);
	make_script("files", &script);

	ASK(.op = PROTO_DIR_OPEN, .name = "d", .opened = 4);
	ASK(.op = PROTO_CREATE, .handle = 4, .name = "l", .opened = PROTO_NONE, .mode = S_IFLNK | 0777, .text = "../f");
	ASK(.op = PROTO_READLINK, .handle = 4, .name = "l");
	ASK(.op = PROTO_LINK, .name = "f", .to = 4, .to_name = "g");
	ASK(.op = PROTO_RENAME, .name = "f", .to = 4, .to_name = "g");
	ASK(.op = PROTO_RENAME, .handle = 4, .name = "g", .to = 4, .to_name = "h", .flags = PROTO_RENAME_NOREPLACE);
	ASK(.op = PROTO_PIN, .handle = 4, .name = "h", .opened = 5);
	ASK(.op = PROTO_UNLINK, .handle = 4, .name = "h");
	ASK(.op = PROTO_STAT, .handle = 5);
	ASK(.op = PROTO_TMPFILE, .handle = 4, .opened = 6, .mode = S_IFREG | 0600);
	ASK(.op = PROTO_LIST, .handle = 4);
	ASK(.op = PROTO_DIR_SYNC, .handle = 4);
	ASK(.op = PROTO_DIR_CLOSE, .handle = 4);
	make_script("names", &script);

	ASK(.op = PROTO_LOAD, .name = "f");
	ASK(.op = PROTO_CHMOD, .name = "f", .mode = 0600);
	ASK(.op = PROTO_CHOWN, .name = "f", .uid = UINT32_MAX, .gid = UINT32_MAX);
	ASK(.op = PROTO_XATTR_SET, .name = "f", .text = "user.a", BYTES("value"));
	ASK(.op = PROTO_XATTR_GET, .name = "f", .text = "user.a", .size = 100);
	ASK(.op = PROTO_XATTR_LIST, .name = "f", .size = 100);
	ASK(.op = PROTO_XATTR_REMOVE, .name = "f", .text = "user.a");
	ASK(.op = PROTO_OPEN, .name = "s", .opened = 7);
	ASK(.op = PROTO_DIR_OPEN, .name = "u", .opened = 7);
	make_script("inodes", &script);

	ASK(.op = PROTO_PING);
	ASK(.op = PROTO_STATFS);
	ASK(.op = PROTO_SYNC);
	ASK(.op = PROTO_CHECK);
	ASK(.op = PROTO_LOCK);
	ASK(.op = PROTO_HELLO, .version = PROTO_VERSION);
	ASK(.op = PROTO_BYE);
	make_script("session", &script);
}

static void
make_reply(const char *name, unsigned op, const struct proto_reply *reply)
{
	uint8_t head[PROTO_HEAD_MAX];
	const int len = proto_reply_encode(op, reply, head, sizeof(head));

	FUZZ_ASSERT(len > 0);
	seed("reply", name, (uint8_t)op, head, (size_t)len, reply->data != NULL ? reply->data : head, reply->data_len);
}

static void
make_replies(void)
{
	const struct proto_reply none = { .id = 5 }, failed = { .id = 5, .result = -ENOSPC };
	const struct proto_reply hello = { .version = PROTO_VERSION, .limits = { 65536, 4096, 32u << 20 } };
	struct proto_reply full = { .id = 6, .offset = 4097, .st = { .st_mode = S_IFREG | 0644, .st_size = 7, .st_nlink = 1 }, .record = 4,
	    .data = (const uint8_t *)"data", .data_len = 4, .vfs = { .f_bsize = 4096, .f_blocks = 1000, .f_flag = ST_RDONLY } };
	uint8_t list[100], tags[2 * DIGEST_SIZE] = { 1 };
	struct buf_writer w;

	make_reply("none", PROTO_PING, &none);
	make_reply("failed", PROTO_PWRITE, &failed);
	make_reply("hello", PROTO_HELLO, &hello);
	make_reply("stat", PROTO_STAT, &full);
	make_reply("load", PROTO_LOAD, &full);
	make_reply("readlink", PROTO_READLINK, &full);
	full.result = 4;
	make_reply("pread", PROTO_PREAD, &full);
	full.result = 0;
	full.data = tags;
	full.data_len = sizeof(tags);
	make_reply("digest", PROTO_DIGEST, &full);
	buf_writer_init(&w, list, sizeof(list));
	proto_entry_put(&w, &(struct proto_entry){ "name", 5, 8 });
	proto_entry_put(&w, &(struct proto_entry){ ".mendfs", 6, 4 });
	full.data = list;
	full.data_len = (size_t)(w.at - list);
	make_reply("list", PROTO_LIST, &full);
	full.data = NULL;
	full.data_len = 0;
	make_reply("statfs", PROTO_STATFS, &full);
	make_reply("seek", PROTO_SEEK, &full);
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: make_corpus DIRECTORY\n");
		return 2;
	}
	top = argv[1];
	make_records();
	make_labels();
	make_scrubstates();
	make_indexes();
	make_tagpages();
	make_intents();
	make_pendings();
	make_requests();
	make_accepts();
	make_frames();
	make_scripts();
	make_replies();
	return 0;
}
