/*
 * util/text -- bytes from anywhere, written so that people can read them.
 */

#ifndef UTIL_TEXT_H
#define UTIL_TEXT_H

#include <stdio.h>

/*
 * text_escape(out, bytes):
 * Write a name so that no byte of it can be taken for anything else: what is
 * not printable ASCII as \ooo, and the backslash as \\.
 */
void text_escape(FILE *out, const char *bytes);
/* text_unescape(text): the reverse, in place; a backslash that begins nothing of the kind stays. */
void text_unescape(char *text);

#endif
