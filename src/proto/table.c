#include "proto/table.h"

#include <limits.h>

#include "format/record.h"

#define REQUEST(field, coding, member, max) \
	static const struct proto_field field = { coding, offsetof(struct proto_request, member), max }
#define REPLY(field, coding, member) \
	static const struct proto_field field = { coding, offsetof(struct proto_reply, member), 0 }

REQUEST(handle, PROTO_U32, handle, 0);
REQUEST(name, PROTO_COMPONENT, name, NAME_MAX);
REQUEST(at, PROTO_AT, name, NAME_MAX);
REQUEST(to, PROTO_U32, to, 0);
REQUEST(to_name, PROTO_COMPONENT, to_name, NAME_MAX);
REQUEST(opened, PROTO_U32, opened, 0);
REQUEST(flags, PROTO_U32, flags, 0);
REQUEST(mode, PROTO_U32, mode, 0);
REQUEST(uid, PROTO_U32, uid, 0);
REQUEST(gid, PROTO_U32, gid, 0);
REQUEST(rdev, PROTO_RDEV, rdev, 0);
REQUEST(target, PROTO_TEXT, text, PROTO_TARGET_MAX - 1);
REQUEST(attribute, PROTO_TEXT, text, NAME_MAX);
REQUEST(atime, PROTO_TIME, atime, 0);
REQUEST(mtime, PROTO_TIME, mtime, 0);
REQUEST(offset, PROTO_U64, offset, 0);
REQUEST(len, PROTO_U64, len, 0);
REQUEST(size, PROTO_U32, size, 0);
REQUEST(codec, PROTO_U32, codec, 0);
REQUEST(count, PROTO_U32, count, 0);
REQUEST(version, PROTO_U32, version, 0);
REQUEST(features, PROTO_U64, features, 0);
REQUEST(instance, PROTO_ID, instance, 0);
REQUEST(data, PROTO_BYTES, data, 0);

REPLY(got_stat, PROTO_STAT_ALL, st);
REPLY(got_vfs, PROTO_VFS_ALL, vfs);
REPLY(got_flags, PROTO_U32, flags);
REPLY(got_record, PROTO_RESULT, record);
REPLY(got_offset, PROTO_U64, offset);
REPLY(got_version, PROTO_U32, version);
REPLY(got_features, PROTO_U64, features);
REPLY(got_uid, PROTO_U32, uid);
REPLY(got_gid, PROTO_U32, gid);
REPLY(got_limits, PROTO_LIMITS, limits);
REPLY(got_data, PROTO_BYTES, data);

#define CREATE_FLAGS (PROTO_CREATE_INHERIT | PROTO_CREATE_OWNED)
#define RENAME_FLAGS (PROTO_RENAME_NOREPLACE | PROTO_RENAME_EXCHANGE)
#define XATTR_FLAGS (PROTO_XATTR_CREATE | PROTO_XATTR_REPLACE)

