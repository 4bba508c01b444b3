#include "volume/away.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "format/roster.h"
#include "meta/label.h"
#include "meta/meta.h"
#include "replica/guard.h"
#include "util/clock.h"
#include "util/log.h"
#include "volume/awaited.h"
#include "volume/events.h"
#include "volume/members.h"
#include "volume/missed.h"
#include "volume/nodes.h"
#include "volume/room.h"
#include "volume/status.h"
#include "volume/volume.h"

#define ROUND_MS 500		/* between two rounds */
#define CHECK_ROUNDS 2		/* members in sync are looked at once in so many */
#define PROBE_MS 2000		/* after so long a lost member is looked for */
#define PROBE_MAX_MS 60000	/* and at most so long later again, if it keeps failing */
#define OPEN_WAIT_MS 200		/* for a directory that may hang; it is looked for again next time */
#define TREE_WAIT_MS 1000	/* for the tree lock, which others wait behind us for */
#define FAR_MS 1000		/* a server that is not reached is asked after so long, twice as long, */
#define FAR_MAX_MS 30000	/* and so on up to that */
#define PROBE_FILE "probe"

int
away_open(struct member *m, bool no_writes)
{
	int rc;

	if ((rc = meta_open(m->r, false, &m->meta)) != 0)
		return rc;
	return meta_subdir(m->r, m->meta, "tags", !no_writes, &m->tags);
}

/* Want of room, which may last, is said once. */
static void
lost_say(struct member *m, int error)
{
	bool room = room_lacks(error);

	if (!room)
		log_warning("%s: failed while it was brought up to date: %s; that goes on when it is back", m->r->path, strerror(error));
	else if (!atomic_load(&m->wants_room))
		log_warning("%s: cannot be brought up to date for want of room: %s, or the reserve is reached; "
		    "free some space on that replica's file system, and it goes on by itself (at once with mendctl resync)",
		    m->r->path, strerror(error));
	atomic_store(&m->wants_room, room);
}

void
away_lost(struct volume *v, struct member *m, int error)
{
	pthread_mutex_lock(&v->label_lock);
	if (member_removed(m)) {
		pthread_mutex_unlock(&v->label_lock);
		return;
	}
	lost_say(m, error < 0 ? -error : error);
	m->let_go = m->unfit = false;
	m->wait_ms = m->wait_ms < PROBE_MAX_MS / 2 ? 2 * m->wait_ms + PROBE_MS : PROBE_MAX_MS;
	m->probe_ms = clock_monotonic_ms() + m->wait_ms;
	atomic_store(&m->state, MEMBER_AWAY);
	pthread_mutex_unlock(&v->label_lock);
}

/* What the directories keep open.  False: somebody uses one just now.  Tree lock, exclusively. */
bool
away_close_directories(struct volume *v, struct member *m)
{
	struct list_link *at;
	struct directory *d;
	bool all = true;

	pthread_mutex_lock(&v->dirs_lock);
	for (at = v->dirs.next; at != &v->dirs; at = at->next) {
		d = list_entry(at, struct directory, by_use);
		if (d->handle[m->index] == REPLICA_NONE)
			continue;
		if (d->pins > 0) {
			all = false;
			continue;
		}
		m->r->ops->dir_close(m->r, d->handle[m->index]);
		d->handle[m->index] = REPLICA_NONE;
	}
	pthread_mutex_unlock(&v->dirs_lock);
	return all;
}

/* What a node keeps open. Its lock, exclusively. */
static void
let_go_node(struct node *node, struct member *m)
{
	unsigned i = m->index;

	if (node->file != NULL && node->file->handle[i] >= 0)
		m->r->ops->close(m->r, node->file->handle[i]);
	if (node->file != NULL && node->file->tags_handle[i] >= 0)
		m->r->ops->close(m->r, node->file->tags_handle[i]);
	if (node->file != NULL)
		node->file->handle[i] = node->file->tags_handle[i] = REPLICA_NONE;
	if (node->pins != NULL && node->pins[i] != REPLICA_NONE) {
		m->r->ops->dir_close(m->r, node->pins[i]);
		node->pins[i] = REPLICA_NONE;
	}
}

/*
 * Nobody begins anything with a member that is away; who is still at it holds
 * the tree lock, or the node's.  False: somebody does, try again later.
 */
bool
away_close_files(struct volume *v, struct member *m)
{
	struct node *node = NULL;
	bool all = true;

	while ((node = nodes_next(v, node)) != NULL) {
		if (node->file == NULL && node->pins == NULL)
			continue;
		if (pthread_rwlock_trywrlock(&node->lock) != 0) {
			all = false;
			continue;
		}
		let_go_node(node, m);
		pthread_rwlock_unlock(&node->lock);
	}
	return all;
}

