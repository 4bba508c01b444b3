#include "meta/copy.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/meta.h"
#include "meta/tagfile.h"

#define CHUNK_SIZE (1024 * 1024)	/* a multiple of the block size */
#define LIST_MAX 65536			/* the kernel's bounds for xattrs */
#define VALUE_MAX 65536

int
copy_make(const struct copy *c, struct replica_at from, replica_handle dir, const char *name)
{
	char target[PATH_MAX + 1];
	struct replica_new new = { 0 };
	struct stat st;
	int rc;

	if ((rc = c->src->ops->stat(c->src, from, &st)) != 0)
		return rc;
	new.mode = st.st_mode;
	new.uid = st.st_uid;
	new.gid = st.st_gid;
	new.rdev = st.st_rdev;
	if (S_ISLNK(st.st_mode)) {
		if ((rc = c->src->ops->readlink(c->src, from, target, sizeof(target))) != 0)
			return rc;
		new.target = target;
	}
	if ((rc = c->dst->ops->create(c->dst, dir, name, &new, NULL)) != 0)
		return rc;
	/* Also takes away an ACL inherited from the directory. */
	return copy_meta(c, from, (struct replica_at){ dir, name });
}

struct data {
	const struct copy *c;
	replica_handle from, to;
	struct tagfile_reader *tags;	/* NULL: unproved */
	uint8_t *buf;
};

static int
prove(const struct data *d, uint64_t offset, size_t len)
{
	uint8_t want[DIGEST_SIZE], tag[DIGEST_SIZE];
	size_t part;
	int rc;

	for (size_t at = 0; at < len; at += DIGEST_BLOCK_SIZE) {
		part = len - at < DIGEST_BLOCK_SIZE ? len - at : DIGEST_BLOCK_SIZE;
		if ((rc = tagfile_reader_get(d->tags, (offset + at) / DIGEST_BLOCK_SIZE, want)) != 0)
			return rc;
		digest_tag(d->c->digest, d->buf + at, part, tag);
		if (!digest_equal(tag, want))
			return -EBADMSG;
	}
	return 0;
}

static int
copy_chunk(const struct data *d, uint64_t offset, size_t len)
{
	ssize_t got;
	int rc;

	if ((got = d->c->src->ops->pread(d->c->src, d->from, d->buf, len, offset)) < 0)
		return (int)got;
	if ((size_t)got != len)
		return -ESTALE;
	if (d->tags != NULL && (rc = prove(d, offset, len)) != 0)
		return rc;
	if (digest_zeros(d->buf, len))
		return 0;
	return meta_write(d->c->dst, d->to, d->buf, len, offset);
}

/*
 * Where a hole ends, at most ${size}.  Holes are proved too: a lost extent
 * reads as zeros where the tag says otherwise.
 */
static int
prove_hole(const struct data *d, uint64_t offset, uint64_t end)
{
	uint8_t want[DIGEST_SIZE];
	int rc;

	for (uint64_t block = offset / DIGEST_BLOCK_SIZE; block * DIGEST_BLOCK_SIZE < end; block++) {
		if (d->tags == NULL)
			return 0;
		if ((rc = tagfile_reader_get(d->tags, block, want)) != 0)
			return rc;
		if (!digest_is_zero(want))
			return -EBADMSG;
	}
	return 0;
}

static int
copy_extents(const struct data *d, uint64_t size)
{
	uint64_t offset = 0, next;
	size_t len;
	int64_t found;
	int rc;

	while (offset < size) {
		found = d->c->src->ops->seek(d->c->src, d->from, offset, SEEK_DATA);
		if (found == -ENXIO)
			next = size;
		else if (found < 0)
			next = offset;		/* cannot tell: read it */
		else
			next = (uint64_t)found / CHUNK_SIZE * CHUNK_SIZE;
		if (next > offset) {
			if ((rc = prove_hole(d, offset, next)) != 0)
				return rc;
			offset = next;
			continue;
		}
		len = size - offset < CHUNK_SIZE ? (size_t)(size - offset) : CHUNK_SIZE;
		if ((rc = copy_chunk(d, offset, len)) != 0)
			return rc;
		offset += len;
	}
	return 0;
}

