/*
 * A whole session that is fed anything, on a directory of its own.  The first
 * byte's bits: FUZZ_HELLO, a HELLO goes before it; FUZZ_READER, with a right
 * to read only; FUZZ_RAW, the rest is the body of a frame as it stands, else
 * it is requests without their heads: u8 operation, u16 length, arguments.
 * Whatever it does, the neighbour of its directory stays as it is.
 */

#include <ftw.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lend/session.h"
#include "replica/dir.h"
#include "replica/fault.h"
#include "util/buf.h"
#include "util/log.h"

#include "fuzz.h"

#define FUZZ_HELLO 1
#define FUZZ_READER 2
#define FUZZ_RAW 4
#define SIZE_LIMIT (1u << 20)
#define FRAME_MAX 65536		/* fits into a socket's buffer, so that one thread is enough */

const unsigned long fuzz_inputs = 1000;

static char top[PATH_MAX / 2], lent[PATH_MAX / 2 + 8], secret[PATH_MAX / 2 + 8];
static struct fault_plug plug = { .no_syncs = true, .mutex = PTHREAD_MUTEX_INITIALIZER };

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
remove_all(void)
{
	nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Once a process: the directory that is lent, and beside it what nobody may see or change. */
static void
make_place(void)
{
	const char *base = getenv("TMPDIR");
	FILE *file;

	if (top[0] != '\0')
		return;
	snprintf(top, sizeof(top), "%s/mendfs-fuzz-XXXXXX", base != NULL ? base : "/tmp");
	FUZZ_ASSERT(mkdtemp(top) != NULL);
	atexit(remove_all);
	snprintf(lent, sizeof(lent), "%s/lent", top);
	snprintf(secret, sizeof(secret), "%s/secret", top);
	file = fopen(secret, "w");
	FUZZ_ASSERT(file != NULL && fputs("secret", file) >= 0 && fclose(file) == 0);
	log_setup("fuzz", LOG_LEVEL_ERROR, false);
}

static void
check_secret(void)
{
	char text[16] = { 0 };
	struct stat st;
	FILE *file = fopen(secret, "r");

	FUZZ_ASSERT(file != NULL);
	FUZZ_ASSERT(fread(text, 1, sizeof(text) - 1, file) == 6 && strcmp(text, "secret") == 0);
	FUZZ_ASSERT(fstat(fileno(file), &st) == 0 && st.st_nlink == 1);
	fclose(file);
}

/* A file, a directory, and links to the neighbour, to begin with. */
static void
fill(void)
{
	char path[PATH_MAX];
	FILE *file;

	FUZZ_ASSERT(mkdir(lent, 0700) == 0);
	snprintf(path, sizeof(path), "%s/d", lent);
	FUZZ_ASSERT(mkdir(path, 0700) == 0);
	snprintf(path, sizeof(path), "%s/f", lent);
	file = fopen(path, "w");
	FUZZ_ASSERT(file != NULL && fputs("hello", file) >= 0 && fclose(file) == 0);
	snprintf(path, sizeof(path), "%s/s", lent);
	FUZZ_ASSERT(symlink(secret, path) == 0);
	snprintf(path, sizeof(path), "%s/u", lent);
	FUZZ_ASSERT(symlink("..", path) == 0);
}

static void
put_head(struct buf_writer *w, unsigned op, size_t args, uint32_t id)
{
	buf_put_u32(w, (uint32_t)(PROTO_REQUEST_HEAD + args));
	buf_put_u32(w, id);
	buf_put_u16(w, (uint16_t)op);
	buf_put_u16(w, 0);
}

static void
put_requests(struct buf_writer *w, const uint8_t *data, size_t len)
{
	struct buf_reader r;
	uint32_t id = 10;
	uint8_t op;
	size_t args;

	buf_reader_init(&r, data, len);
	while (r.left >= 3) {
		op = buf_get_u8(&r);
		args = buf_get_u16(&r);
		if (args > r.left)
			args = r.left;
		/* What is full is sent as far as it goes. */
		if (w->left < PROTO_REQUEST_HEAD + args)
			break;
		put_head(w, op, args, id++);
		buf_put_bytes(w, buf_get_ref(&r, args), args);
	}
}

static size_t
make_frame(uint8_t *frame, uint8_t how, const uint8_t *data, size_t len)
{
	static const struct proto_request hello = { .op = PROTO_HELLO, .id = 1, .version = PROTO_VERSION };
	static const struct proto_request lock = { .op = PROTO_LOCK, .id = 2, .flags = PROTO_LOCK_EXCLUSIVE };
	struct buf_writer w;

	buf_writer_init(&w, frame, FRAME_MAX);
	if (how & FUZZ_HELLO) {
		w.at += proto_request_encode(&hello, w.at, PROTO_HEAD_MAX);
		w.at += proto_request_encode(&lock, w.at, PROTO_HEAD_MAX);
	}
	w.left = FRAME_MAX - (size_t)(w.at - frame);
	if (how & FUZZ_RAW)
		buf_put_bytes(&w, data, len < w.left ? len : w.left);
	else
		put_requests(&w, data, len);
	return (size_t)(w.at - frame);
}

/* All that the client will ever say is in the socket before the session begins. */
static void
run_session(struct replica *r, uint8_t how, uint8_t *frame, size_t len)
{
	struct session_options options = { .read_only = (how & FUZZ_READER) != 0, .limits.handles = 100, .limits.requests = 8, .workers = 2 };
	struct link *client, *server;
	struct session *session;
	int fd[2];

	FUZZ_ASSERT(quota_new(SIZE_LIMIT, &options.quota) == 0);
	FUZZ_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
	FUZZ_ASSERT(link_from_pipes(fd[0], fd[0], 0, true, &server) == 0);
	FUZZ_ASSERT(link_from_pipes(fd[1], fd[1], 0, false, &client) == 0);
	/* Nobody takes the replies: it ends where they no longer fit. */
	link_set_send_timeout(server, 1);
	FUZZ_ASSERT(session_new(server, r, &options, &session) == 0);
	if (len > 0)
		FUZZ_ASSERT(link_send(client, &(struct iovec){ .iov_base = frame, .iov_len = len }, 1) == 0);
	FUZZ_ASSERT(link_bye(client) == 0);
	(void)session_run(session);
	session_free(session);
	link_free(server);
	link_free(client);
	quota_free(options.quota);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t frame[FRAME_MAX];
	struct replica *dir, *fault;

	if (len < 1)
		return 0;
	make_place();
	fill();
	FUZZ_ASSERT(dir_replica_open(lent, false, &dir) == 0);
	/* Disks have nothing to do with this. */
	FUZZ_ASSERT(fault_replica_new(dir, &fault) == 0);
	fault_join(fault, &plug);
	run_session(fault, data[0], frame, make_frame(frame, data[0], data + 1, len - 1));
	fault->ops->free(fault);
	check_secret();
	nftw(lent, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
