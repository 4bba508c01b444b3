#include <errno.h>
#include <limits.h>
#include <string.h>

#include "control/request.h"
#include "hash/digest.h"
#include "volume/explain.h"

#define BLOCK DIGEST_BLOCK_SIZE

static const char *const state_names[] = {
	[EXPLAIN_SOUND] = "sound", [EXPLAIN_AWAY] = "away", [EXPLAIN_UNREADABLE] = "unreadable", [EXPLAIN_MISSING] = "missing",
	[EXPLAIN_TYPE] = "other-type", [EXPLAIN_OTHER] = "other-file", [EXPLAIN_NO_RECORD] = "no-record",
	[EXPLAIN_SPOILED] = "record-spoiled", [EXPLAIN_OLDER] = "older", [EXPLAIN_NEWER] = "newer",
	[EXPLAIN_META] = "metadata-differs", [EXPLAIN_SIZE] = "wrong-size",
};

static const char *const reason_names[] = {
	[EXPLAIN_NOBODY] = "none", [EXPLAIN_ONLY] = "only", [EXPLAIN_FIRST] = "first", [EXPLAIN_TURN] = "round-robin",
	[EXPLAIN_HOME] = "home", [EXPLAIN_LOAD] = "load", [EXPLAIN_NEAR] = "near", [EXPLAIN_OPEN] = "open",
};

static const char *
type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return "file";
	case S_IFDIR: return "directory";
	case S_IFLNK: return "link";
	case S_IFIFO: return "fifo";
	case S_IFSOCK: return "socket";
	case S_IFCHR: return "character-device";
	case S_IFBLK: return "block-device";
	default: return "unknown";
	}
}

/* Blocks as bytes of a file of ${size}. */
static json_t *
runs_object(const struct explain_runs *runs, uint64_t size)
{
	json_t *object = json_object(), *list = json_array(), *one;
	uint64_t offset, len;
	unsigned i;

	for (i = 0; i < runs->count; i++) {
		offset = runs->run[i].first * BLOCK;
		len = runs->run[i].count * BLOCK;
		one = json_object();
		jsonline_set_number(one, "offset", offset);
		jsonline_set_number(one, "length", offset < size && len > size - offset ? size - offset : len);
		(void)json_array_append_new(list, one);
	}
	jsonline_set_number(object, "blocks", runs->blocks);
	jsonline_set(object, "ranges", list);
	return object;
}

/* What will be done about the inode as a whole; NULL: nothing is to be. */
static const char *
remedy_of_state(const struct explanation *e, const struct explain_replica *r)
{
	switch (r->state) {
	case EXPLAIN_SOUND:
		return NULL;
	case EXPLAIN_AWAY:
		return "it is brought up to date when it is back";
	case EXPLAIN_UNREADABLE:
		return "check its disk: who uses the file and gets this error has the replica dropped";
	default:
		break;
	}
	if (!e->mends)
		return "nothing, for the volume is mounted read-only";
	if (e->source < 0 && !e->known)
		return e->torn ? "the unclean stop's reconciling decides" : "no replica proves its version: using it fails with EIO; fsck.mendfs -y, unmounted, can be told to take one";
	switch (r->state) {
	case EXPLAIN_MISSING:
		return "it is made again from another replica, when it is looked up anew or used";
	case EXPLAIN_TYPE:
	case EXPLAIN_OTHER:
		return "what stands there goes to quarantine, and it is made again, when it is looked up anew or used";
	case EXPLAIN_META:
		return "owner, mode and extended attributes are put back, when it is looked up anew";
	case EXPLAIN_SIZE:
		return "its length is put back when it is used, and its blocks are mended";
	default:
		return "the record is mended from another replica, when the file is used";
	}
}

/* And about its data, or names. */
static const char *
remedy_of_data(const struct explanation *e, const struct explain_replica *r)
{
	if (r->state != EXPLAIN_AWAY && e->names_differ > 0 && r->present)
		return !e->mends ? "nothing, for the volume is mounted read-only" :
		    "each name that differs is settled when it is looked up, or by a scrub: made again where it is missing, or put into quarantine";
	if (r->state == EXPLAIN_AWAY || (r->bad.blocks == 0 && r->bad_pages == 0 && !r->seal_broken))
		return NULL;
	if (!e->mends)
		return "nothing, for the volume is mounted read-only";
	if (e->torn && r->bad.blocks > 0)
		return "an unclean stop may have torn it: each block is settled as it is read, and all in the background";
	if (r->bad.blocks > 0 && r->bad.blocks == e->lost.blocks)
		return "no replica has these blocks: reading them fails until they are overwritten as a whole; restore the file from a backup";
	if (r->bad.blocks > 0)
		return "bad blocks are mended from another replica when they are read, or proved while the file is in use, or by a scrub";
	if (r->bad_pages > 0)
		return "tags are mended from another replica when they are needed";
	return "all of it is proved when a program next closes it, or a scrub comes by, and it is sealed again";
}

