/* Replicas are added, removed, replaced. */

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "control/request.h"

#define LOOK_US 100000		/* between two looks while somebody waits */
#define GOING_LOOKS 200		/* so many until the replaced one has gone */

struct wanted { const char *path; bool found, in_sync; unsigned count; };

static void
look(void *arg, const struct volume_replica *replica)
{
	struct wanted *wanted = arg;

	wanted->count++;
	if (replica->path == NULL || strcmp(replica->path, wanted->path) != 0)
		return;
	wanted->found = true;
	wanted->in_sync = replica->in_sync;
}

/* Until the one at ${path} is in sync, and, if another goes for it, that one has gone. */
static int
wait_for(struct control_request *request, const char *path, unsigned count)
{
	struct wanted wanted;
	unsigned going = 0;

	for (;;) {
		wanted = (struct wanted){ .path = path };
		volume_replicas(request->volume, look, &wanted);
		if (!wanted.found)
			return control_fail(request, "%s: is no replica of the volume any more", path);
		if (wanted.in_sync && wanted.count <= count)
			return CONTROL_DONE;
		if (wanted.in_sync && ++going == GOING_LOOKS)
			return control_fail(request, "%s: is in sync, but the replica that it replaces could not be removed; the daemon's log says why", path);
		if (control_gone(request))
			return CONTROL_FAILED;
		usleep(LOOK_US);
	}
}

/* How many replicas there are now. */
static unsigned
count_replicas(struct control_request *request)
{
	struct wanted wanted = { .path = "" };

	volume_replicas(request->volume, look, &wanted);
	return wanted.count;
}

/* The paths that a request names; -EINVAL: one is missing, which was answered. */
static bool
get(struct control_request *request, const char *key, char *out)
{
	if (jsonline_get_name(request->args, key, out, PATH_MAX) == 0)
		return true;
	(void)control_fail(request, "not a request: the field \"%s_hex\" is missing", key);
	return false;
}

int
control_add(struct control_request *request)
{
	char path[PATH_MAX], why[VOLUME_WHY_MAX];
	int status = CONTROL_DONE;

	if (!get(request, "directory", path))
		return CONTROL_USAGE;
	if (volume_add(request->volume, path, request->mountpoint, why) != 0)
		return control_fail(request, "%s", why);
	if (jsonline_get_flag(request->args, "wait"))
		status = wait_for(request, path, UINT_MAX);
	(void)control_replicas(request);
	return status;
}

int
control_remove(struct control_request *request)
{
	char which[PATH_MAX], why[VOLUME_WHY_MAX];

	if (!get(request, "replica", which))
		return CONTROL_USAGE;
	if (volume_remove(request->volume, which, why) != 0)
		return control_fail(request, "%s", why);
	return control_replicas(request);
}

int
control_replace(struct control_request *request)
{
	char which[PATH_MAX], path[PATH_MAX], why[VOLUME_WHY_MAX];
	int status = CONTROL_DONE;
	unsigned before;

	if (!get(request, "replica", which) || !get(request, "directory", path))
		return CONTROL_USAGE;
	if (volume_replace(request->volume, which, path, request->mountpoint, why) != 0)
		return control_fail(request, "%s", why);
	before = count_replicas(request);
	if (jsonline_get_flag(request->args, "wait"))
		status = wait_for(request, path, before - 1);
	(void)control_replicas(request);
	return status;
}
