#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "format/roster.h"
#include "meta/label.h"
#include "meta/pending.h"
#include "replica/guard.h"
#include "replica/peer.h"
#include "util/log.h"
#include "util/stall.h"
#include "volume/events.h"
#include "volume/members.h"
#include "volume/missed.h"
#include "volume/volume.h"

/* Ids that a label takes in advance: one write of the labels for as many new files. */
#define IDS_RESERVED 65536

unsigned
members_in_sync(const struct volume *v)
{
	unsigned i, count = 0;

	for (i = 0; i < v->member_count; i++)
		count += member_in_sync(&v->members[i]);
	return count;
}

unsigned
members_count(const struct volume *v)
{
	unsigned i, count = 0;

	for (i = 0; i < v->member_count; i++)
		count += !member_removed(&v->members[i]);
	return count;
}

unsigned
members_near(const struct volume *v)
{
	const struct member *m;
	unsigned count = 0;

	for_each_member(v, m)
		count += !m->r->far;
	return count;
}

/* Those that are read from, as long as all is well: the ones on this machine, or all if there is none. */
static unsigned
readers(const struct volume *v)
{
	unsigned near = members_near(v);

	return near > 0 ? near : members_in_sync(v);
}

/* The ${nth} of them, counted from 0, or NULL. */
static struct member *
reader_nth(struct volume *v, unsigned nth)
{
	bool near = members_near(v) > 0;
	struct member *m;

	for_each_member(v, m) {
		if (near && m->r->far)
			continue;
		if (nth-- == 0)
			return m;
	}
	return NULL;
}

struct member *
members_first(struct volume *v)
{
	return reader_nth(v, 0);
}

struct member *
members_in_turn(struct volume *v, unsigned turn)
{
	unsigned count = readers(v);

	return count == 0 ? NULL : reader_nth(v, turn % count);
}

/* What a read takes there.  Of one that is far away it may be long since one was made, but what a message takes is known. */
static uint64_t
latency_of(const struct member *m)
{
	return peer_is(m->r) ? peer_latency(m->r) : atomic_load_explicit(&m->latency_ns, memory_order_relaxed);
}

struct member *
members_nearest(struct volume *v)
{
	struct member *best = NULL, *m;

	for_each_member(v, m) {
		if (!m->r->far)
			return m;
		if (best == NULL || latency_of(m) < latency_of(best))
			best = m;
	}
	return best;
}

/* What one more read would cost there: time of a read times those under way. */
static uint64_t
load_of(struct member *m)
{
	return (latency_of(m) + 1) * (atomic_load_explicit(&m->in_flight, memory_order_relaxed) + 1);
}

/*
 * Stay with the file's home, so that it is cached once, unless that one is
 * several times as busy or slow as another, be it far away.  Affinity is for the
 * sake of this machine's memory: a home that is far away is as far when it is idle.
 */
static struct member *
home_or_idle(struct volume *v, uint64_t id, unsigned count, enum members_reason *why)
{
	struct member *home, *m;

	*why = MEMBERS_HOME;
	if ((home = reader_nth(v, (unsigned)(id % count))) == NULL)
		return reader_nth(v, 0);
	if (!home->r->far && atomic_load_explicit(&home->in_flight, memory_order_relaxed) == 0)
		return home;
	for_each_member(v, m) {
		if (load_of(home) / 4 > load_of(m)) {
			*why = MEMBERS_LOAD;
			return m;
		}
	}
	return home;
}

struct member *
members_for_read(struct volume *v, uint64_t id)
{
	unsigned count = readers(v);
	enum members_reason why;

	if (count == 0)
		return NULL;
	if (v->read_policy == VOLUME_READ_FIRST)
		return reader_nth(v, 0);
	if (v->read_policy == VOLUME_READ_ROUND_ROBIN)
		return reader_nth(v, atomic_fetch_add(&v->turn, 1) % count);
	return home_or_idle(v, id, count, &why);
}

