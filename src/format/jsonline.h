/*
 * format/jsonline -- one JSON object a line: what programs read and mendctl
 * and the daemon say to each other.
 *
 * Names are bytes, JSON's strings are not.  So each name stands twice: KEY,
 * for people, escaped where it is not UTF-8, and KEY_hex, its bytes.
 *
 * Lines are made field by field and never fail halfway: a field that finds no
 * memory is left out, a line that cannot be made is lost.
 */

#ifndef FORMAT_JSONLINE_H
#define FORMAT_JSONLINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* jsonline_new(type): an object with that "type"; the caller's, for jsonline_write. */
json_t *jsonline_new(const char *type);

/* jsonline_set(line, key, value): takes ${value} over; NULL leaves the field out. */
void jsonline_set(json_t *line, const char *key, json_t *value);
void jsonline_set_text(json_t *line, const char *key, const char *text);
void jsonline_set_number(json_t *line, const char *key, uint64_t number);
void jsonline_set_flag(json_t *line, const char *key, bool flag);
/* jsonline_set_name(line, key, bytes): KEY and KEY_hex; NULL: neither. */
void jsonline_set_name(json_t *line, const char *key, const char *bytes);

/* jsonline_get_text(line, key): its text as long as ${line} lives, or NULL. */
const char *jsonline_get_text(const json_t *line, const char *key);
/* jsonline_get_number(line, key, otherwise): no number, or below 0: ${otherwise}. */
uint64_t jsonline_get_number(const json_t *line, const char *key, uint64_t otherwise);
bool jsonline_get_flag(const json_t *line, const char *key);
/*
 * jsonline_get_name(line, key, out, size):
 * The bytes of KEY_hex, with a zero behind.  -ENOENT: no such field; -EINVAL:
 * not hexadecimal, or a zero byte in it; -ENAMETOOLONG.
 */
int jsonline_get_name(const json_t *line, const char *key, char *out, size_t size);

/* jsonline_write(out, line): a line, flushed; gives ${line} back. Whole lines, from any thread. */
void jsonline_write(FILE *out, json_t *line);

#endif
