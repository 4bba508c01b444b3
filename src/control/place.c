#include "control/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A field of mountinfo: blanks and backslashes stand there as \ooo. */
static int
unescape(const char *text, size_t len, char *out, size_t size)
{
	size_t used = 0;

	while (len > 0) {
		if (used + 1 >= size)
			return -ENAMETOOLONG;
		if (*text == '\\' && len >= 4) {
			out[used++] = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 4;
			len -= 4;
		} else {
			out[used++] = *text++;
			len--;
		}
	}
	out[used] = '\0';
	return 0;
}

/* Whose it is: an option of its own, not one that only looks so in the source's name. */
static uid_t
owner_of(const char *tail)
{
	const char *options, *user;

	/* type source options */
	options = tail + strcspn(tail, " ");
	options += strspn(options, " ");
	options += strcspn(options, " ");
	for (user = options; (user = strstr(user, "user_id=")) != NULL; user++) {
		if (user[-1] == ',' || user[-1] == ' ')
			return (uid_t)strtoul(user + strlen("user_id="), NULL, 10);
	}
	return 0;
}

int
control_place_parse(const char *line, struct control_place *place)
{
	const char *tail, *point;
	unsigned high, low;
	int at = 0;

	/* id parent major:minor root point options ... - type source options */
	if (sscanf(line, "%*u %*u %u:%u %*s %n", &high, &low, &at) < 2 || at == 0)
		return -EINVAL;
	point = line + at;
	if ((tail = strstr(point, " - ")) == NULL ||
	    unescape(point, strcspn(point, " "), place->mountpoint, sizeof(place->mountpoint)) != 0)
		return -EINVAL;
	tail += strlen(" - ");
	place->dev = makedev(high, low);
	place->owner = owner_of(tail);
	return strncmp(tail, "fuse.mendfs ", 12) == 0 || strncmp(tail, "mendfs ", 7) == 0 ? 0 : -ENODEV;
}

/* Is ${path} at or below ${point}?  Then how long that is, from the root's slash on; else 0. */
static size_t
covered(const char *path, const char *point)
{
	size_t len = strlen(point);

	if (strcmp(point, "/") == 0)
		return 1;
	return strncmp(path, point, len) == 0 && (path[len] == '/' || path[len] == '\0') ? len : 0;
}

/* ${path} absolute, its last component as it is. */
static int
absolute(const char *path, char *out)
{
	char directory[PATH_MAX], *slash, *real;
	const char *name;
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len == 0 || len >= PATH_MAX)
		return len == 0 ? -ENOENT : -ENAMETOOLONG;
	memcpy(directory, path, len);
	directory[len] = '\0';
	slash = strrchr(directory, '/');
	name = slash != NULL ? slash + 1 : directory;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return realpath(directory, out) != NULL ? 0 : -errno;
	name = path + (name - directory);
	if (slash != NULL)
		*(slash == directory ? slash + 1 : slash) = '\0';
	if ((real = realpath(slash != NULL ? directory : ".", NULL)) == NULL)
		return -errno;
	if (strcmp(real, "/") == 0)
		*real = '\0';
	len -= (size_t)(name - path);
	if (strlen(real) + 1 + len >= PATH_MAX) {
		free(real);
		return -ENAMETOOLONG;
	}
	(void)sprintf(out, "%s/%.*s", real, (int)len, name);
	free(real);
	return 0;
}

int
control_place_search(FILE *mountinfo, const char *full, struct control_place *place, char *below)
{
	size_t room = 0, len, longest = 0;
	int rc, found = -ENODEV;
	struct control_place at;
	char *line = NULL;

	while (getline(&line, &room, mountinfo) > 0) {
		if ((rc = control_place_parse(line, &at)) == -EINVAL || (len = covered(full, at.mountpoint)) == 0)
			continue;
		/* Of two at one point the later one lies on top. */
		if (len < longest)
			continue;
		longest = len;
		found = rc;
		*place = at;
	}
	free(line);
	if (found == 0) {
		len = longest;
		while (full[len] == '/')
			len++;
		(void)snprintf(below, PATH_MAX, "%s", full + len);
	}
	return found;
}

int
control_place_find(const char *path, struct control_place *place, char *below)
{
	char full[PATH_MAX];
	FILE *mountinfo;
	int rc;

	if ((rc = absolute(path, full)) != 0)
		return rc;
	if ((mountinfo = fopen("/proc/self/mountinfo", "re")) == NULL)
		return -errno;
	rc = control_place_search(mountinfo, full, place, below);
	(void)fclose(mountinfo);
	return rc;
}

int
control_place_directory(uid_t owner, char *out, size_t size)
{
	const char *runtime = owner == geteuid() ? getenv("XDG_RUNTIME_DIR") : NULL;
	int len;

	if (owner == 0)
		len = snprintf(out, size, "/run/mendfs");
	else if (runtime != NULL && *runtime == '/')
		len = snprintf(out, size, "%s/mendfs", runtime);
	else
		len = snprintf(out, size, "/run/user/%u/mendfs", (unsigned)owner);
	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

int
control_place_socket(const struct control_place *place, char *out, size_t size)
{
	size_t used;
	int rc, len;

	if ((rc = control_place_directory(place->owner, out, size)) != 0)
		return rc;
	used = strlen(out);
	len = snprintf(out + used, size - used, "/%u:%u", major(place->dev), minor(place->dev));
	return len < 0 || (size_t)len >= size - used ? -ENAMETOOLONG : 0;
}
