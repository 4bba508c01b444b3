#include "format/label.h"

#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_LINE "mendfs label "
#define CHECK_KEY "check = "
#define HEX_SIZE (2 * DIGEST_SIZE)
#define CHECK_LINE_SIZE (sizeof(CHECK_KEY) - 1 + HEX_SIZE + 1)

/* Text that grows up to its bound. */
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

static void
format_hex(const uint8_t *bytes, char hex[HEX_SIZE + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[HEX_SIZE] = '\0';
}

/* Without the key: a label must be readable before the key is known. */
static void
check_hex(const char *text, size_t len, char hex[HEX_SIZE + 1])
{
	static const struct digest plain = { .codec = DIGEST_XXH3 };
	uint8_t sum[DIGEST_SIZE];

	digest_bytes(&plain, DIGEST_LABEL, text, len, sum);
	format_hex(sum, hex);
}

static bool
name_valid(const char *name)
{
	size_t len = strnlen(name, LABEL_NAME_MAX);

	if (len == 0 || len == LABEL_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	}
	return true;
}

static const struct label_member *
find_member(const struct label *label, const struct uuid *uuid)
{
	for (unsigned i = 0; i < label->member_count; i++) {
		if (uuid_equal(&label->members[i].uuid, uuid))
			return &label->members[i];
	}
	return NULL;
}

/* What has a text, and comes back from it as it was. */
static bool
valid(const struct label *label)
{
	if (digest_codec_name(label->codec) == NULL)
		return false;
	if (label->moving && label->events == 0)
		return false;
	if (label->member_count == 0 || label->member_count > LABEL_MEMBERS_MAX)
		return false;
	for (unsigned i = 0; i < label->member_count; i++) {
		/* Each uuid is found at its own place, so none stands twice. */
		if (find_member(label, &label->members[i].uuid) != &label->members[i])
			return false;
		if (!name_valid(label->members[i].name))
			return false;
	}
	return find_member(label, &label->replica) != NULL;
}

static void
add_member(struct text *text, const struct label *label, const struct label_member *member)
{
	char uuid[UUID_TEXT_SIZE];
	bool own = uuid_equal(&member->uuid, &label->replica);

	uuid_format(&member->uuid, uuid);

	/* Quoted: behind a blank, a semicolon would begin a comment. */
	add(text, "member = %s %" PRIu64 " \"%s\"\n", uuid, own ? 0 : member->seen, member->name);
}

int
label_encode(const struct label *label, char *text, size_t size)
{
	struct text t = { .at = text, .size = size };
	char volume[UUID_TEXT_SIZE], replica[UUID_TEXT_SIZE], hex[HEX_SIZE + 1];

	if (!valid(label))
		return -EINVAL;

	uuid_format(&label->volume, volume);
	uuid_format(&label->replica, replica);
	format_hex(label->key_check, hex);
	add(&t, FIRST_LINE "%d\n", LABEL_VERSION);
	add(&t, "read-features = %" PRIu64 "\n", label->read_features);
	add(&t, "write-features = %" PRIu64 "\n", label->write_features);
	add(&t, "volume = %s\n", volume);
	add(&t, "replica = %s\n", replica);
	add(&t, "codec = %s\n", digest_codec_name(label->codec));
	add(&t, "key-check = %s\n", hex);
	add(&t, "events = %" PRIu64 "\n", label->events);
	add(&t, "moving = %s\n", label->moving ? "yes" : "no");
	add(&t, "clean = %s\n", label->clean ? "yes" : "no");
	add(&t, "next-id = %" PRIu64 "\n", label->next_id);
	for (unsigned i = 0; i < label->member_count; i++)
		add_member(&t, label, &label->members[i]);
	if (t.failed)
		return -ENOSPC;
	check_hex(text, t.len, hex);
	add(&t, CHECK_KEY "%s\n", hex);
	return t.failed ? -ENOSPC : (int)t.len;
}

/* A decimal number with nothing before or after it, below 2^64. */
static bool
parse_number(const char *text, size_t len, uint64_t *number)
{
	uint64_t n = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)text[i] - '0';

		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*number = n;
	return true;
}

