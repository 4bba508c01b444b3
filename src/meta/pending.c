#include "meta/pending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/meta.h"

#define PENDING_DIR "pending"

static int
open_dir(struct replica *r, bool create, replica_handle *dir)
{
	replica_handle meta;
	int rc;

	if ((rc = meta_open(r, create, &meta)) != 0)
		return rc;
	rc = meta_subdir(r, meta, PENDING_DIR, create, dir);
	r->ops->dir_close(r, meta);
	return rc;
}

int
pending_read(struct replica *r, const struct digest *digest, const struct uuid *uuid, struct pending *pending)
{
	char name[UUID_TEXT_SIZE];
	replica_handle dir;
	uint8_t *data = NULL;
	struct stat st;
	ssize_t len;
	int rc;

	memset(pending, 0, sizeof(*pending));
	if ((rc = open_dir(r, false, &dir)) != 0)
		return rc;
	uuid_format(uuid, name);
	if ((rc = r->ops->stat(r, (struct replica_at){ dir, name }, &st)) != 0)
		goto done;
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)PENDING_SIZE_MAX) {
		rc = -EBADMSG;
		goto done;
	}
	if ((data = malloc((size_t)st.st_size + 1)) == NULL) {
		rc = -ENOMEM;
		goto done;
	}
	len = meta_read_file(r, dir, name, data, (size_t)st.st_size + 1);
	rc = len < 0 ? (int)len : pending_decode(digest, data, (size_t)len, pending);

done:
	free(data);
	r->ops->dir_close(r, dir);
	return rc;
}

int
pending_write(struct replica *r, const struct digest *digest, const struct uuid *uuid, const struct pending *pending)
{
	char name[UUID_TEXT_SIZE];
	replica_handle dir;
	uint8_t *data;
	size_t len;
	int rc;

	if ((rc = pending_encode(digest, pending, &data, &len)) != 0)
		return rc;
	uuid_format(uuid, name);
	if ((rc = open_dir(r, true, &dir)) == 0) {
		rc = meta_replace_file(r, dir, name, data, len);
		r->ops->dir_close(r, dir);
	}
	free(data);
	return rc;
}

int
pending_remove(struct replica *r, const struct uuid *uuid)
{
	char name[UUID_TEXT_SIZE];
	replica_handle dir;
	int rc;

	if ((rc = open_dir(r, false, &dir)) != 0)
		return rc == -ENOENT ? 0 : rc;
	uuid_format(uuid, name);
	if ((rc = r->ops->unlink(r, dir, name, false)) == 0)
		rc = r->ops->dir_sync(r, dir);
	r->ops->dir_close(r, dir);
	return rc == -ENOENT ? 0 : rc;
}
