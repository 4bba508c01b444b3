#include "fuse/caller.h"

#include <limits.h>
#include <stdlib.h>

#include "volume/attrs.h"

static bool
in_group(fuse_req_t req, gid_t group)
{
	bool found = false;
	gid_t *groups;
	int count, i;

	if (fuse_req_ctx(req)->gid == group)
		return true;
	if ((groups = malloc(NGROUPS_MAX * sizeof(*groups))) == NULL)
		return true;
	count = fuse_req_getgroups(req, NGROUPS_MAX, groups);
	for (i = 0; i < count && i < NGROUPS_MAX; i++)
		found = found || groups[i] == group;
	free(groups);
	return found || count < 0;
}

bool
caller_outside(fuse_req_t req, struct node *node)
{
	struct stat st;

	if (fuse_req_ctx(req)->uid == 0 || attrs_get(front_of(req)->volume, node, &st) != 0)
		return false;
	if (S_ISDIR(st.st_mode) || (st.st_mode & (S_ISGID | S_IXGRP)) != S_ISGID)
		return false;
	return !in_group(req, st.st_gid);
}

bool
caller_stranger(fuse_req_t req, struct node *node)
{
	uid_t uid = fuse_req_ctx(req)->uid;
	struct stat st;

	return uid != 0 && attrs_get(front_of(req)->volume, node, &st) == 0 && st.st_uid != uid &&
	    (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}
