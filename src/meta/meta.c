#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "meta/meta.h"

#define NEW_SUFFIX ".new"

int
meta_subdir(struct replica *r, replica_handle dir, const char *name, bool create, replica_handle *sub)
{
	const struct replica_new new = { .mode = S_IFDIR | 0700, .owned = true };
	int rc;

	rc = r->ops->dir_open(r, dir, name, sub);
	if (rc != -ENOENT || !create)
		return rc;

	/* Another thread may make it in between, which is as good. */
	rc = r->ops->create(r, dir, name, &new, NULL);
	if (rc == 0)
		rc = r->ops->dir_sync(r, dir);
	if (rc != 0 && rc != -EEXIST)
		return rc;
	return r->ops->dir_open(r, dir, name, sub);
}

int
meta_open(struct replica *r, bool create, replica_handle *dir)
{
	return meta_subdir(r, REPLICA_ROOT, REPLICA_META, create, dir);
}

ssize_t
meta_read_file(struct replica *r, replica_handle dir, const char *name, void *buf, size_t size)
{
	const struct replica_at at = { .handle = dir, .name = name };
	replica_handle file;
	ssize_t len, more;
	char byte;
	int rc;

	if ((rc = r->ops->open(r, at, false, &file, NULL)) != 0)
		return rc;
	len = r->ops->pread(r, file, buf, size, 0);
	if (len == (ssize_t)size) {
		more = r->ops->pread(r, file, &byte, 1, size);
		if (more != 0)
			len = more < 0 ? more : -EFBIG;
	}
	r->ops->close(r, file);
	return len;
}

/* Make a file that is not there yet; what a crash left behind is removed first. */
static int
create_anew(struct replica *r, replica_handle dir, const char *name, replica_handle *file)
{
	const struct replica_new new = { .mode = S_IFREG | 0600, .owned = true };
	int rc;

	if ((rc = r->ops->create(r, dir, name, &new, file)) != -EEXIST)
		return rc;
	if ((rc = r->ops->unlink(r, dir, name, false)) != 0 && rc != -ENOENT)
		return rc;
	return r->ops->create(r, dir, name, &new, file);
}

int
meta_write(struct replica *r, replica_handle file, const void *data, size_t len, uint64_t offset)
{
	const char *at = data;
	size_t done = 0;
	ssize_t n;

	/* After a short write the next call tells the error. */
	while (done < len) {
		if ((n = r->ops->pwrite(r, file, at + done, len - done, offset + done)) < 0)
			return (int)n;
		if (n == 0)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

int
meta_replace_file(struct replica *r, replica_handle dir, const char *name, const void *data, size_t len)
{
	char temporary[META_NAME_MAX + sizeof(NEW_SUFFIX)];
	replica_handle file;
	int rc;

	if (strlen(name) > META_NAME_MAX)
		return -ENAMETOOLONG;
	snprintf(temporary, sizeof(temporary), "%s" NEW_SUFFIX, name);

	if ((rc = create_anew(r, dir, temporary, &file)) != 0)
		return rc;
	if ((rc = meta_write(r, file, data, len, 0)) == 0)
		rc = r->ops->fsync(r, file, false);
	r->ops->close(r, file);

	/*
	 * The content is durable before it gets the name, so that the name
	 * never stands for less than the whole of it.
	 */
	if (rc == 0)
		rc = r->ops->rename(r, dir, temporary, dir, name, 0);
	if (rc != 0) {
		(void)r->ops->unlink(r, dir, temporary, false);
		return rc;
	}
	return r->ops->dir_sync(r, dir);
}
