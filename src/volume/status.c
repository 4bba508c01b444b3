#include "volume/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "replica/peer.h"
#include "util/clock.h"
#include "volume/missed.h"
#include "volume/state.h"

#define SAMPLES 8		/* a second apart: what rates are taken over */
#define NS 1000000000

/* Counters as they were. */
struct sample {
	uint64_t ms;
	struct status_work reads[VOLUME_REPLICAS_MAX], writes[VOLUME_REPLICAS_MAX];
	uint64_t resynced[VOLUME_REPLICAS_MAX];
};

struct status_samples {
	struct sample ring[SAMPLES];	/* status lock */
	uint64_t taken;
};

static void
read_counters(struct member *m, struct status_work *reads, struct status_work *writes)
{
	reads->count = atomic_load_explicit(&m->reads, memory_order_relaxed);
	reads->bytes = atomic_load_explicit(&m->read_bytes, memory_order_relaxed);
	writes->count = atomic_load_explicit(&m->writes, memory_order_relaxed);
	writes->bytes = atomic_load_explicit(&m->written_bytes, memory_order_relaxed);
}

static void
look_at_space(struct member *m)
{
	struct statvfs st;

	if (!member_in_sync(m) || m->r->ops->statfs(m->r, &st) != 0)
		return;
	atomic_store(&m->space_free, (uint64_t)st.f_bavail * st.f_frsize);
	atomic_store(&m->inodes_total, st.f_files);
	atomic_store(&m->inodes_free, st.f_favail);
	/* Last: 0 means that nothing is known yet. */
	atomic_store(&m->space_total, (uint64_t)st.f_blocks * st.f_frsize);
}

void
status_sample(struct volume *v)
{
	struct sample *sample;
	struct member *m;

	for (m = v->members; m < v->members + v->member_count; m++)
		look_at_space(m);
	pthread_mutex_lock(&v->status_lock);
	sample = &v->samples->ring[v->samples->taken++ % SAMPLES];
	sample->ms = clock_monotonic_ms();
	for (m = v->members; m < v->members + v->member_count; m++) {
		read_counters(m, &sample->reads[m->index], &sample->writes[m->index]);
		sample->resynced[m->index] = atomic_load(&m->resync_done);
	}
	pthread_mutex_unlock(&v->status_lock);
}

static int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * NS + now.tv_nsec;
}

int
status_start(struct volume *v)
{
	v->mounted_since = now_ns();
	if ((v->samples = calloc(1, sizeof(*v->samples))) == NULL)
		return -ENOMEM;
	status_sample(v);
	return 0;
}

void
status_release(struct volume *v)
{
	free(v->samples);
	pthread_mutex_destroy(&v->status_lock);
}

static struct status_work
rate(struct status_work now, struct status_work before, uint64_t ms)
{
	return (struct status_work){ (now.count - before.count) * 1000 / ms, (now.bytes - before.bytes) * 1000 / ms };
}

/* Over the time since the oldest sample. */
static void
take_rates(struct volume *v, struct volume_status *s)
{
	const struct sample *oldest;
	struct status_replica *r;
	uint64_t ms;
	unsigned i;

	pthread_mutex_lock(&v->status_lock);
	oldest = &v->samples->ring[v->samples->taken > SAMPLES ? v->samples->taken % SAMPLES : 0];
	ms = clock_monotonic_ms() - oldest->ms;
	for (i = 0; i < s->count && ms > 0; i++) {
		r = &s->replicas[i];
		r->read_rate = rate(r->reads, oldest->reads[r->index], ms);
		r->write_rate = rate(r->writes, oldest->writes[r->index], ms);
		/* A walk, and the next attempt, count from 0 again. */
		if (r->resync_done > oldest->resynced[r->index])
			r->resync_rate = (r->resync_done - oldest->resynced[r->index]) * 1000 / ms;
	}
	pthread_mutex_unlock(&v->status_lock);
}

/* What a log of an earlier mount has for it, besides the nodes that are noted; and what is not known by name. */
static void
take_lack(struct volume *v, struct member *m, struct status_replica *r)
{
	size_t i;

	pthread_mutex_lock(&v->missed_lock);
	r->missed = v->missed_count[m->index];
	for (i = 0; i < m->lack.pending.count; i++)
		r->missed += m->lack.pending.entries[i].missed || m->lack.pending.entries[i].suspect;
	r->everything = m->lack.everything;
	r->walk = m->lack.walk || m->lack.everything;
	r->wants_room = atomic_load(&m->wants_room);
	pthread_mutex_unlock(&v->missed_lock);
	if (r->state != STATUS_RESYNCING)
		return;
	r->resync_done = atomic_load(&m->resync_done);
	r->resync_estimated = atomic_load(&m->resync_walks);
	r->walk = r->walk || r->resync_estimated;
	/* What changes meanwhile is another round's; a guess that has proved too low is none. */
	r->resync_total = atomic_load(&m->resync_total) + (r->resync_estimated ? 0 : r->missed);
	if (r->resync_total < r->resync_done)
		r->resync_total = r->resync_done;
}

static void
take_since(const struct volume *v, struct member *m, struct status_replica *r)
{
	int64_t since = r->state == STATUS_IN_SYNC ? atomic_load(&m->synced_since) : atomic_load(&m->away_since);

	r->before = since < v->mounted_since;
	r->since = (r->before ? v->mounted_since : since) / NS;
}

