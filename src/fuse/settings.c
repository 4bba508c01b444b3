#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/settings.h"
#include "hash/digest.h"
#include "replica/url.h"
#include "util/log.h"

enum kind { KIND_FLAG, KIND_NUMBER, KIND_TEXT, KIND_PATH, KIND_CODEC, KIND_READ, KIND_WATCH, KIND_ACK, KIND_LEVEL, KIND_REPLICA };

struct entry {
	const char *name;
	enum kind kind;
	unsigned min, max;	/* of a number */
};

static const struct entry entries[SETTING_COUNT] = {
	[SETTING_RO] = { "ro", KIND_FLAG, 0, 0 },
	[SETTING_DEGRADED] = { "degraded", KIND_FLAG, 0, 0 },
	[SETTING_ADOPT] = { "adopt", KIND_FLAG, 0, 0 },
	[SETTING_CODEC] = { "codec", KIND_CODEC, 0, 0 },
	[SETTING_KEY_FILE] = { "key-file", KIND_PATH, 0, 0 },
	[SETTING_READ] = { "read", KIND_READ, 0, 0 },
	[SETTING_MIN_REPLICAS] = { "min-replicas", KIND_NUMBER, 1, VOLUME_REPLICAS_MAX },
	[SETTING_TIMEOUT] = { "timeout", KIND_NUMBER, 0, 86400 },
	[SETTING_WATCH] = { "watch", KIND_WATCH, 0, 0 },
	[SETTING_ACK] = { "ack", KIND_ACK, 0, 0 },
	[SETTING_LINK_TIMEOUT] = { "link-timeout", KIND_NUMBER, 1, 3600 },
	[SETTING_WINDOW] = { "window", KIND_NUMBER, 1, 1024 },
	[SETTING_ON_EVENT] = { "on-event", KIND_PATH, 0, 0 },
	[SETTING_LOG_LEVEL] = { "log-level", KIND_LEVEL, 0, 0 },
	[SETTING_MAX_THREADS] = { "max_threads", KIND_NUMBER, 1, 1024 },
	[SETTING_ALLOW_OTHER] = { "allow_other", KIND_FLAG, 0, 0 },
	[SETTING_ALLOW_ROOT] = { "allow_root", KIND_FLAG, 0, 0 },
	[SETTING_AUTO_UNMOUNT] = { "auto_unmount", KIND_FLAG, 0, 0 },
	[SETTING_DEFAULT_PERMISSIONS] = { "default_permissions", KIND_FLAG, 0, 0 },
	[SETTING_DEV] = { "dev", KIND_FLAG, 0, 0 },
	[SETTING_SUID] = { "suid", KIND_FLAG, 0, 0 },
	[SETTING_EXEC] = { "exec", KIND_FLAG, 0, 0 },
	[SETTING_SYNC] = { "sync", KIND_FLAG, 0, 0 },
	[SETTING_DIRSYNC] = { "dirsync", KIND_FLAG, 0, 0 },
	[SETTING_FSNAME] = { "fsname", KIND_TEXT, 0, 0 },
	[SETTING_SUBTYPE] = { "subtype", KIND_TEXT, 0, 0 },
	[SETTING_CONTEXT] = { "context", KIND_TEXT, 0, 0 },
	[SETTING_FSCONTEXT] = { "fscontext", KIND_TEXT, 0, 0 },
	[SETTING_DEFCONTEXT] = { "defcontext", KIND_TEXT, 0, 0 },
	[SETTING_ROOTCONTEXT] = { "rootcontext", KIND_TEXT, 0, 0 },
	[SETTING_MOUNTPOINT] = { "mountpoint", KIND_PATH, 0, 0 },
	[SETTING_REPLICA] = { "replica", KIND_REPLICA, 0, 0 },
};

/* mount(8)'s names for the opposite of a flag. */
static const struct { const char *name; enum setting setting; } opposites[] = {
	{ "rw", SETTING_RO }, { "nodev", SETTING_DEV }, { "nosuid", SETTING_SUID },
	{ "noexec", SETTING_EXEC }, { "async", SETTING_SYNC },
};

