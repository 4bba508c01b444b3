/*
 * format/inifile -- configuration files: lines of KEY = VALUE, under [SECTION] or not.
 *
 * Values may be as long as a path; they are not quoted.  "#" and ";" begin a
 * line that is ignored, a ";" behind a blank ends the value.  No line is
 * continued by the next.
 */

#ifndef FORMAT_INIFILE_H
#define FORMAT_INIFILE_H

#include <stddef.h>
#include <stdio.h>

struct inifile_line {
	const char *where;		/* "PATH:NUMBER", for messages */
	const char *section;		/* "" before the first */
	const char *name, *value;
};

/* Takes in one line; a negative result ends the reading, and is its result. */
typedef int inifile_take(void *arg, const struct inifile_line *line);

/*
 * inifile_read(file, path, take, arg, error, error_size):
 * Hand all lines of ${file}, which errors call ${path}, to ${take}.  Fails
 * with what ${take} fails with, which has said why, or with a line in
 * ${error}: -EINVAL (a malformed line, or a section with nothing in it), -EIO,
 * -ENOMEM.
 */
int inifile_read(FILE *file, const char *path, inifile_take *take, void *arg, char *error, size_t error_size);

#endif