int
copy_data(const struct copy *c, struct replica_at from, struct replica_at to, const struct record *record)
{
	struct data d = { .c = c, .from = REPLICA_NONE, .to = REPLICA_NONE };
	struct tagfile_reader *tags = NULL;
	struct stat st;
	int rc;

	if ((d.buf = malloc(CHUNK_SIZE)) == NULL)
		return -ENOMEM;
	if (record != NULL) {
		if ((tags = malloc(sizeof(*tags))) == NULL) {
			rc = -ENOMEM;
			goto done;
		}
		tagfile_reader_open(tags, c->src, c->src_tags, c->digest, record);
		d.tags = tags;
	}
	if ((rc = c->src->ops->open(c->src, from, false, &d.from, &st)) != 0)
		goto done;
	if (record != NULL && record->size != (uint64_t)st.st_size) {
		rc = -EBADMSG;
		goto done;
	}
	if ((rc = c->dst->ops->open(c->dst, to, true, &d.to, NULL)) != 0)
		goto done;
	/* Zeros are not written: nothing old may stand below them. */
	if ((rc = c->dst->ops->truncate(c->dst, d.to, 0)) != 0)
		goto done;
	if ((rc = c->dst->ops->truncate(c->dst, d.to, (uint64_t)st.st_size)) != 0)
		goto done;
	rc = copy_extents(&d, (uint64_t)st.st_size);

done:
	if (d.to != REPLICA_NONE)
		c->dst->ops->close(c->dst, d.to);
	if (d.from != REPLICA_NONE)
		c->src->ops->close(c->src, d.from);
	if (tags != NULL)
		tagfile_reader_close(tags);
	free(tags);
	free(d.buf);
	return rc;
}

static int
copy_pages(const struct copy *c, const struct record *record, replica_handle from, replica_handle to)
{
	uint64_t count = tagfile_page_count(record->size);
	uint8_t page[TAGPAGE_SIZE];
	int rc;

	if ((rc = c->dst->ops->truncate(c->dst, to, 0)) != 0)
		return rc;
	for (uint64_t i = 0; i < count; i++) {
		if ((rc = tagfile_read(c->src, from, c->digest, record->id, i, page)) != 0)
			return rc;
		if (!digest_is_zero(tagpage_sum(page)) && (rc = tagfile_write(c->dst, to, i, page)) != 0)
			return rc;
	}
	return c->dst->ops->fsync(c->dst, to, false);
}

int
copy_tags(const struct copy *c, const struct record *record)
{
	replica_handle from = REPLICA_NONE, to = REPLICA_NONE;
	int rc;

	if (record->kind != RECORD_PAGED)
		return 0;
	if ((rc = tagfile_open(c->src, c->src_tags, record->id, false, &from)) != 0)
		return rc == -ENOENT ? -EBADMSG : rc;
	if ((rc = tagfile_open(c->dst, c->dst_tags, record->id, true, &to)) == 0)
		rc = copy_pages(c, record, from, to);
	if (to != REPLICA_NONE)
		c->dst->ops->close(c->dst, to);
	c->src->ops->close(c->src, from);
	return rc;
}

/* Is ${name} in the list? */
static bool
listed(const char *list, ssize_t len, const char *name)
{
	for (const char *at = list; at < list + len; at += strlen(at) + 1) {
		if (strcmp(at, name) == 0)
			return true;
	}
	return false;
}

static int
remove_others(const struct copy *c, struct replica_at to, const char *list, ssize_t len, char *mine)
{
	ssize_t mine_len;
	int rc;

	if ((mine_len = c->dst->ops->xattr_list(c->dst, to, mine, LIST_MAX)) < 0)
		return mine_len == -EOPNOTSUPP ? 0 : (int)mine_len;
	for (const char *name = mine; name < mine + mine_len; name += strlen(name) + 1) {
		if (!record_xattr_mirrored(name) || listed(list, len, name))
			continue;
		rc = c->dst->ops->xattr_remove(c->dst, to, name);
		if (rc != 0 && rc != -ENODATA)
			return rc;
	}
	return 0;
}

/* Set one attribute, unless it is so already: an update in place would touch ctime. */
static int
copy_xattr(const struct copy *c, struct replica_at from, struct replica_at to, const char *name,
    uint8_t *value, uint8_t *other)
{
	ssize_t len, other_len;

	if ((len = c->src->ops->xattr_get(c->src, from, name, value, VALUE_MAX)) < 0)
		return (int)len;
	other_len = c->dst->ops->xattr_get(c->dst, to, name, other, VALUE_MAX);
	if (other_len == len && memcmp(value, other, (size_t)len) == 0)
		return 0;
	return c->dst->ops->xattr_set(c->dst, to, name, value, (size_t)len, 0);
}