static const struct proto_layout layouts[PROTO_OP_END] = {
	[PROTO_HELLO] = { .name = "hello", .traits = PROTO_SESSION, .flags = PROTO_HELLO_READ_ONLY, .reply_flags = PROTO_HELLO_READ_ONLY,
	    .request = { &version, &features, &flags, &instance },
	    .reply = { &got_version, &got_features, &got_flags, &got_uid, &got_gid, &got_limits } },
	[PROTO_PING] = { .name = "ping", .traits = PROTO_SESSION },
	[PROTO_BYE] = { .name = "bye", .traits = PROTO_SESSION },
	[PROTO_DIGEST] = { .name = "digest", .traits = PROTO_WAITS, .reply_max = PROTO_DIGEST_BLOCKS_MAX * DIGEST_SIZE,
	    .request = { &handle, &codec, &offset, &count }, .reply = { &got_offset, &got_data } },
	[PROTO_SUM] = { .name = "sum", .traits = PROTO_WAITS, .reply_max = DIGEST_SIZE,
	    .request = { &handle, &codec, &offset, &count }, .reply = { &got_offset, &got_data } },

	[PROTO_STATFS] = { .name = "statfs", .reply = { &got_vfs } },
	[PROTO_SYNC] = { .name = "sync", .traits = PROTO_WAITS },
	[PROTO_DIR_OPEN] = { .name = "dir_open", .traits = PROTO_OPENS, .request = { &handle, &name, &opened } },
	[PROTO_DIR_CLOSE] = { .name = "dir_close", .request = { &handle } },
	[PROTO_PIN] = { .name = "pin", .traits = PROTO_OPENS, .request = { &handle, &name, &opened } },
	[PROTO_DIR_SYNC] = { .name = "dir_sync", .traits = PROTO_WAITS, .request = { &handle } },
	[PROTO_LIST] = { .name = "list", .traits = PROTO_WAITS, .reply_max = PROTO_LIST_MAX,
	    .request = { &handle }, .reply = { &got_data } },

	[PROTO_LOAD] = { .name = "load", .flags = PROTO_LOAD_SKIP_XATTRS, .reply_flags = PROTO_LOAD_XATTRS, .reply_max = RECORD_SIZE_MAX,
	    .request = { &handle, &at, &flags }, .reply = { &got_stat, &got_flags, &got_record, &got_data } },
	[PROTO_STAT] = { .name = "stat", .request = { &handle, &at }, .reply = { &got_stat } },
	[PROTO_STORE] = { .name = "store", .traits = PROTO_CHANGES, .data_max = RECORD_SIZE_MAX,
	    .request = { &handle, &at, &atime, &mtime, &data } },

	[PROTO_CREATE] = { .name = "create", .traits = PROTO_CHANGES | PROTO_OPENS, .flags = CREATE_FLAGS,
	    .request = { &handle, &name, &opened, &mode, &uid, &gid, &rdev, &flags, &target } },
	[PROTO_TMPFILE] = { .name = "tmpfile", .traits = PROTO_CHANGES | PROTO_OPENS, .flags = CREATE_FLAGS,
	    .request = { &handle, &opened, &mode, &uid, &gid, &flags } },
	[PROTO_LINK] = { .name = "link", .traits = PROTO_CHANGES, .request = { &handle, &at, &to, &to_name } },
	[PROTO_UNLINK] = { .name = "unlink", .traits = PROTO_CHANGES, .flags = PROTO_UNLINK_DIR, .request = { &handle, &name, &flags } },
	[PROTO_RENAME] = { .name = "rename", .traits = PROTO_CHANGES, .flags = RENAME_FLAGS,
	    .request = { &handle, &name, &to, &to_name, &flags } },
	[PROTO_READLINK] = { .name = "readlink", .reply_max = PROTO_TARGET_MAX, .request = { &handle, &at }, .reply = { &got_data } },

	[PROTO_CHMOD] = { .name = "chmod", .traits = PROTO_CHANGES, .request = { &handle, &at, &mode } },
	[PROTO_CHOWN] = { .name = "chown", .traits = PROTO_CHANGES, .request = { &handle, &at, &uid, &gid } },

	[PROTO_XATTR_GET] = { .name = "xattr_get", .reply_max = PROTO_XATTR_MAX,
	    .request = { &handle, &at, &attribute, &size }, .reply = { &got_data } },
	[PROTO_XATTR_SET] = { .name = "xattr_set", .traits = PROTO_CHANGES, .flags = XATTR_FLAGS, .data_max = PROTO_XATTR_MAX,
	    .request = { &handle, &at, &attribute, &flags, &data } },
	[PROTO_XATTR_REMOVE] = { .name = "xattr_remove", .traits = PROTO_CHANGES, .request = { &handle, &at, &attribute } },
	[PROTO_XATTR_LIST] = { .name = "xattr_list", .reply_max = PROTO_XATTR_MAX,
	    .request = { &handle, &at, &size }, .reply = { &got_data } },

	[PROTO_OPEN] = { .name = "open", .traits = PROTO_OPENS, .flags = PROTO_OPEN_WRITABLE,
	    .request = { &handle, &at, &opened, &flags }, .reply = { &got_stat } },
	[PROTO_OPEN_DIRECT] = { .name = "open_direct", .traits = PROTO_OPENS, .request = { &handle, &at, &opened } },
	[PROTO_CLOSE] = { .name = "close", .request = { &handle } },
	[PROTO_PREAD] = { .name = "pread", .traits = PROTO_WAITS, .reply_max = PROTO_DATA_MAX,
	    .request = { &handle, &offset, &size }, .reply = { &got_data } },
	[PROTO_PREAD_CACHED] = { .name = "pread_cached", .reply_max = PROTO_DATA_MAX,
	    .request = { &handle, &offset, &size }, .reply = { &got_data } },
	[PROTO_PWRITE] = { .name = "pwrite", .traits = PROTO_CHANGES, .data_max = PROTO_DATA_MAX, .request = { &handle, &offset, &data } },
	[PROTO_TRUNCATE] = { .name = "truncate", .traits = PROTO_CHANGES, .request = { &handle, &offset } },
	[PROTO_FALLOCATE] = { .name = "fallocate", .traits = PROTO_CHANGES, .flags = PROTO_FALLOCATE_ALL,
	    .request = { &handle, &flags, &offset, &len } },
	[PROTO_SEEK] = { .name = "seek", .flags = PROTO_SEEK_HOLE, .request = { &handle, &offset, &flags }, .reply = { &got_offset } },
	[PROTO_FSYNC] = { .name = "fsync", .traits = PROTO_WAITS, .flags = PROTO_FSYNC_DATA, .request = { &handle, &flags } },
	[PROTO_DROP_CACHE] = { .name = "drop_cache", .traits = PROTO_WAITS, .request = { &handle } },

	[PROTO_LOCK] = { .name = "lock", .traits = PROTO_SESSION, .flags = PROTO_LOCK_EXCLUSIVE, .request = { &flags } },
	[PROTO_CHECK] = { .name = "check" },
};

const struct proto_layout *
proto_layout(unsigned op)
{
	return op < PROTO_OP_END && layouts[op].name != NULL ? &layouts[op] : NULL;
}