struct member *
members_would_read(struct volume *v, uint64_t id, enum members_reason *why)
{
	unsigned count = readers(v), in_sync = members_in_sync(v);
	struct member *m;

	*why = count == 0 ? MEMBERS_NONE : in_sync == 1 ? MEMBERS_ONLY : v->read_policy == VOLUME_READ_FIRST ? MEMBERS_FIRST : MEMBERS_TURN;
	if (count == 0)
		return NULL;
	if (*why != MEMBERS_TURN)
		return reader_nth(v, 0);
	if (v->read_policy == VOLUME_READ_ROUND_ROBIN)
		return reader_nth(v, atomic_load(&v->turn) % count);
	m = home_or_idle(v, id, count, why);
	/* Of all that are in sync it is the only one here. */
	if (*why == MEMBERS_HOME && count == 1)
		*why = MEMBERS_NEAR;
	return m;
}

/*
 * ${m} is not in sync any more.  Who sees so notes what he changes: noting
 * begins first.  Label lock.
 */
static void
drop(struct volume *v, struct member *m)
{
	missed_away(v, m);
	m->let_go = m->unfit = false;
	atomic_store(&m->state, MEMBER_AWAY);
	missed_begin(v, m);
}

/* The last one that may still answer is waited for on: it is all that is left. */
static bool
may_give_up(void *arg)
{
	struct member *m = arg, *other;
	struct volume *v = m->volume;
	bool others = !member_in_sync(m);

	pthread_mutex_lock(&v->give_up_lock);
	for_each_member(v, other)
		others = others || (other != m && !other->given_up);
	if (others)
		m->given_up = true;
	pthread_mutex_unlock(&v->give_up_lock);
	return others;
}

int
members_guard(struct volume *v, struct member *m, struct replica **r)
{
	const struct guard_options options = { .timeout_ms = v->timeout_ms, .device = (*r)->device, .everything = v->watch_all,
	    .may_give_up = may_give_up, .arg = m };

	pthread_mutex_lock(&v->give_up_lock);
	m->given_up = false;
	pthread_mutex_unlock(&v->give_up_lock);
	/* Its calls end by themselves. */
	if (peer_is(*r)) {
		peer_may_give_up(*r, may_give_up, m);
		return 0;
	}
	return v->timeout_ms == 0 ? 0 : guard_replica_new(*r, &options, r);
}

/* What could not be written is not so: the label is what stands on the disk still. */
static bool
label_take_back(struct member *m)
{
	struct label label;

	if (label_read(m->r, &label) != 0)
		return false;
	m->label = label;
	return true;
}

/* Nobody else could say that a replica was lost: nothing may change then, or the lost one would be taken for one in sync. */
static void
label_refused(struct volume *v, const struct member *m, int rc, int *refused)
{
	log_error("%s: cannot write the label: %s; free some space on that replica's file system%s", m->r->path, strerror(-rc),
	    refused == NULL ? ", and mount again: the volume is read-only until then" : "");
	if (refused != NULL)
		*refused = rc;
	else if (!atomic_exchange(&v->read_only, true))
		events_emit(v, &(struct event){ .kind = EVENT_READ_ONLY, .detail = "the last replica has no room for its label" });
}

/*
 * Write all labels in sync; returns how many members were lost over it.
 * ${refused}: one without room for it is not lost, but its error stands there
 * then; NULL: it is, for the labels have to say so; but not the last one.
 */
static unsigned
labels_write(struct volume *v, int *refused)
{
	/* Who hangs here would keep the label lock: no other could be lost any more. */
	bool before = guard_always(true);
	struct member *m;
	unsigned lost = 0;
	int rc;

	stall_ahead();
	for_each_member(v, m) {
		if ((rc = label_write(m->r, &m->label)) == 0)
			continue;
		if (replica_error_is_own(rc) && (refused != NULL || members_in_sync(v) == 1) && label_take_back(m)) {
			label_refused(v, m, rc, refused);
			continue;
		}
		log_error("%s: cannot write the label: %s; the replica is out of sync from now on",
		    m->r->path, strerror(-rc));
		drop(v, m);
		events_emit(v, &(struct event){ .kind = EVENT_REPLICA_LOST, .replica = m->r->path, .detail = strerror(-rc) });
		lost++;
	}
	(void)guard_always(before);
	return lost;
}

/* The uuids of all members in sync but ${joining}, and the number of the last event any of them has heard of. */
static unsigned
labels_survey(struct volume *v, const struct member *joining, struct uuid *uuids, uint64_t *base)
{
	const struct label *labels[VOLUME_REPLICAS_MAX];
	struct member *m;
	unsigned count = 0;

	for_each_member(v, m) {
		if (m == joining)
			continue;
		uuids[count] = m->label.replica;
		labels[count++] = &m->label;
	}
	*base = label_event_base(labels, count);
	return count;
}