static void
let_go(struct volume *v, struct member *m)
{
	struct replica **retired;
	struct timespec until;
	bool all;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += TREE_WAIT_MS / 1000;
	if (pthread_rwlock_timedwrlock(&v->tree, &until) != 0)
		return;
	all = away_close_directories(v, m);
	all = away_close_files(v, m) && all;
	pthread_rwlock_unlock(&v->tree);
	if (!all)
		return;

	if ((retired = realloc(m->retired, (m->retired_count + 1) * sizeof(*retired))) == NULL)
		return;
	m->retired = retired;
	if (m->tags != REPLICA_NONE)
		m->r->ops->dir_close(m->r, m->tags);
	if (m->meta != REPLICA_NONE)
		m->r->ops->dir_close(m->r, m->meta);
	m->meta = m->tags = REPLICA_NONE;
	m->r->ops->retire(m->r, false);
	m->let_go = true;
	if (m->probe_ms < clock_monotonic_ms() + PROBE_MS / 2)
		m->probe_ms = clock_monotonic_ms() + PROBE_MS / 2;
}

/* Can something be written there, and made durable? */
static int
try_writing(struct replica *r)
{
	replica_handle meta;
	int rc;

	if ((rc = meta_open(r, false, &meta)) != 0)
		return rc;
	if ((rc = meta_replace_file(r, meta, PROBE_FILE, "?", 1)) == 0)
		rc = r->ops->unlink(r, meta, PROBE_FILE, false);
	r->ops->dir_close(r, meta);
	return rc;
}

/* Say once why what stands there is not taken in. */
static void
unfit(struct member *m, const char *why)
{
	if (!m->unfit)
		log_warning("%s: %s; it is left alone", m->r->path, why);
	m->unfit = true;
}

/* Is it the replica that was lost, and may it be resynced? */
static bool
is_fit(struct volume *v, struct member *m, const struct label *label, bool *everything)
{
	const struct label_member *seen;
	enum label_relation relation = LABEL_STRANGERS;
	struct member *s;

	if (!uuid_equal(&label->replica, &m->uuid) || !uuid_equal(&label->volume, &m->label.volume)) {
		unfit(m, "another replica stands there now");
		return false;
	}
	if (roster_removed(label)) {
		unfit(m, "it was removed from the volume");
		return false;
	}
	if (label->read_features != 0 || label->write_features != 0) {
		unfit(m, "its label is of a later version");
		return false;
	}
	*everything = false;
	for_each_member(v, s) {
		pthread_mutex_lock(&v->label_lock);
		relation = label_relate(&s->label, label);
		seen = label_member(&s->label, &m->uuid);
		/* It may have begun the event at which it was lost; whatever else it says, it was somewhere else. */
		if (seen == NULL || label->events > seen->seen + 1)
			*everything = true;
		pthread_mutex_unlock(&v->label_lock);
		if (relation == LABEL_B_ROLLED_BACK)
			*everything = true;
		if (relation == LABEL_FORKED || relation == LABEL_A_BEHIND || relation == LABEL_A_ROLLED_BACK ||
		    relation == LABEL_STRANGERS) {
			unfit(m, "it was changed without the others (a fork); unmount the volume, and say with mendctl resolve which is to be kept");
			return false;
		}
	}
	return true;
}

/* Not there, or not to be had; ${why}: nothing new is known of that. */
static void
unreached(struct volume *v, struct member *m, const char *why)
{
	pthread_mutex_lock(&v->status_lock);
	if (*why != '\0')
		(void)snprintf(m->why_away, sizeof(m->why_away), "%s", why);
	pthread_mutex_unlock(&v->status_lock);
	/* A directory is looked for at little cost; a server is asked less and less often. */
	if (m->r->far && *why != '\0')
		m->wait_ms = m->wait_ms == 0 ? FAR_MS : m->wait_ms < FAR_MAX_MS / 2 ? 2 * m->wait_ms : FAR_MAX_MS;
}

/* Open what stands at the member's path, and look at it.  True: ${*out} is it, locked. */
static bool
probe_open(struct volume *v, struct member *m, struct replica **out, struct label *label, bool *everything)
{
	char why[REPLICA_OPEN_WHY_MAX] = "";
	const struct replica_open_options opening = { .peer = v->peer, .why = why };
	struct replica *r;
	int rc;

	/* In use as long as a call of ours is still stuck there: that one may yet have its effect. */
	if (guard_open(&m->opening, m->r->path, &opening, OPEN_WAIT_MS, &r) != 0) {
		unreached(v, m, why);
		return false;
	}
	if ((rc = members_guard(v, m, &r)) == 0 && (rc = label_read(r, label)) == 0 && is_fit(v, m, label, everything) &&
	    try_writing(r) == 0) {
		*out = r;
		return true;
	}
	if (rc == -ENOENT)
		unfit(m, "a directory without a label stands there now");
	r->ops->free(r);
	return false;
}

