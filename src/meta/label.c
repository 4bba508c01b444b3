#include <errno.h>

#include "meta/label.h"
#include "meta/meta.h"

#define LABEL_FILE "label"

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
	r->ops->dir_close(r, dir);
	return rc;
}