/*
 * A crash may have cut the last event off: all begin that one before any
 * begins the next.  Returns how many members were lost over it.
 */
static unsigned
labels_catch_up(struct volume *v, const struct uuid *uuids, unsigned count, uint64_t base, int *refused)
{
	struct member *m;
	bool lagging = false;

	for_each_member(v, m) {
		if (m->label.events < base) {
			label_event_begin(&m->label, base - 1, uuids, count);
			lagging = true;
		}
	}
	return lagging ? labels_write(v, refused) : 0;
}

/* What a member in sync knows, as the label of one that joins. */
static void
label_take_over(struct volume *v, struct member *joining)
{
	struct label_member *own;
	struct member *m;

	for_each_member(v, m) {
		if (m == joining)
			continue;
		joining->label = m->label;
		joining->label.replica = joining->uuid;
		if ((own = label_member(&joining->label, &joining->uuid)) != NULL)
			own->seen = 0;
		return;
	}
}

/*
 * ${joining}: a member in sync that was not so at the last event, or NULL.
 * ${must}: it has happened already, and who cannot say so is lost.  Else an
 * error for want of room is returned; the labels are then as a crash might
 * have left them, which the next event makes up for.
 */
static int
labels_event_locked(struct volume *v, bool clean, struct member *joining, bool must)
{
	struct uuid uuids[VOLUME_REPLICAS_MAX];
	/* An unclean stop must not hand out an id again: more are taken than were used. */
	uint64_t next_id = atomic_load(&v->next_id) + (clean ? 0 : IDS_RESERVED), base;
	int refused = 0, *refusable = must ? NULL : &refused;
	struct member *m;
	unsigned count, lost;

	do {
		refused = 0;
		/* Lost again, or left alone: then there is nobody to be joined. */
		if (joining != NULL && (!member_in_sync(joining) || members_in_sync(v) == 1))
			joining = NULL;
		if (joining != NULL)
			label_take_over(v, joining);
		count = labels_survey(v, joining, uuids, &base);
		lost = labels_catch_up(v, uuids, count, base, refusable);

		/* Dirty regions are told by intent; until phase two the last state stands. */
		if (lost == 0 && refused == 0) {
			for_each_member(v, m)
				label_event_begin(&m->label, base, uuids, count);
			lost = labels_write(v, refusable);
		}
		if (lost == 0 && refused == 0) {
			if (joining != NULL)
				uuids[count++] = joining->uuid;
			for_each_member(v, m) {
				m->label.clean = clean;
				m->label.next_id = next_id;
				label_event_finish(&m->label, uuids, count);
			}
			/* One that has joined with some has joined. */
			lost = labels_write(v, joining != NULL ? NULL : refusable);
		}
		/* Whoever is lost over a write stands in the others' labels as in sync: have another event. */
		if (lost > 0)
			refusable = NULL;
	} while (lost > 0 && members_in_sync(v) > 0);
	if (refused == 0 && !clean)
		v->ids_reserved = next_id;
	return refused != 0 ? refused : members_in_sync(v) > 0 ? 0 : -EIO;
}

int
members_event(struct volume *v, bool clean)
{
	int rc;

	pthread_mutex_lock(&v->label_lock);
	rc = labels_event_locked(v, clean, NULL, false);
	pthread_mutex_unlock(&v->label_lock);
	return rc;
}

uint64_t
members_last_event(struct volume *v)
{
	struct member *m;
	uint64_t event = 0;

	pthread_mutex_lock(&v->label_lock);
	for_each_member(v, m) {
		if (m->label.events > event)
			event = m->label.events;
	}
	pthread_mutex_unlock(&v->label_lock);
	return event;
}

void
volume_replicas(struct volume *v, void (*call)(void *arg, const struct volume_replica *replica), void *arg)
{
	struct volume_replica replica;
	struct member *m;

	/* What is at its path may be another one at any time. */
	pthread_mutex_lock(&v->label_lock);
	for (m = v->members; m < v->members + v->member_count; m++) {
		if (member_removed(m))
			continue;
		replica = (struct volume_replica){ .name = m->name, .path = m->r != NULL ? m->r->path : NULL,
		    .in_sync = member_in_sync(m) };
		call(arg, &replica);
	}
	pthread_mutex_unlock(&v->label_lock);
}

