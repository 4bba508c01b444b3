#include <errno.h>
#include <stdio.h>

#include "meta/label.h"
#include "meta/meta.h"

#define LABEL_FILE "label"
#define LABEL_SPARE "label.spare"

int
label_read(struct replica *r, struct label *label)
{
	char text[LABEL_TEXT_MAX];
	replica_handle dir;
	ssize_t len;
	int rc;

	if ((rc = meta_open(r, false, &dir)) != 0)
		return rc;
	len = meta_read_file(r, dir, LABEL_FILE, text, sizeof(text));
	r->ops->dir_close(r, dir);
	if (len < 0)
		return len == -EFBIG ? -EBADMSG : (int)len;
	return label_decode(text, (size_t)len, label);
}

/*
 * Room for the next label, taken while there is some: a volume on a full disk
 * must still be able to say what happened to it.  Best effort.
 */
static void
spare_make(struct replica *r, replica_handle dir)
{
	static const char zeros[LABEL_TEXT_MAX];
	const struct replica_new new = { .mode = S_IFREG | 0600, .owned = true };
	replica_handle file;

	if (r->ops->create(r, dir, LABEL_SPARE, &new, &file) != 0)
		return;
	(void)r->ops->pwrite(r, file, zeros, sizeof(zeros), 0);
	r->ops->close(r, file);
}

/*
 * The spare becomes the label, and the label the spare: over old blocks, and
 * without a new file, so that a disk which has not a block left takes it
 * again and again, whoever else is waiting for room.
 */
static int
spare_use(struct replica *r, replica_handle dir, const char *text, size_t len)
{
	replica_handle file;
	int rc;

	if ((rc = r->ops->open(r, (struct replica_at){ dir, LABEL_SPARE }, true, &file, NULL)) != 0)
		return rc;
	if ((rc = meta_write(r, file, text, len, 0)) == 0 && (rc = r->ops->truncate(r, file, len)) == 0)
		rc = r->ops->fsync(r, file, false);
	r->ops->close(r, file);
	if (rc == 0)
		rc = r->ops->rename(r, dir, LABEL_SPARE, dir, LABEL_FILE, RENAME_EXCHANGE);
	return rc != 0 ? rc : r->ops->dir_sync(r, dir);
}

static bool
lacks_room(int rc)
{
	return rc == -ENOSPC || rc == -EDQUOT;
}

int
label_write(struct replica *r, const struct label *label)
{
	char text[LABEL_TEXT_MAX];
	replica_handle dir;
	int len, rc;

	if ((len = label_encode(label, text, sizeof(text))) < 0)
		return len;
	if ((rc = meta_open(r, true, &dir)) != 0)
		return rc;
	rc = meta_replace_file(r, dir, LABEL_FILE, text, (size_t)len);
	if (lacks_room(rc) && spare_use(r, dir, text, (size_t)len) == 0)
		rc = 0;
	/* A disk that writes everything anew needs the room itself. */
	if (lacks_room(rc) && r->ops->unlink(r, dir, LABEL_SPARE, false) == 0)
		rc = meta_replace_file(r, dir, LABEL_FILE, text, (size_t)len);
	if (rc == 0)
		spare_make(r, dir);
	r->ops->dir_close(r, dir);
	return rc;
}

time_t
label_time(struct replica *r)
{
	replica_handle meta;
	struct stat st;
	time_t when = 0;

	if (meta_open(r, false, &meta) != 0)
		return 0;
	if (r->ops->stat(r, (struct replica_at){ meta, "label" }, &st) == 0)
		when = st.st_mtim.tv_sec;
	r->ops->dir_close(r, meta);
	return when;
}
