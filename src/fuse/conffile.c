#include <errno.h>

#include "format/inifile.h"
#include "fuse/conffile.h"

static int
take_line(void *arg, const struct inifile_line *line)
{
	struct settings *settings = arg;

	if (*line->section != '\0') {
		return settings_fail(settings, -EINVAL, "%s: there are no sections; take the line [%s] out",
		    line->where, line->section);
	}
	return settings_set(settings, SETTINGS_FILE, line->where, line->name, line->value);
}

int
conffile_read(FILE *file, const char *path, struct settings *settings)
{
	return inifile_read(file, path, take_line, settings, settings->error, sizeof(settings->error));
}
