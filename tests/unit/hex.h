/*
 * Bytes as text, to compare with known ones.
 */

#ifndef TESTS_UNIT_HEX_H
#define TESTS_UNIT_HEX_H

#include <stdint.h>
#include <stdio.h>

/* The text of at most 128 bytes; overwritten by the next call. */
static inline const char *
hex(const uint8_t *bytes, size_t len)
{
	static char text[257];

	for (size_t i = 0; i < len && i < 128; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return text;
}

#endif
