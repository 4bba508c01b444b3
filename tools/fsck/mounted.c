#include "mounted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* A line of mountinfo, proc(5): "id parent major:minor root point options ... - type source options". */
static bool
line_is(const char *line, dev_t dev)
{
	unsigned id, parent, high, low;
	const char *type;

	if (sscanf(line, "%u %u %u:%u", &id, &parent, &high, &low) != 4)
		return false;
	if (high != major(dev) || low != minor(dev) || (type = strstr(line, " - ")) == NULL)
		return false;
	type += strlen(" - ");
	return strncmp(type, "fuse.mendfs ", 12) == 0 || strncmp(type, "mendfs ", 7) == 0;
}

bool
mounted_volume(const char *path)
{
	struct stat st;
	char *line = NULL;
	size_t room = 0;
	bool is = false;
	FILE *file;

	if (stat(path, &st) != 0 || (file = fopen("/proc/self/mountinfo", "re")) == NULL)
		return false;
	while (!is && getline(&line, &room, file) > 0)
		is = line_is(line, st.st_dev);
	free(line);
	fclose(file);
	return is;
}
