#include "replica/open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replica/dir.h"
#include "replica/url.h"

int
replica_open(const char *name, const struct replica_open_options *options, struct replica **out)
{
	static const struct replica_open_options none;
	char own[REPLICA_OPEN_WHY_MAX], *why;
	int rc;

	if (options == NULL)
		options = &none;
	why = options->why != NULL ? options->why : own;
	if (url_is(name))
		return peer_open(name, options->read_only, &options->peer, out, why, REPLICA_OPEN_WHY_MAX);
	if ((rc = dir_replica_open(name, options->read_only, out)) != 0)
		replica_open_explain(name, rc, why);
	return rc;
}

bool
replica_open_local(const char *name)
{
	return !url_is(name);
}

int
replica_open_real(const char *name, char **out)
{
	char text[PATH_MAX + URL_HOST_MAX];
	const char *why;
	struct url url;
	int rc;

	if (!url_is(name))
		return (*out = realpath(name, NULL)) != NULL ? 0 : -errno;
	if ((rc = url_parse(name, &url, &why)) != 0 || (rc = url_format(&url, text, sizeof(text))) != 0)
		return rc;
	return (*out = strdup(text)) != NULL ? 0 : -ENOMEM;
}

static const char *
explain_local(int error)
{
	switch (error) {
	case EOPNOTSUPP:
		return "its file system has no user extended attributes; use ext4, xfs, btrfs or another that has";
	case EROFS:
		return "mounted read-only; remount it read-write, or mount the volume with -o ro";
	case ERANGE:
		return "its file system keeps times too coarsely for mendfs (ext4 wants 256-byte inodes)";
	case EMEDIUMTYPE:
		return "its file system cannot make a directory durable (fsync fails); use another one";
	case ENOSYS:
		return "mendfs needs /proc; mount it";
	case ENOSPC:
		return "no space is left there; free some";
	default:
		return NULL;
	}
}

void
replica_open_explain(const char *name, int error, char *why)
{
	const char *what = NULL;
	struct url url;

	error = error < 0 ? -error : error;
	if (!url_is(name))
		what = explain_local(error);
	else
		(void)url_parse(name, &url, &what);
	if (what != NULL)
		(void)snprintf(why, REPLICA_OPEN_WHY_MAX, "%s", what);
	else
		(void)snprintf(why, REPLICA_OPEN_WHY_MAX, "cannot be opened as a replica: %s; check the %s", strerror(error),
		    url_is(name) ? "server and its log" : "path and its permissions");
}
