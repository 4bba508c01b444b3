#include "util/uuid.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define TEXT_LEN (UUID_TEXT_SIZE - 1)

/* Does a dash stand at place ${at} of the text? */
static bool
is_dash(size_t at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
}

void
uuid_generate(struct uuid *uuid)
{
	randombytes_buf(uuid->bytes, sizeof(uuid->bytes));

	/* RFC 9562, 5.4: four bits of version, two of variant. */
	uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0f) | 0x40);
	uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3f) | 0x80);
}

bool
uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

void
uuid_format(const struct uuid *uuid, char text[UUID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;

	for (size_t i = 0; i < sizeof(uuid->bytes); i++) {
		if (is_dash(at))
			text[at++] = '-';
		text[at++] = digits[uuid->bytes[i] >> 4];
		text[at++] = digits[uuid->bytes[i] & 15];
	}
	text[at] = '\0';
}

/* The value of a hexadecimal digit, or -1. */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
uuid_parse(const char *text, struct uuid *uuid)
{
	struct uuid parsed;
	size_t at = 0;
	int high, low;

	if (strnlen(text, UUID_TEXT_SIZE) != TEXT_LEN)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(parsed.bytes); i++) {
		if (is_dash(at) && text[at++] != '-')
			return -EINVAL;
		high = hex_value(text[at++]);
		low = hex_value(text[at++]);
		if (high < 0 || low < 0)
			return -EINVAL;
		parsed.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*uuid = parsed;
	return 0;
}
