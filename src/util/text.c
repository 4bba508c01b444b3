#include "util/text.h"

#include <stdbool.h>

void
text_escape(FILE *out, const char *bytes)
{
	const unsigned char *at;

	for (at = (const unsigned char *)bytes; *at != '\0'; at++) {
		if (*at == '\\')
			fputs("\\\\", out);
		else if (*at < 0x20 || *at >= 0x7f)
			fprintf(out, "\\%03o", *at);
		else
			fputc(*at, out);
	}
}

static bool
is_octal(char c)
{
	return c >= '0' && c <= '7';
}

void
text_unescape(char *text)
{
	char *to = text;
	const char *at = text;

	while (*at != '\0') {
		if (at[0] == '\\' && at[1] == '\\') {
			*to++ = '\\';
			at += 2;
		} else if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && is_octal(at[2]) && is_octal(at[3])) {
			*to++ = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
			at += 4;
		} else {
			*to++ = *at++;
		}
	}
	*to = '\0';
}
