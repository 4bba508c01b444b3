#include "meta/gather.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The kernel's own bounds (XATTR_LIST_MAX, XATTR_SIZE_MAX): nothing longer can be there. */
#define LIST_MAX 65536
#define VALUE_MAX 65536

/* Read one attribute into a buffer of VALUE_MAX bytes and add its digest to ${sum}. */
static int
add_xattr(struct replica *r, struct replica_at at, const struct digest *digest,
    const char *name, uint8_t *value, uint8_t *sum)
{
	uint8_t one[DIGEST_SIZE];
	ssize_t len;

	len = r->ops->xattr_get(r, at, name, value, VALUE_MAX);
	if (len == -ENODATA)
		return 0;	/* removed between listing and reading */
	if (len < 0)
		return len == -ERANGE ? -E2BIG : (int)len;
	record_xattr(digest, name, value, (size_t)len, one);
	digest_xor(sum, one);
	return 0;
}

int
gather_xattrs(struct replica *r, struct replica_at at, const struct digest *digest, uint8_t *sum)
{
	uint8_t *value = NULL;
	char *list = NULL;
	ssize_t len;
	int rc = 0;

	memset(sum, 0, DIGEST_SIZE);
	if ((list = malloc(LIST_MAX)) == NULL || (value = malloc(VALUE_MAX)) == NULL) {
		rc = -ENOMEM;
		goto done;
	}
	if ((len = r->ops->xattr_list(r, at, list, LIST_MAX)) < 0) {
		rc = len == -ERANGE ? -E2BIG : (int)len;
		goto done;
	}
	for (char *name = list; name < list + len; name += strlen(name) + 1) {
		if (!record_xattr_mirrored(name))
			continue;
		if ((rc = add_xattr(r, at, digest, name, value, sum)) != 0)
			goto done;
	}

done:
	free(value);
	free(list);
	return rc;
}

/* Does the record say that there are no xattrs, and all else that is found? */
static bool
matches_bare(const struct digest *digest, const struct stat *st, const struct record *record)
{
	const uint8_t none[DIGEST_SIZE] = { 0 };

	return record->meta == record_meta(digest, st->st_uid, st->st_gid, st->st_mode, none);
}

/* Hold the record against what is found; returns why it could not be done, or 0. */
static int
judge_record(struct replica *r, struct replica_at at, const struct digest *digest,
    const struct replica_info *info, struct judge_fact *fact)
{
	uint8_t xattrs[DIGEST_SIZE] = { 0 };
	const struct stat *st = &info->st;
	int rc;

	if (info->record_len < 0)
		fact->record_error = info->record_len;
	else
		fact->record_error = record_decode(digest, info->record, (size_t)info->record_len, &fact->record);
	if (info->skip_xattrs && fact->record_error == 0 && matches_bare(digest, st, &fact->record)) {
		fact->meta_matches = true;
		return 0;
	}
	if ((info->xattrs || info->skip_xattrs) && (rc = gather_xattrs(r, at, digest, xattrs)) != 0) {
		/* Too many to read is a finding about the file, not about the replica. */
		return rc == -E2BIG ? 0 : rc;
	}
	fact->xattrs = info->xattrs || !digest_is_zero(xattrs);
	if (fact->record_error == 0)
		fact->meta_matches = fact->record.meta ==
		    record_meta(digest, st->st_uid, st->st_gid, st->st_mode, xattrs);
	return 0;
}

static void
gather(struct replica *r, struct replica_at at, const struct digest *digest,
    uint8_t *buf, bool quick, struct judge_fact *fact)
{
	struct replica_info info = { .record = buf, .skip_xattrs = quick };

	memset(fact, 0, sizeof(*fact));
	fact->asked = true;
	fact->record_error = -ENODATA;
	if ((fact->error = r->ops->load(r, at, &info)) != 0)
		return;
	fact->st = info.st;
	fact->xattrs = info.xattrs;
	if (S_ISREG(info.st.st_mode) || S_ISDIR(info.st.st_mode))
		fact->error = judge_record(r, at, digest, &info, fact);
}

void
gather_fact(struct replica *r, struct replica_at at, const struct digest *digest,
    uint8_t *buf, struct judge_fact *fact)
{
	gather(r, at, digest, buf, false, fact);
}

void
gather_fact_quick(struct replica *r, struct replica_at at, const struct digest *digest,
    uint8_t *buf, struct judge_fact *fact)
{
	gather(r, at, digest, buf, true, fact);
}
