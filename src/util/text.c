#include "util/text.h"

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
