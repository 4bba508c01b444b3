#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "format/inifile.h"

#define LINE_SIZE (PATH_MAX + 256)	/* a key and the longest path */

struct reader {
	FILE *file;
	const char *path;
	inifile_take *take;
	void *arg;
	char *error;
	size_t error_size;
	char line[LINE_SIZE];		/* the line at hand, whole */
	bool cut;			/* inih got only its beginning */
	unsigned number;		/* from 1 */
	unsigned empty_section;		/* the number of a section's line that nothing followed yet, or 0 */
	int rc;
};

static int fail(struct reader *reader, int rc, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int
fail(struct reader *reader, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(reader->error, reader->error_size, format, args);
	va_end(args);
	reader->rc = rc;
	return rc;
}

/* inih tells of a section only with its first key: of one without it would tell nothing. */
static void
look_for_section(struct reader *reader, bool end)
{
	if (!end && *reader->line != '[')
		return;
	if (reader->empty_section != 0) {
		(void)fail(reader, -EINVAL, "%s:%u: nothing stands in this section; fill it or take it out",
		    reader->path, reader->empty_section);
	}
	reader->empty_section = end ? 0 : reader->number;
}

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
		(void)fail(reader, -EINVAL, "%s:%u: longer than %zu bytes; no path can be",
		    reader->path, reader->number, len);
		return NULL;
	}
	/* Leading blanks would make it a continuation, which these files do not have. */
	len = strspn(reader->line, " \t");
	memmove(reader->line, reader->line + len, strlen(reader->line + len) + 1);
	look_for_section(reader, false);
	if (reader->rc != 0)
		return NULL;

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
	struct inifile_line line = { .where = where, .section = section, .name = name };

	if (reader->rc != 0)
		return 0;
	(void)snprintf(where, sizeof(where), "%s:%u", reader->path, reader->number);
	line.value = reader->cut ? whole_value(reader) : value;
	reader->empty_section = 0;
	reader->rc = reader->take(reader->arg, &line);
	return reader->rc == 0;
}

int
inifile_read(FILE *file, const char *path, inifile_take *take, void *arg, char *error, size_t error_size)
{
	struct reader *reader;
	int line, rc;

	if ((reader = calloc(1, sizeof(*reader))) == NULL) {
		(void)snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	reader->file = file;
	reader->path = path;
	reader->take = take;
	reader->arg = arg;
	reader->error = error;
	reader->error_size = error_size;

	line = ini_parse_stream(next_line, reader, take_line, reader);
	/* inih names the first bad line; ours is that one, unless it stopped us later. */
	if (line > 0 && (reader->rc == 0 || (unsigned)line < reader->number))
		(void)fail(reader, -EINVAL, "%s:%d: not of the form KEY = VALUE; the manual has examples", path, line);
	else if (line < 0)
		(void)fail(reader, -ENOMEM, "out of memory");
	else if (reader->rc == 0 && ferror(file))
		(void)fail(reader, -EIO, "%s: cannot be read", path);
	else if (reader->rc == 0)
		look_for_section(reader, true);
	rc = reader->rc;
	free(reader);
	return rc;
}
