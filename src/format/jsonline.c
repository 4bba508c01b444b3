#include "format/jsonline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"

#define KEY_MAX 64	/* bytes of a key with its suffix */

json_t *
jsonline_new(const char *type)
{
	json_t *line = json_object();

	jsonline_set(line, "type", json_string(type));
	return line;
}

void
jsonline_set(json_t *line, const char *key, json_t *value)
{
	(void)json_object_set_new(line, key, value);
}

/* Text as it is if it is UTF-8, else escaped. */
static json_t *
text_of(const char *bytes)
{
	json_t *value = json_string(bytes);
	char *escaped = NULL;
	size_t len = 0;
	FILE *out;

	if (value != NULL || (out = open_memstream(&escaped, &len)) == NULL)
		return value;
	text_escape(out, bytes);
	fclose(out);
	value = escaped != NULL ? json_string(escaped) : NULL;
	free(escaped);
	return value;
}

void
jsonline_set_text(json_t *line, const char *key, const char *text)
{
	if (text != NULL)
		jsonline_set(line, key, text_of(text));
}

void
jsonline_set_number(json_t *line, const char *key, uint64_t number)
{
	jsonline_set(line, key, json_integer((json_int_t)number));
}

void
jsonline_set_flag(json_t *line, const char *key, bool flag)
{
	jsonline_set(line, key, json_boolean(flag));
}

static json_t *
hex(const char *bytes)
{
	size_t len = strlen(bytes), i;
	char *text;
	json_t *value = NULL;

	if ((text = malloc(2 * len + 1)) == NULL)
		return NULL;
	for (i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", (unsigned)(unsigned char)bytes[i]);
	text[2 * len] = '\0';
	value = json_string(text);
	free(text);
	return value;
}

void
jsonline_set_name(json_t *line, const char *key, const char *bytes)
{
	char key_hex[KEY_MAX];

	if (bytes == NULL)
		return;
	snprintf(key_hex, sizeof(key_hex), "%s_hex", key);
	jsonline_set(line, key, text_of(bytes));
	jsonline_set(line, key_hex, hex(bytes));
}

const char *
jsonline_get_text(const json_t *line, const char *key)
{
	return json_string_value(json_object_get(line, key));
}

uint64_t
jsonline_get_number(const json_t *line, const char *key, uint64_t otherwise)
{
	const json_t *value = json_object_get(line, key);

	return json_is_integer(value) && json_integer_value(value) >= 0 ? (uint64_t)json_integer_value(value) : otherwise;
}

bool
jsonline_get_flag(const json_t *line, const char *key)
{
	return json_is_true(json_object_get(line, key));
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
jsonline_get_name(const json_t *line, const char *key, char *out, size_t size)
{
	char key_hex[KEY_MAX];
	const char *text;
	size_t len, i;
	int high, low;

	snprintf(key_hex, sizeof(key_hex), "%s_hex", key);
	if ((text = jsonline_get_text(line, key_hex)) == NULL)
		return -ENOENT;
	len = strlen(text);
	if (len % 2 != 0)
		return -EINVAL;
	if (len / 2 >= size)
		return -ENAMETOOLONG;
	for (i = 0; i < len / 2; i++) {
		high = digit(text[2 * i]);
		low = digit(text[2 * i + 1]);
		if (high < 0 || low < 0 || (high == 0 && low == 0))
			return -EINVAL;
		out[i] = (char)(high << 4 | low);
	}
	out[len / 2] = '\0';
	return 0;
}

void
jsonline_write(FILE *out, json_t *line)
{
	/* Lines come from several threads. */
	flockfile(out);
	if (json_dumpf(line, out, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0)
		fputc('\n', out);
	fflush(out);
	funlockfile(out);
	json_decref(line);
}
