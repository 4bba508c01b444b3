#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "format/inifile.h"
#include "link/key.h"
#include "mendd/conf.h"

#define SECTION "export "
#define KEYS_MAX 4096			/* of one export */

static int fail(struct conf *conf, int rc, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int
fail(struct conf *conf, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(conf->error, sizeof(conf->error), format, args);
	va_end(args);
	return rc;
}

static int
bad_value(struct conf *conf, const struct inifile_line *line, const char *remedy)
{
	return fail(conf, -EINVAL, "%s: %s cannot be \"%s\"; %s", line->where, line->name, line->value, remedy);
}

static int
set_text(struct conf *conf, char **text, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return fail(conf, -ENOMEM, "out of memory");
	free(*text);
	*text = copy;
	return 0;
}

static int
set_path(struct conf *conf, char **path, const struct inifile_line *line)
{
	if (*line->value != '/')
		return bad_value(conf, line, "say an absolute path");
	return set_text(conf, path, line->value);
}

static int
parse_number(const char *text, unsigned long long max, unsigned long long *number, char **end)
{
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*number = strtoull(text, end, 10);
	return errno != 0 || *number > max ? -EINVAL : 0;
}

/* "500G" */
static int
parse_size(const char *text, uint64_t *size)
{
	static const char units[] = "KMGT";
	const char *unit = NULL;
	unsigned long long number;
	unsigned shift = 0;
	char *end;

	if (parse_number(text, UINT64_MAX, &number, &end) != 0 || number == 0)
		return -EINVAL;
	if (*end != '\0') {
		if ((unit = strchr(units, *end)) == NULL || end[1] != '\0')
			return -EINVAL;
		shift = 10 * (unsigned)(unit - units + 1);
	}
	if (number > (UINT64_MAX >> 1) >> shift)
		return -EINVAL;
	*size = (uint64_t)number << shift;
	return 0;
}

/* ---- lines before the first section */

static int
add_listen(struct conf *conf, const struct inifile_line *line)
{
	if (*line->value == '\0')
		return bad_value(conf, line, "say HOST:PORT, HOST or :PORT");
	if (conf->listen_count == CONF_LISTEN_MAX)
		return fail(conf, -EINVAL, "%s: more than %d addresses; take \"%s\" out", line->where, CONF_LISTEN_MAX, line->value);
	return set_text(conf, &conf->listen[conf->listen_count++], line->value);
}

static int
take_global(struct conf *conf, const struct inifile_line *line)
{
	unsigned long long number;
	char *end;

	if (strcmp(line->name, "listen") == 0)
		return add_listen(conf, line);
	if (strcmp(line->name, "key-file") == 0)
		return set_path(conf, &conf->key_file, line);
	if (strcmp(line->name, "max-sessions") == 0) {
		if (parse_number(line->value, CONF_SESSIONS_MAX, &number, &end) != 0 || *end != '\0' || number == 0)
			return bad_value(conf, line, "say a number from 1 to 4096");
		conf->sessions_max = (unsigned)number;
		return 0;
	}
	if (strcmp(line->name, "log-level") == 0) {
		if (log_parse_level(line->value, &conf->log_level) != 0)
			return bad_value(conf, line, "say error, warning, info or debug");
		return 0;
	}
	if (strcmp(line->name, "trusted-xattrs") == 0) {
		if (strcmp(line->value, "yes") != 0 && strcmp(line->value, "no") != 0)
			return bad_value(conf, line, "say yes or no");
		conf->trusted_xattrs = strcmp(line->value, "yes") == 0;
		return 0;
	}
	return fail(conf, -EINVAL, "%s: unknown key \"%s\"; mendd(8) lists them", line->where, line->name);
}

/* ---- exports */

static bool
name_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= LINK_EXPORT_MAX && *name != '.' && *name != '-' &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

static int
add_export(struct conf *conf, const struct inifile_line *line, const char *name)
{
	struct conf_export *grown, *export;
	int rc;

	if (!name_valid(name)) {
		return fail(conf, -EINVAL, "%s: export \"%s\": a name has 1 to %d letters, digits, dots, dashes or underscores, none of the marks first",
		    line->where, name, LINK_EXPORT_MAX);
	}
	if (conf_find(conf, name) != NULL)
		return fail(conf, -EINVAL, "%s: export %s is there twice; join the two", line->where, name);
	if (conf->export_count == CONF_EXPORT_MAX)
		return fail(conf, -EINVAL, "%s: more than %d exports", line->where, CONF_EXPORT_MAX);
	if ((grown = realloc(conf->exports, (conf->export_count + 1) * sizeof(*grown))) == NULL)
		return fail(conf, -ENOMEM, "out of memory");
	conf->exports = grown;
	export = &grown[conf->export_count++];
	memset(export, 0, sizeof(*export));
	if ((rc = set_text(conf, &export->name, name)) != 0)
		return rc;
	return set_text(conf, &export->where, line->where);
}

static int
add_key(struct conf *conf, struct conf_export *export, const struct inifile_line *line, bool write)
{
	struct conf_key *grown, *key;

	if (export->key_count == KEYS_MAX)
		return fail(conf, -EINVAL, "%s: more than %d keys", line->where, KEYS_MAX);
	if ((grown = realloc(export->keys, (export->key_count + 1) * sizeof(*grown))) == NULL)
		return fail(conf, -ENOMEM, "out of memory");
	export->keys = grown;
	key = &grown[export->key_count];
	key->write = write;
	if (key_from_text(line->value, key->key) != 0)
		return bad_value(conf, line, "say what \"mendctl key show\" prints at the client");
	export->key_count++;
	return 0;
}

static int
take_export(struct conf *conf, struct conf_export *export, const struct inifile_line *line)
{
	if (strcmp(line->name, "directory") == 0)
		return set_path(conf, &export->directory, line);
	if (strcmp(line->name, "write") == 0)
		return add_key(conf, export, line, true);
	if (strcmp(line->name, "read-only") == 0)
		return add_key(conf, export, line, false);
	if (strcmp(line->name, "size") == 0) {
		if (parse_size(line->value, &export->size_max) != 0)
			return bad_value(conf, line, "say a number of bytes, with K, M, G or T behind it or not");
		return 0;
	}
	return fail(conf, -EINVAL, "%s: unknown key \"%s\" of an export; mendd(8) lists them", line->where, line->name);
}

static int
take_line(void *arg, const struct inifile_line *line)
{
	struct conf *conf = arg;
	const char *name = line->section + strlen(SECTION);
	int rc;

	if (*line->section == '\0')
		return take_global(conf, line);
	if (strncmp(line->section, SECTION, strlen(SECTION)) != 0) {
		return fail(conf, -EINVAL, "%s: unknown section [%s]; a section is [export NAME]", line->where, line->section);
	}
	if (conf->export_count == 0 || strcmp(conf->exports[conf->export_count - 1].name, name) != 0) {
		if ((rc = add_export(conf, line, name)) != 0)
			return rc;
	}
	return take_export(conf, &conf->exports[conf->export_count - 1], line);
}

/* ---- the whole */

static int
check(struct conf *conf, const char *path)
{
	const struct conf_export *export;
	unsigned i, j;

	if (conf->export_count == 0)
		return fail(conf, -EINVAL, "%s: no [export NAME] in it; mendd(8) has an example", path);
	for (i = 0; i < conf->export_count; i++) {
		export = &conf->exports[i];
		if (export->directory == NULL)
			return fail(conf, -EINVAL, "%s: export %s has no directory; add \"directory = PATH\"", export->where, export->name);
		if (export->key_count == 0) {
			return fail(conf, -EINVAL, "%s: nobody may use export %s; add \"write = KEY\" or \"read-only = KEY\"",
			    export->where, export->name);
		}
		for (j = 0; j < i; j++) {
			if (strcmp(conf->exports[j].directory, export->directory) == 0) {
				return fail(conf, -EINVAL, "%s: exports %s and %s are one directory; take one out",
				    export->where, conf->exports[j].name, export->name);
			}
		}
	}
	return 0;
}

int
conf_read(struct conf *conf, FILE *file, const char *path)
{
	int rc;

	memset(conf, 0, sizeof(*conf));
	conf->sessions_max = CONF_SESSIONS;
	conf->log_level = LOG_LEVEL_INFO;
	if ((rc = inifile_read(file, path, take_line, conf, conf->error, sizeof(conf->error))) != 0)
		return rc;
	return check(conf, path);
}

void
conf_free(struct conf *conf)
{
	unsigned i;

	for (i = 0; i < conf->listen_count; i++)
		free(conf->listen[i]);
	for (i = 0; i < conf->export_count; i++) {
		free(conf->exports[i].name);
		free(conf->exports[i].directory);
		free(conf->exports[i].keys);
		free(conf->exports[i].where);
	}
	free(conf->exports);
	free(conf->key_file);
	memset(conf, 0, sizeof(*conf));
}

const struct conf_export *
conf_find(const struct conf *conf, const char *name)
{
	unsigned i;

	for (i = 0; i < conf->export_count; i++) {
		if (strcmp(conf->exports[i].name, name) == 0)
			return &conf->exports[i];
	}
	return NULL;
}

enum conf_right
conf_right(const struct conf_export *export, const uint8_t key[LINK_KEY_SIZE])
{
	enum conf_right right = CONF_NONE;
	unsigned i;

	/* All of them, and the highest right counts. */
	for (i = 0; i < export->key_count; i++) {
		if (!key_equal(export->keys[i].key, key))
			continue;
		if (export->keys[i].write)
			right = CONF_WRITE;
		else if (right == CONF_NONE)
			right = CONF_READ_ONLY;
	}
	return right;
}

bool
conf_knows(const struct conf *conf, const uint8_t key[LINK_KEY_SIZE])
{
	bool known = false;
	unsigned i;

	for (i = 0; i < conf->export_count; i++)
		known |= conf_right(&conf->exports[i], key) != CONF_NONE;
	return known;
}

bool
conf_allows(const struct conf *conf, const struct conf_export *export, const uint8_t key[LINK_KEY_SIZE], bool write)
{
	const struct conf_export *now = conf_find(conf, export->name);

	return now != NULL && strcmp(now->directory, export->directory) == 0 && now->size_max == export->size_max &&
	    conf_right(now, key) >= (write ? CONF_WRITE : CONF_READ_ONLY);
}