void
members_wait(struct volume *v)
{
	if (!atomic_load(&v->hold))
		return;
	stall_ahead();
	pthread_mutex_lock(&v->hold_lock);
	while (atomic_load(&v->hold))
		pthread_cond_wait(&v->hold_ended, &v->hold_lock);
	pthread_mutex_unlock(&v->hold_lock);
}

void
members_hold(struct volume *v, bool hold)
{
	pthread_mutex_lock(&v->hold_lock);
	atomic_store(&v->hold, hold);
	if (!hold)
		pthread_cond_broadcast(&v->hold_ended);
	pthread_mutex_unlock(&v->hold_lock);
}

static void
lost_event(struct volume *v, const struct member *m, const char *why, const char *doing)
{
	char detail[192];

	snprintf(detail, sizeof(detail), "%s: %s", doing, why);
	events_emit(v, &(struct event){ .kind = EVENT_REPLICA_LOST, .replica = m->r->path, .detail = detail });
}

void
members_lose(struct volume *v, struct member *m, int error, const char *doing)
{
	char why[128];

	pthread_mutex_lock(&v->label_lock);
	if (member_in_sync(m)) {
		drop(v, m);
		if (error == -ETIMEDOUT)
			snprintf(why, sizeof(why), "no answer for %u s", (v->timeout_ms + 500) / 1000);
		else
			snprintf(why, sizeof(why), "%s", strerror(error < 0 ? -error : error));
		log_error("%s: failed while %s: %s; the volume goes on with %u of %u replicas; "
		    "check the device: when it is back, the replica is brought up to date by itself",
		    m->r->path, doing, why, members_in_sync(v), members_count(v));
		lost_event(v, m, why, doing);
		if (members_in_sync(v) > 0 && !v->no_writes)
			labels_event_locked(v, false, NULL, true);
		if (members_in_sync(v) < v->min_replicas && !atomic_exchange(&v->read_only, true)) {
			log_error("fewer than min-replicas=%u replicas are left: the volume is read-only now",
			    v->min_replicas);
			events_emit(v, &(struct event){ .kind = EVENT_READ_ONLY, .detail = "fewer than min-replicas are left" });
		}
	}
	pthread_mutex_unlock(&v->label_lock);
}

int
members_settle(struct volume *v, struct member *m, int rc, const char *doing)
{
	if (rc >= 0)
		return 0;
	/* Lost meanwhile: what it says counts no more. */
	if (!member_in_sync(m))
		return 1;
	if (replica_error_is_own(rc))
		return rc;
	members_lose(v, m, rc, doing);
	return 1;
}

/* One intent sector to all members in sync, in parallel where there are lanes. */
struct sector_job {
	struct lane_job job;
	struct member *m;
	enum intent_part part;
	uint32_t index;
	const uint8_t *sector;
	int rc;
};

static void
sector_run(struct lane_job *job)
{
	struct sector_job *s = (struct sector_job *)(void *)job;

	/* Whoever comes upon an unmarked region waits for this one. */
	bool before = guard_always(true);

	s->rc = intent_write_sector(s->m->r, s->part, s->index, s->sector);
	(void)guard_always(before);
}

static int
sector_write_all(void *arg, enum intent_part part, uint32_t index, const uint8_t *sector)
{
	struct volume *v = arg;
	struct sector_job jobs[VOLUME_REPLICAS_MAX];
	struct lane_batch batch;
	struct member *m;
	unsigned count = 0, i;
	int rc = 0;

	stall_ahead();
	lane_batch_init(&batch);
	for_each_member(v, m) {
		jobs[count] = (struct sector_job){ .job.run = sector_run, .m = m, .part = part, .index = index, .sector = sector };
		if (m->lane != NULL)
			lane_submit(m->lane, &jobs[count].job, &batch);
		else
			sector_run(&jobs[count].job);
		count++;
	}
	lane_batch_wait(&batch);

	for (i = 0; i < count; i++) {
		int one = members_settle(v, jobs[i].m, jobs[i].rc, "writing the intent bitmap");

		if (one < 0)
			rc = one;
	}
	return rc != 0 ? rc : members_in_sync(v) > 0 ? 0 : -EIO;
}

