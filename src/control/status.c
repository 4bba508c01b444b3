#include "control/request.h"
#include "volume/status.h"

static void
set_uuid(json_t *to, const char *key, const struct uuid *uuid)
{
	char text[UUID_TEXT_SIZE];

	uuid_format(uuid, text);
	jsonline_set_text(to, key, text);
}

static void
set_work(json_t *to, const char *key, struct status_work work)
{
	json_t *object = json_object();

	jsonline_set_number(object, "count", work.count);
	jsonline_set_number(object, "bytes", work.bytes);
	jsonline_set(to, key, object);
}

/* What a replica that is not in sync misses, and how far its resync is. */
static void
set_lack(json_t *to, const struct status_replica *r)
{
	json_t *object = json_object();

	jsonline_set_number(object, "missed", r->missed);
	jsonline_set_flag(object, "walk", r->walk);
	jsonline_set_flag(object, "everything", r->everything);
	jsonline_set_number(object, "done", r->resync_done);
	jsonline_set_number(object, "total", r->resync_total);
	jsonline_set_flag(object, "estimated", r->resync_estimated);
	jsonline_set_flag(object, "wants_room", r->wants_room);
	jsonline_set_number(object, "per_second", r->resync_rate);
	jsonline_set(to, "resync", object);
}

static void
set_space(json_t *to, const struct status_replica *r)
{
	json_t *object = json_object();

	jsonline_set_number(object, "total", r->space_total);
	jsonline_set_number(object, "free", r->space_free);
	jsonline_set_number(object, "inodes_total", r->inodes_total);
	jsonline_set_number(object, "inodes_free", r->inodes_free);
	jsonline_set(to, "space", object);
}

/* The connection to one that is far away. */
static void
set_link(json_t *to, const struct status_replica *r)
{
	json_t *object = json_object();

	jsonline_set_flag(object, "connected", r->linked);
	jsonline_set_number(object, "since", (uint64_t)r->linked_since);
	if (r->why_not != NULL)
		jsonline_set_text(object, "why_not", r->why_not);
	jsonline_set_number(object, "bytes_in", r->wire_in);
	jsonline_set_number(object, "bytes_out", r->wire_out);
	jsonline_set_number(object, "round_trips", r->round_trips);
	jsonline_set_number(object, "round_trip_ns", r->round_trip_ns);
	jsonline_set_text(object, "ack", r->lags ? "fsync" : "write");
	jsonline_set_number(object, "window_bytes", r->window_bytes);
	jsonline_set_number(object, "window_requests", r->window_requests);
	jsonline_set(to, "link", object);
}

static json_t *
replica_object(const struct status_replica *r)
{
	json_t *object = json_object();

	jsonline_set_name(object, "path", r->path);
	set_uuid(object, "uuid", &r->uuid);
	jsonline_set_text(object, "state", status_state_name(r->state));
	jsonline_set_number(object, "since", (uint64_t)r->since);
	jsonline_set_flag(object, "since_mount", r->before);
	if (r->state != STATUS_IN_SYNC)
		set_lack(object, r);
	if (r->far)
		set_link(object, r);
	set_work(object, "reads", r->reads);
	set_work(object, "writes", r->writes);
	set_work(object, "reads_per_second", r->read_rate);
	set_work(object, "writes_per_second", r->write_rate);
	jsonline_set_number(object, "read_latency_ns", r->latency_ns);
	jsonline_set_number(object, "reads_in_flight", r->in_flight);
	jsonline_set_number(object, "bad_blocks", r->blocks_bad);
	jsonline_set_number(object, "mended", r->mended);
	if (r->space_known)
		set_space(object, r);
	return object;
}

static json_t *
pending_object(const struct volume_status *s)
{
	json_t *object = json_object();

	jsonline_set_number(object, "to_store", s->to_store);
	jsonline_set_number(object, "to_prove", s->to_prove);
	jsonline_set_number(object, "dirty_regions", s->regions_dirty);
	return object;
}

static json_t *
reconciling_object(const struct volume_status *s)
{
	json_t *object = json_object();

	jsonline_set_number(object, "regions_left", s->regions_left);
	jsonline_set_number(object, "names_done", s->names_done);
	jsonline_set_number(object, "files_done", s->files_done);
	return object;
}

static json_t *
status_line(const struct volume_status *s, const char *mountpoint)
{
	static const char *const policies[] = {
		[VOLUME_READ_AUTO] = "auto", [VOLUME_READ_FIRST] = "first", [VOLUME_READ_ROUND_ROBIN] = "round-robin",
	};
	json_t *line = jsonline_new("status"), *replicas = json_array();
	uint64_t mended = 0;
	unsigned i;

	for (i = 0; i < s->count; i++) {
		mended += s->replicas[i].mended;
		(void)json_array_append_new(replicas, replica_object(&s->replicas[i]));
	}
	jsonline_set_name(line, "mountpoint", mountpoint);
	set_uuid(line, "volume", &s->uuid);
	jsonline_set_text(line, "codec", digest_codec_name(s->codec));
	jsonline_set_text(line, "read", policies[s->read_policy]);
	jsonline_set_flag(line, "read_only", s->read_only);
	jsonline_set_flag(line, "degraded", s->in_sync < s->count);
	jsonline_set_number(line, "replica_count", s->count);
	jsonline_set_number(line, "in_sync", s->in_sync);
	jsonline_set_number(line, "redundancy_left", s->in_sync > 0 ? s->in_sync - 1 : 0);
	jsonline_set_number(line, "min_replicas", s->min_replicas);
	jsonline_set_number(line, "since", (uint64_t)s->since);
	jsonline_set_number(line, "mounted_since", (uint64_t)s->mounted_since);
	jsonline_set_number(line, "mended", mended);
	jsonline_set_number(line, "unmendable_blocks", s->unmendable);
	jsonline_set_number(line, "files_in_use", s->files_in_use);
	jsonline_set(line, "pending", pending_object(s));
	if (s->reconciling)
		jsonline_set(line, "reconciling", reconciling_object(s));
	jsonline_set(line, "replicas", replicas);
	return line;
}

int
control_status(struct control_request *request)
{
	struct volume_status status;
	bool degraded;

	if (volume_status(request->volume, &status) != 0)
		return control_fail(request, "out of memory");
	degraded = status.in_sync < status.count;
	jsonline_write(request->out, status_line(&status, request->mountpoint));
	status_free(&status);
	return degraded ? CONTROL_DEGRADED : CONTROL_DONE;
}
