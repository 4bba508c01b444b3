#include "format/record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "format/index.h"
#include "util/buf.h"

#define CHECK_SIZE 8
#define FLAG_CTIME 1u			/* the ctime differs from the mtime, and follows it */
#define NSEC_PER_SEC 1000000000L

/*
 * Generations, ids and sizes beyond this are refused.  Nobody gets there, and
 * with it the longest header leaves room for RECORD_TAGS_MAX tags.
 */
#define NUMBER_MAX ((uint64_t)INT64_MAX)

static bool
time_valid(const struct timespec *ts)
{
	return ts->tv_nsec >= 0 && ts->tv_nsec < NSEC_PER_SEC;
}

static bool
time_equal(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static uint64_t
blocks_of(uint64_t size)
{
	return size / DIGEST_BLOCK_SIZE + (size % DIGEST_BLOCK_SIZE != 0);
}

/* Do the fields agree with each other? */
static bool
consistent(const struct record *record)
{
	if (record->id == 0 || record->id > NUMBER_MAX || record->generation > NUMBER_MAX)
		return false;
	if (!time_valid(&record->mtime) || !time_valid(&record->ctime))
		return false;

	switch (record->kind) {
	case RECORD_DIRECTORY:
		return record->size == 0 && record->tag_count == 0;
	case RECORD_INLINE:
		return record->tag_count <= RECORD_TAGS_MAX &&
		    record->tag_count == blocks_of(record->size);
	case RECORD_PAGED:
		return record->size <= NUMBER_MAX && record->tag_count == 0;
	}
	return false;
}

static void
put_time(struct buf_writer *w, const struct timespec *ts)
{
	buf_put_signed(w, ts->tv_sec);
	buf_put_u32(w, (uint32_t)ts->tv_nsec);
}

static void
get_time(struct buf_reader *r, struct timespec *ts)
{
	ts->tv_sec = buf_get_signed(r);
	ts->tv_nsec = buf_get_u32(r);
}

int
record_encode(const struct digest *digest, const struct record *record,
    uint8_t *out, size_t size)
{
	bool has_ctime = !time_equal(&record->ctime, &record->mtime);
	uint8_t check[DIGEST_SIZE];
	struct buf_writer w;
	size_t len;

	if (!consistent(record))
		return -EINVAL;
	if (size < RECORD_SIZE_MIN)
		return -ENOSPC;

	buf_writer_init(&w, out, size - CHECK_SIZE);
	buf_put_u8(&w, RECORD_VERSION);
	buf_put_u8(&w, (uint8_t)((unsigned)digest->codec | (unsigned)record->kind << 4));
	buf_put_varint(&w, has_ctime ? FLAG_CTIME : 0);
	buf_put_varint(&w, record->generation);
	buf_put_varint(&w, record->id);
	buf_put_varint(&w, record->size);
	put_time(&w, &record->mtime);
	if (has_ctime)
		put_time(&w, &record->ctime);
	buf_put_u32(&w, record->meta);
	if (record->kind == RECORD_INLINE)
		buf_put_bytes(&w, record->tags, (size_t)record->tag_count * DIGEST_SIZE);
	else
		buf_put_bytes(&w, record->sum, DIGEST_SIZE);
	if (w.failed)
		return -ENOSPC;

	for (len = (size_t)(w.at - out); len < RECORD_SIZE_MIN - CHECK_SIZE; len++)
		out[len] = 0;
	digest_bytes(digest, DIGEST_RECORD, out, len, check);
	memcpy(out + len, check, CHECK_SIZE);
	return (int)(len + CHECK_SIZE);
}

/* Is what the fields left over as encode leaves it: zeros up to the least size, else nothing? */
static bool
padding_valid(const struct buf_reader *r, size_t len)
{
	return r->left == 0 || (len == RECORD_SIZE_MIN && digest_zeros(r->at, r->left));
}

static int
decode_fields(struct buf_reader *r, struct record *record)
{
	uint64_t flags;

	flags = buf_get_varint(r);
	record->generation = buf_get_varint(r);
	record->id = buf_get_varint(r);
	record->size = buf_get_varint(r);
	get_time(r, &record->mtime);
	record->ctime = record->mtime;
	if (flags & FLAG_CTIME)
		get_time(r, &record->ctime);
	record->meta = buf_get_u32(r);

	/* One record has one encoding: replicas are compared byte for byte. */
	if ((flags & ~(uint64_t)FLAG_CTIME) != 0 ||
	    (flags & FLAG_CTIME) != !time_equal(&record->mtime, &record->ctime))
		return -EBADMSG;

	record->tags = NULL;
	record->tag_count = 0;
	memset(record->sum, 0, DIGEST_SIZE);
	if (record->kind == RECORD_INLINE) {
		if (blocks_of(record->size) > RECORD_TAGS_MAX)
			return -EBADMSG;
		record->tag_count = (uint32_t)blocks_of(record->size);
		record->tags = buf_get_ref(r, (size_t)record->tag_count * DIGEST_SIZE);
	} else {
		buf_get_bytes(r, record->sum, DIGEST_SIZE);
	}
	return r->failed || !consistent(record) ? -EBADMSG : 0;
}

int
record_decode(const struct digest *digest, const uint8_t *data, size_t len,
    struct record *record)
{
	uint8_t check[DIGEST_SIZE];
	struct buf_reader r;
	uint8_t version, codec_kind;
	int rc;

	/* Without a version the rest has no meaning; a later one may differ in all. */
	buf_reader_init(&r, data, len);
	version = buf_get_u8(&r);
	codec_kind = buf_get_u8(&r);
	if (r.failed || version == 0)
		return -EBADMSG;
	if (version > RECORD_VERSION)
		return -EPROTONOSUPPORT;
	if ((codec_kind & 15u) != (unsigned)digest->codec)
		return -EMEDIUMTYPE;
	if (len < RECORD_SIZE_MIN || len > RECORD_SIZE_MAX)
		return -EBADMSG;

	/* Nothing is believed before this. */
	digest_bytes(digest, DIGEST_RECORD, data, len - CHECK_SIZE, check);
	if (memcmp(check, data + len - CHECK_SIZE, CHECK_SIZE) != 0)
		return -EBADMSG;

	r.left -= CHECK_SIZE;
	record->kind = (enum record_kind)(codec_kind >> 4);
	if ((rc = decode_fields(&r, record)) != 0)
		return rc;
	return padding_valid(&r, len) ? 0 : -EBADMSG;
}

uint32_t
record_meta(const struct digest *digest, uint32_t uid, uint32_t gid,
    uint32_t mode, const uint8_t *xattrs)
{
	uint8_t data[3 * 4 + DIGEST_SIZE], sum[DIGEST_SIZE];
	struct buf_writer w;
	struct buf_reader r;

	buf_writer_init(&w, data, sizeof(data));
	buf_put_u32(&w, uid);
	buf_put_u32(&w, gid);
	buf_put_u32(&w, mode);
	buf_put_bytes(&w, xattrs, DIGEST_SIZE);
	assert(!w.failed && w.left == 0);
	digest_bytes(digest, DIGEST_META, data, sizeof(data), sum);
	buf_reader_init(&r, sum, sizeof(sum));
	return buf_get_u32(&r);
}

void
record_xattr(const struct digest *digest, const char *name,
    const void *value, size_t len, uint8_t *out)
{
	uint8_t parts[2 * DIGEST_SIZE];

	/* Digests of the parts: of equal length whatever the parts hold. */
	digest_bytes(digest, DIGEST_XATTR, name, strlen(name), parts);
	digest_bytes(digest, DIGEST_XATTR, value, len, parts + DIGEST_SIZE);
	digest_bytes(digest, DIGEST_XATTR, parts, sizeof(parts), out);
}

bool
record_xattr_mirrored(const char *name)
{
	static const char *const own[] = {
		RECORD_XATTR, INDEX_XATTR, "security.selinux", "security.ima", "security.evm",
		"trusted.SGI_ACL_FILE", "trusted.SGI_ACL_DEFAULT",
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (strcmp(name, own[i]) == 0)
			return false;
	}
	if (strncmp(name, "system.", 7) != 0)
		return true;
	return strcmp(name, "system.posix_acl_access") == 0 ||
	    strcmp(name, "system.posix_acl_default") == 0;
}

void
record_name(const struct digest *digest, const char *name, uint32_t mode,
    uint64_t id, const char *target, uint64_t rdev, uint8_t *out)
{
	uint8_t data[4 + 8 + 8 + 2 * DIGEST_SIZE], part[DIGEST_SIZE];
	struct buf_writer w;

	buf_writer_init(&w, data, sizeof(data));
	buf_put_u32(&w, mode & S_IFMT);
	buf_put_u64(&w, id);
	buf_put_u64(&w, rdev);
	digest_bytes(digest, DIGEST_NAME, name, strlen(name), part);
	buf_put_bytes(&w, part, sizeof(part));

	/* No target is not an empty one. */
	memset(part, 0, sizeof(part));
	if (target != NULL)
		digest_bytes(digest, DIGEST_NAME, target, strlen(target), part);
	buf_put_bytes(&w, part, sizeof(part));
	assert(!w.failed && w.left == 0);
	digest_bytes(digest, DIGEST_NAME, data, sizeof(data), out);
}
