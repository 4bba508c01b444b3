#include "control/metrics.h"

#include <inttypes.h>
#include <stdlib.h>

#include "control/request.h"
#include "util/text.h"

struct page {
	FILE *out;
	const char *mountpoint;
	const struct volume_status *status;
};

/* A label's value: UTF-8, with its quotes and backslashes escaped; what is not UTF-8 becomes \ooo first. */
static void
write_label(FILE *out, const char *name, const char *bytes)
{
	json_t *valid = json_string(bytes);
	char *escaped = NULL;
	size_t len;
	FILE *text;

	if (valid == NULL && (text = open_memstream(&escaped, &len)) != NULL) {
		text_escape(text, bytes);
		(void)fclose(text);
		bytes = escaped;
	}
	fprintf(out, "%s=\"", name);
	for (; bytes != NULL && *bytes != '\0'; bytes++) {
		if (*bytes == '\n')
			fputs("\\n", out);
		else if (*bytes == '"' || *bytes == '\\')
			fprintf(out, "\\%c", *bytes);
		else
			fputc(*bytes, out);
	}
	fputc('"', out);
	free(escaped);
	json_decref(valid);
}

static void
write_head(const struct page *p, const char *name, const char *type, const char *help)
{
	fprintf(p->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A sample up to its value; ${r} NULL: of the volume. */
static void
write_labels(const struct page *p, const char *name, const struct status_replica *r)
{
	fprintf(p->out, "%s{", name);
	write_label(p->out, "mountpoint", p->mountpoint);
	if (r != NULL) {
		fputc(',', p->out);
		write_label(p->out, "replica", r->path);
	}
	fputs("} ", p->out);
}

static void
write_one(const struct page *p, const char *name, const char *type, const char *help, uint64_t value)
{
	write_head(p, name, type, help);
	write_labels(p, name, NULL);
	fprintf(p->out, "%" PRIu64 "\n", value);
}

/* One sample a replica; ${value} may say that it has none. */
typedef bool replica_value(const struct status_replica *r, uint64_t *value);

static void
write_each(const struct page *p, const char *name, const char *type, const char *help, replica_value *value)
{
	const struct status_replica *r;
	uint64_t number;

	write_head(p, name, type, help);
	for (r = p->status->replicas; r < p->status->replicas + p->status->count; r++) {
		if (!value(r, &number))
			continue;
		write_labels(p, name, r);
		fprintf(p->out, "%" PRIu64 "\n", number);
	}
}

#define VALUE(name, has, what)							\
	static bool								\
	value_##name(const struct status_replica *r, uint64_t *value)		\
	{									\
		*value = (what);						\
		return (has);							\
	}
VALUE(in_sync, true, r->state == STATUS_IN_SYNC)
VALUE(since, true, (uint64_t)r->since)
VALUE(reads, true, r->reads.count)
VALUE(read_bytes, true, r->reads.bytes)
VALUE(writes, true, r->writes.count)
VALUE(written_bytes, true, r->writes.bytes)
VALUE(in_flight, true, r->in_flight)
VALUE(bad, true, r->blocks_bad)
VALUE(mended, true, r->mended)
VALUE(missed, true, r->missed)
VALUE(walk, true, r->walk)
VALUE(resync_done, r->state == STATUS_RESYNCING, r->resync_done)
VALUE(resync_total, r->state == STATUS_RESYNCING, r->resync_total)
VALUE(linked, r->far, r->linked)
VALUE(wire_in, r->far, r->wire_in)
VALUE(wire_out, r->far, r->wire_out)
VALUE(round_trips, r->far, r->round_trips)
VALUE(window_bytes, r->far, r->window_bytes)
VALUE(window_requests, r->far, r->window_requests)
VALUE(space_total, r->space_known, r->space_total)
VALUE(space_free, r->space_known, r->space_free)
VALUE(inodes_total, r->space_known && r->inodes_total > 0, r->inodes_total)
VALUE(inodes_free, r->space_known && r->inodes_total > 0, r->inodes_free)
#undef VALUE

static void
write_volume(const struct page *p)
{
	const struct volume_status *s = p->status;

	write_one(p, "mendfs_replicas", "gauge", "Replicas that the volume has.", s->count);
	write_one(p, "mendfs_replicas_in_sync", "gauge", "Replicas that have all that was acknowledged.", s->in_sync);
	write_one(p, "mendfs_degraded", "gauge", "1 if a replica is not in sync.", s->in_sync < s->count);
	write_one(p, "mendfs_read_only", "gauge", "1 if the volume cannot be written to.", s->read_only);
	write_one(p, "mendfs_mounted_timestamp_seconds", "gauge", "When it was mounted, in seconds since 1970.", (uint64_t)s->mounted_since);
	write_one(p, "mendfs_redundancy_timestamp_seconds", "gauge",
	    "Since when redundancy is what it is, in seconds since 1970.", (uint64_t)s->since);
	write_one(p, "mendfs_unmendable_blocks_total", "counter",
	    "Different blocks that were read and match their checksum on no replica.", s->unmendable);
	write_one(p, "mendfs_records_to_store", "gauge", "Files and directories whose record waits to be written.", s->to_store);
	write_one(p, "mendfs_files_to_prove", "gauge", "Files that wait for the patrol.", s->to_prove);
	write_one(p, "mendfs_files_in_use", "gauge", "Files that are open on the replicas.", s->files_in_use);
	write_one(p, "mendfs_dirty_regions", "gauge", "Regions of 1024 files that an unclean stop now would have reconciled.", s->regions_dirty);
	write_one(p, "mendfs_reconciling", "gauge", "1 while it is made good what an unclean stop left.", s->reconciling);
	write_one(p, "mendfs_unreconciled_regions", "gauge", "Regions that were dirty at the mount and are not let go yet.", s->regions_left);
}

static void
write_seconds(const struct page *p, const char *name, const struct status_replica *r, uint64_t ns)
{
	write_labels(p, name, r);
	fprintf(p->out, "%" PRIu64 ".%09" PRIu64 "\n", ns / 1000000000, ns % 1000000000);
}

static void
write_latency(const struct page *p)
{
	const char *name = "mendfs_replica_read_latency_seconds";
	const struct status_replica *r;

	write_head(p, name, "gauge", "Moving average of the time that a read takes there.");
	for (r = p->status->replicas; r < p->status->replicas + p->status->count; r++)
		write_seconds(p, name, r, r->latency_ns);
}

/* Of those that are on other machines; where there is none nothing is said of connections. */
static void
write_links(const struct page *p)
{
	const char *name = "mendfs_replica_link_round_trip_seconds";
	const struct status_replica *r;
	bool any = false;

	for (r = p->status->replicas; r < p->status->replicas + p->status->count; r++)
		any = any || r->far;
	if (!any)
		return;
	write_each(p, "mendfs_replica_link_up", "gauge", "1 if there is a connection to it.", value_linked);
	write_each(p, "mendfs_replica_link_received_bytes_total", "counter", "Bytes that came by the connection, since it was made.", value_wire_in);
	write_each(p, "mendfs_replica_link_sent_bytes_total", "counter", "Bytes that went by the connection, since it was made.", value_wire_out);
	write_each(p, "mendfs_replica_link_round_trips_total", "counter", "How often an answer was waited for.", value_round_trips);
	write_each(p, "mendfs_replica_link_window_bytes", "gauge", "Bytes that it may lack still of what was acknowledged.", value_window_bytes);
	write_each(p, "mendfs_replica_link_window_requests", "gauge", "Requests that it has not confirmed, of what was acknowledged.", value_window_requests);
	write_head(p, name, "gauge", "Moving average of the time from a request to its answer.");
	for (r = p->status->replicas; r < p->status->replicas + p->status->count; r++) {
		if (r->far)
			write_seconds(p, name, r, r->round_trip_ns);
	}
}

static void
write_replicas(const struct page *p)
{
	write_each(p, "mendfs_replica_in_sync", "gauge", "1 if it has all that was acknowledged.", value_in_sync);
	write_each(p, "mendfs_replica_state_timestamp_seconds", "gauge",
	    "Since when it is in sync, or not, in seconds since 1970.", value_since);
	write_each(p, "mendfs_replica_reads_total", "counter", "Reads of data that were served from it.", value_reads);
	write_each(p, "mendfs_replica_read_bytes_total", "counter", "Bytes of data that were read from it for these.", value_read_bytes);
	write_each(p, "mendfs_replica_writes_total", "counter", "Writes of data to it.", value_writes);
	write_each(p, "mendfs_replica_written_bytes_total", "counter", "Bytes of data that were written to it.", value_written_bytes);
	write_each(p, "mendfs_replica_reads_in_flight", "gauge", "Reads that it has not answered yet.", value_in_flight);
	write_latency(p);
	write_links(p);
	write_each(p, "mendfs_replica_bad_blocks_total", "counter", "Blocks on it that did not match their checksum.", value_bad);
	write_each(p, "mendfs_replica_mended_total", "counter", "Blocks, records, lengths and names on it that were put right.", value_mended);
	write_each(p, "mendfs_replica_missed", "gauge", "Files and directories that it is known to miss.", value_missed);
	write_each(p, "mendfs_replica_missed_unknown", "gauge", "1 if it may miss more, and is to be compared as a whole.", value_walk);
	write_each(p, "mendfs_replica_resync_done", "gauge", "Files and directories that its resync has brought up to date.", value_resync_done);
	write_each(p, "mendfs_replica_resync_expected", "gauge", "Files and directories that its resync is to look at.", value_resync_total);
	write_each(p, "mendfs_replica_size_bytes", "gauge", "Size of its file system.", value_space_total);
	write_each(p, "mendfs_replica_avail_bytes", "gauge", "Room on its file system.", value_space_free);
	write_each(p, "mendfs_replica_inodes", "gauge", "Inodes of its file system.", value_inodes_total);
	write_each(p, "mendfs_replica_inodes_avail", "gauge", "Free inodes of its file system.", value_inodes_free);
}

void
metrics_write(FILE *out, const char *mountpoint, const struct volume_status *status)
{
	const struct page page = { out, mountpoint, status };

	write_volume(&page);
	write_replicas(&page);
}

int
control_metrics(struct control_request *request)
{
	struct volume_status status;
	char *text = NULL;
	size_t len = 0;
	json_t *line;
	FILE *out;

	if (volume_status(request->volume, &status) != 0)
		return control_fail(request, "out of memory");
	if ((out = open_memstream(&text, &len)) != NULL) {
		metrics_write(out, request->mountpoint, &status);
		if (fclose(out) != 0) {
			free(text);
			text = NULL;
		}
	}
	status_free(&status);
	if (text == NULL)
		return control_fail(request, "out of memory");
	line = jsonline_new("metrics");
	jsonline_set_text(line, "text", text);
	free(text);
	jsonline_write(request->out, line);
	return CONTROL_DONE;
}
