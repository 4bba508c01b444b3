#include "meta/stamp.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/gather.h"
#include "meta/tagfile.h"

/* What one page of tags describes: near 1 MiB, more than a record's tags do. */
#define CHUNK_SIZE ((size_t)TAGPAGE_TAGS * DIGEST_BLOCK_SIZE)

int
stamp_meta(struct replica *r, struct replica_at at, const struct digest *digest,
    const struct stat *st, uint32_t *meta)
{
	uint8_t xattrs[DIGEST_SIZE];
	int rc;

	if ((rc = gather_xattrs(r, at, digest, xattrs)) != 0)
		return rc;
	*meta = record_meta(digest, st->st_uid, st->st_gid, st->st_mode, xattrs);
	return 0;
}

int
stamp_name(struct replica *r, replica_handle dir, const char *name, const struct stat *st,
    uint64_t id, const struct digest *digest, uint8_t *out)
{
	char target[PATH_MAX + 1];
	bool special = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
	bool link = S_ISLNK(st->st_mode);
	int rc;

	if (link) {
		rc = r->ops->readlink(r, (struct replica_at){ dir, name }, target, sizeof(target));
		if (rc != 0)
			return rc;
	}
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		id = 0;
	record_name(digest, name, st->st_mode, id, link ? target : NULL,
	    special ? st->st_rdev : 0, out);
	return 0;
}

static int
store(struct replica *r, struct replica_at at, const struct digest *digest, const struct record *record)
{
	struct replica_times times = { .atime.tv_nsec = UTIME_OMIT, .mtime = record->mtime };
	uint8_t bytes[RECORD_SIZE_MAX];
	int len;

	if ((len = record_encode(digest, record, bytes, sizeof(bytes))) < 0)
		return len;
	return r->ops->store(r, at, &times, bytes, (size_t)len);
}

/* Tags of up to TAGPAGE_TAGS blocks from ${offset} on; ${data} has CHUNK_SIZE bytes. */
static int
digest_chunk(struct replica *r, replica_handle file, const struct digest *digest, uint64_t offset,
    uint64_t size, uint8_t *data, uint8_t *tags)
{
	size_t want = size - offset < CHUNK_SIZE ? (size_t)(size - offset) : CHUNK_SIZE;
	size_t len;
	ssize_t got;

	if ((got = r->ops->pread(r, file, data, want, offset)) < 0)
		return (int)got;
	if ((size_t)got != want)
		return -ESTALE;
	for (size_t at = 0; at < want; at += DIGEST_BLOCK_SIZE, tags += DIGEST_SIZE) {
		len = want - at < DIGEST_BLOCK_SIZE ? want - at : DIGEST_BLOCK_SIZE;
		digest_tag(digest, data + at, len, tags);
	}
	return 0;
}

/* Is there no data at all in the chunk at ${offset}?  A wrong "no" costs time only. */
static bool
is_hole(struct replica *r, replica_handle file, uint64_t offset)
{
	int64_t next = r->ops->seek(r, file, offset, SEEK_DATA);

	return next == -ENXIO || (next >= 0 && (uint64_t)next >= offset + CHUNK_SIZE);
}

static int
write_pages(struct replica *r, replica_handle file, replica_handle pages, const struct digest *digest,
    struct record *record, uint8_t *data)
{
	uint64_t count = tagfile_page_count(record->size);
	uint8_t page[TAGPAGE_SIZE];
	int rc;

	memset(record->sum, 0, DIGEST_SIZE);
	for (uint64_t i = 0; i < count; i++) {
		if (is_hole(r, file, i * CHUNK_SIZE))
			continue;
		memset(page, 0, sizeof(page));
		rc = digest_chunk(r, file, digest, i * CHUNK_SIZE, record->size, data, tagpage_tag(page, 0));
		if (rc != 0)
			return rc;
		tagpage_seal(digest, record->id, i, page);
		digest_xor(record->sum, tagpage_sum(page));
		if (!digest_is_zero(tagpage_sum(page)) && (rc = tagfile_write(r, pages, i, page)) != 0)
			return rc;
	}
	/* The pages are durable before the record that adds them up. */
	return r->ops->fsync(r, pages, false);
}