static void
probe(struct volume *v, struct member *m)
{
	bool everything = false;
	struct label label;
	struct replica *r;

	if (!probe_open(v, m, &r, &label, &everything)) {
		m->probe_ms = clock_monotonic_ms() + (m->r->far && m->wait_ms > 0 ? m->wait_ms : PROBE_MS);
		return;
	}
	pthread_mutex_lock(&v->label_lock);
	if (member_removed(m)) {
		pthread_mutex_unlock(&v->label_lock);
		r->ops->free(r);
		return;
	}
	m->retired[m->retired_count++] = m->r;
	/* volume/status looks without a lock: it may as well see the old one, which stays. */
	__atomic_store_n(&m->r, r, __ATOMIC_RELEASE);
	m->label = label;
	atomic_fetch_add(&m->returns, 1);
	pthread_mutex_unlock(&v->label_lock);
	atomic_store(&m->linked_since, (int64_t)time(NULL));
	pthread_mutex_lock(&v->status_lock);
	m->why_away[0] = '\0';
	pthread_mutex_unlock(&v->status_lock);
	if (everything) {
		pthread_mutex_lock(&v->missed_lock);
		m->lack.everything = m->lack.walk = true;
		pthread_mutex_unlock(&v->missed_lock);
	}
	if (away_open(m, false) != 0) {
		away_lost(v, m, EIO);
		return;
	}
	if (!atomic_load(&m->wants_room)) {
		log_info("%s: is back", m->r->path);
		events_emit(v, &(struct event){ .kind = EVENT_REPLICA_BACK, .replica = m->r->path });
	}
	member_turn(m, MEMBER_AWAY, MEMBER_BACK);
}

/* One that was not at the mount may be by now (volume/enroll). */
static bool
is_named(struct volume *v, const struct member *m)
{
	bool named;

	pthread_mutex_lock(&v->label_lock);
	named = m->r != NULL;
	pthread_mutex_unlock(&v->label_lock);
	return named;
}

static void
round_one(struct volume *v, struct member *m, bool check)
{
	int rc;

	switch (atomic_load(&m->state)) {
	case MEMBER_IN_SYNC:
		if (check && (rc = m->r->ops->check(m->r)) != 0)
			members_lose(v, m, rc, "looking for its directory");
		break;
	case MEMBER_REMOVED:
		if (m->r != NULL && !m->let_go && atomic_load(&v->resyncing) != m)
			let_go(v, m);
		break;
	case MEMBER_AWAY:
		if (!is_named(v, m) || members_in_sync(v) == 0)
			break;
		if (!m->let_go)
			let_go(v, m);
		else if (clock_monotonic_ms() >= m->probe_ms)
			probe(v, m);
		break;
	default:
		break;
	}
}

void
away_pause(struct volume *v, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&v->hold_lock);
	if (!atomic_load(&v->keeper_stop))
		pthread_cond_timedwait(&v->keeper_wake, &v->hold_lock, &until);
	pthread_mutex_unlock(&v->hold_lock);
}

void
away_end(struct volume *v)
{
	pthread_mutex_lock(&v->hold_lock);
	atomic_store(&v->keeper_stop, true);
	pthread_cond_broadcast(&v->keeper_wake);
	pthread_mutex_unlock(&v->hold_lock);
}

/* Somebody asked: no more waiting. */
static void
hurry(struct volume *v)
{
	struct member *m;
	unsigned i;

	for (m = v->members; m < v->members + v->member_count; m++) {
		if (atomic_load(&m->state) == MEMBER_AWAY) {
			m->probe_ms = m->wait_ms = 0;
			m->unfit = false;
		}
	}
	for (i = 0; i < v->awaited_count; i++)
		v->awaited[i].probe_ms = v->awaited[i].wait_ms = 0;
}

static void *
keeper_run(void *arg)
{
	struct volume *v = arg;
	uint32_t saved = 0;
	struct member *m;
	unsigned rounds;

	(void)guard_always(true);
	/* Logs of those that were brought up to date elsewhere go; and what was just lost is written down. */
	missed_save(v, 0);
	saved = atomic_load(&v->away);
	for (rounds = 0; !atomic_load(&v->keeper_stop); rounds++) {
		if (atomic_load(&v->away) != saved) {
			saved = atomic_load(&v->away);
			missed_save(v, 0);
		}
		if (atomic_exchange(&v->keeper_hurry, false))
			hurry(v);
		for (m = v->members; m < v->members + v->member_count; m++)
			round_one(v, m, rounds % CHECK_ROUNDS == 0);
		awaited_look(v);
		if (rounds % CHECK_ROUNDS == 0)
			status_sample(v);
		away_pause(v, ROUND_MS);
	}
	return NULL;
}

unsigned
volume_hurry(struct volume *v)
{
	pthread_mutex_lock(&v->hold_lock);
	atomic_store(&v->keeper_hurry, true);
	pthread_cond_broadcast(&v->keeper_wake);
	pthread_mutex_unlock(&v->hold_lock);
	return members_count(v) - members_in_sync(v);
}

int
away_start(struct volume *v)
{
	int rc = pthread_create(&v->keeper, NULL, keeper_run, v);

	v->keeper_runs = rc == 0;
	return -rc;
}

void
away_stop(struct volume *v)
{
	if (!v->keeper_runs)
		return;
	away_end(v);
	pthread_join(v->keeper, NULL);
	v->keeper_runs = false;
}