/* For mount(8), for init systems, or about access times, which are never kept. */
static const char *const ignored[] = {
	"defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group", "nofail", "_netdev",
	"atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime",
	"nostrictatime", "lazytime", "nolazytime", "mand", "nomand", "iversion", "noiversion",
	"silent", "loud", "comment",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void
settings_init(struct settings *settings)
{
	memset(settings, 0, sizeof(*settings));
}

void
settings_free(struct settings *settings)
{
	unsigned i;

	for (i = 0; i < SETTING_COUNT; i++)
		free(settings->given[i].value);
	for (i = 0; i < settings->replica_count; i++)
		free(settings->replicas[i]);
	settings_init(settings);
}

int
settings_fail(struct settings *settings, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(settings->error, sizeof(settings->error), format, args);
	va_end(args);
	return rc;
}

/* "key_file" and "key-file" are one name: FUSE's own options have underscores. */
static bool
same_name(const char *a, const char *b)
{
	for (; *a != '\0' && *b != '\0'; a++, b++) {
		if ((*a == '_' ? '-' : *a) != (*b == '_' ? '-' : *b))
			return false;
	}
	return *a == *b;
}

static bool
is_ignored(const char *name)
{
	size_t i;

	if (strncmp(name, "x-", 2) == 0 || strncmp(name, "X-", 2) == 0)
		return true;
	for (i = 0; i < COUNT(ignored); i++) {
		if (strcmp(name, ignored[i]) == 0)
			return true;
	}
	return false;
}

/* The setting of this name, or SETTING_COUNT; ${*opposite}: the name says its contrary. */
static enum setting
find(const char *name, bool *opposite)
{
	unsigned i;

	*opposite = false;
	for (i = 0; i < SETTING_COUNT; i++) {
		if (same_name(name, entries[i].name))
			return (enum setting)i;
	}
	*opposite = true;
	for (i = 0; i < COUNT(opposites); i++) {
		if (strcmp(name, opposites[i].name) == 0)
			return opposites[i].setting;
	}
	return SETTING_COUNT;
}

static int
parse_flag(const char *text, bool *flag)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };
	size_t i;

	for (i = 0; i < COUNT(yes); i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*flag = strcmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

static int
parse_number(const char *text, unsigned min, unsigned max, unsigned *number)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || value < min || value > max)
		return -EINVAL;
	*number = (unsigned)value;
	return 0;
}

int
settings_read_policy(const char *text, enum volume_read_policy *policy)
{
	if (strcmp(text, "auto") == 0)
		*policy = VOLUME_READ_AUTO;
	else if (strcmp(text, "first") == 0)
		*policy = VOLUME_READ_FIRST;
	else if (strcmp(text, "round-robin") == 0)
		*policy = VOLUME_READ_ROUND_ROBIN;
	else
		return -EINVAL;
	return 0;
}

/* Check ${text}; a bad one sets the error. */
static int
check_value(struct settings *settings, const char *where, const struct entry *entry, const char *text)
{
	enum volume_read_policy policy;
	enum digest_codec codec;
	enum log_level level;
	const char *remedy = "say something behind the =";
	char range[64];
	unsigned number;
	bool flag;
	int rc = 0;

	switch (entry->kind) {
	case KIND_FLAG:
		rc = parse_flag(text, &flag);
		remedy = "say yes or no";
		break;
	case KIND_NUMBER:
		rc = parse_number(text, entry->min, entry->max, &number);
		(void)snprintf(range, sizeof(range), "say a number from %u to %u", entry->min, entry->max);
		remedy = range;
		break;
	case KIND_CODEC:
		rc = digest_codec_parse(text, &codec);
		remedy = "say xxh3 or blake2b";
		break;
	case KIND_READ:
		rc = settings_read_policy(text, &policy);
		remedy = "say auto, first or round-robin";
		break;
	case KIND_WATCH:
		rc = strcmp(text, "auto") == 0 || strcmp(text, "all") == 0 ? 0 : -EINVAL;
		remedy = "say auto or all";
		break;
	case KIND_ACK:
		rc = strcmp(text, "write") == 0 || strcmp(text, "fsync") == 0 ? 0 : -EINVAL;
		remedy = "say write or fsync";
		break;
	case KIND_LEVEL:
		rc = log_parse_level(text, &level);
		remedy = "say error, warning, info or debug";
		break;
	case KIND_TEXT:
	case KIND_PATH:
	case KIND_REPLICA:
		rc = *text == '\0' ? -EINVAL : 0;
		break;
	}
	if (rc != 0)
		return settings_fail(settings, -EINVAL, "%s: %s cannot be \"%s\"; %s", where, entry->name, text, remedy);
	return 0;
}

/* Make the replicas of ${source} the ones that count; false if a higher source gave some. */
static bool
claim_replicas(struct settings *settings, enum settings_source source)
{
	if (settings->given[SETTING_REPLICA].source > source)
		return false;
	if (settings->given[SETTING_REPLICA].source < source) {
		while (settings->replica_count > 0)
			free(settings->replicas[--settings->replica_count]);
		settings->given[SETTING_REPLICA].source = source;
	}
	return true;
}

