#include "link/greeting.h"

#include <errno.h>
#include <string.h>

#include "util/buf.h"

#define MAGIC_SIZE 8
static const char server_magic[] = "mendfs-s", client_magic[] = "mendfs-c";

static void
encode(uint8_t out[GREETING_SIZE], const char *magic, uint16_t first, uint16_t second)
{
	struct buf_writer w;

	buf_writer_init(&w, out, GREETING_SIZE);
	buf_put_bytes(&w, magic, MAGIC_SIZE);
	buf_put_u16(&w, first);
	buf_put_u16(&w, second);
	buf_put_u32(&w, 0);
}

void
greeting_server(uint8_t out[GREETING_SIZE])
{
	encode(out, server_magic, GREETING_VERSION, GREETING_VERSION);
}

void
greeting_client(uint8_t out[GREETING_SIZE])
{
	encode(out, client_magic, GREETING_VERSION, 0);
}

/* Take one apart; what must be zero is for the versions to come, which say that they are others. */
static int
decode(const uint8_t in[GREETING_SIZE], const char *magic, uint16_t *first, uint16_t *second)
{
	struct buf_reader r;
	uint8_t seen[MAGIC_SIZE];

	buf_reader_init(&r, in, GREETING_SIZE);
	buf_get_bytes(&r, seen, MAGIC_SIZE);
	*first = buf_get_u16(&r);
	*second = buf_get_u16(&r);
	if (memcmp(seen, magic, MAGIC_SIZE) != 0 || buf_get_u32(&r) != 0)
		return -EPROTO;
	return 0;
}

int
greeting_check_server(const uint8_t in[GREETING_SIZE])
{
	uint16_t lowest, highest;
	int rc;

	if ((rc = decode(in, server_magic, &lowest, &highest)) != 0)
		return rc;
	return lowest <= GREETING_VERSION && GREETING_VERSION <= highest ? 0 : -EPROTONOSUPPORT;
}

int
greeting_check_client(const uint8_t in[GREETING_SIZE])
{
	uint16_t version, zero;
	int rc;

	if ((rc = decode(in, client_magic, &version, &zero)) != 0)
		return rc;
	if (zero != 0)
		return -EPROTO;
	return version == GREETING_VERSION ? 0 : -EPROTONOSUPPORT;
}
