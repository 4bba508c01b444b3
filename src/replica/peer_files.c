/* The operations on open files. */

#include <errno.h>
#include <unistd.h>

#include "replica/peer_private.h"

int
peer_open_file(struct replica *r, struct replica_at at, bool writable, replica_handle *handle, struct stat *st)
{
	struct peer *p = peer_self(r);
	struct peer_call call;
	int rc;

	if (writable && p->read_only)
		return peer_refuse_change(p);
	peer_call_at(&call, p, PROTO_OPEN, at);
	call.request.flags = writable ? PROTO_OPEN_WRITABLE : 0;
	call.take = st != NULL ? peer_take_stat : NULL;
	call.arg = st;
	if ((rc = peer_call_handle(&call, handle)) != 0)
		return rc;
	/* What it is is known when it has been answered only. */
	return (int)(st != NULL && p->options.ack_fsync ? peer_call(&call, PEER_WAIT) : peer_call_begun(&call, 0));
}

int
peer_open_direct(struct replica *r, struct replica_at at, replica_handle *handle)
{
	struct peer_call call;
	int rc;

	peer_call_at(&call, peer_self(r), PROTO_OPEN_DIRECT, at);
	if ((rc = peer_call_handle(&call, handle)) != 0)
		return rc;
	return (int)peer_call(&call, PEER_WAIT);
}

void
peer_close(struct replica *r, replica_handle file)
{
	peer_close_handle(r, PROTO_CLOSE, file);
}

static ssize_t
read_piece(struct replica *r, enum proto_op op, replica_handle file, void *buf, size_t len, uint64_t offset)
{
	struct peer_call call;

	peer_call_on(&call, peer_self(r), op, file);
	call.request.offset = offset;
	call.request.size = (uint32_t)len;
	call.take = peer_take_data;
	call.room = buf;
	call.size = len;
	return (ssize_t)peer_call(&call, PEER_WAIT);
}

/* All that is there: of a long reading piece by piece, to its end or the file's. */
static ssize_t
read_all(struct replica *r, enum proto_op op, replica_handle file, void *buf, size_t len, uint64_t offset)
{
	size_t done = 0, piece;
	ssize_t n;

	do {
		piece = len - done < PROTO_DATA_MAX ? len - done : PROTO_DATA_MAX;
		if ((n = read_piece(r, op, file, (uint8_t *)buf + done, piece, offset + done)) < 0)
			return n;
		done += (size_t)n;
	} while ((size_t)n == piece && done < len);
	return (ssize_t)done;
}

ssize_t
peer_pread(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset)
{
	return read_all(r, PROTO_PREAD, file, buf, len, offset);
}

ssize_t
peer_pread_cached(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset)
{
	/* To ask costs as much as to read. */
	(void)file;
	(void)buf;
	(void)len;
	(void)offset;
	peer_not_begun(peer_self(r));
	return -EOPNOTSUPP;
}

/* Tags, or their sum; how much is right of either, the codec has seen to. */
static void
take_tags(struct peer_call *call, const struct proto_reply *reply)
{
	if (reply->offset > (uint64_t)call->request.count * DIGEST_BLOCK_SIZE || reply->data_len > call->size) {
		call->error = -EPROTO;
		return;
	}
	peer_take_bytes(call, reply);
	call->result = (int64_t)reply->offset;
}

static ssize_t
ask_tags(struct replica *r, enum proto_op op, replica_handle file, uint8_t *out, size_t size, unsigned count, uint64_t offset)
{
	struct peer_call call;

	peer_call_on(&call, peer_self(r), op, file);
	call.request.codec = DIGEST_XXH3;
	call.request.offset = offset;
	call.request.count = count;
	call.take = take_tags;
	call.room = out;
	call.size = size;
	return (ssize_t)peer_call(&call, PEER_WAIT);
}

ssize_t
peer_digest(struct replica *r, replica_handle file, uint8_t *tags, unsigned count, uint64_t offset)
{
	return ask_tags(r, PROTO_DIGEST, file, tags, (size_t)count * DIGEST_SIZE, count, offset);
}

ssize_t
peer_digest_sum(struct replica *r, replica_handle file, uint8_t *sum, unsigned count, uint64_t offset)
{
	return ask_tags(r, PROTO_SUM, file, sum, DIGEST_SIZE, count, offset);
}

static int64_t
write_piece(struct replica *r, replica_handle file, const void *buf, size_t len, uint64_t offset)
{
	struct peer_call call;

	peer_call_on(&call, peer_self(r), PROTO_PWRITE, file);
	call.request.offset = offset;
	call.request.data = buf;
	call.request.data_len = len;
	return peer_call_begun(&call, (int64_t)len);
}

ssize_t
peer_pwrite(struct replica *r, replica_handle file, const void *buf, size_t len, uint64_t offset)
{
	struct peer *p = peer_self(r);
	size_t done = 0, piece;
	int64_t n;

	if (p->read_only)
		return peer_refuse_change(p);
	if (len <= PROTO_DATA_MAX)
		return (ssize_t)write_piece(r, file, buf, len, offset);
	peer_not_begun(p);
	do {
		piece = len - done < PROTO_DATA_MAX ? len - done : PROTO_DATA_MAX;
		if ((n = write_piece(r, file, (const uint8_t *)buf + done, piece, offset + done)) < 0)
			return done > 0 ? (ssize_t)done : (ssize_t)n;
		done += (size_t)n;
	} while ((size_t)n == piece && done < len);
	return (ssize_t)done;
}

int
peer_truncate(struct replica *r, replica_handle file, uint64_t size)
{
	struct peer *p = peer_self(r);
	struct peer_call call;

	if (p->read_only)
		return peer_refuse_change(p);
	peer_call_on(&call, p, PROTO_TRUNCATE, file);
	call.request.offset = size;
	return (int)peer_call_begun(&call, 0);
}

int
peer_fallocate(struct replica *r, replica_handle file, int mode, uint64_t offset, uint64_t len)
{
	struct peer *p = peer_self(r);
	struct peer_call call;

	if (p->read_only)
		return peer_refuse_change(p);
	peer_call_on(&call, p, PROTO_FALLOCATE, file);
	call.request.flags = (uint32_t)mode;
	call.request.offset = offset;
	call.request.len = len;
	return (int)peer_call(&call, PEER_WAIT);
}

static void
take_offset(struct peer_call *call, const struct proto_reply *reply)
{
	call->result = (int64_t)reply->offset;
}

int64_t
peer_seek(struct replica *r, replica_handle file, uint64_t offset, int whence)
{
	struct peer_call call;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	peer_call_on(&call, peer_self(r), PROTO_SEEK, file);
	call.request.offset = offset;
	call.request.flags = whence == SEEK_HOLE ? PROTO_SEEK_HOLE : 0;
	call.take = take_offset;
	return peer_call(&call, PEER_WAIT);
}

int
peer_fsync(struct replica *r, replica_handle file, bool data_only)
{
	struct peer_call call;

	peer_call_on(&call, peer_self(r), PROTO_FSYNC, file);
	call.request.flags = data_only ? PROTO_FSYNC_DATA : 0;
	return (int)peer_call(&call, PEER_SETTLE);
}

void
peer_drop_cache(struct replica *r, replica_handle file)
{
	struct peer_call call;

	/* What is read next is to come from the disk: so it has to be done by then. */
	peer_call_on(&call, peer_self(r), PROTO_DROP_CACHE, file);
	(void)peer_call(&call, PEER_WAIT);
}