static bool
parse_bool(const char *text, bool *value)
{
	*value = strcmp(text, "yes") == 0;
	return *value || strcmp(text, "no") == 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
parse_hex(const char *text, uint8_t *bytes)
{
	if (strlen(text) != HEX_SIZE)
		return false;
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* UUID SEEN "NAME" */
static bool
parse_member(const char *text, struct label *label)
{
	struct label_member *member;
	char uuid[UUID_TEXT_SIZE];
	const char *seen, *quote;
	size_t len;

	if (label->member_count == LABEL_MEMBERS_MAX)
		return false;
	member = &label->members[label->member_count++];
	if (strlen(text) <= UUID_TEXT_SIZE || text[UUID_TEXT_SIZE - 1] != ' ')
		return false;
	memcpy(uuid, text, UUID_TEXT_SIZE - 1);
	uuid[UUID_TEXT_SIZE - 1] = '\0';
	seen = text + UUID_TEXT_SIZE;
	if ((quote = strstr(seen, " \"")) == NULL)
		return false;
	if (uuid_parse(uuid, &member->uuid) != 0 ||
	    !parse_number(seen, (size_t)(quote - seen), &member->seen))
		return false;

	/* The name may hold quotes; the last one ends it. */
	len = strlen(quote + 2);
	if (len < 2 || len > LABEL_NAME_MAX || quote[2 + len - 1] != '"')
		return false;
	memcpy(member->name, quote + 2, len - 1);
	member->name[len - 1] = '\0';
	return true;
}

/* libinih's handler: one line of the text; 0 refuses it. */
static int
take(void *user, const char *section, const char *key, const char *value)
{
	struct label *label = user;

	if (section[0] != '\0')
		return 0;
	if (strcmp(key, "read-features") == 0)
		return parse_number(value, strlen(value), &label->read_features);
	if (strcmp(key, "write-features") == 0)
		return parse_number(value, strlen(value), &label->write_features);
	if (strcmp(key, "volume") == 0)
		return uuid_parse(value, &label->volume) == 0;
	if (strcmp(key, "replica") == 0)
		return uuid_parse(value, &label->replica) == 0;
	if (strcmp(key, "codec") == 0)
		return digest_codec_parse(value, &label->codec) == 0;
	if (strcmp(key, "key-check") == 0)
		return parse_hex(value, label->key_check);
	if (strcmp(key, "events") == 0)
		return parse_number(value, strlen(value), &label->events);
	if (strcmp(key, "moving") == 0)
		return parse_bool(value, &label->moving);
	if (strcmp(key, "clean") == 0)
		return parse_bool(value, &label->clean);
	if (strcmp(key, "next-id") == 0)
		return parse_number(value, strlen(value), &label->next_id);
	if (strcmp(key, "member") == 0)
		return parse_member(value, label);
	return 0;
}

/* Do the last line's digits fit the rest?  On success ${body} is the length without it. */
static bool
check_valid(const char *text, size_t len, size_t *body)
{
	char hex[HEX_SIZE + 1];
	const char *line;

	if (len < CHECK_LINE_SIZE || len > LABEL_TEXT_MAX || memchr(text, '\0', len) != NULL)
		return false;
	*body = len - CHECK_LINE_SIZE;
	line = text + *body;
	check_hex(text, *body, hex);
	return memcmp(line, CHECK_KEY, sizeof(CHECK_KEY) - 1) == 0 &&
	    memcmp(line + sizeof(CHECK_KEY) - 1, hex, HEX_SIZE) == 0 &&
	    line[CHECK_LINE_SIZE - 1] == '\n';
}

/* Take off the first line; what follows it stands at ${rest}. */
static bool
parse_first_line(const char *text, uint64_t *version, const char **rest)
{
	const char *number = text + sizeof(FIRST_LINE) - 1, *end;

	if (strncmp(text, FIRST_LINE, sizeof(FIRST_LINE) - 1) != 0 ||
	    (end = strchr(number, '\n')) == NULL)
		return false;
	*rest = end + 1;
	return parse_number(number, (size_t)(end - number), version) &&
	    *version > 0 && *version <= UINT32_MAX;
}

int
label_decode(const char *text, size_t len, struct label *label)
{
	char copy[LABEL_TEXT_MAX + 1], again[LABEL_TEXT_MAX];
	const char *rest;
	uint64_t version;
	size_t body;

	if (!check_valid(text, len, &body))
		return -EBADMSG;
	memcpy(copy, text, body);
	copy[body] = '\0';
	if (!parse_first_line(copy, &version, &rest))
		return -EBADMSG;

	memset(label, 0, sizeof(*label));
	label->version = (uint32_t)version;
	if (version > LABEL_VERSION)
		return -EPROTONOSUPPORT;
	if (ini_parse_string(rest, take, label) != 0)
		return -EBADMSG;

	/*
	 * The parser is generous with blanks, comments, order and repetition.
	 * We are not: a label is what we would have written, to the byte.
	 */
	if (label_encode(label, again, sizeof(again)) != (int)len ||
	    memcmp(again, text, len) != 0)
		return -EBADMSG;
	return 0;
}

struct label_member *
label_member(struct label *label, const struct uuid *uuid)
{
	const struct label_member *member = find_member(label, uuid);

	return member == NULL ? NULL : &label->members[member - label->members];
}

const char *
label_name(const struct label *label)
{
	const struct label_member *own = find_member(label, &label->replica);

	return own != NULL ? own->name : "";
}

/* The last event whose effect may have begun on this replica. */
static uint64_t
moved(const struct label *label)
{
	return label->moving && label->events > 0 ? label->events - 1 : label->events;
}

/* The last event at which ${label} saw ${uuid} in sync; 0 for one it does not know. */
static uint64_t
seen(const struct label *label, const struct uuid *uuid)
{
	const struct label_member *member = find_member(label, uuid);

	return member == NULL ? 0 : member->seen;
}

/* Has ${x} an event that ${y} has not? */
static bool
alone(const struct label *x, const struct label *y)
{
	uint64_t event = moved(x);

	if (event <= seen(x, &y->replica))
		return false;

	/* It went on without y; but so did others, and y may have caught up with one of them. */
	for (unsigned i = 0; i < x->member_count; i++) {
		const struct label_member *third = &x->members[i];

		if (third->seen < event)
			continue;
		if (seen(y, &third->uuid) >= event)
			return false;
		/* It was removed since; what it knew of x is what y knows. */
		if (find_member(y, &third->uuid) == NULL && seen(y, &x->replica) >= event)
			return false;
	}
	return true;
}

/*
 * Was ${x} restored from an old copy, and did it then go on by itself?  The last
 * that happened to ${y} is that it was cleanly unmounted, together with ${x}: who
 * was there had seen ${y} by then, or, if a crash cut that off, one event before.
 */
static bool
went_on_from_copy(const struct label *x, const struct label *y)
{
	uint64_t event = seen(y, &x->replica), saw = seen(x, &y->replica);

	/* Of one that was removed since ${x} does not know what it saw. */
	if (find_member(x, &y->replica) == NULL || !y->clean || y->events != event || !alone(x, y))
		return false;
	return x->events == event && !x->moving ? saw < event : saw + 1 < event;
}

enum label_relation
label_relate(const struct label *a, const struct label *b)
{
	bool a_alone, b_alone;

	if (!uuid_equal(&a->volume, &b->volume) || uuid_equal(&a->replica, &b->replica) ||
	    (find_member(a, &b->replica) == NULL && find_member(b, &a->replica) == NULL))
		return LABEL_STRANGERS;

	/* A replica cannot have been seen where it never was. */
	if (a->events < seen(b, &a->replica))
		return LABEL_A_ROLLED_BACK;
	if (b->events < seen(a, &b->replica))
		return LABEL_B_ROLLED_BACK;

	if (went_on_from_copy(a, b) || went_on_from_copy(b, a))
		return LABEL_FORKED;

	a_alone = alone(a, b);
	b_alone = alone(b, a);
	if (a_alone && b_alone)
		return LABEL_FORKED;
	if (a_alone)
		return LABEL_B_BEHIND;
	return b_alone ? LABEL_A_BEHIND : LABEL_IN_SYNC;
}

uint64_t
label_event_base(const struct label *const *labels, unsigned count)
{
	uint64_t base = 0;

	/*
	 * Those only begun count: two events never have the same number, or
	 * having seen one would be taken for having seen the other.
	 */
	for (unsigned i = 0; i < count; i++) {
		if (labels[i]->events > base)
			base = labels[i]->events;
	}
	return base;
}

/* Note that the members in ${in_sync} are in sync at ${event}. */
static void
note_seen(struct label *label, uint64_t event, const struct uuid *in_sync, unsigned count)
{
	struct label_member *member;

	for (unsigned i = 0; i < count; i++) {
		member = label_member(label, &in_sync[i]);
		if (member != NULL && !uuid_equal(&in_sync[i], &label->replica))
			member->seen = event;
	}
}

void
label_event_begin(struct label *label, uint64_t base, const struct uuid *staying, unsigned count)
{
	label->events = base + 1;
	label->moving = true;
	note_seen(label, base, staying, count);
}

void
label_event_finish(struct label *label, const struct uuid *in_sync, unsigned count)
{
	label->moving = false;
	note_seen(label, label->events, in_sync, count);
}