static void
take_space(struct member *m, struct status_replica *r)
{
	r->space_total = atomic_load(&m->space_total);
	r->space_known = r->space_total > 0;
	r->space_free = atomic_load(&m->space_free);
	r->inodes_total = atomic_load(&m->inodes_total);
	r->inodes_free = atomic_load(&m->inodes_free);
}

/* Of one that is far away: its connection, or the last one. */
static int
take_link(struct volume *v, struct member *m, const struct replica *replica, struct status_replica *r)
{
	struct peer_counters link;
	int rc = 0;

	/* One that was given up stays until the volume is closed. */
	peer_count(replica, &link);
	r->far = true;
	r->linked = link.alive;
	r->linked_since = atomic_load(&m->linked_since);
	r->wire_in = link.bytes_in;
	r->wire_out = link.bytes_out;
	r->round_trips = link.round_trips;
	r->round_trip_ns = link.latency_ns;
	r->lags = link.ack_fsync;
	r->window_bytes = link.window_bytes;
	r->window_requests = link.window_requests;
	if (link.alive)
		return 0;
	pthread_mutex_lock(&v->status_lock);
	if ((r->why_not = strdup(m->why_away[0] != '\0' ? m->why_away : strerror(link.error))) == NULL)
		rc = -ENOMEM;
	pthread_mutex_unlock(&v->status_lock);
	return rc;
}

static int
take_replica(struct volume *v, struct member *m, struct status_replica *r)
{
	static const enum status_state states[] = {
		[MEMBER_IN_SYNC] = STATUS_IN_SYNC, [MEMBER_AWAY] = STATUS_AWAY,
		[MEMBER_BACK] = STATUS_BACK, [MEMBER_RESYNCING] = STATUS_RESYNCING,
		[MEMBER_REMOVED] = STATUS_AWAY,	/* just now: it is not looked at again */
	};
	/* The keeper may be putting another in its place, which has the same path. */
	const struct replica *replica = __atomic_load_n(&m->r, __ATOMIC_ACQUIRE);

	if ((r->path = strdup(replica != NULL ? replica->path : m->name)) == NULL)
		return -ENOMEM;
	r->index = m->index;
	r->uuid = m->uuid;
	r->state = states[atomic_load(&m->state)];
	take_since(v, m, r);
	if (r->state != STATUS_IN_SYNC)
		take_lack(v, m, r);
	read_counters(m, &r->reads, &r->writes);
	r->latency_ns = atomic_load(&m->latency_ns);
	r->in_flight = atomic_load(&m->in_flight);
	r->blocks_bad = atomic_load(&m->blocks_bad);
	r->mended = atomic_load(&m->mended);
	take_space(m, r);
	if (replica != NULL && replica->far && peer_is(replica))
		return take_link(v, m, replica, r);
	return 0;
}

static void
take_pending(struct volume *v, struct volume_status *s)
{
	pthread_mutex_lock(&v->dirty_lock);
	s->to_store = v->dirty_count;
	s->to_prove = v->patrol_count;
	s->files_in_use = v->files_count;
	pthread_mutex_unlock(&v->dirty_lock);
	s->regions_dirty = intent_count(v->intent);
	s->reconciling = atomic_load(&v->reconciling);
	if (v->was_unclean) {
		s->regions_left = intent_any(v->intent);
		s->names_done = atomic_load(&v->walked_names);
		s->files_done = atomic_load(&v->walked_files);
	}
}

/* All there: since the last one joined; else since the first one of those that lack went. */
static int64_t
redundancy_since(const struct volume_status *s)
{
	const struct status_replica *r;
	bool all = s->in_sync == s->count;
	int64_t since = all ? s->mounted_since : INT64_MAX;

	for (r = s->replicas; r < s->replicas + s->count; r++) {
		if (all ? r->since > since : r->state != STATUS_IN_SYNC && r->since < since)
			since = r->since;
	}
	return since;
}

int
volume_status(struct volume *v, struct volume_status *s)
{
	struct status_replica *r;
	unsigned i;
	int rc = 0;

	memset(s, 0, sizeof(*s));
	s->uuid = v->uuid;
	s->codec = v->digest.codec;
	s->read_policy = v->read_policy;
	s->read_only = volume_read_only(v);
	s->min_replicas = v->min_replicas;
	s->mounted_since = v->mounted_since / NS;
	s->unmendable = atomic_load(&v->blocks_lost);
	for (i = 0; rc == 0 && i < v->member_count; i++) {
		if (member_removed(&v->members[i]))
			continue;
		r = &s->replicas[s->count++];
		rc = take_replica(v, &v->members[i], r);
		s->in_sync += r->state == STATUS_IN_SYNC;
	}
	if (rc != 0) {
		status_free(s);
		return rc;
	}
	s->since = redundancy_since(s);
	take_rates(v, s);
	take_pending(v, s);
	return 0;
}

void
status_free(struct volume_status *s)
{
	unsigned i;

	for (i = 0; i < s->count; i++) {
		free(s->replicas[i].path);
		free(s->replicas[i].why_not);
	}
	s->count = 0;
}

const char *
status_state_name(enum status_state state)
{
	static const char *const names[] = { "in-sync", "away", "back", "resyncing" };

	return names[state];
}