int
members_mark(struct volume *v, const uint64_t *ids, size_t count)
{
	return count == 0 ? 0 : intent_mark(v->intent, ids, count, sector_write_all, v);
}

/* The labels say, durably, that ids up to ${id} and some more may be in use. */
static int
ids_reserve(struct volume *v, uint64_t id)
{
	struct member *m;
	unsigned lost = 0;
	int refused = 0;

	pthread_mutex_lock(&v->label_lock);
	if (id >= v->ids_reserved) {
		for_each_member(v, m)
			m->label.next_id = id + IDS_RESERVED;
		lost = labels_write(v, &refused);
		if (refused == 0)
			v->ids_reserved = id + IDS_RESERVED;
		if (lost > 0 && members_in_sync(v) > 0)
			labels_event_locked(v, false, NULL, true);
	}
	pthread_mutex_unlock(&v->label_lock);
	return refused != 0 ? refused : members_in_sync(v) > 0 ? 0 : -EIO;
}

int
members_next_id(struct volume *v, uint64_t *id)
{
	uint64_t new = atomic_fetch_add(&v->next_id, 1);
	int rc;

	if (new >= atomic_load(&v->ids_reserved) && (rc = ids_reserve(v, new)) != 0)
		return rc;
	*id = new;
	return 0;
}

static int
sync_all(void *arg)
{
	struct volume *v = arg;

	return volume_sync(v);
}

int
members_sweep(struct volume *v)
{
	return intent_sweep(v->intent, sync_all, sector_write_all, v);
}

struct joining { struct volume *v; struct member *m; };

static int
sector_write_one(void *arg, enum intent_part part, uint32_t index, const uint8_t *sector)
{
	struct joining *j = arg;

	return intent_write_sector(j->m->r, part, index, sector);
}

static int
join_now(void *arg)
{
	struct joining *j = arg;
	struct volume *v = j->v;
	int rc = -EAGAIN;

	pthread_mutex_lock(&v->label_lock);
	/* In sync before the labels say so: whatever changes from here on reaches it. */
	if (missed_join(v, j->m)) {
		rc = labels_event_locked(v, false, j->m, false);
		/* A member without room has not heard of it. */
		if (rc != 0 && member_in_sync(j->m))
			drop(v, j->m);
		if (rc == 0 && !member_in_sync(j->m))
			rc = -EIO;
	}
	pthread_mutex_unlock(&v->label_lock);
	return rc;
}

int
members_join(struct volume *v, struct member *m)
{
	struct joining j = { v, m };
	int rc;

	if ((rc = intent_reset(m->r)) != 0)
		return rc;
	return intent_join(v->intent, sector_write_one, join_now, &j);
}

int
members_enlist(struct volume *v, struct member *m)
{
	struct member *s;
	int rc;

	pthread_mutex_lock(&v->label_lock);
	for_each_member(v, s)
		(void)roster_add(&s->label, &m->uuid, m->name);
	rc = labels_event_locked(v, false, NULL, true);
	pthread_mutex_unlock(&v->label_lock);
	return rc;
}

/* What is left of it says so itself; it may be out of reach. */
static void
label_removed(struct member *m)
{
	m->label.write_features = LABEL_REMOVED;
	m->label.read_features = 0;
	if (label_write(m->r, &m->label) != 0)
		log_info("%s: its own label cannot say that it was removed; those of the others do", m->r->path);
}

int
members_dismiss(struct volume *v, struct member *m)
{
	bool reachable;
	struct member *s;
	int rc;

	pthread_mutex_lock(&v->label_lock);
	reachable = m->r != NULL && atomic_load(&m->state) != MEMBER_AWAY;
	if (reachable)
		m->let_go = false;
	atomic_store(&m->state, MEMBER_REMOVED);
	missed_leave(v, m);
	for_each_member(v, s)
		roster_remove(&s->label, &m->uuid);
	if ((rc = labels_event_locked(v, false, NULL, true)) == 0) {
		for_each_member(v, s)
			(void)pending_remove(s->r, &m->uuid);
		if (reachable)
			label_removed(m);
	}
	pthread_mutex_unlock(&v->label_lock);
	return rc;
}
