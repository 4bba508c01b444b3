#include "link/terms.h"

#include <errno.h>
#include <string.h>

#include "util/buf.h"

#define FLAG_READ_ONLY 0x01

/* What is left of a message must be zeros: a place for versions to come, and for nothing else. */
static int
expect_zeros(struct buf_reader *r)
{
	while (r->left > 0) {
		if (buf_get_u8(r) != 0)
			return -EPROTO;
	}
	return r->failed ? -EPROTO : 0;
}

int
terms_request_encode(const struct link_request *request, uint8_t out[TERMS_REQUEST_SIZE])
{
	size_t len = strnlen(request->export, sizeof(request->export));
	struct buf_writer w;

	if (len == 0 || len > LINK_EXPORT_MAX)
		return -EINVAL;
	memset(out, 0, TERMS_REQUEST_SIZE);
	buf_writer_init(&w, out, TERMS_REQUEST_SIZE);
	buf_put_u8(&w, request->read_only ? FLAG_READ_ONLY : 0);
	buf_put_bytes(&w, request->instance, LINK_INSTANCE_SIZE);
	buf_put_u8(&w, (uint8_t)len);
	buf_put_bytes(&w, request->export, len);
	return 0;
}

int
terms_request_decode(const uint8_t in[TERMS_REQUEST_SIZE], struct link_request *request)
{
	struct buf_reader r;
	uint8_t flags, len;

	memset(request, 0, sizeof(*request));
	buf_reader_init(&r, in, TERMS_REQUEST_SIZE);
	flags = buf_get_u8(&r);
	buf_get_bytes(&r, request->instance, LINK_INSTANCE_SIZE);
	len = buf_get_u8(&r);
	if ((flags & ~FLAG_READ_ONLY) != 0 || len == 0 || len > LINK_EXPORT_MAX)
		return -EPROTO;
	buf_get_bytes(&r, request->export, len);
	if (strlen(request->export) != len)
		return -EPROTO;
	request->read_only = (flags & FLAG_READ_ONLY) != 0;
	return expect_zeros(&r);
}

void
terms_answer_encode(const struct link_answer *answer, uint8_t out[TERMS_ANSWER_SIZE])
{
	struct buf_writer w;

	memset(out, 0, TERMS_ANSWER_SIZE);
	buf_writer_init(&w, out, TERMS_ANSWER_SIZE);
	buf_put_u8(&w, (uint8_t)answer->status);
	buf_put_u8(&w, answer->read_only ? FLAG_READ_ONLY : 0);
	buf_put_u16(&w, 0);
	buf_put_u32(&w, answer->request_max);
	buf_put_u32(&w, answer->handle_max);
	buf_put_u32(&w, 0);
	buf_put_u64(&w, answer->byte_max);
}

int
terms_answer_decode(const uint8_t in[TERMS_ANSWER_SIZE], struct link_answer *answer)
{
	struct buf_reader r;
	uint8_t status, flags;

	memset(answer, 0, sizeof(*answer));
	buf_reader_init(&r, in, TERMS_ANSWER_SIZE);
	status = buf_get_u8(&r);
	flags = buf_get_u8(&r);
	if (status > LINK_UNAVAILABLE || (flags & ~FLAG_READ_ONLY) != 0 || buf_get_u16(&r) != 0)
		return -EPROTO;
	answer->status = (enum link_status)status;
	answer->read_only = (flags & FLAG_READ_ONLY) != 0;
	answer->request_max = buf_get_u32(&r);
	answer->handle_max = buf_get_u32(&r);
	if (buf_get_u32(&r) != 0)
		return -EPROTO;
	answer->byte_max = buf_get_u64(&r);
	return expect_zeros(&r);
}
