#include "lend/replies.h"

#include <errno.h>
#include <string.h>

#define HEAD_MAX 512		/* of any reply, without its data; checked by the encoder */
#define COPY_MAX 4096		/* bytes of data that are copied rather than sent at once */

/* Send the buffer, and ${len} bytes at ${data} behind it. */
static int
send_all(struct replies *b, const uint8_t *data, size_t len)
{
	/* The link reads what is given to it, and no more. */
	const struct iovec parts[] = {
		{ .iov_base = b->bytes, .iov_len = b->len },
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = len },
	};

	b->len = 0;
	return link_send(b->link, parts, len > 0 ? 2 : 1);
}

int
replies_flush(struct replies *b)
{
	return b->len > 0 ? send_all(b, NULL, 0) : 0;
}

int
replies_add(struct replies *b, unsigned op, const struct proto_reply *reply)
{
	const struct proto_reply spoiled = { .id = reply->id, .result = -EIO };
	size_t data_len = reply->result >= 0 ? reply->data_len : 0;
	int len, rc;

	if (sizeof(b->bytes) - b->len < HEAD_MAX + COPY_MAX && (rc = replies_flush(b)) != 0)
		return rc;
	if ((len = proto_reply_encode(op, reply, b->bytes + b->len, HEAD_MAX)) < 0) {
		data_len = 0;
		if ((len = proto_reply_encode(op, &spoiled, b->bytes + b->len, HEAD_MAX)) < 0)
			return len;
	}
	b->len += (size_t)len;
	if (data_len > COPY_MAX)
		return send_all(b, reply->data, data_len);
	if (data_len > 0)
		memcpy(b->bytes + b->len, reply->data, data_len);
	b->len += data_len;
	return 0;
}
