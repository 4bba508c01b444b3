#include "link/address.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool
host_is_sound(const char *host)
{
	if (*host == '\0' || *host == '-')
		return false;
	for (; *host != '\0'; host++) {
		if (!isascii(*host) || (!isalnum((unsigned char)*host) && strchr(".-_:%", *host) == NULL))
			return false;
	}
	return true;
}

/* 1 to 65535, in digits alone. */
static int
parse_port(const char *text, uint16_t *port)
{
	unsigned long value = 0;

	if (*text == '\0' || strlen(text) > 5)
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (unsigned long)(*text - '0');
	}
	if (value == 0 || value > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)value;
	return 0;
}

int
address_parse(const char *text, uint16_t port, struct address *a)
{
	bool bracketed = *text == '[';
	const char *end = bracketed ? strchr(++text, ']') : text + strcspn(text, ":");
	size_t len;

	if (end == NULL || (len = (size_t)(end - text)) >= sizeof(a->host))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		a->host[i] = (char)tolower((unsigned char)text[i]);
	a->host[len] = '\0';
	a->port = port;
	if (bracketed)
		end++;
	if (!host_is_sound(a->host))
		return -EINVAL;
	if (*end == '\0')
		return 0;
	/* Without brackets an address of IPv6 has a second colon, in what should be the port. */
	return *end == ':' ? parse_port(end + 1, &a->port) : -EINVAL;
}

void
address_to_text(const struct address *a, char text[ADDRESS_TEXT_SIZE])
{
	bool v6 = strchr(a->host, ':') != NULL;

	snprintf(text, ADDRESS_TEXT_SIZE, "%s%s%s:%u", v6 ? "[" : "", a->host, v6 ? "]" : "", (unsigned)a->port);
}
