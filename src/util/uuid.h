/*
 * util/uuid -- random 128-bit identities (RFC 9562, version 4).
 */

#ifndef UTIL_UUID_H
#define UTIL_UUID_H

#include <stdbool.h>
#include <stdint.h>

struct uuid { uint8_t bytes[16]; };
#define UUID_TEXT_SIZE 37		/* 36 characters and the NUL */

void uuid_generate(struct uuid *uuid);	/* from libsodium's random bytes */
bool uuid_equal(const struct uuid *a, const struct uuid *b);
void uuid_format(const struct uuid *uuid, char text[UUID_TEXT_SIZE]);
/* uuid_parse(text, uuid): exactly 36 characters, lower or upper case; -EINVAL. */
int uuid_parse(const char *text, struct uuid *uuid);

#endif
