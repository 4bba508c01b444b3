#include "meta/tagfile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/meta.h"

#define NO_PAGE UINT64_MAX

void
tagfile_name(uint64_t id, char name[TAGFILE_NAME_SIZE])
{
	snprintf(name, TAGFILE_NAME_SIZE, "%016" PRIx64, id);
}

int
tagfile_parse(const char *name, uint64_t *id)
{
	char again[TAGFILE_NAME_SIZE];

	if (strlen(name) != TAGFILE_NAME_SIZE - 1)
		return -EINVAL;
	*id = strtoull(name, NULL, 16);
	tagfile_name(*id, again);
	return *id != 0 && strcmp(again, name) == 0 ? 0 : -EINVAL;
}

uint64_t
tagfile_page_count(uint64_t size)
{
	uint64_t blocks = size / DIGEST_BLOCK_SIZE + (size % DIGEST_BLOCK_SIZE != 0);

	return blocks / TAGPAGE_TAGS + (blocks % TAGPAGE_TAGS != 0);
}

static int
open_fan(struct replica *r, replica_handle tags, uint64_t id, bool create, replica_handle *fan)
{
	char name[3];

	if (tags == REPLICA_NONE)
		return -ENOENT;
	snprintf(name, sizeof(name), "%02x", (unsigned)(id & 0xff));
	return meta_subdir(r, tags, name, create, fan);
}

int
tagfile_open(struct replica *r, replica_handle tags, uint64_t id, bool create, replica_handle *file)
{
	struct replica_new new = { .mode = S_IFREG | 0600, .owned = true };
	char name[TAGFILE_NAME_SIZE];
	replica_handle fan;
	int rc;

	*file = REPLICA_NONE;
	if ((rc = open_fan(r, tags, id, create, &fan)) != 0)
		return rc;
	tagfile_name(id, name);
	rc = r->ops->open(r, (struct replica_at){ fan, name }, create, file, NULL);
	if (rc == -ENOENT && create)
		rc = r->ops->create(r, fan, name, &new, file);
	r->ops->dir_close(r, fan);
	return rc;
}

int
tagfile_open_direct(struct replica *r, replica_handle tags, uint64_t id, replica_handle *file)
{
	char name[TAGFILE_NAME_SIZE];
	replica_handle fan;
	int rc;

	*file = REPLICA_NONE;
	if ((rc = open_fan(r, tags, id, false, &fan)) != 0)
		return rc;
	tagfile_name(id, name);
	rc = r->ops->open_direct(r, (struct replica_at){ fan, name }, file);
	r->ops->dir_close(r, fan);
	return rc;
}

int
tagfile_remove(struct replica *r, replica_handle tags, uint64_t id)
{
	char name[TAGFILE_NAME_SIZE];
	replica_handle fan;
	int rc;

	if ((rc = open_fan(r, tags, id, false, &fan)) != 0)
		return rc == -ENOENT ? 0 : rc;
	tagfile_name(id, name);
	rc = r->ops->unlink(r, fan, name, false);
	r->ops->dir_close(r, fan);
	return rc == -ENOENT ? 0 : rc;
}

int
tagfile_read(struct replica *r, replica_handle file, const struct digest *digest,
    uint64_t id, uint64_t index, uint8_t *page)
{
	ssize_t len;

	len = r->ops->pread(r, file, page, TAGPAGE_SIZE, index * TAGPAGE_SIZE);
	if (len < 0)
		return (int)len;
	memset(page + len, 0, TAGPAGE_SIZE - (size_t)len);
	return tagpage_check(digest, id, index, page);
}

int
tagfile_write(struct replica *r, replica_handle file, uint64_t index, const uint8_t *page)
{
	return meta_write(r, file, page, TAGPAGE_SIZE, index * TAGPAGE_SIZE);
}

void
tagfile_reader_open(struct tagfile_reader *reader, struct replica *r, replica_handle tags,
    const struct digest *digest, const struct record *record)
{
	reader->r = r;
	reader->digest = digest;
	reader->record = record;
	reader->file = REPLICA_NONE;
	reader->open_error = 0;
	reader->index = NO_PAGE;
	reader->error = 0;
	if (record->kind == RECORD_PAGED)
		reader->open_error = tagfile_open(r, tags, record->id, false, &reader->file);
}

void
tagfile_reader_close(struct tagfile_reader *reader)
{
	if (reader->file != REPLICA_NONE)
		reader->r->ops->close(reader->r, reader->file);
	reader->file = REPLICA_NONE;
}

int
tagfile_reader_get(struct tagfile_reader *reader, uint64_t block, uint8_t *tag)
{
	const struct record *record = reader->record;
	uint64_t index = block / TAGPAGE_TAGS;

	if (record->kind == RECORD_INLINE) {
		if (block < record->tag_count)
			memcpy(tag, record->tags + block * DIGEST_SIZE, DIGEST_SIZE);
		else
			memset(tag, 0, DIGEST_SIZE);
		return 0;
	}
	if (reader->open_error != 0)
		return reader->open_error;
	if (index != reader->index) {
		reader->index = index;
		reader->error = tagfile_read(reader->r, reader->file, reader->digest,
		    record->id, index, reader->page);
	}
	if (reader->error == 0)
		memcpy(tag, tagpage_tag(reader->page, (unsigned)(block % TAGPAGE_TAGS)), DIGEST_SIZE);
	return reader->error;
}
