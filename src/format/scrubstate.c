#include "format/scrubstate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash/digest.h"

#define FIRST_LINE "mendfs scrub "
#define SCRUB_VERSION 1
#define CHECK_KEY "check = "
#define HEX_SIZE (2 * DIGEST_SIZE)
#define CHECK_LINE_SIZE (sizeof(CHECK_KEY) - 1 + HEX_SIZE + 1)

static const char *const doings[] = { "nothing", "running", "paused" };

/* The fields that are numbers, all of 64 bits, in the order in which they are written. */
static const struct { const char *key; size_t offset; } numbers[] = {
	{ "saved", offsetof(struct scrub_state, saved) },
	{ "rate", offsetof(struct scrub_state, rate) },
	{ "sample", offsetof(struct scrub_state, sample) },
	{ "seed", offsetof(struct scrub_state, seed) },
	{ "block", offsetof(struct scrub_state, at.block) },
	{ "started", offsetof(struct scrub_state, run.started) },
	{ "finished", offsetof(struct scrub_state, run.finished) },
	{ "files", offsetof(struct scrub_state, run.totals.files) },
	{ "directories", offsetof(struct scrub_state, run.totals.directories) },
	{ "others", offsetof(struct scrub_state, run.totals.others) },
	{ "bytes", offsetof(struct scrub_state, run.totals.bytes) },
	{ "bad", offsetof(struct scrub_state, run.totals.bad) },
	{ "mended", offsetof(struct scrub_state, run.totals.mended) },
	{ "left", offsetof(struct scrub_state, run.totals.left) },
	{ "last-started", offsetof(struct scrub_state, last.started) },
	{ "last-finished", offsetof(struct scrub_state, last.finished) },
	{ "last-files", offsetof(struct scrub_state, last.totals.files) },
	{ "last-directories", offsetof(struct scrub_state, last.totals.directories) },
	{ "last-others", offsetof(struct scrub_state, last.totals.others) },
	{ "last-bytes", offsetof(struct scrub_state, last.totals.bytes) },
	{ "last-bad", offsetof(struct scrub_state, last.totals.bad) },
	{ "last-mended", offsetof(struct scrub_state, last.totals.mended) },
	{ "last-left", offsetof(struct scrub_state, last.totals.left) },
};
#define NUMBER_COUNT (sizeof(numbers) / sizeof(numbers[0]))

struct text { char *at; size_t len, size; bool failed; };

static void __attribute__((format(printf, 2, 3)))
add(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->at + text->len, text->size - text->len, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= text->size - text->len)
		text->failed = true;
	else
		text->len += (size_t)n;
}

/* Names may hold any byte but the slash. */
static void
add_path(struct text *text, const char *key, const char *path)
{
	add(text, "%s = ", key);
	for (; *path != '\0'; path++)
		add(text, "%02x", (unsigned)(unsigned char)*path);
	add(text, "\n");
}

static void
check_hex(const char *text, size_t len, char hex[HEX_SIZE + 1])
{
	static const struct digest plain = { .codec = DIGEST_XXH3 };
	uint8_t sum[DIGEST_SIZE];

	digest_bytes(&plain, DIGEST_SCRUB, text, len, sum);
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", (unsigned)sum[i]);
}

int
scrubstate_encode(const struct scrub_state *state, char *text, size_t size)
{
	struct text t = { .at = text, .size = size };
	char hex[HEX_SIZE + 1];
	uint64_t number;

	add(&t, FIRST_LINE "%d\n", SCRUB_VERSION);
	add(&t, "doing = %s\n", doings[state->doing]);
	add_path(&t, "path", state->path);
	add_path(&t, "at", state->at.path);
	for (size_t i = 0; i < NUMBER_COUNT; i++) {
		memcpy(&number, (const char *)state + numbers[i].offset, sizeof(number));
		add(&t, "%s = %" PRIu64 "\n", numbers[i].key, number);
	}
	if (t.failed)
		return -ENOSPC;
	check_hex(text, t.len, hex);
	add(&t, CHECK_KEY "%s\n", hex);
	return t.failed ? -ENOSPC : (int)t.len;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
take_path(const char *value, char *path)
{
	size_t len = 0;
	int high, low;

	for (; value[0] != '\0'; value += 2) {
		if ((high = hex_digit(value[0])) < 0 || (low = hex_digit(value[1])) < 0 ||
		    (high | low) == 0 || len == PATH_MAX - 1)
			return false;
		path[len++] = (char)(high << 4 | low);
	}
	path[len] = '\0';
	return true;
}

static bool
take_doing(const char *value, enum scrub_doing *doing)
{
	for (size_t i = 0; i < sizeof(doings) / sizeof(doings[0]); i++) {
		if (strcmp(doings[i], value) == 0) {
			*doing = (enum scrub_doing)i;
			return true;
		}
	}
	return false;
}

/* One "key = value"; keys of later programs that change nothing for us are passed over. */
static bool
take(struct scrub_state *state, const char *key, const char *value)
{
	uint64_t number;
	char *end;

	if (strcmp(key, "doing") == 0)
		return take_doing(value, &state->doing);
	if (strcmp(key, "path") == 0)
		return take_path(value, state->path);
	if (strcmp(key, "at") == 0)
		return take_path(value, state->at.path);
	for (size_t i = 0; i < NUMBER_COUNT; i++) {
		if (strcmp(key, numbers[i].key) != 0)
			continue;
		if (*value < '0' || *value > '9')
			return false;
		errno = 0;
		number = strtoull(value, &end, 10);
		if (errno != 0 || *end != '\0')
			return false;
		memcpy((char *)state + numbers[i].offset, &number, sizeof(number));
		return true;
	}
	return true;
}

static bool
check_valid(const char *text, size_t len, size_t *body)
{
	char hex[HEX_SIZE + 1];

	if (len < CHECK_LINE_SIZE)
		return false;
	*body = len - CHECK_LINE_SIZE;
	check_hex(text, *body, hex);
	return memcmp(text + *body, CHECK_KEY, sizeof(CHECK_KEY) - 1) == 0 && text[len - 1] == '\n' &&
	    memcmp(text + *body + sizeof(CHECK_KEY) - 1, hex, HEX_SIZE) == 0;
}

static int
take_lines(char *text, struct scrub_state *state)
{
	char *line, *rest = NULL, *value;

	line = strtok_r(text, "\n", &rest);
	if (line == NULL || strncmp(line, FIRST_LINE, sizeof(FIRST_LINE) - 1) != 0)
		return -EBADMSG;
	if (strcmp(line + sizeof(FIRST_LINE) - 1, "1") != 0)
		return -EPROTO;
	while ((line = strtok_r(NULL, "\n", &rest)) != NULL) {
		if ((value = strstr(line, " = ")) == NULL)
			return -EBADMSG;
		*value = '\0';
		if (!take(state, line, value + 3))
			return -EBADMSG;
	}
	return 0;
}

int
scrubstate_decode(const char *text, size_t len, struct scrub_state *state)
{
	size_t body;
	char *copy;
	int rc;

	memset(state, 0, sizeof(*state));
	if (!check_valid(text, len, &body) || memchr(text, '\0', body) != NULL)
		return -EBADMSG;
	if ((copy = malloc(body + 1)) == NULL)
		return -ENOMEM;
	memcpy(copy, text, body);
	copy[body] = '\0';
	rc = take_lines(copy, state);
	free(copy);
	if (rc != 0)
		memset(state, 0, sizeof(*state));
	return rc;
}