static int
add_replica(struct settings *settings, enum settings_source source, const char *where, const char *path)
{
	const char *why;
	struct url url;
	char *copy;

	if (*path == '\0')
		return settings_fail(settings, -EINVAL, "%s: empty path in the list of replicas; name a directory", where);
	if (url_authority(path) > 0 && url_parse(path, &url, &why) != 0)
		return settings_fail(settings, -EINVAL, "%s: replica \"%s\" cannot be used: %s", where, path, why);
	if (!claim_replicas(settings, source))
		return 0;
	if (settings->replica_count == VOLUME_REPLICAS_MAX) {
		return settings_fail(settings, -EINVAL, "%s: more than %d replicas; take \"%s\" out",
		    where, VOLUME_REPLICAS_MAX, path);
	}
	if ((copy = strdup(path)) == NULL)
		return settings_fail(settings, -ENOMEM, "out of memory");
	settings->replicas[settings->replica_count++] = copy;
	return 0;
}

int
settings_add_replicas(struct settings *settings, enum settings_source source, const char *where, const char *list)
{
	const char *at = list;
	char *path, *end;
	size_t authority;
	int rc = 0;

	if ((path = malloc(strlen(list) + 1)) == NULL)
		return settings_fail(settings, -ENOMEM, "out of memory");
	do {
		/* A URL's own colons part nothing, up to the slash that follows its host. */
		authority = url_authority(at);
		memcpy(path, at, authority);
		at += authority;
		for (end = path + authority; *at != '\0' && *at != ':'; at++) {
			if (at[0] == '\\' && (at[1] == ':' || at[1] == '\\'))
				at++;
			*end++ = *at;
		}
		*end = '\0';
		rc = add_replica(settings, source, where, path);
	} while (rc == 0 && *at++ == ':');
	free(path);
	return rc;
}

static int
store(struct settings *settings, enum settings_source source, enum setting setting, const char *value)
{
	char *copy;

	if (settings->given[setting].source > source)
		return 0;
	if ((copy = strdup(value)) == NULL)
		return settings_fail(settings, -ENOMEM, "out of memory");
	free(settings->given[setting].value);
	settings->given[setting].value = copy;
	settings->given[setting].source = source;
	return 0;
}

int
settings_set(struct settings *settings, enum settings_source source, const char *where, const char *name, const char *value)
{
	const struct entry *entry;
	enum setting setting;
	bool opposite, flag;
	int rc;

	if (strcmp(name, "remount") == 0)
		return settings_fail(settings, -EINVAL, "%s: remount is not supported; unmount and mount again", where);
	if ((setting = find(name, &opposite)) == SETTING_COUNT) {
		if (is_ignored(name))
			return 0;
		return settings_fail(settings, -ENOENT, "%s: unknown option \"%s\"; mendfs(8) lists them", where, name);
	}
	entry = &entries[setting];
	if (value == NULL && entry->kind != KIND_FLAG)
		return settings_fail(settings, -EINVAL, "%s: %s has no value; write %s=VALUE", where, entry->name, entry->name);
	if (value == NULL)
		value = "yes";
	if ((rc = check_value(settings, where, entry, value)) != 0)
		return rc;
	if (setting == SETTING_REPLICA) {
		/* A line of the file is one path as it stands; elsewhere it is a list. */
		return source == SETTINGS_FILE ? add_replica(settings, source, where, value) :
		    settings_add_replicas(settings, source, where, value);
	}
	if (entry->kind == KIND_FLAG) {
		(void)parse_flag(value, &flag);
		value = flag != opposite ? "yes" : "no";
		if (setting == SETTING_DEFAULT_PERMISSIONS && strcmp(value, "no") == 0) {
			return settings_fail(settings, -EINVAL,
			    "%s: default_permissions is always on; leave it out", where);
		}
	}
	return store(settings, source, setting, value);
}

bool
settings_flag(const struct settings *settings, enum setting setting, bool otherwise)
{
	assert(settings_is_flag(setting));
	if (settings->given[setting].value == NULL)
		return otherwise;
	return strcmp(settings->given[setting].value, "yes") == 0;
}

unsigned
settings_number(const struct settings *settings, enum setting setting, unsigned otherwise)
{
	unsigned number = otherwise;

	assert(entries[setting].kind == KIND_NUMBER);
	if (settings->given[setting].value != NULL)
		(void)parse_number(settings->given[setting].value, 0, UINT32_MAX, &number);
	return number;
}

const char *
settings_text(const struct settings *settings, enum setting setting, const char *otherwise)
{
	return settings->given[setting].value != NULL ? settings->given[setting].value : otherwise;
}

const char *
settings_name(enum setting setting)
{
	return entries[setting].name;
}

bool
settings_is_flag(enum setting setting)
{
	return entries[setting].kind == KIND_FLAG;
}