static json_t *
replica_object(const struct explanation *e, const struct explain_replica *r)
{
	json_t *object = json_object();

	jsonline_set_name(object, "path", r->path);
	jsonline_set_text(object, "state", state_names[r->state]);
	jsonline_set_flag(object, "present", r->present);
	if (r->error != 0)
		jsonline_set_text(object, "error", strerror(-r->error));
	if (r->present) {
		jsonline_set_text(object, "type", type_name(r->mode));
		jsonline_set_number(object, "mode", r->mode & 07777);
		jsonline_set_number(object, "uid", r->uid);
		jsonline_set_number(object, "gid", r->gid);
		jsonline_set_number(object, "size", r->size);
		jsonline_set(object, "mtime", json_integer(r->mtime.tv_sec));
		jsonline_set_number(object, "mtime_ns", (uint64_t)r->mtime.tv_nsec);
	}
	if (r->has_record) {
		jsonline_set_number(object, "id", r->id);
		jsonline_set_number(object, "generation", r->generation);
		jsonline_set_flag(object, "seal_broken", r->seal_broken);
	}
	jsonline_set_flag(object, "data_read", r->data_read);
	if (r->data_read) {
		jsonline_set(object, "bad", runs_object(&r->bad, e->size));
		jsonline_set_number(object, "bad_tag_pages", r->bad_pages);
	}
	if (S_ISDIR(e->mode))
		jsonline_set_number(object, "names_missing", r->names_missing);
	jsonline_set_text(object, "remedy", remedy_of_state(e, r));
	jsonline_set_text(object, "data_remedy", remedy_of_data(e, r));
	return object;
}

static json_t *
names_array(const struct explanation *e)
{
	json_t *list = json_array(), *one, *present;
	unsigned i, n;

	for (n = 0; n < e->name_count; n++) {
		one = json_object();
		present = json_array();
		for (i = 0; i < e->count; i++) {
			if ((e->name[n].present >> i & 1) != 0)
				(void)json_array_append_new(present, json_integer(i));
		}
		jsonline_set_name(one, "name", e->name[n].name);
		jsonline_set(one, "replicas", present);
		(void)json_array_append_new(list, one);
	}
	return list;
}

static json_t *
explain_line(const struct explanation *e, const char *path)
{
	json_t *line = jsonline_new("explain"), *replicas = json_array();
	unsigned i;

	for (i = 0; i < e->count; i++)
		(void)json_array_append_new(replicas, replica_object(e, &e->replicas[i]));
	jsonline_set_name(line, "path", path);
	jsonline_set_flag(line, "sound", explain_sound(e));
	jsonline_set_text(line, "file_type", type_name(e->mode));
	if (e->id != 0) {
		jsonline_set_number(line, "id", e->id);
		jsonline_set_number(line, "generation", e->generation);
	}
	jsonline_set_number(line, "size", e->size);
	jsonline_set_flag(line, "in_memory", e->known);
	jsonline_set_flag(line, "to_store", e->to_store);
	jsonline_set_flag(line, "torn", e->torn);
	jsonline_set_flag(line, "changing", e->changing);
	jsonline_set(line, "source", e->source < 0 ? json_null() : json_integer(e->source));
	jsonline_set(line, "reader", e->reader < 0 ? json_null() : json_integer(e->reader));
	jsonline_set_text(line, "reader_why", reason_names[e->why]);
	jsonline_set_number(line, "home", e->home);
	jsonline_set_number(line, "in_sync", e->in_sync);
	if (S_ISREG(e->mode)) {
		jsonline_set(line, "lost", runs_object(&e->lost, e->size));
		jsonline_set_number(line, "unproved_blocks", e->unproved);
	}
	if (S_ISDIR(e->mode)) {
		jsonline_set_number(line, "names", e->names);
		jsonline_set_number(line, "names_differ", e->names_differ);
		jsonline_set(line, "differing", names_array(e));
	}
	jsonline_set(line, "replicas", replicas);
	return line;
}

static bool
gone(void *arg)
{
	return control_gone(arg);
}

int
control_explain(struct control_request *request)
{
	struct explanation *e;
	char path[PATH_MAX];
	bool sound;
	int rc;

	if (jsonline_get_name(request->args, "path", path, sizeof(path)) != 0) {
		(void)control_fail(request, "the request has no \"path_hex\" that can be a path");
		return CONTROL_USAGE;
	}
	if ((rc = volume_explain(request->volume, path, gone, request, &e)) == -ENOENT)
		return control_fail(request, "%s/%s: no replica that is in sync has such a name", request->mountpoint, path);
	if (rc != 0)
		return control_fail(request, "%s/%s: %s", request->mountpoint, path, strerror(-rc));
	sound = explain_sound(e);
	jsonline_write(request->out, explain_line(e, path));
	explain_free(e);
	return sound ? CONTROL_DONE : CONTROL_DEGRADED;
}