/* Those of ${from}; NULL: it has none. */
static int
copy_xattrs(const struct copy *c, const struct replica_at *from, struct replica_at to)
{
	char *list = malloc(LIST_MAX), *mine = malloc(LIST_MAX);
	uint8_t *value = malloc(VALUE_MAX), *other = malloc(VALUE_MAX);
	ssize_t len = 0;
	int rc = 0;

	if (list == NULL || mine == NULL || value == NULL || other == NULL) {
		rc = -ENOMEM;
		goto done;
	}
	if (from != NULL && (len = c->src->ops->xattr_list(c->src, *from, list, LIST_MAX)) < 0) {
		if (len != -EOPNOTSUPP)
			rc = (int)len;
		goto done;
	}
	if ((rc = remove_others(c, to, list, len, mine)) != 0)
		goto done;
	for (const char *name = list; name < list + len; name += strlen(name) + 1) {
		if (record_xattr_mirrored(name) &&
		    (rc = copy_xattr(c, *from, to, name, value, other)) != 0)
			goto done;
	}

done:
	free(other);
	free(value);
	free(mine);
	free(list);
	return rc;
}

/* Owner and mode of ${st}, xattrs of ${from}, if any. */
static int
put_meta(const struct copy *c, const struct stat *st, const struct replica_at *from, struct replica_at to)
{
	struct stat now;
	int rc;

	if ((rc = c->dst->ops->stat(c->dst, to, &now)) != 0)
		return rc;
	/* The owner first: a change of owner clears set-id bits and capabilities. */
	if (st->st_uid != now.st_uid || st->st_gid != now.st_gid) {
		if ((rc = c->dst->ops->chown(c->dst, to, st->st_uid, st->st_gid)) != 0)
			return rc;
	}
	if ((rc = copy_xattrs(c, from, to)) != 0 || S_ISLNK(st->st_mode))
		return rc;
	/* ACLs may have changed the mode, and the change of owner. */
	if ((rc = c->dst->ops->stat(c->dst, to, &now)) != 0 || now.st_mode == st->st_mode)
		return rc;
	return c->dst->ops->chmod(c->dst, to, st->st_mode & 07777);
}

int
copy_meta(const struct copy *c, struct replica_at from, struct replica_at to)
{
	struct stat st;
	int rc = c->src->ops->stat(c->src, from, &st);

	return rc != 0 ? rc : put_meta(c, &st, &from, to);
}

int
copy_bare(const struct copy *c, const struct stat *st, struct replica_at to)
{
	return put_meta(c, st, NULL, to);
}

int
copy_finish(const struct copy *c, struct replica_at from, struct replica_at to)
{
	uint8_t bytes[RECORD_SIZE_MAX];
	struct replica_info info = { .record = bytes };
	struct replica_times times;
	int rc;

	if ((rc = c->src->ops->load(c->src, from, &info)) != 0)
		return rc;
	times.atime = info.st.st_atim;
	times.mtime = info.st.st_mtim;
	return c->dst->ops->store(c->dst, to, &times, bytes,
	    info.record_len > 0 ? (size_t)info.record_len : 0);
}

static int
copy_file(const struct copy *c, struct replica_at from, struct replica_at to)
{
	uint8_t bytes[RECORD_SIZE_MAX];
	struct replica_info info = { .record = bytes };
	struct record record;
	int rc;

	if ((rc = c->src->ops->load(c->src, from, &info)) != 0)
		return rc;
	if (info.record_len < 0)
		return -EBADMSG;
	if ((rc = record_decode(c->digest, bytes, (size_t)info.record_len, &record)) != 0)
		return rc;
	if ((rc = copy_tags(c, &record)) != 0)
		return rc;
	return copy_data(c, from, to, &record);
}

int
copy_node(const struct copy *c, struct replica_at from, replica_handle dir, const char *name)
{
	struct replica_at to = { dir, name };
	struct stat st;
	int rc;

	if ((rc = c->src->ops->stat(c->src, from, &st)) != 0)
		return rc;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if ((rc = copy_make(c, from, dir, name)) != 0)
		return rc;
	if (S_ISREG(st.st_mode)) {
		if ((rc = copy_file(c, from, to)) != 0)
			return rc;
		/* Writing took a capability away. */
		if ((rc = copy_meta(c, from, to)) != 0)
			return rc;
	}
	return copy_finish(c, from, to);
}