static int
make_paged(struct replica *r, replica_handle tags, replica_handle file, const struct digest *digest,
    struct record *record, uint8_t *data)
{
	replica_handle pages = REPLICA_NONE;
	int rc;

	record->kind = RECORD_PAGED;
	record->tag_count = 0;
	record->tags = NULL;
	if ((rc = tagfile_open(r, tags, record->id, true, &pages)) != 0)
		return rc;
	if ((rc = r->ops->truncate(r, pages, 0)) == 0)
		rc = write_pages(r, file, pages, digest, record, data);
	r->ops->close(r, pages);
	return rc;
}

static int
unchanged(struct replica *r, replica_handle file, const struct stat *before)
{
	struct stat now;
	int rc;

	if ((rc = r->ops->stat(r, (struct replica_at){ file, NULL }, &now)) != 0)
		return rc;
	if (now.st_size != before->st_size || now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != before->st_mtim.tv_nsec)
		return -ESTALE;
	return 0;
}

static int
make_inline(struct replica *r, replica_handle file, const struct digest *digest,
    struct record *record, uint8_t *data, uint8_t *buf)
{
	record->kind = RECORD_INLINE;
	record->tag_count = (uint32_t)((record->size + DIGEST_BLOCK_SIZE - 1) / DIGEST_BLOCK_SIZE);
	record->tags = buf;
	return record->size == 0 ? 0 : digest_chunk(r, file, digest, 0, record->size, data, buf);
}

/* Tags and record, once the metadata is digested. */
static int
stamp_open(struct replica *r, replica_handle tags, struct replica_at at, replica_handle file,
    const struct digest *digest, struct record *record, uint8_t *buf, const struct stat *st)
{
	bool small = record->size <= (uint64_t)RECORD_TAGS_MAX * DIGEST_BLOCK_SIZE;
	uint8_t *data;
	int rc = -ENOSPC;

	if ((data = malloc(CHUNK_SIZE)) == NULL)
		return -ENOMEM;
	if (small) {
		rc = make_inline(r, file, digest, record, data, buf);
		if (rc == 0 && (rc = unchanged(r, file, st)) == 0)
			rc = store(r, at, digest, record);
	}
	/* Too large, or the user's xattrs leave the record no room for tags. */
	if (rc == -ENOSPC) {
		rc = make_paged(r, tags, file, digest, record, data);
		if (rc == 0 && (rc = unchanged(r, file, st)) == 0)
			rc = store(r, at, digest, record);
	}
	free(data);
	return rc;
}

int
stamp_file(struct replica *r, replica_handle tags, struct replica_at at,
    const struct digest *digest, struct record *record, uint8_t *buf)
{
	replica_handle file = REPLICA_NONE;
	struct stat st;
	int rc;

	if ((rc = r->ops->open(r, at, false, &file, &st)) != 0)
		return rc;
	record->size = (uint64_t)st.st_size;
	record->mtime = st.st_mtim;
	record->ctime = st.st_ctim;
	if ((rc = stamp_meta(r, at, digest, &st, &record->meta)) == 0)
		rc = stamp_open(r, tags, at, file, digest, record, buf, &st);
	r->ops->close(r, file);
	return rc;
}

int
stamp_directory(struct replica *r, struct replica_at at, const struct digest *digest,
    struct record *record)
{
	struct stat st;
	int rc;

	if ((rc = r->ops->stat(r, at, &st)) != 0)
		return rc;
	record->kind = RECORD_DIRECTORY;
	record->size = 0;
	record->tag_count = 0;
	record->tags = NULL;
	record->mtime = st.st_mtim;
	record->ctime = st.st_ctim;
	if ((rc = stamp_meta(r, at, digest, &st, &record->meta)) != 0)
		return rc;
	return store(r, at, digest, record);
}
