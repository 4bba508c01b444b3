/* What proto_request_decode takes is what proto_request_encode makes. */

#include "proto/message.h"
#include "proto/name.h"

#include "fuzz.h"

static void
check(const struct proto_request *q, const uint8_t *data, size_t used)
{
	uint8_t head[PROTO_HEAD_MAX];
	int len;

	FUZZ_ASSERT(proto_op_known(q->op));
	FUZZ_ASSERT(q->data_len <= PROTO_DATA_MAX && q->size <= PROTO_DATA_MAX);
	if (q->name != NULL)
		FUZZ_ASSERT(proto_name_valid(q->name, strlen(q->name)) && strlen(q->name) <= 255);
	if (q->to_name != NULL)
		FUZZ_ASSERT(proto_name_valid(q->to_name, strlen(q->to_name)) && strlen(q->to_name) <= 255);
	len = proto_request_encode(q, head, sizeof(head));
	FUZZ_ASSERT(len > 0 && (size_t)len + q->data_len == used);
	FUZZ_ASSERT(memcmp(head, data, (size_t)len) == 0);
	if (q->data_len > 0)
		FUZZ_ASSERT(memcmp(q->data, data + len, q->data_len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct proto_request q;
	uint8_t *copy;
	size_t at = 0;
	int used;

	if (len < 1)
		return 0;
	/* As a frame: one behind the other. */
	copy = fuzz_copy(data + 1, len - 1);
	while ((used = proto_request_decode(copy + at, len - 1 - at, &q)) > 0) {
		check(&q, copy + at, (size_t)used);
		at += (size_t)used;
	}
	free(copy);
	return 0;
}
