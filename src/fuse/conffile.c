#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "fuse/conffile.h"

#define CONFFILE_LINE_MAX (PATH_MAX + 256)	/* a key and the longest path */

struct reader {
	FILE *file;
	const char *path;
	struct settings *settings;
	char line[CONFFILE_LINE_MAX];	/* the line at hand, whole */
	bool cut;			/* inih got only its beginning */
	unsigned number;		/* from 1 */
	int rc;
};

/*
 * Hand inih the next line.  It takes some 200 bytes at most, and would read
 * the rest of a longer one as a line of its own: it gets the beginning, and
 * take_line finds the value in reader->line.
 */
static char *
next_line(char *out, int size, void *stream)
{
	struct reader *reader = stream;
	size_t len;

	if (reader->rc != 0 || fgets(reader->line, sizeof(reader->line), reader->file) == NULL)
		return NULL;
	reader->number++;
	len = strlen(reader->line);
	if (len == sizeof(reader->line) - 1 && reader->line[len - 1] != '\n') {
		reader->rc = settings_fail(reader->settings, -EINVAL, "%s:%u: longer than %zu bytes; no path can be",
		    reader->path, reader->number, len);
		return NULL;
	}
	/* Leading blanks would make it a continuation, which this file does not have. */
	len = strspn(reader->line, " \t");
	memmove(reader->line, reader->line + len, strlen(reader->line + len) + 1);

	reader->cut = strlen(reader->line) >= (size_t)size;
	(void)snprintf(out, (size_t)size, "%s", reader->line);
	return out;
}

/* The value in a line that inih saw only the beginning of. */
static const char *
whole_value(struct reader *reader)
{
	char *value = reader->line + strcspn(reader->line, "=:") + 1;
	size_t len;

	value += strspn(value, " \t");
	for (len = strlen(value); len > 0 && isspace((unsigned char)value[len - 1]); len--)
		;
	value[len] = '\0';
	return value;
}

static int
take_line(void *user, const char *section, const char *name, const char *value)
{
	struct reader *reader = user;
	char where[PATH_MAX + 16];

	if (reader->rc != 0)
		return 0;
	(void)snprintf(where, sizeof(where), "%s:%u", reader->path, reader->number);
	if (*section != '\0') {
		reader->rc = settings_fail(reader->settings, -EINVAL,
		    "%s: there are no sections; take the line [%s] out", where, section);
	} else {
		reader->rc = settings_set(reader->settings, SETTINGS_FILE, where, name,
		    reader->cut ? whole_value(reader) : value);
	}
	return reader->rc == 0;
}

int
conffile_read(FILE *file, const char *path, struct settings *settings)
{
	struct reader *reader;
	int line, rc;

	if ((reader = calloc(1, sizeof(*reader))) == NULL)
		return settings_fail(settings, -ENOMEM, "out of memory");
	reader->file = file;
	reader->path = path;
	reader->settings = settings;

	line = ini_parse_stream(next_line, reader, take_line, reader);
	rc = reader->rc;
	/* inih names the first bad line; ours is that one, unless it stopped us later. */
	if (line > 0 && (rc == 0 || (unsigned)line < reader->number))
		rc = settings_fail(settings, -EINVAL, "%s:%d: not of the form KEY = VALUE; mendfs.conf(5) has examples", path, line);
	else if (line < 0)
		rc = settings_fail(settings, -ENOMEM, "out of memory");
	else if (rc == 0 && ferror(file))
		rc = settings_fail(settings, -EIO, "%s: cannot be read", path);
	free(reader);
	return rc;
}
